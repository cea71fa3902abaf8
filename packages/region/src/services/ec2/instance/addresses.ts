/** The public addresses that stand for instances' interfaces. */
import type { Reader } from '../../../store/store.ts';
import type { NetworkInterface } from '../records.ts';
import type { PublicAddress } from './shape.ts';

export const publicAddressOf = (
  _reader: Reader,
  at: Pick<NetworkInterface, 'id' | 'region' | 'spec'>,
): string | undefined => at.spec.publicAddress;

/** Of all these interfaces at once, by interface id. An auto-assigned address belongs to Amazon. */
export function publicAddresses(
  _reader: Reader,
  _region: string,
  interfaces: readonly NetworkInterface[],
  _accountId: string,
): Map<string, PublicAddress> {
  const found = new Map<string, PublicAddress>();
  for (const { id, spec } of interfaces) {
    if (spec.publicAddress !== undefined) found.set(id, { address: spec.publicAddress, ownerId: 'amazon' });
  }
  return found;
}
