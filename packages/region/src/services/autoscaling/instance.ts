/** What callers do with single instances of a group. */
import type * as autoscaling from '@aws-sdk/client-auto-scaling';
import { refuseParameters } from '../common/errors.ts';
import { paginate } from '../common/pagination.ts';
import type { RequestContext, Scope } from '../common/service.ts';
import { type Instance, instances } from '../ec2/records.ts';
import { cause, endActivity, type NewActivity, recordActivity, shownActivity } from './activity.ts';
import { errors } from './errors.ts';
import { changeableGroup, membersOf, shownMember, withCapacity } from './group.ts';
import { activities, type Group, groups, type Member, members, type ScalingActivity } from './records.ts';
import { deregisterMember } from './registration.ts';

function memberOf(scope: Scope, id: string | undefined): { member: Member; group: Group } {
  const member = scope.tx.get(members, scope.region, id ?? '');
  const group = member && scope.tx.get(groups, scope.region, member.spec.group);
  if (!member || !group) throw errors.instanceNotFound(id ?? '');
  return { member, group };
}

/** The members of these ids, all of one group. */
function membersById(scope: Scope, group: Group, ids: readonly string[] | undefined): Member[] {
  return [...new Set(ids)].map((id) => {
    const member = scope.tx.get(members, scope.region, id);
    if (member?.spec.group !== group.id) throw errors.notInGroup(id, group.id);
    return member;
  });
}

/** Takes `count` off the desired capacity. Throws when that would go below the minimum. */
function decrement(scope: Scope, group: Group, count: number, request: string): Group {
  const current = scope.tx.get(groups, scope.region, group.id) ?? group;
  const wanted = current.spec.desiredCapacity - count;
  if (wanted < current.spec.minSize) {
    throw errors.validation(
      `AutoScalingGroup ${group.id} has min size=${current.spec.minSize}. Decrementing the desired capacity by ${count} would put it below that`,
    );
  }
  return scope.tx.update(current, { spec: withCapacity(current.spec, wanted, scope.now, request) });
}

const completed = (scope: Scope): NewActivity['status'] => ({
  code: 'Successful',
  progress: 100,
  endedAt: scope.now,
});

const place = (member: Member) => ({ zone: member.spec.zone, subnetId: member.spec.subnetId });

export function terminateInstanceInAutoScalingGroup(
  input: autoscaling.TerminateInstanceInAutoScalingGroupType,
  context: RequestContext,
): autoscaling.ActivityType {
  refuseParameters('TerminateInstanceInAutoScalingGroup', input, ['InstanceIds', 'AutoScalingGroupName']);
  const { member, group } = memberOf(context, input.InstanceId);
  const known = member.spec.terminationActivityId ?? member.status.terminationActivityId;
  const underWay = known === undefined ? undefined : context.tx.get(activities, context.region, known);
  if (underWay) return { Activity: shownActivity(underWay) };
  const before = group.spec.desiredCapacity;
  let shrinking = '';
  if (input.ShouldDecrementDesiredCapacity === true) {
    decrement(context, group, 1, 'a user request');
    shrinking = `, shrinking the capacity from ${before} to ${before - 1}`;
  }
  const activity = recordActivity(context, group, {
    description: `Terminating EC2 instance: ${member.id}`,
    cause: cause([
      context.now,
      `instance ${member.id} was taken out of service in response to a user request${shrinking}`,
    ]),
    place: place(member),
    status: { code: 'InProgress', progress: 0 },
  });
  context.tx.update(member, { spec: { ...member.spec, terminationActivityId: activity.id } });
  return { Activity: shownActivity(activity) };
}

