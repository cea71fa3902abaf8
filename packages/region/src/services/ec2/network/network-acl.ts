/**
 * Network ACLs: each VPC has its default one, which every subnet uses until another takes its place. Their entries stand in
 * `network-acl-entry.ts`.
 * https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { NetworkAclEntry as Entry } from '../../../drivers/network.ts';
import type { FilterFields } from '../../common/filters.ts';
import { onceByToken } from '../../common/idempotency.ts';
import { newId } from '../../common/names.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { type NetworkAcl, networkAcls, type Subnet, subnets } from '../records.ts';
import { select, truth } from '../selection.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { vpcOrDefault } from './default-vpc.ts';

/** The last entry of every list, shown as `*` in the console: what nothing matched is denied. */
const LAST = 32_767;
const denyAll: Entry = { ruleNumber: LAST, action: 'deny', protocol: -1, cidr: '0.0.0.0/0' };

const ICMP = 1;
const ANY_ICMP = { type: -1, code: -1 };

/** The ACL of that id. Throws `InvalidNetworkAclID.NotFound`. */
export function networkAclOf(scope: Scope, id: string): NetworkAcl {
  const found = scope.tx.get(networkAcls, scope.region, id);
  if (!found) throw errors.networkAclNotFound(id);
  return found;
}

const icmpShape = ({ type, code }: { type: number; code: number }): ec2.IcmpTypeCode => ({
  Type: type,
  Code: code,
});

const entryShape = (entry: Entry, egress: boolean): ec2.NetworkAclEntry => ({
  RuleNumber: entry.ruleNumber,
  Protocol: String(entry.protocol),
  RuleAction: entry.action,
  Egress: egress,
  CidrBlock: entry.cidr,
  ...(entry.ports && { PortRange: { From: entry.ports.from, To: entry.ports.to } }),
  ...(entry.protocol === ICMP && { IcmpTypeCode: icmpShape(entry.icmp ?? ANY_ICMP) }),
});

const inOrder = (entries: readonly Entry[]): Entry[] =>
  [...entries, denyAll].toSorted((a, b) => a.ruleNumber - b.ruleNumber);

const entriesOf = ({ spec }: NetworkAcl): ec2.NetworkAclEntry[] => [
  ...inOrder(spec.egress).map((entry) => entryShape(entry, true)),
  ...inOrder(spec.ingress).map((entry) => entryShape(entry, false)),
];

/** A subnet has exactly one ACL. The association that it was made with is named after it. */
const associationId = ({ id, spec }: Subnet): string =>
  spec.networkAclAssociationId ?? id.replace('subnet-', 'aclassoc-');

const aclShape = (scope: Scope, acl: NetworkAcl, used: readonly Subnet[]): ec2.NetworkAcl => ({
  NetworkAclId: acl.id,
  VpcId: acl.spec.vpcId,
  IsDefault: acl.spec.isDefault,
  OwnerId: scope.settings.accountId,
  Entries: entriesOf(acl),
  Associations: used.map((subnet) => ({
    NetworkAclAssociationId: associationId(subnet),
    NetworkAclId: acl.id,
    SubnetId: subnet.id,
  })),
  Tags: tagList(acl.tags),
});

const subnetsOf = (scope: Scope, aclId: string): Subnet[] =>
  scope.tx.list(subnets, scope.region).filter(({ spec }) => spec.networkAclId === aclId);

/** A new ACL denies everything until it has entries. */
function createNetworkAcl(
  input: ec2.CreateNetworkAclRequest,
  context: RequestContext,
): ec2.CreateNetworkAclResult {
  const vpc = vpcOrDefault(context, errors.required(input.VpcId, 'vpcId'));
  const request = {
    call: 'CreateNetworkAcl',
    token: input.ClientToken,
    input,
    mismatch: errors.idempotentParameterMismatch,
  };
  const [id = ''] = onceByToken(context, request, () => {
    const made = context.tx.create(networkAcls, {
      region: context.region,
      id: newId(context, 'acl'),
      owner: vpc,
      spec: { vpcId: vpc.id, isDefault: false, ingress: [], egress: [] },
      status: null,
      tags: specifiedTags(input.TagSpecifications, 'network-acl'),
    });
    return [made.id];
  });
  const acl = networkAclOf(context, id);
  return { NetworkAcl: aclShape(context, acl, subnetsOf(context, id)), ClientToken: input.ClientToken };
}

