/** What tests of real instances do over and over: launch some, wait until they run, run a script inside. */
import { setTimeout as delay } from 'node:timers/promises';
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

/** Launches instances of the base image and waits until they run and their systemd has booted. */
export async function launch(region: TestRegion, ...args: string[]): Promise<Instance[]> {
  const image = await baseImage(region);
  const launched = await region.aws('ec2', 'run-instances', '--image-id', image, ...args);
  const ids = (launched.Instances as Described[]).map((one) => one.InstanceId);
  const running = await until('instances run', 60_000, async () => {
    const found = await describeInstances(region, ...ids);
    return found.every((one) => one.State.Name === 'running') ? found : undefined;
  });
  for (const id of ids) {
    const booted = await inside(region, id, 'systemctl is-system-running --wait');
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
