/** Route tables, and which subnets use them. Their routes stand in `route.ts`. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, refuseParameters } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import { onceByToken } from '../../common/idempotency.ts';
import { newId } from '../../common/names.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { type RouteTable, routeTables } from '../records.ts';
import { select, truth } from '../selection.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { vpcOrDefault } from './default-vpc.ts';
import { subnetOf } from './interface.ts';
import { liveTarget, type Route } from './route-target.ts';
import { localRoute } from './vpc-parts.ts';

/** The table of that id. Throws `InvalidRouteTableID.NotFound`. */
export function routeTableOf(scope: Scope, id: string): RouteTable {
  const table = scope.tx.get(routeTables, scope.region, id);
  if (!table) throw errors.routeTableNotFound(id);
  return table;
}

const routeState = (scope: Scope, table: RouteTable, route: Route): ec2.RouteState =>
  liveTarget(scope.tx, scope.region, table.spec.vpcId, route).kind === 'blackhole' ? 'blackhole' : 'active';

/** The targets of a route under the names that the API has for them. */
function targetNames(scope: Scope, { target, targetId }: Route): Partial<ec2.Route> {
  switch (target.kind) {
    case 'local':
      return { GatewayId: 'local' };
    case 'internet-gateway':
      return { GatewayId: targetId };
    case 'nat-gateway':
      return { NatGatewayId: target.natGatewayId };
    case 'interface':
      return {
        NetworkInterfaceId: target.interfaceId,
        ...(targetId?.startsWith('i-') && {
          InstanceId: targetId,
          InstanceOwnerId: scope.settings.accountId,
        }),
      };
    case 'blackhole':
      return {};
  }
}

const routeShape = (scope: Scope, table: RouteTable, route: Route): ec2.Route => ({
  DestinationCidrBlock: route.destination,
  ...targetNames(scope, route),
  Origin: route.origin,
  State: routeState(scope, table, route),
});

function associationsOf({ id, spec }: RouteTable): ec2.RouteTableAssociation[] {
  const AssociationState = { State: 'associated' } as const;
  const main = spec.mainAssociationId && {
    Main: true,
    RouteTableAssociationId: spec.mainAssociationId,
    RouteTableId: id,
    AssociationState,
  };
  const explicit = spec.associations.map(({ associationId, subnetId }) => ({
    Main: false,
    RouteTableAssociationId: associationId,
    RouteTableId: id,
    SubnetId: subnetId,
    AssociationState,
  }));
  return main ? [main, ...explicit] : explicit;
}

const tableShape = (scope: Scope, table: RouteTable): ec2.RouteTable => ({
  RouteTableId: table.id,
  VpcId: table.spec.vpcId,
  OwnerId: scope.settings.accountId,
  Routes: table.spec.routes.map((route) => routeShape(scope, table, route)),
  Associations: associationsOf(table),
  PropagatingVgws: [],
  Tags: tagList(table.tags),
});

function createRouteTable(
  input: ec2.CreateRouteTableRequest,
  context: RequestContext,
): ec2.CreateRouteTableResult {
  const vpc = vpcOrDefault(context, errors.required(input.VpcId, 'vpcId'));
  const request = {
    call: 'CreateRouteTable',
    token: input.ClientToken,
    input,
    mismatch: errors.idempotentParameterMismatch,
  };
  const [id = ''] = onceByToken(context, request, () => {
    const table = context.tx.create(routeTables, {
      region: context.region,
      id: newId(context, 'rtb'),
      owner: vpc,
      spec: {
        vpcId: vpc.id,
        main: false,
        associations: [],
        routes: vpc.spec.cidrs.map(localRoute),
      },
      status: null,
      tags: specifiedTags(input.TagSpecifications, 'route-table'),
    });
    return [table.id];
  });
  return { RouteTable: tableShape(context, routeTableOf(context, id)), ClientToken: input.ClientToken };
}

function deleteRouteTable(input: ec2.DeleteRouteTableRequest, context: RequestContext): void {
  const table = routeTableOf(context, errors.required(input.RouteTableId, 'routeTableId'));
  if (table.spec.main || table.spec.associations.length > 0) {
    throw errors.hasDependencies('routeTable', table.id);
  }
  context.tx.remove(table);
}

/** The table that has this association, main or explicit. Throws `InvalidAssociationID.NotFound`. */
function tableOfAssociation(scope: Scope, associationId: string): RouteTable {
  const found = scope.tx
    .list(routeTables, scope.region)
    .find(
      ({ spec }) =>
        spec.mainAssociationId === associationId ||
        spec.associations.some((association) => association.associationId === associationId),
    );
  if (!found) throw errors.associationNotFound(associationId);
  return found;
}

/** Takes an explicit association out of its table; gives its subnet. */
function dissociate(scope: Scope, table: RouteTable, associationId: string): string {
  const association = table.spec.associations.find((one) => one.associationId === associationId);
  if (!association) throw errors.associationNotFound(associationId);
  const associations = table.spec.associations.filter((one) => one !== association);
  scope.tx.update(table, { spec: { ...table.spec, associations } });
  return association.subnetId;
}

function associate(scope: Scope, tableId: string, subnetId: string): string {
  const table = routeTableOf(scope, tableId);
  const associationId = newId(scope, 'rtbassoc');
  const associations = [...table.spec.associations, { associationId, subnetId }];
  scope.tx.update(table, { spec: { ...table.spec, associations } });
  return associationId;
}

