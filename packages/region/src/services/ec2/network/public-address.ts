/**
 * Public addresses: all regions of the store share one block of them (`settings.publicCidr`), because the machine reaches
 * every one of them. They are given in a circle, so that an address that was just given back rests as long as possible:
 * whoever still holds the old one should run into nothing rather than into somebody else.
 */
import { resourceType } from '../../../store/resource.ts';
import type { Scope } from '../../common/service.ts';
import { noPublicAddresses } from '../errors.ts';
import { cidrOf, formatAddress, lastOf } from './cidr.ts';

/** One address that is given; the id is the address itself. In the region `global`. */
const publicAddresses = resourceType<{ readonly region: string }, null>('ec2.public-address');

/** The address that was given last. One, in the region `global`. */
const publicAddressCursors = resourceType<{ readonly last: number }, null>('ec2.public-address-cursor');

/** Addresses at the block's beginning and end that stay free for the machine itself. */
const KEPT = 16;

/** Gives an address that nobody has, in any region. Throws `InsufficientAddressCapacity` when there is none left. */
export function allocatePublicAddress(scope: Scope): string {
  const block = cidrOf(scope.settings.publicCidr);
  const first = block.base + KEPT;
  const last = lastOf(block) - KEPT;
  const cursor = scope.tx.get(publicAddressCursors, 'global', 'cursor');
  let address = cursor?.spec.last ?? last;
  for (let tried = first; tried <= last; tried += 1) {
    address = address >= last || address < first ? first : address + 1;
    const id = formatAddress(address);
    if (scope.tx.get(publicAddresses, 'global', id)) continue;
    scope.tx.create(publicAddresses, { region: 'global', id, spec: { region: scope.region }, status: null });
    if (cursor) scope.tx.update(cursor, { spec: { last: address } });
    else {
      const spec = { last: address };
      scope.tx.create(publicAddressCursors, { region: 'global', id: 'cursor', spec, status: null });
    }
    return id;
  }
  throw noPublicAddresses(scope.settings.publicCidr);
}

/** Gives an address back. Already given back is success. */
export function releasePublicAddress(scope: Scope, address: string): void {
  scope.tx.remove({ kind: publicAddresses.kind, region: 'global', id: address });
}
