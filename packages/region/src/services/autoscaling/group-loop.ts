/**
 * The loop `autoscaling.group`.
 *
 * Wanted: as many healthy instances as the desired capacity says, spread evenly over the group's zones, registered with
 * its target groups. Observed: its instances' EC2 state and status checks, and what load balancers find. Woken by the
 * group, its members, their instances, their targets, and by hosts and zones that come back; by time for grace periods and for
 * zones that had no capacity. What to do is decided by `planGroup`; everything of one pass happens without waiting for
 * anything, so that a replacement is launched in the same moment in which its predecessor was found dead.
 */
import type { Reconciler } from '../../reconcile/reconciler.ts';
import type { Resource, ResourceKey } from '../../store/resource.ts';
import { AwsError } from '../common/errors.ts';
import { type LoopContext, loopScope, type Scope } from '../common/service.ts';
import { faults } from '../ec2/fault/index.ts';
import { terminateInstances } from '../ec2/instance/power.ts';
import { hosts, instances } from '../ec2/records.ts';
import { type TargetRecordSpec, targets } from '../elbv2/records.ts';
import { cause, endActivity, illnessText, recordActivity } from './activity.ts';
import { membersOf } from './group.ts';
import { afterFailure, type LaunchOrder, launchMember, openChange, recordFailure } from './launch.ts';
import { type GroupAction, type GroupPlan, planGroup } from './plan.ts';
import { type Group, groups, type Member, type MemberSpec, type MemberStatus, members } from './records.ts';
import { deregisterMember, isDraining, registerMember } from './registration.ts';
import { groupView, instanceView, zoneViews } from './view.ts';

const keyOfGroup = (region: string, id: string): ResourceKey => ({ kind: groups.kind, region, id });

type Termination = Extract<GroupAction, { kind: 'terminate' }>;

