/** EBS volumes. So far every volume is the root disk of an instance, and lives and dies with it. */
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
