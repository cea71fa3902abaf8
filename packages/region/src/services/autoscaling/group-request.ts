/** What a caller wants a group to be: checked, and put into the group's own terms. */
import type * as autoscaling from '@aws-sdk/client-auto-scaling';
import { AwsError } from '../common/errors.ts';
import type { Scope } from '../common/service.ts';
import { resolveLaunchTemplate } from '../ec2/launch-template/launch-template.ts';
import { defaultSubnetFor } from '../ec2/network/index.ts';
import { placementGroupNamed } from '../ec2/placement-group/placement-group.ts';
import { subnets } from '../ec2/records.ts';
import { targetGroups } from '../elbv2/records.ts';
import { errors } from './errors.ts';
import { type GroupSpec, type LaunchSource, launchConfigurations } from './records.ts';
import { TERMINATION_POLICIES } from './termination-policy.ts';

type GroupInput = autoscaling.CreateAutoScalingGroupType | autoscaling.UpdateAutoScalingGroupType;

const UNSERVED = [
  'MixedInstancesPolicy',
  'InstanceId',
  'LoadBalancerNames',
  'AvailabilityZoneIds',
  'CapacityRebalance',
  'LifecycleHookSpecificationList',
  'MaxInstanceLifetime',
  'TrafficSources',
  'InstanceMaintenancePolicy',
  'AvailabilityZoneImpairmentPolicy',
  'CapacityReservationSpecification',
  'InstanceLifecyclePolicy',
  'Operator',
] as const;

/** Refuses by name what would change behaviour; the values that mean "as always" pass. */
export function refuseUnserved(operation: string, input: GroupInput): void {
  const given = input as unknown as Readonly<Record<string, unknown>>;
  for (const name of UNSERVED) {
    const value = given[name];
    const nothing = value === undefined || value === false || value === 0 || value === '';
    if (nothing || (Array.isArray(value) && value.length === 0)) continue;
    throw errors.unsupported(`the parameter ${name} of ${operation}`);
  }
  const only = (name: string, usual: unknown): void => {
    if (given[name] === undefined || given[name] === '' || given[name] === usual) return;
    throw errors.unsupported(`the parameter ${name} of ${operation} with the value '${given[name]}'`);
  };
  only('DesiredCapacityType', 'units');
  only('DeletionProtection', 'none');
  only('DefaultInstanceWarmup', -1);
  const strategy = input.AvailabilityZoneDistribution?.CapacityDistributionStrategy;
  if (strategy !== undefined && strategy !== 'balanced-best-effort') {
    throw errors.unsupported(`the CapacityDistributionStrategy '${strategy}' of ${operation}`);
  }
}

/** The template or configuration that a request names; undefined when it names none. */
export function launchSourceOf(scope: Scope, input: GroupInput): LaunchSource | undefined {
  const { LaunchTemplate: template, LaunchConfigurationName: configuration } = input;
  if (template !== undefined && configuration !== undefined) {
    throw errors.validation(
      'Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.',
    );
  }
  if (configuration !== undefined) {
    if (!scope.tx.get(launchConfigurations, scope.region, configuration)) {
      throw errors.configurationNotFound(configuration);
    }
    return { kind: 'configuration', name: configuration };
  }
  if (template === undefined) return undefined;
  const { LaunchTemplateId: id, LaunchTemplateName: name, Version: version = '$Default' } = template;
  try {
    const resolved = resolveLaunchTemplate(scope, { id, name, version });
    return { kind: 'template', id: resolved.template.id, name: resolved.template.spec.name, version };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw errors.validation(
      `You must use a valid fully-formed launch template. ${error.message.replace(/\.?$/, '.')}`,
    );
  }
}

