/** VPCs as users see and change them. */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { Reader } from '../../../store/store.ts';
import { AwsError, refuseParameters, unsupported } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import {
  internetGateways,
  networkAcls,
  networkInterfaces,
  routeTables,
  securityGroups,
  subnets,
  type Vpc,
  vpcs,
} from '../records.ts';
import { select, truth } from '../selection.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { formatCidr } from './cidr.ts';
import { defaultVpc, makeDefaultVpc, vpcOrDefault } from './default-vpc.ts';
import { dhcpOptionsId } from './dhcp-options.ts';
import { cidrAssociation, cidrAssociationId, vpcCidr } from './vpc-cidr.ts';
import { makeVpc } from './vpc-parts.ts';

/**
 * A VPC can be used once the network has it. An account's default VPC was there before anybody asks: a region that is opened
 * by the very call that asks shows it like that.
 */
const stateOf = ({ spec, status }: Vpc): ec2.VpcState =>
  spec.isDefault || status.appliedSequence > 0 ? 'available' : 'pending';

function vpcShape(scope: Scope, vpc: Vpc): ec2.Vpc {
  const [cidr] = vpc.spec.cidrs;
  return {
    VpcId: vpc.id,
    State: stateOf(vpc),
    CidrBlock: cidr,
    CidrBlockAssociationSet: vpc.spec.cidrs.map((block) => cidrAssociation(vpc, block)),
    Ipv6CidrBlockAssociationSet: [],
    DhcpOptionsId: dhcpOptionsId(scope),
    InstanceTenancy: vpc.spec.instanceTenancy,
    IsDefault: vpc.spec.isDefault,
    OwnerId: scope.settings.accountId,
    Tags: tagList(vpc.tags),
  };
}

function createVpc(input: ec2.CreateVpcRequest, context: RequestContext): ec2.CreateVpcResult {
  refuseParameters('CreateVpc', input, [
    'AmazonProvidedIpv6CidrBlock',
    'Ipv6CidrBlock',
    'Ipv6Pool',
    'Ipv6CidrBlockNetworkBorderGroup',
    'Ipv4IpamPoolId',
    'Ipv4NetmaskLength',
    'Ipv6IpamPoolId',
    'Ipv6NetmaskLength',
    'VpcEncryptionControl',
  ]);
  if (input.InstanceTenancy !== undefined && input.InstanceTenancy !== 'default') {
    throw unsupported(`the instance tenancy ${input.InstanceTenancy}`);
  }
  const cidr = vpcCidr(context, errors.required(input.CidrBlock, 'cidrBlock'));
  const vpc = makeVpc(context, {
    cidr: formatCidr(cidr),
    isDefault: false,
    enableDnsHostnames: false,
    tags: specifiedTags(input.TagSpecifications, 'vpc'),
  });
  return { Vpc: vpcShape(context, vpc) };
}

function createDefaultVpc(
  _input: ec2.CreateDefaultVpcRequest,
  context: RequestContext,
): ec2.CreateDefaultVpcResult {
  if (defaultVpc(context)) {
    throw new AwsError(
      'DefaultVpcAlreadyExists',
      'A Default VPC already exists for this account in this region.',
    );
  }
  return { Vpc: vpcShape(context, makeDefaultVpc(context)) };
}

/** Is there anything in the VPC that does not go with it? */
function hasContents(reader: Reader, { region, id }: Vpc): boolean {
  const ours = ({ spec }: { spec: { readonly vpcId?: string } }): boolean => spec.vpcId === id;
  return (
    reader.list(subnets, region).some(ours) ||
    reader.list(internetGateways, region).some(ours) ||
    reader.list(networkInterfaces, region).some(ours) ||
    reader.list(securityGroups, region).some((group) => ours(group) && group.spec.name !== 'default') ||
    reader.list(routeTables, region).some((table) => ours(table) && !table.spec.main) ||
    reader.list(networkAcls, region).some((acl) => ours(acl) && !acl.spec.isDefault)
  );
}

function deleteVpc(input: ec2.DeleteVpcRequest, context: RequestContext): void {
  const vpc = vpcOrDefault(context, errors.required(input.VpcId, 'vpcId'));
  const { tx, region } = context;
  if (hasContents(tx, vpc)) throw errors.hasDependencies('vpc', vpc.id);
  for (const type of [securityGroups, routeTables, networkAcls]) {
    for (const part of tx.list<{ readonly vpcId: string }, null>(type, region)) {
      if (part.spec.vpcId === vpc.id) tx.remove(part);
    }
  }
  tx.remove(vpc);
}

