/** Subnets as users see and change them. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, refuseParameters, unsupported } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import { type Zone, zoneNamed, zonesOf } from '../../common/geography.ts';
import { arn } from '../../common/names.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { networkInterfaces, routeTables, type Subnet, subnets, type Vpc, vpcs } from '../records.ts';
import { select, truth } from '../selection.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { type Cidr, cidrOf, formatCidr, holds, lastOf, overlaps, parseCidr } from './cidr.ts';
import { vpcOrDefault } from './default-vpc.ts';
import { availableAddresses, subnetOf } from './interface.ts';
import { makeSubnet } from './subnet-parts.ts';

/**
 * A subnet can be used once the network has it; what is changed in it later does not make it pending again. Default subnets
 * are there from the beginning, like their VPC.
 */
const stateOf = (scope: Scope, subnet: Subnet): ec2.SubnetState => {
  const vpc = scope.tx.get(vpcs, scope.region, subnet.spec.vpcId);
  const inForce = (vpc?.status.appliedSequence ?? 0) >= subnet.ordinal;
  return subnet.spec.defaultForAz || inForce ? 'available' : 'pending';
};

const subnetArn = (scope: Scope, { id }: Subnet): string => arn(scope, 'ec2', `subnet/${id}`);

const zoneIdOf = (scope: Scope, { spec }: Subnet): string | undefined =>
  zoneNamed(scope.region, spec.zone)?.id;

function subnetShape(scope: Scope, subnet: Subnet, available: ReadonlyMap<string, number>): ec2.Subnet {
  const { id, spec } = subnet;
  return {
    SubnetId: id,
    SubnetArn: subnetArn(scope, subnet),
    VpcId: spec.vpcId,
    State: stateOf(scope, subnet),
    CidrBlock: spec.cidr,
    AvailabilityZone: spec.zone,
    AvailabilityZoneId: zoneIdOf(scope, subnet),
    AvailableIpAddressCount: available.get(id),
    DefaultForAz: spec.defaultForAz,
    MapPublicIpOnLaunch: spec.mapPublicIpOnLaunch,
    MapCustomerOwnedIpOnLaunch: false,
    AssignIpv6AddressOnCreation: false,
    EnableDns64: false,
    Ipv6Native: false,
    Ipv6CidrBlockAssociationSet: [],
    PrivateDnsNameOptionsOnLaunch: {
      HostnameType: 'ip-name',
      EnableResourceNameDnsARecord: false,
      EnableResourceNameDnsAAAARecord: false,
    },
    OwnerId: scope.settings.accountId,
    Tags: tagList(subnet.tags),
  };
}

/** The zone that the caller names, or the one in which the VPC has the fewest subnets. */
function zoneFor(scope: Scope, vpc: Vpc, name: string | undefined, id: string | undefined): Zone {
  if (name !== undefined && id !== undefined) {
    throw errors.invalidParameterCombination(
      'Only one of availabilityZone and availabilityZoneId may be specified.',
    );
  }
  const zones = zonesOf(scope.region);
  const asked = name ?? id;
  if (asked !== undefined) {
    const zone = zones.find((one) => (name === undefined ? one.id : one.name) === asked);
    if (zone) return zone;
    const parameter = name === undefined ? 'availabilityZoneId' : 'availabilityZone';
    const known = zones.map((one) => (name === undefined ? one.id : one.name)).join(', ');
    throw errors.invalidParameterValue(
      `Value (${asked}) for parameter ${parameter} is invalid. Subnets can currently only be created in the following availability zones: ${known}.`,
    );
  }
  const used = subnetsOf(scope, vpc.id).map(({ spec }) => spec.zone);
  const count = (zone: Zone): number => used.filter((other) => other === zone.name).length;
  const [fewest] = zones.toSorted((a, b) => count(a) - count(b));
  if (!fewest) throw errors.invalidZone('');
  return fewest;
}

const subnetsOf = (scope: Scope, vpcId: string): Subnet[] =>
  scope.tx.list(subnets, scope.region).filter(({ spec }) => spec.vpcId === vpcId);

const isFree = (scope: Scope, vpc: Vpc, cidr: Cidr): boolean =>
  !subnetsOf(scope, vpc.id).some(({ spec }) => overlaps(cidr, cidrOf(spec.cidr)));

