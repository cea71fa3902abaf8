/** The rules of security groups: each has an id of its own, and belongs to its group. */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { Tags } from '../../../store/resource.ts';
import { AwsError, unsupported } from '../../common/errors.ts';
import { arn, newId } from '../../common/names.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { type SecurityGroup, type SecurityGroupRuleRecord, securityGroups } from '../records.ts';
import { select, truth } from '../selection.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { defaultVpc } from './default-vpc.ts';
import * as permission from './permission.ts';
import { groupOfInput } from './security-group.ts';
import { securityGroupOf } from './security-group-lookup.ts';

type Direction = permission.Direction;
type Rule = SecurityGroupRuleRecord;
type Terms = permission.RuleTerms;

function ruleShape(scope: Scope, groupId: string, rule: Rule): ec2.SecurityGroupRule {
  const { peer } = rule;
  const account = scope.settings.accountId;
  return {
    SecurityGroupRuleId: rule.ruleId,
    SecurityGroupRuleArn: arn(scope, 'ec2', `security-group-rule/${rule.ruleId}`),
    GroupId: groupId,
    GroupOwnerId: account,
    IsEgress: rule.direction === 'egress',
    IpProtocol: permission.protocolName(rule.protocol),
    ...permission.portsOf(rule, -1),
    ...('cidr' in peer && { CidrIpv4: peer.cidr }),
    ...('cidrIpv6' in peer && { CidrIpv6: peer.cidrIpv6 }),
    ...('securityGroupId' in peer && {
      ReferencedGroupInfo: { GroupId: peer.securityGroupId, UserId: account },
    }),
    ...(rule.description !== undefined && { Description: rule.description }),
    Tags: tagList(rule.tags ?? {}),
  };
}

const revokedShape = (groupId: string, rule: Rule): ec2.RevokedSecurityGroupRule => ({
  SecurityGroupRuleId: rule.ruleId,
  GroupId: groupId,
  IsEgress: rule.direction === 'egress',
  IpProtocol: permission.protocolName(rule.protocol),
  ...permission.portsOf(rule, -1),
  ...('cidr' in rule.peer && { CidrIpv4: rule.peer.cidr }),
  ...('cidrIpv6' in rule.peer && { CidrIpv6: rule.peer.cidrIpv6 }),
  ...('securityGroupId' in rule.peer && { ReferencedGroupId: rule.peer.securityGroupId }),
  ...(rule.description !== undefined && { Description: rule.description }),
});

type RulesInput = ec2.AuthorizeSecurityGroupIngressRequest & ec2.AuthorizeSecurityGroupEgressRequest;

/** Without IpPermissions, the members of one rule stand in the call itself. */
function flatPermissions(input: RulesInput): ec2.IpPermission[] {
  const { CidrIp, FromPort, ToPort, IpProtocol, SourceSecurityGroupName } = input;
  if (SourceSecurityGroupName === undefined) {
    return [{ IpProtocol, FromPort, ToPort, IpRanges: [{ CidrIp: errors.required(CidrIp, 'cidrIp') }] }];
  }
  if (CidrIp !== undefined || IpProtocol !== undefined) {
    throw errors.invalidParameterCombination(
      'A source security group cannot be combined with a CIDR range, protocol or ports.',
    );
  }
  // "Creates rules that grant full ICMP, UDP, and TCP access."
  // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html
  const UserIdGroupPairs = [{ GroupName: SourceSecurityGroupName, UserId: input.SourceSecurityGroupOwnerId }];
  return [
    { IpProtocol: 'tcp', FromPort: 0, ToPort: 65_535, UserIdGroupPairs },
    { IpProtocol: 'udp', FromPort: 0, ToPort: 65_535, UserIdGroupPairs },
    { IpProtocol: 'icmp', FromPort: -1, ToPort: -1, UserIdGroupPairs },
  ];
}

const FLAT = ['CidrIp', 'FromPort', 'ToPort', 'IpProtocol', 'SourceSecurityGroupName'] as const;
const hasFlat = (input: RulesInput): boolean => FLAT.some((name) => input[name] !== undefined);

/** The rules that a call names by what they say; each at most once. */
function termsOf(scope: Scope, group: SecurityGroup, direction: Direction, input: RulesInput): Terms[] {
  const given = input.IpPermissions ?? [];
  if (given.length > 0 && hasFlat(input)) {
    throw errors.invalidParameterCombination('The parameter ipPermissions may not be used with the others.');
  }
  if (direction === 'egress' && hasFlat(input)) {
    throw errors.invalidParameterValue('Rules of egress can only be named by ipPermissions.');
  }
  if (given.length === 0 && !hasFlat(input)) throw errors.missingParameter('ipPermissions');
  const permissions = given.length > 0 ? given : flatPermissions(input);
  const terms = permissions.flatMap((one) => permission.rulesOfPermission(scope, group, direction, one));
  if (new Set(terms.map(permission.ruleIdentity)).size < terms.length) {
    throw errors.invalidParameterValue('The same permission must not appear multiple times');
  }
  return terms;
}

