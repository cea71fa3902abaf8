/** Amazon EC2 and VPC: the network half and the compute half put together. */
import type { Service } from '../common/service.ts';
import { computeOperations, computeReconcilers } from './compute.ts';
import { ensureHosts } from './hosts.ts';
import { networkOperations, networkReconcilers, openNetwork } from './network/index.ts';

export const ec2Service: Service = {
  name: 'ec2',
  operations: { ...networkOperations, ...computeOperations },
  reconcilers: (context) => [...networkReconcilers(context), ...computeReconcilers(context)],
  openRegion: openNetwork,
  reopenRegion: ensureHosts,
};
