/** VPCs with several blocks, what stands in the way of deleting, and what nobody can have. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type * as ec2 from '@aws-sdk/client-ec2';
import { absentOperations } from '../src/services/ec2/network/absent.ts';
import { vpcCidrOperations } from '../src/services/ec2/network/vpc-cidr.ts';
import { called, networkWorld } from './ec2-network-world.ts';

const world = await networkWorld();
const { call, refused } = world;

const vpcOf = async (VpcId: string): Promise<ec2.Vpc> =>
  (await call('DescribeVpcs', { VpcIds: [VpcId] })).Vpcs[0];
const makeVpc = async (CidrBlock: string): Promise<string> =>
  (await call('CreateVpc', { CidrBlock })).Vpc.VpcId;
const localRoutes = async (VpcId: string): Promise<(string | undefined)[][]> => {
  const { RouteTables } = await call('DescribeRouteTables', {
    Filters: [{ Name: 'vpc-id', Values: [VpcId] }],
  });
  return (RouteTables as ec2.RouteTable[]).map(
    (table) =>
      table.Routes?.filter((route) => route.GatewayId === 'local').map(
        (route) => route.DestinationCidrBlock,
      ) ?? [],
  );
};

it('a second block joins the VPC: its subnets reach those of the first', async () => {
  const VpcId = await makeVpc('10.1.0.0/16');
  await call('CreateRouteTable', { VpcId });
  const { CidrBlockAssociation } = await call('AssociateVpcCidrBlock', { VpcId, CidrBlock: '10.2.0.0/16' });
  assert.deepEqual(
    (await vpcOf(VpcId)).CidrBlockAssociationSet?.map((one) => [one.CidrBlock, one.CidrBlockState?.State]),
    [
      ['10.1.0.0/16', 'associated'],
      ['10.2.0.0/16', 'associated'],
    ],
  );
  assert.deepEqual(await localRoutes(VpcId), [
    ['10.1.0.0/16', '10.2.0.0/16'],
    ['10.1.0.0/16', '10.2.0.0/16'],
  ]);
  const nodes: ec2.Instance[] = [];
  for (const CidrBlock of ['10.1.1.0/24', '10.2.1.0/24']) {
    const { SubnetId } = (await call('CreateSubnet', { VpcId, CidrBlock })).Subnet;
    nodes.push(await world.describe(await world.launchOne({ SubnetId })));
  }
  const [one, two] = nodes;
  const from = one?.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? '';
  const to = two?.PrivateIpAddress ?? '';
  assert.ok(world.drivers.network.reaches({ from, to, protocol: 6, port: 80 }), 'members of one group');

  const { AssociationId } = CidrBlockAssociation;
  assert.equal(await refused('DisassociateVpcCidrBlock', { AssociationId }), 'InvalidCidrBlock.InUse');
  await call('TerminateInstances', { InstanceIds: [two?.InstanceId] });
  await world.advance(10_000);
  await call('DeleteSubnet', { SubnetId: two?.SubnetId });
  const gone = await call('DisassociateVpcCidrBlock', { AssociationId });
  assert.equal(gone.CidrBlockAssociation.CidrBlockState.State, 'disassociated');
  assert.deepEqual(await localRoutes(VpcId), [['10.1.0.0/16'], ['10.1.0.0/16']]);
  assert.equal(
    await refused('DisassociateVpcCidrBlock', { AssociationId }),
    'InvalidVpcCidrBlockAssociationID.NotFound',
  );
});

it('refuses blocks that AWS refuses', async () => {
  const VpcId = await makeVpc('10.10.0.0/16');
  const code = (CidrBlock: string) => refused('AssociateVpcCidrBlock', { VpcId, CidrBlock });
  assert.equal(await code('10.10.128.0/20'), 'CidrConflict');
  assert.equal(await code('192.168.0.0/16'), 'InvalidVpc.Range');
  assert.equal(await code('10.11.0.0/8'), 'InvalidVpc.Range');
  assert.equal(await code('nonsense'), 'InvalidParameterValue');
  const { InternetGatewayId } = (await call('CreateInternetGateway')).InternetGateway;
  await call('AttachInternetGateway', { InternetGatewayId, VpcId });
  const { RouteTableId } = (await call('CreateRouteTable', { VpcId })).RouteTable;
  const route = { RouteTableId, DestinationCidrBlock: '10.12.1.0/24', GatewayId: InternetGatewayId };
  await call('CreateRoute', route);
  assert.equal(await code('10.12.0.0/16'), 'InvalidVpc.Range');
  await call('AssociateVpcCidrBlock', { VpcId, CidrBlock: '100.64.0.0/16' });
  for (const third of [13, 14, 15]) {
    await call('AssociateVpcCidrBlock', { VpcId, CidrBlock: `10.${third}.0.0/16` });
  }
  assert.equal(await code('10.16.0.0/16'), 'CidrLimitExceeded');
  const [first] = (await vpcOf(VpcId)).CidrBlockAssociationSet ?? [];
  assert.equal(
    await refused('DisassociateVpcCidrBlock', { AssociationId: first?.AssociationId }),
    'OperationNotPermitted',
  );
  assert.equal(
    await refused('AssociateVpcCidrBlock', { VpcId, AmazonProvidedIpv6CidrBlock: true }),
    'UnsupportedOperation',
  );
});

it('leaves the local routes as they are', async () => {
  const VpcId = await makeVpc('10.20.0.0/16');
  const { RouteTableId } = (await call('CreateRouteTable', { VpcId })).RouteTable;
  const local = { RouteTableId, DestinationCidrBlock: '10.20.0.0/16' };
  assert.equal(await refused('DeleteRoute', local), 'InvalidParameterValue');
  const { SubnetId } = (await call('CreateSubnet', { VpcId, CidrBlock: '10.20.1.0/24' })).Subnet;
  const { NetworkInterface } = await call('CreateNetworkInterface', { SubnetId });
  const { NetworkInterfaceId } = NetworkInterface;
  assert.equal(await refused('ReplaceRoute', { ...local, NetworkInterfaceId }), 'UnsupportedOperation');
  await call('ReplaceRoute', { ...local, LocalTarget: true });
  assert.deepEqual(await localRoutes(VpcId), [['10.20.0.0/16'], ['10.20.0.0/16']]);
});

it('lets nothing go that something else needs', async () => {
  const VpcId = await makeVpc('10.30.0.0/16');
  const dependent = (operation: string, input: object) =>
    refused(operation, input).then((code) => assert.equal(code, 'DependencyViolation', operation));
  const { InternetGatewayId } = (await call('CreateInternetGateway')).InternetGateway;
  await call('AttachInternetGateway', { InternetGatewayId, VpcId });
  await dependent('DeleteInternetGateway', { InternetGatewayId });
  await dependent('DeleteVpc', { VpcId });
  const { SubnetId } = (await call('CreateSubnet', { VpcId, CidrBlock: '10.30.1.0/24' })).Subnet;
  const { RouteTableId } = (await call('CreateRouteTable', { VpcId })).RouteTable;
  const { AssociationId } = await call('AssociateRouteTable', { RouteTableId, SubnetId });
  await dependent('DeleteRouteTable', { RouteTableId });
  const group = async (GroupName: string): Promise<string> =>
    (await call('CreateSecurityGroup', { VpcId, GroupName, Description: GroupName })).GroupId;
  const [used, named] = [await group('used'), await group('named')];
  const rule = { IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: named }] };
  await call('AuthorizeSecurityGroupIngress', { GroupId: used, IpPermissions: [rule] });
  await dependent('DeleteSecurityGroup', { GroupId: named });
  const { NetworkInterface } = await call('CreateNetworkInterface', { SubnetId, Groups: [used] });
  await dependent('DeleteSecurityGroup', { GroupId: used });
  await dependent('DeleteSubnet', { SubnetId });
  const { AllocationId } = await call('AllocateAddress');
  const { NetworkInterfaceId } = NetworkInterface;
  await call('AssociateAddress', { AllocationId, NetworkInterfaceId });
  await dependent('DetachInternetGateway', { InternetGatewayId, VpcId });

  await call('DeleteNetworkInterface', { NetworkInterfaceId });
  await call('ReleaseAddress', { AllocationId });
  await call('DisassociateRouteTable', { AssociationId });
  await call('DeleteRouteTable', { RouteTableId });
  for (const GroupId of [used, named]) await call('DeleteSecurityGroup', { GroupId });
  await call('DeleteSubnet', { SubnetId });
  await call('DetachInternetGateway', { InternetGatewayId, VpcId });
  await call('DeleteInternetGateway', { InternetGatewayId });
  await call('DeleteVpc', { VpcId });
  await world.idle();
  assert.equal(world.drivers.network.topology(VpcId), undefined);
});

it('has none of what it cannot make, says so, and refuses to make it by name', async () => {
  const named: Record<string, [parameter: string, code: string]> = {
    DescribeVpcPeeringConnections: ['VpcPeeringConnectionIds', 'InvalidVpcPeeringConnectionID.NotFound'],
    DescribePrefixLists: ['PrefixListIds', 'InvalidPrefixListId.NotFound'],
    DescribeManagedPrefixLists: ['PrefixListIds', 'InvalidPrefixListID.NotFound'],
    DescribeVpcEndpoints: ['VpcEndpointIds', 'InvalidVpcEndpointId.NotFound'],
    DescribeVpcEndpointServices: ['ServiceNames', 'InvalidServiceName'],
    DescribeEgressOnlyInternetGateways: [
      'EgressOnlyInternetGatewayIds',
      'InvalidEgressOnlyInternetGatewayID.NotFound',
    ],
    DescribeVpnGateways: ['VpnGatewayIds', 'InvalidVpnGatewayID.NotFound'],
    DescribeCustomerGateways: ['CustomerGatewayIds', 'InvalidCustomerGatewayID.NotFound'],
    DescribeVpnConnections: ['VpnConnectionIds', 'InvalidVpnConnectionID.NotFound'],
    DescribeHosts: ['HostIds', 'InvalidHostID.NotFound'],
    DescribeSpotInstanceRequests: ['SpotInstanceRequestIds', 'InvalidSpotInstanceRequestID.NotFound'],
  };
  for (const operation of Object.keys(absentOperations)) {
    const answer = Object.values(await call(operation, {}));
    assert.deepEqual(answer, [[]], operation);
  }
  for (const [operation, [parameter, code]] of Object.entries(named)) {
    assert.equal(await refused(operation, { [parameter]: ['x-1'] }), code);
  }
  const filter = { Filters: [{ Name: 'attachment.vpc-id', Values: ['vpc-0'] }] };
  assert.deepEqual(await call('DescribeVpnGateways', filter), { VpnGateways: [] });
  assert.deepEqual(await call('DescribeFlowLogs', { Filter: [{ Name: 'resource-id', Values: ['vpc-0'] }] }), {
    FlowLogs: [],
  });
  assert.equal(
    await refused('DescribeVpcEndpoints', { Filters: [{ Name: 'colour', Values: ['red'] }] }),
    'InvalidParameterValue',
  );
  for (const operation of [
    'CreateVpcPeeringConnection',
    'CreateVpcEndpoint',
    'CreateManagedPrefixList',
    'CreateDhcpOptions',
    'AssociateDhcpOptions',
    'CreateEgressOnlyInternetGateway',
    'CreateVpnGateway',
    'CreateTransitGateway',
    'CreateFlowLogs',
  ]) {
    await assert.rejects(call(operation), {
      code: 'UnsupportedOperation',
      message: new RegExp(`ec2:${operation}`),
    });
  }
});

it('no loop failed, and no operation is without a story', async () => {
  await world.stop();
  const operations = Object.keys({ ...absentOperations, ...vpcCidrOperations });
  assert.deepEqual(
    operations.filter((operation) => !called.has(operation)),
    [],
  );
});
