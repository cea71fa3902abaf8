/**
 * A machine's console: a real terminal, as programs in it expect, whose other end is read by a small process of its own.
 * That writer outlives this process, so that a machine neither loses its terminal nor waits on a full one while the
 * region is down.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { runCommand } from '../host/command.ts';
import { codeOf } from '../host/files.ts';
import { callFailed, ioctlBuffer } from '../host/libc.ts';

/** As much as `GetConsoleOutput` gives: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html */
export const consoleBytes = 65_536;

/** From this size on, what is older than the latest 64 KiB is given back to the disk. */
const trimAtBytes = 4 * 1_048_576;

// <asm-generic/ioctls.h>, the same on x86-64 and arm64.
const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;

/** Asks the terminal for a number. To one that takes a number it gives 0. */
function ioctl(file: number, request: number): number {
  const argument = Buffer.alloc(4);
  if (ioctlBuffer(file, request, argument) !== 0) throw callFailed('ioctl', 'a pseudo-terminal');
  return argument.readInt32LE(0);
}

export interface ConsoleTerminal {
  /** `/dev/pts/<n>`, the end that the machine gets. */
  readonly path: string;
  /** This process's copy of that end, open. */
  readonly file: number;
  close(): void;
}

/**
 * Makes a terminal and starts its writer, which appends to `logPath`. `procs` is the `cgroup.procs` the writer puts
 * itself into: it lives until that cgroup is killed.
 */
export async function openConsole(logPath: string, procs: string): Promise<ConsoleTerminal> {
  const master = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY);
  const opened = [master];
  try {
    ioctl(master, TIOCSPTLCK);
    const path = `/dev/pts/${ioctl(master, TIOCGPTN)}`;
    const terminal = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
    opened.push(terminal);
    const log = openSync(logPath, 'a', 0o600);
    opened.push(log);
    await startWriter(procs, [master, log, terminal]);
    closeSync(log);
    closeSync(master);
    return { path, file: terminal, close: () => closeSync(terminal) };
  } catch (error) {
    for (const file of opened) closeSync(file);
    throw error;
  }
}

/** Resolves when the writer stands in its cgroup: from then on it is found there, whatever happens to us. */
function startWriter(procs: string, [master, log, terminal]: [number, number, number]): Promise<void> {
  return new Promise((resolve, reject) => {
    // The writer keeps the machine's end open too (its file 3): the terminal must not hang up between two of the
    // machine's programs that use it.
    const script = 'echo 0 > "$0" && echo ready >&4 && exec cat 4>&-';
    const child = spawn('/bin/sh', ['-c', script, procs], {
      stdio: [master, log, 'ignore', terminal, 'pipe'],
      detached: true,
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the console's writer ended with ${code}`)));
    child.stdio[4]?.on('data', () => {
      child.stdio[4]?.destroy();
      child.unref();
      resolve();
    });
  });
}

/** The latest 64 KiB of a console log and when it was last written; undefined when there is no such log. */
export function readConsole(logPath: string): { output: Uint8Array; at: number } | undefined {
  let file: number;
  try {
    file = openSync(logPath, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size, mtimeMs } = fstatSync(file);
    const output = Buffer.alloc(Math.min(size, consoleBytes));
    const length = readSync(file, output, 0, output.length, size - output.length);
    return { output: output.subarray(0, length), at: mtimeMs };
  } finally {
    closeSync(file);
  }
}

/**
 * Gives the older part of a long console log back to the disk. It is punched out and not cut off, so that nothing that
 * is written at the same moment can be lost.
 */
export async function trimConsole(logPath: string): Promise<void> {
  let size: number;
  let blocks: number;
  try {
    const file = openSync(logPath, 'r');
    ({ size, blocks } = fstatSync(file));
    closeSync(file);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  if (blocks * 512 < trimAtBytes) return;
  await runCommand([
    'fallocate',
    '--punch-hole',
    '--offset',
    '0',
    '--length',
    String(size - consoleBytes),
    logPath,
  ]);
}
