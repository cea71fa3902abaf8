/**
 * Whatever calls in whatever order: the network lets through what AWS's rules, read from the API's own answers, let
 * through, and nothing else. Says its seed; `SEED=… RUNS=…` repeat or widen it.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { AwsError } from '../src/services/common/errors.ts';
import { describeAll, Reference, type Traffic } from './ec2-network-reference.ts';
import { inputOf, layGround, operations, type Step, stepsOf } from './ec2-network-steps.ts';
import { networkWorld } from './ec2-network-world.ts';

const usualSeed = 20_261_121;
const seed = Number(process.env.SEED ?? usualSeed);
const numRuns = Number(process.env.RUNS ?? 60);
const OUTSIDE = '203.0.113.7';
const traffics: readonly Traffic[] = [
  { protocol: 6, port: 80 },
  { protocol: 6, port: 443 },
  { protocol: 17, port: 53 },
];

/** Every interface, and somebody outside, to every address. */
async function compare(world: Awaited<ReturnType<typeof networkWorld>>, seen: { yes: number; no: number }) {
  const reference = new Reference(await describeAll(world.call));
  const { network } = world.drivers;
  for (const traffic of traffics) {
    const said = `${traffic.protocol}/${traffic.port}`;
    for (const to of reference.targets()) {
      const expected = reference.reachesFromOutside(OUTSIDE, to, traffic);
      const reached = network.reaches({ from: 'outside', to, source: OUTSIDE, ...traffic });
      assert.equal(reached, expected, `outside → ${to} ${said}`);
      seen[expected ? 'yes' : 'no'] += 1;
    }
    for (const from of reference.nodes()) {
      const id = from.NetworkInterfaceId ?? '';
      for (const to of [...reference.targets(), OUTSIDE]) {
        const expected = reference.reaches(from, to, traffic);
        const reached = network.reaches({ from: id, to, ...traffic });
        assert.equal(reached, expected, `${id} (${from.PrivateIpAddress}) → ${to} ${said}`);
        seen[expected ? 'yes' : 'no'] += 1;
      }
    }
  }
  for (const from of reference.nodes()) {
    const expected = reference.sourceInInternet(from, OUTSIDE, { protocol: 6, port: 443 });
    assert.equal(network.publicAddressSeen(from.NetworkInterfaceId ?? ''), expected);
  }
}

it('who reaches whom is as AWS’s rules say', { timeout: 300_000 }, async (context) => {
  const outcomes = new Map<string, Set<boolean>>();
  const seen = { yes: 0, no: 0 };
  const property = fc.asyncProperty(stepsOf({ minLength: 10, maxLength: 40 }), async (steps: Step[]) => {
    const world = await networkWorld();
    const vpcs = (await world.call('DescribeVpcs')).Vpcs;
    assert.equal(vpcs.length, 1);
    await layGround(world.call, async (SubnetId, GroupId) => {
      const id = await world.launchOne({ SubnetId, SecurityGroupIds: [GroupId] });
      return (await world.describe(id)).NetworkInterfaces?.[0]?.NetworkInterfaceId ?? '';
    });
    await world.idle();
    await compare(world, seen);
    for (const [at, step] of steps.entries()) {
      const input = inputOf(await describeAll(world.call), step);
      const succeeded = await world.call(step.operation, input).then(
        () => true,
        (error: unknown) => {
          if (!(error instanceof AwsError)) throw error;
          return false;
        },
      );
      outcomes.set(step.operation, (outcomes.get(step.operation) ?? new Set()).add(succeeded));
      await world.idle();
      if (at % 5 === 4 || at === steps.length - 1) await compare(world, seen);
    }
    await world.stop();
  });
  context.diagnostic(`seed ${seed}, ${numRuns} runs`);
  await fc.assert(property, { numRuns, seed });
  context.diagnostic(`${seen.yes} attempts answered, ${seen.no} not`);
  assert.ok(seen.yes > 100 * numRuns && seen.no > 100 * numRuns, 'both must have been seen often');
  const onlyRefused = operations.filter((operation) => !outcomes.get(operation)?.has(true));
  if (seed === usualSeed) assert.deepEqual(onlyRefused, [], 'each operation also succeeded somewhere');
});
