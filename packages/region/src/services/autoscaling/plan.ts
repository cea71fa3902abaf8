/**
 * What a group does next. Pure: from the group, its instances and its zones to a list of actions and the moment to look
 * again.
 */
import type { TimeMs } from '../../clock.ts';
import type { Lifecycle } from './records.ts';
import { type Candidate, chooseToTerminate } from './termination-policy.ts';

export interface GroupView {
  readonly maxSize: number;
  readonly desiredCapacity: number;
  readonly healthCheckType: 'EC2' | 'ELB';
  readonly gracePeriodMs: number;
  readonly terminationPolicies: readonly string[];
  readonly suspended: ReadonlySet<string>;
  readonly deleting: boolean;
  /** Launches failed: none is tried before. */
  readonly retryAt?: TimeMs | undefined;
}

export interface InstanceView extends Candidate {
  readonly lifecycle: Lifecycle;
  readonly rebalancing: boolean;
  readonly protectedFromScaleIn: boolean;
  readonly inServiceAt?: TimeMs | undefined;
  /** `ended`: anything but pending or running. */
  readonly ec2: 'pending' | 'running' | 'ended';
  /** When a status check of it began to fail. */
  readonly impairedSince?: TimeMs | undefined;
  /** A load balancer finds it unhealthy. */
  readonly targetUnhealthy: boolean;
  readonly reportedUnhealthy: boolean;
}

export interface ZoneView {
  readonly zone: string;
  /** It had no capacity, and is not tried before. */
  readonly closedUntil?: TimeMs | undefined;
}

export type Illness = 'ec2-state' | 'ec2-status' | 'elb' | 'reported';

export type GroupAction =
  | { readonly kind: 'mark-unhealthy'; readonly id: string; readonly illness: Illness }
  | { readonly kind: 'terminate'; readonly id: string; readonly reason: Illness | 'difference' }
  | {
      readonly kind: 'launch';
      readonly zone: string;
      readonly reason: 'difference' | 'replacement' | 'rebalance';
    };

export interface GroupPlan {
  readonly actions: readonly GroupAction[];
  /** When time alone makes a difference. */
  readonly lookAgainAt?: TimeMs;
  /** Instances that count towards the desired capacity before these actions. */
  readonly capacity: number;
}

/**
 * AWS lets a failing status check go on for "a few minutes" before it gives the instance up.
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
 */
export const IMPAIRED_FOR_MS = 180_000;

interface Verdict {
  readonly illness?: Illness;
  readonly lookAgainAt?: TimeMs;
}

/** Is an instance ill? One that is on its way out, or in standby, is nobody's concern. */
export function judge(group: GroupView, instance: InstanceView, now: TimeMs): Verdict {
  if (instance.lifecycle === 'Terminating' || instance.lifecycle === 'Standby') return {};
  if (instance.reportedUnhealthy) return { illness: 'reported' };
  if (group.suspended.has('HealthCheck')) return {};
  // Not running is unhealthy at once, also within the grace period. One that comes up is not judged by that.
  if (instance.ec2 === 'ended') return { illness: 'ec2-state' };
  if (instance.lifecycle !== 'InService' || instance.ec2 !== 'running') return {};
  const graceUntil = (instance.inServiceAt ?? now) + group.gracePeriodMs;
  const failsElb = group.healthCheckType === 'ELB' && instance.targetUnhealthy;
  const givenUpAt =
    instance.impairedSince === undefined
      ? Number.POSITIVE_INFINITY
      : Math.max(graceUntil, instance.impairedSince + IMPAIRED_FOR_MS);
  if (now >= givenUpAt) return { illness: 'ec2-status' };
  if (failsElb && now >= graceUntil) return { illness: 'elb' };
  const lookAgainAt = Math.min(givenUpAt, failsElb ? graceUntil : Number.POSITIVE_INFINITY);
  return Number.isFinite(lookAgainAt) ? { lookAgainAt } : {};
}

const counts = (instance: InstanceView): boolean =>
  instance.lifecycle === 'InService' || (instance.lifecycle === 'Pending' && !instance.rebalancing);

/**
 * Instances that do not run are given up all at once; of those that run but are ill, a tenth of the group (at least one)
 * at a time, so that a broken health check does not end the whole group.
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
 */
function giveUp(
  group: GroupView,
  all: readonly InstanceView[],
  ill: readonly { instance: InstanceView; illness: Illness }[],
): GroupAction[] {
  if (group.suspended.has('Terminate') || group.suspended.has('ReplaceUnhealthy')) return [];
  const underWay = all.filter(
    (one) => one.lifecycle === 'Pending' || (one.lifecycle === 'Terminating' && one.ec2 === 'running'),
  );
  let left = Math.max(1, Math.floor(group.desiredCapacity / 10)) - underWay.length;
  return ill.flatMap(({ instance, illness }): GroupAction[] => {
    if (instance.ec2 === 'running') {
      if (left <= 0) return [];
      left -= 1;
    }
    return [{ kind: 'terminate', id: instance.id, reason: illness }];
  });
}

const zoneCounts = (
  zones: readonly ZoneView[],
  held: readonly { readonly zone: string }[],
): Map<string, number> => {
  const result = new Map(zones.map(({ zone }) => [zone, 0]));
  for (const { zone } of held) result.set(zone, (result.get(zone) ?? 0) + 1);
  return result;
};

