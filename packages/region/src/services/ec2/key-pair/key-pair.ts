/** Key pairs: the public halves. A private half is shown once, when it is made, and never kept. */
import { type ResourceOf, resourceType } from '../../../store/resource.ts';
import type { Scope } from '../../common/service.ts';
import { keyPairNotFound } from '../compute-errors.ts';

export interface KeyPairSpec {
  readonly name: string;
  readonly keyType: 'rsa' | 'ed25519';
  readonly fingerprint: string;
  /** OpenSSH's line: type, base64, and a comment. */
  readonly publicKey: string;
}

/** By id, `key-…`. */
export const keyPairs = resourceType<KeyPairSpec, null>('ec2.key-pair');
export type KeyPair = ResourceOf<typeof keyPairs>;

export const findKeyPair = (scope: Scope, name: string): KeyPair | undefined =>
  scope.tx.list(keyPairs, scope.region).find((pair) => pair.spec.name === name);

export function keyPairNamed(scope: Scope, name: string): KeyPair {
  const pair = findKeyPair(scope, name);
  if (!pair) throw keyPairNotFound(name);
  return pair;
}
