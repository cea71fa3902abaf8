/** Runs one command of this machine to its end. */
import { type StdioOptions, spawn } from 'node:child_process';

/** A command ended with something else than 0. `message` carries what it said. */
export class CommandError extends Error {
  readonly exitCode: number | undefined;
  readonly stderr: string;
  constructor(argv: readonly string[], exitCode: number | undefined, stderr: string) {
    super(`${argv[0]}: ${stderr.trim() || `ended with ${exitCode ?? 'a signal'}`}`);
    this.name = 'CommandError';
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

export interface CommandOptions {
  readonly env?: Record<string, string>;
  /** Each line that it writes to its standard error, as it comes. */
  readonly onLine?: (line: string) => void;
}

/** Resolves with what the command wrote to its standard output; throws `CommandError` when it did not end with 0. */
export function runCommand(
  argv: readonly [string, ...string[]],
  options: CommandOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const [command, ...args] = argv;
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    let stdout = '';
    let stderr = '';
    let partial = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-16_384);
      if (!options.onLine) return;
      const lines = (partial + text).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) options.onLine(line);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(stdout);
      else reject(new CommandError(argv, code ?? undefined, stderr));
    });
  });
}

/**
 * Starts a command that goes on when this process ends, and resolves when it itself has ended (what it started may live
 * on). Nothing is read from it: everything it says goes where `stdio` says.
 */
export function runDetached(argv: readonly [string, ...string[]], stdio: StdioOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const [command, ...args] = argv;
    const child = spawn(command, args, { stdio, detached: true });
    child.on('error', reject);
    // 'exit', not 'close': the machine's init keeps the same files open for as long as it lives.
    child.on('exit', (code) => resolve(code ?? 128));
  });
}
