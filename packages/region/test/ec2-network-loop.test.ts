/** What the loop `ec2.vpc` brings into force, and what it leaves alone. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { virtualClock } from '../src/clock.ts';
import { simDrivers } from '../src/drivers/sim/index.ts';
import {
  allocatePublicAddress,
  defaultSubnetFor,
  deleteInterface,
  isInForce,
  releasePublicAddress,
} from '../src/services/ec2/network/index.ts';
import { planTopology } from '../src/services/ec2/network/topology.ts';
import { hosts, instances, networkInterfaces, subnets, vpcs } from '../src/services/ec2/records.ts';
import { networkWorld, REGION } from './ec2-network-world.ts';

const tcp = (port: number) => ({ IpProtocol: 'tcp', FromPort: port, ToPort: port });

/** A default VPC with two interfaces in one subnet, the second one public and in a group of its own. */
async function twoNodes() {
  const drivers = simDrivers(virtualClock());
  const world = await networkWorld({ drivers });
  const vpcId: string = (await world.call('DescribeVpcs')).Vpcs[0].VpcId;
  const subnet = world.inScope((scope) => defaultSubnetFor(scope, 'us-west-2a'));
  const { GroupId } = await world.call('CreateSecurityGroup', { GroupName: 'web', Description: 'web' });
  const client = world.managed(subnet.id, 'client');
  const server = world.managed(subnet.id, 'server', { securityGroupIds: [GroupId], withPublicAddress: true });
  await world.idle();
  const fromInside = (port: number): boolean =>
    drivers.network.reaches({ from: client.id, to: server.spec.privateAddress, protocol: 6, port });
  const fromOutside = (port: number): boolean =>
    drivers.network.reaches({ from: 'outside', to: server.spec.publicAddress ?? '', protocol: 6, port });
  return { ...world, drivers, vpcId, subnet, GroupId, client, server, fromInside, fromOutside };
}

it('opens and closes a port as the rules say', async () => {
  const world = await twoNodes();
  const { call, idle, GroupId, client } = world;
  assert.equal(world.fromInside(80), false);
  await call('AuthorizeSecurityGroupIngress', { GroupId, ...tcp(80), CidrIp: '0.0.0.0/0' });
  await idle();
  assert.deepEqual([world.fromInside(80), world.fromOutside(80), world.fromOutside(81)], [true, true, false]);
  await call('RevokeSecurityGroupIngress', { GroupId, ...tcp(80), CidrIp: '0.0.0.0/0' });
  const group = client.spec.securityGroupIds[0];
  const UserIdGroupPairs = [{ GroupId: group }];
  await call('AuthorizeSecurityGroupIngress', { GroupId, IpPermissions: [{ ...tcp(80), UserIdGroupPairs }] });
  await idle();
  assert.deepEqual([world.fromInside(80), world.fromOutside(80)], [true, false]);
  await world.stop();
});

it('closes the way to the outside with the route', async () => {
  const world = await twoNodes();
  const { call, idle, vpcId, GroupId } = world;
  await call('AuthorizeSecurityGroupIngress', { GroupId, ...tcp(80), CidrIp: '0.0.0.0/0' });
  await idle();
  assert.equal(world.drivers.network.publicAddressSeen(world.server.id), world.server.spec.publicAddress);
  const filters = [{ Name: 'vpc-id', Values: [vpcId] }];
  const [{ RouteTableId }] = (await call('DescribeRouteTables', { Filters: filters })).RouteTables;
  await call('DeleteRoute', { RouteTableId, DestinationCidrBlock: '0.0.0.0/0' });
  await idle();
  assert.deepEqual(
    [world.fromOutside(80), world.drivers.network.publicAddressSeen(world.server.id)],
    [false, undefined],
  );
  await world.stop();
});

it('says what is in force, and is then at rest', async () => {
  const world = await twoNodes();
  const { store } = world.region;
  const { revision } = world.server;
  assert.equal(isInForce(store, world.vpcId, REGION, revision), true);
  assert.equal(isInForce(store, world.vpcId, REGION, store.sequence + 1), false);
  // A write that changes nothing on the network is in force as well: somebody may wait for it.
  const next = await world.call('CreateNetworkInterface', { SubnetId: world.subnet.id });
  await world.idle();
  const { NetworkInterfaceId } = next.NetworkInterface;
  const Description = { Value: 'told only to people' };
  await world.call('ModifyNetworkInterfaceAttribute', { NetworkInterfaceId, Description });
  await world.idle();
  const changed = store.get(networkInterfaces, REGION, NetworkInterfaceId);
  assert.ok(changed && changed.spec.description === Description.Value);
  assert.equal(isInForce(store, world.vpcId, REGION, changed.revision), true);
  const before = store.sequence;
  await world.advance(600_000);
  assert.equal(store.sequence, before, 'resyncs write nothing');
  await world.stop();
});

