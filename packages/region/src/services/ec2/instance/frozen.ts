/** Machines that are frozen for a moment, so that what is read of several of their volumes is of one. */
import type { ComputeDriver } from '../../../drivers/compute.ts';

/** How many hold each machine of a driver now: the last of them lets it go. */
const holders = new WeakMap<ComputeDriver, Map<string, number>>();

function hold(compute: ComputeDriver, id: string, more: 1 | -1): number {
  const counts = holders.get(compute) ?? new Map<string, number>();
  holders.set(compute, counts);
  const count = (counts.get(id) ?? 0) + more;
  if (count === 0) counts.delete(id);
  else counts.set(id, count);
  return count;
}

/** Is it held? Whoever else would let it go leaves that to its holder. */
export const isHeld = (compute: ComputeDriver, id: string): boolean => holders.get(compute)?.has(id) ?? false;

/** Does the work while the machine's processor is stopped. One that a fault has stopped (`anyway`) stays so. */
export async function whileFrozen<T>(
  compute: ComputeDriver,
  id: string,
  anyway: () => boolean,
  work: () => Promise<T>,
): Promise<T> {
  hold(compute, id, 1);
  try {
    await compute.freeze(id, true);
    return await work();
  } finally {
    if (hold(compute, id, -1) === 0 && !anyway()) await compute.freeze(id, false);
  }
}
