/** Network ACLs: in order, without memory, at the borders of subnets. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type * as ec2 from '@aws-sdk/client-ec2';
import { networkAclOperations } from '../src/services/ec2/network/network-acl.ts';
import { networkAclEntryOperations } from '../src/services/ec2/network/network-acl-entry.ts';
import { called, networkWorld } from './ec2-network-world.ts';

const world = await networkWorld();
const { call, refused } = world;

let vpcs = 0;
/** Two subnets with an instance in each, which everybody may reach on every port but for network ACLs. */
async function twoSubnets() {
  vpcs += 1;
  const base = `10.${vpcs}`;
  const { VpcId } = (await call('CreateVpc', { CidrBlock: `${base}.0.0/16` })).Vpc;
  const { GroupId } = await call('CreateSecurityGroup', { VpcId, GroupName: 'open', Description: 'open' });
  const all = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
  await call('AuthorizeSecurityGroupIngress', { GroupId, IpPermissions: [all] });
  const nodes: { subnet: string; eni: string; address: string }[] = [];
  for (const third of [1, 2]) {
    const { SubnetId } = (await call('CreateSubnet', { VpcId, CidrBlock: `${base}.${third}.0/24` })).Subnet;
    const instance = await world.describe(await world.launchOne({ SubnetId, SecurityGroupIds: [GroupId] }));
    nodes.push({
      subnet: SubnetId,
      eni: instance.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? '',
      address: instance.PrivateIpAddress ?? '',
    });
  }
  const [from, to] = nodes;
  assert.ok(from && to);
  const reaches = async (port: number): Promise<boolean> => {
    await world.idle();
    return world.drivers.network.reaches({ from: from.eni, to: to.address, protocol: 6, port });
  };
  return { VpcId, base, from, to, reaches };
}

const aclOf = async (subnetId: string): Promise<ec2.NetworkAcl> =>
  (
    await call('DescribeNetworkAcls', {
      Filters: [{ Name: 'association.subnet-id', Values: [subnetId] }],
    })
  ).NetworkAcls[0];

const tcp = (From: number, To = From) => ({ Protocol: '6', PortRange: { From, To } });
const everywhere = { CidrBlock: '0.0.0.0/0' };

it('decides by the first entry that matches, and a deny wins over a security group', async () => {
  const { to, reaches } = await twoSubnets();
  const { NetworkAclId } = await aclOf(to.subnet);
  assert.ok(await reaches(80));
  const deny = { NetworkAclId, Egress: false, RuleNumber: 90, RuleAction: 'deny', ...tcp(80), ...everywhere };
  await call('CreateNetworkAclEntry', deny);
  assert.deepEqual([await reaches(80), await reaches(81)], [false, true]);
  assert.equal(await refused('CreateNetworkAclEntry', deny), 'NetworkAclEntryAlreadyExists');
  await call('CreateNetworkAclEntry', { ...deny, RuleNumber: 80, RuleAction: 'allow' });
  assert.ok(await reaches(80));
  await call('ReplaceNetworkAclEntry', { ...deny, RuleNumber: 80, ...tcp(1, 100) });
  assert.deepEqual([await reaches(80), await reaches(100), await reaches(101)], [false, false, true]);
  const entries = (await aclOf(to.subnet)).Entries ?? [];
  assert.deepEqual(
    entries.filter(({ Egress }) => !Egress).map(({ RuleNumber, RuleAction }) => [RuleNumber, RuleAction]),
    [
      [80, 'deny'],
      [90, 'deny'],
      [100, 'allow'],
      [32_767, 'deny'],
    ],
  );
  for (const RuleNumber of [80, 90]) {
    await call('DeleteNetworkAclEntry', { NetworkAclId, Egress: false, RuleNumber });
  }
  assert.ok(await reaches(80));
});

it('has no memory: the answer needs an entry of its own', async () => {
  const { VpcId, to, base, reaches } = await twoSubnets();
  const { NetworkAcl } = await call('CreateNetworkAcl', { VpcId, ClientToken: 'one' });
  const { NetworkAclId } = NetworkAcl;
  assert.equal(
    (await call('CreateNetworkAcl', { VpcId, ClientToken: 'one' })).NetworkAcl.NetworkAclId,
    NetworkAclId,
  );
  assert.equal(NetworkAcl.IsDefault, false);
  const before = (await aclOf(to.subnet)).Associations?.find((one) => one.SubnetId === to.subnet);
  const { NewAssociationId } = await call('ReplaceNetworkAclAssociation', {
    AssociationId: before?.NetworkAclAssociationId,
    NetworkAclId,
  });
  assert.equal(await reaches(80), false, 'a new ACL denies everything');
  const allow = { NetworkAclId, RuleNumber: 100, RuleAction: 'allow', CidrBlock: `${base}.1.0/24` };
  await call('CreateNetworkAclEntry', { ...allow, Egress: false, ...tcp(80) });
  assert.equal(await reaches(80), false);
  await call('CreateNetworkAclEntry', { ...allow, Egress: true, ...tcp(1024, 65_535), Protocol: 'tcp' });
  assert.deepEqual([await reaches(80), await reaches(81)], [true, false]);

  assert.equal(await refused('DeleteNetworkAcl', { NetworkAclId }), 'DependencyViolation');
  assert.equal(await refused('DeleteVpc', { VpcId }), 'DependencyViolation');
  const shown = await aclOf(to.subnet);
  assert.deepEqual(
    shown.Associations?.map((one) => [one.NetworkAclAssociationId, one.SubnetId]),
    [[NewAssociationId, to.subnet]],
  );
  await call('ReplaceNetworkAclAssociation', {
    AssociationId: NewAssociationId,
    NetworkAclId: before?.NetworkAclId,
  });
  assert.ok(await reaches(81));
  await call('DeleteNetworkAcl', { NetworkAclId });
  assert.equal(await refused('DeleteNetworkAcl', { NetworkAclId }), 'InvalidNetworkAclID.NotFound');
});

