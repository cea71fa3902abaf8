/** Snapshots: so far always the disk that stands behind an image. */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { FilterFields } from '../../common/filters.ts';
import type { RequestContext } from '../../common/service.ts';
import { snapshotInUse, snapshotNotFound } from '../compute-errors.ts';
import { required } from '../errors.ts';
import { select } from '../network/selection.ts';
import { tagList } from '../tags.ts';
import { type SnapshotRecord, snapshots } from './disks.ts';
import { images } from './image.ts';

const progress = ({ status }: SnapshotRecord): string => (status.state === 'completed' ? '100%' : '0%');

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html */
const fields = (accountId: string): FilterFields<SnapshotRecord> => ({
  description: ({ spec }) => spec.description,
  encrypted: () => 'false',
  'owner-id': () => accountId,
  progress,
  'snapshot-id': ({ id }) => id,
  'start-time': ({ createdAt }) => new Date(createdAt).toISOString(),
  status: ({ status }) => status.state,
  'storage-tier': () => 'standard',
  'volume-id': ({ spec }) => spec.volumeId,
  'volume-size': ({ spec }) => String(spec.volumeSizeGib),
});

const shape = (accountId: string, snapshot: SnapshotRecord): ec2.Snapshot => ({
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
  return { Snapshots: items.map((snapshot) => shape(accountId, snapshot)), NextToken };
}

/** An image stands on its snapshot: it must be deregistered before. The loop `ec2.layer` removes the data. */
export function deleteSnapshot(input: ec2.DeleteSnapshotRequest, context: RequestContext): object {
  const id = required(input.SnapshotId, 'SnapshotId');
  const snapshot = context.tx.get(snapshots, context.region, id);
  if (!snapshot) throw snapshotNotFound(id);
  const user = context.tx.list(images, context.region).find((image) => image.spec.snapshotId === id);
  if (user) throw snapshotInUse(id, user.id);
  context.tx.remove(snapshot);
  return {};
}

export function describeSnapshotAttribute(
  input: ec2.DescribeSnapshotAttributeRequest,
  context: RequestContext,
): ec2.DescribeSnapshotAttributeResult {
  const id = required(input.SnapshotId, 'SnapshotId');
  if (!context.tx.get(snapshots, context.region, id)) throw snapshotNotFound(id);
  if (input.Attribute === 'productCodes') return { SnapshotId: id, ProductCodes: [] };
  return { SnapshotId: id, CreateVolumePermissions: [] };
}
