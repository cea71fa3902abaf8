/** DescribeSnapshots, and the attributes of a snapshot. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { unsupported } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import type { RequestContext } from '../../common/service.ts';
import { required } from '../errors.ts';
import { select } from '../network/selection.ts';
import { tagList } from '../tags.ts';
import { snapshotNotFound } from '../volume/errors.ts';
import { type SnapshotRecord, snapshotOf, snapshots } from './snapshot.ts';

const progress = ({ status }: SnapshotRecord): string => (status.state === 'completed' ? '100%' : '0%');

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html */
const fields = (accountId: string): FilterFields<SnapshotRecord> => ({
  description: ({ spec }) => spec.description,
  encrypted: () => 'false',
  'owner-alias': () => undefined,
  'owner-id': () => accountId,
  progress,
  'snapshot-id': ({ id }) => id,
  'start-time': ({ createdAt }) => new Date(createdAt).toISOString(),
  status: ({ status }) => status.state,
  'storage-tier': () => 'standard',
  'transfer-type': ({ spec, id }) => (spec.dataId === id ? undefined : 'standard'),
  'volume-id': ({ spec }) => spec.volumeId,
  'volume-size': ({ spec }) => String(spec.volumeSizeGib),
});

export const shapeSnapshot = (accountId: string, snapshot: SnapshotRecord): ec2.Snapshot => ({
  SnapshotId: snapshot.id,
  VolumeId: snapshot.spec.volumeId,
  VolumeSize: snapshot.spec.volumeSizeGib,
  Description: snapshot.spec.description,
  State: snapshot.status.state,
  StateMessage: snapshot.status.message,
  Progress: progress(snapshot),
  StartTime: new Date(snapshot.createdAt),
  CompletionTime:
    snapshot.status.completedAt === undefined ? undefined : new Date(snapshot.status.completedAt),
  FullSnapshotSizeInBytes: snapshot.spec.dataBytes,
  OwnerId: accountId,
  Encrypted: false,
  StorageTier: 'standard',
  Tags: tagList(snapshot.tags),
});

export function describeSnapshots(
  input: ec2.DescribeSnapshotsRequest,
  context: RequestContext,
): ec2.DescribeSnapshotsResult {
  const { accountId } = context.settings;
  const owners = input.OwnerIds ?? [];
  const restorable = input.RestorableByUserIds ?? [];
  const ours =
    (owners.length === 0 || owners.includes('self') || owners.includes(accountId)) &&
    (restorable.length === 0 || restorable.includes('self') || restorable.includes(accountId));
  const { items, NextToken } = select(context, input, {
    call: 'DescribeSnapshots',
    items: ours ? context.tx.list(snapshots, context.region) : [],
    ids: input.SnapshotIds,
    notFound: snapshotNotFound,
    fields: fields(accountId),
  });
  return { Snapshots: items.map((snapshot) => shapeSnapshot(accountId, snapshot)), NextToken };
}

export function describeSnapshotAttribute(
  input: ec2.DescribeSnapshotAttributeRequest,
  context: RequestContext,
): ec2.DescribeSnapshotAttributeResult {
  const { id } = snapshotOf(context, input.SnapshotId);
  switch (required(input.Attribute, 'Attribute')) {
    case 'createVolumePermission':
      return { SnapshotId: id, CreateVolumePermissions: [] };
    case 'productCodes':
      return { SnapshotId: id, ProductCodes: [] };
    default:
      throw unsupported(`the attribute ${input.Attribute} of DescribeSnapshotAttribute`);
  }
}