export function groupLoop(context: LoopContext): Reconciler {
  const { store, clock, log } = context;

  const write = (scope: Scope, member: Member, status: Partial<MemberStatus>): Member =>
    scope.tx.update(member, { status: { ...member.status, ...status } });

  /** Registers with what it should be in and is not, and the other way round. */
  const settleRegistration = (scope: Scope, group: Group, member: Member): Member => {
    const wanted = member.spec.standby ? [] : group.spec.targetGroupArns;
    const surplus = member.status.registeredWith.filter((arn) => !wanted.includes(arn));
    if (surplus.length > 0) deregisterMember(scope, member, surplus);
    const kept = member.status.registeredWith.filter((arn) => wanted.includes(arn));
    const missing = group.spec.suspended.includes('AddToLoadBalancer')
      ? []
      : wanted.filter((arn) => !kept.includes(arn));
    const added = missing.filter((arn) => {
      try {
        return registerMember(scope, member, arn);
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        log.error('registering an instance failed', { instance: member.id, targetGroup: arn, error });
        return false;
      }
    });
    return write(scope, member, { registeredWith: [...kept, ...added] });
  };

  const beginTermination = (scope: Scope, member: Member, activityId: string): void => {
    deregisterMember(scope, member);
    const { launchActivityId } = member.status;
    const message = 'Instance became unhealthy while waiting for instance to be in InService state.';
    endActivity(scope, launchActivityId, 'Cancelled', message);
    write(scope, member, { lifecycle: 'Terminating', terminationActivityId: activityId });
  };

  /** Out of service: first the load balancer lets go of it, then EC2 ends it, then it is forgotten. */
  const settleTerminating = (scope: Scope, group: Group, member: Member): void => {
    const instance = scope.tx.get(instances, scope.region, member.id);
    const state = instance?.status.state;
    if (!instance || state === 'terminated') {
      endActivity(scope, member.status.terminationActivityId, 'Successful');
      scope.tx.remove(member);
      return;
    }
    if (state === 'shutting-down') return;
    const alive = state === 'running' || state === 'pending';
    if (alive && !group.spec.deleting && isDraining(scope, member)) return;
    terminateInstances(scope, [member.id]);
  };

  const settleMember = (scope: Scope, group: Group, member: Member): void => {
    if (member.status.lifecycle === 'Terminating') {
      settleTerminating(scope, group, member);
      return;
    }
    if (member.spec.terminationActivityId !== undefined) {
      beginTermination(scope, member, member.spec.terminationActivityId);
      return;
    }
    const running = scope.tx.get(instances, scope.region, member.id)?.status.state === 'running';
    if (!running) return;
    let current = settleRegistration(scope, group, member);
    const { lifecycle } = current.status;
    if (member.spec.standby) current = write(scope, current, { lifecycle: 'Standby' });
    else if (lifecycle !== 'InService') {
      current = write(scope, current, { lifecycle: 'InService', inServiceAt: scope.now });
      endActivity(scope, current.status.launchActivityId, 'Successful');
    }
  };

  const terminationCause = (scope: Scope, group: Group, action: Termination, capacity: number): string => {
    const { now } = scope;
    if (action.reason !== 'difference') return cause([now, illnessText[action.reason]]);
    return cause(
      openChange(group),
      [
        now,
        `an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from ${capacity} to ${group.spec.desiredCapacity}`,
      ],
      [now, `instance ${action.id} was selected for termination`],
    );
  };

  const terminate = (scope: Scope, group: Group, action: Termination, capacity: number): void => {
    const member = scope.tx.get(members, scope.region, action.id);
    if (!member) return;
    const activity = recordActivity(scope, group, {
      description: `Terminating EC2 instance: ${member.id}`,
      cause: terminationCause(scope, group, action, capacity),
      place: { zone: member.spec.zone, subnetId: member.spec.subnetId },
      status: { code: 'InProgress', progress: 0 },
    });
    // An instance that never came into service says something about what it was made from.
    if (action.reason === 'ec2-state' && member.status.inServiceAt === undefined) {
      const current = scope.tx.get(groups, scope.region, group.id);
      if (current) scope.tx.update(current, { status: afterFailure(scope, current) });
    }
    beginTermination(scope, member, activity.id);
    const begun = scope.tx.get(members, scope.region, action.id);
    if (begun) settleTerminating(scope, group, begun);
  };

  /** Everything of a pass but the launches: members' own progress, then the plan, its marks and its terminations. */
  const settle = (scope: Scope, group: Group): GroupPlan => {
    for (const member of membersOf(scope, group.id)) settleMember(scope, group, member);
    const now = membersOf(scope, group.id);
    const served = now.some(({ status }) => (status.inServiceAt ?? 0) === scope.now);
    if (served && group.status.failures > 0) {
      const { retry: _, ...status } = group.status;
      scope.tx.update(group, { status: { ...status, failures: 0 } });
    }
    const views = now.map((member) => instanceView(scope, group, member));
    const plan = planGroup(groupView(group), views, zoneViews(group), scope.now);
    const marked = new Set(plan.actions.map((one) => (one.kind === 'mark-unhealthy' ? one.id : '')));
    for (const member of now) {
      if (member.status.lifecycle === 'Terminating') continue;
      write(scope, member, { health: marked.has(member.id) ? 'Unhealthy' : 'Healthy' });
    }
    for (const action of plan.actions) {
      if (action.kind === 'terminate') terminate(scope, group, action, plan.capacity);
    }
    return plan;
  };

  /** False when it failed: then the plan is no longer good. */
  const launch = (region: string, group: Group, order: LaunchOrder): boolean => {
    try {
      store.transaction((tx) => launchMember(loopScope(context, tx, region), group, order));
      return true;
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      store.transaction((tx) => recordFailure(loopScope(context, tx, region), group, order, error));
      return false;
    }
  };

  /** All of the user's change is done: later activities have causes of their own. */
  const settleChange = (region: string, id: string): void =>
    store.transaction((tx) => {
      const group = tx.get(groups, region, id);
      const number = group?.spec.capacityChange?.number;
      if (!group || number === undefined || (group.status.settledChange ?? 0) >= number) return;
      tx.update(group, { status: { ...group.status, settledChange: number } });
    });

  const groupOfMember = (region: string, id: string): ResourceKey[] => {
    const member = store.get(members, region, id);
    return member ? [keyOfGroup(region, member.spec.group)] : [];
  };

  const keysFor = (changed: Resource): ResourceKey[] => {
    const { kind, region, id } = changed;
    if (kind === groups.kind) return [keyOfGroup(region, id)];
    if (kind === members.kind) return [keyOfGroup(region, (changed.spec as MemberSpec).group)];
    if (kind === instances.kind) return groupOfMember(region, id);
    if (kind === targets.kind) return groupOfMember(region, (changed.spec as TargetRecordSpec).targetId);
    if (kind === hosts.kind || kind === faults.kind) {
      return store.list(groups, region).map((group) => keyOfGroup(region, group.id));
    }
    return [];
  };

  return {
    name: 'autoscaling.group',
    keysFor,
    async reconcile({ region, id }) {
      const group = store.get(groups, region, id);
      if (!group) return undefined;
      const plan = store.transaction((tx) => settle(loopScope(context, tx, region), group));
      const orders = plan.actions.flatMap((action) => (action.kind === 'launch' ? [action] : []));
      const { capacity } = plan;
      const done = orders.every(({ zone, reason }) => launch(region, group, { zone, reason, capacity }));
      if (done) settleChange(region, id);
      if (group.spec.deleting && membersOf({ tx: store, region }, id).length === 0) {
        store.transaction((tx) => tx.remove(group));
        return undefined;
      }
      if (plan.lookAgainAt === undefined) return undefined;
      return { requeueAfterMs: Math.max(1, plan.lookAgainAt - clock.now()) };
    },
  };
}