const open = (zones: readonly ZoneView[], now: TimeMs): ZoneView[] =>
  zones.filter(({ closedUntil }) => closedUntil === undefined || closedUntil <= now);

/** The open zone with the fewest instances, the first by name among equals. */
function smallest(openZones: readonly ZoneView[], held: ReadonlyMap<string, number>): string | undefined {
  return openZones
    .map(({ zone }) => zone)
    .toSorted((a, b) => (held.get(a) ?? 0) - (held.get(b) ?? 0) || (a < b ? -1 : 1))[0];
}

function launches(
  zones: readonly ZoneView[],
  kept: readonly InstanceView[],
  missing: number,
  replacements: number,
  now: TimeMs,
): GroupAction[] {
  const held = zoneCounts(zones, kept);
  const openZones = open(zones, now);
  return Array.from({ length: missing }).flatMap((_, at): GroupAction[] => {
    const zone = smallest(openZones, held);
    if (zone === undefined) return [];
    held.set(zone, (held.get(zone) ?? 0) + 1);
    return [{ kind: 'launch', zone, reason: at < replacements ? 'replacement' : 'difference' }];
  });
}

/**
 * Zones are balanced when they differ by one at most. Balancing launches before it terminates, and may go over the
 * maximum by a tenth (at least one) for that.
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html
 */
function rebalance(
  group: GroupView,
  zones: readonly ZoneView[],
  all: readonly InstanceView[],
  now: TimeMs,
): GroupAction[] {
  if (['AZRebalance', 'Launch', 'Terminate'].some((process) => group.suspended.has(process))) return [];
  const active = all.filter((one) => one.lifecycle !== 'Standby');
  if (active.some((one) => one.lifecycle !== 'InService')) return [];
  if (active.length + 1 > group.maxSize + Math.max(1, Math.floor(group.maxSize / 10))) return [];
  const held = zoneCounts(zones, active);
  const zone = smallest(open(zones, now), held);
  if (zone === undefined) return [];
  const strays = active.some((one) => !zones.some((own) => own.zone === one.zone));
  const biggest = Math.max(...held.values());
  if (!strays && biggest - (held.get(zone) ?? 0) <= 1) return [];
  // The instance that would end for it must be one that may.
  const movable = active.some(
    (one) => !one.protectedFromScaleIn && one.zone !== zone && (held.get(one.zone) ?? 0) === biggest,
  );
  return movable || strays ? [{ kind: 'launch', zone, reason: 'rebalance' }] : [];
}

/** Instances in zones that the group left end first. */
function shrink(
  group: GroupView,
  zones: readonly ZoneView[],
  kept: readonly InstanceView[],
  excess: number,
  now: TimeMs,
): GroupAction[] {
  if (group.suspended.has('Terminate') && !group.deleting) return [];
  const mayEnd = kept.filter((one) => group.deleting || !one.protectedFromScaleIn);
  const strays = mayEnd.filter((one) => !zones.some(({ zone }) => zone === one.zone));
  const others = mayEnd.filter((one) => !strays.includes(one));
  const { terminationPolicies: policies } = group;
  const first = chooseToTerminate(strays, kept, policies, excess, now);
  const then = chooseToTerminate(others, kept, policies, excess - first.length, now);
  return [...first, ...then].map(({ id }) => ({ kind: 'terminate', id, reason: 'difference' }));
}

const earliest = (times: readonly (TimeMs | undefined)[], now: TimeMs): TimeMs | undefined => {
  const later = times.filter((time): time is TimeMs => time !== undefined && time > now);
  return later.length === 0 ? undefined : Math.min(...later);
};

export function planGroup(
  group: GroupView,
  instances: readonly InstanceView[],
  zones: readonly ZoneView[],
  now: TimeMs,
): GroupPlan {
  const verdicts = instances.map((instance) => ({ instance, ...judge(group, instance, now) }));
  const ill = verdicts.flatMap(({ instance, illness }) => (illness ? [{ instance, illness }] : []));
  const marks = ill.map(
    ({ instance, illness }): GroupAction => ({ kind: 'mark-unhealthy', id: instance.id, illness }),
  );
  const ends = giveUp(group, instances, ill);
  const ended = new Set(ends.map((action) => (action.kind === 'terminate' ? action.id : '')));
  const kept = instances.filter((one) => counts(one) && !ended.has(one.id));
  const missing = group.desiredCapacity - kept.length;
  const paused = group.retryAt !== undefined && group.retryAt > now;
  const mayLaunch = !group.suspended.has('Launch') && !paused && !group.deleting;
  let changes: GroupAction[] = [];
  if (missing > 0 && mayLaunch) changes = launches(zones, kept, missing, ended.size, now);
  else if (missing < 0) changes = shrink(group, zones, kept, -missing, now);
  else if (missing === 0 && mayLaunch && ill.length === 0) changes = rebalance(group, zones, instances, now);
  const lookAgainAt = earliest(
    [
      ...verdicts.map((verdict) => verdict.lookAgainAt),
      ...zones.map((zone) => zone.closedUntil),
      group.retryAt,
    ],
    now,
  );
  return {
    actions: [...marks, ...ends, ...changes],
    capacity: instances.filter(counts).length,
    ...(lookAgainAt !== undefined && { lookAgainAt }),
  };
}
