/** Security groups as users see and change them. Their rules stand in `security-group-rule.ts`. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import { arn, newId } from '../../common/names.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { networkInterfaces, type SecurityGroup, securityGroups } from '../records.ts';
import { select } from '../selection.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { defaultVpc, vpcOrDefault } from './default-vpc.ts';
import { type Direction, permissionsOf, portsOf, protocolName, type RuleTerms } from './permission.ts';
import { securityGroupNamed, securityGroupOf } from './security-group-lookup.ts';
import { allowAllEgress } from './vpc-parts.ts';

const rulesOf = ({ spec }: SecurityGroup, wanted: Direction): RuleTerms[] =>
  spec.rules.filter(({ direction }) => direction === wanted);

const groupArn = (scope: Scope, id: string): string => arn(scope, 'ec2', `security-group/${id}`);

const groupShape = (scope: Scope, group: SecurityGroup): ec2.SecurityGroup => ({
  GroupId: group.id,
  GroupName: group.spec.name,
  Description: group.spec.description,
  VpcId: group.spec.vpcId,
  OwnerId: scope.settings.accountId,
  SecurityGroupArn: groupArn(scope, group.id),
  IpPermissions: permissionsOf(scope, rulesOf(group, 'ingress')),
  IpPermissionsEgress: permissionsOf(scope, rulesOf(group, 'egress')),
  Tags: tagList(group.tags),
});

const DESCRIPTION = /^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]*$/;

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html */
function checkNaming(name: string, description: string): void {
  if (name.toLowerCase() === 'default') {
    throw errors.invalidParameterValue(`Cannot use reserved security group name: ${name}`);
  }
  if (name.startsWith('sg-')) {
    throw errors.invalidParameterValue(
      `Value (${name}) for parameter GroupName is invalid. Group names may not be in the format sg-*`,
    );
  }
  for (const [parameter, value] of [
    ['GroupName', name],
    ['GroupDescription', description],
  ]) {
    if ((value ?? '').length > 255 || !DESCRIPTION.test(value ?? '')) {
      throw errors.invalidParameterValue(
        `Value (${value}) for parameter ${parameter} is invalid. Valid are up to 255 characters from the set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*`,
      );
    }
  }
}

function createSecurityGroup(
  input: ec2.CreateSecurityGroupRequest,
  context: RequestContext,
): ec2.CreateSecurityGroupResult {
  const name = errors.required(input.GroupName, 'groupName').trim();
  const description = errors.required(input.Description, 'GroupDescription');
  checkNaming(name, description);
  const vpc = vpcOrDefault(context, input.VpcId);
  if (securityGroupNamed(context.tx, context.region, vpc.id, name)) {
    throw new AwsError(
      'InvalidGroup.Duplicate',
      `The security group '${name}' already exists for VPC '${vpc.id}'`,
    );
  }
  const group = context.tx.create(securityGroups, {
    region: context.region,
    id: newId(context, 'sg'),
    owner: vpc,
    spec: { vpcId: vpc.id, name, description, rules: [allowAllEgress(context)] },
    status: null,
    tags: specifiedTags(input.TagSpecifications, 'security-group'),
  });
  return { GroupId: group.id, SecurityGroupArn: groupArn(context, group.id), Tags: tagList(group.tags) };
}

/** The group that a call names, by id or by its name in the default VPC. */
export function groupOfInput(
  scope: Scope,
  input: { readonly GroupId?: string | undefined; readonly GroupName?: string | undefined },
): SecurityGroup {
  if (input.GroupId !== undefined && input.GroupName !== undefined) {
    throw errors.invalidParameterCombination(
      'The parameter groupName cannot be used with the parameter groupId',
    );
  }
  if (input.GroupId !== undefined) return securityGroupOf(scope, input.GroupId);
  if (input.GroupName === undefined) throw errors.missingParameter('groupName or groupId');
  const vpc = vpcOrDefault(scope, undefined);
  const group = securityGroupNamed(scope.tx, scope.region, vpc.id, input.GroupName);
  if (!group) throw errors.groupNameNotFound(input.GroupName, vpc.id);
  return group;
}

