/** A group's instances in its target groups. */
import type { Scope } from '../common/service.ts';
import { targetGroups, targets } from '../elbv2/records.ts';
import { deregisterTarget, registerTarget } from '../elbv2/target.ts';
import type { Member } from './records.ts';

/** Registers an instance. False when the target group is gone. Throws `InvalidTarget`. */
export function registerMember(scope: Scope, member: Member, groupArn: string): boolean {
  const group = scope.tx.get(targetGroups, scope.region, groupArn);
  if (!group) return false;
  registerTarget(scope, group, { Id: member.id });
  return true;
}

/** Deregisters an instance from these target groups, or all that the Auto Scaling group registered it with. */
export function deregisterMember(
  scope: Scope,
  member: Member,
  groupArns: readonly string[] = member.status.registeredWith,
): void {
  for (const target of scope.tx.list(targets, scope.region)) {
    const { targetGroupId, targetId } = target.spec;
    if (targetId !== member.id || !groupArns.includes(targetGroupId)) continue;
    const group = scope.tx.get(targetGroups, scope.region, targetGroupId);
    if (group) deregisterTarget(scope, group, target);
  }
}

/** Is the instance still in one of the target groups, draining? */
export const isDraining = (scope: Pick<Scope, 'tx' | 'region'>, member: Member): boolean =>
  scope.tx
    .list(targets, scope.region)
    .some(
      ({ spec }) => spec.targetId === member.id && member.status.registeredWith.includes(spec.targetGroupId),
    );

/** Does a load balancer find the instance unhealthy? */
export const isTargetUnhealthy = (scope: Pick<Scope, 'tx' | 'region'>, member: Member): boolean =>
  scope.tx
    .list(targets, scope.region)
    .some(
      ({ spec, status }) =>
        spec.targetId === member.id &&
        member.status.registeredWith.includes(spec.targetGroupId) &&
        status.state === 'unhealthy',
    );