/** The subnets of a request with their zones; undefined when it names neither subnets nor zones. */
export function placesOf(
  scope: Scope,
  input: GroupInput,
): Pick<GroupSpec, 'places' | 'vpcZoneIdentifier'> | undefined {
  const ids = (input.VPCZoneIdentifier ?? '')
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
  const zones = input.AvailabilityZones ?? [];
  if (ids.length === 0 && zones.length === 0) return undefined;
  if (ids.length === 0) {
    try {
      const places = zones.map((zone) => ({ zone, subnetId: defaultSubnetFor(scope, zone).id }));
      return { places, vpcZoneIdentifier: '' };
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      throw errors.validation(error.message);
    }
  }
  const places = ids.map((id) => {
    const subnet = scope.tx.get(subnets, scope.region, id);
    if (!subnet) throw errors.validation(`The subnet ID '${id}' does not exist`);
    return { zone: subnet.spec.zone, subnetId: id, vpcId: subnet.spec.vpcId };
  });
  if (new Set(places.map((place) => place.vpcId)).size > 1) {
    throw errors.validation('The subnets of an Auto Scaling group must belong to one VPC');
  }
  const given = new Set(places.map((place) => place.zone));
  if (zones.length > 0 && (zones.length !== given.size || zones.some((zone) => !given.has(zone)))) {
    throw errors.validation(
      'The availability zones of the specified subnets and the Auto Scaling group do not match',
    );
  }
  return {
    places: places.map(({ zone, subnetId }) => ({ zone, subnetId })),
    vpcZoneIdentifier: ids.join(','),
  };
}

/** The placement group of a request, which takes an empty name as none; else the one that is set. */
export function placementGroupOf(
  scope: Scope,
  input: GroupInput,
  current?: string,
): Pick<GroupSpec, 'placementGroup'> {
  const name = input.PlacementGroup ?? current;
  if (name === undefined || name === '') return {};
  if (input.PlacementGroup === undefined) return { placementGroup: name };
  try {
    return { placementGroup: placementGroupNamed(scope, name).spec.name };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw errors.validation(error.message);
  }
}

export interface Sizes {
  readonly minSize: number;
  readonly maxSize: number;
  readonly desiredCapacity: number;
}

export function checkSizes({ minSize, maxSize, desiredCapacity }: Sizes): void {
  if (minSize < 0 || maxSize < 0) throw errors.validation('Min and max size must not be negative');
  if (minSize > maxSize) {
    throw errors.validation(`Max bound, ${maxSize}, must be greater than or equal to min bound, ${minSize}`);
  }
  if (desiredCapacity < minSize || desiredCapacity > maxSize) {
    throw errors.validation(
      `Desired capacity:${desiredCapacity} must be between the specified min size:${minSize} and max size:${maxSize}`,
    );
  }
}

export function checkTargetGroups(scope: Scope, arns: readonly string[]): readonly string[] {
  for (const arn of arns) {
    if (!scope.tx.get(targetGroups, scope.region, arn)) throw errors.targetGroupsInvalid();
  }
  return [...new Set(arns)];
}

export function healthCheckTypeOf(value: string): 'EC2' | 'ELB' {
  const kinds = value.split(',').map((kind) => kind.trim());
  for (const kind of kinds) {
    if (kind === 'EBS' || kind === 'VPC_LATTICE') throw errors.unsupported(`the health check type ${kind}`);
    if (kind !== 'EC2' && kind !== 'ELB') {
      throw errors.validation(`${value} is not a valid health check type`);
    }
  }
  return kinds.includes('ELB') ? 'ELB' : 'EC2';
}

export function terminationPoliciesOf(policies: readonly string[]): readonly string[] {
  for (const policy of policies) {
    if (policy.startsWith('arn:')) throw errors.unsupported('termination policies that are Lambda functions');
    if (!(TERMINATION_POLICIES as readonly string[]).includes(policy)) {
      throw errors.validation(`'${policy}' is not a valid termination policy`);
    }
  }
  return policies.length === 0 ? ['Default'] : policies;
}

/** The settings that create and update share; what a request leaves out is as it is. */
export function commonSettings(
  input: GroupInput,
  current: Pick<
    GroupSpec,
    | 'healthCheckType'
    | 'gracePeriodS'
    | 'cooldownS'
    | 'terminationPolicies'
    | 'protectNewInstances'
    | 'serviceLinkedRoleArn'
    | 'context'
  >,
): typeof current {
  const context = input.Context ?? current.context;
  return {
    healthCheckType:
      input.HealthCheckType === undefined
        ? current.healthCheckType
        : healthCheckTypeOf(input.HealthCheckType),
    gracePeriodS: input.HealthCheckGracePeriod ?? current.gracePeriodS,
    cooldownS: input.DefaultCooldown ?? current.cooldownS,
    terminationPolicies:
      input.TerminationPolicies === undefined
        ? current.terminationPolicies
        : terminationPoliciesOf(input.TerminationPolicies),
    protectNewInstances: input.NewInstancesProtectedFromScaleIn ?? current.protectNewInstances,
    serviceLinkedRoleArn: input.ServiceLinkedRoleARN || current.serviceLinkedRoleArn,
    ...(context !== undefined && { context }),
  };
}
