/**
 * What the store holds of Auto Scaling. `spec` is written by API calls only, except that the group's loop makes members
 * and activities; `status` is written by the loop `autoscaling.group` only.
 */
import type { RequestLaunchTemplateData } from '@aws-sdk/client-ec2';
import type { TimeMs } from '../../clock.ts';
import { type ResourceOf, resourceType } from '../../store/resource.ts';

/** What instances are made from: a template, in a version that is resolved at each launch, or a configuration. */
export type LaunchSource =
  | { readonly kind: 'template'; readonly id: string; readonly name: string; readonly version: string }
  | { readonly kind: 'configuration'; readonly name: string };

export interface GroupTag {
  readonly key: string;
  readonly value: string;
  readonly propagateAtLaunch: boolean;
}

export interface GroupSpec {
  readonly arn: string;
  readonly launch: LaunchSource;
  readonly minSize: number;
  readonly maxSize: number;
  readonly desiredCapacity: number;
  /** Where instances may be: the subnets, each with its zone. */
  readonly places: readonly { readonly zone: string; readonly subnetId: string }[];
  /** As the caller gave it; empty when he gave zones. */
  readonly vpcZoneIdentifier: string;
  readonly targetGroupArns: readonly string[];
  readonly healthCheckType: 'EC2' | 'ELB';
  readonly gracePeriodS: number;
  readonly cooldownS: number;
  readonly terminationPolicies: readonly string[];
  readonly protectNewInstances: boolean;
  readonly suspended: readonly string[];
  readonly tags: readonly GroupTag[];
  readonly serviceLinkedRoleArn: string;
  readonly context?: string;
  /** The name of a placement group. */
  readonly placementGroup?: string;
  /** DeleteAutoScalingGroup was called: the record goes with the last instance. */
  readonly deleting: boolean;
  /** The latest change of the desired capacity, as the causes of what follows from it tell it. */
  readonly capacityChange?: { readonly number: number; readonly at: TimeMs; readonly text: string };
}

export interface GroupStatus {
  /** Zones that had no capacity, and until when they are not tried again. */
  readonly closedZones: Readonly<Record<string, TimeMs>>;
  /** Launches that failed in a row for another reason, and when the next one from the same source may be tried. */
  readonly failures: number;
  readonly retry?: { readonly at: TimeMs; readonly source: LaunchSource };
  /** Number of the capacity change up to which all is done. */
  readonly settledChange?: number;
}

/** By name. */
export const groups = resourceType<GroupSpec, GroupStatus>('autoscaling.group');
export type Group = ResourceOf<typeof groups>;

export interface MemberSpec {
  readonly group: string;
  readonly zone: string;
  readonly subnetId: string;
  readonly instanceType: string;
  readonly imageId: string;
  /** What it was made from; a template's version is a number here. Absent: attached, not launched. */
  readonly launch?: LaunchSource;
  /** Made to balance zones: it counts from when it is in service on. */
  readonly rebalancing: boolean;
  readonly protectedFromScaleIn: boolean;
  readonly standby: boolean;
  /** SetInstanceHealth said so. */
  readonly reportedUnhealthy: boolean;
  /** TerminateInstanceInAutoScalingGroup: the activity that the call answered with. */
  readonly terminationActivityId?: string;
}

export type Lifecycle = 'Pending' | 'InService' | 'Standby' | 'Terminating';

export interface MemberStatus {
  readonly lifecycle: Lifecycle;
  readonly health: 'Healthy' | 'Unhealthy';
  readonly inServiceAt?: TimeMs;
  readonly launchActivityId?: string;
  readonly terminationActivityId?: string;
  /** Target groups that the group registered it with, so that what a user deregisters stays so. */
  readonly registeredWith: readonly string[];
}

/** By instance id; the group is the owner. */
export const members = resourceType<MemberSpec, MemberStatus>('autoscaling.instance');
export type Member = ResourceOf<typeof members>;

export interface ActivitySpec {
  readonly group: string;
  readonly groupArn: string;
  readonly description: string;
  readonly cause: string;
  readonly startedAt: TimeMs;
  /** Shown as JSON. */
  readonly details: Readonly<Record<string, string>>;
}

export interface ActivityStatus {
  readonly code: 'PreInService' | 'InProgress' | 'Successful' | 'Failed' | 'Cancelled';
  readonly progress: number;
  readonly endedAt?: TimeMs;
  readonly message?: string;
}

export const activities = resourceType<ActivitySpec, ActivityStatus>('autoscaling.activity');
export type ScalingActivity = ResourceOf<typeof activities>;

export interface LaunchConfigurationSpec {
  readonly arn: string;
  /** In the shape of a launch template's data. */
  readonly data: RequestLaunchTemplateData;
  readonly associatePublicIpAddress?: boolean;
}

/** By name. */
export const launchConfigurations = resourceType<LaunchConfigurationSpec, null>(
  'autoscaling.launch-configuration',
);
export type LaunchConfigurationRecord = ResourceOf<typeof launchConfigurations>;
