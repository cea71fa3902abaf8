/** What a person sees of EC2's network through the API. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type * as ec2 from '@aws-sdk/client-ec2';
import { absentOperations } from '../src/services/ec2/network/absent.ts';
import { elasticIpOperations } from '../src/services/ec2/network/elastic-ip.ts';
import { deleteInterface, networkOperations } from '../src/services/ec2/network/index.ts';
import { interfaceAddressOperations } from '../src/services/ec2/network/interface-address.ts';
import { interfaceAttachmentOperations } from '../src/services/ec2/network/interface-attachment.ts';
import { natGatewayOperations } from '../src/services/ec2/network/nat-gateway.ts';
import { networkAclOperations } from '../src/services/ec2/network/network-acl.ts';
import { networkAclEntryOperations } from '../src/services/ec2/network/network-acl-entry.ts';
import { securityGroupOperations } from '../src/services/ec2/network/security-group.ts';
import { securityGroupRuleOperations } from '../src/services/ec2/network/security-group-rule.ts';
import { vpcCidrOperations } from '../src/services/ec2/network/vpc-cidr.ts';
import { called, networkWorld } from './ec2-network-world.ts';

/** Each of these has a file of its own, which holds the same of them. */
const toldElsewhere = [
  elasticIpOperations,
  absentOperations,
  vpcCidrOperations,
  interfaceAddressOperations,
  interfaceAttachmentOperations,
  { ResetNetworkInterfaceAttribute: true },
  natGatewayOperations,
  networkAclOperations,
  networkAclEntryOperations,
  securityGroupOperations,
  securityGroupRuleOperations,
];

const world = await networkWorld();
const { call, refused } = world;
const filter = (Name: string, ...Values: string[]) => ({ Filters: [{ Name, Values }] });
const ids = (items: object[], member: string): string[] =>
  items.map((item) => (item as Record<string, string>)[member] ?? '');

describe('regions and zones', () => {
  it('shows every region, each enabled', async () => {
    const { Regions } = await call('DescribeRegions');
    const names = ids(Regions, 'RegionName');
    for (const name of ['us-east-1', 'us-west-2', 'eu-west-1', 'ap-northeast-2']) {
      assert.ok(names.includes(name), name);
    }
    const west = await call('DescribeRegions', filter('region-name', 'us-west-*'));
    assert.deepEqual(ids(west.Regions, 'RegionName'), ['us-west-1', 'us-west-2']);
    assert.equal(west.Regions[1].Endpoint, 'ec2.us-west-2.amazonaws.com');
    const two = await call('DescribeRegions', { RegionNames: ['sa-east-1', 'ap-northeast-2'] });
    assert.deepEqual(ids(two.Regions, 'RegionName'), ['ap-northeast-2', 'sa-east-1']);
    assert.deepEqual(two.Regions[0].Geography, [{ Name: 'South Korea' }]);
    assert.equal(await refused('DescribeRegions', { RegionNames: ['us-middle-1'] }), 'InvalidParameterValue');
  });

  it('shows the zones of the region that is asked', async () => {
    const { AvailabilityZones } = await call('DescribeAvailabilityZones');
    assert.deepEqual(ids(AvailabilityZones, 'ZoneName'), [
      'us-west-2a',
      'us-west-2b',
      'us-west-2c',
      'us-west-2d',
    ]);
    assert.equal(AvailabilityZones[0].ZoneId, 'usw2-az1');
    const seoul = await call('DescribeAvailabilityZones', {}, 'ap-northeast-2');
    assert.equal(seoul.AvailabilityZones.length, 4);
    const east = await call('DescribeAvailabilityZones', filter('zone-name', '*f'), 'us-east-1');
    assert.deepEqual(ids(east.AvailabilityZones, 'ZoneName'), ['us-east-1f']);
    for (const [name, value] of [
      ['group-long-name', 'US West (Oregon) 1'],
      ['zone-type', 'availability-zone'],
      ['opt-in-status', 'opt-in-not-required'],
    ] as const) {
      const found = await call('DescribeAvailabilityZones', filter(name, value));
      assert.equal(found.AvailabilityZones.length, 4, name);
    }
    assert.deepEqual(AvailabilityZones[0].Geography, [{ Name: 'United States of America' }]);
    assert.equal(
      await refused('DescribeAvailabilityZones', { ZoneNames: ['us-west-2x'] }),
      'InvalidParameterValue',
    );
  });

  it('refuses a region that AWS has not, and leaves nothing of it', async () => {
    assert.equal(await refused('DescribeVpcs', {}, 'us-middle-1'), 'SignatureDoesNotMatch');
    assert.ok(!world.region.store.all().some(({ region }) => region === 'us-middle-1'));
  });

  it('tells the account which VPC is its default', async () => {
    const { AccountAttributes } = await call('DescribeAccountAttributes', {
      AttributeNames: ['default-vpc', 'supported-platforms'],
    });
    const { Vpcs } = await call('DescribeVpcs', filter('isDefault', 'true'));
    assert.equal(AccountAttributes[0].AttributeValues[0].AttributeValue, Vpcs[0].VpcId);
    assert.equal(AccountAttributes[1].AttributeValues[0].AttributeValue, 'VPC');
  });
});

