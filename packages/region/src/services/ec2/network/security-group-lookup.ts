/** Which security groups a caller means. */
import type { Reader } from '../../../store/store.ts';
import type { Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { type SecurityGroup, securityGroups } from '../records.ts';

/** The group of that id. Throws `InvalidGroupId.Malformed`, `InvalidGroup.NotFound`. */
export function securityGroupOf(scope: Scope, id: string): SecurityGroup {
  if (!id.startsWith('sg-')) throw errors.groupIdMalformed(id);
  const group = scope.tx.get(securityGroups, scope.region, id);
  if (!group) throw errors.groupNotFound(id);
  return group;
}

export const securityGroupNamed = (
  reader: Reader,
  region: string,
  vpcId: string,
  name: string,
): SecurityGroup | undefined =>
  reader.list(securityGroups, region).find(({ spec }) => spec.vpcId === vpcId && spec.name === name);

/**
 * The ids of the groups that a caller names by id, by name, or both; the VPC's default group when it names none.
 * Throws `InvalidGroup.NotFound` also for a group of another VPC, as AWS does.
 */
export function resolveSecurityGroups(
  scope: Scope,
  vpcId: string,
  ids: readonly string[] = [],
  names: readonly string[] = [],
): string[] {
  const byId = ids.map((id) => {
    const group = securityGroupOf(scope, id);
    if (group.spec.vpcId !== vpcId) throw errors.groupNameNotFound(id, vpcId);
    return group.id;
  });
  const wanted = byId.length + names.length === 0 ? ['default'] : names;
  const byName = wanted.map((name) => {
    const group = securityGroupNamed(scope.tx, scope.region, vpcId, name);
    if (!group) throw errors.groupNameNotFound(name, vpcId);
    return group.id;
  });
  return [...new Set([...byId, ...byName])];
}
