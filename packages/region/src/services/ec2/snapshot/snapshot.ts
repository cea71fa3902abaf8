/** EBS snapshots: what the store holds of them, and how they are found. */
import type { TimeMs } from '../../../clock.ts';
import type { VolumeOrigin } from '../../../drivers/volume.ts';
import { type ResourceOf, resourceType } from '../../../store/resource.ts';
import type { Scope } from '../../common/service.ts';
import { required } from '../errors.ts';
import type { Permission } from '../image/permission.ts';
import { snapshotNotCompleted, snapshotNotFound } from '../volume/errors.ts';

export interface SnapshotSpec {
  readonly volumeId: string;
  readonly volumeSizeGib: number;
  readonly description: string;
  /**
   * What a volume made of it begins with: data in the volume driver, under its own id or that of the snapshot that it is a
   * copy of; or nothing but an image's layers, of a copy of an image that nobody has changed.
   */
  readonly contents: VolumeOrigin;
  /** The data are there; else an image that is being made takes them. */
  readonly taken: boolean;
  readonly dataBytes?: number;
  /** Of a root volume: the layers that lie under it, the base first. */
  readonly rootLayers?: readonly string[];
  /** Who else may make volumes of it. */
  readonly permissions?: readonly Permission[];
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

/** The id of the data that it stands for in the volume driver. */
export const dataOf = ({ spec }: SnapshotRecord): string | undefined =>
  spec.contents.kind === 'snapshot' ? spec.contents.snapshotId : undefined;
