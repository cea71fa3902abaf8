/**
 * The file system that volumes stand on. It must clone files (FICLONE), so that a snapshot of any size takes some
 * milliseconds and no space. Where the host's own cannot, an XFS in a sparse file can: it takes the space that is written
 * to it, and gives back what is removed.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from '../host/command.ts';
import { codeOf, removeTree, syncDirectory } from '../host/files.ts';
import { isMounted } from '../host/mounts.ts';
import { eventually } from '../host/turns.ts';
import type { HostLayout } from '../layout.ts';
import { endLoop, findLoops } from './loop.ts';
import { volumePaths } from './paths.ts';

/** mkfs.xfs makes none that is smaller. */
const smallestPoolBytes = 300 * 2 ** 20;

/** Can files be cloned in this folder? Found out by cloning one. */
function clonesFiles(directory: string): boolean {
  const [from, to] = [join(directory, '.clone-from'), join(directory, '.clone-to')];
  try {
    writeFileSync(from, 'x'.repeat(4_096));
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    if (['ENOTSUP', 'EOPNOTSUPP', 'ENOTTY', 'EXDEV', 'EINVAL', 'ENOSYS'].includes(codeOf(error) ?? ''))
      return false;
    throw error;
  }
}

/** Makes the file with an empty XFS in it: whole, or not at all. */
async function makePoolImage(image: string, directory: string): Promise<void> {
  const temporary = `${image}.new`;
  await rm(temporary, { force: true });
  const { bsize, blocks } = statfsSync(directory);
  const file = openSync(temporary, 'w', 0o600);
  // Sparse, so its size is only a bound: what the host's file system could hold at most.
  ftruncateSync(file, Math.max(smallestPoolBytes, bsize * blocks));
  closeSync(file);
  await runCommand(['mkfs.xfs', '-q', '-m', 'reflink=1', temporary]);
  await rename(temporary, image);
  syncDirectory(directory);
}

const opening = new Map<string, Promise<void>>();

/** Makes the pool ready: its folders, and its mount where it needs one. Safe to repeat, also at the same time. */
export function openPool(layout: HostLayout): Promise<void> {
  const { pool } = volumePaths(layout);
  const under = opening.get(pool) ?? makePool(layout).finally(() => opening.delete(pool));
  opening.set(pool, under);
  return under;
}

async function makePool(layout: HostLayout): Promise<void> {
  const { pool, poolImage, volumes, snapshots, templates } = volumePaths(layout);
  mkdirSync(pool, { recursive: true, mode: 0o700 });
  if (!isMounted(pool)) {
    const mounts = !clonesFiles(pool);
    await Promise.all(['.clone-from', '.clone-to'].map((name) => rm(join(pool, name), { force: true })));
    if (mounts) {
      const made = existsSync(poolImage);
      if (!made) await makePoolImage(poolImage, layout.stateDirectory);
      await runCommand(['mount', '-t', 'xfs', '-o', 'loop,discard,noatime,nodev,nosuid', poolImage, pool]);
    }
  }
  for (const directory of [volumes, snapshots, templates])
    mkdirSync(directory, { recursive: true, mode: 0o700 });
}

/** How long file systems that were on volumes may take to be written out. */
const freeWithinMs = 30_000;
/** How long after a device has let go of its file the kernel may have it open still. */
const closedWithinMs = 2_000;

/** Lets go of the pool; without `keepState` all that is in it goes too. No machine may have a volume any more. */
export async function removePool(layout: HostLayout, options: { keepState: boolean }): Promise<void> {
  const { pool, poolImage } = volumePaths(layout);
  for (const { number } of findLoops(pool)) endLoop(number);
  if (!(await eventually(() => findLoops(pool).length === 0, freeWithinMs)))
    throw new Error(`${findLoops(pool)[0]?.file} is in use still`);
  for (const until = performance.now() + closedWithinMs; isMounted(pool); await delay(5))
    await runCommand(['umount', pool]).catch((error: unknown) => {
      if (performance.now() > until) throw error;
    });
  if (options.keepState) return;
  await removeTree(pool);
  await rm(poolImage, { force: true });
}
