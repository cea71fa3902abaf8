/**
 * Kinds of which no account here can have any, because what would create them is refused. Tools ask for them all the same,
 * and "none" is the truth.
 */
import { AwsError } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import type { Operation, RequestContext } from '../../common/service.ts';
import { type DescribeInput, select } from '../selection.ts';

interface AbsentKind {
  /** The member of the answer that lists them. */
  readonly list: string;
  /** The parameter that names some of them, if there is one. */
  readonly ids?: string;
  /** What AWS says when one that is named does not exist. */
  readonly code?: string;
  /** As the answer's list is to one of them in messages. */
  readonly what: string;
  readonly filters: readonly string[];
  /** Some calls say `Filter` where all others say `Filters`. */
  readonly filterParameter?: 'Filter';
}

const kinds: Readonly<Record<string, AbsentKind>> = {
  DescribeVpcPeeringConnections: {
    list: 'VpcPeeringConnections',
    ids: 'VpcPeeringConnectionIds',
    code: 'InvalidVpcPeeringConnectionID.NotFound',
    what: 'vpcPeeringConnection',
    filters: [
      'accepter-vpc-info.cidr-block',
      'accepter-vpc-info.owner-id',
      'accepter-vpc-info.vpc-id',
      'expiration-time',
      'requester-vpc-info.cidr-block',
      'requester-vpc-info.owner-id',
      'requester-vpc-info.vpc-id',
      'status-code',
      'status-message',
      'vpc-peering-connection-id',
    ],
  },
  DescribePrefixLists: {
    list: 'PrefixLists',
    ids: 'PrefixListIds',
    code: 'InvalidPrefixListId.NotFound',
    what: 'prefixList',
    filters: ['prefix-list-id', 'prefix-list-name'],
  },
  DescribeManagedPrefixLists: {
    list: 'PrefixLists',
    ids: 'PrefixListIds',
    code: 'InvalidPrefixListID.NotFound',
    what: 'prefixList',
    filters: ['owner-id', 'prefix-list-id', 'prefix-list-name'],
  },
  DescribeVpcEndpoints: {
    list: 'VpcEndpoints',
    ids: 'VpcEndpointIds',
    code: 'InvalidVpcEndpointId.NotFound',
    what: 'vpcEndpoint',
    filters: [
      'ip-address-type',
      'service-name',
      'service-region',
      'vpc-endpoint-id',
      'vpc-endpoint-state',
      'vpc-endpoint-type',
      'vpc-id',
    ],
  },
  DescribeVpcEndpointServices: {
    list: 'ServiceDetails',
    ids: 'ServiceNames',
    code: 'InvalidServiceName',
    what: 'vpcEndpointService',
    filters: ['owner', 'service-name', 'service-region', 'service-type', 'supported-ip-address-types'],
  },
  DescribeEgressOnlyInternetGateways: {
    list: 'EgressOnlyInternetGateways',
    ids: 'EgressOnlyInternetGatewayIds',
    code: 'InvalidEgressOnlyInternetGatewayID.NotFound',
    what: 'egressOnlyInternetGateway',
    filters: [],
  },
  DescribeCarrierGateways: {
    list: 'CarrierGateways',
    ids: 'CarrierGatewayIds',
    code: 'InvalidCarrierGatewayID.NotFound',
    what: 'carrierGateway',
    filters: ['carrier-gateway-id', 'owner-id', 'state', 'vpc-id'],
  },
  DescribeVpnGateways: {
    list: 'VpnGateways',
    ids: 'VpnGatewayIds',
    code: 'InvalidVpnGatewayID.NotFound',
    what: 'vpnGateway',
    filters: [
      'amazon-side-asn',
      'attachment.state',
      'attachment.vpc-id',
      'availability-zone',
      'state',
      'type',
      'vpn-gateway-id',
    ],
  },
  DescribeCustomerGateways: {
    list: 'CustomerGateways',
    ids: 'CustomerGatewayIds',
    code: 'InvalidCustomerGatewayID.NotFound',
    what: 'customerGateway',
    filters: ['bgp-asn', 'customer-gateway-id', 'ip-address', 'state', 'type'],
  },
  DescribeVpnConnections: {
    list: 'VpnConnections',
    ids: 'VpnConnectionIds',
    code: 'InvalidVpnConnectionID.NotFound',
    what: 'vpnConnection',
    filters: [
      'bgp-asn',
      'customer-gateway-configuration',
      'customer-gateway-id',
      'option.static-routes-only',
      'route.destination-cidr-block',
      'state',
      'transit-gateway-id',
      'type',
      'vpn-connection-id',
      'vpn-gateway-id',
    ],
  },
  DescribeTransitGateways: {
    list: 'TransitGateways',
    ids: 'TransitGatewayIds',
    code: 'InvalidTransitGatewayID.NotFound',
    what: 'transitGateway',
    filters: ['owner-id', 'state', 'transit-gateway-id'],
  },
  DescribeTransitGatewayAttachments: {
    list: 'TransitGatewayAttachments',
    ids: 'TransitGatewayAttachmentIds',
    code: 'InvalidTransitGatewayAttachmentID.NotFound',
    what: 'transitGatewayAttachment',
    filters: ['resource-id', 'resource-type', 'state', 'transit-gateway-attachment-id', 'transit-gateway-id'],
  },
  DescribeFlowLogs: {
    list: 'FlowLogs',
    ids: 'FlowLogIds',
    code: 'InvalidFlowLogId.NotFound',
    what: 'flowLog',
    filters: [
      'deliver-log-status',
      'flow-log-id',
      'log-destination-type',
      'log-group-name',
      'resource-id',
      'traffic-type',
    ],
    filterParameter: 'Filter',
  },
  DescribeIpv6Pools: {
    list: 'Ipv6Pools',
    ids: 'PoolIds',
    code: 'InvalidIpv6PoolID.NotFound',
    what: 'ipv6Pool',
    filters: [],
  },
  DescribeHosts: {
    list: 'Hosts',
    ids: 'HostIds',
    code: 'InvalidHostID.NotFound',
    what: 'host',
    filters: [
      'auto-placement',
      'availability-zone',
      'client-token',
      'host-reservation-id',
      'instance-type',
      'state',
    ],
    filterParameter: 'Filter',
  },
  DescribeSpotInstanceRequests: {
    list: 'SpotInstanceRequests',
    ids: 'SpotInstanceRequestIds',
    code: 'InvalidSpotInstanceRequestID.NotFound',
    what: 'spotInstanceRequest',
    filters: [
      'create-time',
      'instance-id',
      'launch-group',
      'launch.image-id',
      'launch.instance-type',
      'product-description',
      'spot-instance-request-id',
      'spot-price',
      'state',
      'status-code',
      'type',
    ],
  },
  DescribeSecurityGroupVpcAssociations: {
    list: 'SecurityGroupVpcAssociations',
    what: 'securityGroupVpcAssociation',
    filters: ['group-id', 'group-owner-id', 'state', 'vpc-id', 'vpc-owner-id'],
  },
};

const describe =
  (call: string, kind: AbsentKind): Operation =>
  (input: Readonly<Record<string, unknown>>, context: RequestContext): object => {
    const { list, ids, code = 'InvalidParameterValue', what, filters, filterParameter = 'Filters' } = kind;
    const fields: FilterFields<never> = Object.fromEntries(filters.map((name) => [name, () => undefined]));
    const asked = { ...input, Filters: input[filterParameter] } as DescribeInput;
    select(context, asked, {
      call,
      items: [],
      ids: ids === undefined ? undefined : (input[ids] as string[] | undefined),
      notFound: (id) => new AwsError(code, `The ${what} ID '${id}' does not exist`),
      fields,
    });
    return { [list]: [] };
  };

export const absentOperations: Readonly<Record<string, Operation>> = Object.fromEntries(
  Object.entries(kinds).map(([call, kind]) => [call, describe(call, kind)]),
);
