/** Auto Scaling groups: create, update, delete, describe, capacity. */
import type * as autoscaling from '@aws-sdk/client-auto-scaling';
import type { Reader } from '../../store/store.ts';
import { applyFilters } from '../common/filters.ts';
import { arn, newUuid } from '../common/names.ts';
import { listingPosition, paginate } from '../common/pagination.ts';
import type { RequestContext, Scope } from '../common/service.ts';
import { activitiesOf, shownSource } from './activity.ts';
import { errors } from './errors.ts';
import {
  checkSizes,
  checkTargetGroups,
  commonSettings,
  launchSourceOf,
  placementGroupOf,
  placesOf,
  refuseUnserved,
} from './group-request.ts';
import { type Group, type GroupSpec, groups, type Member, members } from './records.ts';
import { groupTagsOf, shownTags } from './tags.ts';

/** The group of that name. Throws `ValidationError` in AWS's words. */
export function groupOf(scope: Scope, name: string | undefined): Group {
  const found = scope.tx.get(groups, scope.region, name ?? '');
  if (!found) throw errors.groupNotFound(name ?? '');
  return found;
}

/** A group that may still be changed. */
export function changeableGroup(scope: Scope, name: string | undefined): Group {
  const group = groupOf(scope, name);
  if (group.spec.deleting) throw errors.beingDeleted(group.id);
  return group;
}

export const membersOf = (scope: { readonly tx: Reader; readonly region: string }, group: string): Member[] =>
  scope.tx.list(members, scope.region).filter(({ spec }) => spec.group === group);

/** A changed desired capacity, told the way that activities tell it; the same capacity is no change. */
export function withCapacity(
  spec: GroupSpec,
  desiredCapacity: number,
  now: number,
  request: string,
): GroupSpec {
  if (desiredCapacity === spec.desiredCapacity) return spec;
  const text = `${request} changing the desired capacity from ${spec.desiredCapacity} to ${desiredCapacity}`;
  const number = (spec.capacityChange?.number ?? 0) + 1;
  return { ...spec, desiredCapacity, capacityChange: { number, at: now, text } };
}

export function createAutoScalingGroup(
  input: autoscaling.CreateAutoScalingGroupType,
  context: RequestContext,
): Record<string, never> {
  const { tx, region } = context;
  const { AutoScalingGroupName: name = '', MinSize: minSize = 0, MaxSize: maxSize = 0 } = input;
  if (name === '' || name.includes(':')) {
    throw errors.validation('An Auto Scaling group name must not be empty, and has no colons');
  }
  refuseUnserved('CreateAutoScalingGroup', input);
  if (tx.get(groups, region, name)) throw errors.groupExists(name);
  const launch = launchSourceOf(context, input);
  if (!launch) {
    throw errors.validation(
      'Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.',
    );
  }
  const desiredCapacity = input.DesiredCapacity ?? minSize;
  checkSizes({ minSize, maxSize, desiredCapacity });
  const where = placesOf(context, input);
  if (!where) throw errors.validation('At least one Availability Zone or VPC Subnet is required.');
  const settings = commonSettings(input, {
    healthCheckType: 'EC2',
    gracePeriodS: 0,
    cooldownS: 300,
    terminationPolicies: ['Default'],
    protectNewInstances: false,
    serviceLinkedRoleArn: `arn:aws:iam::${context.settings.accountId}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling`,
  });
  const resource = `autoScalingGroup:${newUuid(context)}:autoScalingGroupName/${name}`;
  const spec: GroupSpec = {
    arn: arn(context, 'autoscaling', resource),
    launch,
    minSize,
    maxSize,
    desiredCapacity: 0,
    ...where,
    targetGroupArns: checkTargetGroups(context, input.TargetGroupARNs ?? []),
    ...settings,
    ...placementGroupOf(context, input),
    suspended: [],
    tags: groupTagsOf(input.Tags, name),
    deleting: false,
  };
  tx.create(groups, {
    region,
    id: name,
    spec: withCapacity(spec, desiredCapacity, context.now, 'a user request created an AutoScalingGroup'),
    status: { closedZones: {}, failures: 0 },
  });
  return {};
}

export function updateAutoScalingGroup(
  input: autoscaling.UpdateAutoScalingGroupType,
  context: RequestContext,
): Record<string, never> {
  refuseUnserved('UpdateAutoScalingGroup', input);
  const group = changeableGroup(context, input.AutoScalingGroupName);
  const { placementGroup, ...spec } = group.spec;
  const minSize = input.MinSize ?? spec.minSize;
  const maxSize = input.MaxSize ?? spec.maxSize;
  // Left out, the desired capacity follows the bounds.
  const desiredCapacity = input.DesiredCapacity ?? Math.max(minSize, Math.min(maxSize, spec.desiredCapacity));
  checkSizes({ minSize, maxSize, desiredCapacity });
  const next: GroupSpec = {
    ...spec,
    ...commonSettings(input, spec),
    ...(placesOf(context, input) ?? {}),
    ...placementGroupOf(context, input, placementGroup),
    launch: launchSourceOf(context, input) ?? spec.launch,
    minSize,
    maxSize,
  };
  const request = `a user request update of AutoScalingGroup constraints to min: ${minSize}, max: ${maxSize}, desired: ${desiredCapacity}`;
  const changed = withCapacity(next, desiredCapacity, context.now, request);
  context.tx.update(group, { spec: changed });
  return {};
}

