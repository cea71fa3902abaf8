/**
 * Elastic IPs as users see and change them. The interface that has one says so: an association ends with its interface,
 * and whoever looks at an interface (its VPC's loop, its instance's) is woken by it.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/elastic-ip-addresses-eip.html
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, refuseParameters, unsupported } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import { newId } from '../../common/names.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import { instanceIdMalformed, instanceNotFound } from '../compute-errors.ts';
import * as errors from '../errors.ts';
import { stateOf } from '../instance/state.ts';
import {
  type ElasticAddress,
  type ElasticIp,
  elasticIps,
  instances,
  internetGateways,
  type NetworkInterface,
  networkInterfaces,
} from '../records.ts';
import { select } from '../selection.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { assignPublicAddress, interfacesOfEndpoint, unassignPublicAddress } from './interface.ts';
import { allocatePublicAddress, releasePublicAddress } from './public-address.ts';
import { privateAddresses } from './public-mapping.ts';

/** An Elastic IP where it is used. */
export interface Association extends ElasticAddress {
  readonly at: NetworkInterface;
}

/** Where each Elastic IP is used, by allocation id. One walk over all interfaces. */
export const associationsOf = (scope: Pick<Scope, 'tx' | 'region'>): Map<string, Association> =>
  new Map(
    scope.tx
      .list(networkInterfaces, scope.region)
      .flatMap((at) => (at.spec.elasticAddresses ?? []).map((one) => [one.allocationId, { ...one, at }])),
  );

/** The Elastic IP that a call names by its allocation id or by itself. */
function addressOf(
  scope: Scope,
  input: { readonly AllocationId?: string | undefined; readonly PublicIp?: string | undefined },
): ElasticIp {
  const { AllocationId: id, PublicIp: address } = input;
  if (id !== undefined && address !== undefined) {
    throw errors.invalidParameterCombination('You may specify public IP or allocation id, but not both.');
  }
  if (id !== undefined) return elasticIpOf(scope, id);
  const found = scope.tx
    .list(elasticIps, scope.region)
    .find(({ spec }) => spec.publicAddress === errors.required(address, 'AllocationId'));
  if (!found) throw errors.publicAddressNotFound(address ?? '');
  return found;
}

/** The Elastic IP of that allocation id. Throws `InvalidAllocationID.NotFound`. */
export function elasticIpOf(scope: Scope, id: string): ElasticIp {
  const found = scope.tx.get(elasticIps, scope.region, id);
  if (!found) throw errors.allocationNotFound(id);
  return found;
}

/** There is one border group in a region: the region itself. */
function checkBorderGroup(scope: Scope, group: string | undefined): void {
  if (group !== undefined && group !== scope.region) throw unsupported(`the network border group ${group}`);
}

function allocateAddress(
  input: ec2.AllocateAddressRequest,
  context: RequestContext,
): ec2.AllocateAddressResult {
  refuseParameters('AllocateAddress', input, ['Address', 'CustomerOwnedIpv4Pool', 'IpamPoolId']);
  if (input.Domain === 'standard') throw unsupported('addresses of EC2-Classic (the domain standard)');
  if (input.PublicIpv4Pool !== undefined && input.PublicIpv4Pool !== 'amazon') {
    throw unsupported(`the address pool ${input.PublicIpv4Pool}`);
  }
  checkBorderGroup(context, input.NetworkBorderGroup);
  const made = context.tx.create(elasticIps, {
    region: context.region,
    id: newId(context, 'eipalloc'),
    spec: { publicAddress: allocatePublicAddress(context) },
    status: null,
    tags: specifiedTags(input.TagSpecifications, 'elastic-ip'),
  });
  return {
    PublicIp: made.spec.publicAddress,
    AllocationId: made.id,
    PublicIpv4Pool: 'amazon',
    NetworkBorderGroup: context.region,
    Domain: 'vpc',
  };
}

function releaseAddress(input: ec2.ReleaseAddressRequest, context: RequestContext): void {
  checkBorderGroup(context, input.NetworkBorderGroup);
  const found = addressOf(context, input);
  if (associationsOf(context).has(found.id)) throw errors.addressInUse(found.spec.publicAddress);
  releasePublicAddress(context, found.spec.publicAddress);
  context.tx.remove(found);
}

const invalidInstance = (message: string): AwsError => new AwsError('InvalidInstanceID', message);

/** The one interface of a running or stopped instance. */
function interfaceOfInstance(scope: Scope, id: string): NetworkInterface {
  if (!id.startsWith('i-')) throw instanceIdMalformed(id);
  const instance = scope.tx.get(instances, scope.region, id);
  if (!instance) throw instanceNotFound([id]);
  const [first, ...others] = interfacesOfEndpoint(scope.tx, scope.region, id);
  const state = stateOf(instance);
  if (!first || state === 'pending' || state === 'shutting-down' || state === 'terminated') {
    throw invalidInstance(`The ${state} instance '${id}' is not in a valid state for this operation.`);
  }
  if (others.length > 0) {
    throw invalidInstance(
      `There are multiple interfaces attached to instance '${id}'. Please specify an interface ID for the operation instead.`,
    );
  }
  return first;
}

