/**
 * What a region says of EBS as a whole: nothing is encrypted, and no snapshot is restored faster than others, because all
 * are at once.
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import { unsupported } from '../../common/errors.ts';
import type { RequestContext } from '../../common/service.ts';
import { snapshotOf } from '../snapshot/snapshot.ts';

export const getEbsEncryptionByDefault = (): ec2.GetEbsEncryptionByDefaultResult => ({
  EbsEncryptionByDefault: false,
  SseType: 'none',
});

export const disableEbsEncryptionByDefault = (): ec2.DisableEbsEncryptionByDefaultResult => ({
  EbsEncryptionByDefault: false,
});

export const enableEbsEncryptionByDefault = (): never => {
  throw unsupported('encrypted volumes');
};

/** The key that AWS keeps for EBS is there whether anything is encrypted or not. */
export const getEbsDefaultKmsKeyId = (): ec2.GetEbsDefaultKmsKeyIdResult => ({ KmsKeyId: 'alias/aws/ebs' });

export const describeFastSnapshotRestores = (): ec2.DescribeFastSnapshotRestoresResult => ({
  FastSnapshotRestores: [],
});

export const enableFastSnapshotRestores = (
  input: ec2.EnableFastSnapshotRestoresRequest,
  context: RequestContext,
): never => {
  for (const id of input.SourceSnapshotIds ?? []) snapshotOf(context, id);
  throw unsupported('fast snapshot restores: a volume has all of its snapshot at once');
};
