/**
 * What a machine asks this host for, because its root lacks the right: to mount and unmount its volumes, and to let their
 * file systems grow. What it asks is checked here, and done in a thread of its own.
 */
import { statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { attachedVolumes, presentVolumes } from '../compute/attached.ts';
import { deviceNumber, LOOP_MAJOR } from '../compute/devices.ts';
import { type InitProcess, type MachinePaths, readRecord } from '../compute/record.ts';
import { isAlive } from '../host/process.ts';
import { growMounted } from './grow.ts';
import { loopBytes } from './loop.ts';
import { mountableTypes, mountSettings } from './mount-options.ts';
import type { MountFailure, MountWork } from './mounter.ts';

/** Longer than any path can be. */
const longestPath = 4_096;

function checkedPath(value: string | null): string {
  if (!value?.startsWith('/') || value.length > longestPath || value.includes('\0'))
    throw new Error('a path is missing, or is none');
  return value;
}

function readAct(operation: string, asked: URLSearchParams): MountWork['act'] {
  if (operation === 'umount') return { kind: 'unmount', lazy: asked.get('lazy') === 'yes' };
  if (operation === 'grow') return { kind: 'grow' };
  if (operation !== 'mount') throw new Error(`${operation.slice(0, 64)} is not something to ask for`);
  const type = mountableTypes.find((one) => one === asked.get('type'));
  if (!type) throw new Error(`unknown filesystem type '${asked.get('type')?.slice(0, 64)}'`);
  const settings = mountSettings(type, asked.get('options') ?? '');
  return { kind: 'mount', type, source: checkedPath(asked.get('source')), settings };
}

/** How long it may take until it is written down that a machine runs. Only a control process that died takes longer. */
const writtenDownWithinMs = 10_000;

/** A machine's init, if it lives. One that has only just begun may ask before it is written down that it has. */
async function initOf(paths: MachinePaths): Promise<InitProcess | undefined> {
  for (const until = performance.now() + writtenDownWithinMs; ; await delay(2)) {
    const { phase, init } = readRecord(paths) ?? {};
    if (phase === 'starting' && performance.now() < until) continue;
    return init && isAlive(init) ? init : undefined;
  }
}

/** Does what a machine asks for. Resolves with words for its user when it cannot be. */
export async function serveRequest(
  paths: MachinePaths,
  operation: string,
  asked: URLSearchParams,
): Promise<MountFailure> {
  let work: Pick<MountWork, 'act' | 'target'>;
  try {
    work = { act: readAct(operation, asked), target: checkedPath(asked.get('target')) };
  } catch (error) {
    return (error as Error).message;
  }
  const init = await initOf(paths);
  if (!init) return 'the instance does not run';
  // A volume that was pulled out can be unmounted, and nothing else.
  const volumes = (work.act.kind === 'unmount' ? attachedVolumes : presentVolumes)(paths).filter(
    ({ loop }) => loop !== undefined,
  );
  if (work.act.kind === 'grow' && work.target === '/') {
    const root = volumes.find(({ role }) => role === 'root');
    return root ? growMounted(paths.rootVolume, root.loop!) : 'the root is not on a volume';
  }
  const data = volumes.filter(({ role }) => role === 'data').map(({ loop }) => loop!);
  const devices = new Map(data.map((loop) => [deviceNumber(LOOP_MAJOR, loop), loopBytes(loop)]));
  return inThread({ ...work, init, devices, dev: statSync(paths.dev).dev });
}

function inThread(work: MountWork): Promise<MountFailure> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./mounter.ts', import.meta.url), {
      workerData: work,
      // What the kernel's own calls open is not known to it.
      trackUnmanagedFds: false,
    });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the mounting thread ended without a word')));
  });
}
