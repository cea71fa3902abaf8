/** EBS snapshots: what the store holds of them, and how they are found. */
import type { TimeMs } from '../../../clock.ts';
import { type ResourceOf, resourceType } from '../../../store/resource.ts';
import type { Scope } from '../../common/service.ts';
import { required } from '../errors.ts';
import { snapshotNotCompleted, snapshotNotFound } from '../volume/errors.ts';

export interface SnapshotSpec {
  readonly volumeId: string;
  readonly volumeSizeGib: number;
  readonly description: string;
  /** What holds the data in the volume driver: its own id, or that of the snapshot it is a copy of. */
  readonly dataId: string;
  /** The data were taken before the call was answered; else an image that is being made takes them. */
  readonly taken: boolean;
  readonly dataBytes?: number;
  /** Of a root volume: the layers that lie under it, the base first. */
  readonly rootLayers?: readonly string[];
}

/** Written by the loop `ec2.snapshot`; of one that an image takes, by `ec2.image`. */
export interface SnapshotStatus {
  readonly state: 'pending' | 'completed' | 'error';
  readonly message?: string;
  readonly completedAt?: TimeMs;
}

export const snapshots = resourceType<SnapshotSpec, SnapshotStatus>('ec2.snapshot');
export type SnapshotRecord = ResourceOf<typeof snapshots>;

/** Throws `InvalidSnapshot.NotFound`. */
export function snapshotOf(scope: Scope, given: string | undefined): SnapshotRecord {
  const id = required(given, 'SnapshotId');
  const snapshot = scope.tx.get(snapshots, scope.region, id);
  if (!snapshot) throw snapshotNotFound(id);
  return snapshot;
}

/** One that a volume can be made from. Throws `InvalidSnapshot.NotFound` and `IncorrectState`. */
export function completedSnapshot(scope: Scope, id: string): SnapshotRecord {
  const snapshot = snapshotOf(scope, id);
  if (snapshot.status.state !== 'completed') throw snapshotNotCompleted(id, snapshot.status.state);
  return snapshot;
}
