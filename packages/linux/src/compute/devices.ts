/**
 * The folder that is a machine's /dev, and what else shows it its block devices. All of it is made by the host: a machine
 * can make no device node, so that it reaches those alone that were put here.
 *
 * The guest's root may put anything into its /dev, so nothing is written here by a path of more than one name but through
 * folders that were opened one by one, without following a symbolic link.
 */
import {
  closeSync,
  constants,
  lchownSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { codeOf, removeTree } from '../host/files.ts';
import { callFailed, mknod } from '../host/libc.ts';
import { mountFileSystem } from '../host/mounts.ts';
import { sectorBytes } from '../volumes/loop.ts';
import type { MachinePaths } from './record.ts';

const S_IFCHR = 0o020_000;
const S_IFBLK = 0o060_000;
/** Loop devices. */
export const LOOP_MAJOR = 7;
/** Debian's group `disk`. */
const diskGroup = 6;

/** As dev_t has it, for numbers as small as these. */
export const deviceNumber = (major: number, minor: number): number =>
  (major << 8) | (minor & 0xff) | ((minor >> 8) << 20);

/** A block device as the guest sees it. */
export interface BlockDevice {
  /** `xvdf` */
  readonly name: string;
  /** The minor of its loop device. */
  readonly loop: number;
  readonly sizeBytes: number;
  /** Further names, in /dev or below it. */
  readonly links: readonly string[];
  /** Is there a node that the guest may open? */
  readonly node: boolean;
}

function makeNode(path: string, mode: number, major: number, minor: number): void {
  const mask = process.umask(0);
  try {
    if (mknod(path, mode, deviceNumber(major, minor)) !== 0) throw callFailed('mknod', path);
  } finally {
    process.umask(mask);
  }
}

const characterDevices: readonly (readonly [name: string, major: number, minor: number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
  ['net/tun', 10, 200],
];

const links: readonly (readonly [name: string, target: string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['ptmx', 'pts/ptmx'],
];

/** Makes a machine's /dev for one boot, without block devices, and empty views of those. */
export async function makeDevices(paths: MachinePaths): Promise<void> {
  for (const target of [paths.dev, paths.shown]) {
    mkdirSync(target, { recursive: true, mode: 0o755 });
    const options = 'mode=755,size=1m,nr_inodes=4096';
    await mountFileSystem({ source: 'tmpfs', target, type: 'tmpfs', flags: ['nosuid'], options });
  }
  for (const directory of [paths.blockView, paths.blockNumbers, paths.requests])
    mkdirSync(directory, { mode: 0o755 });
  mkdirSync(join(paths.dev, 'net'), { mode: 0o755 });
  for (const [name, major, minor] of characterDevices)
    makeNode(join(paths.dev, name), S_IFCHR | 0o666, major, minor);
  for (const [name, target] of links) symlinkSync(target, join(paths.dev, name));
}

/** Calls `act` with a path of the folder that the guest cannot bend elsewhere. Makes the folder unless it is there. */
function inFolder(dev: string, folders: readonly string[], act: (folder: string) => void): void {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  let at = openSync(dev, flags);
  try {
    for (const name of folders) {
      const path = `/proc/self/fd/${at}/${name}`;
      try {
        mkdirSync(path, { mode: 0o755 });
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
      }
      const next = openSync(path, flags);
      closeSync(at);
      at = next;
    }
    act(`/proc/self/fd/${at}`);
  } finally {
    closeSync(at);
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!['ENOENT', 'EISDIR', 'ENOTDIR', 'ELOOP'].includes(codeOf(error) ?? '')) throw error;
  }
}

/** Puts a block device into the machine's /dev, instead of what stands there under its names. */
export function showDevice(paths: MachinePaths, device: BlockDevice): void {
  if (device.node) {
    const node = join(paths.dev, device.name);
    unlinkIfThere(node);
    makeNode(node, S_IFBLK | 0o660, LOOP_MAJOR, device.loop);
    lchownSync(node, 0, diskGroup);
    for (const link of device.links) {
      const folders = link.split('/');
      const name = folders.pop()!;
      inFolder(paths.dev, folders, (folder) => {
        unlinkIfThere(join(folder, name));
        symlinkSync(`${'../'.repeat(folders.length)}${device.name}`, join(folder, name));
      });
    }
  }
  showSize(paths, device);
}

/** What `lsblk` and libblkid read: one folder for each device, and their numbers. */
export function showSize(paths: MachinePaths, { name, loop, sizeBytes }: BlockDevice): void {
  const view = join(paths.blockView, name);
  mkdirSync(join(view, 'queue'), { recursive: true });
  const files = {
    dev: `${LOOP_MAJOR}:${loop}`,
    size: String(sizeBytes / 512),
    ro: '0',
    removable: '0',
    range: '1',
    'queue/rotational': '0',
    'queue/logical_block_size': String(sectorBytes),
    'queue/physical_block_size': String(sectorBytes),
    'queue/hw_sector_size': String(sectorBytes),
  };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(view, file), `${text}\n`);
  const number = join(paths.blockNumbers, `${LOOP_MAJOR}:${loop}`);
  rmSync(number, { force: true });
  symlinkSync(`../../block/${name}`, number);
}

/** Takes a block device away again. What the guest has made of its names itself is left. */
export async function hideDevice(paths: MachinePaths, device: BlockDevice): Promise<void> {
  unlinkIfThere(join(paths.dev, device.name));
  for (const link of device.links) {
    const folders = link.split('/');
    const name = folders.pop()!;
    inFolder(paths.dev, folders, (folder) => unlinkIfThere(join(folder, name)));
  }
  rmSync(join(paths.blockNumbers, `${LOOP_MAJOR}:${device.loop}`), { force: true });
  await removeTree(join(paths.blockView, device.name));
}
