/** NAT gateways: their states, what they need, and who reaches the outside through them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type * as ec2 from '@aws-sdk/client-ec2';
import { natGatewayOperations } from '../src/services/ec2/network/nat-gateway.ts';
import { called, minutes, networkWorld } from './ec2-network-world.ts';

const world = await networkWorld();
const { call, refused } = world;
const { network } = world.drivers;

const allocate = async (): Promise<{ AllocationId: string; PublicIp: string }> => call('AllocateAddress');
const gateway = async (id: string): Promise<ec2.NatGateway> =>
  (await call('DescribeNatGateways', { NatGatewayIds: [id] })).NatGateways[0];

let vpcs = 0;
/** A VPC with an internet gateway, a public subnet in each of two zones and a private one in each. */
async function stack() {
  vpcs += 1;
  const base = `10.${100 + vpcs}`;
  const { VpcId } = (await call('CreateVpc', { CidrBlock: `${base}.0.0/16` })).Vpc;
  const { InternetGatewayId } = (await call('CreateInternetGateway')).InternetGateway;
  await call('AttachInternetGateway', { InternetGatewayId, VpcId });
  const subnet = async (third: number, AvailabilityZone: string): Promise<string> =>
    (await call('CreateSubnet', { VpcId, CidrBlock: `${base}.${third}.0/24`, AvailabilityZone })).Subnet
      .SubnetId;
  const [publicA, publicB] = [await subnet(0, 'us-west-2a'), await subnet(1, 'us-west-2b')];
  const [privateA, privateB] = [await subnet(10, 'us-west-2a'), await subnet(11, 'us-west-2b')];
  /** A route table of its own for each of these subnets; gives its id. */
  const routed = async (subnets: string[], route: object): Promise<string> => {
    const { RouteTableId } = (await call('CreateRouteTable', { VpcId })).RouteTable;
    for (const SubnetId of subnets) await call('AssociateRouteTable', { RouteTableId, SubnetId });
    await call('CreateRoute', { RouteTableId, DestinationCidrBlock: '0.0.0.0/0', ...route });
    return RouteTableId;
  };
  await routed([publicA, publicB], { GatewayId: InternetGatewayId });
  return { VpcId, InternetGatewayId, base, publicA, publicB, privateA, privateB, subnet, routed };
}

/** An instance in a subnet; gives its interface. */
async function instanceIn(SubnetId: string): Promise<string> {
  const instance = await world.describe(await world.launchOne({ SubnetId }));
  return instance.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? '';
}

const routeOf = async (RouteTableId: string): Promise<ec2.Route> =>
  (await call('DescribeRouteTables', { RouteTableIds: [RouteTableId] })).RouteTables[0].Routes.find(
    (route: ec2.Route) => route.DestinationCidrBlock === '0.0.0.0/0',
  );

