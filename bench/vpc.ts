/**
 * How soon a call about a VPC counts: from the call to the API of a running region until the kernel, or a packet, shows it.
 * Run as root on an idle machine: `node bench/vpc.ts`.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import * as ec2 from '@aws-sdk/client-ec2';
import { connect, until } from '../packages/holdfast/src/demo/stack.ts';
import { listAddresses, listRules } from '../packages/linux/src/host/links.ts';
import { namespaceExists } from '../packages/linux/src/host/namespaces.ts';
import { withNetlink } from '../packages/linux/src/host/netlink.ts';
import { endpointNamespace, hostLayout, routerNamespace } from '../packages/linux/src/layout.ts';
import { startRegion } from '../test/support/region.ts';
import { reportRounds } from './figures.ts';
import { echo, Prober, socketIn, soon } from './probes.ts';

const ROUNDS = 10;
const PORT = 9000;
const layout = hostLayout({ prefix: 'hbv', publicCidr: '198.19.20.0/22' });
const region = await startRegion({ prefix: 'hbv', driver: 'linux', publicCidr: '198.19.20.0/22' });
const { ec2: client } = connect(region.endpoint, 'us-west-2');

interface Place {
  readonly vpcId: string;
  /** In zones a and b. */
  readonly subnets: readonly [string, string];
}

/** What a wizard calls for a VPC with two public and two private subnets. */
async function makeVpc(block: string): Promise<Place> {
  const { Vpc } = await client.send(new ec2.CreateVpcCommand({ CidrBlock: `${block}.0.0/16` }));
  const VpcId = Vpc?.VpcId ?? '';
  const { InternetGateway } = await client.send(new ec2.CreateInternetGatewayCommand({}));
  const GatewayId = InternetGateway?.InternetGatewayId;
  await client.send(new ec2.AttachInternetGatewayCommand({ InternetGatewayId: GatewayId, VpcId }));
  const subnets: string[] = [];
  for (const n of [1, 2, 3, 4]) {
    const { Subnet } = await client.send(
      new ec2.CreateSubnetCommand({
        VpcId,
        CidrBlock: `${block}.${n}.0/24`,
        AvailabilityZone: `us-west-2${n % 2 ? 'a' : 'b'}`,
      }),
    );
    subnets.push(Subnet?.SubnetId ?? '');
  }
  const { RouteTable } = await client.send(new ec2.CreateRouteTableCommand({ VpcId }));
  const RouteTableId = RouteTable?.RouteTableId;
  await client.send(
    new ec2.CreateRouteCommand({ RouteTableId, DestinationCidrBlock: '0.0.0.0/0', GatewayId }),
  );
  for (const SubnetId of subnets.slice(0, 2))
    await client.send(new ec2.AssociateRouteTableCommand({ RouteTableId, SubnetId }));
  return { vpcId: VpcId, subnets: [subnets[0] ?? '', subnets[1] ?? ''] };
}

/** Is the router there, with four gateways and four subnets led to a table? */
function fourSubnetsInForce(vpcId: string): true | undefined {
  const router = routerNamespace(layout, vpcId);
  if (!namespaceExists(router)) return undefined;
  return withNetlink(router, (netlink) => {
    const gateways = listAddresses(netlink).filter(({ address }) => /\.[1-4]\.1$/.test(address));
    const tables = listRules(netlink).filter(({ mark }) => mark !== undefined);
    const [last] = tables.filter((one) => tables.filter(({ table }) => table === one.table).length === 2);
    return gateways.length === 4 && tables.length === 4 && last ? true : undefined;
  });
}

async function launch(subnetId: string): Promise<{ id: string; address: string; interfaceId: string }> {
  const { Images } = await client.send(new ec2.DescribeImagesCommand({ Owners: ['amazon'] }));
  const { Instances } = await client.send(
    new ec2.RunInstancesCommand({
      ImageId: Images?.[0]?.ImageId,
      InstanceType: 't2.nano',
      SubnetId: subnetId,
      MinCount: 1,
      MaxCount: 1,
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'holdfast:init', Value: 'nano' }] }],
    }),
  );
  const [made] = Instances ?? [];
  const id = made?.InstanceId ?? '';
  await until(`${id} runs`, 30_000, async () => {
    const found = await client.send(new ec2.DescribeInstancesCommand({ InstanceIds: [id] }));
    return found.Reservations?.[0]?.Instances?.[0]?.State?.Name === 'running' ? true : undefined;
  });
  const interfaceId = made?.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? '';
  return { id, address: made?.PrivateIpAddress ?? '', interfaceId };
}

type Running = Awaited<ReturnType<typeof launch>>;

