/** Lets the ext4 of a root volume take all of its device. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { CommandError, runCommand } from '../host/command.ts';
import { ioctlBuffer } from '../host/libc.ts';
import { mayGive } from '../host/process.ts';
import { loopBytes, loopPath } from './loop.ts';

/** <linux/ext4.h> */
const EXT4_IOC_RESIZE_FS = 0x4008_6610;
/** Of every root volume: `rootTemplate`. A block group has one block for what is in use, with a bit for each. */
const blockBytes = 4_096;
const groupBlocks = 8 * blockBytes;
const CAP_SYS_RESOURCE = 24;

const wantedBlocks = (loop: number): number => Math.floor(loopBytes(loop) / blockBytes);

/** Is there room on the device for at least one more block group? Asked of the superblock, mounted or not. */
export function canGrow(loop: number): boolean {
  const superblock = Buffer.alloc(1_024);
  const device = openSync(loopPath(loop), 'r');
  try {
    readSync(device, superblock, 0, superblock.length, 1_024);
  } finally {
    closeSync(device);
  }
  const isExt = superblock.readUInt16LE(0x38) === 0xef53;
  const blocks = superblock.readUInt32LE(0x4) + superblock.readUInt32LE(0x150) * 2 ** 32;
  return isExt && wantedBlocks(loop) - blocks >= groupBlocks;
}

/** Before it is mounted. Throws with what the tools said. */
export async function growUnmounted(loop: number): Promise<void> {
  const check = await runCommand(['e2fsck', '-f', '-p', loopPath(loop)]).catch((error: unknown) => error);
  // 1: errors were corrected.
  if (check instanceof CommandError && check.exitCode !== 1) throw check;
  await runCommand(['resize2fs', loopPath(loop)]);
}

/** While it is mounted. Resolves with words when it does not grow; one that is as large already stays as it is. */
export async function growMounted(mountPoint: string, loop: number): Promise<string | undefined> {
  if (!canGrow(loop)) return undefined;
  const blocks = Buffer.alloc(8);
  blocks.writeBigUInt64LE(BigInt(wantedBlocks(loop)));
  const root = openSync(mountPoint, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    // In a thread of its own: a lot of new space takes a while to be written down.
    const result = await new Promise<number>((resolve, reject) => {
      ioctlBuffer.async(root, EXT4_IOC_RESIZE_FS, blocks, (error: unknown, value: number) =>
        error ? reject(error) : resolve(value),
      );
    });
    if (result === 0) return undefined;
  } finally {
    closeSync(root);
  }
  const why = mayGive(CAP_SYS_RESOURCE) ? '' : ' while it is mounted: the host has no CAP_SYS_RESOURCE';
  return `the root file system cannot grow${why}. It will at the next boot`;
}
