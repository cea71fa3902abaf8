/** Commands in a running machine. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Machine } from './machine.ts';
import type { Runc } from './runc.ts';

export interface ExecOptions {
  /** `inherit` connects the command with this process's own input and output. */
  readonly stdio: 'inherit' | 'ignore';
  /** Give it a terminal; by default when this process has one and `stdio` is `inherit`. */
  readonly terminal?: boolean;
}

/** Runs a command as root in a machine; resolves with its exit code, 128 + signal when a signal ended it. */
export function execInMachine(
  runc: Runc,
  machine: Machine,
  argv: readonly [string, ...string[]],
  { stdio, terminal }: ExecOptions,
): Promise<number> {
  if (!machine.isRunning()) return Promise.reject(new Error(`machine ${machine.id} is not running`));
  const wantsTerminal = terminal ?? (stdio === 'inherit' && process.stdin.isTTY && process.stdout.isTTY);
  // As at the start: the command belongs into the machine's cgroup, so that it freezes and ends with the machine.
  const script = 'echo 0 > "$0" && exec runc "$@"';
  const flags = ['exec', ...(wantsTerminal ? ['--tty'] : []), machine.id];
  const { launcherProcs } = machine.cgroups;
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', script, launcherProcs, '--root', runc.root, ...flags, ...argv], {
      stdio,
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  });
}
