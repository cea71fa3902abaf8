/**
 * EC2 Instance Connect's error codes, with the words of its reference.
 * https://docs.aws.amazon.com/ec2-instance-connect/latest/APIReference/API_SendSSHPublicKey.html (errors)
 */
import { AwsError } from '../common/errors.ts';

const error = (code: string, message: string): AwsError => new AwsError(code, message);

/** Also for an instance that is not in the zone that was named. */
export const instanceNotFound = (): AwsError =>
  error('EC2InstanceNotFoundException', 'The specified instance was not found.');

export const instanceStateInvalid = (): AwsError =>
  error(
    'EC2InstanceStateInvalidException',
    'Unable to connect because the instance is not in a valid state. Connecting to a stopped or terminated instance is not supported. If the instance is stopped, start your instance, and try to connect again.',
  );

export const invalidKey = (): AwsError =>
  error('InvalidArgsException', 'The SSH public key is not an RSA or ED25519 key in OpenSSH format.');
