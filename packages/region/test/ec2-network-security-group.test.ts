/** Security groups: rules in both forms, by address and by group, said back, changed and taken away. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type * as ec2 from '@aws-sdk/client-ec2';
import { deleteInterface } from '../src/services/ec2/network/index.ts';
import { securityGroupOperations } from '../src/services/ec2/network/security-group.ts';
import { securityGroupRuleOperations } from '../src/services/ec2/network/security-group-rule.ts';
import { called, networkWorld } from './ec2-network-world.ts';

const world = await networkWorld();
const { call, refused } = world;
const filter = (Name: string, ...Values: string[]) => ({ Filters: [{ Name, Values }] });
const ids = (items: object[], member: string): string[] =>
  items.map((item) => (item as Record<string, string>)[member] ?? '');

describe('security groups', () => {
  const ssh = { IpProtocol: 'tcp', FromPort: 22, ToPort: 22 };

  it('take rules in both forms, and say them back', async () => {
    const { GroupId } = await call('CreateSecurityGroup', { GroupName: 'web', Description: 'the web tier' });
    const answer = await call('AuthorizeSecurityGroupIngress', { GroupId, ...ssh, CidrIp: '10.1.2.3/8' });
    assert.equal(answer.SecurityGroupRules[0].CidrIpv4, '10.0.0.0/8');
    await call('AuthorizeSecurityGroupIngress', {
      GroupName: 'web',
      IpPermissions: [
        {
          ...ssh,
          IpRanges: [{ CidrIp: '192.0.2.0/24', Description: 'the office' }],
          Ipv6Ranges: [{ CidrIpv6: '::/0' }],
        },
        { IpProtocol: '-1', UserIdGroupPairs: [{ GroupId }] },
        { IpProtocol: 'icmp', FromPort: -1, ToPort: -1, IpRanges: [{ CidrIp: '0.0.0.0/0' }] },
      ],
    });
    const [group] = (await call('DescribeSecurityGroups', { GroupIds: [GroupId] })).SecurityGroups;
    assert.deepEqual(
      group.IpPermissions.map((one: ec2.IpPermission) => [
        one.IpProtocol,
        one.FromPort,
        one.ToPort,
        one.IpRanges?.length,
        one.Ipv6Ranges?.length,
        one.UserIdGroupPairs?.length,
      ]),
      [
        ['tcp', 22, 22, 2, 1, 0],
        ['-1', undefined, undefined, 0, 0, 1],
        ['icmp', -1, -1, 1, 0, 0],
      ],
    );
    assert.equal(group.IpPermissionsEgress[0].IpProtocol, '-1');
    const found = await call('DescribeSecurityGroups', filter('ip-permission.cidr', '192.0.2.0/24'));
    assert.deepEqual(ids(found.SecurityGroups, 'GroupId'), [GroupId]);
    const { SecurityGroupRules } = await call('DescribeSecurityGroupRules', filter('group-id', GroupId));
    assert.equal(SecurityGroupRules.length, 6);
    await call('RevokeSecurityGroupIngress', { GroupId, ...ssh, CidrIp: '10.0.0.0/8' });
    const rest = (await call('DescribeSecurityGroups', { GroupNames: ['web'] })).SecurityGroups[0];
    assert.equal(rest.IpPermissions[0].IpRanges.length, 1);
    assert.equal(
      await refused('DescribeSecurityGroups', { GroupNames: ['nobody'] }),
      'InvalidGroup.NotFound',
    );
    await call('DeleteSecurityGroup', { GroupName: 'web' });
  });

  it('name what is wrong', async () => {
    const { GroupId } = await call('CreateSecurityGroup', { GroupName: 'strict', Description: 'd' });
    assert.equal(
      await refused('CreateSecurityGroup', { GroupName: 'strict', Description: 'd' }),
      'InvalidGroup.Duplicate',
    );
    for (const GroupName of ['default', 'sg-web', 'x'.repeat(256), 'smörgås']) {
      assert.equal(
        await refused('CreateSecurityGroup', { GroupName, Description: 'd' }),
        'InvalidParameterValue',
      );
    }
    const rule = { GroupId, ...ssh, CidrIp: '0.0.0.0/0' };
    await call('AuthorizeSecurityGroupIngress', rule);
    await assert.rejects(call('AuthorizeSecurityGroupIngress', rule), {
      code: 'InvalidPermission.Duplicate',
      message: 'the specified rule "peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW" already exists',
    });
    const everything = {
      GroupId,
      IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
    };
    await assert.rejects(call('AuthorizeSecurityGroupEgress', everything), {
      message: 'the specified rule "peer: 0.0.0.0/0, ALL, ALLOW" already exists',
    });
    for (const bad of [
      { IpProtocol: 'tcp', CidrIp: '0.0.0.0/0' },
      { ...ssh, ToPort: 21, CidrIp: '0.0.0.0/0' },
      { ...ssh, CidrIp: '0.0.0.0' },
      { ...ssh, IpProtocol: 'sctpp', CidrIp: '0.0.0.0/0' },
    ]) {
      assert.equal(
        await refused('AuthorizeSecurityGroupIngress', { GroupId, ...bad }),
        'InvalidParameterValue',
      );
    }
    const peer = (pair: object) => ({ GroupId, IpPermissions: [{ ...ssh, UserIdGroupPairs: [pair] }] });
    assert.equal(
      await refused('AuthorizeSecurityGroupIngress', peer({ GroupId: 'sg-0' })),
      'InvalidGroup.NotFound',
    );
    assert.equal(
      await refused('AuthorizeSecurityGroupIngress', peer({ GroupId: 'web' })),
      'InvalidGroupId.Malformed',
    );
    assert.equal(
      await refused('AuthorizeSecurityGroupIngress', { GroupId: 'sg-0', ...ssh }),
      'InvalidGroup.NotFound',
    );
    await call('DeleteSecurityGroup', { GroupId });
  });

  it('report an unknown rule in the default VPC, and refuse it elsewhere', async () => {
    const here = (await call('CreateSecurityGroup', { GroupName: 'here', Description: 'd' })).GroupId;
    const missing = { ...ssh, CidrIp: '203.0.113.0/24' };
    const answer = await call('RevokeSecurityGroupIngress', { GroupId: here, ...missing });
    assert.equal(answer.UnknownIpPermissions[0].IpRanges[0].CidrIp, '203.0.113.0/24');
    const { VpcId } = (await call('CreateVpc', { CidrBlock: '10.60.0.0/16' })).Vpc;
    const there = (await call('CreateSecurityGroup', { GroupName: 'here', Description: 'd', VpcId })).GroupId;
    assert.equal(
      await refused('RevokeSecurityGroupIngress', { GroupId: there, ...missing }),
      'InvalidPermission.NotFound',
    );
    const pair = { ...ssh, UserIdGroupPairs: [{ GroupId: here }] };
    assert.equal(
      await refused('AuthorizeSecurityGroupIngress', { GroupId: there, IpPermissions: [pair] }),
      'InvalidGroup.NotFound',
    );
  });

  it('cannot be deleted while something names them', async () => {
    const a = (await call('CreateSecurityGroup', { GroupName: 'a', Description: 'a' })).GroupId;
    const b = (await call('CreateSecurityGroup', { GroupName: 'b', Description: 'b' })).GroupId;
    const flat = { GroupId: b, SourceSecurityGroupName: 'a' };
    const { SecurityGroupRules } = await call('AuthorizeSecurityGroupIngress', flat);
    assert.deepEqual(ids(SecurityGroupRules, 'IpProtocol'), ['tcp', 'udp', 'icmp']);
    assert.equal(await refused('DeleteSecurityGroup', { GroupId: a }), 'DependencyViolation');
    const SecurityGroupRuleIds = ids(SecurityGroupRules, 'SecurityGroupRuleId');
    await call('RevokeSecurityGroupIngress', { GroupId: b, SecurityGroupRuleIds });
    await call('DeleteSecurityGroup', { GroupId: a });
    const [fallback] = (await call('DescribeSecurityGroups', filter('group-name', 'default'))).SecurityGroups;
    assert.equal(await refused('DeleteSecurityGroup', { GroupId: fallback.GroupId }), 'CannotDelete');
    const [subnet] = (await call('DescribeSubnets')).Subnets;
    const { id } = world.managed(subnet.SubnetId, 'node-sg', { securityGroupIds: [b] });
    assert.equal(await refused('DeleteSecurityGroup', { GroupId: b }), 'DependencyViolation');
    world.inScope((scope) => deleteInterface(scope, id));
    await call('DeleteSecurityGroup', { GroupId: b });
  });

  it('have rules that can be changed and described one by one', async () => {
    const { GroupId } = await call('CreateSecurityGroup', { GroupName: 'rules', Description: 'd' });
    const made = await call('AuthorizeSecurityGroupIngress', {
      GroupId,
      IpPermissions: [{ ...ssh, IpRanges: [{ CidrIp: '10.0.0.0/8' }] }],
      TagSpecifications: [{ ResourceType: 'security-group-rule', Tags: [{ Key: 'Name', Value: 'ssh' }] }],
    });
    const SecurityGroupRuleId = made.SecurityGroupRules[0].SecurityGroupRuleId;
    await call('ModifySecurityGroupRules', {
      GroupId,
      SecurityGroupRules: [
        {
          SecurityGroupRuleId,
          SecurityGroupRule: { IpProtocol: 'tcp', FromPort: 2222, ToPort: 2222, CidrIpv4: '10.0.0.0/8' },
        },
      ],
    });
    await call('UpdateSecurityGroupRuleDescriptionsIngress', {
      GroupId,
      SecurityGroupRuleDescriptions: [{ SecurityGroupRuleId, Description: 'not 22' }],
    });
    await call('UpdateSecurityGroupRuleDescriptionsEgress', {
      GroupId,
      IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0', Description: 'all out' }] }],
    });
    const { SecurityGroupRules } = await call('DescribeSecurityGroupRules', filter('group-id', GroupId));
    const egress = SecurityGroupRules.find((rule: ec2.SecurityGroupRule) => rule.IsEgress);
    const ingress = SecurityGroupRules.find((rule: ec2.SecurityGroupRule) => !rule.IsEgress);
    assert.deepEqual(
      [ingress.FromPort, ingress.Description, ingress.Tags[0].Value, ingress.SecurityGroupRuleId],
      [2222, 'not 22', 'ssh', SecurityGroupRuleId],
    );
    assert.deepEqual([egress.Description, egress.FromPort, egress.IsEgress], ['all out', -1, true]);
    await call('RevokeSecurityGroupEgress', { GroupId, SecurityGroupRuleIds: [egress.SecurityGroupRuleId] });
    await call('CreateTags', { Resources: [SecurityGroupRuleId, GroupId], Tags: [{ Key: 'k', Value: 'v' }] });
    const { Tags } = await call('DescribeTags', filter('key', 'k'));
    assert.deepEqual(new Set(ids(Tags, 'ResourceId')), new Set([SecurityGroupRuleId, GroupId]));
  });
});

it('no loop failed, and no operation is without a story', async () => {
  await world.stop();
  const operations = Object.keys({ ...securityGroupOperations, ...securityGroupRuleOperations });
  assert.deepEqual(
    operations.filter((operation) => !called.has(operation)),
    [],
  );
});
