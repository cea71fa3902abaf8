/**
 * NAT gateways as users see and change them. A call takes all that a gateway needs at once (an interface, its private
 * address, its Elastic IP), or records why it could not; the loop `ec2.nat-gateway` does the rest.
 * https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, refuseParameters, unsupported } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import { onceByToken } from '../../common/idempotency.ts';
import { newId } from '../../common/names.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import {
  elasticIps,
  internetGateways,
  type NatGateway,
  type NatGatewaySpec,
  natGateways,
  type Subnet,
} from '../records.ts';
import { select } from '../selection.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { associate, associationsOf } from './elastic-ip.ts';
import { createInterface, subnetOf } from './interface.ts';
import { stateOf } from './nat-gateway-state.ts';

/** The gateway of that id, also one that failed or was deleted lately. Throws `NatGatewayNotFound`. */
function natGatewayOf(scope: Scope, id: string): NatGateway {
  const found = scope.tx.get(natGateways, scope.region, id);
  if (!found) throw errors.natGatewayNotFound(id);
  return found;
}

type Failure = NonNullable<NatGatewaySpec['failure']>;
type Parts = Pick<
  NatGatewaySpec,
  'interfaceId' | 'privateAddress' | 'allocationId' | 'associationId' | 'publicAddress' | 'failure'
>;

interface Wanted {
  readonly id: string;
  readonly subnet: Subnet;
  /** Absent: a private gateway. */
  readonly allocationId?: string | undefined;
  readonly privateAddress?: string | undefined;
}

/**
 * What AWS finds out only after the call: the gateway comes into being and fails.
 * https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
 */
function publicFailure(scope: Scope, { subnet, allocationId }: Wanted): Failure | undefined {
  if (allocationId === undefined) return undefined;
  const { vpcId } = subnet.spec;
  if (!scope.tx.list(internetGateways, scope.region).some(({ spec }) => spec.vpcId === vpcId)) {
    return { code: 'Gateway.NotAttached', message: `Network ${vpcId} has no Internet gateway attached` };
  }
  if (associationsOf(scope).has(allocationId)) {
    return {
      code: 'Resource.AlreadyAssociated',
      message: `Elastic IP address [${allocationId}] is already associated`,
    };
  }
  return undefined;
}

function takeParts(scope: Scope, wanted: Wanted): Parts {
  const failure = publicFailure(scope, wanted);
  if (failure) return { failure };
  const { id, subnet, allocationId } = wanted;
  try {
    const made = createInterface(scope, {
      owner: { kind: natGateways.kind, region: scope.region, id },
      subnet,
      securityGroupIds: [],
      privateAddress: wanted.privateAddress,
      withPublicAddress: false,
      description: `Interface for NAT Gateway ${id}`,
      interfaceType: 'nat_gateway',
      requesterManaged: true,
      attachment: { endpointId: id, deviceIndex: 1, deleteOnTermination: true },
    });
    const { privateAddress } = made.spec;
    const address = scope.tx.get(elasticIps, scope.region, allocationId ?? '');
    if (!address) return { interfaceId: made.id, privateAddress };
    const { publicAddress, associationId } = associate(scope, address, made.id, privateAddress);
    return { interfaceId: made.id, privateAddress, publicAddress, associationId };
  } catch (error) {
    if (!(error instanceof AwsError) || error.code !== 'InsufficientFreeAddressesInSubnet') throw error;
    return {
      failure: {
        code: error.code,
        message: 'Subnet has insufficient free addresses to create this NAT gateway',
      },
    };
  }
}

function checkRequest(scope: Scope, input: ec2.CreateNatGatewayRequest): NatGatewaySpec['connectivityType'] {
  refuseParameters('CreateNatGateway', input, [
    'AvailabilityZoneAddresses',
    'SecondaryAllocationIds',
    'SecondaryPrivateIpAddressCount',
    'SecondaryPrivateIpAddresses',
  ]);
  if (input.AvailabilityMode !== undefined && input.AvailabilityMode !== 'zonal') {
    throw unsupported(`the availability mode ${input.AvailabilityMode} of NAT gateways`);
  }
  const connectivity = input.ConnectivityType ?? 'public';
  if (connectivity === 'private') {
    if (input.AllocationId !== undefined) {
      throw errors.invalidParameterCombination(
        'A private NAT gateway has no Elastic IP address: AllocationId cannot be specified.',
      );
    }
    return connectivity;
  }
  const id = errors.required(input.AllocationId, 'AllocationId');
  if (!scope.tx.get(elasticIps, scope.region, id)) {
    throw new AwsError('InvalidElasticIpID.NotFound', `The elasticIp ID '${id}' does not exist`);
  }
  return connectivity;
}

