/** The network half of EC2: every operation and loop of it, and what other services need of it. */
import type { Reconciler } from '../../../reconcile/reconciler.ts';
import type { LoopContext, Operation } from '../../common/service.ts';

export { defaultSubnetFor, defaultVpc, openNetwork, vpcOrDefault } from './default-vpc.ts';
export {
  allocatePrivateAddress,
  assignPublicAddress,
  createInstanceInterface,
  createManagedInterface,
  deleteInterface,
  type InstanceInterfaceRequest,
  interfacesOfEndpoint,
  isInForce,
  newMacAddress,
  subnetOf,
  unassignPublicAddress,
} from './interface.ts';
export { allocatePublicAddress, releasePublicAddress } from './public-address.ts';
export { resolveSecurityGroups, securityGroupOf } from './security-group-lookup.ts';

export const networkOperations: Readonly<Record<string, Operation>> = {};

export const networkReconcilers = (_context: LoopContext): readonly Reconciler[] => [];
