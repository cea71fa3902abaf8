/** Amazon EC2 Instance Connect: a public key for one login. There is no serial console to push one to. */
import type { Service } from '../common/service.ts';
import { pushedKeyLoop } from './loop.ts';
import { sendSshPublicKey } from './pushed-key.ts';

export const ec2InstanceConnectService: Service = {
  name: 'ec2-instance-connect',
  operations: { SendSSHPublicKey: sendSshPublicKey },
  reconcilers: (context) => [pushedKeyLoop(context)],
};
