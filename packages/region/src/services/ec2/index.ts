/** Amazon EC2 and VPC: network, compute and storage put together. */
import type { Service } from '../common/service.ts';
import { computeOperations, computeReconcilers } from './compute.ts';
import { ensureHosts } from './hosts.ts';
import { networkOperations, networkReconcilers, openNetwork } from './network/index.ts';
import { storageOperations, storageReconcilers } from './storage.ts';

export const ec2Service: Service = {
  name: 'ec2',
  operations: { ...networkOperations, ...computeOperations, ...storageOperations },
  reconcilers: (context) => [
    ...networkReconcilers(context),
    ...computeReconcilers(context),
    ...storageReconcilers(context),
  ],
  openRegion: openNetwork,
  reopenRegion: ensureHosts,
};
