/** A region on simulated drivers and a virtual clock, with calls by name: what the stories about EC2 are told in. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { seededRandom, virtualClock } from '../src/clock.ts';
import { simDrivers } from '../src/drivers/sim/index.ts';
import { type Log, silentLog } from '../src/log.ts';
import { Region, type RegionOptions } from '../src/region.ts';
import type { Principal } from '../src/services/common/service.ts';

export const REGION = 'us-west-2';

export const principal: Principal = {
  accountId: '000000000000',
  arn: 'arn:aws:iam::000000000000:root',
  userId: '000000000000',
};

/** Fails a story in which a loop fails without being meant to. */
function loudLog(errors: string[]): Log {
  return {
    ...silentLog,
    error: (message, fields) => errors.push(`${message} ${JSON.stringify(fields)} ${String(fields?.error)}`),
  };
}

export interface WorldOptions extends Partial<RegionOptions> {
  readonly drivers?: ReturnType<typeof simDrivers>;
}

export async function ec2World(options: WorldOptions = {}) {
  const clock = (options.clock ?? virtualClock()) as ReturnType<typeof virtualClock>;
  const drivers = options.drivers ?? simDrivers(clock);
  const errors: string[] = [];
  const region = new Region({
    clock,
    random: seededRandom(11),
    log: loudLog(errors),
    ...options,
    drivers,
  });
  await region.start();
  let number = 0;
  // biome-ignore lint/suspicious/noExplicitAny: a story reads outputs of all operations.
  const call = async (operation: string, input: object = {}, inRegion = REGION): Promise<any> => {
    number += 1;
    return region.handle({
      service: 'ec2',
      operation,
      input,
      region: inRegion,
      principal,
      requestId: `request-${number}`,
    });
  };
  const idle = (): Promise<void> => region.engine.idle();
  const advance = (ms: number): Promise<void> => clock.advance(ms, idle);
  const describe = async (id: string): Promise<ec2.Instance> =>
    (await call('DescribeInstances', { InstanceIds: [id] })).Reservations[0].Instances[0];
  const imageId = async (): Promise<string> =>
    (await call('DescribeImages', { Owners: ['amazon'] })).Images[0].ImageId;
  /** Launches, and waits for the loops. */
  const launch = async (input: Partial<ec2.RunInstancesRequest> = {}): Promise<ec2.Instance[]> => {
    const { Instances } = await call('RunInstances', {
      ImageId: await imageId(),
      InstanceType: 't3.micro',
      MinCount: 1,
      MaxCount: 1,
      ...input,
    });
    await idle();
    return Instances;
  };
  const launchOne = async (input: Partial<ec2.RunInstancesRequest> = {}): Promise<string> =>
    (await launch(input))[0]?.InstanceId ?? '';
  const state = async (id: string): Promise<string | undefined> => (await describe(id)).State?.Name;
  return { clock, drivers, region, errors, call, idle, advance, describe, imageId, launch, launchOne, state };
}

export const minutes = (count: number): number => count * 60_000;
