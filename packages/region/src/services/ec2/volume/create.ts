/** CreateVolume and DeleteVolume: what is wanted of volumes; the loop `ec2.volume` brings it about. */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { VolumeOrigin } from '../../../drivers/volume.ts';
import type { Tags } from '../../../store/resource.ts';
import { refuseParameters } from '../../common/errors.ts';
import { zoneNamed } from '../../common/geography.ts';
import { onceByToken } from '../../common/idempotency.ts';
import { newId } from '../../common/names.ts';
import type { RequestContext, Scope } from '../../common/service.ts';
import {
  idempotentParameterMismatch,
  invalidParameterCombination,
  invalidParameterValue,
  invalidZone,
  missingParameter,
} from '../errors.ts';
import { imageOfBaseSnapshot } from '../image/image.ts';
import { completedSnapshot } from '../snapshot/snapshot.ts';
import { specifiedTags } from '../tags.ts';
import { shapeVolume } from './describe.ts';
import { volumeInUse, volumeNotFound } from './errors.ts';
import { attachmentOf, type VolumeRecord, type VolumeShape, volumeOf, volumes } from './volume.ts';
import { checkVolumeType, volumeShape } from './volume-type.ts';

export interface NewVolume {
  readonly shape: VolumeShape;
  readonly zone: string;
  readonly origin: VolumeOrigin;
  readonly snapshotId?: string | undefined;
  readonly rootLayers?: readonly string[] | undefined;
  readonly tags?: Tags;
}

/** A new volume; whoever makes it has checked what it is to be. */
export function makeVolume(
  scope: Scope,
  { shape, zone, origin, snapshotId, rootLayers, tags }: NewVolume,
): VolumeRecord {
  return scope.tx.create(volumes, {
    region: scope.region,
    id: newId(scope, 'vol'),
    spec: {
      ...shape,
      zone,
      origin,
      ...(snapshotId !== undefined && { snapshotId }),
      ...(rootLayers && { rootLayers }),
      wanted: 'present',
    },
    status: { state: 'creating' },
    ...(tags && { tags }),
  });
}

/** The zone that is named, by its name or its id. */
function zoneOf({ region }: Scope, input: ec2.CreateVolumeRequest): string {
  const name = input.AvailabilityZone || undefined;
  const id = input.AvailabilityZoneId || undefined;
  if (name !== undefined && id !== undefined) {
    throw invalidParameterCombination(
      'The parameters AvailabilityZone and AvailabilityZoneId may not be specified together.',
    );
  }
  const given = name ?? id;
  if (given === undefined) throw missingParameter('AvailabilityZone');
  const zone = zoneNamed(region, given);
  if (!zone || given !== (name === undefined ? zone.id : zone.name)) throw invalidZone(given);
  return zone.name;
}

/** What of a new volume comes from the snapshot that it is made of. */
export interface FromSnapshot {
  readonly origin: VolumeOrigin;
  readonly sizeGib: number;
  readonly rootLayers?: readonly string[] | undefined;
}

/** Throws `InvalidSnapshot.NotFound`, and `IncorrectState` for one that is not completed. */
export function fromSnapshot(scope: Scope, snapshotId: string): FromSnapshot {
  const base = imageOfBaseSnapshot(scope, snapshotId);
  if (base) return { origin: base.origin, sizeGib: base.disks[0].sizeGib, rootLayers: base.layers };
  const { spec } = completedSnapshot(scope, snapshotId);
  return {
    origin: spec.contents,
    sizeGib: spec.volumeSizeGib,
    rootLayers: spec.rootLayers,
  };
}

/** AWS still makes volumes gp2 when nobody says what. */
export const DEFAULT_VOLUME_TYPE = 'gp2';

function create(input: ec2.CreateVolumeRequest, context: RequestContext): VolumeRecord {
  const zone = zoneOf(context, input);
  const snapshotId = input.SnapshotId || undefined;
  if (snapshotId === undefined && input.Size === undefined) throw missingParameter('size or snapshot');
  const source = snapshotId === undefined ? undefined : fromSnapshot(context, snapshotId);
  const sizeGib = input.Size ?? source?.sizeGib ?? 0;
  if (source && sizeGib < source.sizeGib) {
    throw invalidParameterValue(
      `The volume size is invalid for snapshot '${snapshotId}': ${sizeGib} GiB, expected at least ${source.sizeGib} GiB.`,
    );
  }
  const shape = volumeShape({
    sizeGib,
    volumeType: checkVolumeType(input.VolumeType || DEFAULT_VOLUME_TYPE),
    iops: input.Iops,
    throughput: input.Throughput,
  });
  return makeVolume(context, {
    shape,
    zone,
    origin: source?.origin ?? { kind: 'empty' },
    snapshotId,
    rootLayers: source?.rootLayers,
    tags: specifiedTags(input.TagSpecifications, 'volume'),
  });
}

export function createVolume(input: ec2.CreateVolumeRequest, context: RequestContext): ec2.Volume {
  refuseParameters('CreateVolume', input, [
    'Encrypted',
    'KmsKeyId',
    'OutpostArn',
    'MultiAttachEnabled',
    'VolumeInitializationRate',
    'Operator',
  ]);
  const [id = ''] = onceByToken(
    context,
    { call: 'CreateVolume', token: input.ClientToken, input, mismatch: idempotentParameterMismatch },
    () => [create(input, context).id],
  );
  return shapeVolume(volumeOf(context, id), attachmentOf(context.tx, context.region, id));
}

/** A volume that nothing has goes, and with it what is on it; snapshots of it stay. */
export function deleteVolume(input: ec2.DeleteVolumeRequest, context: RequestContext): object {
  const volume = volumeOf(context, input.VolumeId);
  const attachment = attachmentOf(context.tx, context.region, volume.id);
  if (attachment) throw volumeInUse(volume.id, attachment.spec.instanceId);
  if (volume.spec.wanted === 'deleted') throw volumeNotFound(volume.id);
  wantDeleted(context, volume);
  return {};
}

export function wantDeleted({ tx }: Scope, volume: VolumeRecord): void {
  tx.update(volume, { spec: { ...volume.spec, wanted: 'deleted' } });
}