function duplicate(rule: Terms): AwsError {
  const { FromPort, ToPort } = permission.portsOf(rule);
  const named = permission.protocolName(rule.protocol).toUpperCase();
  const protocol = rule.protocol === -1 ? 'ALL' : /^\d+$/.test(named) ? `protocol: ${named}` : named;
  const ports = FromPort === undefined ? '' : ` from port: ${FromPort}, to port: ${ToPort},`;
  return new AwsError(
    'InvalidPermission.Duplicate',
    `the specified rule "peer: ${permission.peerText(rule)}, ${protocol},${ports} ALLOW" already exists`,
  );
}

const authorize =
  (direction: Direction) =>
  (input: RulesInput, context: RequestContext): ec2.AuthorizeSecurityGroupIngressResult => {
    const group = groupOfInput(context, input);
    const terms = termsOf(context, group, direction, input);
    const known = new Set(group.spec.rules.map(permission.ruleIdentity));
    const twice = terms.find((rule) => known.has(permission.ruleIdentity(rule)));
    if (twice) throw duplicate(twice);
    const tags: Tags = specifiedTags(input.TagSpecifications, 'security-group-rule');
    const added = terms.map((rule): Rule => ({ ...rule, ruleId: newId(context, 'sgr'), tags }));
    context.tx.update(group, { spec: { ...group.spec, rules: [...group.spec.rules, ...added] } });
    return { Return: true, SecurityGroupRules: added.map((rule) => ruleShape(context, group.id, rule)) };
  };

type RevokeInput = RulesInput & { readonly SecurityGroupRuleIds?: string[] | undefined };

function rulesByIds(group: SecurityGroup, direction: Direction, ids: readonly string[]): Rule[] {
  return ids.map((id) => {
    const found = group.spec.rules.find((rule) => rule.ruleId === id && rule.direction === direction);
    if (!found) throw errors.ruleNotFound(id);
    return found;
  });
}

/**
 * What is not there: in the default VPC it is only reported, elsewhere it is an error.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RevokeSecurityGroupIngress.html
 */
const revoke =
  (direction: Direction) =>
  (input: RevokeInput, context: RequestContext): ec2.RevokeSecurityGroupIngressResult => {
    const group = groupOfInput(context, input);
    const ids = input.SecurityGroupRuleIds ?? [];
    if (ids.length > 0 && (hasFlat(input) || input.IpPermissions?.length)) {
      throw errors.invalidParameterCombination(
        'The parameter securityGroupRuleIds may not be used with the others.',
      );
    }
    const terms = ids.length > 0 ? [] : termsOf(context, group, direction, input);
    const byIdentity = new Map(group.spec.rules.map((rule) => [permission.ruleIdentity(rule), rule]));
    const found = terms
      .map((rule) => byIdentity.get(permission.ruleIdentity(rule)))
      .filter((rule) => rule !== undefined);
    const unknown = terms.filter((rule) => !byIdentity.has(permission.ruleIdentity(rule)));
    const inDefaultVpc = group.spec.vpcId === defaultVpc(context)?.id;
    if (unknown.length > 0 && !inDefaultVpc) throw errors.permissionNotFound();
    const revoked = [...found, ...rulesByIds(group, direction, ids)];
    const rules = group.spec.rules.filter((rule) => !revoked.includes(rule));
    context.tx.update(group, { spec: { ...group.spec, rules } });
    return {
      Return: true,
      UnknownIpPermissions: permission.permissionsOf(context, unknown),
      RevokedSecurityGroupRules: revoked.map((rule) => revokedShape(group.id, rule)),
    };
  };

interface RuleItem {
  readonly id: string;
  readonly tags: Tags;
  readonly ordinal: number;
  readonly groupId: string;
  readonly rule: Rule;
}

function describeSecurityGroupRules(
  input: ec2.DescribeSecurityGroupRulesRequest,
  context: RequestContext,
): ec2.DescribeSecurityGroupRulesResult {
  const all = context.tx
    .list(securityGroups, context.region)
    .flatMap(({ id: groupId, ordinal, spec }) =>
      spec.rules.map(
        (rule): RuleItem => ({ id: rule.ruleId, tags: rule.tags ?? {}, ordinal, groupId, rule }),
      ),
    );
  const { items, NextToken } = select(context, input, {
    call: 'DescribeSecurityGroupRules',
    items: all,
    ids: input.SecurityGroupRuleIds,
    notFound: errors.ruleNotFound,
    fields: {
      'group-id': ({ groupId }) => groupId,
      'security-group-rule-id': ({ id }) => id,
      'is-egress': ({ rule }) => truth(rule.direction === 'egress'),
    },
  });
  return {
    SecurityGroupRules: items.map(({ groupId, rule }) => ruleShape(context, groupId, rule)),
    NextToken,
  };
}

