/** DescribeSnapshots, and the attributes of a snapshot. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { unsupported } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import type { RequestContext } from '../../common/service.ts';
import { missingParameter, required } from '../errors.ts';
import { changedPermissions, permissionsAfter, shapePermission } from '../image/permission.ts';
import { select } from '../selection.ts';
import { tagList } from '../tags.ts';
import { snapshotNotFound } from '../volume/errors.ts';
import { type SnapshotRecord, snapshotOf, snapshots } from './snapshot.ts';

const progress = ({ status }: SnapshotRecord): string => (status.state === 'completed' ? '100%' : '0%');

/** Its data are those of another one. */
const isCopy = ({ contents }: SnapshotRecord['spec'], id: string): boolean =>
  contents.kind !== 'snapshot' || contents.snapshotId !== id;

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
  'transfer-type': ({ spec, id }) => (isCopy(spec, id) ? 'standard' : undefined),
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
  TransferType: isCopy(snapshot.spec, snapshot.id) ? 'standard' : undefined,
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
  const { id, spec } = snapshotOf(context, input.SnapshotId);
  switch (required(input.Attribute, 'Attribute')) {
    case 'createVolumePermission':
      return { SnapshotId: id, CreateVolumePermissions: (spec.permissions ?? []).map(shapePermission) };
    case 'productCodes':
      return { SnapshotId: id, ProductCodes: [] };
    default:
      throw unsupported(`the attribute ${input.Attribute} of DescribeSnapshotAttribute`);
  }
}

export function modifySnapshotAttribute(
  input: ec2.ModifySnapshotAttributeRequest,
  context: RequestContext,
): object {
  const snapshot = snapshotOf(context, input.SnapshotId);
  const change = changedPermissions(input, input.CreateVolumePermission);
  if (!change) throw missingParameter('CreateVolumePermission');
  const permissions = permissionsAfter(snapshot.spec.permissions, change);
  context.tx.update(snapshot, { spec: { ...snapshot.spec, permissions } });
  return {};
}

export function resetSnapshotAttribute(
  input: ec2.ResetSnapshotAttributeRequest,
  context: RequestContext,
): object {
  const snapshot = snapshotOf(context, input.SnapshotId);
  if (required(input.Attribute, 'Attribute') !== 'createVolumePermission') {
    throw unsupported(`the attribute ${input.Attribute} of ResetSnapshotAttribute`);
  }
  context.tx.update(snapshot, { spec: { ...snapshot.spec, permissions: [] } });
  return {};
}