describe('the default VPC', () => {
  it('has a public subnet in each zone, and a way out', async () => {
    await world.idle();
    const [vpc] = (await call('DescribeVpcs')).Vpcs as ec2.Vpc[];
    assert.equal(vpc?.CidrBlock, '172.31.0.0/16');
    assert.equal(vpc?.State, 'available');
    const { Subnets } = await call('DescribeSubnets', filter('vpc-id', vpc?.VpcId ?? ''));
    assert.deepEqual(ids(Subnets, 'CidrBlock').sort(), [
      '172.31.0.0/20',
      '172.31.16.0/20',
      '172.31.32.0/20',
      '172.31.48.0/20',
    ]);
    for (const subnet of Subnets as ec2.Subnet[]) {
      assert.equal(subnet.MapPublicIpOnLaunch, true);
      assert.equal(subnet.DefaultForAz, true);
      assert.equal(subnet.AvailableIpAddressCount, 4091);
      assert.equal(subnet.State, 'available');
    }
    const { InternetGateways } = await call('DescribeInternetGateways');
    assert.deepEqual(InternetGateways[0].Attachments, [{ VpcId: vpc?.VpcId, State: 'available' }]);
    const { RouteTables } = await call('DescribeRouteTables', filter('association.main', 'true'));
    const out = RouteTables[0].Routes[1];
    assert.equal(out.DestinationCidrBlock, '0.0.0.0/0');
    assert.equal(out.GatewayId, InternetGateways[0].InternetGatewayId);
    assert.equal(out.State, 'active');
    const { NetworkAcls } = await call('DescribeNetworkAcls', filter('default', 'true'));
    assert.equal(NetworkAcls[0].Associations.length, 4);
    assert.deepEqual(
      NetworkAcls[0].Entries.map((entry: ec2.NetworkAclEntry) => [entry.RuleNumber, entry.RuleAction]),
      [
        [100, 'allow'],
        [32767, 'deny'],
        [100, 'allow'],
        [32767, 'deny'],
      ],
    );
    const { DhcpOptions } = await call('DescribeDhcpOptions', { DhcpOptionsIds: [vpc?.DhcpOptionsId] });
    assert.equal(DhcpOptions[0].DhcpConfigurations[0].Values[0].Value, 'us-west-2.compute.internal');
  });

  it('is each region’s own', async () => {
    const here = (await call('DescribeVpcs')).Vpcs[0].VpcId;
    const there = (await call('DescribeVpcs', {}, 'eu-west-1')).Vpcs[0].VpcId;
    assert.notEqual(here, there);
    assert.equal(await refused('DescribeVpcs', { VpcIds: [there] }), 'InvalidVpcID.NotFound');
  });

  it('can be deleted and made again', async () => {
    const region = 'sa-east-1';
    const vpcId = (await call('DescribeVpcs', {}, region)).Vpcs[0].VpcId;
    assert.equal(await refused('CreateDefaultVpc', {}, region), 'DefaultVpcAlreadyExists');
    const { Subnets } = await call('DescribeSubnets', {}, region);
    assert.equal(await refused('DeleteVpc', { VpcId: vpcId }, region), 'DependencyViolation');
    for (const { SubnetId } of Subnets) await call('DeleteSubnet', { SubnetId }, region);
    const [{ InternetGatewayId }] = (await call('DescribeInternetGateways', {}, region)).InternetGateways;
    await call('DetachInternetGateway', { InternetGatewayId, VpcId: vpcId }, region);
    await call('DeleteInternetGateway', { InternetGatewayId }, region);
    await call('DeleteVpc', { VpcId: vpcId }, region);
    assert.equal(
      await refused('CreateSecurityGroup', { GroupName: 'a', Description: 'a' }, region),
      'VPCIdNotSpecified',
    );
    const made = await call('CreateDefaultVpc', {}, region);
    assert.equal(made.Vpc.IsDefault, true);
    const subnets = (await call('DescribeSubnets', {}, region)).Subnets;
    assert.equal(subnets.length, 3);
    assert.equal(
      await refused('CreateDefaultSubnet', { AvailabilityZone: 'sa-east-1a' }, region),
      'DefaultSubnetAlreadyExistsInAvailabilityZone',
    );
    const second = subnets.find((subnet: ec2.Subnet) => subnet.AvailabilityZone === 'sa-east-1b');
    await call('DeleteSubnet', { SubnetId: second.SubnetId }, region);
    const again = await call('CreateDefaultSubnet', { AvailabilityZone: 'sa-east-1b' }, region);
    assert.equal(again.Subnet.CidrBlock, '172.31.16.0/20');
  });
});

