/**
 * Mounts, unmounts or grows one file system inside one machine's mount namespace: a thread of its own, which enters that
 * namespace, makes the kernel's calls and comes back. A mount may have a journal to replay first, and an unmount much
 * to write: nothing else waits for it.
 *
 * The machine's root chooses the paths, and may change what they lead to at any moment. So each is opened once, what it
 * led to is checked to be one of the machine's own volumes, or a place where one may be mounted, and the call is made on
 * what was opened and on nothing else.
 */
import { closeSync, constants as file, fstatSync, lstatSync, openSync, readSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { InitProcess } from '../compute/record.ts';
import { errno, ioctlBuffer, umount2, unshare } from '../host/libc.ts';
import * as kernel from '../host/mount-calls.ts';
import { isAlive } from '../host/process.ts';
import type { MountableType, MountSettings } from './mount-options.ts';

/** One thing to be done in a machine's mount namespace. */
export interface MountWork {
  readonly init: InitProcess;
  /** The block devices that are the machine's own, and their sizes, by number. */
  readonly devices: ReadonlyMap<number, number>;
  /** The number of the file system that is its /dev, where nothing is mounted. */
  readonly dev: number;
  readonly target: string;
  readonly act:
    | {
        readonly kind: 'mount';
        readonly type: MountableType;
        readonly source: string;
        readonly settings: MountSettings;
      }
    | { readonly kind: 'unmount'; readonly lazy: boolean }
    | { readonly kind: 'grow' };
}

/** Undefined when it was done; otherwise words for the user. */
export type MountFailure = string | undefined;

const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x2_0000;
const O_PATH = 0x20_0000;
const AT_EMPTY_PATH = 0x1000;
const CLOEXEC = 1;
const [CONFIG_FLAG, CONFIG_TEXT, CONFIG_CREATE, CONFIG_RECONFIGURE] = [0, 1, 6, 7];
/** Both sides are open files: MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH. */
const MOVE_BY_FILES = 0x44;
const FSPICK_EMPTY_PATH = 8;
const UMOUNT_NOFOLLOW = 8;
const MNT_DETACH = 2;
/** What a remount sets anew: RDONLY, NOSUID, NOEXEC, how access times are kept. */
const REMOUNTED = 0x1 | 0x2 | 0x8 | 0x70 | 0x80;
// <xfs/xfs_fs.h>
const XFS_IOC_FSGEOMETRY = 0x8100_587e;
const XFS_IOC_FSGROWFSDATA = 0x4010_586e;
const XFS_SUPER_MAGIC = 0x5846_5342;
/** The root's overlay, ext, XFS, tmpfs. Not /proc and /sys: what stands there keeps the machine in its bounds. */
const mayHoldMounts = new Set([0x794c_7630, 0xef53, XFS_SUPER_MAGIC, 0x0102_1994]);

const { ENOENT, ENOTDIR, ELOOP, EBUSY, EINVAL, EIO, EROFS } = constants.errno;
const words: Readonly<Record<number, string>> = {
  [ENOENT]: 'mount point does not exist',
  [ENOTDIR]: 'mount point is not a directory',
  [ELOOP]: 'mount point is a symbolic link',
};

const nameOf = (number: number): string =>
  Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? `error ${number}`;

/** What a call of Node's failed with. */
const numberOf = (error: unknown): number => Math.abs((error as { errno?: number }).errno ?? EINVAL);

/** Opens files for one piece of work, and closes them after it. */
class Opened {
  readonly #files: number[] = [];
  keep(fd: number): number {
    if (fd >= 0) this.#files.push(fd);
    return fd;
  }
  open(path: string, flags: number): number {
    return this.keep(openSync(path, flags));
  }
  [Symbol.dispose](): void {
    for (const fd of this.#files.reverse()) closeSync(fd);
  }
}

/** What the file system has to say of its options and of what it found on the device. */
function messages(fs: number): string {
  const said: string[] = [];
  const buffer = Buffer.alloc(1_024);
  try {
    for (let length = readSync(fs, buffer); length > 0 && said.length < 8; length = readSync(fs, buffer))
      said.push(buffer.toString('utf8', 2, length).trim());
  } catch {
    // ENODATA: that was all.
  }
  return said.length > 0 ? ` (${said.join('; ')})` : '';
}

function configure(fs: number, { parameters, readOnly }: MountSettings): boolean {
  const all = [...parameters, [readOnly ? 'ro' : 'rw', undefined] as const];
  return all.every(([name, value]) =>
    value === undefined
      ? kernel.fsconfig(fs, CONFIG_FLAG, name, null, 0) === 0
      : kernel.fsconfig(fs, CONFIG_TEXT, name, value, 0) === 0,
  );
}

function typeOf(fd: number): number {
  const buffer = Buffer.alloc(256);
  return kernel.fstatfs(fd, buffer) === 0 ? buffer.readUInt32LE(0) : 0;
}

/** What stands under a name. An XFS that was cut off answers nothing about its files any more. */
function standing(name: string): { readonly dev: number; readonly ino?: number } {
  try {
    return lstatSync(name);
  } catch (error) {
    if (numberOf(error) !== EIO) throw error;
    // Closed again before anybody unmounts it: it keeps the mount busy.
    using opened = new Opened();
    const buffer = Buffer.alloc(256);
    const answered = kernel.fstatfs(opened.open(name, O_PATH | file.O_NOFOLLOW), buffer) === 0;
    if (!answered || buffer.readUInt32LE(0) !== XFS_SUPER_MAGIC) throw error;
    // The first half of f_fsid, which is its device's number.
    return { dev: buffer.readUInt32LE(56) };
  }
}

type Mounting = Extract<MountWork['act'], { kind: 'mount' }>;

function mountNew(work: MountWork, { type, source, settings }: Mounting, opened: Opened): MountFailure {
  const device = statSync(source, { throwIfNoEntry: false });
  if (!device) return `special device ${source} does not exist`;
  if (!device.isBlockDevice() || !work.devices.has(device.rdev)) return `${source} is not a block device`;
  const target = opened.open(work.target, O_PATH | file.O_DIRECTORY);
  const [place, top] = [fstatSync(target), lstatSync('/')];
  const isRoot = place.dev === top.dev && place.ino === top.ino;
  if (isRoot || place.dev === work.dev || !mayHoldMounts.has(typeOf(target)))
    return 'no volume can be mounted here';
  const fs = opened.keep(kernel.fsopen(type, CLOEXEC));
  if (fs < 0) return `unknown filesystem type '${type}'`;
  const ready = kernel.fsconfig(fs, CONFIG_TEXT, 'source', source, 0) === 0 && configure(fs, settings);
  if (!ready || kernel.fsconfig(fs, CONFIG_CREATE, null, null, 0) !== 0) {
    const number = errno();
    if (number === EBUSY) return `${source} already mounted or mount point busy`;
    if (number === EROFS) return `cannot mount ${source} read-only${messages(fs)}`;
    return `wrong fs type, bad option, bad superblock on ${source}, missing codepage or helper program, or other error${messages(fs)}`;
  }
  const mounted = opened.keep(kernel.fsmount(fs, CLOEXEC, settings.attributes));
  if (mounted < 0) return nameOf(errno());
  // The source was looked up once more by the kernel.
  if (!work.devices.has(fstatSync(mounted).dev)) return `${source} is not a block device`;
  return kernel.moveMount(mounted, '', target, '', MOVE_BY_FILES) === 0 ? undefined : nameOf(errno());
}

function mountAgain(work: MountWork, { settings }: Mounting, opened: Opened): MountFailure {
  const target = opened.open(work.target, O_PATH | file.O_DIRECTORY);
  if (!work.devices.has(fstatSync(target).dev)) return 'mount point not mounted or bad option';
  const fs = opened.keep(kernel.fspick(target, '', FSPICK_EMPTY_PATH | CLOEXEC));
  if (fs < 0) return 'mount point not mounted or bad option';
  if (!configure(fs, settings) || kernel.fsconfig(fs, CONFIG_RECONFIGURE, null, null, 0) !== 0)
    return errno() === EBUSY ? 'mount point is busy' : `bad option${messages(fs)}`;
  const attributes = new BigUint64Array([BigInt(settings.attributes), BigInt(REMOUNTED), 0n, 0n]);
  const changed = kernel.mountSetattr(target, '', AT_EMPTY_PATH, Buffer.from(attributes.buffer), 32);
  return changed === 0 ? undefined : nameOf(errno());
}

function unmount(work: MountWork, lazy: boolean, opened: Opened): MountFailure {
  // From its parent, by its last name: whatever the path's folders are renamed to meanwhile, this is what was checked.
  const parent = opened.open(dirname(work.target), O_PATH | file.O_DIRECTORY);
  if (kernel.fchdir(parent) !== 0) return nameOf(errno());
  const name = basename(work.target);
  const [found, above] = [standing(name), fstatSync(parent)];
  if (!work.devices.has(found.dev) || (work.devices.has(above.dev) && found.ino === above.ino))
    return 'not mounted';
  if (umount2(name, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) === 0) return undefined;
  if (errno() === EBUSY) return 'target is busy';
  return errno() === EINVAL ? 'not mounted' : nameOf(errno());
}

/** Lets an XFS take all of its device. ext4 needs nobody's help for that: resize2fs(8) does it inside. */
function grow(work: MountWork, opened: Opened): MountFailure {
  const target = opened.open(work.target, file.O_RDONLY | file.O_DIRECTORY);
  const bytes = work.devices.get(fstatSync(target).dev);
  if (bytes === undefined || typeOf(target) !== XFS_SUPER_MAGIC) return 'is not a mounted XFS filesystem';
  const geometry = Buffer.alloc(256);
  if (ioctlBuffer(target, XFS_IOC_FSGEOMETRY, geometry) !== 0) return nameOf(errno());
  const [blockBytes, inodePercent, blocks] = [
    geometry.readUInt32LE(0),
    geometry.readUInt32LE(28),
    geometry.readBigUInt64LE(32),
  ];
  const wanted = BigInt(bytes) / BigInt(blockBytes);
  if (wanted <= blocks) return undefined;
  const growth = Buffer.alloc(16);
  growth.writeBigUInt64LE(wanted, 0);
  growth.writeUInt32LE(inodePercent, 8);
  return ioctlBuffer(target, XFS_IOC_FSGROWFSDATA, growth) === 0 ? undefined : nameOf(errno());
}

function perform(work: MountWork): MountFailure {
  using opened = new Opened();
  const { act } = work;
  try {
    if (act.kind === 'unmount') return unmount(work, act.lazy, opened);
    if (act.kind === 'grow') return grow(work, opened);
    return act.settings.remount ? mountAgain(work, act, opened) : mountNew(work, act, opened);
  } catch (error) {
    const number = numberOf(error);
    return words[number] ?? nameOf(number);
  }
}

/** Runs in the machine's namespace. Nothing is loaded there: it would come from the machine's files. */
function performInside(work: MountWork): MountFailure {
  using opened = new Opened();
  const own = opened.open('/proc/thread-self/ns/mnt', file.O_RDONLY);
  const theirs = opened.open(`/proc/${work.init.pid}/ns/mnt`, file.O_RDONLY);
  if (!isAlive(work.init)) return 'the instance has ended';
  // Root and working folder are a thread's own only when it says so; the kernel asks for that.
  if (unshare(CLONE_FS) !== 0 || kernel.setns(theirs, CLONE_NEWNS) !== 0) return nameOf(errno());
  try {
    return perform(work);
  } finally {
    if (kernel.setns(own, CLONE_NEWNS) !== 0) process.abort();
  }
}

parentPort?.postMessage(performInside(workerData as MountWork));
