/**
 * The error codes of EC2's compute half (instances, images, key pairs, launch templates) with AWS's wording.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
 */
import { AwsError } from '../common/errors.ts';

const error = (code: string, message: string): AwsError => new AwsError(code, message);

const list = (ids: readonly string[]): string => ids.map((id) => `'${id}'`).join(', ');

// Instances.

export const instanceNotFound = (ids: readonly string[]): AwsError =>
  ids.length === 1
    ? error('InvalidInstanceID.NotFound', `The instance ID ${list(ids)} does not exist`)
    : error('InvalidInstanceID.NotFound', `The instance IDs ${list(ids)} do not exist`);

export const instanceIdMalformed = (id: string): AwsError =>
  error('InvalidInstanceID.Malformed', `Invalid id: "${id}"`);

export const incorrectInstanceState = (message: string): AwsError => error('IncorrectInstanceState', message);

export const notTerminable = (
  id: string,
  attribute: 'disableApiTermination' | 'disableApiStop' = 'disableApiTermination',
): AwsError =>
  error(
    'OperationNotPermitted',
    `The instance '${id}' may not be terminated. Modify its '${attribute}' instance attribute and try again.`,
  );

export const notStoppable = (id: string): AwsError =>
  error(
    'OperationNotPermitted',
    `The instance '${id}' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.`,
  );

export const invalidInstanceType = (type: string): AwsError =>
  error('InvalidParameterValue', `Invalid value '${type}' for InstanceType.`);

export const invalidInstanceAttributeValue = (message: string): AwsError =>
  error('InvalidInstanceAttributeValue', message);

export const latestConsoleUnsupported = (): AwsError =>
  error('UnsupportedOperation', 'This instance type does not support retrieving the latest console logs.');

export const instanceTypeNotFound = (types: readonly string[]): AwsError =>
  error('InvalidInstanceType', `The following supplied instance types do not exist: [${types.join(', ')}]`);

/** AWS answers this one with status 500: the caller did nothing wrong, and may try again. */
export const insufficientCapacity = (type: string, zone: string, others: readonly string[]): AwsError =>
  new AwsError(
    'InsufficientInstanceCapacity',
    `We currently do not have sufficient ${type} capacity in the Availability Zone you requested (${zone}). ` +
      'Our system will be working on provisioning additional capacity.' +
      (others.length === 0
        ? ''
        : ` You can currently get ${type} capacity by not specifying an Availability Zone in your request or choosing ${others.join(', ')}.`),
    500,
  );

export const ebsOptimizationUnsupported = (): AwsError =>
  error(
    'Unsupported',
    'EBS-optimized instances are not supported for your requested configuration. Please check the documentation for supported configurations.',
  );

/** A spread group has an instance on each host of the zone that is well, or as many as a zone may hold of it. */
export const placementGroupFull = (name: string, zone: string, others: readonly string[]): AwsError =>
  new AwsError(
    'InsufficientInstanceCapacity',
    `We currently do not have sufficient capacity to launch all of the additional requested instances into Placement Group '${name}' in the Availability Zone you requested (${zone}).` +
      (others.length === 0 ? '' : ` You can currently get capacity by choosing ${others.join(', ')}.`),
    500,
  );

export const userDataMalformed = (): AwsError =>
  error('InvalidUserData.Malformed', 'Invalid BASE64 encoding of user data.');

export const userDataTooLarge = (): AwsError =>
  error('InvalidParameterValue', 'User data is limited to 16384 bytes');

export const invalidBlockDeviceMapping = (message: string): AwsError =>
  error('InvalidBlockDeviceMapping', message);

// Images.

export const imageIdMalformed = (id: string): AwsError =>
  error('InvalidAMIID.Malformed', `Invalid id: "${id}" (expecting "ami-...")`);

export const imageNotFound = (ids: readonly string[]): AwsError =>
  ids.length === 1
    ? error('InvalidAMIID.NotFound', `The image id '[${ids[0]}]' does not exist`)
    : error('InvalidAMIID.NotFound', `The image ids '[${ids.join(', ')}]' do not exist`);

/** Seen with parameters of another data type: https://github.com/aws/aws-cdk/issues/26712 */
export const ssmInvalidParameter = (reference: string): AwsError =>
  error('SsmInvalidParameter', `The SSM parameter '${reference}' could not be resolved to an image id.`);

export const imageUnavailable = (id: string): AwsError =>
  error('InvalidAMIID.Unavailable', `The image ID '${id}' is not available`);

export const imageNameDuplicate = (name: string, id: string): AwsError =>
  error('InvalidAMIName.Duplicate', `AMI name ${name} is already in use by AMI ${id}`);

export const imageNameMalformed = (): AwsError =>
  error(
    'InvalidAMIName.Malformed',
    "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', '-', '/' and '_'",
  );

// Key pairs.

export const keyPairNotFound = (name: string): AwsError =>
  error('InvalidKeyPair.NotFound', `The key pair '${name}' does not exist`);

export const keyPairIdNotFound = (id: string): AwsError =>
  error('InvalidKeyPair.NotFound', `The key pair ID '${id}' does not exist`);

export const keyPairDuplicate = (name: string): AwsError =>
  error('InvalidKeyPair.Duplicate', `The keypair already exists: ${name}`);

export const keyFormat = (): AwsError =>
  error('InvalidKey.Format', 'Key is not in valid OpenSSH public key format');

// Placement groups.

export const placementGroupUnknown = (nameOrId: string): AwsError =>
  error('InvalidPlacementGroup.Unknown', `The Placement Group '${nameOrId}' is unknown.`);

export const placementGroupIdMalformed = (id: string): AwsError =>
  error('InvalidPlacementGroupId.Malformed', `Invalid id: "${id}" (expecting "pg-...")`);

export const placementGroupDuplicate = (name: string): AwsError =>
  error('InvalidPlacementGroup.Duplicate', `The placement group '${name}' already exists.`);

export const placementGroupInUse = (name: string): AwsError =>
  error('InvalidPlacementGroup.InUse', `The placement group '${name}' is in use and may not be deleted.`);

// Launch templates.

export const templateIdNotFound = (id: string): AwsError =>
  error(
    'InvalidLaunchTemplateId.NotFound',
    `The specified launch template, with template ID ${id}, does not exist.`,
  );

export const templateIdMalformed = (id: string): AwsError =>
  error('InvalidLaunchTemplateId.Malformed', `Invalid id: "${id}" (expecting "lt-...")`);

export const templateNameNotFound = (name: string): AwsError =>
  error(
    'InvalidLaunchTemplateName.NotFoundException',
    `The specified launch template, with template name ${name}, does not exist.`,
  );

export const templateNameExists = (): AwsError =>
  error('InvalidLaunchTemplateName.AlreadyExistsException', 'Launch template name already in use.');

export const templateNameMalformed = (): AwsError =>
  error(
    'InvalidLaunchTemplateName.MalformedException',
    'A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _.',
  );

export const templateVersionNotFound = (version: string | number): AwsError =>
  error(
    'InvalidLaunchTemplateId.VersionNotFound',
    `Could not find the specified version ${version} for the launch template.`,
  );
