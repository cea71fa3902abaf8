/** The network as the stock SDK sees it: over HTTP, through the wire's models and back. */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import * as ec2 from '@aws-sdk/client-ec2';
import { networkWorld } from './ec2-network-world.ts';
import { serve } from './served-world.ts';

const world = await networkWorld();
const served = await serve(world.region, world.errors);
const client = new ec2.EC2Client(served.settings);

after(async () => {
  client.destroy();
  await served[Symbol.asyncDispose]();
});

it('builds a VPC and reads it back', async () => {
  const { Vpc } = await client.send(
    new ec2.CreateVpcCommand({
      CidrBlock: '10.1.0.0/16',
      TagSpecifications: [{ ResourceType: 'vpc', Tags: [{ Key: 'Name', Value: 'a <b> & c' }] }],
    }),
  );
  const VpcId = Vpc?.VpcId ?? '';
  await world.idle();
  const { Vpcs } = await client.send(
    new ec2.DescribeVpcsCommand({ Filters: [{ Name: 'tag:Name', Values: ['a <b> & c'] }] }),
  );
  assert.deepEqual(
    Vpcs?.map((vpc) => [vpc.VpcId, vpc.State, vpc.IsDefault]),
    [[VpcId, 'available', false]],
  );
  const { Subnet } = await client.send(
    new ec2.CreateSubnetCommand({ VpcId, CidrBlock: '10.1.2.0/24', AvailabilityZoneId: 'usw2-az3' }),
  );
  assert.equal(Subnet?.AvailabilityZone, 'us-west-2c');
  const SubnetId = Subnet?.SubnetId;
  await client.send(new ec2.ModifySubnetAttributeCommand({ SubnetId, MapPublicIpOnLaunch: { Value: true } }));
  await client.send(new ec2.ModifyVpcAttributeCommand({ VpcId, EnableDnsHostnames: { Value: true } }));
  const attribute = await client.send(
    new ec2.DescribeVpcAttributeCommand({ VpcId, Attribute: 'enableDnsHostnames' }),
  );
  assert.equal(attribute.EnableDnsHostnames?.Value, true);
  const made = await client.send(new ec2.CreateNetworkInterfaceCommand({ SubnetId }));
  assert.match(made.NetworkInterface?.PrivateDnsName ?? '', /^ip-10-1-2-\d+\.us-west-2\.compute\.internal$/);
  const { RouteTables } = await client.send(
    new ec2.DescribeRouteTablesCommand({ Filters: [{ Name: 'vpc-id', Values: [VpcId] }] }),
  );
  assert.deepEqual(RouteTables?.[0]?.Routes, [
    { DestinationCidrBlock: '10.1.0.0/16', GatewayId: 'local', Origin: 'CreateRouteTable', State: 'active' },
  ]);
  const { NetworkAcls } = await client.send(
    new ec2.DescribeNetworkAclsCommand({
      Filters: [{ Name: 'association.subnet-id', Values: [SubnetId ?? ''] }],
    }),
  );
  assert.equal(NetworkAcls?.[0]?.Entries?.length, 4);
});

it('takes rules of security groups and tells the same rules', async () => {
  const { GroupId } = await client.send(
    new ec2.CreateSecurityGroupCommand({ GroupName: 'web', Description: 'the web tier' }),
  );
  const authorized = await client.send(
    new ec2.AuthorizeSecurityGroupIngressCommand({
      GroupId,
      IpPermissions: [
        {
          IpProtocol: 'tcp',
          FromPort: 80,
          ToPort: 80,
          IpRanges: [{ CidrIp: '0.0.0.0/0', Description: 'all' }],
        },
        { IpProtocol: '-1', UserIdGroupPairs: [{ GroupId }] },
      ],
    }),
  );
  assert.equal(authorized.Return, true);
  const { SecurityGroups } = await client.send(
    new ec2.DescribeSecurityGroupsCommand({ GroupNames: ['web'] }),
  );
  assert.deepEqual(SecurityGroups?.[0]?.IpPermissions?.[0]?.IpRanges, [
    { CidrIp: '0.0.0.0/0', Description: 'all' },
  ]);
  const { SecurityGroupRules } = await client.send(
    new ec2.DescribeSecurityGroupRulesCommand({ Filters: [{ Name: 'group-id', Values: [GroupId ?? ''] }] }),
  );
  const ids = SecurityGroupRules?.filter((rule) => !rule.IsEgress).map(
    (rule) => rule.SecurityGroupRuleId ?? '',
  );
  const revoked = await client.send(
    new ec2.RevokeSecurityGroupIngressCommand({ GroupId, SecurityGroupRuleIds: ids }),
  );
  assert.equal(revoked.RevokedSecurityGroupRules?.length, 2);
  const deleted = await client.send(new ec2.DeleteSecurityGroupCommand({ GroupId }));
  assert.equal(deleted.GroupId, GroupId);
});

it('gives errors that clients match by their code', async () => {
  const code = (name: string) => (error: Error) => error.name === name;
  const describe = new ec2.DescribeSubnetsCommand({ SubnetIds: ['subnet-0123456789abcdef0'] });
  await assert.rejects(client.send(describe), code('InvalidSubnetID.NotFound'));
  const create = new ec2.CreateVpcCommand({ CidrBlock: '10.0.0.0/8' });
  await assert.rejects(client.send(create), code('InvalidVpc.Range'));
  const dry = new ec2.CreateVpcCommand({ CidrBlock: '10.8.0.0/16', DryRun: true });
  await assert.rejects(client.send(dry), code('DryRunOperation'));
});

it('pages through what there is, and tells regions and zones', async () => {
  const pages = ec2.paginateDescribeSecurityGroups({ client, pageSize: 5 }, {});
  for (let at = 0; at < 7; at += 1) {
    await client.send(new ec2.CreateSecurityGroupCommand({ GroupName: `g${at}`, Description: 'd' }));
  }
  const names: string[] = [];
  for await (const page of pages)
    names.push(...(page.SecurityGroups ?? []).map((one) => one.GroupName ?? ''));
  assert.equal(names.filter((name) => /^g\d$/.test(name)).length, 7);
  const { Regions } = await client.send(new ec2.DescribeRegionsCommand({ AllRegions: true }));
  assert.ok(
    Regions?.some(({ RegionName, OptInStatus }) => RegionName === 'me-south-1' && OptInStatus === 'opted-in'),
  );
  const { AvailabilityZones } = await client.send(new ec2.DescribeAvailabilityZonesCommand({}));
  assert.deepEqual(
    AvailabilityZones?.map(({ ZoneName }) => ZoneName?.at(-1)),
    ['a', 'b', 'c', 'd'],
  );
  const { Tags } = await client.send(new ec2.DescribeTagsCommand({}));
  assert.ok((Tags?.length ?? 0) >= 1);
});