const vpcFields = (scope: Scope): FilterFields<Vpc> => {
  const cidr = ({ spec }: Vpc): readonly string[] => spec.cidrs;
  const isDefault = ({ spec }: Vpc): string => truth(spec.isDefault);
  return {
    cidr,
    'cidr-block': cidr,
    'cidr-block-association.association-id': (vpc) =>
      vpc.spec.cidrs.map((block) => cidrAssociationId(vpc, block)),
    'cidr-block-association.cidr-block': cidr,
    'cidr-block-association.state': () => 'associated',
    'dhcp-options-id': () => dhcpOptionsId(scope),
    'is-default': isDefault,
    // Not in the manual any more, and in many a script.
    isDefault,
    'ipv6-cidr-block-association.association-id': () => undefined,
    'ipv6-cidr-block-association.ipv6-cidr-block': () => undefined,
    'ipv6-cidr-block-association.ipv6-pool': () => undefined,
    'ipv6-cidr-block-association.state': () => undefined,
    'owner-id': () => scope.settings.accountId,
    state: stateOf,
    'vpc-id': ({ id }) => id,
  };
};

function describeVpcs(input: ec2.DescribeVpcsRequest, context: RequestContext): ec2.DescribeVpcsResult {
  const { items, NextToken } = select(context, input, {
    call: 'DescribeVpcs',
    items: context.tx.list(vpcs, context.region),
    ids: input.VpcIds,
    notFound: errors.vpcNotFound,
    fields: vpcFields(context),
  });
  return { Vpcs: items.map((vpc) => vpcShape(context, vpc)), NextToken };
}

function describeVpcAttribute(
  input: ec2.DescribeVpcAttributeRequest,
  context: RequestContext,
): ec2.DescribeVpcAttributeResult {
  const vpc = vpcOrDefault(context, errors.required(input.VpcId, 'vpcId'));
  switch (errors.required(input.Attribute, 'attribute')) {
    case 'enableDnsSupport':
      return { VpcId: vpc.id, EnableDnsSupport: { Value: vpc.spec.enableDnsSupport } };
    case 'enableDnsHostnames':
      return { VpcId: vpc.id, EnableDnsHostnames: { Value: vpc.spec.enableDnsHostnames } };
    case 'enableNetworkAddressUsageMetrics':
      return { VpcId: vpc.id, EnableNetworkAddressUsageMetrics: { Value: false } };
    default:
      throw errors.invalidParameterValue(
        `Value (${input.Attribute}) for parameter attribute is invalid. Unknown attribute.`,
      );
  }
}

/** One attribute at a time. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcAttribute.html */
function modifyVpcAttribute(input: ec2.ModifyVpcAttributeRequest, context: RequestContext): void {
  const vpc = vpcOrDefault(context, errors.required(input.VpcId, 'vpcId'));
  if (input.EnableNetworkAddressUsageMetrics?.Value === true) {
    throw unsupported('the parameter EnableNetworkAddressUsageMetrics of ModifyVpcAttribute');
  }
  const support = input.EnableDnsSupport?.Value;
  const hostnames = input.EnableDnsHostnames?.Value;
  if (support !== undefined && hostnames !== undefined) {
    throw errors.invalidParameterCombination(
      'Fields EnableDnsSupport and EnableDnsHostnames may not be combined.',
    );
  }
  if (support === undefined && hostnames === undefined && !input.EnableNetworkAddressUsageMetrics) {
    throw errors.missingParameter('attribute');
  }
  context.tx.update(vpc, {
    spec: {
      ...vpc.spec,
      enableDnsSupport: support ?? vpc.spec.enableDnsSupport,
      enableDnsHostnames: hostnames ?? vpc.spec.enableDnsHostnames,
    },
  });
}

export const vpcOperations: Readonly<Record<string, Operation>> = {
  CreateVpc: createVpc,
  CreateDefaultVpc: createDefaultVpc,
  DeleteVpc: deleteVpc,
  DescribeVpcs: describeVpcs,
  DescribeVpcAttribute: describeVpcAttribute,
  ModifyVpcAttribute: modifyVpcAttribute,
};
