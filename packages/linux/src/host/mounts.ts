/** Mounting by the kernel's own call: the `mount` command takes five times as long, most of it to start. */
import { readOptional } from './files.ts';
import { callFailed, mount, umount2 } from './libc.ts';

const MNT_DETACH = 2;

const flags = { ro: 1, nosuid: 2, nodev: 4, noexec: 8, noatime: 1_024 } as const;

export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly type: string;
  readonly flags: readonly (keyof typeof flags)[];
  /** The file system's own options, with commas. */
  readonly options: string;
}

/** Mounts in a thread of its own, as a journal may have to be replayed first. Throws with the call's code. */
export async function mountFileSystem({ source, target, type, flags: names, options }: Mount): Promise<void> {
  const bits = names.reduce((sum, name) => sum | flags[name], 0);
  const failed = await new Promise<boolean>((resolve, reject) => {
    mount.async(source, target, type, bits, options, (error: unknown, result: number) =>
      error ? reject(error) : resolve(result !== 0),
    );
  });
  // The reason stays behind in that thread: it is asked for once more in this one.
  if (failed && mount(source, target, type, bits, options) !== 0) throw callFailed('mount', target);
}

const mountPoints = (): string[] =>
  (readOptional('/proc/self/mounts') ?? '').split('\n').map((line) => line.split(' ')[1] ?? '');

export const isMounted = (path: string): boolean => mountPoints().includes(path);

/**
 * Takes away every mount in a folder, what was mounted last first. Lazily: a process of this host that looks into one
 * must not keep it; the file system itself ends with its last user. One that somebody else takes away at the same time,
 * as what a killed process had begun may, is gone all the same.
 */
export async function unmountBelow(directory: string): Promise<void> {
  for (const path of mountPoints().toReversed()) {
    if (!path.startsWith(`${directory}/`)) continue;
    // In a thread of its own: a file system may have much to write out.
    const failed = await new Promise<boolean>((resolve, reject) => {
      umount2.async(path, MNT_DETACH, (error: unknown, result: number) =>
        error ? reject(error) : resolve(result !== 0),
      );
    });
    if (!failed || umount2(path, MNT_DETACH) === 0) continue;
    const error = callFailed('umount', path);
    if (isMounted(path)) throw error;
  }
}
