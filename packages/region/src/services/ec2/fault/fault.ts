/**
 * Faults: what a user breaks on purpose, as resources of the region, so that they survive a restart of control and are
 * undone by being cleared. No API of AWS has them; the loops of networks and instances bring them about, and everything
 * else finds out by itself, as it would on AWS.
 */

import { type ResourceOf, resourceType } from '../../../store/resource.ts';
import type { Reader } from '../../../store/store.ts';

export type FaultTarget = 'host' | 'instance' | 'zone' | 'nat-gateway';

/**
 * - `hung`: it computes no more; an instance until its next boot.
 * - `dead`: a host with all on it neither computes nor answers; an instance's init is killed; a NAT gateway carries nothing.
 * - `cut`: nothing passes from or to it.
 */
export type FaultKind = 'hung' | 'dead' | 'cut';

export interface FaultSpec {
  readonly target: FaultTarget;
  /** `us-west-2a-h1`, `i-…`, `us-west-2a`, `nat-…` */
  readonly targetId: string;
  readonly kind: FaultKind;
  /** A hung or dead instance: the boot that is hit. The next one is well. */
  readonly boot?: number;
}

export const faults = resourceType<FaultSpec, null>('ec2.fault');
export type Fault = ResourceOf<typeof faults>;

/** What can happen to what, the usual first. */
export const faultKinds: Readonly<Record<FaultTarget, readonly [FaultKind, ...FaultKind[]]>> = {
  host: ['dead'],
  instance: ['dead', 'hung', 'cut'],
  zone: ['cut'],
  'nat-gateway': ['dead'],
};

export const faultsOf = (reader: Reader, region: string, target: FaultTarget, targetId: string): Fault[] =>
  reader.list(faults, region).filter(({ spec }) => spec.target === target && spec.targetId === targetId);
