/** Where an instance is put: an availability zone, and a logical host in it. Pure, so that it can be tested by itself. */

export interface HostChoice {
  readonly id: string;
  readonly zone: string;
  readonly failed: boolean;
}

/** What of an instance counts: those that hold no capacity any more are left out by the caller. */
export interface Placed {
  readonly zone: string;
  readonly hostId: string;
}

function countBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}

/** The one with the fewest, the first by name among equals. */
function fewest<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  counts: Map<string, number>,
): T | undefined {
  const count = (item: T): number => counts.get(nameOf(item)) ?? 0;
  return items.toSorted((a, b) => count(a) - count(b) || (nameOf(a) < nameOf(b) ? -1 : 1))[0];
}

/** The host that runs the fewest instances; undefined when every one of them has failed. */
export function chooseHost(
  hosts: readonly HostChoice[],
  instances: Iterable<Placed>,
): HostChoice | undefined {
  const well = hosts.filter((host) => !host.failed);
  return fewest(
    well,
    (host) => host.id,
    countBy(instances, (instance) => instance.hostId),
  );
}

/** Zones in which at least one host is well. */
export const zonesWithCapacity = (hosts: readonly HostChoice[]): string[] =>
  [...new Set(hosts.filter((host) => !host.failed).map((host) => host.zone))].toSorted();

/** The zone with the fewest instances among those offered; undefined when none is offered. */
export const chooseZone = (zones: readonly string[], instances: Iterable<Placed>): string | undefined =>
  fewest(
    zones,
    (zone) => zone,
    countBy(instances, (instance) => instance.zone),
  );