/** /16 to /28, within the VPC. https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html */
function subnetCidr(scope: Scope, vpc: Vpc, text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr) throw errors.invalidCidrBlock(text);
  const within = vpc.spec.cidrs.some((outer) => holds(cidrOf(outer), cidr));
  if (cidr.prefix < 16 || cidr.prefix > 28 || !within) throw errors.invalidSubnetRange(text);
  if (!isFree(scope, vpc, cidr)) throw errors.subnetConflict(text);
  return cidr;
}

function createSubnet(input: ec2.CreateSubnetRequest, context: RequestContext): ec2.CreateSubnetResult {
  refuseParameters('CreateSubnet', input, [
    'Ipv6CidrBlock',
    'Ipv6Native',
    'OutpostArn',
    'Ipv4IpamPoolId',
    'Ipv4NetmaskLength',
    'Ipv6IpamPoolId',
    'Ipv6NetmaskLength',
  ]);
  const vpc = vpcOrDefault(context, errors.required(input.VpcId, 'vpcId'));
  const cidr = subnetCidr(context, vpc, errors.required(input.CidrBlock, 'cidrBlock'));
  const subnet = makeSubnet(context, {
    vpcId: vpc.id,
    cidr: formatCidr(cidr),
    zone: zoneFor(context, vpc, input.AvailabilityZone, input.AvailabilityZoneId).name,
    defaultForAz: false,
    tags: specifiedTags(input.TagSpecifications, 'subnet'),
  });
  return { Subnet: subnetShape(context, subnet, availableAddresses(context.tx, context.region)) };
}

/** The first free /20 of the default VPC. */
function createDefaultSubnet(
  input: ec2.CreateDefaultSubnetRequest,
  context: RequestContext,
): ec2.CreateDefaultSubnetResult {
  refuseParameters('CreateDefaultSubnet', input, ['Ipv6Native']);
  const vpc = vpcOrDefault(context, undefined);
  if (input.AvailabilityZone === undefined && input.AvailabilityZoneId === undefined) {
    throw errors.missingParameter('availabilityZone');
  }
  const zone = zoneFor(context, vpc, input.AvailabilityZone, input.AvailabilityZoneId);
  const there = subnetsOf(context, vpc.id).find(({ spec }) => spec.defaultForAz && spec.zone === zone.name);
  if (there) {
    throw new AwsError(
      'DefaultSubnetAlreadyExistsInAvailabilityZone',
      `'${there.id}' is already the default subnet in ${zone.name}.`,
    );
  }
  const outer = cidrOf(vpc.spec.cidrs[0] ?? '');
  for (let base = outer.base; base <= lastOf(outer); base += 4096) {
    const cidr = { base, prefix: 20 };
    if (!isFree(context, vpc, cidr)) continue;
    const request = { vpcId: vpc.id, cidr: formatCidr(cidr), zone: zone.name, defaultForAz: true, tags: {} };
    const subnet = makeSubnet(context, request);
    return { Subnet: subnetShape(context, subnet, availableAddresses(context.tx, context.region)) };
  }
  throw new AwsError('InsufficientCidrBlocks', 'The specified CIDR block does not have enough free CIDRs.');
}

function deleteSubnet(input: ec2.DeleteSubnetRequest, context: RequestContext): void {
  const subnet = subnetOf(context, errors.required(input.SubnetId, 'subnetId'));
  const { tx, region } = context;
  if (tx.list(networkInterfaces, region).some(({ spec }) => spec.subnetId === subnet.id)) {
    throw errors.hasDependencies('subnet', subnet.id);
  }
  for (const table of tx.list(routeTables, region)) {
    const associations = table.spec.associations.filter(({ subnetId }) => subnetId !== subnet.id);
    if (associations.length < table.spec.associations.length) {
      tx.update(table, { spec: { ...table.spec, associations } });
    }
  }
  tx.remove(subnet);
}

