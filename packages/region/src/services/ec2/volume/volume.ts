/** EBS volumes: what the store holds of them and of what has them, and how they are found. */
import type { TimeMs } from '../../../clock.ts';
import type { VolumeOrigin } from '../../../drivers/volume.ts';
import { type ResourceOf, resourceType } from '../../../store/resource.ts';
import type { Reader } from '../../../store/store.ts';
import type { Scope } from '../../common/service.ts';
import { required } from '../errors.ts';
import type { Instance } from '../records.ts';
import { noRootVolume, volumeIdMalformed, volumeNotFound } from './errors.ts';

export type VolumeType = 'gp2' | 'gp3' | 'io1' | 'io2' | 'st1' | 'sc1' | 'standard';

/** What a volume is to be able to do. It is shown; nothing is slowed down to it. */
export interface VolumePerformance {
  readonly volumeType: VolumeType;
  /** Where they are provisioned: gp3, io1, io2. */
  readonly iops?: number;
  /** MiB/s; gp3 only. */
  readonly throughput?: number;
}

export interface VolumeShape extends VolumePerformance {
  readonly sizeGib: number;
}

export interface VolumeSpec extends VolumeShape {
  readonly zone: string;
  /** The snapshot that it is shown to come from. */
  readonly snapshotId?: string;
  readonly origin: VolumeOrigin;
  /** Of one that a machine can have as its root: the layers that lie under it, the base first. */
  readonly rootLayers?: readonly string[];
  readonly autoEnableIo?: boolean;
  /** The latest change of its shape. */
  readonly modification?: {
    readonly from: VolumeShape;
    readonly to: VolumeShape;
    readonly startedAt: TimeMs;
  };
  /** When it was changed, in the last 24 hours. */
  readonly modifiedAt?: readonly TimeMs[];
  readonly wanted: 'present' | 'deleted';
}

/** Written by the loop `ec2.volume`. */
export interface VolumeStatus {
  readonly state: 'creating' | 'available' | 'error';
  /** Why it could not be made. */
  readonly message?: string;
  /** What was made of the modification that began then. */
  readonly modification?: {
    readonly startedAt: TimeMs;
    readonly state: 'optimizing' | 'completed';
    readonly endedAt?: TimeMs;
  };
}

export const volumes = resourceType<VolumeSpec, VolumeStatus>('ec2.volume');
export type VolumeRecord = ResourceOf<typeof volumes>;

export interface VolumeAttachmentSpec {
  readonly instanceId: string;
  /** As the caller named it. */
  readonly device: string;
  /** `root`: at the instance's root device, with what it has changed of its image. */
  readonly role: 'root' | 'data';
  readonly deleteOnTermination: boolean;
  readonly attachedAt: TimeMs;
  readonly wanted: 'attached' | 'detached';
  /** Detached though the guest uses it. */
  readonly force?: boolean;
}

/** Written by the loop `ec2.instance`, which also removes the record when the machine has the volume no more. */
export interface VolumeAttachmentStatus {
  /** `busy`: it is to be detached, and the guest has it mounted still. */
  readonly state: 'attaching' | 'attached' | 'busy';
}

/** Bears its volume's id: a volume has one attachment at most. */
export const volumeAttachments = resourceType<VolumeAttachmentSpec, VolumeAttachmentStatus>(
  'ec2.volume-attachment',
);
export type VolumeAttachmentRecord = ResourceOf<typeof volumeAttachments>;

/** What images call their root volume here; one that is registered may call it `/dev/sda1`, which is the same place. */
export const ROOT_DEVICE = '/dev/xvda';

export const GIB = 2 ** 30;

export function checkVolumeId(id: string): void {
  if (!/^vol-([0-9a-f]{8}|[0-9a-f]{17})$/.test(id)) throw volumeIdMalformed(id);
}

/** Throws `InvalidVolume.NotFound`; one that is being deleted is found. */
export function volumeOf(scope: Scope, given: string | undefined): VolumeRecord {
  const id = required(given, 'VolumeId');
  checkVolumeId(id);
  const volume = scope.tx.get(volumes, scope.region, id);
  if (!volume) throw volumeNotFound(id);
  return volume;
}

/** What has this volume. */
export const attachmentOf = (
  reader: Reader,
  region: string,
  volumeId: string,
): VolumeAttachmentRecord | undefined => reader.get(volumeAttachments, region, volumeId);

/** What an instance has, in the order in which it got them; the root volume first. */
export const attachmentsOf = (reader: Reader, region: string, instanceId: string): VolumeAttachmentRecord[] =>
  reader
    .list(volumeAttachments, region)
    .filter(({ spec }) => spec.instanceId === instanceId)
    .sort((a, b) => Number(b.spec.role === 'root') - Number(a.spec.role === 'root'));

/** Throws when an instance has nothing to boot from: its root volume was detached. */
export function checkHasRoot({ tx, region }: Scope, { id, spec }: Instance): void {
  const root = attachmentsOf(tx, region, id).find(({ spec }) => spec.role === 'root');
  if (root?.spec.wanted !== 'attached') throw noRootVolume(id, spec.rootDevice);
}

/** As `VolumeState` of the API. */
export function volumeState(
  { spec, status }: Pick<VolumeRecord, 'spec' | 'status'>,
  attachment: VolumeAttachmentRecord | undefined,
): 'creating' | 'available' | 'in-use' | 'deleting' | 'error' {
  if (spec.wanted === 'deleted') return 'deleting';
  return status.state === 'available' && attachment ? 'in-use' : status.state;
}

/** As `VolumeAttachmentState` of the API. */
export function attachmentState({
  spec,
  status,
}: VolumeAttachmentRecord): 'attaching' | 'attached' | 'busy' | 'detaching' {
  if (spec.wanted === 'detached') return status.state === 'busy' ? 'busy' : 'detaching';
  return status.state === 'busy' ? 'attached' : status.state;
}