it('keeps ICMP types and tags, and finds by them', async () => {
  const { VpcId } = await twoSubnets();
  const TagSpecifications = [{ ResourceType: 'network-acl', Tags: [{ Key: 'Name', Value: 'ping' }] }];
  const { NetworkAclId } = (await call('CreateNetworkAcl', { VpcId, TagSpecifications })).NetworkAcl;
  const echo = { IcmpTypeCode: { Type: 8, Code: -1 }, Protocol: 'icmp' };
  const entry = { NetworkAclId, Egress: false, RuleNumber: 5, RuleAction: 'allow', ...everywhere };
  await call('CreateNetworkAclEntry', { ...entry, ...echo });
  const any = { IcmpTypeCode: { Type: -1, Code: -1 }, Protocol: '1' };
  await call('CreateNetworkAclEntry', { ...entry, ...any, RuleNumber: 6 });
  const { NetworkAcls } = await call('DescribeNetworkAcls', {
    Filters: [
      { Name: 'entry.icmp.type', Values: ['8'] },
      { Name: 'tag:Name', Values: ['ping'] },
    ],
  });
  const shown = (NetworkAcls as ec2.NetworkAcl[])[0]?.Entries?.filter(({ Egress }) => !Egress);
  assert.deepEqual(
    shown?.map(({ Protocol, IcmpTypeCode }) => [Protocol, IcmpTypeCode]),
    [
      ['1', { Type: 8, Code: -1 }],
      ['1', { Type: -1, Code: -1 }],
      ['-1', undefined],
    ],
  );
});

it('refuses what AWS refuses', async () => {
  const { VpcId, to } = await twoSubnets();
  const shown = await aclOf(to.subnet);
  const NetworkAclId = shown.NetworkAclId;
  const entry = {
    NetworkAclId,
    Egress: false,
    RuleNumber: 5,
    RuleAction: 'allow',
    ...tcp(80),
    ...everywhere,
  };
  const code = (change: object) => refused('CreateNetworkAclEntry', { ...entry, ...change });
  assert.equal(await code({ NetworkAclId: 'acl-0' }), 'InvalidNetworkAclID.NotFound');
  assert.equal(await code({ RuleNumber: 0 }), 'InvalidParameterValue');
  assert.equal(await code({ RuleNumber: 32_767 }), 'InvalidParameterValue');
  assert.equal(await code({ RuleAction: 'maybe' }), 'InvalidParameterValue');
  assert.equal(await code({ CidrBlock: '10.0.0.0/33' }), 'InvalidParameterValue');
  assert.equal(await code({ Protocol: 'carrier-pigeon' }), 'InvalidParameterValue');
  assert.equal(await code({ PortRange: { From: 90, To: 80 } }), 'InvalidParameterValue');
  assert.equal(await code({ PortRange: undefined }), 'InvalidParameterValue');
  assert.equal(await code({ CidrBlock: undefined }), 'MissingParameter');
  assert.equal(await code({ Egress: undefined }), 'MissingParameter');
  assert.equal(await code({ CidrBlock: undefined, Ipv6CidrBlock: '::/0' }), 'UnsupportedOperation');
  assert.equal(
    await refused('DeleteNetworkAclEntry', { NetworkAclId, Egress: true, RuleNumber: 7 }),
    'InvalidNetworkAclEntry.NotFound',
  );
  assert.equal(await refused('ReplaceNetworkAclEntry', entry), 'InvalidNetworkAclEntry.NotFound');
  assert.equal(await refused('DeleteNetworkAcl', { NetworkAclId }), 'InvalidParameterValue');
  const AssociationId = shown.Associations?.[0]?.NetworkAclAssociationId;
  const elsewhere = await twoSubnets();
  const other = (await aclOf(elsewhere.to.subnet)).NetworkAclId;
  const replace = (input: object) => refused('ReplaceNetworkAclAssociation', input);
  assert.equal(await replace({ AssociationId, NetworkAclId: other }), 'InvalidParameterValue');
  assert.equal(await replace({ AssociationId, NetworkAclId: 'acl-0' }), 'InvalidNetworkAclID.NotFound');
  assert.equal(await replace({ AssociationId: 'aclassoc-0', NetworkAclId }), 'InvalidAssociationID.NotFound');
  await call('CreateNetworkAcl', { VpcId });
  assert.equal(await refused('CreateNetworkAcl', { VpcId: 'vpc-0' }), 'InvalidVpcID.NotFound');
});

it('no loop failed, and no operation is without a story', async () => {
  await world.stop();
  const operations = Object.keys({ ...networkAclOperations, ...networkAclEntryOperations });
  assert.deepEqual(
    operations.filter((operation) => !called.has(operation)),
    [],
  );
});
