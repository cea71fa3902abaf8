/**
 * What `holdfast fault` breaks is really broken: a zone goes dark under load, a host stops with all on it, an instance
 * hangs. Who is left goes on, and what comes back is what it was. The region's clock runs ten times as fast, so that
 * checks that AWS makes once a minute come every six seconds.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import * as ec2 from '@aws-sdk/client-ec2';
import { findCgroupHost, machineCgroups } from '@holdfast/linux/compute/cgroups.ts';
import { runNft } from '@holdfast/linux/host/nftables.ts';
import { hostLayout, routerNamespace } from '@holdfast/linux/layout.ts';
import { failed, Load } from '../../packages/holdfast/src/demo/load.ts';
import {
  type Clients,
  connect,
  createStack,
  healthyTargets,
  members,
  type Stack,
} from '../../packages/holdfast/src/demo/stack.ts';
import { becomes, inside, until } from '../support/instances.ts';
import { withoutInstances } from '../support/needs.ts';
import { startRegion, stateDirectoryOf, type TestRegion } from '../support/region.ts';
import { initProcesses } from '../support/world.ts';

const prefix = 'hff';
const publicCidr = '198.19.176.0/20';
const SPEED = 10;
const skip = await withoutInstances();
const layout = hostLayout({ prefix, publicCidr, stateDirectory: stateDirectoryOf(prefix) });

let region: TestRegion;
let clients: Clients;
let stack: Stack;
let subnets: ec2.Subnet[];

async function post<T>(path: string, body: object): Promise<T> {
  const answer = await fetch(`${region.endpoint}/_holdfast/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ region: 'us-west-2', ...body }),
  });
  const said = (await answer.json()) as T & { message?: string };
  assert.equal(answer.status, 200, said.message);
  return said;
}

const breakOn = async (target: string, id: string, kind?: string): Promise<string> =>
  (await post<{ fault: { id: string } }>('faults', { target, id, ...(kind && { kind }) })).fault.id;
const clear = (id: string): Promise<unknown> => post('faults/clear', { id });

/** The page at an address, or undefined when it does not come within `withinMs`. */
function page(address: string, withinMs = 800): Promise<string | undefined> {
  return new Promise((resolve) => {
    const sent = request(`http://${address}/`, { timeout: withinMs, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('end', () => resolve(body));
      response.on('error', () => resolve(undefined));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(undefined));
    sent.end();
  });
}

const cutIn = (vpcId: string): string[] =>
  [...runNft(routerNamespace(layout, vpcId), 'list set inet vpc cut\n').matchAll(/"([^"]+)"/g)].map(
    ([, link = '']) => link,
  );

const addressesNamed = (): string[] =>
  readFileSync('/etc/hosts', 'utf8')
    .split('\n')
    .filter((line) => line.split(/\s+/).slice(1).includes(stack.loadBalancerName))
    .map((line) => line.split(/\s+/)[0] ?? '')
    .filter((address) => !address.startsWith('127.'));

/** Launches one instance and waits until its page comes. */
async function launch(input: Partial<ec2.RunInstancesCommandInput>): Promise<ec2.Instance> {
  const launched = await clients.ec2.send(
    new ec2.RunInstancesCommand({
      LaunchTemplate: { LaunchTemplateName: 'faults' },
      MinCount: 1,
      MaxCount: 1,
      ...input,
    }),
  );
  return described(launched.Instances?.[0]?.InstanceId ?? '');
}

async function described(id: string): Promise<ec2.Instance> {
  const { Reservations } = await clients.ec2.send(new ec2.DescribeInstancesCommand({ InstanceIds: [id] }));
  const found = Reservations?.[0]?.Instances?.[0];
  assert(found);
  return found;
}

/** `<system> <instance>`, such as `impaired impaired`. */
async function checks(id: string): Promise<string> {
  const { InstanceStatuses } = await clients.ec2.send(
    new ec2.DescribeInstanceStatusCommand({ InstanceIds: [id] }),
  );
  const [found] = InstanceStatuses ?? [];
  return `${found?.SystemStatus?.Status} ${found?.InstanceStatus?.Status}`;
}

const checksBecome = (id: string, wanted: string): Promise<true> =>
  until(`the checks of ${id} are ${wanted}`, 60_000, async () =>
    (await checks(id)) === wanted ? true : undefined,
  );

async function hostOf(id: string): Promise<string> {
  const status = JSON.parse((await region.holdfast('status', '--json')).stdout);
  return status.instances.find((one: { id: string }) => one.id === id).host;
}