describe('a VPC of one’s own', () => {
  it('is built as Terraform builds it, and taken down again', async () => {
    const { Vpc } = await call('CreateVpc', {
      CidrBlock: '10.20.0.7/16',
      TagSpecifications: [{ ResourceType: 'vpc', Tags: [{ Key: 'Name', Value: 'web' }] }],
    });
    assert.equal(Vpc.CidrBlock, '10.20.0.0/16');
    assert.equal(Vpc.State, 'pending');
    const VpcId: string = Vpc.VpcId;
    await world.idle();
    assert.equal((await call('DescribeVpcs', { VpcIds: [VpcId] })).Vpcs[0].State, 'available');
    await call('ModifyVpcAttribute', { VpcId, EnableDnsHostnames: { Value: true } });
    const attribute = await call('DescribeVpcAttribute', { VpcId, Attribute: 'enableDnsHostnames' });
    assert.equal(attribute.EnableDnsHostnames.Value, true);

    const subnet = await call('CreateSubnet', {
      VpcId,
      CidrBlock: '10.20.1.0/24',
      AvailabilityZone: 'us-west-2b',
    });
    const SubnetId: string = subnet.Subnet.SubnetId;
    assert.equal(subnet.Subnet.AvailabilityZoneId, 'usw2-az2');
    assert.equal(subnet.Subnet.AvailableIpAddressCount, 251);
    await call('ModifySubnetAttribute', { SubnetId, MapPublicIpOnLaunch: { Value: true } });
    const shown = (await call('DescribeSubnets', { SubnetIds: [SubnetId] })).Subnets[0];
    assert.equal(shown.MapPublicIpOnLaunch, true);

    const { InternetGatewayId } = (await call('CreateInternetGateway')).InternetGateway;
    await call('AttachInternetGateway', { InternetGatewayId, VpcId });
    const { RouteTableId } = (await call('CreateRouteTable', { VpcId, ClientToken: 'one' })).RouteTable;
    assert.equal(
      (await call('CreateRouteTable', { VpcId, ClientToken: 'one' })).RouteTable.RouteTableId,
      RouteTableId,
    );
    const route = { RouteTableId, DestinationCidrBlock: '0.0.0.0/0', GatewayId: InternetGatewayId };
    await call('CreateRoute', route);
    assert.equal(await refused('CreateRoute', route), 'RouteAlreadyExists');
    const { AssociationId } = await call('AssociateRouteTable', { RouteTableId, SubnetId });
    assert.equal(
      (await call('AssociateRouteTable', { RouteTableId, SubnetId })).AssociationId,
      AssociationId,
    );
    const table = (await call('DescribeRouteTables', filter('association.subnet-id', SubnetId)))
      .RouteTables[0];
    assert.equal(table.RouteTableId, RouteTableId);

    assert.equal(await refused('DeleteVpc', { VpcId }), 'DependencyViolation');
    assert.equal(await refused('DeleteInternetGateway', { InternetGatewayId }), 'DependencyViolation');
    assert.equal(await refused('DeleteRouteTable', { RouteTableId }), 'DependencyViolation');
    await call('DetachInternetGateway', { InternetGatewayId, VpcId });
    const dead = (await call('DescribeRouteTables', { RouteTableIds: [RouteTableId] })).RouteTables[0];
    assert.equal(dead.Routes[1].State, 'blackhole');
    await call('DeleteInternetGateway', { InternetGatewayId });
    await call('DeleteRoute', { RouteTableId, DestinationCidrBlock: '0.0.0.0/0' });
    assert.equal(
      await refused('DeleteRoute', { RouteTableId, DestinationCidrBlock: '0.0.0.0/0' }),
      'InvalidRoute.NotFound',
    );
    await call('DisassociateRouteTable', { AssociationId });
    await call('DeleteRouteTable', { RouteTableId });
    await call('DeleteSubnet', { SubnetId });
    await call('DeleteVpc', { VpcId });
    assert.equal(await refused('DescribeVpcs', { VpcIds: [VpcId] }), 'InvalidVpcID.NotFound');
    const left = world.region.store.all().filter(({ spec }) => (spec as { vpcId?: string }).vpcId === VpcId);
    assert.deepEqual(left, []);
  });

  it('refuses what AWS refuses', async () => {
    assert.equal(await refused('CreateVpc', { CidrBlock: '10.0.0.0/8' }), 'InvalidVpc.Range');
    assert.equal(await refused('CreateVpc', { CidrBlock: '198.18.4.0/24' }), 'InvalidVpc.Range');
    assert.equal(await refused('CreateVpc', { CidrBlock: '10.0.0/16' }), 'InvalidParameterValue');
    assert.equal(await refused('CreateVpc', {}), 'MissingParameter');
    assert.equal(
      await refused('CreateVpc', { CidrBlock: '10.0.0.0/16', AmazonProvidedIpv6CidrBlock: true }),
      'UnsupportedOperation',
    );
    const { VpcId } = (await call('CreateVpc', { CidrBlock: '10.30.0.0/16' })).Vpc;
    await call('CreateSubnet', { VpcId, CidrBlock: '10.30.0.0/24' });
    const subnet = (CidrBlock: string, more = {}) => refused('CreateSubnet', { VpcId, CidrBlock, ...more });
    assert.equal(await subnet('10.30.0.128/25'), 'InvalidSubnet.Conflict');
    assert.equal(await subnet('10.31.0.0/24'), 'InvalidSubnet.Range');
    assert.equal(await subnet('10.30.1.0/29'), 'InvalidSubnet.Range');
    assert.equal(await subnet('10.30.1.0/24', { AvailabilityZone: 'us-east-1a' }), 'InvalidParameterValue');
    assert.equal(await refused('DescribeSubnets', { SubnetIds: ['subnet-0'] }), 'InvalidSubnetID.NotFound');
    assert.equal(await refused('DescribeVpcs', filter('nonsense', 'x')), 'InvalidParameterValue');
    assert.equal(
      await refused('DescribeAddresses', { AllocationIds: ['eipalloc-1'] }),
      'InvalidAllocationID.NotFound',
    );
    const none = await call('DescribeNatGateways', { Filter: [{ Name: 'vpc-id', Values: [VpcId] }] });
    assert.deepEqual(none.NatGateways, []);
    const before = world.region.store.sequence;
    assert.equal(await refused('CreateVpc', { CidrBlock: '10.31.0.0/16', DryRun: true }), 'DryRunOperation');
    assert.equal(world.region.store.sequence, before);
  });

  it('has one main route table, which another can become', async () => {
    const { VpcId } = (await call('CreateVpc', { CidrBlock: '10.40.0.0/16' })).Vpc;
    const other = (await call('CreateRouteTable', { VpcId })).RouteTable.RouteTableId;
    const mains = async () =>
      (
        await call('DescribeRouteTables', {
          Filters: [
            { Name: 'vpc-id', Values: [VpcId] },
            { Name: 'association.main', Values: ['true'] },
          ],
        })
      ).RouteTables;
    const [first] = await mains();
    const AssociationId = first.Associations[0].RouteTableAssociationId;
    assert.equal(await refused('DisassociateRouteTable', { AssociationId }), 'InvalidParameterValue');
    const { NewAssociationId } = await call('ReplaceRouteTableAssociation', {
      AssociationId,
      RouteTableId: other,
    });
    const [now, ...more] = await mains();
    assert.equal(now.RouteTableId, other);
    assert.equal(now.Associations[0].RouteTableAssociationId, NewAssociationId);
    assert.deepEqual(more, []);
    await call('DeleteRouteTable', { RouteTableId: first.RouteTableId });
    assert.equal(await refused('DeleteRouteTable', { RouteTableId: other }), 'DependencyViolation');
  });

  it('routes through an interface, and shows it when that is gone', async () => {
    const { VpcId } = (await call('CreateVpc', { CidrBlock: '10.50.0.0/16' })).Vpc;
    const { SubnetId } = (await call('CreateSubnet', { VpcId, CidrBlock: '10.50.1.0/24' })).Subnet;
    const { RouteTableId } = (await call('CreateRouteTable', { VpcId })).RouteTable;
    const { id } = world.managed(SubnetId, 'node-1');
    const DestinationCidrBlock = '192.168.0.0/16';
    await call('CreateRoute', { RouteTableId, DestinationCidrBlock, NetworkInterfaceId: id });
    assert.equal(
      await refused('CreateRoute', {
        RouteTableId,
        DestinationCidrBlock: '0.0.0.0/0',
        NatGatewayId: 'nat-1',
      }),
      'InvalidNatGatewayID.NotFound',
    );
    assert.equal(
      await refused('CreateRoute', { RouteTableId, DestinationCidrBlock: '0.0.0.0/0' }),
      'InvalidParameterCombination',
    );
    const igw = (await call('CreateInternetGateway')).InternetGateway.InternetGatewayId;
    const toGateway = { RouteTableId, DestinationCidrBlock, GatewayId: igw };
    assert.equal(await refused('ReplaceRoute', toGateway), 'InvalidParameterValue');
    await call('AttachInternetGateway', { InternetGatewayId: igw, VpcId });
    const within = { RouteTableId, DestinationCidrBlock: '10.50.3.0/24', GatewayId: igw };
    assert.equal(await refused('CreateRoute', within), 'InvalidParameterValue');
    const state = async () =>
      (await call('DescribeRouteTables', { RouteTableIds: [RouteTableId] })).RouteTables[0].Routes[1].State;
    assert.equal(await state(), 'active');
    world.inScope((scope) => deleteInterface(scope, id));
    assert.equal(await state(), 'blackhole');
    await call('ReplaceRoute', toGateway);
    assert.equal(await state(), 'active');
    assert.equal(
      await refused('DeleteRoute', { RouteTableId, DestinationCidrBlock: '10.50.0.0/16' }),
      'InvalidParameterValue',
    );
  });
});

