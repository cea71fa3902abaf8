/**
 * Placement groups of the strategy `spread`, at the level of racks: each instance of a zone on a host of its own. What
 * `cluster` and `partition` promise (a short way between instances, sets of racks) nothing here could keep.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html
 */
import { type ResourceOf, resourceType } from '../../../store/resource.ts';
import type { Scope } from '../../common/service.ts';
import { placementGroupIdMalformed, placementGroupUnknown } from '../compute-errors.ts';
import { invalidParameterCombination } from '../errors.ts';
import { holdsCapacity, stateOf } from '../instance/state.ts';
import { type Instance, instances } from '../records.ts';

export interface PlacementGroupSpec {
  /** Unique in its region. */
  readonly name: string;
  readonly strategy: 'spread';
  readonly spreadLevel: 'rack';
}

export const placementGroups = resourceType<PlacementGroupSpec, null>('ec2.placement-group');
export type PlacementGroup = ResourceOf<typeof placementGroups>;

/** No zone holds more running instances of one rack-level spread group, however many hosts it has. */
export const MOST_IN_A_ZONE = 7;

/** Throws `InvalidPlacementGroup.Unknown`. */
export function placementGroupNamed(scope: Scope, name: string): PlacementGroup {
  const found = scope.tx.list(placementGroups, scope.region).find(({ spec }) => spec.name === name);
  if (!found) throw placementGroupUnknown(name);
  return found;
}

/** Throws `InvalidPlacementGroupId.Malformed`, `InvalidPlacementGroup.Unknown`. */
export function placementGroupOfId(scope: Scope, id: string): PlacementGroup {
  if (!/^pg-[0-9a-f]{17}$/.test(id)) throw placementGroupIdMalformed(id);
  const found = scope.tx.get(placementGroups, scope.region, id);
  if (!found) throw placementGroupUnknown(id);
  return found;
}

/** The group that a caller's placement names, by name or by id, if it names one. */
export function requestedPlacementGroup(
  scope: Scope,
  placement: { readonly GroupName?: string | undefined; readonly GroupId?: string | undefined } | undefined,
): PlacementGroup | undefined {
  const { GroupName: name, GroupId: id } = placement ?? {};
  if (name && id) {
    throw invalidParameterCombination('The parameters GroupName and GroupId cannot be used together.');
  }
  if (name) return placementGroupNamed(scope, name);
  return id ? placementGroupOfId(scope, id) : undefined;
}

/** Its instances, also the stopped ones; those that are gone or going leave it. */
export const instancesIn = (scope: Scope, groupId: string): Instance[] =>
  scope.tx.list(instances, scope.region).filter((instance) => {
    const state = stateOf(instance);
    return instance.spec.placementGroupId === groupId && state !== 'terminated' && state !== 'shutting-down';
  });

/** May one more instance of the group live on this host of this zone? */
export function roomIn(
  scope: Scope,
  groupId: string,
  besides?: string,
): (host: { readonly id: string; readonly zone: string }) => boolean {
  const held = instancesIn(scope, groupId).filter((one) => one.id !== besides && holdsCapacity(one));
  const taken = new Set(held.map(({ spec }) => spec.hostId));
  const inZone = (zone: string): number => held.filter(({ spec }) => spec.zone === zone).length;
  return ({ id, zone }) => !taken.has(id) && inZone(zone) < MOST_IN_A_ZONE;
}