/** What a rule of that direction is to say from now on. */
function termsOfRequest(
  scope: Scope,
  group: SecurityGroup,
  direction: Direction,
  request: ec2.SecurityGroupRuleRequest,
): Terms {
  if (request.PrefixListId !== undefined) throw unsupported('prefix lists in security group rules');
  const peers = [
    request.CidrIpv4 === undefined ? undefined : permission.rangePeer(request.CidrIpv4),
    request.CidrIpv6 === undefined ? undefined : permission.ipv6RangePeer(request.CidrIpv6),
    request.ReferencedGroupId === undefined
      ? undefined
      : permission.groupPeer(scope, group, { GroupId: request.ReferencedGroupId }),
  ].filter((peer) => peer !== undefined);
  const [peer, ...others] = peers;
  if (!peer || others.length > 0) {
    throw errors.invalidParameterCombination(
      'Exactly one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId must be specified.',
    );
  }
  return {
    direction,
    ...permission.trafficMatch(request),
    peer,
    ...permission.ruleDescription(request.Description),
  };
}

function modifySecurityGroupRules(
  input: ec2.ModifySecurityGroupRulesRequest,
  context: RequestContext,
): ec2.ModifySecurityGroupRulesResult {
  const group = securityGroupOf(context, errors.required(input.GroupId, 'groupId'));
  let rules: readonly Rule[] = group.spec.rules;
  for (const update of errors.required(input.SecurityGroupRules, 'securityGroupRule')) {
    const id = errors.required(update.SecurityGroupRuleId, 'securityGroupRuleId');
    const previous = rules.find(({ ruleId }) => ruleId === id);
    if (!previous) throw errors.ruleNotFound(id);
    const request = errors.required(update.SecurityGroupRule, 'securityGroupRule');
    const terms = termsOfRequest(context, group, previous.direction, request);
    const next: Rule = { ...terms, ruleId: id, ...(previous.tags && { tags: previous.tags }) };
    rules = rules.map((rule) => (rule === previous ? next : rule));
  }
  const seen = new Set<string>();
  for (const rule of rules) {
    const identity = permission.ruleIdentity(rule);
    if (seen.has(identity)) throw duplicate(rule);
    seen.add(identity);
  }
  context.tx.update(group, { spec: { ...group.spec, rules } });
  return { Return: true };
}

type DescriptionsInput = ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest;

/** Rules are named by what they say, or by id; either way the description given replaces the one that was there. */
const updateDescriptions =
  (direction: Direction) =>
  (
    input: DescriptionsInput,
    context: RequestContext,
  ): ec2.UpdateSecurityGroupRuleDescriptionsIngressResult => {
    const group = groupOfInput(context, input);
    const wanted = new Map<string, string | undefined>();
    for (const { SecurityGroupRuleId: id = '', Description } of input.SecurityGroupRuleDescriptions ?? []) {
      rulesByIds(group, direction, [id]);
      wanted.set(id, permission.ruleDescription(Description).description);
    }
    for (const one of input.IpPermissions ?? []) {
      for (const terms of permission.rulesOfPermission(context, group, direction, one)) {
        const identity = permission.ruleIdentity(terms);
        const rule = group.spec.rules.find((other) => permission.ruleIdentity(other) === identity);
        if (!rule) throw errors.permissionNotFound();
        wanted.set(rule.ruleId, terms.description);
      }
    }
    if (wanted.size === 0) throw errors.missingParameter('ipPermissions');
    const rules = group.spec.rules.map((rule): Rule => {
      if (!wanted.has(rule.ruleId)) return rule;
      const { description: _, ...rest } = rule;
      const description = wanted.get(rule.ruleId);
      return description === undefined ? rest : { ...rest, description };
    });
    context.tx.update(group, { spec: { ...group.spec, rules } });
    return { Return: true };
  };

export const securityGroupRuleOperations: Readonly<Record<string, Operation>> = {
  AuthorizeSecurityGroupIngress: authorize('ingress'),
  AuthorizeSecurityGroupEgress: authorize('egress'),
  RevokeSecurityGroupIngress: revoke('ingress'),
  RevokeSecurityGroupEgress: revoke('egress'),
  DescribeSecurityGroupRules: describeSecurityGroupRules,
  ModifySecurityGroupRules: modifySecurityGroupRules,
  UpdateSecurityGroupRuleDescriptionsIngress: updateDescriptions('ingress'),
  UpdateSecurityGroupRuleDescriptionsEgress: updateDescriptions('egress'),
};
