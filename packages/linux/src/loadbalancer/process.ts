/**
 * The HAProxy process of a node. It belongs to nobody: own session, no pipe to whoever started it, so that it goes on
 * when the control process dies and can be taken over by the next one.
 */
import { spawn } from 'node:child_process';
import type { Stats } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { socketPath } from './config.ts';

export const configPath = (directory: string): string => join(directory, 'haproxy.cfg');
const pidPath = (directory: string): string => join(directory, 'haproxy.pid');
const namespacePath = (namespace: string): string => join('/run/netns', namespace);

/** The command line names the node's configuration, which no other process has: a reused pid is not mistaken for it. */
async function belongsTo(pid: number, directory: string): Promise<boolean> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const words = line.split('\0');
  return words.includes(configPath(directory)) && (words[0] ?? '').endsWith('haproxy');
}

/** The pid of the process that serves, undefined when it is dead. */
export async function findProcess(directory: string): Promise<number | undefined> {
  const pid = Number(await readFile(pidPath(directory), 'utf8').catch(() => ''));
  return pid > 0 && (await belongsTo(pid, directory)) ? pid : undefined;
}

const statNamespace = (namespace: string): Promise<Stats> =>
  stat(namespacePath(namespace)).catch((cause) => {
    throw new Error(`network namespace ${namespace} does not exist`, { cause });
  });

/** Whether the process stands in the namespace that now has this name. */
export async function standsIn(pid: number, namespace: string): Promise<boolean> {
  const wanted = await statNamespace(namespace);
  const own = await stat(`/proc/${pid}/ns/net`);
  return own.ino === wanted.ino && own.dev === wanted.dev;
}

/**
 * Starts HAProxy with the configuration that stands in the folder. With `old`, it takes over that process's listening
 * sockets and lets it finish its connections. Resolves when it listens; throws HAProxy's own words otherwise.
 */
export async function startProcess(directory: string, namespace: string, old?: number): Promise<void> {
  await statNamespace(namespace);
  const log = join(directory, 'start.log');
  const output = await open(log, 'w');
  const words = [
    `--net=${namespacePath(namespace)}`,
    '--',
    'haproxy',
    '-D',
    '-f',
    configPath(directory),
    '-p',
    pidPath(directory),
  ];
  if (old) words.push('-x', socketPath(directory), '-sf', String(old));
  const code = await new Promise<number | string>((resolve, reject) => {
    const child = spawn('nsenter', words, { detached: true, stdio: ['ignore', output.fd, output.fd] });
    child.on('error', reject);
    child.on('exit', (status, signal) => resolve(status ?? signal ?? 'unknown'));
  }).finally(() => output.close());
  if (code !== 0) {
    throw new Error(`HAProxy did not start (${code}): ${(await readFile(log, 'utf8')).trim().slice(-2000)}`);
  }
}

/** Processes, the serving one and older ones that still finish, whose configuration stands below `directory`. */
export async function processesBelow(directory: string): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const words = (await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if ((words[0] ?? '').endsWith('haproxy') && words.some((word) => word.startsWith(`${directory}/`)))
      found.push(Number(entry));
  }
  return found;
}

/** Kills and waits until they are gone. */
export async function killProcesses(pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  for (const pid of pids) {
    const until = performance.now() + 5_000;
    // A killed process that its parent has not reaped yet has no command line any more.
    while ((await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')) !== '') {
      if (performance.now() > until) throw new Error(`process ${pid} does not die`);
      await sleep(2);
    }
  }
}
