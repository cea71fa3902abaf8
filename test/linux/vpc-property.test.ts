/**
 * Random calls about VPCs again, this time with real packets: a region on the kernel's network, with simulated machines
 * whose namespaces are real. Who answers whom is compared with AWS's rules as read from the API's own answers.
 * `SEED=… RUNS=…` repeat or widen it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type * as ec2 from '@aws-sdk/client-ec2';
import { hostLayout } from '@holdfast/linux/layout.ts';
import { missingForNetwork } from '@holdfast/linux/network/index.ts';
import { AwsError } from '@holdfast/region/services/common/errors.ts';
import fc from 'fast-check';
import { openNetwork } from '../../packages/linux/test/network-harness.ts';
import { describeAll, Reference, type Traffic } from '../../packages/region/test/ec2-network-reference.ts';
import { inputOf, layGround, type Step, stepsOf } from '../../packages/region/test/ec2-network-steps.ts';
import { type Network, openWorld, type World } from './vpc-world.ts';

const layout = hostLayout({ prefix: 'hfv', publicCidr: '198.19.192.0/23' });
const missing = missingForNetwork()
  .map(({ what }) => what)
  .join(', ');
const seed = Number(process.env.SEED ?? 20_261_121);
const numRuns = Number(process.env.RUNS ?? 3);

/** What should come may take its time on a busy machine; for what should not come nobody waits that long. */
const patienceMs = (expected: boolean): number => (expected ? 5_000 : 400);
const traffics: readonly Traffic[] = [
  { protocol: 6, port: 80 },
  { protocol: 17, port: 53 },
];

interface Seen {
  yes: number;
  no: number;
}

/** Every address of an interface, private and public. */
const addressesOf = (one: ec2.NetworkInterface): (string | undefined)[] =>
  (one.PrivateIpAddresses ?? []).flatMap(({ PrivateIpAddress, Association }) => [
    PrivateIpAddress,
    Association?.PublicIp,
  ]);

/** All at once, because what does not arrive is known only after a while. */
async function compare(world: World, network: Network, seen: Seen): Promise<void> {
  const all = await describeAll(world.call);
  const reference = new Reference(all);
  // A machine with two interfaces answers through the one that was asked; which of them asks is its own choice.
  const machines = reference.nodes().map(({ Attachment }) => Attachment?.InstanceId);
  const isAlone = ({ Attachment }: ec2.NetworkInterface): boolean =>
    machines.filter((id) => id === Attachment?.InstanceId).length === 1;
  const nodes = reference.nodes().filter(isAlone);
  const targets = reference.targets();
  const checks: Promise<void>[] = [];
  const expect = (expected: boolean, what: string, ask: (patienceMs: number) => Promise<boolean>): void => {
    seen[expected ? 'yes' : 'no'] += 1;
    const check = async (): Promise<void> => assert.equal(await ask(patienceMs(expected)), expected, what);
    checks.push(check());
  };
  for (const traffic of traffics) {
    for (const to of targets) {
      const said = `${to} ${traffic.protocol}/${traffic.port}`;
      const fromOutside = reference.reachesFromOutside(network.outsideAddress, to, traffic);
      expect(fromOutside, `outside → ${said}`, (ms) =>
        network.reaches({ from: 'outside', to, ...traffic }, ms),
      );
      // What a machine sends to itself never leaves it.
      for (const node of nodes.filter((one) => !addressesOf(one).includes(to))) {
        const from = node.NetworkInterfaceId ?? '';
        const expected = reference.reaches(node, to, traffic);
        expect(expected, `${from} (${node.PrivateIpAddress}) → ${said}`, (ms) =>
          network.reaches({ from, to, ...traffic }, ms),
        );
      }
    }
  }
  for (const node of nodes) {
    const expected = reference.sourceInInternet(node, network.outsideAddress, { protocol: 6, port: 7 });
    const id = node.NetworkInterfaceId ?? '';
    expect(true, `${id} is seen outside as ${expected}`, async () => {
      const ms = patienceMs(expected !== undefined);
      return (await network.publicAddressSeen(id, ms)) === expected;
    });
  }
  await Promise.all(checks);
}

async function play(steps: readonly Step[], seen: Seen): Promise<void> {
  const network = await openNetwork(layout);
  let world: World | undefined;
  try {
    world = await openWorld(network, layout);
    const { call, launchOne, describe: shown, idle } = world;
    await layGround(call, async (SubnetId, GroupId) => {
      const id = await launchOne({ SubnetId, SecurityGroupIds: [GroupId] });
      return (await shown(id)).NetworkInterfaces?.[0]?.NetworkInterfaceId ?? '';
    });
    await idle();
    await compare(world, network, seen);
    for (const [at, step] of steps.entries()) {
      const input = inputOf(await describeAll(call), step);
      await call(step.operation, input).catch((error: unknown) => {
        if (!(error instanceof AwsError)) throw error;
      });
      await idle();
      if (at % 10 === 9) await compare(world, network, seen);
    }
    await compare(world, network, seen);
    await world.stop();
  } finally {
    await world?.region.stop().catch(() => undefined);
    await network.close();
  }
}

describe('VPCs with real packets', { skip: missing === '' ? false : `missing: ${missing}` }, () => {
  test('who answers whom is as AWS’s rules say', { timeout: 180_000 }, async (context) => {
    const seen = { yes: 0, no: 0 };
    context.diagnostic(`seed ${seed}, ${numRuns} runs`);
    const property = fc.asyncProperty(stepsOf({ minLength: 10, maxLength: 20 }), (steps) =>
      play(steps, seen),
    );
    await fc.assert(property, { numRuns, seed, endOnFailure: true });
    context.diagnostic(`${seen.yes} attempts answered, ${seen.no} not`);
    assert.ok(seen.yes > 10 * numRuns && seen.no > 10 * numRuns, 'both must have been seen often');
  });
});
