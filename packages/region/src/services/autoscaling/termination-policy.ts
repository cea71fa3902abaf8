/**
 * Which instances a group ends first. Pure. Whatever the policy, the zone with the most instances is thinned out first.
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html
 */
import type { TimeMs } from '../../clock.ts';

export const TERMINATION_POLICIES = [
  'AllocationStrategy',
  'ClosestToNextInstanceHour',
  'Default',
  'NewestInstance',
  'OldestInstance',
  'OldestLaunchConfiguration',
  'OldestLaunchTemplate',
] as const;

export interface Candidate {
  readonly id: string;
  readonly zone: string;
  readonly launchedAt: TimeMs;
  /** Grows with the age of what it was made from: the lowest is the oldest. */
  readonly launchRank: number;
}

const HOUR_MS = 3_600_000;

/** How long until the instance has run for a whole hour again. */
const untilNextHourMs = (candidate: Candidate, now: TimeMs): number =>
  HOUR_MS - ((now - candidate.launchedAt) % HOUR_MS);

type Order = (candidate: Candidate, now: TimeMs) => number;

/** What each policy sorts by, the lowest first. On a demand-only group an allocation strategy has nothing to say. */
const orders: Readonly<Record<string, readonly Order[]>> = {
  AllocationStrategy: [],
  ClosestToNextInstanceHour: [untilNextHourMs],
  Default: [(candidate) => candidate.launchRank, untilNextHourMs],
  NewestInstance: [(candidate) => -candidate.launchedAt],
  OldestInstance: [(candidate) => candidate.launchedAt],
  OldestLaunchConfiguration: [(candidate) => candidate.launchRank],
  OldestLaunchTemplate: [(candidate) => candidate.launchRank],
};

function biggestZone(candidates: readonly Candidate[], counts: ReadonlyMap<string, number>): string {
  const zones = [...new Set(candidates.map((candidate) => candidate.zone))].toSorted();
  return zones.toSorted((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0))[0] ?? '';
}

/**
 * `count` candidates in the order in which they are to end. `counted` are all instances that make a zone big, also those
 * that may not be ended.
 */
export function chooseToTerminate(
  candidates: readonly Candidate[],
  counted: readonly { readonly zone: string }[],
  policies: readonly string[],
  count: number,
  now: TimeMs,
): Candidate[] {
  const counts = new Map<string, number>();
  for (const { zone } of counted) counts.set(zone, (counts.get(zone) ?? 0) + 1);
  const sorting = policies.flatMap((policy) => orders[policy] ?? []);
  let left = [...candidates];
  const chosen: Candidate[] = [];
  while (chosen.length < count && left.length > 0) {
    const zone = biggestZone(left, counts);
    const [first] = left
      .filter((candidate) => candidate.zone === zone)
      .toSorted((a, b) => {
        for (const order of sorting) {
          const difference = order(a, now) - order(b, now);
          if (difference !== 0) return difference;
        }
        return a.id < b.id ? -1 : 1;
      });
    if (!first) break;
    chosen.push(first);
    counts.set(zone, (counts.get(zone) ?? 0) - 1);
    left = left.filter((candidate) => candidate !== first);
  }
  return chosen;
}
