/**
 * A machine's root volume: a block device whose ext4 holds the writable folders of the machine's overlay. While the
 * machine does not run, anybody may have written anything to it (attached to another machine as a data volume), so
 * nothing on it is taken for granted.
 */
import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineSpec, MachineVolume } from '@holdfast/region/drivers/compute.ts';
import { codeOf, replaceFile } from '../host/files.ts';
import { mountFileSystem } from '../host/mounts.ts';
import type { HostLayout } from '../layout.ts';
import { canGrow, growUnmounted } from '../volumes/grow.ts';
import { rootVolumeNames as names } from '../volumes/template.ts';
import { noteRoot, openVolume } from './attached.ts';
import { CannotStart, type Disk } from './disk.ts';
import { giveIdentity } from './identity.ts';
import type { MachinePaths } from './record.ts';

/** Mounts the volume for a boot of this machine, and makes what is on it this machine's own. */
export async function mountRootVolume(
  layout: HostLayout,
  paths: MachinePaths,
  machine: MachineSpec,
  volume: MachineVolume,
): Promise<Disk> {
  const { volumeId } = volume;
  mkdirSync(paths.rootVolume, { recursive: true, mode: 0o700 });
  // The mount keeps the device, and the kernel takes it away with the mount: a crash of ours leaves none behind.
  const loop = await openVolume(layout, volumeId, { endsAlone: true });
  try {
    // As cloud-init's growroot does at a boot. One that cannot grow boots as it is.
    if (canGrow(loop.number)) await growUnmounted(loop.number).catch(() => undefined);
    await mountFileSystem({
      source: loop.path,
      target: paths.rootVolume,
      type: 'ext4',
      flags: ['nodev', 'nosuid'],
      // Whoever made the file system may have asked it to stop this host's kernel on an error (tune2fs -e panic).
      options: 'errors=remount-ro,discard',
    }).catch((error: unknown) => {
      throw new CannotStart(`the root volume ${volumeId} has no ext4 file system that can be mounted`, {
        cause: error,
      });
    });
  } finally {
    loop.close();
  }
  noteRoot(paths, volume, loop.number);
  return ownDisk(paths, machine, volumeId);
}

async function ownDisk(paths: MachinePaths, machine: MachineSpec, volumeId: string): Promise<Disk> {
  const [upper, work] = [names.upper, names.work].map((name) => join(paths.rootVolume, name));
  for (const folder of [upper, work])
    if (!lstatSync(folder!, { throwIfNoEntry: false })?.isDirectory())
      throw new CannotStart(`the volume ${volumeId} is not a root volume`);
  const marker = join(paths.rootVolume, names.machine);
  if (lastMachine(marker) !== machine.id) {
    await giveIdentity(upper!, machine);
    replaceFile(marker, machine.id);
  }
  return { upper: upper!, work: work! };
}

/** Who wrote the volume last. */
function lastMachine(marker: string): string | undefined {
  try {
    const file = openSync(marker, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { size } = fstatSync(file);
      return size < 256 ? readFileSync(file, 'utf8') : undefined;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENXIO'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}
