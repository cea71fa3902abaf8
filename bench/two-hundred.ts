/**
 * Two hundred real instances in one VPC on this machine: launched by one call, all running their user data, each reaching
 * others, a rule for all of them, and nothing left at the end. Needs root and an idle machine:
 * `node bench/two-hundred.ts [nano] [systemd]`, by default with the light init and then with systemd.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import * as ec2 from '@aws-sdk/client-ec2';
import { connect, until } from '../packages/holdfast/src/demo/stack.ts';
import { linuxCompute } from '../packages/linux/src/compute/index.ts';
import { hostSnapshot, snapshotDifference } from '../packages/linux/src/host/snapshot.ts';
import { endpointNamespace, hostLayout } from '../packages/linux/src/layout.ts';
import { startRegion } from '../test/support/region.ts';
import { median, memoryOf, report, reportRounds } from './figures.ts';
import { firstLineAt, firstLineUserData, statesOf, terminate } from './instances.ts';
import { echo, Prober, socketIn } from './probes.ts';

const COUNT = 200;
/** Those whom all others ask, and those whom the new rule opens before the eyes of the clock. */
const SAMPLED = 20;
const WATCHED = 5;
const PORT = 9000;
const OPENED_PORT = 9001;

const publicCidr = '198.19.24.0/21';
const region = await startRegion({ prefix: 'h200', driver: 'linux', publicCidr });
const { ec2: client } = connect(region.endpoint, 'us-west-2');
const layout = hostLayout({
  prefix: 'h200',
  publicCidr,
  stateDirectory: region.env.HOLDFAST_STATE_DIRECTORY ?? '',
});
const compute = linuxCompute(layout);
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

interface Node {
  readonly id: string;
  readonly namespace: string;
  readonly address: string;
}

/** A VPC with two subnets and a group whose members may ask one another at one port. */
async function makeVpc(): Promise<{ vpcId: string; subnets: string[]; groupId: string }> {
  const { Vpc } = await client.send(new ec2.CreateVpcCommand({ CidrBlock: '10.0.0.0/16' }));
  const VpcId = Vpc?.VpcId ?? '';
  const subnets: string[] = [];
  for (const [n, zone] of ['us-west-2a', 'us-west-2b'].entries()) {
    const input = { VpcId, CidrBlock: `10.0.${n + 1}.0/24`, AvailabilityZone: zone };
    subnets.push((await client.send(new ec2.CreateSubnetCommand(input))).Subnet?.SubnetId ?? '');
  }
  const { GroupId = '' } = await client.send(
    new ec2.CreateSecurityGroupCommand({ VpcId, GroupName: 'all', Description: 'all' }),
  );
  await allow(GroupId, PORT);
  return { vpcId: VpcId, subnets, groupId: GroupId };
}

const permission = (port: number): ec2.IpPermission => ({
  IpProtocol: 'udp',
  FromPort: port,
  ToPort: port,
  IpRanges: [{ CidrIp: '10.0.0.0/16' }],
});
const allow = (GroupId: string, port: number): Promise<unknown> =>
  client.send(new ec2.AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [permission(port)] }));

async function launch(count: number, subnetId: string, groupId: string, init: string): Promise<Node[]> {
  const { Images } = await client.send(new ec2.DescribeImagesCommand({ Owners: ['amazon'] }));
  const { Instances = [] } = await client.send(
    new ec2.RunInstancesCommand({
      ImageId: Images?.[0]?.ImageId,
      InstanceType: 't2.nano',
      SubnetId: subnetId,
      SecurityGroupIds: [groupId],
      MinCount: count,
      MaxCount: count,
      UserData: firstLineUserData,
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'holdfast:init', Value: init }] }],
    }),
  );
  return Instances.map(({ InstanceId: id = '', PrivateIpAddress: address = '' }) => {
    return { id, address, namespace: endpointNamespace(layout, id) };
  });
}

/** When an instance's user data began, in ms since 1970. */
const begunAt = ({ id }: Node): Promise<number> => firstLineAt(compute.consolePath(id));

/** Every instance asks each sampled one, three times at most: datagrams may be dropped where everybody sends at once. */
async function reachEachOther(nodes: readonly Node[]): Promise<void> {
  const sampled = nodes.filter((_, n) => n % (COUNT / SAMPLED) === 0);
  const echoes = await Promise.all(sampled.map(({ namespace, id }) => echo(namespace, PORT, id)));
  const begun = performance.now();
  const missing: string[] = [];
  for (const node of nodes) {
    const socket = await socketIn(node.namespace);
    const answered = new Set<string>();
    socket.on('message', (message) => answered.add(String(message).split(' ')[0] ?? ''));
    const others = sampled.filter(({ id }) => id !== node.id);
    for (let round = 0; round < 3 && answered.size < others.length; round++) {
      for (const { id, address } of others)
        if (!answered.has(id)) socket.send('?', PORT, address, () => undefined);
      for (const end = performance.now() + 1_000; answered.size < others.length; await delay(1))
        if (performance.now() > end) break;
    }
    missing.push(...others.filter(({ id }) => !answered.has(id)).map(({ id }) => `${node.id} → ${id}`));
    socket.close();
  }
  const pairs = nodes.length * SAMPLED - SAMPLED;
  report(
    `each of ${nodes.length} asks each of ${SAMPLED} sampled others`,
    `${pairs - missing.length} of ${pairs} answered, in ${seconds(performance.now() - begun)}${missing.length > 0 ? '  MISSED' : ''}`,
  );
  for (const one of echoes) one.close();
}

