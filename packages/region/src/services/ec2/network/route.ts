/** The routes of a route table. A destination names a route: there is at most one for each. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, refuseParameters, unsupported } from '../../common/errors.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import {
  internetGateways,
  natGateways,
  networkInterfaces,
  type RouteTable,
  type Subnet,
  subnets,
  vpcs,
} from '../records.ts';
import { type Cidr, cidrOf, formatCidr, holds, parseCidr } from './cidr.ts';
import { interfacesOfEndpoint } from './interface.ts';
import { isWanted } from './nat-gateway-state.ts';
import { routeTableOf } from './route-table.ts';
import type { Route } from './route-target.ts';

type Target = Pick<Route, 'target' | 'targetId'>;
type TargetInput = Pick<
  ec2.CreateRouteRequest,
  'GatewayId' | 'NatGatewayId' | 'NetworkInterfaceId' | 'InstanceId'
>;

const UNSERVED = [
  'DestinationIpv6CidrBlock',
  'DestinationPrefixListId',
  'VpcEndpointId',
  'EgressOnlyInternetGatewayId',
  'TransitGatewayId',
  'LocalGatewayId',
  'CarrierGatewayId',
  'CoreNetworkArn',
  'OdbNetworkArn',
  'VpcPeeringConnectionId',
];

const differentNetworks = (table: RouteTable, what: string, id: string): AwsError =>
  errors.invalidParameterValue(`route table ${table.id} and ${what} ${id} belong to different networks`);

function gatewayTarget(scope: Scope, table: RouteTable, id: string): Target {
  if (id.startsWith('vgw-')) throw unsupported('virtual private gateways as targets of routes');
  const gateway = scope.tx.get(internetGateways, scope.region, id);
  if (!gateway) {
    throw new AwsError('InvalidGatewayID.NotFound', `The gateway ID '${id}' does not exist`);
  }
  if (gateway.spec.vpcId !== table.spec.vpcId) throw differentNetworks(table, 'network gateway', id);
  return { target: { kind: 'internet-gateway' }, targetId: id };
}

function interfaceTarget(scope: Scope, table: RouteTable, id: string, targetId = id): Target {
  const found = scope.tx.get(networkInterfaces, scope.region, id);
  if (!found) throw errors.networkInterfaceNotFound(id);
  if (found.spec.vpcId !== table.spec.vpcId) throw differentNetworks(table, 'interface', id);
  return { target: { kind: 'interface', interfaceId: id }, targetId };
}

/** One that failed or is being deleted is none any more. */
function natGatewayTarget(scope: Scope, table: RouteTable, id: string): Target {
  const found = scope.tx.get(natGateways, scope.region, id);
  if (!found || !isWanted(found)) {
    throw new AwsError('InvalidNatGatewayID.NotFound', `The natGateway ID '${id}' does not exist`);
  }
  if (found.spec.vpcId !== table.spec.vpcId) throw differentNetworks(table, 'natGateway', id);
  return { target: { kind: 'nat-gateway', natGatewayId: id }, targetId: id };
}