function createNatGateway(
  input: ec2.CreateNatGatewayRequest,
  context: RequestContext,
): ec2.CreateNatGatewayResult {
  const request = {
    call: 'CreateNatGateway',
    token: input.ClientToken,
    input,
    mismatch: errors.idempotentParameterMismatch,
  };
  const [id = ''] = onceByToken(context, request, () => {
    const connectivityType = checkRequest(context, input);
    const subnet = subnetOf(context, errors.required(input.SubnetId, 'SubnetId'));
    const allocationId = input.AllocationId;
    const made = newId(context, 'nat');
    const parts = takeParts(context, {
      id: made,
      subnet,
      allocationId,
      privateAddress: input.PrivateIpAddress,
    });
    context.tx.create(natGateways, {
      region: context.region,
      id: made,
      spec: {
        vpcId: subnet.spec.vpcId,
        subnetId: subnet.id,
        connectivityType,
        ...(allocationId !== undefined && { allocationId }),
        ...parts,
        wanted: 'available',
      },
      status: { state: 'pending' },
      tags: specifiedTags(input.TagSpecifications, 'natgateway'),
    });
    return [made];
  });
  return { ClientToken: input.ClientToken, NatGateway: natGatewayShape(natGatewayOf(context, id)) };
}

/** Deleting one that is on its way already, or failed, changes nothing. */
function deleteNatGateway(
  input: ec2.DeleteNatGatewayRequest,
  context: RequestContext,
): ec2.DeleteNatGatewayResult {
  const found = natGatewayOf(context, errors.required(input.NatGatewayId, 'NatGatewayId'));
  context.tx.update(found, { spec: { ...found.spec, wanted: 'deleted' } });
  return { NatGatewayId: found.id };
}

function addressShape({ spec }: NatGateway): ec2.NatGatewayAddress {
  const { interfaceId, privateAddress, publicAddress, allocationId, associationId, failure } = spec;
  return {
    NetworkInterfaceId: interfaceId,
    PrivateIp: privateAddress,
    PublicIp: publicAddress,
    AllocationId: allocationId,
    AssociationId: associationId,
    IsPrimary: true,
    Status: failure ? 'failed' : 'succeeded',
    ...(failure && { FailureMessage: failure.message }),
  };
}

function natGatewayShape(gateway: NatGateway): ec2.NatGateway {
  const { spec, status } = gateway;
  return {
    NatGatewayId: gateway.id,
    VpcId: spec.vpcId,
    SubnetId: spec.subnetId,
    ConnectivityType: spec.connectivityType,
    AvailabilityMode: 'zonal',
    State: stateOf(gateway),
    CreateTime: new Date(gateway.createdAt),
    ...(status.endedAt !== undefined && { DeleteTime: new Date(status.endedAt) }),
    ...(spec.failure && { FailureCode: spec.failure.code, FailureMessage: spec.failure.message }),
    NatGatewayAddresses: [addressShape(gateway)],
    Tags: tagList(gateway.tags),
  };
}

const fields: FilterFields<NatGateway> = {
  'nat-gateway-id': ({ id }) => id,
  state: stateOf,
  'subnet-id': ({ spec }) => spec.subnetId,
  'vpc-id': ({ spec }) => spec.vpcId,
};

function describeNatGateways(
  input: ec2.DescribeNatGatewaysRequest,
  context: RequestContext,
): ec2.DescribeNatGatewaysResult {
  const asked = { Filters: input.Filter, MaxResults: input.MaxResults, NextToken: input.NextToken };
  const { items, NextToken } = select(context, asked, {
    call: 'DescribeNatGateways',
    items: context.tx.list(natGateways, context.region),
    ids: input.NatGatewayIds,
    notFound: errors.natGatewayNotFound,
    fields,
  });
  return { NatGateways: items.map(natGatewayShape), NextToken };
}

export const natGatewayOperations: Readonly<Record<string, Operation>> = {
  CreateNatGateway: createNatGateway,
  DeleteNatGateway: deleteNatGateway,
  DescribeNatGateways: describeNatGateways,
};