/**
 * Without ForceDelete only an empty group goes; with it, its instances are terminated and the group goes with the last.
 * https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html
 */
export function deleteAutoScalingGroup(
  input: autoscaling.DeleteAutoScalingGroupType,
  context: RequestContext,
): Record<string, never> {
  const group = groupOf(context, input.AutoScalingGroupName);
  const { tx } = context;
  const own = membersOf(context, group.id);
  if (own.length === 0) {
    tx.remove(group);
    return {};
  }
  if (input.ForceDelete !== true) {
    const leaving = own.every(({ status }) => status.lifecycle === 'Terminating');
    throw leaving ? errors.groupIsActive() : errors.groupHasInstances();
  }
  const emptied = withCapacity(
    { ...group.spec, minSize: 0, maxSize: 0, deleting: true },
    0,
    context.now,
    'a user request force deleted AutoScalingGroup',
  );
  tx.update(group, { spec: emptied });
  return {};
}

export function setDesiredCapacity(
  input: autoscaling.SetDesiredCapacityType,
  context: RequestContext,
): Record<string, never> {
  const group = context.tx.get(groups, context.region, input.AutoScalingGroupName ?? '');
  if (!group) throw errors.noSuchGroup();
  if (group.spec.deleting) throw errors.beingDeleted(group.id);
  const { DesiredCapacity: wanted = 0 } = input;
  const { minSize, maxSize, cooldownS } = group.spec;
  const complaint = `New SetDesiredCapacity value ${wanted} is`;
  if (wanted > maxSize) {
    throw errors.validation(`${complaint} above max value ${maxSize} for the AutoScalingGroup.`);
  }
  if (wanted < minSize) {
    throw errors.validation(`${complaint} below min value ${minSize} for the AutoScalingGroup.`);
  }
  if (input.HonorCooldown === true) {
    const ends = activitiesOf(context, group.id).map(({ status }) => status.endedAt ?? context.now);
    if (Math.max(0, ...ends) + cooldownS * 1000 > context.now) throw errors.coolingDown();
  }
  const request = 'a user request explicitly set group desired capacity';
  context.tx.update(group, { spec: withCapacity(group.spec, wanted, context.now, request) });
  return {};
}

export const shownMember = ({ id, spec, status }: Member): autoscaling.Instance => ({
  InstanceId: id,
  InstanceType: spec.instanceType,
  AvailabilityZone: spec.zone,
  LifecycleState: status.lifecycle,
  HealthStatus: status.health,
  ...shownSource(spec.launch),
  ProtectedFromScaleIn: spec.protectedFromScaleIn,
});

export function shownGroup(group: Group, own: readonly Member[]): autoscaling.AutoScalingGroup {
  const { spec } = group;
  return {
    AutoScalingGroupName: group.id,
    AutoScalingGroupARN: spec.arn,
    ...shownSource(spec.launch),
    MinSize: spec.minSize,
    MaxSize: spec.maxSize,
    DesiredCapacity: spec.desiredCapacity,
    DefaultCooldown: spec.cooldownS,
    AvailabilityZones: [...new Set(spec.places.map((place) => place.zone))],
    LoadBalancerNames: [],
    TargetGroupARNs: [...spec.targetGroupArns],
    HealthCheckType: spec.healthCheckType,
    HealthCheckGracePeriod: spec.gracePeriodS,
    Instances: own.map(shownMember),
    CreatedTime: new Date(group.createdAt),
    SuspendedProcesses: spec.suspended.map((ProcessName) => ({
      ProcessName,
      SuspensionReason: 'User suspended',
    })),
    VPCZoneIdentifier: spec.vpcZoneIdentifier,
    EnabledMetrics: [],
    Status: spec.deleting ? 'Delete in progress' : undefined,
    Tags: shownTags(group),
    TerminationPolicies: [...spec.terminationPolicies],
    NewInstancesProtectedFromScaleIn: spec.protectNewInstances,
    ServiceLinkedRoleARN: spec.serviceLinkedRoleArn,
    Context: spec.context,
    PlacementGroup: spec.placementGroup,
    TrafficSources: spec.targetGroupArns.map((Identifier) => ({ Identifier, Type: 'elbv2' })),
    AvailabilityZoneDistribution: { CapacityDistributionStrategy: 'balanced-best-effort' },
  };
}

export function describeAutoScalingGroups(
  input: autoscaling.AutoScalingGroupNamesType,
  context: RequestContext,
): autoscaling.AutoScalingGroupsType {
  const names = input.AutoScalingGroupNames ?? [];
  const all = context.tx
    .list(groups, context.region)
    .filter((group) => names.length === 0 || names.includes(group.id) || names.includes(group.spec.arn));
  const found = applyFilters(
    all,
    input.Filters,
    {
      'tag-key': (group) => group.spec.tags.map((tag) => tag.key),
      'tag-value': (group) => group.spec.tags.map((tag) => tag.value),
    },
    (group) => Object.fromEntries(group.spec.tags.map((tag) => [tag.key, tag.value])),
  );
  const page = paginate(context, found, listingPosition, {
    call: 'DescribeAutoScalingGroups',
    token: input.NextToken,
    limit: input.MaxRecords ?? 50,
    invalid: errors.invalidNextToken,
  });
  const shown = page.items.map((group) => {
    const own = input.IncludeInstances === false ? [] : membersOf(context, group.id);
    return shownGroup(group, own);
  });
  return { AutoScalingGroups: shown, NextToken: page.nextToken };
}
