/** EBS volumes. So far every volume is the root disk of an instance, and lives and dies with it. */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { FilterFields } from '../../common/filters.ts';
import type { RequestContext } from '../../common/service.ts';
import { volumeNotFound } from '../compute-errors.ts';
import { select, truth } from '../network/selection.ts';
import { tagList } from '../tags.ts';
import { type VolumeRecord, volumes } from './disks.ts';

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html */
const fields: FilterFields<VolumeRecord> = {
  'attachment.attach-time': ({ spec }) => new Date(spec.attachedAt).toISOString(),
  'attachment.delete-on-termination': ({ spec }) => truth(spec.deleteOnTermination),
  'attachment.device': ({ spec }) => spec.device,
  'attachment.instance-id': ({ spec }) => spec.instanceId,
  'attachment.status': () => 'attached',
  'availability-zone': ({ spec }) => spec.zone,
  'create-time': ({ createdAt }) => new Date(createdAt).toISOString(),
  encrypted: () => 'false',
  'multi-attach-enabled': () => 'false',
  size: ({ spec }) => String(spec.sizeGib),
  'snapshot-id': ({ spec }) => spec.snapshotId,
  status: () => 'in-use',
  'volume-id': ({ id }) => id,
  'volume-type': ({ spec }) => spec.volumeType,
};

/** gp3 has its baseline whatever its size; gp2 has three for each GiB, 100 at least. */
const performance = ({ spec }: VolumeRecord): Pick<ec2.Volume, 'Iops' | 'Throughput'> =>
  spec.volumeType === 'gp3'
    ? { Iops: 3000, Throughput: 125 }
    : { Iops: Math.min(16_000, Math.max(100, spec.sizeGib * 3)) };

const shape = (volume: VolumeRecord): ec2.Volume => ({
  VolumeId: volume.id,
  Size: volume.spec.sizeGib,
  VolumeType: volume.spec.volumeType,
  ...performance(volume),
  SnapshotId: volume.spec.snapshotId,
  AvailabilityZone: volume.spec.zone,
  State: 'in-use',
  CreateTime: new Date(volume.createdAt),
  Encrypted: false,
  MultiAttachEnabled: false,
  Attachments: [
    {
      VolumeId: volume.id,
      InstanceId: volume.spec.instanceId,
      Device: volume.spec.device,
      State: 'attached',
      AttachTime: new Date(volume.spec.attachedAt),
      DeleteOnTermination: volume.spec.deleteOnTermination,
    },
  ],
  Tags: tagList(volume.tags),
});

export function describeVolumes(
  input: ec2.DescribeVolumesRequest,
  context: RequestContext,
): ec2.DescribeVolumesResult {
  const { items, NextToken } = select(context, input, {
    call: 'DescribeVolumes',
    items: context.tx.list(volumes, context.region),
    ids: input.VolumeIds,
    notFound: volumeNotFound,
    fields,
  });
  return { Volumes: items.map(shape), NextToken };
}
