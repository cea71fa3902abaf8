/** A region in which things are broken on purpose: what the stories about faults and recoveries are told in. */
import { type Recovery, recoverInstance } from '../src/services/ec2/compute.ts';
import {
  clearFault,
  type Fault,
  type FaultRequest,
  faults,
  injectFault,
} from '../src/services/ec2/fault/index.ts';
import { instances } from '../src/services/ec2/records.ts';
import { ec2World, REGION, type WorldOptions } from './ec2-world.ts';

export const ZONE = 'us-west-2a';

export async function faultWorld(options: WorldOptions = {}) {
  const world = await ec2World(options);
  const { region, call, idle, drivers } = world;
  const inject = async (
    target: FaultRequest['target'],
    targetId: string,
    kind?: FaultRequest['kind'],
  ): Promise<Fault> => {
    const fault = region.transact(REGION, (scope) => injectFault(scope, { target, targetId, kind }));
    await idle();
    return fault;
  };
  const clear = async (fault: Fault): Promise<void> => {
    region.transact(REGION, (scope) => clearFault(scope, fault.id));
    await idle();
  };
  const recover = async (id: string): Promise<Recovery> => {
    const recovery = region.transact(REGION, (scope) => recoverInstance(scope, id));
    await idle();
    return recovery;
  };
  const present = (): string[] =>
    region.store.list(faults, REGION).map(({ spec }) => `${spec.target} ${spec.kind}`);
  const hostOf = (id: string): string => region.store.get(instances, REGION, id)?.spec.hostId ?? '';
  const checks = async (id: string) => {
    const input = { InstanceIds: [id], IncludeAllInstances: true };
    const { SystemStatus, InstanceStatus, Events } = (await call('DescribeInstanceStatus', input))
      .InstanceStatuses[0];
    return { system: SystemStatus, instance: InstanceStatus, events: Events };
  };
  const words = async (id: string): Promise<string> => {
    const { system, instance } = await checks(id);
    return `${system.Status} ${instance.Status}`;
  };
  const inZone = (zone: string = ZONE, input: object = {}): Promise<string> =>
    world.launchOne({ Placement: { AvailabilityZone: zone }, ...input });
  const isCut = (id: string): boolean => {
    const at = drivers.network.find(id);
    return (drivers.network.topology(at?.vpcId ?? '')?.cut ?? []).includes(at?.interfaceId ?? '');
  };
  return { ...world, inject, clear, recover, present, hostOf, checks, words, inZone, isCut };
}

export const code = (expected: string, message = /./) => ({ code: expected, message });
