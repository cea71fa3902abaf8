/**
 * The error codes of EBS, volumes and snapshots, with AWS's wording.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
 */
import { AwsError } from '../../common/errors.ts';

const error = (code: string, message: string): AwsError => new AwsError(code, message);

export const volumeNotFound = (id: string): AwsError =>
  error('InvalidVolume.NotFound', `The volume '${id}' does not exist.`);

export const volumeIdMalformed = (id: string): AwsError =>
  error('InvalidParameterValue', `Value (${id}) for parameter volumeId is invalid. Expected: 'vol-...'.`);

export const unknownVolumeType = (type: string): AwsError =>
  error('UnknownVolumeType', `Unsupported volume type '${type}' for volume creation.`);

export const volumeInUse = (id: string, instanceId: string): AwsError =>
  error('VolumeInUse', `Volume ${id} is currently attached to ${instanceId}`);

export const volumeAttached = (id: string): AwsError =>
  error('VolumeInUse', `${id} is already attached to an instance`);

export const incorrectState = (message: string): AwsError => error('IncorrectState', message);

/** What DetachVolume says of a volume that nothing has. */
export const volumeAvailable = (id: string): AwsError =>
  incorrectState(`Volume '${id}' is in the 'available' state.`);

export const zoneMismatch = (id: string, instanceId: string): AwsError =>
  error(
    'InvalidVolume.ZoneMismatch',
    `The volume '${id}' is not in the same availability zone as instance '${instanceId}'`,
  );

export const attachmentNotFound = (message: string): AwsError => error('InvalidAttachment.NotFound', message);

export const attachmentLimitExceeded = (type: string, limit: number): AwsError =>
  error('AttachmentLimitExceeded', `The instance type ${type} can have at most ${limit} attachments.`);

export const deviceInvalid = (device: string): AwsError =>
  error(
    'InvalidParameterValue',
    `Value (${device}) for parameter device is invalid. ${device} is not a valid EBS device name.`,
  );

export const deviceInUse = (device: string): AwsError =>
  error(
    'InvalidParameterValue',
    `Invalid value '${device}' for unixDevice. Attachment point ${device} is already in use`,
  );

export const nothingMappedAt = (device: string): AwsError =>
  error('InvalidInstanceAttributeValue', `No device is currently mapped at ${device}`);

export const noRootVolume = (instanceId: string, device: string): AwsError =>
  error(
    'InvalidParameterValue',
    `Invalid value '${instanceId}' for instanceId. Instance does not have a volume attached at root (${device})`,
  );

export const modificationRateExceeded = (): AwsError =>
  error(
    'VolumeModificationRateExceeded',
    "You've reached the maximum modification rate per volume limit. A volume can be modified up to four times within a rolling 24-hour period.",
  );

export const modificationUnderWay = (id: string, state: string): AwsError =>
  error(
    'IncorrectModificationState',
    `Volume ${id} cannot be modified in modification state ${state.toUpperCase()}`,
  );

export const modificationNotFound = (id: string): AwsError =>
  error('InvalidVolumeModification.NotFound', `Modification for volume '${id}' does not exist.`);

export const snapshotNotFound = (id: string): AwsError =>
  error('InvalidSnapshot.NotFound', `The snapshot '${id}' does not exist.`);

export const snapshotInUse = (id: string, imageId: string): AwsError =>
  error('InvalidSnapshot.InUse', `The snapshot ${id} is currently in use by ${imageId}`);

/** Only a completed snapshot is good for anything. */
export const snapshotNotCompleted = (id: string, state: string): AwsError =>
  incorrectState(`The snapshot '${id}' is not in the 'completed' state: it is ${state}.`);
