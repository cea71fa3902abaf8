/** The storage part of EC2: every operation and loop of volumes and snapshots. */
import type { Reconciler } from '../../reconcile/reconciler.ts';
import type { LoopContext, Operation } from '../common/service.ts';
import { copySnapshot } from './image/copy.ts';
import * as snapshot from './snapshot/create.ts';
import * as snapshots from './snapshot/describe.ts';
import { snapshotDataLoop, snapshotLoop } from './snapshot/loop.ts';
import { attachVolume, detachVolume } from './volume/attach.ts';
import { createVolume, deleteVolume } from './volume/create.ts';
import * as volumes from './volume/describe.ts';
import { volumeLoop } from './volume/loop.ts';
import { describeVolumesModifications, modifyVolume } from './volume/modify.ts';
import * as settings from './volume/settings.ts';

export const storageOperations: Readonly<Record<string, Operation>> = {
  AttachVolume: attachVolume,
  CopySnapshot: copySnapshot,
  CreateSnapshot: snapshot.createSnapshot,
  CreateSnapshots: snapshot.createSnapshots,
  CreateVolume: createVolume,
  DeleteSnapshot: snapshot.deleteSnapshot,
  DeleteVolume: deleteVolume,
  DescribeFastSnapshotRestores: settings.describeFastSnapshotRestores,
  DescribeSnapshotAttribute: snapshots.describeSnapshotAttribute,
  DescribeSnapshots: snapshots.describeSnapshots,
  DescribeVolumeAttribute: volumes.describeVolumeAttribute,
  DescribeVolumeStatus: volumes.describeVolumeStatus,
  DescribeVolumes: volumes.describeVolumes,
  DescribeVolumesModifications: describeVolumesModifications,
  DetachVolume: detachVolume,
  DisableEbsEncryptionByDefault: settings.disableEbsEncryptionByDefault,
  EnableEbsEncryptionByDefault: settings.enableEbsEncryptionByDefault,
  EnableFastSnapshotRestores: settings.enableFastSnapshotRestores,
  GetEbsDefaultKmsKeyId: settings.getEbsDefaultKmsKeyId,
  GetEbsEncryptionByDefault: settings.getEbsEncryptionByDefault,
  ModifySnapshotAttribute: snapshots.modifySnapshotAttribute,
  ModifyVolume: modifyVolume,
  ModifyVolumeAttribute: volumes.modifyVolumeAttribute,
  ResetSnapshotAttribute: snapshots.resetSnapshotAttribute,
};

export const storageReconcilers = (context: LoopContext): readonly Reconciler[] => [
  volumeLoop(context),
  snapshotLoop(context),
  snapshotDataLoop(context),
];
