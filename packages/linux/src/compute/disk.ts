/** A machine's disk: a writable overlay folder, on its root volume, over the layers of its image. */
import { mkdirSync } from 'node:fs';
import { mountFileSystem } from '../host/mounts.ts';
import { findLayer } from '../images/layers.ts';
import type { HostLayout } from '../layout.ts';
import type { MachinePaths } from './record.ts';

/** What keeps a machine from ever starting, whoever repeats the call. */
export class CannotStart extends Error {}

/** What keeps it from starting, or a volume from being put in, and may pass: another machine has not let go of it yet. */
export class VolumeInUse extends Error {
  constructor(volumeId: string) {
    super(`the volume ${volumeId} is in use`);
  }
}

/** mount(2) takes one page of options. */
const mountOptionBytes = 4_095;

/** The two folders that an overlay writes to. */
export interface Disk {
  readonly upper: string;
  readonly work: string;
}

/** The folders of the image's layers, the topmost first. Throws `CannotStart` when the image is not there. */
export function layerFolders(layout: HostLayout, layers: readonly string[]): string[] {
  if (layers.length === 0) throw new CannotStart('the image has no layers');
  return layers.toReversed().map((layer) => {
    const path = findLayer(layout, layer);
    if (!path) throw new CannotStart(`image layer ${layer} is not on this machine`);
    return path;
  });
}

/**
 * Mounts the overlay. Renames stay inside one layer, so that what a root volume holds means the same on any machine.
 * No device on it opens: a machine's devices are those in its /dev alone.
 */
export async function mountDisk(paths: MachinePaths, disk: Disk, lower: readonly string[]): Promise<void> {
  const options = [
    `lowerdir=${lower.join(':')}`,
    `upperdir=${disk.upper}`,
    `workdir=${disk.work}`,
    'redirect_dir=off',
    'metacopy=off',
    'index=off',
  ].join(',');
  if (options.length > mountOptionBytes)
    throw new CannotStart(`${lower.length} image layers are more than one mount takes`);
  mkdirSync(paths.rootfs, { recursive: true, mode: 0o755 });
  await mountFileSystem({
    source: 'overlay',
    target: paths.rootfs,
    type: 'overlay',
    flags: ['nodev'],
    options,
  });
}