function targetOf(scope: Scope, input: ec2.AssociateAddressRequest): NetworkInterface {
  const { InstanceId: instanceId, NetworkInterfaceId: interfaceId } = input;
  if (instanceId !== undefined && interfaceId !== undefined) {
    throw errors.invalidParameterCombination('You may specify an instance ID or an interface ID, not both.');
  }
  if (interfaceId === undefined) {
    return interfaceOfInstance(scope, errors.required(instanceId, 'InstanceId or NetworkInterfaceId'));
  }
  const found = scope.tx.get(networkInterfaces, scope.region, interfaceId);
  if (!found) throw errors.networkInterfaceNotFound(interfaceId);
  if (found.spec.requesterManaged) throw errors.authFailure();
  return found;
}

function checkHasGateway(scope: Scope, vpcId: string): void {
  if (scope.tx.list(internetGateways, scope.region).some(({ spec }) => spec.vpcId === vpcId)) return;
  throw new AwsError('Gateway.NotAttached', `Network ${vpcId} is not attached to any internet gateway`);
}

/** Joins the two; whatever the private address had before gives way. Gives the association. */
export function associate(
  scope: Scope,
  { id: allocationId, spec: { publicAddress } }: ElasticIp,
  interfaceId: string,
  privateAddress: string,
): ElasticAddress {
  const found = scope.tx.get(networkInterfaces, scope.region, interfaceId);
  if (!found) throw errors.networkInterfaceNotFound(interfaceId);
  if (privateAddress === found.spec.privateAddress) unassignPublicAddress(scope, interfaceId);
  const current = scope.tx.get(networkInterfaces, scope.region, interfaceId) ?? found;
  const others = (current.spec.elasticAddresses ?? []).filter((one) => one.privateAddress !== privateAddress);
  const made = { privateAddress, publicAddress, allocationId, associationId: newId(scope, 'eipassoc') };
  scope.tx.update(current, { spec: { ...current.spec, elasticAddresses: [...others, made] } });
  return made;
}

/** Parts an Elastic IP from its interface. */
function part(scope: Scope, { associationId, at }: Association): void {
  const current = scope.tx.get(networkInterfaces, scope.region, at.id);
  if (!current) return;
  const elasticAddresses = (current.spec.elasticAddresses ?? []).filter(
    (one) => one.associationId !== associationId,
  );
  scope.tx.update(current, { spec: { ...current.spec, elasticAddresses } });
}

/**
 * "When you disassociate the Elastic IP address from your instance, it receives a new public IP address."
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-instance-addressing.html
 */
function giveBackPublicAddress(scope: Scope, { at, privateAddress }: Association): void {
  if (privateAddress !== at.spec.privateAddress) return;
  const instance = scope.tx.get(instances, scope.region, at.spec.attachment?.instanceId ?? '');
  const state = instance && stateOf(instance);
  if (state === 'running' || state === 'pending') assignPublicAddress(scope, at.id);
}

/** Reassociation is allowed unless it is said not to be, as in every VPC. */
function associateAddress(
  input: ec2.AssociateAddressRequest,
  context: RequestContext,
): ec2.AssociateAddressResult {
  const address = addressOf(context, input);
  const target = targetOf(context, input);
  const wanted = input.PrivateIpAddress ?? target.spec.privateAddress;
  if (!privateAddresses(target.spec).includes(wanted)) {
    throw errors.invalidParameterValue(
      `Value (${wanted}) for parameter privateIpAddress is invalid. It is not an address of the interface '${target.id}'.`,
    );
  }
  checkHasGateway(context, target.spec.vpcId);
  const earlier = associationsOf(context).get(address.id);
  if (earlier?.at.spec.requesterManaged) throw errors.authFailure();
  // The call is idempotent: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateAddress.html
  if (earlier?.at.id === target.id && earlier.privateAddress === wanted) {
    return { AssociationId: earlier.associationId };
  }
  if (input.AllowReassociation === false) {
    if (earlier) {
      throw errors.alreadyAssociated(
        `resource ${address.id} is already associated with associate-id ${earlier.associationId}`,
      );
    }
    const there = target.spec.elasticAddresses?.find((one) => one.privateAddress === wanted);
    if (there) {
      throw errors.alreadyAssociated(
        `resource ${target.id} and ${wanted} is already associated with public address ${there.publicAddress}`,
      );
    }
  }
  if (earlier) part(context, earlier);
  const { associationId } = associate(context, address, target.id, wanted);
  if (earlier && earlier.at.id !== target.id) giveBackPublicAddress(context, earlier);
  return { AssociationId: associationId };
}

