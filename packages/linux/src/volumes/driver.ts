/** Volumes and snapshots as sparse files that share what they have in common. */
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  type Stats,
  statSync,
  truncateSync,
} from 'node:fs';
import { copyFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  SnapshotStatus,
  VolumeDriver,
  VolumeSpec,
  VolumeStatus,
} from '@holdfast/region/drivers/volume.ts';
import { showGrowth } from '../compute/attached.ts';
import { entriesOf, syncDirectory } from '../host/files.ts';
import { inTurns } from '../host/turns.ts';
import type { HostLayout } from '../layout.ts';
import { flushLoop, growLoop, letGo, loopsOf } from './loop.ts';
import { checkedVolumeId, volumeFile, volumePaths } from './paths.ts';
import { openPool } from './pool.ts';
import { rootTemplate } from './template.ts';

/** How long a machine that has ended may still be letting go of a volume that is to be removed. */
const LETS_GO_WITHIN_MS = 1_000;

const half = '.new';

/** Every file of a folder that is whole. One may go while the others are looked at. */
const wholeFiles = (directory: string): { id: string; stats: Stats }[] =>
  entriesOf(directory).flatMap((id) => {
    const stats = id.endsWith(half) ? undefined : statSync(join(directory, id), { throwIfNoEntry: false });
    return stats ? [{ id, stats }] : [];
  });

const snapshotStatus = (id: string, { size, blocks }: Stats): SnapshotStatus => ({
  id,
  volumeSizeBytes: size,
  dataBytes: blocks * 512,
});

class FileVolumes implements VolumeDriver {
  readonly #layout: HostLayout;
  readonly #inTurn = inTurns();
  #pool: Promise<void> | undefined;

  constructor(layout: HostLayout) {
    this.#layout = layout;
  }

  /** Opens the pool once; a failure is tried again by the next call. */
  #opened(): Promise<void> {
    this.#pool ??= this.#open().catch((error: unknown) => {
      this.#pool = undefined;
      throw error;
    });
    return this.#pool;
  }

  /** What a process that was killed left half made has nobody else who would look for it. */
  async #open(): Promise<void> {
    await openPool(this.#layout);
    const { volumes, snapshots } = volumePaths(this.#layout);
    for (const directory of [volumes, snapshots])
      for (const name of entriesOf(directory))
        if (name.endsWith(half)) await rm(join(directory, name), { force: true });
  }

  #volume(id: string): string {
    return volumeFile(this.#layout, id);
  }

  #snapshot(id: string): string {
    return join(volumePaths(this.#layout).snapshots, checkedVolumeId(id));
  }

  /** Makes a file by a clone of another one, or empty: whole under its name, or not at all. */
  async #make(path: string, from: string | undefined, sizeBytes: number | undefined): Promise<void> {
    const temporary = `${path}${half}`;
    await rm(temporary, { force: true });
    if (from !== undefined) await copyFile(from, temporary, constants.COPYFILE_FICLONE_FORCE);
    const file = openSync(temporary, from === undefined ? 'w' : 'r+', 0o600);
    try {
      if (sizeBytes !== undefined) ftruncateSync(file, Math.max(sizeBytes, statSync(temporary).size));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    await rename(temporary, path);
    syncDirectory(join(path, '..'));
  }

  async ensure(spec: VolumeSpec): Promise<VolumeStatus> {
    await this.#opened();
    return this.#inTurn(spec.id, async () => {
      const path = this.#volume(spec.id);
      if (!existsSync(path)) await this.#make(path, await this.#contents(spec), spec.sizeBytes);
      else if (statSync(path).size < spec.sizeBytes) this.#grow(spec.id, spec.sizeBytes);
      return { id: spec.id, sizeBytes: statSync(path).size };
    });
  }

  /** The file that a new volume begins as a clone of. */
  async #contents({ origin, sizeBytes }: VolumeSpec): Promise<string | undefined> {
    if (origin.kind === 'root')
      return this.#inTurn(`template ${sizeBytes}`, () => rootTemplate(this.#layout, sizeBytes));
    if (origin.kind === 'snapshot') {
      const path = this.#snapshot(origin.snapshotId);
      if (!existsSync(path)) throw new Error(`the snapshot ${origin.snapshotId} is not on this machine`);
      return path;
    }
    return undefined;
  }

  #grow(id: string, sizeBytes: number): void {
    const path = this.#volume(id);
    const file = openSync(path, 'r+');
    try {
      ftruncateSync(file, sizeBytes);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    for (const { number } of loopsOf(path)) {
      growLoop(number);
      showGrowth(this.#layout, id);
    }
  }

  async remove(id: string): Promise<void> {
    await this.#opened();
    return this.#inTurn(id, async () => {
      const path = this.#volume(id);
      // The kernel takes a device away only after the last process of a machine is gone, a moment behind its end.
      if (!(await letGo(path, LETS_GO_WITHIN_MS))) throw new Error(`the volume ${id} is in use still`);
      // Its space is given back also while a device that was cut off keeps the file, until that machine's boot ends.
      if (existsSync(path)) truncateSync(path, 0);
      await rm(path, { force: true });
    });
  }

  async list(): Promise<VolumeStatus[]> {
    await this.#opened();
    return wholeFiles(volumePaths(this.#layout).volumes).map(({ id, stats }) => ({
      id,
      sizeBytes: stats.size,
    }));
  }

  async snapshot(volumeId: string, snapshotId: string): Promise<SnapshotStatus> {
    await this.#opened();
    return this.#inTurn(volumeId, async () => {
      const path = this.#snapshot(snapshotId);
      if (!existsSync(path)) {
        if (!existsSync(this.#volume(volumeId)))
          throw new Error(`the volume ${volumeId} is not on this machine`);
        // More than AWS promises, whose snapshots lack what the instance has not written to the volume yet.
        await Promise.all(loopsOf(this.#volume(volumeId)).map(({ number }) => flushLoop(number)));
        await this.#make(path, this.#volume(volumeId), undefined);
      }
      return snapshotStatus(snapshotId, statSync(path));
    });
  }

  async removeSnapshot(id: string): Promise<void> {
    await this.#opened();
    await rm(this.#snapshot(id), { force: true });
  }

  async listSnapshots(): Promise<SnapshotStatus[]> {
    await this.#opened();
    return wholeFiles(volumePaths(this.#layout).snapshots).map(({ id, stats }) => snapshotStatus(id, stats));
  }
}

/** The driver for one region of this host: one process has it. Needs root; opens the pool at the first call. */
export const linuxVolumes = (layout: HostLayout): VolumeDriver => new FileVolumes(layout);
