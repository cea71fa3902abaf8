/**
 * What makes an instance itself (its machine id, its first hostname, its host keys) on a disk that may have been another
 * one's. All of it is done from outside, in folders that a guest has written: no symbolic link in them is followed, as
 * from here it would lead to this host's own files.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { MachineSpec } from '@holdfast/region/drivers/compute.ts';
import { entriesOf, removeTree } from '../host/files.ts';

/** Files that a new instance makes anew. */
const identity = [
  'etc/machine-id',
  'etc/hostname',
  'var/lib/dbus/machine-id',
  'var/lib/cloud',
  'var/lib/holdfast',
  'var/lib/systemd/random-seed',
];

/** A path inside a folder that a guest has written, or undefined when a symbolic link stands on the way. */
function pathInside(root: string, path: string): string | undefined {
  const parts = path.split('/');
  for (let depth = 1; depth < parts.length; depth++) {
    const parent = lstatSync(join(root, ...parts.slice(0, depth)), { throwIfNoEntry: false });
    if (!parent?.isDirectory()) return undefined;
  }
  return join(root, path);
}

/** Removes from a disk's writable folder what made its last user itself. */
async function removeIdentity(upper: string): Promise<void> {
  const ssh = pathInside(upper, 'etc/ssh/.');
  const hostKeys = ssh ? entriesOf(ssh).filter((name) => name.startsWith('ssh_host_')) : [];
  for (const name of [...identity, ...hostKeys.map((key) => `etc/ssh/${key}`)]) {
    const path = pathInside(upper, name);
    if (path) await removeTree(path);
  }
}

/** Writes a file that is not there yet. */
function writeNew(path: string, text: string, mode: number): void {
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
  try {
    fchmodSync(file, mode);
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
}

/** Makes the disk this machine's, before its first boot from it. */
export async function giveIdentity(
  upper: string,
  machine: Pick<MachineSpec, 'id' | 'hostname'>,
): Promise<void> {
  await removeIdentity(upper);
  const etc = join(upper, 'etc');
  const found = lstatSync(etc, { throwIfNoEntry: false });
  if (!found) mkdirSync(etc, { mode: 0o755 });
  else if (!found.isDirectory()) return;
  const machineId = createHash('sha256').update(`machine-id ${machine.id}`).digest('hex').slice(0, 32);
  writeNew(join(etc, 'machine-id'), `${machineId}\n`, 0o444);
  writeNew(join(etc, 'hostname'), `${machine.hostname}\n`, 0o644);
}

/**
 * The name that a machine was last given from inside (`hostnamectl set-hostname`), for its next boot: its own init may
 * not set it. Undefined when there is none that can be used. The machine must not be running.
 */
export function hostnameOnDisk(upper: string): string | undefined {
  const path = pathInside(upper, 'etc/hostname');
  const file = path === undefined ? undefined : lstatSync(path, { throwIfNoEntry: false });
  if (path === undefined || !file?.isFile() || file.size > 256) return undefined;
  const name = readFileSync(path, 'utf8').trim();
  return /^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/.test(name) ? name : undefined;
}
