/** Network interfaces as users see and change them. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, refuseParameters } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import { zoneNamed } from '../../common/geography.ts';
import { onceByToken } from '../../common/idempotency.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { type NetworkInterface, networkInterfaces, securityGroups, subnets, vpcs } from '../records.ts';
import { select, truth } from '../selection.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { privateDnsName, publicDnsName } from './dns-name.ts';
import { createInterface, deleteInterface, subnetOf } from './interface.ts';
import { privateAddresses, publicMapping } from './public-mapping.ts';
import { resolveSecurityGroups } from './security-group-lookup.ts';

/** The interface of that id. Throws `InvalidNetworkInterfaceID.NotFound`. */
export function interfaceOf(scope: Scope, id: string): NetworkInterface {
  const found = scope.tx.get(networkInterfaces, scope.region, id);
  if (!found) throw errors.networkInterfaceNotFound(id);
  return found;
}

/** The interface, if it is the user's to change: what a service keeps is not. */
export function changeableInterface(scope: Scope, id: string): NetworkInterface {
  const found = interfaceOf(scope, id);
  if (found.spec.requesterManaged) {
    throw errors.operationNotPermitted(
      `The network interface '${id}' is managed by a service and cannot be changed.`,
    );
  }
  return found;
}

const zoneOf = (scope: Scope, { spec }: NetworkInterface): string | undefined =>
  scope.tx.get(subnets, scope.region, spec.subnetId)?.spec.zone;

const hasDnsNames = (scope: Scope, { spec }: NetworkInterface): boolean =>
  scope.tx.get(vpcs, scope.region, spec.vpcId)?.spec.enableDnsHostnames === true;

/** An auto-assigned address belongs to AWS, an Elastic IP to the account. */
function associationOf(
  scope: Scope,
  found: NetworkInterface,
  privateAddress = found.spec.privateAddress,
): ec2.NetworkInterfaceAssociation | undefined {
  const mapping = publicMapping(found.spec, privateAddress);
  if (!mapping) return undefined;
  const { publicAddress, elastic } = mapping;
  return {
    PublicIp: publicAddress,
    PublicDnsName: hasDnsNames(scope, found) ? publicDnsName(scope.region, publicAddress) : '',
    IpOwnerId: elastic ? scope.settings.accountId : 'amazon',
    ...(elastic && { AllocationId: elastic.allocationId, AssociationId: elastic.associationId }),
  };
}

/** Of all addresses of an interface. */
const allAssociationsOf = (scope: Scope, found: NetworkInterface): ec2.NetworkInterfaceAssociation[] =>
  privateAddresses(found.spec)
    .map((address) => associationOf(scope, found, address))
    .filter((one) => one !== undefined);

/** The services that keep interfaces, as AWS names them. */
const REQUESTERS = {
  interface: undefined,
  load_balancer: 'amazon-elb',
  nat_gateway: 'amazon-vpc',
} as const;

function attachmentOf(scope: Scope, { spec }: NetworkInterface): ec2.NetworkInterfaceAttachment | undefined {
  const { attachment } = spec;
  if (!attachment) return undefined;
  const instance = attachment.instanceId;
  return {
    AttachmentId: attachment.attachmentId,
    AttachTime: new Date(attachment.attachTime),
    DeleteOnTermination: attachment.deleteOnTermination,
    DeviceIndex: attachment.deviceIndex,
    NetworkCardIndex: 0,
    Status: 'attached',
    ...(instance !== undefined && { InstanceId: instance }),
    InstanceOwnerId: instance === undefined ? REQUESTERS[spec.interfaceType] : scope.settings.accountId,
  };
}

const groupsOf = (scope: Scope, { spec }: NetworkInterface): ec2.GroupIdentifier[] =>
  spec.securityGroupIds.map((GroupId) => ({
    GroupId,
    GroupName: scope.tx.get(securityGroups, scope.region, GroupId)?.spec.name,
  }));

/**
 * As AWS shows it, an Application Load Balancer's interface is of the usual type. The model's enumeration has no
 * `nat_gateway`; the API answers with it all the same.
 */
const typeOf = ({ spec }: NetworkInterface): ec2.NetworkInterfaceType =>
  (spec.interfaceType === 'load_balancer' ? 'interface' : spec.interfaceType) as ec2.NetworkInterfaceType;

