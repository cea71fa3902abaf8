/** DescribeVolumes, DescribeVolumeStatus, and the one attribute that a volume has. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { unsupported } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import { zoneNamed } from '../../common/geography.ts';
import type { RequestContext, Scope } from '../../common/service.ts';
import { required } from '../errors.ts';
import { select, truth } from '../selection.ts';
import { tagList } from '../tags.ts';
import { shapeAttachment } from './attach.ts';
import { volumeNotFound } from './errors.ts';
import {
  attachmentState,
  checkVolumeId,
  type VolumeAttachmentRecord,
  type VolumeRecord,
  volumeAttachments,
  volumeOf,
  volumeState,
  volumes,
} from './volume.ts';
import { shownPerformance } from './volume-type.ts';

type Attachments = ReadonlyMap<string, VolumeAttachmentRecord>;

/** What has which volume, looked up once for a whole call. */
const attachmentsByVolume = ({ tx, region }: Scope): Attachments =>
  new Map(tx.list(volumeAttachments, region).map((attachment) => [attachment.id, attachment]));

const zoneIdOf = ({ region, spec }: VolumeRecord): string | undefined => zoneNamed(region, spec.zone)?.id;

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html */
function filterFields(attachments: Attachments): FilterFields<VolumeRecord> {
  const ofAttachment =
    (value: (attachment: VolumeAttachmentRecord) => string) =>
    ({ id }: VolumeRecord): string | undefined => {
      const attachment = attachments.get(id);
      return attachment && value(attachment);
    };
  return {
    'attachment.attach-time': ofAttachment(({ spec }) => new Date(spec.attachedAt).toISOString()),
    'attachment.delete-on-termination': ofAttachment(({ spec }) => truth(spec.deleteOnTermination)),
    'attachment.device': ofAttachment(({ spec }) => spec.device),
    'attachment.instance-id': ofAttachment(({ spec }) => spec.instanceId),
    'attachment.status': ofAttachment(attachmentState),
    'availability-zone': ({ spec }) => spec.zone,
    'availability-zone-id': zoneIdOf,
    'create-time': ({ createdAt }) => new Date(createdAt).toISOString(),
    encrypted: () => 'false',
    'fast-restored': () => 'false',
    'multi-attach-enabled': () => 'false',
    'operator.managed': () => 'false',
    size: ({ spec }) => String(spec.sizeGib),
    'snapshot-id': ({ spec }) => spec.snapshotId,
    status: (volume) => volumeState(volume, attachments.get(volume.id)),
    'volume-id': ({ id }) => id,
    'volume-type': ({ spec }) => spec.volumeType,
  };
}

export const shapeVolume = (
  volume: VolumeRecord,
  attachment: VolumeAttachmentRecord | undefined,
): ec2.Volume => ({
  VolumeId: volume.id,
  Size: volume.spec.sizeGib,
  VolumeType: volume.spec.volumeType,
  ...shownPerformance(volume.spec),
  SnapshotId: volume.spec.snapshotId ?? '',
  AvailabilityZone: volume.spec.zone,
  AvailabilityZoneId: zoneIdOf(volume),
  State: volumeState(volume, attachment),
  CreateTime: new Date(volume.createdAt),
  Encrypted: false,
  MultiAttachEnabled: false,
  Attachments: attachment ? [shapeAttachment(attachment)] : [],
  Tags: tagList(volume.tags),
});

export function describeVolumes(
  input: ec2.DescribeVolumesRequest,
  context: RequestContext,
): ec2.DescribeVolumesResult {
  const attachments = attachmentsByVolume(context);
  for (const id of input.VolumeIds ?? []) checkVolumeId(id);
  const { items, NextToken } = select(context, input, {
    call: 'DescribeVolumes',
    items: context.tx.list(volumes, context.region),
    ids: input.VolumeIds,
    notFound: volumeNotFound,
    fields: filterFields(attachments),
  });
  return { Volumes: items.map((volume) => shapeVolume(volume, attachments.get(volume.id))), NextToken };
}

/** No volume is ever impaired: what it is on is this machine's own disk. */
const health = ({ status }: VolumeRecord): 'ok' | 'insufficient-data' =>
  status.state === 'available' ? 'ok' : 'insufficient-data';

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumeStatus.html */
const statusFields: FilterFields<VolumeRecord> = {
  'action.code': () => undefined,
  'action.description': () => undefined,
  'action.event-id': () => undefined,
  'availability-zone': ({ spec }) => spec.zone,
  'availability-zone-id': zoneIdOf,
  'event.description': () => undefined,
  'event.event-id': () => undefined,
  'event.event-type': () => undefined,
  'event.not-after': () => undefined,
  'event.not-before': () => undefined,
  'volume-status.details-name': () => ['io-enabled', 'io-performance'],
  'volume-status.details-status': () => ['passed', 'not-applicable'],
  'volume-status.status': health,
};

/** https://docs.aws.amazon.com/ebs/latest/userguide/monitoring-volume-checks.html */
function shapeStatus(volume: VolumeRecord, attachment: VolumeAttachmentRecord | undefined) {
  const isOk = health(volume) === 'ok';
  return {
    VolumeId: volume.id,
    AvailabilityZone: volume.spec.zone,
    AvailabilityZoneId: zoneIdOf(volume),
    VolumeStatus: {
      Status: health(volume),
      Details: [
        { Name: 'io-enabled', Status: isOk ? 'passed' : 'insufficient-data' },
        // Measured for io1, io2 and gp3 volumes at AWS; nothing measures it here.
        { Name: 'io-performance', Status: 'not-applicable' },
      ],
    },
    Actions: [],
    Events: [],
    AttachmentStatuses: attachment
      ? [{ InstanceId: attachment.spec.instanceId, IoPerformance: 'not-applicable' }]
      : [],
  } satisfies ec2.VolumeStatusItem;
}

export function describeVolumeStatus(
  input: ec2.DescribeVolumeStatusRequest,
  context: RequestContext,
): ec2.DescribeVolumeStatusResult {
  const attachments = attachmentsByVolume(context);
  const { items, NextToken } = select(context, input, {
    call: 'DescribeVolumeStatus',
    items: context.tx.list(volumes, context.region).filter(({ spec }) => spec.wanted === 'present'),
    ids: input.VolumeIds,
    notFound: volumeNotFound,
    fields: statusFields,
  });
  return {
    VolumeStatuses: items.map((volume) => shapeStatus(volume, attachments.get(volume.id))),
    NextToken,
  };
}

export function describeVolumeAttribute(
  input: ec2.DescribeVolumeAttributeRequest,
  context: RequestContext,
): ec2.DescribeVolumeAttributeResult {
  const volume = volumeOf(context, input.VolumeId);
  switch (required(input.Attribute, 'Attribute')) {
    case 'autoEnableIO':
      return { VolumeId: volume.id, AutoEnableIO: { Value: volume.spec.autoEnableIo ?? false } };
    case 'productCodes':
      return { VolumeId: volume.id, ProductCodes: [] };
    default:
      throw unsupported(`the attribute ${input.Attribute} of DescribeVolumeAttribute`);
  }
}

/** Input and output are never cut off here, so that there is nothing to enable; what was set is kept and shown. */
export function modifyVolumeAttribute(
  input: ec2.ModifyVolumeAttributeRequest,
  context: RequestContext,
): object {
  const volume = volumeOf(context, input.VolumeId);
  const autoEnableIo = required(input.AutoEnableIO?.Value, 'AutoEnableIO');
  context.tx.update(volume, { spec: { ...volume.spec, autoEnableIo } });
  return {};
}
