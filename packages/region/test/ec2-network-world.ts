/** What the stories about EC2's network add to `ec2World`: how a call fails, and a scope to call domain functions in. */
import assert from 'node:assert/strict';
import { seededRandom } from '../src/clock.ts';
import { AwsError } from '../src/services/common/errors.ts';
import type { Scope } from '../src/services/common/service.ts';
import { createManagedInterface } from '../src/services/ec2/network/index.ts';
import type { NetworkInterface } from '../src/services/ec2/records.ts';
import { ec2World, minutes, REGION, type WorldOptions } from './ec2-world.ts';

export { minutes, REGION };

/** Every operation that a story of this process has called. */
export const called = new Set<string>();

export async function networkWorld(options: WorldOptions = {}) {
  const world = await ec2World(options);
  const random = seededRandom(23);
  const call: typeof world.call = (operation, input, inRegion) => {
    called.add(operation);
    return world.call(operation, input, inRegion);
  };
  /** The code of the error that the call ends with. */
  const refused = async (operation: string, input: object = {}, inRegion = REGION): Promise<string> => {
    try {
      await call(operation, input, inRegion);
    } catch (error) {
      if (error instanceof AwsError) return error.code;
      throw error;
    }
    return assert.fail(`${operation} was not refused`);
  };
  /** Runs domain functions in one transaction, as another service would. */
  const inScope = <T>(work: (scope: Scope) => T, inRegion = REGION): T =>
    world.region.store.transaction((tx) =>
      work({ tx, region: inRegion, now: world.clock.now(), random, settings: world.region.settings }),
    );
  /** An interface such as a load balancer node has. */
  const managed = (
    subnetId: string,
    endpointId: string,
    request: { securityGroupIds?: string[]; withPublicAddress?: boolean } = {},
  ): NetworkInterface =>
    inScope((scope) =>
      createManagedInterface(scope, {
        owner: { kind: 'test.owner', region: REGION, id: endpointId },
        subnetId,
        endpointId,
        description: `of ${endpointId}`,
        interfaceType: 'load_balancer',
        securityGroupIds: request.securityGroupIds ?? [],
        withPublicAddress: request.withPublicAddress ?? false,
      }),
    );
  const stop = async (): Promise<void> => {
    await world.region.stop();
    assert.deepEqual(world.errors, []);
  };
  return { ...world, call, refused, inScope, managed, stop };
}