const statusOf = ({ spec }: NetworkInterface): ec2.NetworkInterfaceStatus =>
  spec.attachment ? 'in-use' : 'available';

export function interfaceShape(scope: Scope, found: NetworkInterface): ec2.NetworkInterface {
  const { spec } = found;
  const Association = associationOf(scope, found);
  const zone = zoneNamed(scope.region, zoneOf(scope, found) ?? '');
  const dnsName = (address: string): { PrivateDnsName?: string } =>
    hasDnsNames(scope, found) ? { PrivateDnsName: privateDnsName(scope.region, address) } : {};
  return {
    NetworkInterfaceId: found.id,
    VpcId: spec.vpcId,
    SubnetId: spec.subnetId,
    AvailabilityZone: zone?.name,
    AvailabilityZoneId: zone?.id,
    Description: spec.description,
    InterfaceType: typeOf(found),
    MacAddress: spec.macAddress,
    OwnerId: scope.settings.accountId,
    RequesterManaged: spec.requesterManaged,
    RequesterId: REQUESTERS[spec.interfaceType],
    SourceDestCheck: spec.sourceDestCheck,
    Status: statusOf(found),
    PrivateIpAddress: spec.privateAddress,
    ...dnsName(spec.privateAddress),
    PrivateIpAddresses: privateAddresses(spec).map((address, at) => ({
      Primary: at === 0,
      PrivateIpAddress: address,
      ...dnsName(address),
      Association: associationOf(scope, found, address),
    })),
    ...(Association && { Association }),
    Ipv6Addresses: [],
    Attachment: attachmentOf(scope, found),
    Groups: groupsOf(scope, found),
    TagSet: tagList(found.tags),
  };
}

/**
 * The private addresses that a request names: at most one of the list is the primary, which may also stand alone.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_PrivateIpAddressSpecification.html
 */
export function privateAddressesOf(input: {
  readonly PrivateIpAddress?: string | undefined;
  readonly PrivateIpAddresses?: readonly ec2.PrivateIpAddressSpecification[] | undefined;
}): { primary: string | undefined; others: string[] } {
  const listed = (input.PrivateIpAddresses ?? []).map(({ PrivateIpAddress, Primary }) => ({
    address: errors.required(PrivateIpAddress, 'privateIpAddresses.privateIpAddress'),
    primary: Primary === true,
  }));
  const primaries = listed.filter(({ primary }) => primary).map(({ address }) => address);
  if (input.PrivateIpAddress) primaries.push(input.PrivateIpAddress);
  if (primaries.length > 1) {
    throw errors.invalidParameterCombination('Only one primary private IP address can be specified');
  }
  const others = listed.filter(({ primary }) => !primary).map(({ address }) => address);
  return { primary: primaries[0], others };
}

/** The call takes addresses from the subnet at once, so a repeated one must not take a second. */
function createNetworkInterface(
  input: ec2.CreateNetworkInterfaceRequest,
  context: RequestContext,
): ec2.CreateNetworkInterfaceResult {
  refuseParameters('CreateNetworkInterface', input, [
    'ConnectionTrackingSpecification',
    'EnablePrimaryIpv6',
    'InterfaceType',
    'Ipv4PrefixCount',
    'Ipv4Prefixes',
    'Ipv6AddressCount',
    'Ipv6Addresses',
    'Ipv6PrefixCount',
    'Ipv6Prefixes',
    'Operator',
  ]);
  const { primary, others } = privateAddressesOf(input);
  const subnet = subnetOf(context, errors.required(input.SubnetId, 'subnetId'));
  const request = {
    call: 'CreateNetworkInterface',
    token: input.ClientToken,
    input,
    mismatch: errors.idempotentParameterMismatch,
  };
  const [id = ''] = onceByToken(context, request, () => [
    createInterface(context, {
      subnet,
      securityGroupIds: resolveSecurityGroups(context, subnet.spec.vpcId, input.Groups),
      privateAddress: primary,
      secondary: { addresses: others, count: input.SecondaryPrivateIpAddressCount },
      withPublicAddress: false,
      description: input.Description ?? '',
      interfaceType: 'interface',
      requesterManaged: false,
      tags: specifiedTags(input.TagSpecifications, 'network-interface'),
    }).id,
  ]);
  return {
    NetworkInterface: interfaceShape(context, interfaceOf(context, id)),
    ClientToken: input.ClientToken,
  };
}