describe('a public NAT gateway', () => {
  it('is pending until the network carries it, then lends its Elastic IP to those routed to it', async () => {
    const { publicA, privateA, privateB, routed, VpcId } = await stack();
    const { AllocationId, PublicIp } = await allocate();
    const TagSpecifications = [{ ResourceType: 'natgateway', Tags: [{ Key: 'Name', Value: 'a' }] }];
    const request = { SubnetId: publicA, AllocationId, ClientToken: 'once', TagSpecifications };
    const created = (await call('CreateNatGateway', request)).NatGateway;
    assert.equal(created.State, 'pending');
    const again = (await call('CreateNatGateway', request)).NatGateway;
    assert.equal(again.NatGatewayId, created.NatGatewayId);
    assert.equal(
      await refused('CreateNatGateway', { ...request, SubnetId: privateA }),
      'IdempotentParameterMismatch',
    );
    const table = await routed([privateA], { NatGatewayId: created.NatGatewayId });
    await world.idle();
    const available = await gateway(created.NatGatewayId);
    assert.equal(available.State, 'available');
    const [address] = available.NatGatewayAddresses ?? [];
    assert.deepEqual([address?.PublicIp, address?.AllocationId], [PublicIp, AllocationId]);
    const { NetworkInterfaces } = await call('DescribeNetworkInterfaces', {
      NetworkInterfaceIds: [address?.NetworkInterfaceId],
    });
    const [shown] = NetworkInterfaces as ec2.NetworkInterface[];
    assert.deepEqual(
      [shown?.InterfaceType, shown?.RequesterManaged, shown?.SourceDestCheck, shown?.Association?.PublicIp],
      ['nat_gateway', true, false, PublicIp],
    );
    const route = await routeOf(table);
    assert.deepEqual([route.NatGatewayId, route.State], [created.NatGatewayId, 'active']);
    const [behind, beside] = [await instanceIn(privateA), await instanceIn(privateB)];
    assert.equal(network.publicAddressSeen(behind), PublicIp);
    assert.equal(network.publicAddressSeen(beside), undefined);
    assert.equal(network.reaches({ from: 'outside', to: PublicIp, protocol: 6, port: 22 }), false);
    const byVpc = await call('DescribeNatGateways', {
      Filter: [
        { Name: 'vpc-id', Values: [VpcId] },
        { Name: 'state', Values: ['available'] },
        { Name: 'tag:Name', Values: ['a'] },
      ],
    });
    assert.equal(byVpc.NatGateways.length, 1);
  });

  it('keeps what it has, and nobody else takes it', async () => {
    const { publicA, VpcId, InternetGatewayId } = await stack();
    const { AllocationId } = await allocate();
    const { NatGatewayId } = (await call('CreateNatGateway', { SubnetId: publicA, AllocationId })).NatGateway;
    await world.idle();
    const [address] = (await gateway(NatGatewayId)).NatGatewayAddresses ?? [];
    const { NetworkInterfaceId, AssociationId } = address ?? {};
    assert.equal(await refused('ReleaseAddress', { AllocationId }), 'InvalidIPAddress.InUse');
    assert.equal(await refused('DisassociateAddress', { AssociationId }), 'AuthFailure');
    const instance = await world.launchOne();
    assert.equal(await refused('AssociateAddress', { AllocationId, InstanceId: instance }), 'AuthFailure');
    assert.equal(await refused('DeleteNetworkInterface', { NetworkInterfaceId }), 'OperationNotPermitted');
    assert.equal(await refused('DeleteSubnet', { SubnetId: publicA }), 'DependencyViolation');
    assert.equal(await refused('DetachInternetGateway', { InternetGatewayId, VpcId }), 'DependencyViolation');
  });

  it('harms, when it is gone, only those who were routed to it', async () => {
    const { publicA, publicB, privateA, privateB, routed } = await stack();
    const [one, two] = [await allocate(), await allocate()];
    const make = async (SubnetId: string, AllocationId: string): Promise<string> =>
      (await call('CreateNatGateway', { SubnetId, AllocationId })).NatGateway.NatGatewayId;
    const [first, second] = [await make(publicA, one.AllocationId), await make(publicB, two.AllocationId)];
    const table = await routed([privateA], { NatGatewayId: first });
    await routed([privateB], { NatGatewayId: second });
    const [a, b] = [await instanceIn(privateA), await instanceIn(privateB)];
    assert.equal(network.publicAddressSeen(a), one.PublicIp);
    assert.equal(network.publicAddressSeen(b), two.PublicIp);

    // All before the loops get a turn.
    const [answer, at, route, code] = await Promise.all([
      call('DeleteNatGateway', { NatGatewayId: first }),
      gateway(first),
      routeOf(table),
      refused('ReleaseAddress', { AllocationId: one.AllocationId }),
    ]);
    assert.deepEqual(answer, { NatGatewayId: first });
    assert.deepEqual([at.State, route.State], ['deleting', 'blackhole']);
    assert.equal(code, 'InvalidIPAddress.InUse', 'until the network has let go of it');
    await world.idle();
    const deleted = await gateway(first);
    assert.equal(deleted.State, 'deleted');
    assert.ok(deleted.DeleteTime);
    assert.equal(network.publicAddressSeen(a), undefined);
    assert.equal(network.publicAddressSeen(b), two.PublicIp);
    assert.equal((await routeOf(table)).NatGatewayId, first);
    await call('ReleaseAddress', { AllocationId: one.AllocationId });
    const { NetworkInterfaces } = await call('DescribeNetworkInterfaces', {
      Filters: [{ Name: 'subnet-id', Values: [publicA] }],
    });
    assert.deepEqual(NetworkInterfaces, []);

    await call('ReplaceRoute', {
      RouteTableId: table,
      DestinationCidrBlock: '0.0.0.0/0',
      NatGatewayId: second,
    });
    await world.idle();
    assert.equal(network.publicAddressSeen(a), two.PublicIp);

    await world.advance(minutes(59));
    assert.equal((await gateway(first)).State, 'deleted', 'it stays visible for an hour');
    await world.advance(minutes(2));
    assert.equal(await refused('DescribeNatGateways', { NatGatewayIds: [first] }), 'NatGatewayNotFound');
  });

  it('fails for what AWS finds out only later, takes nothing, and is forgotten', async () => {
    const { publicA, VpcId, subnet, base } = await stack();
    const alone = (await call('CreateVpc', { CidrBlock: '10.99.0.0/16' })).Vpc.VpcId;
    const { SubnetId } = (await call('CreateSubnet', { VpcId: alone, CidrBlock: '10.99.0.0/24' })).Subnet;
    const { AllocationId } = await allocate();
    const failed = async (request: object): Promise<string | undefined> => {
      const { NatGatewayId } = (await call('CreateNatGateway', request)).NatGateway;
      await world.idle();
      const found = await gateway(NatGatewayId);
      assert.equal(found.State, 'failed');
      return found.FailureCode;
    };
    assert.equal(await failed({ SubnetId, AllocationId }), 'Gateway.NotAttached');
    await call('CreateNatGateway', { SubnetId: publicA, AllocationId });
    assert.equal(await failed({ SubnetId: publicA, AllocationId }), 'Resource.AlreadyAssociated');
    const full = (await call('CreateSubnet', { VpcId, CidrBlock: `${base}.200.0/28` })).Subnet.SubnetId;
    for (let at = 0; at < 11; at += 1) await call('CreateNetworkInterface', { SubnetId: full });
    const other = await allocate();
    const lack = await failed({ SubnetId: full, AllocationId: other.AllocationId });
    assert.equal(lack, 'InsufficientFreeAddressesInSubnet');
    await call('ReleaseAddress', { AllocationId: other.AllocationId });
    assert.ok(await subnet(201, 'us-west-2a'));
    await call('DeleteSubnet', { SubnetId });
    await call('DeleteVpc', { VpcId: alone });
    await world.advance(minutes(61));
    const { NatGateways } = await call('DescribeNatGateways', {
      Filter: [{ Name: 'state', Values: ['failed'] }],
    });
    assert.deepEqual(NatGateways, []);
  });
});