/** An instance is a target as long as it has exactly one interface. */
function instanceTarget(scope: Scope, table: RouteTable, id: string): Target {
  const [first, ...others] = interfacesOfEndpoint(scope.tx, scope.region, id);
  if (!first) {
    throw new AwsError('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`);
  }
  if (others.length > 0) {
    throw new AwsError(
      'InvalidInstanceID',
      `There are multiple interfaces attached to instance '${id}'. Please specify an interface ID for the operation instead.`,
    );
  }
  return interfaceTarget(scope, table, first.id, id);
}

/** What the caller names as the target; exactly one. */
function targetOf(scope: Scope, table: RouteTable, input: TargetInput): Target {
  const named = [input.GatewayId, input.NatGatewayId, input.NetworkInterfaceId, input.InstanceId];
  if (named.filter((id) => id !== undefined).length !== 1) {
    throw errors.invalidParameterCombination(
      'The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, carrierGatewayId, vpcEndpointId, coreNetworkArn or instanceId',
    );
  }
  if (input.GatewayId !== undefined) return gatewayTarget(scope, table, input.GatewayId);
  if (input.NatGatewayId !== undefined) {
    return natGatewayTarget(scope, table, input.NatGatewayId);
  }
  if (input.NetworkInterfaceId !== undefined) {
    return interfaceTarget(scope, table, input.NetworkInterfaceId);
  }
  return instanceTarget(scope, table, input.InstanceId ?? '');
}

function destinationOf(text: string | undefined): Cidr {
  const destination = errors.required(text, 'destinationCidrBlock');
  const cidr = parseCidr(destination);
  if (!cidr) throw errors.invalidCidrBlock(destination, 'destinationCidrBlock');
  return cidr;
}

/** Where AWS's own services answer. https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html */
const RESERVED = cidrOf('169.254.168.0/22');

function checkReserved(destination: Cidr): void {
  if (!holds(RESERVED, destination)) return;
  throw errors.invalidParameterValue(
    `The destination CIDR block ${formatCidr(destination)} lies in ${formatCidr(RESERVED)}, which is reserved for use by AWS services.`,
  );
}

/**
 * Within the VPC, a route can only lead to a whole subnet, through a machine or a NAT gateway.
 * https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html
 */
function checkWithin(scope: Scope, table: RouteTable, destination: Cidr, { target }: Target): void {
  const vpc = scope.tx.get(vpcs, scope.region, table.spec.vpcId);
  const within = vpc?.spec.cidrs.some((cidr) => holds(cidrOf(cidr), destination));
  if (!within) return;
  const text = formatCidr(destination);
  if (target.kind !== 'interface' && target.kind !== 'nat-gateway') {
    throw errors.invalidParameterValue(
      `The destination CIDR block ${text} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance.`,
    );
  }
  const isSubnet = ({ spec }: Subnet): boolean => spec.vpcId === table.spec.vpcId && spec.cidr === text;
  if (!scope.tx.list(subnets, scope.region).some(isSubnet)) {
    throw errors.invalidParameterValue(
      `The destination CIDR block ${text} is more specific than one of this VPC's CIDR blocks and is not the CIDR block of a subnet.`,
    );
  }
}

function createRoute(input: ec2.CreateRouteRequest, context: RequestContext): ec2.CreateRouteResult {
  refuseParameters('CreateRoute', input, UNSERVED);
  const table = routeTableOf(context, errors.required(input.RouteTableId, 'routeTableId'));
  const cidr = destinationOf(input.DestinationCidrBlock);
  const destination = formatCidr(cidr);
  const target = targetOf(context, table, input);
  if (table.spec.routes.some((route) => route.destination === destination)) {
    throw new AwsError('RouteAlreadyExists', `The route identified by ${destination} already exists.`);
  }
  checkReserved(cidr);
  checkWithin(context, table, cidr, target);
  const route: Route = { destination, ...target, origin: 'CreateRoute' };
  context.tx.update(table, { spec: { ...table.spec, routes: [...table.spec.routes, route] } });
  return { Return: true };
}

function replaceRoute(input: ec2.ReplaceRouteRequest, context: RequestContext): void {
  refuseParameters('ReplaceRoute', input, UNSERVED);
  const table = routeTableOf(context, errors.required(input.RouteTableId, 'routeTableId'));
  const cidr = destinationOf(input.DestinationCidrBlock);
  const destination = formatCidr(cidr);
  const previous = table.spec.routes.find((route) => route.destination === destination);
  if (!previous) {
    throw errors.invalidParameterValue(
      `There is no route defined for '${destination}' in the route table. Use CreateRoute instead.`,
    );
  }
  if (previous.origin === 'CreateRouteTable') {
    // It is the local one already.
    if (input.LocalTarget === true) return;
    throw unsupported('another target for the local route of a VPC');
  }
  if (input.LocalTarget === true) {
    throw errors.invalidParameterValue(`The route '${destination}' is not the local route of this VPC.`);
  }
  const target = targetOf(context, table, input);
  checkWithin(context, table, cidr, target);
  const routes = table.spec.routes.map((route) =>
    route === previous ? { destination, ...target, origin: previous.origin } : route,
  );
  context.tx.update(table, { spec: { ...table.spec, routes } });
}

function deleteRoute(input: ec2.DeleteRouteRequest, context: RequestContext): void {
  refuseParameters('DeleteRoute', input, ['DestinationIpv6CidrBlock', 'DestinationPrefixListId']);
  const table = routeTableOf(context, errors.required(input.RouteTableId, 'routeTableId'));
  const destination = formatCidr(destinationOf(input.DestinationCidrBlock));
  const route = table.spec.routes.find((one) => one.destination === destination);
  if (!route) throw errors.routeNotFound(table.id, destination);
  if (route.origin === 'CreateRouteTable') {
    throw errors.invalidParameterValue(`cannot remove local route ${destination} in route table ${table.id}`);
  }
  const routes = table.spec.routes.filter((one) => one !== route);
  context.tx.update(table, { spec: { ...table.spec, routes } });
}

export const routeOperations: Readonly<Record<string, Operation>> = {
  CreateRoute: createRoute,
  ReplaceRoute: replaceRoute,
  DeleteRoute: deleteRoute,
};