async function openDatagrams({ vpcId }: Place): Promise<void> {
  const Filters = [{ Name: 'vpc-id', Values: [vpcId] }];
  const { SecurityGroups } = await client.send(new ec2.DescribeSecurityGroupsCommand({ Filters }));
  await client.send(
    new ec2.AuthorizeSecurityGroupIngressCommand({
      GroupId: SecurityGroups?.[0]?.GroupId,
      IpPermissions: [
        { IpProtocol: 'udp', FromPort: PORT, ToPort: PORT, IpRanges: [{ CidrIp: '0.0.0.0/0' }] },
      ],
    }),
  );
}

async function fault(path: string, body: object): Promise<{ fault?: { id: string } }> {
  const answer = await fetch(`${region.endpoint}/_holdfast/faults${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ region: 'us-west-2', ...body }),
  });
  return (await answer.json()) as { fault?: { id: string } };
}

/** Cuts zone a, in which one end of each flow stands: how long after the call the last datagram was answered. */
async function cutZone(flows: readonly { from: Running; to: Running }[]): Promise<void> {
  const echoes = await Promise.all(flows.map(({ to }) => echo(endpointNamespace(layout, to.id), PORT)));
  const probers: Prober[] = [];
  for (const { from, to } of flows)
    probers.push(new Prober(await socketIn(endpointNamespace(layout, from.id)), to.address, PORT));
  // The client's own start is not what is measured.
  await (await fetch(`${region.endpoint}/_holdfast/faults`)).json();
  const darkAfter: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    await soon('all flows are answered', 5_000, () =>
      probers.every(({ answers }) => (answers.at(-1)?.sentAt ?? 0) > begun) ? true : undefined,
    );
    const cutAt = performance.now();
    const made = await fault('', { target: 'zone', id: 'us-west-2a' });
    await delay(200);
    darkAfter.push(...probers.map(({ answers }) => Math.max(0, (answers.at(-1)?.sentAt ?? 0) - cutAt)));
    await fault('/clear', { id: made.fault?.id });
  }
  await Promise.all(probers.map((one) => one.close()));
  for (const one of echoes) one.close();
  reportRounds('a zone over two VPCs cut: call → last datagram answered', darkAfter, 30);
}

/** Moves an Elastic IP to and fro between two instances, and asks it all the time from this machine. */
async function moveAddress(title: string, ends: readonly [Running, Running]): Promise<void> {
  const { AllocationId, PublicIp = '' } = await client.send(new ec2.AllocateAddressCommand({}));
  const associate = (to: Running): Promise<unknown> =>
    client.send(new ec2.AssociateAddressCommand({ AllocationId, NetworkInterfaceId: to.interfaceId }));
  const echoes = await Promise.all(ends.map(({ id }) => echo(endpointNamespace(layout, id), PORT, id)));
  await associate(ends[0]);
  const prober = new Prober(await socketIn(undefined), PublicIp, PORT);
  await soon('the address answers', 5_000, () => prober.answers[0]);
  const gaps: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const to = ends[round % 2]!;
    const movedAt = performance.now();
    await associate(to);
    await soon(`${to.id} answers`, 5_000, () => (prober.answers.at(-1)?.by === to.id ? true : undefined));
    await delay(100);
    gaps.push(prober.longestGap(movedAt, performance.now()));
  }
  await prober.close();
  for (const one of echoes) one.close();
  const { Addresses } = await client.send(
    new ec2.DescribeAddressesCommand({ AllocationIds: [AllocationId ?? ''] }),
  );
  await client.send(new ec2.DisassociateAddressCommand({ AssociationId: Addresses?.[0]?.AssociationId }));
  await client.send(new ec2.ReleaseAddressCommand({ AllocationId }));
  reportRounds(`Elastic IP moved ${title}: longest time without an answer`, gaps, 100);
}

try {
  const took: number[] = [];
  const places: Place[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const place = await makeVpc(`10.${round + 1}`);
    const calledAt = performance.now();
    await soon('four subnets are in force', 5_000, () => fourSubnetsInForce(place.vpcId));
    took.push(performance.now() - calledAt);
    places.push(place);
  }
  reportRounds('VPC with 4 subnets: answer to the last call → in force', took, 100);

  const [one, two] = places as [Place, Place];
  await openDatagrams(one);
  await openDatagrams(two);
  const ends = await Promise.all([one, two].flatMap(({ subnets }) => subnets.map(launch)));
  const [a, b, c, d] = ends as [Running, Running, Running, Running];
  await moveAddress('within a VPC', [a, b]);
  await moveAddress('to another VPC', [a, c]);
  await cutZone([
    { from: a, to: b },
    { from: c, to: d },
  ]);
  console.log(`load of this machine ${readFileSync('/proc/loadavg', 'utf8').trim()}`);
} finally {
  await region.down();
}