/** Within the grace period a report is not heard, unless it says that it is to be. */
export function setInstanceHealth(
  input: autoscaling.SetInstanceHealthQuery,
  context: RequestContext,
): Record<string, never> {
  const { member, group } = memberOf(context, input.InstanceId);
  if (input.HealthStatus !== 'Healthy' && input.HealthStatus !== 'Unhealthy') {
    throw errors.validation(`${input.HealthStatus} is not a valid health status`);
  }
  const reportedUnhealthy = input.HealthStatus === 'Unhealthy';
  const graceUntil = (member.status.inServiceAt ?? context.now) + group.spec.gracePeriodS * 1000;
  if (reportedUnhealthy && input.ShouldRespectGracePeriod !== false && context.now < graceUntil) return {};
  context.tx.update(member, { spec: { ...member.spec, reportedUnhealthy } });
  return {};
}

export function setInstanceProtection(
  input: autoscaling.SetInstanceProtectionQuery,
  context: RequestContext,
): Record<string, never> {
  const group = changeableGroup(context, input.AutoScalingGroupName);
  for (const member of membersById(context, group, input.InstanceIds)) {
    const protectedFromScaleIn = input.ProtectedFromScaleIn === true;
    context.tx.update(member, { spec: { ...member.spec, protectedFromScaleIn } });
  }
  return {};
}

function attachable(scope: Scope, group: Group, id: string): Instance {
  const instance = scope.tx.get(instances, scope.region, id);
  if (!instance) throw errors.validation(`Invalid Instance ID(s): [${id}] specified`);
  if (scope.tx.get(members, scope.region, id)) {
    throw errors.validation(`Instance ${id} is already part of an AutoScalingGroup`);
  }
  if (instance.status.state !== 'running') {
    throw errors.validation(`Instance ${id} is not in a running state`);
  }
  if (!group.spec.places.some(({ zone }) => zone === instance.spec.zone)) {
    throw errors.validation(`Instance ${id} is not in an availability zone of the AutoScalingGroup`);
  }
  return instance;
}

/** What EC2 knows a group's instances by, also attached ones. */
const GROUP_TAG = 'aws:autoscaling:groupName';

/** Running instances come in, and the desired capacity grows by them. */
export function attachInstances(
  input: autoscaling.AttachInstancesQuery,
  context: RequestContext,
): Record<string, never> {
  const group = changeableGroup(context, input.AutoScalingGroupName);
  const ids = [...new Set(input.InstanceIds)];
  const { desiredCapacity: before, maxSize } = group.spec;
  if (before + ids.length > maxSize) {
    throw errors.validation(
      `AutoScalingGroup ${group.id} has max size=${maxSize}. Attaching ${ids.length} instance(s) would exceed it`,
    );
  }
  ids.forEach((id, at) => {
    const instance = attachable(context, group, id);
    const { zone, subnetId, instanceType, imageId } = instance.spec;
    context.tx.update(instance, { tags: { ...instance.tags, [GROUP_TAG]: group.id } });
    const activity = recordActivity(context, group, {
      description: `Attaching an existing EC2 instance: ${id}`,
      cause: cause([
        context.now,
        `an instance was attached in response to a user request. Keeping the capacity at the new ${before + at + 1}`,
      ]),
      place: { zone, subnetId },
      status: { code: 'PreInService', progress: 30 },
    });
    context.tx.create(members, {
      region: context.region,
      id,
      owner: group,
      spec: {
        group: group.id,
        zone,
        subnetId,
        instanceType,
        imageId,
        rebalancing: false,
        protectedFromScaleIn: group.spec.protectNewInstances,
        standby: false,
        reportedUnhealthy: false,
      },
      status: {
        lifecycle: 'Pending',
        health: 'Healthy',
        registeredWith: [],
        launchActivityId: activity.id,
      },
    });
  });
  const spec = withCapacity(group.spec, before + ids.length, context.now, 'a user request');
  context.tx.update(group, { spec });
  return {};
}

function leave(
  scope: Scope,
  given: autoscaling.DetachInstancesQuery,
  act: (group: Group, member: Member) => ScalingActivity,
): autoscaling.Activity[] {
  const group = changeableGroup(scope, given.AutoScalingGroupName);
  const leaving = membersById(scope, group, given.InstanceIds);
  if (given.ShouldDecrementDesiredCapacity === true) {
    decrement(scope, group, leaving.length, 'a user request');
  }
  return leaving.map((member) => shownActivity(act(group, member)));
}