function deleteNetworkAcl(input: ec2.DeleteNetworkAclRequest, context: RequestContext): void {
  const acl = networkAclOf(context, errors.required(input.NetworkAclId, 'networkAclId'));
  if (acl.spec.isDefault) {
    throw errors.invalidParameterValue(`cannot delete default network ACL ${acl.id}`);
  }
  if (subnetsOf(context, acl.id).length > 0) throw errors.hasDependencies('networkAcl', acl.id);
  context.tx.remove(acl);
}

/** The subnet gets another ACL, and the association another id. */
function replaceNetworkAclAssociation(
  input: ec2.ReplaceNetworkAclAssociationRequest,
  context: RequestContext,
): ec2.ReplaceNetworkAclAssociationResult {
  const id = errors.required(input.AssociationId, 'associationId');
  const acl = networkAclOf(context, errors.required(input.NetworkAclId, 'networkAclId'));
  const subnet = context.tx.list(subnets, context.region).find((one) => associationId(one) === id);
  if (!subnet) throw errors.associationNotFound(id);
  if (subnet.spec.vpcId !== acl.spec.vpcId) {
    throw errors.invalidParameterValue(
      `Network ACL ${acl.id} and subnet ${subnet.id} belong to different networks`,
    );
  }
  const networkAclAssociationId = newId(context, 'aclassoc');
  context.tx.update(subnet, {
    spec: { ...subnet.spec, networkAclId: acl.id, networkAclAssociationId },
  });
  return { NewAssociationId: networkAclAssociationId };
}

function aclFields(scope: Scope, usedBy: (acl: NetworkAcl) => readonly Subnet[]): FilterFields<NetworkAcl> {
  const ofEntries = (value: (entry: ec2.NetworkAclEntry) => string | undefined) => (acl: NetworkAcl) =>
    entriesOf(acl)
      .map(value)
      .filter((found) => found !== undefined);
  const number = (value: number | undefined): string | undefined =>
    value === undefined ? undefined : String(value);
  return {
    'association.association-id': (acl) => usedBy(acl).map(associationId),
    'association.network-acl-id': (acl) => (usedBy(acl).length > 0 ? acl.id : undefined),
    'association.subnet-id': (acl) => usedBy(acl).map(({ id }) => id),
    default: ({ spec }) => truth(spec.isDefault),
    'entry.cidr': ofEntries((entry) => entry.CidrBlock),
    'entry.icmp.code': ofEntries((entry) => number(entry.IcmpTypeCode?.Code)),
    'entry.icmp.type': ofEntries((entry) => number(entry.IcmpTypeCode?.Type)),
    'entry.ipv6-cidr': () => undefined,
    'entry.port-range.from': ofEntries((entry) => number(entry.PortRange?.From)),
    'entry.port-range.to': ofEntries((entry) => number(entry.PortRange?.To)),
    'entry.protocol': ofEntries((entry) => entry.Protocol),
    'entry.rule-action': ofEntries((entry) => entry.RuleAction),
    'entry.egress': ofEntries((entry) => truth(entry.Egress === true)),
    'entry.rule-number': ofEntries((entry) => number(entry.RuleNumber)),
    'network-acl-id': ({ id }) => id,
    'owner-id': () => scope.settings.accountId,
    'vpc-id': ({ spec }) => spec.vpcId,
  };
}

function describeNetworkAcls(
  input: ec2.DescribeNetworkAclsRequest,
  context: RequestContext,
): ec2.DescribeNetworkAclsResult {
  const all = context.tx.list(subnets, context.region);
  const usedBy = (acl: NetworkAcl): Subnet[] => all.filter(({ spec }) => spec.networkAclId === acl.id);
  const { items, NextToken } = select(context, input, {
    call: 'DescribeNetworkAcls',
    items: context.tx.list(networkAcls, context.region),
    ids: input.NetworkAclIds,
    notFound: errors.networkAclNotFound,
    fields: aclFields(context, usedBy),
  });
  return { NetworkAcls: items.map((acl) => aclShape(context, acl, usedBy(acl))), NextToken };
}

export const networkAclOperations: Readonly<Record<string, Operation>> = {
  CreateNetworkAcl: createNetworkAcl,
  DeleteNetworkAcl: deleteNetworkAcl,
  DescribeNetworkAcls: describeNetworkAcls,
  ReplaceNetworkAclAssociation: replaceNetworkAclAssociation,
};