function deleteNetworkInterface(input: ec2.DeleteNetworkInterfaceRequest, context: RequestContext): void {
  const found = changeableInterface(context, errors.required(input.NetworkInterfaceId, 'networkInterfaceId'));
  if (found.spec.attachment) {
    throw new AwsError('InvalidParameterValue', `Network interface '${found.id}' is currently in use.`);
  }
  deleteInterface(context, found.id);
}

function interfaceFields(scope: Scope): FilterFields<NetworkInterface> {
  const of = (found: NetworkInterface): NetworkInterface['spec']['attachment'] => found.spec.attachment;
  const text = (value: number | boolean | undefined): string | undefined =>
    value === undefined ? undefined : String(value);
  const ofAssociations =
    (value: (one: ec2.NetworkInterfaceAssociation) => string | undefined) =>
    (found: NetworkInterface): string[] =>
      allAssociationsOf(scope, found)
        .map(value)
        .filter((one) => one !== undefined && one !== '') as string[];
  const publicIp = ofAssociations((one) => one.PublicIp);
  const publicDns = ofAssociations((one) => one.PublicDnsName);
  const owner = ofAssociations((one) => one.IpOwnerId);
  return {
    'association.allocation-id': ofAssociations((one) => one.AllocationId),
    'association.association-id': ofAssociations((one) => one.AssociationId),
    'association.ip-owner-id': owner,
    'association.public-ip': publicIp,
    'association.public-dns-name': publicDns,
    'addresses.association.owner-id': owner,
    'addresses.association.public-ip': publicIp,
    'addresses.primary': ({ spec }) => (spec.secondaryAddresses.length > 0 ? ['true', 'false'] : 'true'),
    'addresses.private-ip-address': ({ spec }) => privateAddresses(spec),
    'attachment.attach-time': (found) => attachmentOf(scope, found)?.AttachTime?.toISOString(),
    'attachment.attachment-id': (found) => of(found)?.attachmentId,
    'attachment.delete-on-termination': (found) => text(of(found)?.deleteOnTermination),
    'attachment.device-index': (found) => text(of(found)?.deviceIndex),
    'attachment.instance-id': (found) => of(found)?.instanceId,
    'attachment.instance-owner-id': (found) => attachmentOf(scope, found)?.InstanceOwnerId,
    'attachment.status': (found) => attachmentOf(scope, found)?.Status,
    'availability-zone': (found) => zoneOf(scope, found),
    description: ({ spec }) => spec.description,
    'group-id': ({ spec }) => spec.securityGroupIds,
    'group-name': (found) => groupsOf(scope, found).flatMap(({ GroupName }) => GroupName ?? []),
    'interface-type': typeOf,
    'ipv6-addresses.ipv6-address': () => undefined,
    'mac-address': ({ spec }) => spec.macAddress,
    'network-interface-id': ({ id }) => id,
    'owner-id': () => scope.settings.accountId,
    'private-dns-name': (found) => interfaceShape(scope, found).PrivateDnsName,
    'private-ip-address': ({ spec }) => spec.privateAddress,
    'requester-id': ({ spec }) => REQUESTERS[spec.interfaceType],
    'requester-managed': ({ spec }) => truth(spec.requesterManaged),
    'source-dest-check': ({ spec }) => truth(spec.sourceDestCheck),
    status: statusOf,
    'subnet-id': ({ spec }) => spec.subnetId,
    'vpc-id': ({ spec }) => spec.vpcId,
  };
}

function describeNetworkInterfaces(
  input: ec2.DescribeNetworkInterfacesRequest,
  context: RequestContext,
): ec2.DescribeNetworkInterfacesResult {
  const { items, NextToken } = select(context, input, {
    call: 'DescribeNetworkInterfaces',
    items: context.tx.list(networkInterfaces, context.region),
    ids: input.NetworkInterfaceIds,
    notFound: errors.networkInterfaceNotFound,
    fields: interfaceFields(context),
  });
  return { NetworkInterfaces: items.map((found) => interfaceShape(context, found)), NextToken };
}