export function detachInstances(
  input: autoscaling.DetachInstancesQuery,
  context: RequestContext,
): autoscaling.DetachInstancesAnswer {
  const detach = (group: Group, member: Member): ScalingActivity => {
    deregisterMember(context, member);
    endActivity(context, member.status.launchActivityId, 'Cancelled');
    context.tx.remove(member);
    const instance = context.tx.get(instances, context.region, member.id);
    if (instance) {
      const { [GROUP_TAG]: _, ...tags } = instance.tags;
      context.tx.update(instance, { tags });
    }
    return recordActivity(context, group, {
      description: `Detaching EC2 instance: ${member.id}`,
      cause: cause([context.now, `instance ${member.id} was detached in response to a user request`]),
      place: place(member),
      status: completed(context),
    });
  };
  return { Activities: leave(context, input, detach) };
}

export function enterStandby(
  input: autoscaling.EnterStandbyQuery,
  context: RequestContext,
): autoscaling.EnterStandbyAnswer {
  const enter = (group: Group, member: Member): ScalingActivity => {
    if (member.status.lifecycle !== 'InService') {
      throw errors.validation(`The instance ${member.id} is not in InService.`);
    }
    context.tx.update(member, { spec: { ...member.spec, standby: true } });
    return recordActivity(context, group, {
      description: `Moving EC2 instance to Standby: ${member.id}`,
      cause: cause([context.now, `instance ${member.id} was moved to standby in response to a user request`]),
      place: place(member),
      status: completed(context),
    });
  };
  return { Activities: leave(context, input, enter) };
}

/** The desired capacity grows by the instances that come back. */
export function exitStandby(
  input: autoscaling.ExitStandbyQuery,
  context: RequestContext,
): autoscaling.ExitStandbyAnswer {
  const group = changeableGroup(context, input.AutoScalingGroupName);
  const coming = membersById(context, group, input.InstanceIds);
  const wanted = group.spec.desiredCapacity + coming.length;
  if (wanted > group.spec.maxSize) {
    throw errors.validation(`AutoScalingGroup ${group.id} has max size=${group.spec.maxSize}`);
  }
  const shown = coming.map((member) => {
    if (!member.spec.standby) throw errors.validation(`The instance ${member.id} is not in Standby.`);
    context.tx.update(member, { spec: { ...member.spec, standby: false } });
    const activity = recordActivity(context, group, {
      description: `Moving EC2 instance out of Standby: ${member.id}`,
      cause: cause([
        context.now,
        `instance ${member.id} was moved out of standby in response to a user request`,
      ]),
      place: place(member),
      status: completed(context),
    });
    return shownActivity(activity);
  });
  context.tx.update(group, { spec: withCapacity(group.spec, wanted, context.now, 'a user request') });
  return { Activities: shown };
}

export function describeAutoScalingInstances(
  input: autoscaling.DescribeAutoScalingInstancesType,
  context: RequestContext,
): autoscaling.AutoScalingInstancesType {
  const ids = input.InstanceIds ?? [];
  const all = context.tx.list(groups, context.region).flatMap((group) => membersOf(context, group.id));
  const found = all.filter((member) => ids.length === 0 || ids.includes(member.id));
  const page = paginate(context, found, (member) => member.id, {
    call: 'DescribeAutoScalingInstances',
    token: input.NextToken,
    limit: input.MaxRecords ?? 50,
    invalid: errors.invalidNextToken,
  });
  const shown = page.items.map((member) => {
    const { HealthStatus: health, ...details } = shownMember(member);
    // This call alone answers in capitals.
    return { ...details, AutoScalingGroupName: member.spec.group, HealthStatus: health?.toUpperCase() };
  });
  return { AutoScalingInstances: shown, NextToken: page.nextToken };
}
