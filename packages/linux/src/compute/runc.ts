/** runc, the OCI runtime: no daemon, its state in a folder of the region's run directory. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, runCommand, runDetached } from '../host/command.ts';
import { foldersOf, readOptional, removeTree } from '../host/files.ts';
import type { HostLayout } from '../layout.ts';

export interface RuncState {
  /** `created`: made, its init has not begun to run. `stopped`: its init is gone. */
  readonly status: 'creating' | 'created' | 'running' | 'paused' | 'stopped';
  readonly pid: number;
}

export interface Runc {
  readonly root: string;
  /** Undefined when runc knows no such container. */
  state(id: string): Promise<RuncState | undefined>;
  /**
   * Makes the container and starts its init, which then has nothing to do with this process. `procs` is the
   * `cgroup.procs` that runc puts itself into first. Throws with what runc said.
   */
  run(
    id: string,
    options: { bundle: string; pidFile: string; log: string; procs: string; stdio: number },
  ): Promise<void>;
  /** Starts the init of a container that was made. */
  start(id: string): Promise<void>;
  /** Kills what is left of a container and forgets it. Unknown already is success. */
  delete(id: string): Promise<void>;
  list(): string[];
}

const isUnknown = (error: unknown): boolean =>
  error instanceof CommandError && /does not exist/.test(error.stderr);

export function openRunc(layout: HostLayout): Runc {
  const root = join(layout.runDirectory, 'runc');
  const runc = (...args: string[]): Promise<string> => runCommand(['runc', '--root', root, ...args]);
  return {
    root,

    async state(id) {
      try {
        return JSON.parse(await runc('state', id)) as RuncState;
      } catch (error) {
        if (isUnknown(error)) return undefined;
        throw error;
      }
    },

    async run(id, { bundle, pidFile, log, procs, stdio }) {
      mkdirSync(root, { recursive: true, mode: 0o700 });
      // The shell moves itself, and with it runc and the guest's init, into the machine's cgroup: the cgroup namespace
      // that init gets has its root where it stood, and a start in progress is seen as such after a crash of ours.
      const script = 'echo 0 > "$0" && exec runc "$@"';
      const args = [
        '--root',
        root,
        '--log',
        log,
        '--log-format',
        'json',
        'run',
        '--detach',
        '--pid-file',
        pidFile,
      ];
      const code = await runDetached(
        ['/bin/sh', '-c', script, procs, ...args, '--bundle', bundle, id],
        ['ignore', stdio, stdio],
      );
      if (code !== 0) throw new Error(lastMessage(log) ?? `runc ended with ${code}`);
    },

    async start(id) {
      await runc('start', id);
    },

    async delete(id) {
      if (readOptional(join(root, id, 'state.json')) !== undefined) {
        try {
          await runc('delete', '--force', id);
        } catch (error) {
          if (!isUnknown(error)) throw error;
        }
      }
      // A folder without a state is what a `runc run` leaves that was killed early.
      await removeTree(join(root, id));
    },

    list: () => foldersOf(root),
  };
}

/** The last message in runc's log. */
function lastMessage(log: string): string | undefined {
  const lines = (readOptional(log) ?? '').trim().split('\n');
  try {
    const entry = JSON.parse(lines.at(-1) ?? '') as { msg?: string };
    return entry.msg;
  } catch {
    return undefined;
  }
}