function describeNetworkInterfaceAttribute(
  input: ec2.DescribeNetworkInterfaceAttributeRequest,
  context: RequestContext,
): ec2.DescribeNetworkInterfaceAttributeResult {
  const found = interfaceOf(context, errors.required(input.NetworkInterfaceId, 'networkInterfaceId'));
  const NetworkInterfaceId = found.id;
  switch (errors.required(input.Attribute, 'attribute')) {
    case 'attachment':
      return { NetworkInterfaceId, Attachment: attachmentOf(context, found) };
    case 'description':
      return { NetworkInterfaceId, Description: { Value: found.spec.description } };
    case 'groupSet':
      return { NetworkInterfaceId, Groups: groupsOf(context, found) };
    case 'sourceDestCheck':
      return { NetworkInterfaceId, SourceDestCheck: { Value: found.spec.sourceDestCheck } };
    case 'associatePublicIpAddress':
      return { NetworkInterfaceId, AssociatePublicIpAddress: found.spec.autoAssignPublicAddress };
    default:
      throw errors.invalidParameterValue(
        `Value (${input.Attribute}) for parameter attribute is invalid. Unknown attribute.`,
      );
  }
}

/** One at a time. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html */
function checkOneAttribute(input: ec2.ModifyNetworkInterfaceAttributeRequest): void {
  const given = Object.entries({
    Attachment: input.Attachment,
    Description: input.Description,
    Groups: input.Groups?.length ? input.Groups : undefined,
    SourceDestCheck: input.SourceDestCheck,
  }).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (given.length === 0) throw errors.missingParameter('attribute');
  if (given.length > 1)
    throw errors.invalidParameterCombination(`Fields ${given.join(' and ')} may not be combined.`);
}

function modifyNetworkInterfaceAttribute(
  input: ec2.ModifyNetworkInterfaceAttributeRequest,
  context: RequestContext,
): void {
  refuseParameters('ModifyNetworkInterfaceAttribute', input, [
    'AssociatePublicIpAddress',
    'AssociatedSubnetIds',
    'ConnectionTrackingSpecification',
    'EnaSrdSpecification',
    'EnablePrimaryIpv6',
  ]);
  const found = changeableInterface(context, errors.required(input.NetworkInterfaceId, 'networkInterfaceId'));
  checkOneAttribute(input);
  const { spec } = found;
  const change = input.Attachment;
  if (change && change.AttachmentId !== spec.attachment?.attachmentId) {
    throw errors.attachmentNotFound(change.AttachmentId ?? '');
  }
  refuseParameters('ModifyNetworkInterfaceAttribute', change ?? {}, [
    'DefaultEnaQueueCount',
    'EnaQueueCount',
  ]);
  const deleteOnTermination = change?.DeleteOnTermination ?? spec.attachment?.deleteOnTermination ?? false;
  context.tx.update(found, {
    spec: {
      ...spec,
      description: input.Description?.Value ?? spec.description,
      sourceDestCheck: input.SourceDestCheck?.Value ?? spec.sourceDestCheck,
      securityGroupIds: input.Groups?.length
        ? resolveSecurityGroups(context, spec.vpcId, input.Groups)
        : spec.securityGroupIds,
      ...(spec.attachment && { attachment: { ...spec.attachment, deleteOnTermination } }),
    },
  });
}

/** The one attribute that can be reset is the source/destination check, which is then on. */
function resetNetworkInterfaceAttribute(
  input: ec2.ResetNetworkInterfaceAttributeRequest,
  context: RequestContext,
): void {
  const found = changeableInterface(context, errors.required(input.NetworkInterfaceId, 'networkInterfaceId'));
  if (errors.required(input.SourceDestCheck, 'sourceDestCheck') !== 'true') {
    throw errors.invalidParameterValue(
      `Value (${input.SourceDestCheck}) for parameter sourceDestCheck is invalid.`,
    );
  }
  context.tx.update(found, { spec: { ...found.spec, sourceDestCheck: true } });
}

export const interfaceOperations: Readonly<Record<string, Operation>> = {
  CreateNetworkInterface: createNetworkInterface,
  DeleteNetworkInterface: deleteNetworkInterface,
  DescribeNetworkInterfaces: describeNetworkInterfaces,
  DescribeNetworkInterfaceAttribute: describeNetworkInterfaceAttribute,
  ModifyNetworkInterfaceAttribute: modifyNetworkInterfaceAttribute,
  ResetNetworkInterfaceAttribute: resetNetworkInterfaceAttribute,
};
