/** Scaling activities: what a group did, and why, in AWS's words. */
import type * as autoscaling from '@aws-sdk/client-auto-scaling';
import type { TimeMs } from '../../clock.ts';
import { applyFilters } from '../common/filters.ts';
import { newUuid } from '../common/names.ts';
import { paginate } from '../common/pagination.ts';
import type { RequestContext, Scope } from '../common/service.ts';
import { errors } from './errors.ts';
import type { Illness } from './plan.ts';
import {
  type ActivityStatus,
  activities,
  type Group,
  groups,
  type LaunchSource,
  type ScalingActivity,
} from './records.ts';

/** `2026-01-05T09:00:00Z` */
const stamp = (at: TimeMs): string => `${new Date(at).toISOString().slice(0, 19)}Z`;

/** Sentences of a cause stand two blanks apart. */
export const cause = (...parts: readonly (readonly [TimeMs, string] | undefined)[]): string =>
  parts
    .filter((part) => part !== undefined)
    .map(([at, text]) => `At ${stamp(at)} ${text}.`)
    .join('  ');

/** https://docs.aws.amazon.com/autoscaling/ec2/userguide/replace-unhealthy-instance.html */
export const illnessText: Readonly<Record<Illness, string>> = {
  'ec2-state':
    'an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped',
  'ec2-status': 'an instance was taken out of service in response to an EC2 instance status checks failure',
  elb: 'an instance was taken out of service in response to an ELB system health check failure',
  reported: 'an instance was taken out of service in response to a user health-check',
};

export interface NewActivity {
  readonly description: string;
  readonly cause: string;
  readonly place?: { readonly zone: string; readonly subnetId: string };
  readonly instanceId?: string;
  readonly status: ActivityStatus;
}

const HISTORY_MS = 42 * 86_400_000;

export function recordActivity(scope: Scope, group: Group, made: NewActivity): ScalingActivity {
  const { place } = made;
  // Six weeks of history are kept; each new activity takes the oldest with it.
  for (const old of scope.tx.list(activities, scope.region)) {
    if (old.spec.startedAt >= scope.now - HISTORY_MS) break;
    scope.tx.remove(old);
  }
  return scope.tx.create(activities, {
    region: scope.region,
    id: newUuid(scope),
    owner: group,
    spec: {
      group: group.id,
      groupArn: group.spec.arn,
      description: made.description,
      cause: made.cause,
      startedAt: scope.now,
      details: place ? { 'Subnet ID': place.subnetId, 'Availability Zone': place.zone } : {},
    },
    status: made.status,
  });
}

/** Ends an activity that is under way. One that has ended stays as it is. */
export function endActivity(
  scope: Scope,
  id: string | undefined,
  code: 'Successful' | 'Failed' | 'Cancelled',
  message?: string,
): void {
  const activity = id === undefined ? undefined : scope.tx.get(activities, scope.region, id);
  if (!activity || activity.status.endedAt !== undefined) return;
  scope.tx.update(activity, {
    status: { code, progress: 100, endedAt: scope.now, ...(message !== undefined && { message }) },
  });
}

export const activitiesOf = (scope: Pick<Scope, 'tx' | 'region'>, group: string): ScalingActivity[] =>
  scope.tx.list(activities, scope.region).filter(({ spec }) => spec.group === group);

export const shownSource = (
  source: LaunchSource | undefined,
): Pick<autoscaling.Instance, 'LaunchTemplate' | 'LaunchConfigurationName'> => {
  if (source?.kind === 'configuration') return { LaunchConfigurationName: source.name };
  if (source?.kind !== 'template') return {};
  return {
    LaunchTemplate: {
      LaunchTemplateId: source.id,
      LaunchTemplateName: source.name,
      Version: source.version,
    },
  };
};

export const shownActivity = ({ id, spec, status }: ScalingActivity): autoscaling.Activity => ({
  ActivityId: id,
  AutoScalingGroupName: spec.group,
  AutoScalingGroupARN: spec.groupArn,
  Description: spec.description,
  Cause: spec.cause,
  StartTime: new Date(spec.startedAt),
  EndTime: status.endedAt === undefined ? undefined : new Date(status.endedAt),
  StatusCode: status.code,
  StatusMessage: status.message,
  Progress: status.progress,
  Details: JSON.stringify(spec.details),
});

/** Those under way first, then the newest. */
function position({ spec, status, ordinal, id }: ScalingActivity): string {
  const age = String(Number.MAX_SAFE_INTEGER - spec.startedAt).padStart(17, '0');
  const order = String(Number.MAX_SAFE_INTEGER - ordinal).padStart(17, '0');
  return `${status.endedAt === undefined ? 0 : 1}/${age}/${order}/${id}`;
}

export function describeScalingActivities(
  input: autoscaling.DescribeScalingActivitiesType,
  context: RequestContext,
): autoscaling.ActivitiesType {
  const { tx, region } = context;
  const { AutoScalingGroupName: name, ActivityIds: ids = [] } = input;
  const all = tx.list(activities, region);
  if (name !== undefined && !tx.get(groups, region, name)) {
    const remembered = input.IncludeDeletedGroups === true && all.some(({ spec }) => spec.group === name);
    if (!remembered) throw errors.groupNotFound(name);
  }
  const found = all.filter(({ id, spec }) => {
    if (ids.length > 0 && !ids.includes(id)) return false;
    if (name !== undefined) {
      const current = tx.get(groups, region, name)?.spec.arn;
      return spec.group === name && (input.IncludeDeletedGroups === true || spec.groupArn === current);
    }
    return input.IncludeDeletedGroups === true || tx.get(groups, region, spec.group) !== undefined;
  });
  const selected = applyFilters(found, input.Filters, {
    Status: (activity) => activity.status.code,
  });
  const page = paginate(context, selected, position, {
    call: `DescribeScalingActivities ${name ?? ''}`,
    token: input.NextToken,
    limit: input.MaxRecords ?? 100,
    invalid: errors.invalidNextToken,
  });
  return { Activities: page.items.map(shownActivity), NextToken: page.nextToken };
}