/** A rule added to the group of all: from the call until the last of the sampled ones is reached by it. */
async function openPort(nodes: readonly Node[], GroupId: string): Promise<void> {
  const sampled = nodes.filter((_, n) => n % (COUNT / WATCHED) === 1);
  const echoes = await Promise.all(sampled.map(({ namespace }) => echo(namespace, OPENED_PORT)));
  const took: number[] = [];
  for (let round = 0; round < 10; round++) {
    const probers: Prober[] = [];
    // From one instance: what is measured is the rule, not who asks.
    for (const { address } of sampled)
      probers.push(new Prober(await socketIn(nodes[0]?.namespace), address, OPENED_PORT));
    await delay(100);
    const calledAt = performance.now();
    await allow(GroupId, OPENED_PORT);
    await until('all are reached', 10_000, async () =>
      probers.every(({ answers }) => answers.length > 0) ? true : undefined,
    );
    took.push(Math.max(...probers.map(({ answers }) => (answers[0]?.sentAt ?? 0) - calledAt)));
    await Promise.all(probers.map((one) => one.close()));
    await client.send(
      new ec2.RevokeSecurityGroupIngressCommand({ GroupId, IpPermissions: [permission(OPENED_PORT)] }),
    );
    await delay(100);
  }
  for (const one of echoes) one.close();
  reportRounds(`a rule added to a group of ${nodes.length}: call → ${WATCHED} of them reached`, took, 20);
}

const available = (): number =>
  Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) / 1e6;

/** Processor time of a process and of those it has waited for, in ms. */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}

async function idle(nodes: readonly Node[]): Promise<void> {
  const { control, edge } = await processes();
  const begun = performance.now();
  const before = [control, edge].map(({ pid }) => processorMs(pid));
  await delay(30_000);
  const tookMs = performance.now() - begun;
  const shares = [control, edge].map(({ pid }, n) => (processorMs(pid) - before[n]!) / tookMs);
  const text = shares.map((share) => `${(100 * share).toFixed(1)} %`).join(', ');
  report(`processor of control, of the edge, ${nodes.length} instances idle, 30 s`, text);
}

async function processes(): Promise<{ control: { pid: number }; edge: { pid: number } }> {
  return JSON.parse((await region.holdfast('status', '--json')).stdout);
}

async function memory(nodes: readonly Node[], availableBefore: number): Promise<void> {
  const usage = await Promise.all(
    nodes.map(async ({ id }) => ((await compute.usage(id))?.memoryBytes ?? 0) / 1e6),
  );
  const { control, edge } = await processes();
  report('memory of an idle instance, p50', `${median(usage).toFixed(1)} MB`);
  report(
    'memory of control, of the edge; taken from this machine',
    `${memoryOf(control.pid).toFixed(0)} MB, ${memoryOf(edge.pid).toFixed(0)} MB; ${(availableBefore - available()).toFixed(1)} GB`,
  );
}

async function story(init: string): Promise<void> {
  console.log(`\n${COUNT} instances with ${init}`);
  const { vpcId, subnets, groupId } = await makeVpc();
  // The first one brings what the region keeps as long as it is up.
  const [warm] = await launch(1, subnets[0] ?? '', groupId, init);
  if (warm) await begunAt(warm);
  await terminate(client, [warm?.id ?? '']);
  const found = hostSnapshot();
  const availableBefore = available();
  const calledAt = Date.now();
  const halves = await Promise.all(subnets.map((id) => launch(COUNT / 2, id, groupId, init)));
  const nodes = halves.flat();
  const ids = nodes.map(({ id }) => id);
  report('two calls for a hundred each: answered', seconds(Date.now() - calledAt));
  const first = await Promise.all(nodes.map(begunAt));
  report('call → all run their user data', seconds(Math.max(...first) - calledAt));
  await until('all run', 60_000, async () =>
    (await statesOf(client, ids)).every((state) => state === 'running') ? true : undefined,
  );
  report('call → all shown as running', seconds(Date.now() - calledAt));
  // The rest of their boots is not what is measured.
  await delay(init === 'nano' ? 5_000 : 20_000);
  await memory(nodes, availableBefore);
  await idle(nodes);
  await reachEachOther(nodes);
  await openPort(nodes, groupId);

  const alone: number[] = [];
  for (let round = 0; round < 3; round++) {
    const startedAt = Date.now();
    const [one] = await launch(1, subnets[0] ?? '', groupId, init);
    if (one) alone.push((await begunAt(one)) - startedAt);
    if (one) ids.push(one.id);
    await delay(1_000);
  }
  report('one more beside them: call → its user data, p50 of 3', `${median(alone).toFixed(0)} ms`);

  const endedAt = Date.now();
  await terminate(client, ids);
  report('call → all terminated', seconds(Date.now() - endedAt));
  const left = await until('nothing is left', 10_000, async () => {
    const more = snapshotDifference(found, hostSnapshot()).filter((line) => line.includes('h200'));
    return more.length === 0 ? more : undefined;
  }).catch(() => snapshotDifference(found, hostSnapshot()).filter((line) => line.includes('h200')));
  report('left of them on this machine', left.length === 0 ? 'nothing' : `${left.join('; ')}  MISSED`);
  for (const SubnetId of subnets) await client.send(new ec2.DeleteSubnetCommand({ SubnetId }));
  await client.send(new ec2.DeleteSecurityGroupCommand({ GroupId: groupId }));
  await client.send(new ec2.DeleteVpcCommand({ VpcId: vpcId }));
}

try {
  const wanted = process.argv.slice(2);
  for (const init of wanted.length > 0 ? wanted : ['nano', 'systemd']) await story(init);
  report('load of this machine', readFileSync('/proc/loadavg', 'utf8').trim());
} finally {
  compute.close();
  await region.down();
}