describe('tags', () => {
  it('are set, found and deleted on any resource', async () => {
    const { VpcId } = (await call('CreateVpc', { CidrBlock: '10.70.0.0/16' })).Vpc;
    await call('CreateTags', { Resources: [VpcId], Tags: [{ Key: 'Env', Value: 'prod' }, { Key: 'Empty' }] });
    const found = await call('DescribeVpcs', filter('tag:Env', 'pr?d'));
    assert.deepEqual(ids(found.Vpcs, 'VpcId'), [VpcId]);
    const { Tags } = await call('DescribeTags', filter('resource-id', VpcId));
    assert.deepEqual(Tags[0], { ResourceId: VpcId, ResourceType: 'vpc', Key: 'Empty', Value: '' });
    await call('DeleteTags', {
      Resources: [VpcId],
      Tags: [{ Key: 'Env', Value: 'other' }, { Key: 'Empty' }],
    });
    assert.deepEqual((await call('DescribeVpcs', { VpcIds: [VpcId] })).Vpcs[0].Tags, [
      { Key: 'Env', Value: 'prod' },
    ]);
    const tag = (Key: string, Value = '') => ({ Resources: [VpcId], Tags: [{ Key, Value }] });
    assert.equal(await refused('CreateTags', tag('aws:thing')), 'InvalidParameterValue');
    assert.equal(
      await refused('CreateTags', { Resources: ['vpc-0', VpcId], Tags: [{ Key: 'a' }] }),
      'InvalidVpcID.NotFound',
    );
    assert.equal(await refused('CreateTags', { Resources: ['nonsense'], Tags: [{ Key: 'a' }] }), 'InvalidID');
    const many = Array.from({ length: 50 }, (_, at) => ({ Key: `k${at}`, Value: '' }));
    assert.equal(await refused('CreateTags', { Resources: [VpcId], Tags: many }), 'TagLimitExceeded');
    const wrong = [{ ResourceType: 'instance', Tags: [{ Key: 'a' }] }];
    assert.equal(
      await refused('CreateVpc', { CidrBlock: '10.0.0.0/16', TagSpecifications: wrong }),
      'InvalidParameterValue',
    );
  });
});

