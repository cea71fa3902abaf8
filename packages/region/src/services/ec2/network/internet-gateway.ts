/** Internet gateways: a VPC's way to the outside. At most one for each VPC. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError } from '../../common/errors.ts';
import { newId } from '../../common/names.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { type InternetGateway, internetGateways, networkInterfaces } from '../records.ts';
import { select } from '../selection.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { vpcOrDefault } from './default-vpc.ts';
import { publicMappings } from './public-mapping.ts';

/** The gateway of that id. Throws `InvalidInternetGatewayID.NotFound`. */
export function internetGatewayOf(scope: Scope, id: string): InternetGateway {
  const gateway = scope.tx.get(internetGateways, scope.region, id);
  if (!gateway) throw errors.internetGatewayNotFound(id);
  return gateway;
}

/** An attachment to a VPC is `available`; the states of other attachments do not occur here. */
const gatewayShape = (scope: Scope, { id, spec, tags }: InternetGateway): ec2.InternetGateway => ({
  InternetGatewayId: id,
  Attachments:
    spec.vpcId === undefined ? [] : [{ VpcId: spec.vpcId, State: 'available' as ec2.AttachmentStatus }],
  OwnerId: scope.settings.accountId,
  Tags: tagList(tags),
});

function createInternetGateway(
  input: ec2.CreateInternetGatewayRequest,
  context: RequestContext,
): ec2.CreateInternetGatewayResult {
  const gateway = context.tx.create(internetGateways, {
    region: context.region,
    id: newId(context, 'igw'),
    spec: {},
    status: null,
    tags: specifiedTags(input.TagSpecifications, 'internet-gateway'),
  });
  return { InternetGateway: gatewayShape(context, gateway) };
}

function deleteInternetGateway(input: ec2.DeleteInternetGatewayRequest, context: RequestContext): void {
  const gateway = internetGatewayOf(context, errors.required(input.InternetGatewayId, 'internetGatewayId'));
  if (gateway.spec.vpcId !== undefined) throw errors.hasDependencies('internetGateway', gateway.id);
  context.tx.remove(gateway);
}

function attachInternetGateway(input: ec2.AttachInternetGatewayRequest, context: RequestContext): void {
  const gateway = internetGatewayOf(context, errors.required(input.InternetGatewayId, 'internetGatewayId'));
  const vpc = vpcOrDefault(context, errors.required(input.VpcId, 'vpcId'));
  if (gateway.spec.vpcId !== undefined) {
    throw new AwsError(
      'Resource.AlreadyAssociated',
      `resource ${gateway.id} is already attached to network ${gateway.spec.vpcId}`,
    );
  }
  const others = context.tx.list(internetGateways, context.region);
  if (others.some(({ spec }) => spec.vpcId === vpc.id)) {
    throw errors.invalidParameterValue(`Network ${vpc.id} already has an internet gateway attached`);
  }
  context.tx.update(gateway, { spec: { vpcId: vpc.id } });
}

/** Refused while something in the VPC has a public address: it would lose its way out unseen. */
function detachInternetGateway(input: ec2.DetachInternetGatewayRequest, context: RequestContext): void {
  const gateway = internetGatewayOf(context, errors.required(input.InternetGatewayId, 'internetGatewayId'));
  const vpc = vpcOrDefault(context, errors.required(input.VpcId, 'vpcId'));
  if (gateway.spec.vpcId !== vpc.id) {
    throw new AwsError('Gateway.NotAttached', `resource ${gateway.id} is not attached to network ${vpc.id}`);
  }
  const interfaces = context.tx.list(networkInterfaces, context.region);
  if (interfaces.some(({ spec }) => spec.vpcId === vpc.id && publicMappings(spec).length > 0)) {
    throw errors.dependencyViolation(
      `Network ${vpc.id} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.`,
    );
  }
  context.tx.update(gateway, { spec: {} });
}

function describeInternetGateways(
  input: ec2.DescribeInternetGatewaysRequest,
  context: RequestContext,
): ec2.DescribeInternetGatewaysResult {
  const { items, NextToken } = select(context, input, {
    call: 'DescribeInternetGateways',
    items: context.tx.list(internetGateways, context.region),
    ids: input.InternetGatewayIds,
    notFound: errors.internetGatewayNotFound,
    fields: {
      'attachment.state': ({ spec }) => (spec.vpcId === undefined ? undefined : 'available'),
      'attachment.vpc-id': ({ spec }) => spec.vpcId,
      'internet-gateway-id': ({ id }) => id,
      'owner-id': () => context.settings.accountId,
    },
  });
  return { InternetGateways: items.map((gateway) => gatewayShape(context, gateway)), NextToken };
}

export const internetGatewayOperations: Readonly<Record<string, Operation>> = {
  CreateInternetGateway: createInternetGateway,
  DeleteInternetGateway: deleteInternetGateway,
  AttachInternetGateway: attachInternetGateway,
  DetachInternetGateway: detachInternetGateway,
  DescribeInternetGateways: describeInternetGateways,
};
