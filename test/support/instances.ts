/** What tests of real instances do over and over: launch some, wait until they run, run a script inside. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Finished, TestRegion } from './region.ts';

/** Asks in short steps until `question` has an answer; throws, naming `what`, when it has none in time. */
export async function until<T>(
  what: string,
  withinMs: number,
  question: () => Promise<T | undefined>,
  everyMs = 100,
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const answer = await question();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`${what}: not within ${withinMs} ms`);
    await delay(everyMs);
  }
}

/**
 * Looks again, in short steps, until what is seen is `expected`; fails with the difference when it never is. For what the
 * kernel or a daemon changes by itself a moment later. A look that fails because something goes meanwhile is one too early.
 */
export async function becomes<T>(
  look: () => T | Promise<T>,
  expected: T,
  message?: string,
  withinMs = 30_000,
): Promise<void> {
  const looked = async () => isDeepStrictEqual(await look(), expected);
  for (const end = performance.now() + withinMs; performance.now() < end; await delay(50))
    if (await looked().catch(() => false)) return;
  assert.deepEqual(await look(), expected, message);
}

export interface Instance {
  readonly id: string;
  readonly privateAddress: string;
  readonly publicAddress: string | undefined;
}

interface Described {
  InstanceId: string;
  PrivateIpAddress: string;
  PublicIpAddress?: string;
  State: { Name: string };
}

export async function describeInstances(region: TestRegion, ...ids: string[]): Promise<Described[]> {
  const which = ids.length > 0 ? ['--instance-ids', ...ids] : [];
  const { Reservations } = (await region.aws('ec2', 'describe-instances', ...which)) as {
    Reservations: { Instances: Described[] }[];
  };
  return Reservations.flatMap((reservation) => reservation.Instances);
}

export async function baseImage(region: TestRegion): Promise<string> {
  const { Images } = await region.aws('ec2', 'describe-images', '--owners', 'amazon');
  return Images[0].ImageId;
}

/** For a shell inside: waits until systemd has booted, and says how. Before it answers at all there is nothing to wait for. */
export const BOOTED = `until s=$(systemctl is-system-running --wait 2> /dev/null)
  case $s in ''|offline|unknown|initializing|starting) false ;; esac; do sleep 0.05; done; echo $s`;

/** Launches instances of the base image and waits until they run and their systemd has booted. */
export async function launch(region: TestRegion, ...args: string[]): Promise<Instance[]> {
  const image = await baseImage(region);
  const launched = await region.aws('ec2', 'run-instances', '--image-id', image, ...args);
  const ids = (launched.Instances as Described[]).map((one) => one.InstanceId);
  const running = await until('instances run', 120_000, async () => {
    const found = await describeInstances(region, ...ids);
    return found.every((one) => one.State.Name === 'running') ? found : undefined;
  });
  for (const id of ids) {
    const booted = await inside(region, id, BOOTED);
    if (!['running', 'degraded'].includes(booted.stdout.trim()))
      throw new Error(`${id} did not boot: ${booted.stdout}${booted.stderr}`);
  }
  return running.map((one) => ({
    id: one.InstanceId,
    privateAddress: one.PrivateIpAddress,
    publicAddress: one.PublicIpAddress,
  }));
}

/** Runs a shell script as root in an instance. */
export const inside = (region: TestRegion, id: string, script: string): Promise<Finished> =>
  region.holdfast('exec', id, '--', 'sh', '-c', script);
