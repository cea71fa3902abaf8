/** The states of a NAT gateway: what is wanted shows at once, before the loop has brought it about. */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { NatGateway } from '../records.ts';

export function stateOf({ spec, status }: Pick<NatGateway, 'spec' | 'status'>): ec2.NatGatewayState {
  if (status.state === 'deleted') return 'deleted';
  if (spec.failure) return 'failed';
  return spec.wanted === 'deleted' ? 'deleting' : status.state;
}

/** Does it carry traffic, or is about to? */
export const isWanted = (gateway: Pick<NatGateway, 'spec' | 'status'>): boolean =>
  ['pending', 'available'].includes(stateOf(gateway));
