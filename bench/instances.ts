/** Instances as the benches launch and end them through the API. */
import { existsSync, readFileSync } from 'node:fs';
import * as ec2 from '@aws-sdk/client-ec2';
import { until } from '../packages/holdfast/src/demo/stack.ts';

/** User data that says on the console when it began, for `firstLineAt`. As the API takes it. */
export const firstLineUserData = Buffer.from('#!/bin/sh\necho "first line at $(date +%s%N)"\n').toString(
  'base64',
);

/** When the user data of the instance with this console began, in ms since 1970: machine and instance share one clock. */
export const firstLineAt = (consolePath: string): Promise<number> =>
  until(`user data on ${consolePath}`, 300_000, async () => {
    const text = existsSync(consolePath) ? readFileSync(consolePath, 'utf8') : '';
    const found = /first line at (\d+)/.exec(text)?.[1];
    return found === undefined ? undefined : Number(BigInt(found) / 1000n) / 1000;
  });

export async function statesOf(
  client: ec2.EC2Client,
  ids: readonly string[],
): Promise<(string | undefined)[]> {
  const answer = await client.send(new ec2.DescribeInstancesCommand({ InstanceIds: [...ids] }));
  return answer.Reservations?.flatMap((one) => one.Instances ?? []).map(({ State }) => State?.Name) ?? [];
}

/** Resolves when all of them are terminated. */
export async function terminate(client: ec2.EC2Client, ids: readonly string[]): Promise<void> {
  await client.send(new ec2.TerminateInstancesCommand({ InstanceIds: [...ids] }));
  await until('all are terminated', 120_000, async () =>
    (await statesOf(client, ids)).every((state) => state === 'terminated') ? true : undefined,
  );
}
