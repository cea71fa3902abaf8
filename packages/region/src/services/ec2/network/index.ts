/** The network half of EC2: every operation and loop of it, and what other services need of it. */
import type { Reconciler } from '../../../reconcile/reconciler.ts';
import type { LoopContext, Operation } from '../../common/service.ts';
import { tagOperations } from '../tag-operations.ts';
import { absentOperations } from './absent.ts';
import { dhcpOptionsOperations } from './dhcp-options.ts';
import { elasticIpOperations } from './elastic-ip.ts';
import { interfaceAddressOperations } from './interface-address.ts';
import { interfaceAttachmentOperations } from './interface-attachment.ts';
import { interfaceOperations } from './interface-operations.ts';
import { internetGatewayOperations } from './internet-gateway.ts';
import { natGatewayOperations } from './nat-gateway.ts';
import { natGatewayLoop } from './nat-gateway-loop.ts';
import { networkAclOperations } from './network-acl.ts';
import { networkAclEntryOperations } from './network-acl-entry.ts';
import { routeOperations } from './route.ts';
import { routeTableOperations } from './route-table.ts';
import { securityGroupOperations } from './security-group.ts';
import { securityGroupRuleOperations } from './security-group-rule.ts';
import { subnetOperations } from './subnet.ts';
import { vpcOperations } from './vpc.ts';
import { vpcCidrOperations } from './vpc-cidr.ts';
import { vpcLoop } from './vpc-loop.ts';
import { zoneOperations } from './zone.ts';

export { defaultSubnetFor, defaultVpc, openNetwork, vpcOrDefault } from './default-vpc.ts';
export { privateDnsName, privateDomain, publicDnsName } from './dns-name.ts';
export {
  allocatePrivateAddress,
  assignPublicAddress,
  attachInterface,
  createInstanceInterface,
  createManagedInterface,
  deleteInterface,
  detachInterface,
  type InstanceInterfaceRequest,
  interfacesOfEndpoint,
  isInForce,
  newMacAddress,
  type SecondaryAddresses,
  subnetOf,
  unassignPublicAddress,
} from './interface.ts';
export { checkAttachable, checkInterfaceCount } from './interface-attachment.ts';
export { interfaceOf, privateAddressesOf } from './interface-operations.ts';
export { allocatePublicAddress, releasePublicAddress } from './public-address.ts';
export { privateAddresses, publicMapping, publicMappings } from './public-mapping.ts';
export { resolveSecurityGroups, securityGroupOf } from './security-group-lookup.ts';

export const networkOperations: Readonly<Record<string, Operation>> = {
  ...zoneOperations,
  ...vpcOperations,
  ...vpcCidrOperations,
  ...subnetOperations,
  ...internetGatewayOperations,
  ...routeTableOperations,
  ...routeOperations,
  ...networkAclOperations,
  ...networkAclEntryOperations,
  ...dhcpOptionsOperations,
  ...securityGroupOperations,
  ...securityGroupRuleOperations,
  ...interfaceOperations,
  ...interfaceAttachmentOperations,
  ...interfaceAddressOperations,
  ...elasticIpOperations,
  ...natGatewayOperations,
  ...absentOperations,
  ...tagOperations,
};

export const networkReconcilers = (context: LoopContext): readonly Reconciler[] => [
  vpcLoop(context),
  natGatewayLoop(context),
];
