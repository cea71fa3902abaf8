/** What the store holds of disks: volumes, and snapshots of them. */
import type { TimeMs } from '../../../clock.ts';
import { type ResourceOf, resourceType } from '../../../store/resource.ts';

export interface VolumeSpec {
  readonly sizeGib: number;
  readonly volumeType: 'gp2' | 'gp3';
  readonly snapshotId: string;
  readonly zone: string;
  readonly instanceId: string;
  readonly device: string;
  readonly deleteOnTermination: boolean;
  readonly attachedAt: TimeMs;
}

export const volumes = resourceType<VolumeSpec, null>('ec2.volume');
export type VolumeRecord = ResourceOf<typeof volumes>;

export interface SnapshotSpec {
  readonly volumeId: string;
  readonly volumeSizeGib: number;
  readonly description: string;
}

/** Written by the loop `ec2.image`. */
export interface SnapshotStatus {
  readonly state: 'pending' | 'completed' | 'error';
  readonly message?: string;
  readonly completedAt?: number;
}

/** The id is also that of the image layer that holds the data. */
export const snapshots = resourceType<SnapshotSpec, SnapshotStatus>('ec2.snapshot');
export type SnapshotRecord = ResourceOf<typeof snapshots>;