describe('network interfaces', () => {
  it('are shown with their public address, and change', async () => {
    const [subnet] = (await call('DescribeSubnets', filter('cidr-block', '172.31.0.0/20'))).Subnets;
    const { SubnetId } = subnet;
    const balancer = world.managed(SubnetId, 'node-2', { withPublicAddress: true });
    const [shown] = (await call('DescribeNetworkInterfaces', filter('requester-managed', 'true')))
      .NetworkInterfaces;
    assert.equal(shown.NetworkInterfaceId, balancer.id);
    assert.equal(shown.Status, 'in-use');
    assert.match(shown.Association.PublicDnsName, /^ec2-198-18-0-16\.us-west-2\.compute\.amazonaws\.com$/);
    assert.equal(shown.PrivateIpAddresses[0].Association.PublicIp, '198.18.0.16');
    const change = { NetworkInterfaceId: balancer.id, Description: { Value: 'mine' } };
    assert.equal(await refused('ModifyNetworkInterfaceAttribute', change), 'OperationNotPermitted');

    const own = await call('CreateNetworkInterface', {
      SubnetId,
      PrivateIpAddress: '172.31.0.77',
      Description: 'own',
    });
    const { NetworkInterfaceId } = own.NetworkInterface;
    const taken = { SubnetId, PrivateIpAddress: '172.31.0.77' };
    assert.equal(await refused('CreateNetworkInterface', taken), 'InvalidIPAddress.InUse');
    for (const PrivateIpAddress of ['172.31.0.3', '172.31.15.255', '172.31.16.9', 'x']) {
      assert.equal(
        await refused('CreateNetworkInterface', { SubnetId, PrivateIpAddress }),
        'InvalidParameterValue',
      );
    }
    await call('ModifyNetworkInterfaceAttribute', { NetworkInterfaceId, SourceDestCheck: { Value: false } });
    const attribute = { NetworkInterfaceId, Attribute: 'sourceDestCheck' };
    assert.equal((await call('DescribeNetworkInterfaceAttribute', attribute)).SourceDestCheck.Value, false);
    const available = (await call('DescribeSubnets', { SubnetIds: [SubnetId] })).Subnets[0]
      .AvailableIpAddressCount;
    assert.equal(available, 4089);
    assert.equal(await refused('DeleteSubnet', { SubnetId }), 'DependencyViolation');
    assert.equal(
      await refused('DetachInternetGateway', {
        InternetGatewayId: (await call('DescribeInternetGateways', filter('attachment.vpc-id', subnet.VpcId)))
          .InternetGateways[0].InternetGatewayId,
        VpcId: subnet.VpcId,
      }),
      'DependencyViolation',
    );
    await call('DeleteNetworkInterface', { NetworkInterfaceId });
    assert.equal(
      await refused('DescribeNetworkInterfaces', { NetworkInterfaceIds: [NetworkInterfaceId] }),
      'InvalidNetworkInterfaceID.NotFound',
    );
  });
});

describe('pages', () => {
  it('come one after the other, and end', async () => {
    const region = 'us-east-1';
    const seen: string[] = [];
    let NextToken: string | undefined;
    do {
      const page = await call('DescribeSubnets', { MaxResults: 5, NextToken }, region);
      seen.push(...ids(page.Subnets, 'SubnetId'));
      assert.notEqual(page.NextToken, NextToken ?? '');
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    assert.equal(new Set(seen).size, 6);
    assert.equal(await refused('DescribeSubnets', { MaxResults: 4 }), 'InvalidParameterValue');
    assert.equal(await refused('DescribeSubnets', { NextToken: 'x' }), 'InvalidNextToken');
  });
});

it('no loop failed, and no operation is without a story', async () => {
  await world.stop();
  const told = (operation: string): boolean =>
    called.has(operation) || toldElsewhere.some((operations) => Object.hasOwn(operations, operation));
  assert.deepEqual(
    Object.keys(networkOperations).filter((operation) => !told(operation)),
    [],
  );
});
