/** Starting, finding, ending and keeping alive the edge's process. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Log, silentLog } from '@holdfast/region/log.ts';
import type { HostLayout } from '../layout.ts';
import { EXIT_ALREADY_RUNNING, runningEdge } from './edge-identity.ts';
import type { EdgeOptions } from './edge-service.ts';
import { edgeFiles } from './files.ts';
import { writeHostsBlock } from './hosts-file.ts';

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 3_000;
const STEP_MS = 10;

/** The edge of this region, if one is alive. */
export function edgeStatus(layout: HostLayout): { readonly pid: number } | undefined {
  const running = runningEdge(layout);
  return running && { pid: running.pid };
}

/** Does the edge answer on its socket, that is, has it done all that was published before? */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socketPath);
    const end = (result: boolean) => {
      connection.destroy();
      resolve(result);
    };
    connection.setTimeout(1_000, () => end(false));
    connection.once('error', () => end(false));
    connection.once('data', () => end(true));
    connection.once('close', () => resolve(false));
  });
}

function logTail(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(-2_000);
  } catch {
    return '(no log)';
  }
}

function spawnEdge(layout: HostLayout, options: EdgeOptions) {
  const files = edgeFiles(layout);
  mkdirSync(layout.runDirectory, { recursive: true });
  const log = openSync(files.log, 'a', 0o600);
  try {
    return spawn(
      process.execPath,
      [
        // Little lives long in the edge: a small young generation keeps it small as a whole.
        '--max-semi-space-size=2',
        '--max-old-space-size=256',
        '--disable-warning=ExperimentalWarning',
        fileURLToPath(new URL('./main.ts', import.meta.url)),
        '--layout',
        JSON.stringify(layout),
        '--options',
        JSON.stringify(options),
      ],
      {
        cwd: '/',
        detached: true,
        stdio: ['ignore', log, log],
        // Compiled code is kept, so that the next start is quick and needs no TypeScript reader in memory.
        env: {
          PATH: process.env.PATH ?? '',
          NODE_COMPILE_CACHE: join(layout.cacheDirectory, 'node-compile-cache'),
        },
      },
    );
  } finally {
    closeSync(log);
  }
}

/**
 * Starts the edge in a session of its own, or adopts the one that runs. Resolves when it serves all that is published.
 * Throws with the end of its log when it does not come up within 10 s.
 */
export async function startEdge(layout: HostLayout, options: EdgeOptions = {}): Promise<{ pid: number }> {
  const files = edgeFiles(layout);
  const before = runningEdge(layout);
  if (before && (await answers(files.socket))) return { pid: before.pid };

  const child = spawnEdge(layout, options);
  let exitCode: number | null | undefined;
  child.once('error', () => {
    exitCode = null;
  });
  child.once('exit', (code) => {
    exitCode = code;
  });
  child.unref();
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const running = runningEdge(layout);
    if (running && (await answers(files.socket))) return { pid: running.pid };
    // Somebody else was quicker: his edge is the one to wait for.
    if (exitCode !== undefined && exitCode !== EXIT_ALREADY_RUNNING) break;
    await sleep(STEP_MS);
  }
  throw new Error(
    `the edge did not come up (exit code ${exitCode ?? 'none'}); its log ends:\n${logTail(files.log)}`,
  );
}

/** Ends the edge, by force when it does not follow. Not running is success. Published records stay. */
export async function stopEdge(layout: HostLayout): Promise<void> {
  const running = runningEdge(layout);
  if (running) {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      try {
        process.kill(running.pid, signal);
      } catch {
        break;
      }
      const deadline = performance.now() + STOP_TIMEOUT_MS;
      while (runningEdge(layout)?.startTime === running.startTime && performance.now() < deadline)
        await sleep(STEP_MS);
      if (!runningEdge(layout)) break;
    }
  }
  const files = edgeFiles(layout);
  for (const file of [files.socket, files.pid]) rmSync(file, { force: true });
}

/** Takes the region's block out of the hosts file. No block is success. */
export async function removeHostsBlock(layout: HostLayout, path = '/etc/hosts'): Promise<void> {
  await writeHostsBlock(path, layout.prefix, []);
}

export interface SupervisionOptions extends EdgeOptions {
  /** Hears of every start that did not succeed. */
  readonly log?: Pick<Log, 'info' | 'error'>;
}

export interface EdgeSupervision {
  /** Ends the supervision; the edge goes on. */
  stop(): void;
}

const LONGEST_BACK_OFF_MS = 2_000;
const SETTLED_MS = 5_000;
const ASK_MS = 2_000;
const LONGEST_SILENCE_MS = 15_000;

/**
 * Keeps the edge alive: starts it when there is none, and again as soon as it is gone. One that dies again and again
 * is given up to 2 s of rest in between.
 */
export function superviseEdge(
  layout: HostLayout,
  { log = silentLog, ...options }: SupervisionOptions = {},
): EdgeSupervision {
  const over = new AbortController();
  let restMs = 0;

  const gone = (pid: number): Promise<void> =>
    new Promise((resolve) => {
      // The connection breaks at the moment of death. An edge that lives and does not answer is ended.
      const connection = connect(edgeFiles(layout).socket);
      let heardAtMs = performance.now();
      const ask = setInterval(() => {
        const silentMs = performance.now() - heardAtMs;
        if (silentMs > LONGEST_SILENCE_MS && runningEdge(layout)?.pid === pid) {
          log.error('the edge does not answer and is ended', { pid, silentMs });
          process.kill(pid, 'SIGKILL');
        }
        connection.write('are you there?\n');
      }, ASK_MS);
      ask.unref();
      const end = () => {
        clearInterval(ask);
        over.signal.removeEventListener('abort', end);
        connection.destroy();
        resolve();
      };
      connection.unref();
      connection.on('data', () => {
        heardAtMs = performance.now();
      });
      connection.on('error', end);
      connection.once('close', end);
      over.signal.addEventListener('abort', end, { once: true });
    });
  const keep = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const startedAtMs = performance.now();
      try {
        const { pid } = await startEdge(layout, options);
        log.info('the edge serves', { pid });
        await gone(pid);
      } catch (error) {
        if (!over.signal.aborted) log.error('the edge did not start', { error });
      }
      if (over.signal.aborted) return;
      const settled = performance.now() - startedAtMs > SETTLED_MS;
      restMs = settled ? 0 : Math.min(LONGEST_BACK_OFF_MS, restMs * 2 + 50);
      await sleep(settled ? 0 : restMs, undefined, { signal: over.signal }).catch(() => {});
    }
  };
  void keep();
  return { stop: () => over.abort() };
}