const inService = async (): Promise<{ id: string; zone: string }[]> =>
  (await members(clients, stack))
    .filter((one) => one.LifecycleState === 'InService')
    .map((one) => ({ id: one.InstanceId ?? '', zone: one.AvailabilityZone ?? '' }));

/** The group's two instances are in service, healthy behind the load balancer, and where they should be. */
const groupIsWhole = (where: (zones: string[]) => boolean): Promise<true> =>
  until('the group is whole', 60_000, async () => {
    const [serving, healthy] = [await inService(), await healthyTargets(clients, stack)];
    const whole = serving.length === 2 && serving.every((one) => healthy.includes(one.id));
    return whole && where(serving.map((one) => one.zone)) ? true : undefined;
  });

const tableTo = async (
  vpcId: string,
  subnetId: string,
  to: Partial<ec2.CreateRouteRequest>,
): Promise<string> => {
  const { RouteTable } = await clients.ec2.send(new ec2.CreateRouteTableCommand({ VpcId: vpcId }));
  const { RouteTableId } = RouteTable ?? {};
  await clients.ec2.send(
    new ec2.CreateRouteCommand({ RouteTableId, DestinationCidrBlock: '0.0.0.0/0', ...to }),
  );
  await clients.ec2.send(new ec2.AssociateRouteTableCommand({ RouteTableId, SubnetId: subnetId }));
  return RouteTableId ?? '';
};

/** A subnet with a way to the internet gateway, and a NAT gateway in it; the NAT gateway's id. */
async function natGatewayIn(vpcId: string, gatewayId: string, zone: string, cidr: string): Promise<string> {
  const { Subnet } = await clients.ec2.send(
    new ec2.CreateSubnetCommand({ VpcId: vpcId, CidrBlock: cidr, AvailabilityZone: zone }),
  );
  await tableTo(vpcId, Subnet?.SubnetId ?? '', { GatewayId: gatewayId });
  const { AllocationId } = await clients.ec2.send(new ec2.AllocateAddressCommand({}));
  const { NatGateway } = await clients.ec2.send(
    new ec2.CreateNatGatewayCommand({ SubnetId: Subnet?.SubnetId, AllocationId }),
  );
  const id = NatGateway?.NatGatewayId ?? '';
  await until(`${id} is available`, 30_000, async () => {
    const { NatGateways } = await clients.ec2.send(
      new ec2.DescribeNatGatewaysCommand({ NatGatewayIds: [id] }),
    );
    return NatGateways?.[0]?.State === 'available' ? true : undefined;
  });
  return id;
}

/** Launches one instance that has no page; its id. */
async function instanceIn(SubnetId: string): Promise<string> {
  const { Images } = await clients.ec2.send(new ec2.DescribeImagesCommand({ Owners: ['amazon'] }));
  const plain = { ImageId: Images?.[0]?.ImageId, InstanceType: 't3.nano', MinCount: 1, MaxCount: 1 } as const;
  const launched = await clients.ec2.send(new ec2.RunInstancesCommand({ ...plain, SubnetId }));
  return launched.Instances?.[0]?.InstanceId ?? '';
}

/** A second VPC with an instance in `zone`: a zone is lost for every VPC at once. */
async function secondVpc(zone: string): Promise<{ vpcId: string; instanceId: string }> {
  const { Vpc } = await clients.ec2.send(new ec2.CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }));
  const { Subnet } = await clients.ec2.send(
    new ec2.CreateSubnetCommand({ VpcId: Vpc?.VpcId, CidrBlock: '10.9.0.0/24', AvailabilityZone: zone }),
  );
  return { vpcId: Vpc?.VpcId ?? '', instanceId: await instanceIn(Subnet?.SubnetId ?? '') };
}

