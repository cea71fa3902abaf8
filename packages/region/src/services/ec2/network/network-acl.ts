/** Network ACLs: each VPC has its default one, which every subnet uses. */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { NetworkAclEntry as Entry } from '../../../drivers/network.ts';
import type { FilterFields } from '../../common/filters.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { type NetworkAcl, networkAcls, type Subnet, subnets } from '../records.ts';
import { tagList } from '../tags.ts';
import { select, truth } from './selection.ts';

/** The last entry of every list, shown as `*` in the console: what nothing matched is denied. */
const LAST = 32_767;
const denyAll: Entry = { ruleNumber: LAST, action: 'deny', protocol: -1, cidr: '0.0.0.0/0' };

const entryShape = (entry: Entry, egress: boolean): ec2.NetworkAclEntry => ({
  RuleNumber: entry.ruleNumber,
  Protocol: String(entry.protocol),
  RuleAction: entry.action,
  Egress: egress,
  CidrBlock: entry.cidr,
  ...(entry.ports && { PortRange: { From: entry.ports.from, To: entry.ports.to } }),
  ...(entry.icmp && { IcmpTypeCode: { Type: entry.icmp.type, Code: entry.icmp.code } }),
});

const entriesOf = ({ spec }: NetworkAcl): ec2.NetworkAclEntry[] => [
  ...[...spec.egress, denyAll].map((entry) => entryShape(entry, true)),
  ...[...spec.ingress, denyAll].map((entry) => entryShape(entry, false)),
];

/** A subnet has exactly one ACL, so the association is named after the subnet. */
const associationId = ({ id }: Subnet): string => id.replace('subnet-', 'aclassoc-');

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
  DescribeNetworkAcls: describeNetworkAcls,
};