it('a private NAT gateway has a private address only, the one that is asked for', async () => {
  const { privateA, base } = await stack();
  const PrivateIpAddress = `${base}.10.77`;
  const request = { SubnetId: privateA, ConnectivityType: 'private', PrivateIpAddress };
  const { NatGatewayId } = (await call('CreateNatGateway', request)).NatGateway;
  await world.idle();
  const found = await gateway(NatGatewayId);
  assert.deepEqual([found.State, found.ConnectivityType], ['available', 'private']);
  const [address] = found.NatGatewayAddresses ?? [];
  assert.deepEqual([address?.PrivateIp, address?.PublicIp], [PrivateIpAddress, undefined]);
  assert.equal(await refused('CreateNatGateway', request), 'InvalidIPAddress.InUse');
});

it('is refused where it cannot be', async () => {
  const { publicA, VpcId } = await stack();
  const { AllocationId } = await allocate();
  const SubnetId = publicA;
  assert.equal(await refused('CreateNatGateway', { SubnetId }), 'MissingParameter');
  assert.equal(await refused('CreateNatGateway', { AllocationId }), 'MissingParameter');
  assert.equal(
    await refused('CreateNatGateway', { SubnetId: 'subnet-0', AllocationId }),
    'InvalidSubnetID.NotFound',
  );
  assert.equal(
    await refused('CreateNatGateway', { SubnetId, AllocationId: 'eipalloc-0' }),
    'InvalidElasticIpID.NotFound',
  );
  const both = { SubnetId, AllocationId, ConnectivityType: 'private' };
  assert.equal(await refused('CreateNatGateway', both), 'InvalidParameterCombination');
  const several = { SubnetId, AllocationId, SecondaryAllocationIds: [AllocationId] };
  assert.equal(await refused('CreateNatGateway', several), 'UnsupportedOperation');
  assert.equal(await refused('DeleteNatGateway', { NatGatewayId: 'nat-0' }), 'NatGatewayNotFound');
  const { RouteTableId } = (await call('CreateRouteTable', { VpcId })).RouteTable;
  const route = { RouteTableId, DestinationCidrBlock: '0.0.0.0/0' };
  assert.equal(
    await refused('CreateRoute', { ...route, NatGatewayId: 'nat-0' }),
    'InvalidNatGatewayID.NotFound',
  );
  const elsewhere = await stack();
  const made = await call('CreateNatGateway', { SubnetId: elsewhere.publicA, AllocationId });
  const { NatGatewayId } = made.NatGateway;
  assert.equal(await refused('CreateRoute', { ...route, NatGatewayId }), 'InvalidParameterValue');
  await call('DeleteNatGateway', { NatGatewayId });
  assert.equal(await refused('CreateRoute', { ...route, NatGatewayId }), 'InvalidNatGatewayID.NotFound');
});

it('no loop failed, and no operation is without a story', async () => {
  await world.stop();
  assert.deepEqual(
    Object.keys(natGatewayOperations).filter((operation) => !called.has(operation)),
    [],
  );
});
