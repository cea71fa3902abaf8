/** Auto Scaling's error codes, with AWS's own wording where it is known. */
import { AwsError, unsupported } from '../common/errors.ts';

const validation = (message: string): AwsError => new AwsError('ValidationError', message);

export const errors = {
  validation,
  unsupported,
  groupExists: (name: string) =>
    new AwsError(
      'AlreadyExists',
      `AutoScalingGroup by this name already exists - A group with the name ${name} already exists`,
    ),
  groupNotFound: (name: string) =>
    validation(`AutoScalingGroup name not found - AutoScalingGroup ${name} not found`),
  /** What the calls that do not name the group in their message say. */
  noSuchGroup: () => validation('AutoScalingGroup name not found - null'),
  taggedGroupNotFound: (name: string) =>
    validation(`AutoScalingGroup not found - AutoScaling Group ${name} not found`),
  groupHasInstances: () =>
    new AwsError(
      'ResourceInUse',
      'You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.',
    ),
  groupIsActive: () =>
    new AwsError(
      'ScalingActivityInProgress',
      'You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.',
    ),
  beingDeleted: (name: string) => validation(`AutoScalingGroup ${name} is being deleted`),
  coolingDown: () =>
    new AwsError(
      'ScalingActivityInProgress',
      'The group is in its cooldown: a scaling activity has just ended',
    ),
  instanceNotFound: (id: string) =>
    validation(`Instance Id not found - No managed instance found for instance ID: ${id}`),
  notInGroup: (id: string, group: string) =>
    validation(`The instance ${id} is not part of Auto Scaling group ${group}.`),
  configurationExists: (name: string) =>
    new AwsError(
      'AlreadyExists',
      `Launch Configuration by this name already exists - A launch configuration already exists with the name ${name}`,
    ),
  configurationNotFound: (name: string) =>
    validation(`Launch configuration name not found - Launch configuration ${name} not found`),
  configurationInUse: (name: string, group: string) =>
    new AwsError(
      'ResourceInUse',
      `Cannot delete launch configuration ${name} because it is attached to AutoScalingGroup ${group}`,
    ),
  targetGroupsInvalid: () =>
    validation('Provided Target Groups may not be valid. Please ensure they exist and try again.'),
  invalidNextToken: () => new AwsError('InvalidNextToken', 'The token is invalid or has expired.'),
} as const;