describe('what is broken on purpose', { skip, timeout: 400_000 }, () => {
  before(async () => {
    region = await startRegion({
      prefix,
      publicCidr,
      driver: 'linux',
      upArguments: ['--speed', String(SPEED)],
    });
    clients = connect(region.endpoint, 'us-west-2');
    stack = await createStack(clients, 'faults');
    subnets = (await clients.ec2.send(new ec2.DescribeSubnetsCommand({}))).Subnets ?? [];
    await groupIsWhole((zones) => new Set(zones).size === 2);
    await until('both nodes are named', 30_000, async () =>
      addressesNamed().length === 2 ? true : undefined,
    );
  });
  after(async () => {
    await region?.down();
  });

  test('a zone goes dark at once, clients feel it until it is noticed, and no longer', async (t) => {
    const serving = await inService();
    const [lost = '', left = ''] = serving.map((one) => one.zone).toSorted();
    const second = await secondVpc(lost);
    await until('the instance in the second VPC runs', 60_000, async () =>
      (await described(second.instanceId)).State?.Name === 'running' ? true : undefined,
    );
    const vpcs = [subnets[0]?.VpcId ?? '', second.vpcId];
    const before = addressesNamed();
    const patienceMs = 3_000;
    const load = new Load(`http://${stack.loadBalancerName}/`, patienceMs);
    load.start(50, 50 * 180);
    await until('it is served', 30_000, async () => load.requests.length > 50 || undefined);

    const cutAt = performance.now();
    const fault = breakOn('zone', lost);
    const dark = await until(
      'both VPCs are cut: an instance and a node of the load balancer, and an instance',
      20_000,
      async () => (vpcs.map((vpcId) => cutIn(vpcId).length).join() === '2,1' ? performance.now() : undefined),
      1,
    );
    t.diagnostic(`cut in two VPCs ${(dark - cutAt).toFixed(1)} ms after it was asked for`);

    const noticed = await until('the name, and its node, lead to what is left', 40_000, async () => {
      const healthy = await healthyTargets(clients, stack);
      const known = serving.every(({ id, zone }) => zone === left || !healthy.includes(id));
      return addressesNamed().length === 1 && known ? performance.now() : undefined;
    });
    const [gone] = before.filter((address) => !addressesNamed().includes(address));
    assert.equal(await page(gone ?? ''), undefined);
    await groupIsWhole((zones) => zones.every((zone) => zone === left));
    await assert.rejects(launch({ Placement: { AvailabilityZone: lost } }), {
      name: 'InsufficientInstanceCapacity',
    });
    const zones = await clients.ec2.send(new ec2.DescribeAvailabilityZonesCommand({ ZoneNames: [lost] }));
    assert.equal(zones.AvailabilityZones?.[0]?.State, 'impaired');
    // By then whoever waits on a connection to what is lost has given it up.
    const late = () => load.requests.filter((one) => one.sentAt > noticed + patienceMs);
    await until('requests came after it was noticed', 60_000, async () => late().length > 100 || undefined);
    await load.stop();

    const failures = load.requests.filter(failed);
    const last = Math.max(cutAt, ...failures.map((one) => one.sentAt));
    t.diagnostic(
      `${failures.length} of ${load.requests.length} requests failed, the last sent ${((last - cutAt) / 1000).toFixed(1)} s after the cut`,
    );
    assert(failures.every((one) => one.endedAt > cutAt));
    assert.deepEqual(late().filter(failed), [], 'nobody feels it any more');

    await clear(await fault);
    await until('the zone answers again', 30_000, async () =>
      (await page(gone ?? ''))?.startsWith('i-') ? true : undefined,
    );
    await becomes(() => vpcs.flatMap(cutIn), []);
    await until('its node is named again', 30_000, async () =>
      addressesNamed().length === 2 ? true : undefined,
    );
    // The group left the zone alone for a minute of the region's time after its last try there.
    await groupIsWhole((zones) => new Set(zones).size === 2);
  });

  test('a NAT gateway dies, or its zone does, and only those routed to it are locked in', async () => {
    const [home = '', away = ''] = subnets.slice(2, 4).map((subnet) => subnet.AvailabilityZone ?? '');
    const { Vpc } = await clients.ec2.send(new ec2.CreateVpcCommand({ CidrBlock: '10.8.0.0/16' }));
    const vpcId = Vpc?.VpcId ?? '';
    const { InternetGateway } = await clients.ec2.send(new ec2.CreateInternetGatewayCommand({}));
    const gatewayId = InternetGateway?.InternetGatewayId ?? '';
    await clients.ec2.send(
      new ec2.AttachInternetGatewayCommand({ VpcId: vpcId, InternetGatewayId: gatewayId }),
    );
    const first = await natGatewayIn(vpcId, gatewayId, home, '10.8.0.0/24');
    const { Subnet } = await clients.ec2.send(
      new ec2.CreateSubnetCommand({ VpcId: vpcId, CidrBlock: '10.8.9.0/24', AvailabilityZone: away }),
    );
    const RouteTableId = await tableTo(vpcId, Subnet?.SubnetId ?? '', { NatGatewayId: first });
    const id = await instanceIn(Subnet?.SubnetId ?? '');
    // The far side is a web server of another VPC, by its public address.
    const far = (await described((await inService())[0]?.id ?? '')).PublicIpAddress;
    const hears = async (): Promise<boolean> =>
      (await inside(region, id, `curl -s -m 1 http://${far}/`)).stdout.startsWith('i-');
    const comesOut = (): Promise<true> =>
      until('it reaches the outside', 60_000, async () => (await hears()) || undefined);
    await comesOut();
    const dead = await breakOn('nat-gateway', first);
    await becomes(hears, false);
    await clear(dead);
    await comesOut();
    const lost = await breakOn('zone', home);
    await becomes(hears, false, 'its own zone is well, but not its way out');
    const second = await natGatewayIn(vpcId, gatewayId, away, '10.8.1.0/24');
    await clients.ec2.send(
      new ec2.ReplaceRouteCommand({
        RouteTableId,
        DestinationCidrBlock: '0.0.0.0/0',
        NatGatewayId: second,
      }),
    );
    await comesOut();
    await clear(lost);
  });

  test('an instance of a failed host comes back on another one, as what it was', async () => {
    const zone = subnets[2]?.AvailabilityZone ?? '';
    const { InstanceId: id = '' } = await launch({ Placement: { AvailabilityZone: zone } });
    const address = await until('it has a page', 60_000, async () => {
      const { PublicIpAddress } = await described(id);
      return PublicIpAddress && (await page(PublicIpAddress)) ? PublicIpAddress : undefined;
    });
    await inside(region, id, 'echo kept > /root/disk; echo lost > /dev/shm/memory; sync');
    const was = await described(id);
    const [init = 0] = initProcesses(layout).get(id) ?? [];
    const own = await hostOf(id);
    const spare = own.endsWith('h1') ? `${zone}-h2` : `${zone}-h1`;
    const [failure, other] = await Promise.all([breakOn('host', own), breakOn('host', spare)]);
    await until('it is silent', 30_000, async () =>
      (await page(address, 300)) === undefined ? true : undefined,
    );
    const { frozen } = machineCgroups(findCgroupHost()!, layout, id);
    await until('its host has stopped', 30_000, async () => frozen() || undefined);
    const spent = (): string => readFileSync(`/proc/${init}/stat`, 'utf8').split(' ').slice(13, 15).join(' ');
    const before = spent();
    await checksBecome(id, 'impaired impaired');
    assert.equal(spent(), before, 'nothing on the host computes');

    const asked = await post<{ outcome: string; code?: string }>('recover', { instance: id });
    assert.equal(asked.outcome, 'waiting', 'no host of the zone is well');
    assert.equal(asked.code, 'InsufficientInstanceCapacity');
    await clear(other);
    await until('it answers again', 60_000, async () => await page(address));
    const is = await described(id);
    for (const same of ['PrivateIpAddress', 'PublicIpAddress', 'LaunchTime'] as const)
      assert.deepEqual(is[same], was[same], same);
    assert.equal(is.State?.Name, 'running');
    const said = await inside(
      region,
      id,
      'cat /root/disk; cat /dev/shm/memory 2>&1; hostname; systemctl is-active web',
    );
    assert.match(said.stdout, /^kept\n.*No such file.*\nip-172-31-[\d-]+\nactive\n$/s);
    assert.notEqual(initProcesses(layout).get(id)?.[0], init);
    await checksBecome(id, 'ok ok');
    assert.deepEqual(await post('recover', { instance: id }), { outcome: 'not-needed' });
    assert.equal(await hostOf(id), spare);
    await clear(failure);
    await clients.ec2.send(new ec2.TerminateInstancesCommand({ InstanceIds: [id] }));
  });

  test('a hung instance fails its own check only, and goes on where it was', async () => {
    const zone = subnets[2]?.AvailabilityZone ?? '';
    const { InstanceId: id = '' } = await launch({ Placement: { AvailabilityZone: zone } });
    const address = await until('it has a page', 60_000, async () => {
      const { PublicIpAddress } = await described(id);
      return PublicIpAddress && (await page(PublicIpAddress)) ? PublicIpAddress : undefined;
    });
    const inits = initProcesses(layout).get(id);
    const fault = await breakOn('instance', id, 'hung');
    await until('it is silent', 30_000, async () =>
      (await page(address, 300)) === undefined ? true : undefined,
    );
    await checksBecome(id, 'ok impaired');
    await clear(fault);
    await until('it answers again', 30_000, async () => await page(address));
    assert.deepEqual(initProcesses(layout).get(id), inits);
    await checksBecome(id, 'ok ok');

    await breakOn('instance', id, 'dead');
    await until('it is stopped', 30_000, async () =>
      (await described(id)).State?.Name === 'stopped' ? true : undefined,
    );
  });
});