/** Does an interface use the group, or another group's rule name it? */
function isInUse(scope: Scope, id: string): boolean {
  const used = scope.tx
    .list(networkInterfaces, scope.region)
    .some(({ spec }) => spec.securityGroupIds.includes(id));
  const namesIt = ({ peer }: RuleTerms): boolean => 'securityGroupId' in peer && peer.securityGroupId === id;
  const groups = scope.tx.list(securityGroups, scope.region);
  return used || groups.some((group) => group.id !== id && group.spec.rules.some(namesIt));
}

function deleteSecurityGroup(
  input: ec2.DeleteSecurityGroupRequest,
  context: RequestContext,
): ec2.DeleteSecurityGroupResult {
  const group = groupOfInput(context, input);
  if (group.spec.name === 'default') {
    throw new AwsError(
      'CannotDelete',
      `the specified group: "${group.id}" name: "default" cannot be deleted by a user`,
    );
  }
  if (isInUse(context, group.id)) {
    throw errors.dependencyViolation(`resource ${group.id} has a dependent object`);
  }
  context.tx.remove(group);
  return { Return: true, GroupId: group.id };
}

/** The filters on rules: `ip-permission.*` on those of ingress, `egress.ip-permission.*` on those of egress. */
function ruleFields(scope: Scope, direction: Direction): FilterFields<SecurityGroup> {
  const prefix = direction === 'ingress' ? 'ip-permission' : 'egress.ip-permission';
  const each = (value: (rule: RuleTerms) => string | number | undefined) => (group: SecurityGroup) =>
    rulesOf(group, direction)
      .map(value)
      .filter((found) => found !== undefined)
      .map(String);
  const peerGroup = ({ peer }: RuleTerms): string | undefined =>
    'securityGroupId' in peer ? peer.securityGroupId : undefined;
  return {
    [`${prefix}.cidr`]: each(({ peer }) => ('cidr' in peer ? peer.cidr : undefined)),
    [`${prefix}.from-port`]: each((rule) => portsOf(rule).FromPort),
    [`${prefix}.group-id`]: each(peerGroup),
    [`${prefix}.group-name`]: each(
      (rule) => scope.tx.get(securityGroups, scope.region, peerGroup(rule) ?? '')?.spec.name,
    ),
    [`${prefix}.ipv6-cidr`]: each(({ peer }) => ('cidrIpv6' in peer ? peer.cidrIpv6 : undefined)),
    [`${prefix}.prefix-list-id`]: () => undefined,
    [`${prefix}.protocol`]: each((rule) => protocolName(rule.protocol)),
    [`${prefix}.to-port`]: each((rule) => portsOf(rule).ToPort),
    [`${prefix}.user-id`]: each((rule) => peerGroup(rule) && scope.settings.accountId),
  };
}

const groupFields = (scope: Scope): FilterFields<SecurityGroup> => ({
  description: ({ spec }) => spec.description,
  'group-id': ({ id }) => id,
  'group-name': ({ spec }) => spec.name,
  'owner-id': () => scope.settings.accountId,
  'vpc-id': ({ spec }) => spec.vpcId,
  ...ruleFields(scope, 'ingress'),
  ...ruleFields(scope, 'egress'),
});

/** Names are those of groups in the default VPC. */
function idsOfNames(context: RequestContext, names: readonly string[]): string[] {
  const vpcId = defaultVpc(context)?.id ?? '';
  return names.map((name) => {
    const group = securityGroupNamed(context.tx, context.region, vpcId, name);
    if (!group) throw errors.groupNotFound(name);
    return group.id;
  });
}

function describeSecurityGroups(
  input: ec2.DescribeSecurityGroupsRequest,
  context: RequestContext,
): ec2.DescribeSecurityGroupsResult {
  const ids = input.GroupIds ?? [];
  for (const id of ids) if (!id.startsWith('sg-')) throw errors.groupIdMalformed(id);
  const { items, NextToken } = select(context, input, {
    call: 'DescribeSecurityGroups',
    items: context.tx.list(securityGroups, context.region),
    ids: [...ids, ...idsOfNames(context, input.GroupNames ?? [])],
    notFound: errors.groupNotFound,
    fields: groupFields(context),
  });
  return { SecurityGroups: items.map((group) => groupShape(context, group)), NextToken };
}

export const securityGroupOperations: Readonly<Record<string, Operation>> = {
  CreateSecurityGroup: createSecurityGroup,
  DeleteSecurityGroup: deleteSecurityGroup,
  DescribeSecurityGroups: describeSecurityGroups,
};