function associateRouteTable(
  input: ec2.AssociateRouteTableRequest,
  context: RequestContext,
): ec2.AssociateRouteTableResult {
  refuseParameters('AssociateRouteTable', input, ['GatewayId', 'PublicIpv4Pool']);
  const table = routeTableOf(context, errors.required(input.RouteTableId, 'routeTableId'));
  const subnet = subnetOf(context, errors.required(input.SubnetId, 'subnetId'));
  if (subnet.spec.vpcId !== table.spec.vpcId) {
    throw errors.invalidParameterValue(
      `Route table ${table.id} and subnet ${subnet.id} belong to different networks`,
    );
  }
  const AssociationState = { State: 'associated' } as const;
  for (const other of context.tx.list(routeTables, context.region)) {
    const there = other.spec.associations.find(({ subnetId }) => subnetId === subnet.id);
    if (!there) continue;
    if (other.id === table.id) return { AssociationId: there.associationId, AssociationState };
    throw new AwsError(
      'Resource.AlreadyAssociated',
      `the specified association for route table ${table.id} conflicts with an existing association`,
    );
  }
  return { AssociationId: associate(context, table.id, subnet.id), AssociationState };
}

function disassociateRouteTable(input: ec2.DisassociateRouteTableRequest, context: RequestContext): void {
  const id = errors.required(input.AssociationId, 'associationId');
  const table = tableOfAssociation(context, id);
  if (table.spec.mainAssociationId === id) {
    throw errors.invalidParameterValue(`cannot disassociate the main route table association ${id}`);
  }
  dissociate(context, table, id);
}

/** With the main association's id, the named table becomes the VPC's main one. */
function replaceRouteTableAssociation(
  input: ec2.ReplaceRouteTableAssociationRequest,
  context: RequestContext,
): ec2.ReplaceRouteTableAssociationResult {
  const associationId = errors.required(input.AssociationId, 'associationId');
  const next = routeTableOf(context, errors.required(input.RouteTableId, 'routeTableId'));
  const previous = tableOfAssociation(context, associationId);
  if (next.spec.vpcId !== previous.spec.vpcId) {
    throw errors.invalidParameterValue(
      `Route table ${next.id} and route table ${previous.id} belong to different networks`,
    );
  }
  const AssociationState = { State: 'associated' } as const;
  if (previous.spec.mainAssociationId !== associationId) {
    const subnetId = dissociate(context, previous, associationId);
    return { NewAssociationId: associate(context, next.id, subnetId), AssociationState };
  }
  const { mainAssociationId: _, ...spec } = previous.spec;
  const mainAssociationId = newId(context, 'rtbassoc');
  context.tx.update(previous, { spec: { ...spec, main: false } });
  const current = routeTableOf(context, next.id);
  context.tx.update(current, { spec: { ...current.spec, main: true, mainAssociationId } });
  return { NewAssociationId: mainAssociationId, AssociationState };
}

function tableFields(scope: Scope): FilterFields<RouteTable> {
  const ofRoutes = (value: (route: ec2.Route) => string | undefined) => (table: RouteTable) =>
    table.spec.routes
      .map((route) => value(routeShape(scope, table, route)))
      .filter((found) => found !== undefined);
  const ofAssociations =
    (value: (association: ec2.RouteTableAssociation) => string | undefined) => (table: RouteTable) =>
      associationsOf(table)
        .map(value)
        .filter((found) => found !== undefined);
  return {
    'association.gateway-id': () => undefined,
    'association.route-table-association-id': ofAssociations((one) => one.RouteTableAssociationId),
    'association.route-table-id': ofAssociations((one) => one.RouteTableId),
    'association.subnet-id': ofAssociations((one) => one.SubnetId),
    'association.main': ofAssociations((one) => truth(one.Main === true)),
    'owner-id': () => scope.settings.accountId,
    'route-table-id': ({ id }) => id,
    'route.destination-cidr-block': ofRoutes((route) => route.DestinationCidrBlock),
    'route.destination-ipv6-cidr-block': () => undefined,
    'route.destination-prefix-list-id': () => undefined,
    'route.egress-only-internet-gateway-id': () => undefined,
    'route.gateway-id': ofRoutes((route) => route.GatewayId),
    'route.instance-id': ofRoutes((route) => route.InstanceId),
    'route.nat-gateway-id': ofRoutes((route) => route.NatGatewayId),
    'route.transit-gateway-id': () => undefined,
    'route.origin': ofRoutes((route) => route.Origin),
    'route.state': ofRoutes((route) => route.State),
    'route.vpc-peering-connection-id': () => undefined,
    'vpc-id': ({ spec }) => spec.vpcId,
  };
}

function describeRouteTables(
  input: ec2.DescribeRouteTablesRequest,
  context: RequestContext,
): ec2.DescribeRouteTablesResult {
  const { items, NextToken } = select(context, input, {
    call: 'DescribeRouteTables',
    items: context.tx.list(routeTables, context.region),
    ids: input.RouteTableIds,
    notFound: errors.routeTableNotFound,
    fields: tableFields(context),
  });
  return { RouteTables: items.map((table) => tableShape(context, table)), NextToken };
}

export const routeTableOperations: Readonly<Record<string, Operation>> = {
  CreateRouteTable: createRouteTable,
  DeleteRouteTable: deleteRouteTable,
  DescribeRouteTables: describeRouteTables,
  AssociateRouteTable: associateRouteTable,
  DisassociateRouteTable: disassociateRouteTable,
  ReplaceRouteTableAssociation: replaceRouteTableAssociation,
};