function subnetFields(scope: Scope, available: ReadonlyMap<string, number>): FilterFields<Subnet> {
  const zone = ({ spec }: Subnet): string => spec.zone;
  const zoneId = (subnet: Subnet): string | undefined => zoneIdOf(scope, subnet);
  const cidr = ({ spec }: Subnet): string => spec.cidr;
  const defaultForAz = ({ spec }: Subnet): string => truth(spec.defaultForAz);
  const never = (): string => 'false';
  const none = (): undefined => undefined;
  return {
    'availability-zone': zone,
    availabilityZone: zone,
    'availability-zone-id': zoneId,
    availabilityZoneId: zoneId,
    'available-ip-address-count': ({ id }) => String(available.get(id)),
    cidr,
    'cidr-block': cidr,
    cidrBlock: cidr,
    'customer-owned-ipv4-pool': none,
    'default-for-az': defaultForAz,
    defaultForAz,
    'enable-dns64': never,
    'ipv6-cidr-block-association.association-id': none,
    'ipv6-cidr-block-association.ipv6-cidr-block': none,
    'ipv6-cidr-block-association.state': none,
    'ipv6-native': never,
    'map-customer-owned-ip-on-launch': never,
    'map-public-ip-on-launch': ({ spec }) => truth(spec.mapPublicIpOnLaunch),
    'outpost-arn': none,
    'owner-id': () => scope.settings.accountId,
    'private-dns-name-options-on-launch.hostname-type': () => 'ip-name',
    'private-dns-name-options-on-launch.enable-resource-name-dns-a-record': never,
    'private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record': never,
    state: (subnet) => stateOf(scope, subnet),
    'subnet-arn': (subnet) => subnetArn(scope, subnet),
    'subnet-id': ({ id }) => id,
    'vpc-id': ({ spec }) => spec.vpcId,
  };
}

function describeSubnets(
  input: ec2.DescribeSubnetsRequest,
  context: RequestContext,
): ec2.DescribeSubnetsResult {
  const available = availableAddresses(context.tx, context.region);
  const { items, NextToken } = select(context, input, {
    call: 'DescribeSubnets',
    items: context.tx.list(subnets, context.region),
    ids: input.SubnetIds,
    notFound: errors.subnetNotFound,
    fields: subnetFields(context, available),
  });
  return { Subnets: items.map((subnet) => subnetShape(context, subnet, available)), NextToken };
}

/** Attributes of which only AWS's default is served. */
function refuseAttributes(input: ec2.ModifySubnetAttributeRequest): void {
  const switches = {
    AssignIpv6AddressOnCreation: input.AssignIpv6AddressOnCreation?.Value,
    MapCustomerOwnedIpOnLaunch: input.MapCustomerOwnedIpOnLaunch?.Value,
    EnableResourceNameDnsARecordOnLaunch: input.EnableResourceNameDnsARecordOnLaunch?.Value,
    EnableResourceNameDnsAAAARecordOnLaunch: input.EnableResourceNameDnsAAAARecordOnLaunch?.Value,
    EnableDns64: input.EnableDns64?.Value,
    EnableLniAtDeviceIndex: input.EnableLniAtDeviceIndex,
    DisableLniAtDeviceIndex: input.DisableLniAtDeviceIndex?.Value,
    CustomerOwnedIpv4Pool: input.CustomerOwnedIpv4Pool,
  };
  refuseParameters('ModifySubnetAttribute', switches, Object.keys(switches));
  const hostnames = input.PrivateDnsHostnameTypeOnLaunch;
  if (hostnames !== undefined && hostnames !== 'ip-name') {
    throw unsupported(`the hostname type ${hostnames} of ModifySubnetAttribute`);
  }
}

function modifySubnetAttribute(input: ec2.ModifySubnetAttributeRequest, context: RequestContext): void {
  const subnet = subnetOf(context, errors.required(input.SubnetId, 'subnetId'));
  refuseAttributes(input);
  const { SubnetId: _, ...attributes } = input;
  if (Object.values(attributes).every((value) => value === undefined))
    throw errors.missingParameter('attribute');
  const mapPublicIpOnLaunch = input.MapPublicIpOnLaunch?.Value ?? subnet.spec.mapPublicIpOnLaunch;
  context.tx.update(subnet, { spec: { ...subnet.spec, mapPublicIpOnLaunch } });
}

export const subnetOperations: Readonly<Record<string, Operation>> = {
  CreateSubnet: createSubnet,
  CreateDefaultSubnet: createDefaultSubnet,
  DeleteSubnet: deleteSubnet,
  DescribeSubnets: describeSubnets,
  ModifySubnetAttribute: modifySubnetAttribute,
};
