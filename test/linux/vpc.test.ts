/** Calls of the API about VPCs, and what real packets find right after them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type * as ec2 from '@aws-sdk/client-ec2';
import { listLinks, listRoutes } from '@holdfast/linux/host/links.ts';
import { connectTcp, listenTcp } from '@holdfast/linux/host/namespace-sockets.ts';
import { setSysctlsIn } from '@holdfast/linux/host/namespaces.ts';
import { withNetlink } from '@holdfast/linux/host/netlink.ts';
import { runNft } from '@holdfast/linux/host/nftables.ts';
import { hostSnapshot } from '@holdfast/linux/host/snapshot.ts';
import { hostLayout, internetNamespace } from '@holdfast/linux/layout.ts';
import { missingForNetwork } from '@holdfast/linux/network/index.ts';
import { openNetwork, serve, tcpReads } from '../../packages/linux/test/network-harness.ts';
import { layGround } from '../../packages/region/test/ec2-network-steps.ts';
import { type Network, openWorld, type World } from './vpc-world.ts';

const layout = hostLayout({ prefix: 'hfvt', publicCidr: '198.19.196.0/22' });
const missing = missingForNetwork()
  .map(({ what }) => what)
  .join(', ');
const PATIENT_MS = 5_000;

describe('VPCs on this machine', { skip: missing === '' ? false : `missing: ${missing}` }, () => {
  let network: Network;
  let world: World;
  /** Instances and their interfaces: two in the public subnet, two in the private one. */
  let instances: string[];
  let nodes: string[];
  let group: string;

  beforeEach(async () => {
    network = await openNetwork(layout);
    world = await openWorld(network, layout);
    instances = [];
    const ground = await layGround(world.call, async (SubnetId, GroupId) => {
      const id = await world.launchOne({ SubnetId, SecurityGroupIds: [GroupId] });
      instances.push(id);
      return (await world.describe(id)).NetworkInterfaces?.[0]?.NetworkInterfaceId ?? '';
    });
    ({ nodes, group } = ground);
    await world.idle();
  });
  afterEach(async () => {
    await world?.region.stop();
    await network?.close();
  });

  const interfaceOf = async (id: string | undefined) =>
    (await world.call('DescribeNetworkInterfaces', { NetworkInterfaceIds: [id] })).NetworkInterfaces[0];
  const tcp = (from: string, to: string, patienceMs: number): Promise<boolean> =>
    network.reaches({ from, to, protocol: 6, port: 80 }, patienceMs);

  test('an Elastic IP moves while traffic runs: the old flow ends, a new one works at once', async () => {
    const [address] = (await world.call('DescribeAddresses')).Addresses.filter(
      (one: { NetworkInterfaceId?: string }) => one.NetworkInterfaceId === nodes[0],
    );
    const { AllocationId, PublicIp } = address;
    const echo = (instance: string | undefined): { close(): void } =>
      serve(listenTcp(network.namespace(instance ?? ''), '0.0.0.0', 80), (socket) => {
        socket.write(instance ?? '');
        socket.pipe(socket);
      });
    const servers = [echo(instances[0]), echo(instances[1])];
    try {
      const flow = connectTcp(network.outside.namespace, PublicIp, 80);
      const [hello] = await once(flow, 'data', { signal: AbortSignal.timeout(PATIENT_MS) });
      assert.equal(String(hello), instances[0]);
      // The second instance has two interfaces: one is named.
      await world.call('AssociateAddress', { AllocationId, NetworkInterfaceId: nodes[1] });
      await world.idle();
      assert.equal(await tcpReads(network.outside.namespace, PublicIp, 80, PATIENT_MS), instances[1]);
      flow.write('?');
      const answer = await once(flow, 'data', { signal: AbortSignal.timeout(400) }).catch(() => undefined);
      assert.equal(answer, undefined);
      flow.destroy();
    } finally {
      for (const server of servers) server.close();
    }
  });

  test('a second interface joins a running machine, answers in its subnet, and leaves', async () => {
    const { SubnetId } = await interfaceOf(nodes[0]);
    const made = await world.call('CreateNetworkInterface', { SubnetId, Groups: [group] });
    const { NetworkInterfaceId, PrivateIpAddress } = made.NetworkInterface;
    assert.equal(await tcp(nodes[0] ?? '', PrivateIpAddress, 400), false);
    // A machine of the private subnet gets a leg in the public one.
    const { AttachmentId } = await world.call('AttachNetworkInterface', {
      NetworkInterfaceId,
      InstanceId: instances[2],
      DeviceIndex: 1,
    });
    await world.idle();
    assert.ok(await tcp(nodes[0] ?? '', PrivateIpAddress, PATIENT_MS));
    const { PrivateIpAddress: first } = await interfaceOf(nodes[2]);
    assert.ok(await tcp(nodes[3] ?? '', first, PATIENT_MS), 'the first one answers as before');
    await world.call('DetachNetworkInterface', { AttachmentId, Force: true });
    await world.idle();
    assert.equal(await tcp(nodes[0] ?? '', PrivateIpAddress, 400), false);
    assert.ok(await tcp(nodes[3] ?? '', first, PATIENT_MS));
  });

  test('a secondary address answers, moves to another machine, and is gone', async () => {
    const [one = '', two = '', asker = ''] = [nodes[2], nodes[3], nodes[0]];
    const assigned = await world.call('AssignPrivateIpAddresses', {
      NetworkInterfaceId: one,
      SecondaryPrivateIpAddressCount: 1,
    });
    const [{ PrivateIpAddress }] = assigned.AssignedPrivateIpAddresses;
    await world.idle();
    assert.ok(await tcp(asker, PrivateIpAddress, PATIENT_MS));
    const addresses = { PrivateIpAddresses: [PrivateIpAddress] };
    await world.call('AssignPrivateIpAddresses', {
      NetworkInterfaceId: two,
      ...addresses,
      AllowReassignment: true,
    });
    await world.idle();
    assert.ok(await tcp(asker, PrivateIpAddress, PATIENT_MS));
    await world.call('UnassignPrivateIpAddresses', { NetworkInterfaceId: two, ...addresses });
    await world.idle();
    assert.equal(await tcp(asker, PrivateIpAddress, 400), false);
  });

  test('a NAT gateway that is deleted takes the way out of its subnets along, and no other', async () => {
    const [gateway] = (await world.call('DescribeNatGateways')).NatGateways;
    const elastic = gateway.NatGatewayAddresses[0].PublicIp;
    assert.equal(gateway.State, 'available');
    assert.equal(await network.publicAddressSeen(nodes[2] ?? '', PATIENT_MS), elastic);
    await world.call('DeleteNatGateway', { NatGatewayId: gateway.NatGatewayId });
    await world.idle();
    assert.equal(await network.publicAddressSeen(nodes[2] ?? '', 400), undefined);
    const { Association } = await interfaceOf(nodes[0]);
    assert.equal(await network.publicAddressSeen(nodes[0] ?? '', PATIENT_MS), Association.PublicIp);
    const { NatGateways } = await world.call('DescribeNatGateways');
    assert.equal(NatGateways[0].State, 'deleted');
  });

  /** The table of the private subnet, with its default route turned to `target`. */
  async function leadPrivate(target: object): Promise<void> {
    const { SubnetId } = await interfaceOf(nodes[2]);
    const Filters = [{ Name: 'association.subnet-id', Values: [SubnetId] }];
    const [table] = (await world.call('DescribeRouteTables', { Filters })).RouteTables;
    const { RouteTableId } = table;
    await world.call('ReplaceRoute', { RouteTableId, DestinationCidrBlock: '0.0.0.0/0', ...target });
    await world.idle();
  }

  test('a NAT instance lends its Elastic IP once its source/destination check is off', async () => {
    const [InstanceId = '', asker = ''] = [instances[0], nodes[2]];
    const { Association, Groups, VpcId } = await interfaceOf(nodes[0]);
    await world.call('AuthorizeSecurityGroupIngress', {
      GroupId: Groups[0].GroupId,
      IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '10.0.0.0/16' }] }],
    });
    const namespace = network.namespace(InstanceId);
    setSysctlsIn(namespace, { 'net.ipv4.ip_forward': '1' });
    runNft(
      namespace,
      'add table ip lend; add chain ip lend source { type nat hook postrouting priority 100; }; ' +
        'add rule ip lend source oifname eth0 masquerade',
    );
    await leadPrivate({ InstanceId });
    assert.equal(await network.publicAddressSeen(asker, 400), undefined, 'checked, it passes nothing on');
    await world.call('ModifyInstanceAttribute', { InstanceId, SourceDestCheck: { Value: false } });
    await world.idle();
    assert.equal(await network.publicAddressSeen(asker, PATIENT_MS), Association.PublicIp);
    await world.call('ModifyInstanceAttribute', { InstanceId, SourceDestCheck: { Value: true } });
    await world.idle();
    assert.equal(await network.publicAddressSeen(asker, 400), undefined);
    const [table] = (
      await world.call('DescribeRouteTables', {
        Filters: [
          { Name: 'route.instance-id', Values: [InstanceId] },
          { Name: 'vpc-id', Values: [VpcId] },
        ],
      })
    ).RouteTables;
    const route = table.Routes.find((one: { InstanceId?: string }) => one.InstanceId === InstanceId);
    assert.equal(route.NetworkInterfaceId, nodes[0]);
    assert.equal(route.State, 'active');
  });

  test('a private NAT gateway reaches the VPC by its private address, and the internet not at all', async () => {
    const { SubnetId } = await interfaceOf(nodes[0]);
    const made = await world.call('CreateNatGateway', { SubnetId, ConnectivityType: 'private' });
    const { NatGatewayId, NatGatewayAddresses } = made.NatGateway;
    assert.equal(NatGatewayAddresses[0].PublicIp, undefined);
    await leadPrivate({ NatGatewayId });
    assert.equal(await network.publicAddressSeen(nodes[2] ?? '', 400), undefined);
    const { PrivateIpAddress: there } = await interfaceOf(nodes[1]);
    const { SubnetId: own } = await interfaceOf(nodes[2]);
    const [table] = (
      await world.call('DescribeRouteTables', {
        Filters: [{ Name: 'association.subnet-id', Values: [own] }],
      })
    ).RouteTables;
    // A route inside the VPC's own range may be as narrow as a subnet.
    await world.call('CreateRoute', {
      RouteTableId: table.RouteTableId,
      DestinationCidrBlock: '10.0.1.0/24',
      NatGatewayId,
    });
    await world.idle();
    network.listeners.tcp(network.namespace(instances[1] ?? ''), 80);
    const seen = await tcpReads(network.namespace(instances[2] ?? ''), there, 80, PATIENT_MS);
    assert.equal(seen, NatGatewayAddresses[0].PrivateIp);
  });

  /** What this region's VPCs have on the machine, each line one thing: nothing of it may outlive what it was made for. */
  const standing = (): string[] => {
    const snapshot = Object.entries(hostSnapshot()).flatMap(([kind, text]) =>
      // A namespace has another number each time.
      text.split('\n').map((line) => `${kind} ${line.replace(/net:\[\d+\]/, 'net')}`),
    );
    const routed = withNetlink(internetNamespace(layout), (internet) =>
      listRoutes(internet).map(({ destination }) => `routes in the internet ${destination}`),
    );
    const links = withNetlink(internetNamespace(layout), (internet) =>
      [...listLinks(internet).keys()].map((name) => `links in the internet ${name}`),
    );
    return [...snapshot.filter((line) => line.includes(`${layout.prefix}-`)), ...routed, ...links].sort();
  };

  test('what is in use stays; deleted in the right order, a VPC leaves nothing in the kernel', async () => {
    const { call, refused, idle } = world;
    const idsOf = async (operation: string, list: string, id: string, filter: string): Promise<string[]> => {
      const Filters = [{ Name: filter, Values: [VpcId] }];
      return (await call(operation, { Filters }))[list].map((one: Record<string, string>) => one[id]);
    };
    const { VpcId } = await interfaceOf(nodes[0]);
    const subnets = await idsOf('DescribeSubnets', 'Subnets', 'SubnetId', 'vpc-id');
    const [InternetGatewayId] = await idsOf(
      'DescribeInternetGateways',
      'InternetGateways',
      'InternetGatewayId',
      'attachment.vpc-id',
    );
    const [gateway] = (await call('DescribeNatGateways')).NatGateways;
    const tables = (
      await call('DescribeRouteTables', { Filters: [{ Name: 'vpc-id', Values: [VpcId] }] })
    ).RouteTables.filter((one: ec2.RouteTable) => !one.Associations?.some(({ Main }) => Main));
    const before = standing();
    const inUse: [string, object][] = [
      ['DeleteVpc', { VpcId }],
      ...subnets.map((SubnetId): [string, object] => ['DeleteSubnet', { SubnetId }]),
      ['DetachInternetGateway', { InternetGatewayId, VpcId }],
      ['DeleteInternetGateway', { InternetGatewayId }],
      ['DeleteSecurityGroup', { GroupId: group }],
      ...tables.map(({ RouteTableId }: ec2.RouteTable): [string, object] => [
        'DeleteRouteTable',
        { RouteTableId },
      ]),
    ];
    for (const [operation, input] of inUse)
      assert.equal(await refused(operation, input), 'DependencyViolation', operation);
    await idle();
    assert.deepEqual(standing(), before);

    await call('TerminateInstances', { InstanceIds: instances });
    await call('DeleteNatGateway', { NatGatewayId: gateway.NatGatewayId });
    await world.clock.advance(120_000);
    await idle();
    for (const NetworkInterfaceId of await idsOf(
      'DescribeNetworkInterfaces',
      'NetworkInterfaces',
      'NetworkInterfaceId',
      'vpc-id',
    ))
      await call('DeleteNetworkInterface', { NetworkInterfaceId });
    for (const { AllocationId } of (await call('DescribeAddresses')).Addresses)
      await call('ReleaseAddress', { AllocationId });
    for (const SubnetId of subnets) await call('DeleteSubnet', { SubnetId });
    for (const { RouteTableId } of tables) await call('DeleteRouteTable', { RouteTableId });
    await call('DeleteSecurityGroup', { GroupId: group });
    await call('DetachInternetGateway', { InternetGatewayId, VpcId });
    await call('DeleteInternetGateway', { InternetGatewayId });
    await call('DeleteVpc', { VpcId });
    await idle();
    const left = standing();
    assert.ok(
      left.length < before.length && left.some((line) => line.includes('vpc-')),
      'the default VPC stays',
    );
    const ids = [VpcId, gateway.NatGatewayId, ...instances].map((id) => `${layout.prefix}-${id}`);
    assert.deepEqual(
      left.filter((line) => ids.some((id) => line.includes(id))),
      [],
    );
    const routers = left.filter((line) => line.startsWith(`namespaces ${layout.prefix}-vpc-`));
    const links = left.filter((line) => /^links in the internet (?!lo|host|outside)/.test(line));
    assert.equal(links.length, routers.length, 'one link for each VPC that is left');
    assert.deepEqual(
      left.filter((line) => /^routes in the internet .*\/32/.test(line)),
      [`routes in the internet ${network.outsideAddress}/32`],
    );
  });

  test('a default VPC that was deleted comes back, and carries packets', async () => {
    const { call, idle } = world;
    const [old] = (await call('DescribeVpcs', { Filters: [{ Name: 'is-default', Values: ['true'] }] })).Vpcs;
    const Filters = [{ Name: 'vpc-id', Values: [old.VpcId] }];
    const before = standing();
    const [{ InternetGatewayId }] = (
      await call('DescribeInternetGateways', {
        Filters: [{ Name: 'attachment.vpc-id', Values: [old.VpcId] }],
      })
    ).InternetGateways;
    await call('DetachInternetGateway', { InternetGatewayId, VpcId: old.VpcId });
    await call('DeleteInternetGateway', { InternetGatewayId });
    const { Subnets } = await call('DescribeSubnets', { Filters });
    for (const { SubnetId } of Subnets) await call('DeleteSubnet', { SubnetId });
    await call('DeleteVpc', { VpcId: old.VpcId });
    await idle();
    assert.ok(!standing().some((line) => line.includes(old.VpcId)), 'its router is gone');

    const { VpcId } = (await call('CreateDefaultVpc')).Vpc;
    assert.equal(await world.refused('CreateDefaultVpc'), 'DefaultVpcAlreadyExists');
    const zone = { AvailabilityZone: 'us-west-2a' };
    const [subnet] = (
      await call('DescribeSubnets', { Filters: [{ Name: 'vpc-id', Values: [VpcId] }] })
    ).Subnets.filter((one: ec2.Subnet) => one.AvailabilityZone === zone.AvailabilityZone);
    await call('DeleteSubnet', { SubnetId: subnet.SubnetId });
    const { CidrBlock, SubnetId } = (await call('CreateDefaultSubnet', zone)).Subnet;
    assert.equal(CidrBlock, subnet.CidrBlock);
    await idle();
    const id = await world.launchOne({ SubnetId });
    await idle();
    const found = await world.describe(id);
    const seen = await network.publicAddressSeen(
      found.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? '',
      PATIENT_MS,
    );
    assert.equal(seen, found.PublicIpAddress);
    await call('TerminateInstances', { InstanceIds: [id] });
    await world.clock.advance(120_000);
    await idle();
    const renamed = standing().map((line) => line.replaceAll(VpcId, old.VpcId));
    const ofDefault = (lines: readonly string[]): string[] =>
      lines.filter((line) => line.includes(old.VpcId));
    assert.deepEqual(ofDefault(renamed), ofDefault(before), 'as it was, under its new id');
  });
});
