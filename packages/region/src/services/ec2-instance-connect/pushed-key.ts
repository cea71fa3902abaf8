/**
 * Public keys pushed to instances, each good for one minute. The instance's sshd asks the metadata service for them.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/connect-linux-inst-eic.html
 */
import { createHash } from 'node:crypto';
import type * as connect from '@aws-sdk/client-ec2-instance-connect';
import type { TimeMs } from '../../clock.ts';
import { type ResourceOf, resourceType } from '../../store/resource.ts';
import type { RequestContext } from '../common/service.ts';
import { stateOf } from '../ec2/instance/state.ts';
import { importKey } from '../ec2/key-pair/formats.ts';
import { instances } from '../ec2/records.ts';
import * as errors from './errors.ts';

export interface PushedKeySpec {
  readonly instanceId: string;
  /** The user of the instance's operating system. */
  readonly user: string;
  /** OpenSSH's `<type> <base64>`. */
  readonly publicKey: string;
  readonly expiresAt: TimeMs;
}

export const pushedKeys = resourceType<PushedKeySpec, null>('ec2-instance-connect.pushed-key');
export type PushedKey = ResourceOf<typeof pushedKeys>;

/** https://docs.aws.amazon.com/ec2-instance-connect/latest/APIReference/API_SendSSHPublicKey.html */
const LIFETIME_MS = 60_000;

/** Pushed again, a key is good for another minute. */
export function sendSshPublicKey(
  input: connect.SendSSHPublicKeyRequest,
  context: RequestContext,
): connect.SendSSHPublicKeyResponse {
  const { tx, region, now } = context;
  const { InstanceId: instanceId = '', InstanceOSUser: user = '', SSHPublicKey: given = '' } = input;
  const instance = tx.get(instances, region, instanceId);
  const state = instance && stateOf(instance);
  if (!instance || state === 'terminated') throw errors.instanceNotFound();
  if (input.AvailabilityZone !== undefined && input.AvailabilityZone !== instance.spec.zone) {
    throw errors.instanceNotFound();
  }
  if (state !== 'running') throw errors.instanceStateInvalid();
  const key = /^ssh-(rsa|ed25519)\s/.test(given.trim()) ? importKey(given) : undefined;
  if (!key) throw errors.invalidKey();
  const spec = { instanceId, user, publicKey: key.publicKey, expiresAt: now + LIFETIME_MS };
  const digest = createHash('sha256').update(key.publicKey).digest('hex').slice(0, 32);
  const id = `${instanceId}/${user}/${digest}`;
  const known = tx.get(pushedKeys, region, id);
  if (known) tx.update(known, { spec });
  else tx.create(pushedKeys, { region, id, spec, status: null });
  return { RequestId: context.requestId, Success: true };
}