it('publishes the router, and takes it back with the VPC', async () => {
  const world = await networkWorld();
  const { VpcId } = (await world.call('CreateVpc', { CidrBlock: '10.9.0.0/16' })).Vpc;
  await world.idle();
  const published = () => world.drivers.edge.records.get(`vpc/${VpcId}`);
  assert.deepEqual(published(), { kind: 'vpc', vpcId: VpcId, resolver: '10.9.0.2', dnsSupport: true });
  await world.call('ModifyVpcAttribute', { VpcId, EnableDnsSupport: { Value: false } });
  await world.idle();
  assert.deepEqual(published(), { kind: 'vpc', vpcId: VpcId, resolver: '10.9.0.2', dnsSupport: false });
  await world.call('DeleteVpc', { VpcId });
  await world.idle();
  assert.equal(published(), undefined);
  assert.equal(world.drivers.network.topology(VpcId), undefined);
  await world.stop();
});

it('finds what nobody wants any more after a restart, and applies what it finds wanted', async () => {
  const drivers = simDrivers(virtualClock());
  const orphan = 'vpc-0orphan';
  const vpc = { vpcId: orphan, cidrs: ['10.0.0.0/16'], internetGateway: false, cut: [] };
  const nothing = {
    subnets: [],
    routeTables: [],
    networkAcls: [],
    securityGroups: [],
    interfaces: [],
    natGateways: [],
  };
  await drivers.network.apply({ ...vpc, ...nothing }, 7);
  const put = new Map([
    [`vpc/${orphan}`, { kind: 'vpc', vpcId: orphan, resolver: '10.0.0.2', dnsSupport: true } as const],
  ]);
  await drivers.edge.publish({ put, removed: [] });
  const world = await networkWorld({ drivers });
  await world.idle();
  assert.equal(drivers.network.topology(orphan), undefined);
  assert.equal(drivers.edge.records.has(`vpc/${orphan}`), false);
  await world.stop();
});

