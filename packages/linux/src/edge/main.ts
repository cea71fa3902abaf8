/**
 * The edge as a process: `node main.ts --layout <json> [--options <json>]`. It outlives the region; whoever is alive
 * starts it again when it dies. At most one for each region of this machine: the lock file is SQLite's, so the kernel
 * frees it however the process ends.
 */

import { chmodSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { startTicksOf } from '../host/process.ts';
import type { HostLayout } from '../layout.ts';
import { type EdgeIdentity, EXIT_ALREADY_RUNNING, runningEdge } from './edge-identity.ts';
import { type EdgeLog, edgeLog } from './edge-log.ts';
import { type Edge, type EdgeOptions, edgeService } from './edge-service.ts';
import { edgeFiles } from './files.ts';
import { machineRequests } from './machine-requests.ts';

const BEGUN_AGAIN = 'HOLDFAST_EDGE_BEGUN_AGAIN';

/** Takes the lock; undefined when another edge of this region is alive. */
function lockEdge(path: string): DatabaseSync | undefined {
  mkdirSync(dirname(path), { recursive: true });
  const lock = new DatabaseSync(path);
  try {
    lock.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode === 5) return undefined;
    throw error;
  }
}

/** Each line that comes in asks: is all that is published in force? The answer says how far it is. */
async function answerNotifications(connection: Socket, edge: Edge, log: EdgeLog): Promise<void> {
  connection.write(`${JSON.stringify({ pid: process.pid })}\n`);
  let pending = '';
  connection.setEncoding('utf8');
  for await (const text of connection) {
    const lines = (pending + text).split('\n');
    pending = lines.pop()!.slice(0, 100);
    for (const _ of lines) {
      const position = await edge.refresh().catch((error) => log('reading what is published', error));
      // Whoever asked waits for a word only so long, and may be gone.
      if (!position || !connection.writable) return void connection.destroy();
      connection.write(`${JSON.stringify(position)}\n`);
    }
  }
}

/** Ends the edge when its run directory has been removed, or belongs to another one: nobody could find it any more. */
function endWithLock(path: string, end: (reason: string) => Promise<void>): void {
  const own = statSync(path).ino;
  const timer = setInterval(() => {
    if (statSync(path, { throwIfNoEntry: false })?.ino === own) return;
    clearInterval(timer);
    void end('its lock file is gone');
  }, 1_000);
}

function writeIdentity(path: string): void {
  const identity: EdgeIdentity = { pid: process.pid, startTime: startTicksOf(process.pid)! };
  writeFileSync(`${path}.new`, JSON.stringify(identity));
  renameSync(`${path}.new`, path);
}

/**
 * Begins again with the compiled code that this first start has put into the cache: what reads TypeScript takes 35 MB
 * that the edge would hold for as long as it lives. The process stays the same one.
 */
function shedCompiler(): void {
  const { moduleLoadList } = process as unknown as { moduleLoadList: readonly string[] };
  const loaded = moduleLoadList.some((name) => name.includes('amaro'));
  if (!loaded || process.env.NODE_COMPILE_CACHE === undefined || process.env[BEGUN_AGAIN] || !process.execve)
    return;
  flushCompileCache();
  const words = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(process.execPath, words, { ...process.env, [BEGUN_AGAIN]: '1' });
}

async function main(): Promise<void> {
  shedCompiler();
  const { values } = parseArgs({ options: { layout: { type: 'string' }, options: { type: 'string' } } });
  if (values.layout === undefined) throw new Error('--layout <json> is missing');
  const layout = JSON.parse(values.layout) as HostLayout;
  const options = JSON.parse(values.options ?? '{}') as EdgeOptions;
  const files = edgeFiles(layout);
  const lock = lockEdge(files.lock);
  if (!lock) process.exit(EXIT_ALREADY_RUNNING);
  const log: EdgeLog = edgeLog(files.log);
  const die = (error: unknown): never => {
    log('the edge ends, to be started again', error);
    process.exit(1);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);

  writeIdentity(files.pid);
  const edge = edgeService(layout, options, log);
  await edge.refresh();
  const requests = machineRequests(layout, log);
  const notifications = createServer((connection) => {
    connection.on('error', () => connection.destroy());
    void answerNotifications(connection, edge, log).catch(() => connection.destroy());
  });
  rmSync(files.socket, { force: true });
  notifications.listen(files.socket, () => chmodSync(files.socket, 0o600));
  log(`the edge of '${layout.prefix}' serves, process ${process.pid}`);

  const end = async (reason: string) => {
    log(`the edge ends: ${reason}`);
    requests.close();
    await edge.close();
    // What another edge has put there by now is not this one's to remove.
    if (runningEdge(layout)?.pid === process.pid)
      for (const file of [files.socket, files.pid]) rmSync(file, { force: true });
    lock.close();
    process.exit(0);
  };
  endWithLock(files.lock, end);
  process.once('SIGTERM', () => void end('SIGTERM'));
  process.once('SIGINT', () => void end('SIGINT'));
  // The region's terminal may go away; the edge stays.
  process.on('SIGHUP', () => {});
}

await main();
