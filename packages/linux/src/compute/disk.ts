/**
 * A machine's disk: a writable overlay folder on the layers of its image. What makes an instance itself (its machine id
 * and first hostname) is written into it from outside before its first boot.
 */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineSpec } from '@holdfast/region/drivers/compute.ts';
import { findLayer, makeWhole } from '../images/layers.ts';
import type { HostLayout } from '../layout.ts';
import { runCommand } from './command.ts';
import { entriesOf, readOptional, removeTree } from './files.ts';
import type { MachinePaths } from './record.ts';

/** What keeps a machine from ever starting, whoever repeats the call. */
export class CannotStart extends Error {}

/** mount(2) takes one page of options. */
const mountOptionBytes = 4_095;

/** Makes the empty disk of a new machine. A disk that is there stays as it is. */
export async function makeDisk(paths: MachinePaths, machine: MachineSpec): Promise<void> {
  const disk = join(paths.state, 'disk');
  if (existsSync(disk)) return;
  mkdirSync(paths.state, { recursive: true, mode: 0o700 });
  await makeWhole(disk, async (temporary) => {
    const etc = join(temporary, 'upper', 'etc');
    mkdirSync(etc, { recursive: true });
    for (const path of [join(temporary, 'upper'), etc]) chmodSync(path, 0o755);
    mkdirSync(join(temporary, 'work'), { mode: 0o700 });
    const machineId = createHash('sha256').update(`machine-id ${machine.id}`).digest('hex').slice(0, 32);
    writeFileSync(join(etc, 'machine-id'), `${machineId}\n`, { mode: 0o444 });
    writeFileSync(join(etc, 'hostname'), `${machine.hostname}\n`, { mode: 0o644 });
  });
}

export const isMounted = (path: string): boolean =>
  (readOptional('/proc/self/mounts') ?? '').split('\n').some((line) => line.split(' ')[1] === path);

/** The overlay's options. Throws `CannotStart` when the image is not there. */
export function overlayOptions(layout: HostLayout, paths: MachinePaths, layers: readonly string[]): string {
  if (layers.length === 0) throw new CannotStart('the image has no layers');
  const lower = layers.map((layer) => {
    const path = findLayer(layout, layer);
    if (!path) throw new CannotStart(`image layer ${layer} is not on this machine`);
    return path;
  });
  // Overlay lists the topmost lower layer first. Renames stay inside one layer, so that a layer copied from an upper
  // folder means the same on any machine.
  const options = [
    `lowerdir=${lower.toReversed().join(':')}`,
    `upperdir=${paths.upper}`,
    `workdir=${paths.work}`,
    'redirect_dir=off',
    'metacopy=off',
    'index=off',
  ].join(',');
  if (options.length > mountOptionBytes)
    throw new CannotStart(`${layers.length} image layers are more than one mount takes`);
  return options;
}

export async function mountDisk(paths: MachinePaths, options: string): Promise<void> {
  mkdirSync(paths.rootfs, { recursive: true, mode: 0o755 });
  if (isMounted(paths.rootfs)) return;
  await runCommand(['mount', '-t', 'overlay', '-o', options, 'overlay', paths.rootfs]);
}

export async function unmountDisk(paths: MachinePaths): Promise<void> {
  // Lazily: a process of this host that looks into the disk must not keep the machine from ending.
  while (isMounted(paths.rootfs)) await runCommand(['umount', '--lazy', paths.rootfs]);
}

/** Files that make an instance itself, and that a new instance makes anew. */
const identity = [
  'etc/machine-id',
  'etc/hostname',
  'var/lib/dbus/machine-id',
  'var/lib/cloud',
  'var/lib/holdfast',
  'var/lib/systemd/random-seed',
];

/**
 * A path inside a folder that a guest has written, or undefined when a symbolic link stands on the way: followed from
 * here it would lead to this host's own files.
 */
function pathInside(root: string, path: string): string | undefined {
  const parts = path.split('/');
  for (let depth = 1; depth < parts.length; depth++) {
    const parent = lstatSync(join(root, ...parts.slice(0, depth)), { throwIfNoEntry: false });
    if (!parent?.isDirectory()) return undefined;
  }
  return join(root, path);
}

/**
 * The name that a machine was last given from inside (`hostnamectl set-hostname`), for its next boot: its own init may
 * not set it. Undefined when there is none that can be used. The machine must not be running.
 */
export function hostnameOnDisk(paths: MachinePaths): string | undefined {
  const path = pathInside(paths.upper, 'etc/hostname');
  const file = path === undefined ? undefined : lstatSync(path, { throwIfNoEntry: false });
  if (path === undefined || !file?.isFile() || file.size > 256) return undefined;
  const name = readFileSync(path, 'utf8').trim();
  return /^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/.test(name) ? name : undefined;
}

/**
 * Copies a disk's writable folder into a new layer. Deletions (0:0 devices) and replaced folders (`trusted.overlay.*`
 * attributes) mean the same in a lower layer, so a faithful copy is one.
 */
export async function copyDisk(upper: string, layerPath: string): Promise<void> {
  await makeWhole(layerPath, async (temporary) => {
    await runCommand(['cp', '--archive', '--reflink=auto', `${upper}/.`, temporary]);
    const ssh = pathInside(temporary, 'etc/ssh/.');
    const hostKeys = ssh ? entriesOf(ssh).filter((name) => name.startsWith('ssh_host_')) : [];
    for (const name of [...identity, ...hostKeys.map((key) => `etc/ssh/${key}`)]) {
      const path = pathInside(temporary, name);
      if (path) await removeTree(path);
    }
  });
}