it('takes nothing for granted after a restart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-'));
  const storeFile = join(folder, 'store.db');
  try {
    const first = await networkWorld({ storeFile });
    const vpcId: string = (await first.call('DescribeVpcs')).Vpcs[0].VpcId;
    await first.idle();
    assert.equal(isInForce(first.region.store, vpcId, REGION, 1), true);
    await first.stop();
    // The machine was restarted: its network is gone, and takes a while to come back.
    const drivers = simDrivers(virtualClock());
    const { promise: ready, resolve: release } = Promise.withResolvers<void>();
    const apply = async (...given: Parameters<typeof drivers.network.apply>) => {
      await ready;
      await drivers.network.apply(...given);
    };
    const network = { ...drivers.network, apply };
    const second = await networkWorld({ storeFile, drivers: { ...drivers, network } });
    assert.equal(isInForce(second.region.store, vpcId, REGION, 1), false);
    release();
    await second.idle();
    assert.equal(isInForce(second.region.store, vpcId, REGION, 1), true);
    assert.ok(drivers.network.topology(vpcId));
    await second.stop();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('mends what was broken behind its back', async () => {
  const world = await twoNodes();
  await world.drivers.network.remove(world.vpcId);
  await world.advance(120_000);
  assert.ok(world.drivers.network.topology(world.vpcId));
  await world.stop();
});

it('tries again after the network has failed', async () => {
  const drivers = simDrivers(virtualClock());
  let failing = true;
  const network = {
    ...drivers.network,
    apply: async (...given: Parameters<typeof drivers.network.apply>) => {
      if (failing) throw new Error('no such device');
      await drivers.network.apply(...given);
    },
  };
  const world = await networkWorld({ drivers: { ...drivers, network } });
  const vpcId: string = (await world.call('DescribeVpcs')).Vpcs[0].VpcId;
  await world.idle();
  assert.equal(isInForce(world.region.store, vpcId, REGION, 1), false);
  failing = false;
  await world.advance(20_000);
  assert.equal(isInForce(world.region.store, vpcId, REGION, 1), true);
  assert.ok(network.topology(vpcId));
  assert.ok(world.errors.length > 0 && world.errors.every((line) => line.includes('no such device')));
  await world.region.stop();
});

it('cuts off the interfaces of a failed host, and joins them again', async () => {
  const world = await networkWorld();
  const id = await world.launchOne();
  const instance = world.region.store.get(instances, REGION, id);
  const host = world.region.store.get(hosts, REGION, instance?.spec.hostId ?? '');
  assert.ok(instance && host);
  const setFailed = async (failed: boolean): Promise<readonly string[] | undefined> => {
    world.region.store.transaction((tx) => {
      const current = tx.get(hosts, REGION, host.id);
      if (current) tx.update(current, { spec: { ...current.spec, failed } });
    });
    await world.idle();
    return world.drivers.network.topology(instance.spec.vpcId)?.cut;
  };
  assert.equal((await setFailed(true))?.length, 1);
  assert.deepEqual(await setFailed(false), []);
  await world.region.stop();
});

it('gives public addresses once over all regions, and an old one last', async () => {
  const world = await networkWorld({ settings: { publicCidr: '198.18.0.0/26' } });
  await world.call('DescribeVpcs');
  await world.call('DescribeVpcs', {}, 'eu-west-1');
  const give = (region: string): string => world.inScope(allocatePublicAddress, region);
  const given = Array.from({ length: 31 }, (_, at) => give(at % 2 ? REGION : 'eu-west-1'));
  assert.equal(new Set(given).size, 31);
  assert.deepEqual([given[0], given[30]], ['198.18.0.16', '198.18.0.46']);
  world.inScope((scope) => releasePublicAddress(scope, '198.18.0.20'));
  assert.equal(give(REGION), '198.18.0.47', 'the last /28 stays the machine’s own');
  assert.equal(give(REGION), '198.18.0.20');
  assert.throws(() => give(REGION), { code: 'InsufficientAddressCapacity' });
  await world.stop();
});

it('fills a subnet to its last address, and gives back what was deleted', async () => {
  const world = await networkWorld();
  const { VpcId } = (await world.call('CreateVpc', { CidrBlock: '10.9.0.0/28' })).Vpc;
  const { SubnetId } = (await world.call('CreateSubnet', { VpcId, CidrBlock: '10.9.0.0/28' })).Subnet;
  const made = Array.from({ length: 11 }, (_, at) =>
    world.managed(SubnetId, `node-${at}`, { withPublicAddress: true }),
  );
  const addresses = made.map(({ spec }) => spec.privateAddress).sort();
  assert.deepEqual(new Set(addresses), new Set(Array.from({ length: 11 }, (_, at) => `10.9.0.${at + 4}`)));
  assert.throws(() => world.managed(SubnetId, 'more'), { code: 'InsufficientFreeAddressesInSubnet' });
  const [first] = made;
  world.inScope((scope) => deleteInterface(scope, first?.id ?? ''));
  assert.equal(world.managed(SubnetId, 'again').spec.privateAddress, first?.spec.privateAddress);
  assert.equal(world.region.store.everywhere({ kind: 'ec2.public-address' }).length, 10);
  await world.stop();
});

it('plans a VPC of 200 interfaces in linear time', async () => {
  const world = await networkWorld();
  await world.call('DescribeVpcs');
  const all = world.region.store.list(subnets, REGION);
  const vpc = world.region.store.list(vpcs, REGION)[0];
  assert.ok(vpc);
  const grow = (count: number, from: number): void => {
    for (let at = from; at < from + count; at += 1)
      world.managed(all[at % all.length]?.id ?? '', `node-${at}`);
  };
  const fastest = (): number => {
    const times = Array.from({ length: 15 }, () => {
      const before = performance.now();
      planTopology(world.region.store, vpc);
      return performance.now() - before;
    });
    return Math.min(...times);
  };
  grow(200, 0);
  fastest();
  const small = fastest();
  grow(1800, 200);
  const large = fastest();
  assert.equal(planTopology(world.region.store, vpc).interfaces.length, 2000);
  // Ten times as many: a quadratic plan would take a hundred times as long.
  assert.ok(large < 40 * Math.max(small, 0.05), `200 in ${small} ms, 2000 in ${large} ms`);
  await world.stop();
});
