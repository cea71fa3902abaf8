/**
 * Loop devices: block devices that the kernel makes of files. Which file each one has is asked of the kernel and kept
 * nowhere else, so that what a killed process left is found.
 */
import { closeSync, constants, existsSync, openSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { codeOf } from '../host/files.ts';
import { callFailed, errno, ioctl, ioctlBuffer } from '../host/libc.ts';
import { eventually } from '../host/turns.ts';

// <linux/loop.h>
const LOOP_CLR_FD = 0x4c01;
const LOOP_SET_STATUS64 = 0x4c04;
const LOOP_GET_STATUS64 = 0x4c05;
const LOOP_SET_CAPACITY = 0x4c07;
const LOOP_CONFIGURE = 0x4c0a;
const LOOP_CTL_GET_FREE = 0x4c82;
/** <linux/fs.h> */
const BLKFLSBUF = 0x1261;
const LO_FLAGS_AUTOCLEAR = 4;
const LO_FLAGS_DIRECT_IO = 16;
/** struct loop_config: fd, block size, then struct loop_info64, whose flags and name stand here. */
const CONFIG_BYTES = 304;
const INFO_AT = 8;
const INFO_BYTES = 232;
/** In struct loop_info64. */
const [OFFSET_AT, FLAGS_AT, NAME_AT] = [24, 52, 56];
/** Where a device that was cut off begins in its file: far behind the end of any. */
const nowhere = 2n ** 60n;

/**
 * The same for every volume: the kernel would choose by the file, and a file that shares blocks with another can be
 * written past the cache by whole blocks only; a file system made for smaller sectors would not mount from its clone.
 */
export const sectorBytes = 4_096;

const [EAGAIN, EBUSY] = [11, 16];
const blockDevices = '/sys/block';

export interface LoopDevice {
  /** Its minor; the major is 7. */
  readonly number: number;
  /** The file behind it, as the kernel names it. */
  readonly file: string;
  /** It was cut off from its file, see `cutLoop`. */
  readonly cut: boolean;
}

export const loopPath = (number: number): string => `/dev/loop${number}`;

/** One word of what the kernel says of a device; undefined when it has none. */
function readDevice(number: number, name: string): string | undefined {
  try {
    return readFileSync(join(blockDevices, `loop${number}`, name), 'utf8').trimEnd();
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'ENXIO'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** The file behind a loop device; undefined when it has none. */
const fileOfLoop = (number: number): string | undefined => readDevice(number, 'loop/backing_file');

/** The size of the block device. */
export const loopBytes = (number: number): number => Number(readDevice(number, 'size') ?? 0) * 512;

export const isCut = (number: number): boolean => (readDevice(number, 'loop/offset') ?? '0') !== '0';

/** The folder as the kernel names it. */
const realFolder = (path: string): string => (existsSync(path) ? realpathSync(path) : path);

/** One device, if the name of its file begins so. */
function loopFrom(number: number, prefix: string): LoopDevice[] {
  const file = fileOfLoop(number);
  return file?.startsWith(prefix) ? [{ number, file, cut: isCut(number) }] : [];
}

/** Reads every device of this host: some milliseconds when there are hundreds. */
const loopsFrom = (prefix: string): LoopDevice[] =>
  readdirSync(blockDevices).flatMap((name) => {
    const [, number] = /^loop(\d+)$/.exec(name) ?? [];
    return number === undefined ? [] : loopFrom(Number(number), prefix);
  });

/** All loop devices whose file stands in this folder, or one of them if it is. */
export function findLoops(folder: string, number?: number): LoopDevice[] {
  const prefix = `${realFolder(folder)}/`.replace('//', '/');
  return number === undefined ? loopsFrom(prefix) : loopFrom(number, prefix);
}

const realName = (file: string): string => join(realFolder(dirname(file)), basename(file));
const writes = ({ file, cut }: LoopDevice, name: string): boolean =>
  !cut && file.replace(/ \(deleted\)$/, '') === name;

/** Those by which one file can be written: one, or none. */
export function loopsOf(file: string): LoopDevice[] {
  const name = realName(file);
  return loopsFrom(name).filter((loop) => writes(loop, name));
}

/** Waits until the devices that a file has now have let go of it. False when one has it still after so long. */
export function letGo(file: string, withinMs: number): Promise<boolean> {
  const name = realName(file);
  const loops = loopsOf(file);
  return eventually(
    () => !loops.some(({ number }) => loopFrom(number, name).some((loop) => writes(loop, name))),
    withinMs,
  );
}

/** Undefined while the kernel is taking its file away. */
function openDevice(number: number, flags: string | number): number | undefined {
  try {
    return openSync(loopPath(number), flags);
  } catch (error) {
    if (codeOf(error) === 'ENXIO') return undefined;
    throw error;
  }
}

function freeLoop(): number {
  const control = openSync('/dev/loop-control', 'r+');
  try {
    const number = ioctl(control, LOOP_CTL_GET_FREE, 0);
    if (number < 0) throw callFailed('ioctl', 'a free loop device');
    return number;
  } finally {
    closeSync(control);
  }
}

export interface OpenLoop {
  readonly number: number;
  readonly path: string;
  /** Lets go of it. One that ends by itself does so now, unless it is mounted. */
  close(): void;
}

/**
 * Makes a loop device of a file and holds it open. `endsAlone`: the kernel takes it away when nobody has it open or
 * mounted any more. Past its page cache where the file's own file system can (a clone of a file would have to wait for
 * what is in that cache).
 */
export function openLoop(file: string, { endsAlone }: { endsAlone: boolean }): OpenLoop {
  const backing = openSync(file, 'r+');
  try {
    const config = Buffer.alloc(CONFIG_BYTES);
    config.writeUInt32LE(backing, 0);
    config.writeUInt32LE(sectorBytes, 4);
    config.writeUInt32LE(LO_FLAGS_DIRECT_IO | (endsAlone ? LO_FLAGS_AUTOCLEAR : 0), INFO_AT + FLAGS_AT);
    config.write(basename(file).slice(0, 63), INFO_AT + NAME_AT);
    for (;;) {
      const number = freeLoop();
      const device = openDevice(number, 'r+');
      if (device === undefined) continue;
      if (ioctlBuffer(device, LOOP_CONFIGURE, config) === 0)
        return { number, path: loopPath(number), close: () => closeSync(device) };
      const taken = errno() === EBUSY;
      const failed = callFailed('ioctl', `${loopPath(number)} for ${file}`);
      closeSync(device);
      // Somebody else was quicker to take the free one.
      if (!taken) throw failed;
    }
  } finally {
    closeSync(backing);
  }
}

/** Has anybody mounted it, in whichever namespace? */
export function isClaimed(number: number): boolean {
  try {
    const device = openDevice(number, constants.O_RDONLY | constants.O_EXCL);
    if (device !== undefined) closeSync(device);
    return false;
  } catch (error) {
    if (codeOf(error) === 'EBUSY') return true;
    throw error;
  }
}

/** How often what is written at the same moment may be in the way. */
const cutAttempts = 100;

/**
 * Cuts a device off from its file, at once and whoever has it open or mounted: its size becomes 0, and whatever is read
 * or written from now on fails. The file may be used otherwise, and the number stays taken until `endLoop`.
 */
export async function cutLoop(number: number): Promise<void> {
  const device = openSync(loopPath(number), 'r+');
  try {
    const info = Buffer.alloc(INFO_BYTES);
    for (let attempt = 1; ; attempt++) {
      if (ioctlBuffer(device, LOOP_GET_STATUS64, info) !== 0) throw callFailed('ioctl', loopPath(number));
      info.writeBigUInt64LE(nowhere, OFFSET_AT);
      if (ioctlBuffer(device, LOOP_SET_STATUS64, info) === 0) return;
      if (errno() !== EAGAIN || attempt === cutAttempts) throw callFailed('ioctl', loopPath(number));
      await delay(5);
    }
  } finally {
    closeSync(device);
  }
}

/** Takes the file out of a loop device, at once or, when it is open still, with its last user. */
export function endLoop(number: number): void {
  const device = openDevice(number, 'r');
  if (device === undefined) return;
  try {
    if (ioctl(device, LOOP_CLR_FD, 0) !== 0 && fileOfLoop(number) !== undefined)
      throw callFailed('ioctl', loopPath(number));
  } finally {
    closeSync(device);
  }
}

/**
 * Writes out what the file system on it holds back in memory: also of one that is mounted, wherever it is. One that ends
 * has written it.
 */
export async function flushLoop(number: number): Promise<void> {
  const device = openDevice(number, 'r');
  if (device === undefined) return;
  try {
    // In a thread of its own: it takes as long as the disk does.
    const failed = await new Promise<boolean>((resolve, reject) => {
      ioctl.async(device, BLKFLSBUF, 0, (error: unknown, result: number) =>
        error ? reject(error) : resolve(result !== 0),
      );
    });
    if (failed && fileOfLoop(number) !== undefined) throw new Error(`${loopPath(number)} cannot be flushed`);
  } finally {
    closeSync(device);
  }
}

/** Tells the device that its file has grown. One that ends need not know. */
export function growLoop(number: number): void {
  const device = openDevice(number, 'r');
  if (device === undefined) return;
  try {
    if (ioctl(device, LOOP_SET_CAPACITY, 0) !== 0 && fileOfLoop(number) !== undefined)
      throw callFailed('ioctl', loopPath(number));
  } finally {
    closeSync(device);
  }
}