function associationOf(scope: Scope, input: ec2.DisassociateAddressRequest): Association {
  const all = associationsOf(scope);
  if (input.AssociationId === undefined) {
    const address = addressOf(scope, { PublicIp: errors.required(input.PublicIp, 'AssociationId') });
    const found = all.get(address.id);
    if (found) return found;
    throw errors.associationNotFound(address.spec.publicAddress);
  }
  if (input.PublicIp !== undefined) {
    throw errors.invalidParameterCombination('You may specify public IP or association id, but not both.');
  }
  const found = [...all.values()].find(({ associationId }) => associationId === input.AssociationId);
  if (!found) throw errors.associationNotFound(input.AssociationId);
  return found;
}

function disassociateAddress(input: ec2.DisassociateAddressRequest, context: RequestContext): void {
  const found = associationOf(context, input);
  if (found.at.spec.requesterManaged) throw errors.authFailure();
  part(context, found);
  giveBackPublicAddress(context, found);
}

const addressShape = (
  scope: Scope,
  { id, spec, tags }: ElasticIp,
  found: Association | undefined,
): ec2.Address => ({
  PublicIp: spec.publicAddress,
  AllocationId: id,
  Domain: 'vpc',
  PublicIpv4Pool: 'amazon',
  NetworkBorderGroup: scope.region,
  ...(found && {
    AssociationId: found.associationId,
    NetworkInterfaceId: found.at.id,
    NetworkInterfaceOwnerId: scope.settings.accountId,
    PrivateIpAddress: found.privateAddress,
    InstanceId: found.at.spec.attachment?.instanceId,
  }),
  Tags: tagList(tags),
});

function addressFields(shape: (address: ElasticIp) => ec2.Address): FilterFields<ElasticIp> {
  const of = (value: (shown: ec2.Address) => string | undefined) => (address: ElasticIp) =>
    value(shape(address));
  return {
    'allocation-id': ({ id }) => id,
    'association-id': of((shown) => shown.AssociationId),
    domain: () => 'vpc',
    'instance-id': of((shown) => shown.InstanceId),
    'instance-owner-id': of((shown) => shown.InstanceId && shown.NetworkInterfaceOwnerId),
    'network-border-group': of((shown) => shown.NetworkBorderGroup),
    'network-interface-id': of((shown) => shown.NetworkInterfaceId),
    'network-interface-owner-id': of((shown) => shown.NetworkInterfaceOwnerId),
    'private-ip-address': of((shown) => shown.PrivateIpAddress),
    'public-ip': ({ spec }) => spec.publicAddress,
  };
}

function describeAddresses(
  input: ec2.DescribeAddressesRequest,
  context: RequestContext,
): ec2.DescribeAddressesResult {
  const all = context.tx.list(elasticIps, context.region);
  const used = associationsOf(context);
  const shape = (address: ElasticIp): ec2.Address => addressShape(context, address, used.get(address.id));
  const byAddress = (input.PublicIps ?? []).map((address) => {
    const found = all.find(({ spec }) => spec.publicAddress === address);
    if (!found) throw errors.publicAddressNotFound(address);
    return found.id;
  });
  const { items } = select(context, input, {
    call: 'DescribeAddresses',
    items: all,
    ids: [...(input.AllocationIds ?? []), ...byAddress],
    notFound: errors.allocationNotFound,
    fields: addressFields(shape),
  });
  return { Addresses: items.map(shape) };
}

/** No address has a reverse name of its own. */
function describeAddressesAttribute(
  input: ec2.DescribeAddressesAttributeRequest,
  context: RequestContext,
): ec2.DescribeAddressesAttributeResult {
  if (input.Attribute !== undefined && input.Attribute !== 'domain-name') {
    throw errors.invalidParameterValue(
      `Value (${input.Attribute}) for parameter attribute is invalid. Unknown attribute.`,
    );
  }
  const { items, NextToken } = select(context, input, {
    call: 'DescribeAddressesAttribute',
    items: context.tx.list(elasticIps, context.region),
    ids: input.AllocationIds,
    notFound: errors.allocationNotFound,
    fields: {},
    fewest: 1,
  });
  return {
    Addresses: items.map(({ id, spec }) => ({ AllocationId: id, PublicIp: spec.publicAddress })),
    NextToken,
  };
}

export const elasticIpOperations: Readonly<Record<string, Operation>> = {
  AllocateAddress: allocateAddress,
  ReleaseAddress: releaseAddress,
  AssociateAddress: associateAddress,
  DisassociateAddress: disassociateAddress,
  DescribeAddresses: describeAddresses,
  DescribeAddressesAttribute: describeAddressesAttribute,
};
