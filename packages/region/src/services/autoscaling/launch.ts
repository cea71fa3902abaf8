/** A group's launches: one instance, one member record and one activity, all in one transaction. */
import type { TagSpecification } from '@aws-sdk/client-ec2';
import type { AwsError } from '../common/errors.ts';
import type { Scope } from '../common/service.ts';
import { launchInstances } from '../ec2/instance/launch.ts';
import { resolveLaunchTemplate } from '../ec2/launch-template/launch-template.ts';
import { cause, recordActivity } from './activity.ts';
import { errors } from './errors.ts';
import { membersOf } from './group.ts';
import {
  type Group,
  type GroupStatus,
  groups,
  type LaunchSource,
  launchConfigurations,
  members,
} from './records.ts';

/** Why this instance is launched, beside what the user asked for. */
export interface LaunchOrder {
  readonly zone: string;
  readonly reason: 'difference' | 'replacement' | 'rebalance';
  /** Instances that count before this pass of the group. */
  readonly capacity: number;
}

/** How long a zone that had no capacity is left alone. */
export const CLOSED_ZONE_MS = 60_000;
const FIRST_RETRY_MS = 10_000;
const LONGEST_RETRY_MS = 300_000;

/** The user's change of the capacity, as long as it is not all done. */
export const openChange = (group: Group): readonly [number, string] | undefined => {
  const { capacityChange: change } = group.spec;
  if (!change || (group.status.settledChange ?? 0) >= change.number) return undefined;
  return [change.at, change.text];
};

function launchCause(scope: Scope, group: Group, order: LaunchOrder): string {
  const { now } = scope;
  if (order.reason === 'replacement') {
    return cause([
      now,
      'an instance was launched in response to an unhealthy instance needing to be replaced',
    ]);
  }
  if (order.reason === 'rebalance') {
    return cause([
      now,
      `instances were launched to balance instances in zones ${order.zone} with other zones resulting in more than desired number of instances in the group`,
    ]);
  }
  const { desiredCapacity } = group.spec;
  return cause(openChange(group), [
    now,
    `an instance was started in response to a difference between desired and actual capacity, increasing the capacity from ${order.capacity} to ${desiredCapacity}`,
  ]);
}

/** The group's subnet in the zone that holds the fewest of its instances. */
function subnetIn(scope: Scope, group: Group, zone: string): string {
  const own = membersOf(scope, group.id);
  const held = (subnetId: string): number => own.filter(({ spec }) => spec.subnetId === subnetId).length;
  const [first] = group.spec.places
    .filter((place) => place.zone === zone)
    .toSorted((a, b) => held(a.subnetId) - held(b.subnetId));
  if (!first) throw errors.validation(`The group has no subnet in ${zone}`);
  return first.subnetId;
}

/** What to launch from, with its version fixed. */
function settledSource(scope: Scope, group: Group): { source: LaunchSource; parameters: object } {
  const { launch } = group.spec;
  if (launch.kind === 'configuration') {
    const found = scope.tx.get(launchConfigurations, scope.region, launch.name);
    if (!found) throw errors.configurationNotFound(launch.name);
    return { source: launch, parameters: found.spec.data };
  }
  const { template, version } = resolveLaunchTemplate(scope, { id: launch.id, version: launch.version });
  return {
    source: { kind: 'template', id: template.id, name: template.spec.name, version: String(version) },
    parameters: { LaunchTemplate: { LaunchTemplateId: template.id, Version: String(version) } },
  };
}

/** Launches one instance into a group. Throws whatever EC2 says: nothing is written then. */
export function launchMember(scope: Scope, group: Group, order: LaunchOrder): string {
  const { source, parameters } = settledSource(scope, group);
  const subnetId = subnetIn(scope, group, order.zone);
  const { placementGroup } = group.spec;
  const tags = group.spec.tags.filter((tag) => tag.propagateAtLaunch);
  const specifications: TagSpecification[] =
    tags.length === 0
      ? []
      : [{ ResourceType: 'instance', Tags: tags.map(({ key, value }) => ({ Key: key, Value: value })) }];
  const [instance] = launchInstances(scope, {
    ...parameters,
    MinCount: 1,
    MaxCount: 1,
    Placement: {
      AvailabilityZone: order.zone,
      ...(placementGroup !== undefined && { GroupName: placementGroup }),
    },
    TagSpecifications: specifications,
    subnet: subnetId,
    reservedTags: { 'aws:autoscaling:groupName': group.id },
  });
  if (!instance) throw new Error('a launch of one instance gave none');
  const activity = recordActivity(scope, group, {
    description: `Launching a new EC2 instance: ${instance.id}`,
    cause: launchCause(scope, group, order),
    place: { zone: order.zone, subnetId },
    status: { code: 'PreInService', progress: 30 },
  });
  scope.tx.create(members, {
    region: scope.region,
    id: instance.id,
    owner: group,
    spec: {
      group: group.id,
      zone: order.zone,
      subnetId,
      instanceType: instance.spec.instanceType,
      imageId: instance.spec.imageId,
      launch: source,
      rebalancing: order.reason === 'rebalance',
      protectedFromScaleIn: group.spec.protectNewInstances,
      standby: false,
      reportedUnhealthy: false,
    },
    status: {
      lifecycle: 'Pending',
      health: 'Healthy',
      launchActivityId: activity.id,
      registeredWith: [],
    },
  });
  return instance.id;
}

/** The status after a launch failed: the zone is closed for a while, or the group waits, longer each time. */
export function afterFailure(scope: Scope, group: Group, zone?: string): GroupStatus {
  const { status } = group;
  if (zone !== undefined) {
    return { ...status, closedZones: { ...status.closedZones, [zone]: scope.now + CLOSED_ZONE_MS } };
  }
  const delayMs = Math.min(FIRST_RETRY_MS * 2 ** status.failures, LONGEST_RETRY_MS);
  return {
    ...status,
    failures: status.failures + 1,
    retry: { at: scope.now + delayMs, source: group.spec.launch },
  };
}

/** Writes down that a launch failed, and what follows for the next ones. */
export function recordFailure(scope: Scope, group: Group, order: LaunchOrder, error: AwsError): void {
  const current = scope.tx.get(groups, scope.region, group.id);
  if (!current) return;
  const noCapacity =
    error.code === 'InsufficientInstanceCapacity' || error.code === 'InsufficientFreeAddressesInSubnet';
  const message = `${error.message.replace(/\.?$/, '.')} Launching EC2 instance failed.`;
  const place = current.spec.places.find(({ zone }) => zone === order.zone);
  recordActivity(scope, current, {
    description: `Launching a new EC2 instance.  Status Reason: ${message}`,
    cause: launchCause(scope, current, order),
    ...(place && { place }),
    status: { code: 'Failed', progress: 100, endedAt: scope.now, message },
  });
  scope.tx.update(current, { status: afterFailure(scope, current, noCapacity ? order.zone : undefined) });
}
