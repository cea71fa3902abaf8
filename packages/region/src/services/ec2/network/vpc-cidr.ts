/**
 * The address blocks of a VPC: the one it was made with, and up to four more.
 * https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, refuseParameters } from '../../common/errors.ts';
import { newId } from '../../common/names.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { routeTables, subnets, type Vpc, vpcs } from '../records.ts';
import { type Cidr, cidrOf, formatCidr, holds, overlaps, parseCidr } from './cidr.ts';
import { vpcOrDefault } from './default-vpc.ts';
import { localRoute } from './vpc-parts.ts';

const MOST_BLOCKS = 5;

/** The ranges of private addresses: a VPC's further blocks are from the same as its first, or from none. */
const PRIVATE_RANGES = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(cidrOf);

/** The id of the association between a VPC and one of its blocks. */
export const cidrAssociationId = ({ id, spec }: Vpc, block: string): string =>
  spec.cidrAssociationIds?.[block] ?? id.replace('vpc-', 'vpc-cidr-assoc-');

export const cidrAssociation = (vpc: Vpc, block: string): ec2.VpcCidrBlockAssociation => ({
  AssociationId: cidrAssociationId(vpc, block),
  CidrBlock: block,
  CidrBlockState: { State: 'associated' },
});

/**
 * What AWS takes as a VPC's block: /16 to /28, and none of the ranges that mean something else; nor the block that this
 * region's public addresses are from.
 * https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
 */
export function vpcCidr(scope: Scope, text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr) throw errors.invalidCidrBlock(text);
  const elsewhere = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', scope.settings.publicCidr];
  if (cidr.prefix < 16 || cidr.prefix > 28 || elsewhere.some((other) => overlaps(cidr, cidrOf(other)))) {
    throw errors.invalidVpcRange(text);
  }
  return cidr;
}

function checkFurther(scope: Scope, vpc: Vpc, cidr: Cidr): void {
  const text = formatCidr(cidr);
  const blocks = vpc.spec.cidrs.map(cidrOf);
  if (blocks.some((block) => overlaps(block, cidr))) {
    throw new AwsError(
      'CidrConflict',
      `The CIDR '${text}' conflicts with another CIDR of the VPC '${vpc.id}'`,
    );
  }
  const range = PRIVATE_RANGES.find((one) => overlaps(one, cidr));
  if (range && !blocks.slice(0, 1).some((first) => overlaps(range, first))) {
    throw new AwsError(
      'InvalidVpc.Range',
      `The CIDR '${text}' is restricted. Use a CIDR from the same private address range as the current VPC CIDR, or use a publicly-routable CIDR.`,
    );
  }
  const routed = scope.tx
    .list(routeTables, scope.region)
    .filter(({ spec }) => spec.vpcId === vpc.id)
    .flatMap(({ spec }) => spec.routes)
    .find(({ destination }) => holds(cidr, cidrOf(destination)));
  if (routed) {
    throw new AwsError(
      'InvalidVpc.Range',
      `The CIDR '${text}' is the same as or larger than the destination ${routed.destination} of a route of the VPC.`,
    );
  }
  if (blocks.length >= MOST_BLOCKS) {
    throw new AwsError(
      'CidrLimitExceeded',
      `This network '${vpc.id}' has met its maximum number of allowed CIDRs: ${MOST_BLOCKS}`,
    );
  }
}

/** Every route table of the VPC leads to the new block. */
function associateVpcCidrBlock(
  input: ec2.AssociateVpcCidrBlockRequest,
  context: RequestContext,
): ec2.AssociateVpcCidrBlockResult {
  refuseParameters('AssociateVpcCidrBlock', input, [
    'AmazonProvidedIpv6CidrBlock',
    'Ipv6CidrBlock',
    'Ipv6CidrBlockNetworkBorderGroup',
    'Ipv6IpamPoolId',
    'Ipv6NetmaskLength',
    'Ipv6Pool',
    'Ipv4IpamPoolId',
    'Ipv4NetmaskLength',
  ]);
  const vpc = vpcOrDefault(context, errors.required(input.VpcId, 'vpcId'));
  const cidr = vpcCidr(context, errors.required(input.CidrBlock, 'cidrBlock'));
  checkFurther(context, vpc, cidr);
  const block = formatCidr(cidr);
  const id = newId(context, 'vpc-cidr-assoc');
  const after = context.tx.update(vpc, {
    spec: {
      ...vpc.spec,
      cidrs: [...vpc.spec.cidrs, block],
      cidrAssociationIds: { ...vpc.spec.cidrAssociationIds, [block]: id },
    },
  });
  for (const table of context.tx.list(routeTables, context.region)) {
    if (table.spec.vpcId !== vpc.id) continue;
    context.tx.update(table, { spec: { ...table.spec, routes: [...table.spec.routes, localRoute(block)] } });
  }
  return { VpcId: vpc.id, CidrBlockAssociation: cidrAssociation(after, block) };
}

function disassociateVpcCidrBlock(
  input: ec2.DisassociateVpcCidrBlockRequest,
  context: RequestContext,
): ec2.DisassociateVpcCidrBlockResult {
  const id = errors.required(input.AssociationId, 'associationId');
  const found = context.tx
    .list(vpcs, context.region)
    .flatMap((vpc) => vpc.spec.cidrs.map((block) => ({ vpc, block })))
    .find(({ vpc, block }) => cidrAssociationId(vpc, block) === id);
  if (!found) {
    throw new AwsError(
      'InvalidVpcCidrBlockAssociationID.NotFound',
      `The vpc CIDR block association ID '${id}' does not exist`,
    );
  }
  const { vpc, block } = found;
  if (block === vpc.spec.cidrs[0]) {
    throw errors.operationNotPermitted(
      `The vpc CIDR block with association ID ${id} may not be disassociated. It is the primary IPv4 CIDR block of the VPC`,
    );
  }
  const within = ({ spec }: { spec: { vpcId: string; cidr: string } }): boolean =>
    spec.vpcId === vpc.id && holds(cidrOf(block), cidrOf(spec.cidr));
  if (context.tx.list(subnets, context.region).some(within)) {
    throw new AwsError(
      'InvalidCidrBlock.InUse',
      `The vpc ${vpc.id} currently has a subnet within CIDR block ${block}`,
    );
  }
  const { [block]: _, ...cidrAssociationIds } = vpc.spec.cidrAssociationIds ?? {};
  const cidrs = vpc.spec.cidrs.filter((one) => one !== block);
  context.tx.update(vpc, { spec: { ...vpc.spec, cidrs, cidrAssociationIds } });
  for (const table of context.tx.list(routeTables, context.region)) {
    if (table.spec.vpcId !== vpc.id) continue;
    const routes = table.spec.routes.filter(
      ({ destination, target }) => target.kind !== 'local' || destination !== block,
    );
    context.tx.update(table, { spec: { ...table.spec, routes } });
  }
  return {
    VpcId: vpc.id,
    CidrBlockAssociation: { ...cidrAssociation(vpc, block), CidrBlockState: { State: 'disassociated' } },
  };
}

export const vpcCidrOperations: Readonly<Record<string, Operation>> = {
  AssociateVpcCidrBlock: associateVpcCidrBlock,
  DisassociateVpcCidrBlock: disassociateVpcCidrBlock,
};
