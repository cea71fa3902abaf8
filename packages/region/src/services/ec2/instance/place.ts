/** Where instances go: a subnet with its zone, and a logical host of the zone, apart from the others of a spread group. */
import type { Scope } from '../../common/service.ts';
import * as compute from '../compute-errors.ts';
import { invalidParameterValue } from '../errors.ts';
import { lostZones } from '../fault/impairment.ts';
import { defaultSubnetFor, defaultVpc, interfaceOf, subnetOf } from '../network/index.ts';
import { chooseHost, chooseZone, type HostChoice, zonesWithCapacity } from '../placement.ts';
import { placementGroups, roomIn } from '../placement-group/placement-group.ts';
import { hosts, type InstanceSpec, instances, type Subnet, subnets } from '../records.ts';
import type { NetworkRequest } from './launch-request.ts';
import { holdsCapacity } from './state.ts';

/** What of an instance says where it may live. */
export type ToPlace = Pick<InstanceSpec, 'instanceType' | 'placementGroupId'>;

/** Hosts and whether they are well; of a spread group's only those where one more of it may live. */
function hostChoices({ tx, region }: Scope): HostChoice[] {
  const lost = lostZones(tx, region);
  return tx
    .list(hosts, region)
    .map(({ id, spec }) => ({ id, zone: spec.zone, failed: spec.failed || lost.has(spec.zone) }));
}

function withRoom(
  scope: Scope,
  choices: HostChoice[],
  { placementGroupId }: ToPlace,
  besides?: string,
): HostChoice[] {
  return placementGroupId === undefined ? choices : choices.filter(roomIn(scope, placementGroupId, besides));
}

/** The subnet that is named, or a default one in the zone with the fewest instances among those with capacity. */
export function chooseSubnet(scope: Scope, network: NetworkRequest, wanted: ToPlace): Subnet {
  const { interfaceId } = network.primary;
  const subnetId =
    interfaceId === undefined ? network.primary.subnetId : interfaceOf(scope, interfaceId).spec.subnetId;
  if (subnetId !== undefined) {
    const subnet = subnetOf(scope, subnetId);
    if (network.zone !== undefined && network.zone !== subnet.spec.zone) {
      throw invalidParameterValue(
        `The availability zone '${network.zone}' does not match the subnet's: '${subnet.spec.zone}'`,
      );
    }
    return subnet;
  }
  if (network.zone !== undefined) return defaultSubnetFor(scope, network.zone);
  const vpc = defaultVpc(scope);
  const offered = scope.tx
    .list(subnets, scope.region)
    .filter(({ spec }) => spec.vpcId === vpc?.id && spec.defaultForAz)
    .map(({ spec }) => spec.zone);
  const choices = hostChoices(scope);
  const well = new Set(zonesWithCapacity(withRoom(scope, choices, wanted)));
  const held = scope.tx.list(instances, scope.region).filter(holdsCapacity);
  const zone = chooseZone(
    offered.filter((one) => well.has(one)),
    held.map((instance) => instance.spec),
  );
  if (zone === undefined && offered[0] !== undefined)
    throw noCapacity(scope, wanted, offered[0], choices, []);
  return defaultSubnetFor(scope, zone);
}

/** Why there is no host: none of the zone is well, or the spread group has one on each that is. */
function noCapacity(
  scope: Scope,
  { instanceType, placementGroupId }: ToPlace,
  zone: string,
  choices: readonly HostChoice[],
  others: readonly string[],
): Error {
  const group =
    placementGroupId === undefined
      ? undefined
      : scope.tx.get(placementGroups, scope.region, placementGroupId)?.spec.name;
  const isWell = choices.some((one) => one.zone === zone && !one.failed);
  if (group !== undefined && isWell) return compute.placementGroupFull(group, zone, others);
  return compute.insufficientCapacity(instanceType, zone, others);
}

/**
 * A host for one more instance, or for the instance `besides`, which is to leave the one that it is on. Throws
 * `InsufficientInstanceCapacity` when no host of the zone is well, or when the instance's spread group has one on each.
 */
export function placeOn(scope: Scope, zone: string, wanted: ToPlace, besides?: string): string {
  const choices = hostChoices(scope);
  const possible = withRoom(scope, choices, wanted, besides);
  const held = scope.tx.list(instances, scope.region).filter(holdsCapacity);
  const host = chooseHost(
    possible.filter((one) => one.zone === zone),
    held.map((instance) => instance.spec),
  );
  if (!host) throw noCapacity(scope, wanted, zone, choices, zonesWithCapacity(possible));
  return host.id;
}
