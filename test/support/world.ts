/**
 * One region three times over: what its API says is wanted, what its store has recorded, and what really exists on this
 * machine. Each as sorted lines, so that they can be compared as a whole.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
} from '@aws-sdk/client-ec2';
import { DescribeLoadBalancersCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import { findCgroupHost, listCgroups } from '@holdfast/linux/compute/cgroups.ts';
import { entriesOf, foldersOf } from '@holdfast/linux/host/files.ts';
import { listLinks } from '@holdfast/linux/host/links.ts';
import { listNamespaces } from '@holdfast/linux/host/namespaces.ts';
import { withNetlink } from '@holdfast/linux/host/netlink.ts';
import { runNft } from '@holdfast/linux/host/nftables.ts';
import { type HostLayout, linkName } from '@holdfast/linux/layout.ts';
import { processesBelow } from '@holdfast/linux/loadbalancer/process.ts';
import { volumePaths } from '@holdfast/linux/volumes/index.ts';
import { findLoops } from '@holdfast/linux/volumes/loop.ts';
import type { Clients } from '../../packages/holdfast/src/demo/stack.ts';

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** Pids of every init that runs in one of the region's machines, by machine: two of one id are one too many. */
export function initProcesses(layout: HostLayout): Map<string, number[]> {
  const host = findCgroupHost();
  if (!host) throw new Error('no cgroup2 mount');
  return new Map(
    listCgroups(host, layout)
      .toSorted()
      .map((id) => {
        const group = join(
          host.unified,
          layout.prefix === 'hf' ? 'holdfast' : `holdfast-${layout.prefix}`,
          id,
        );
        const pids = cgroupTree(join(group, 'guest')).flatMap((guest) =>
          textOf(join(guest, 'cgroup.procs')).split('\n').filter(Boolean),
        );
        // The last number of NSpid is the process's id in its own namespace: 1 for an init.
        const inits = pids.filter((pid) => /^NSpid:.*\t1$/m.test(textOf(`/proc/${pid}/status`)));
        return [id, inits.map(Number)];
      }),
  );
}

/** A cgroup and those below it, which come and go with an instance's services. */
const cgroupTree = (path: string): string[] => [
  path,
  ...foldersOf(path).flatMap((name) => cgroupTree(join(path, name))),
];

/** HAProxy processes by node. */
export async function balancerProcesses(layout: HostLayout): Promise<Map<string, number[]>> {
  const directory = join(layout.runDirectory, 'loadbalancer');
  const found = new Map<string, number[]>();
  for (const pid of await processesBelow(directory)) {
    const word = textOf(`/proc/${pid}/cmdline`)
      .split('\0')
      .find((one) => one.startsWith(`${directory}/`));
    const node = word?.slice(directory.length + 1).split('/')[0];
    if (node !== undefined) found.set(node, [...(found.get(node) ?? []), pid]);
  }
  return found;
}

/** What stands on this machine of the region, one line for each thing. */
export async function existing(layout: HostLayout): Promise<string[]> {
  const { prefix } = layout;
  const lines: string[] = [];
  const containers = execFileSync(
    'runc',
    ['--root', join(layout.runDirectory, 'runc'), 'list', '--format', 'json'],
    {
      encoding: 'utf8',
    },
  );
  for (const { id, status } of (JSON.parse(containers) ?? []) as { id: string; status: string }[])
    lines.push(`container ${id} ${status}`);
  for (const [id, pids] of initProcesses(layout)) lines.push(`cgroup ${id}`, ...pids.map(() => `init ${id}`));
  for (const [id, pids] of await balancerProcesses(layout)) lines.push(...pids.map(() => `haproxy ${id}`));
  for (const id of entriesOf(join(layout.runDirectory, 'loadbalancer'))) lines.push(`node folder ${id}`);
  for (const id of entriesOf(join(layout.stateDirectory, 'machines'))) lines.push(`disk ${id}`);
  for (const id of entriesOf(join(layout.runDirectory, 'machines'))) lines.push(`run folder ${id}`);
  const disks = volumePaths(layout);
  for (const id of entriesOf(disks.volumes)) lines.push(`volume ${id}`);
  for (const id of entriesOf(disks.snapshots)) lines.push(`snapshot ${id}`);
  for (const { file } of findLoops(disks.volumes)) lines.push(`loop device ${basename(file)}`);
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const point = line.split(' ')[4] ?? '';
    const machines = `${layout.runDirectory}/machines/`;
    if (point.startsWith(machines)) lines.push(`mount ${point.slice(machines.length)}`);
  }
  for (const name of listNamespaces(`${prefix}-`)) {
    lines.push(`namespace ${name.slice(prefix.length + 1)}`);
    if (!name.startsWith(`${prefix}-vpc-`)) continue;
    for (const link of withNetlink(name, (netlink) => [...listLinks(netlink).keys()]))
      if (link.startsWith(prefix)) lines.push(`link ${link}`);
    for (const map of ['interface-ingress', 'interface-egress'])
      for (const [, link] of runNft(name, `list map inet vpc ${map}\n`).matchAll(/"([^"]+)" : goto/g))
        lines.push(`${map} ${link}`);
  }
  return lines.toSorted();
}

/** What should stand there, going by the API: complete only while nothing is under way, which `underWay` says. */
async function wanted(
  layout: HostLayout,
  clients: Clients,
): Promise<{ lines: string[]; states: string[]; underWay: string[] }> {
  const described = await clients.ec2.send(new DescribeInstancesCommand({}));
  const instances = (described.Reservations ?? []).flatMap((one) => one.Instances ?? []);
  const { LoadBalancers = [] } = await clients.elbv2.send(new DescribeLoadBalancersCommand({}));
  const interfaces =
    (await clients.ec2.send(new DescribeNetworkInterfacesCommand({}))).NetworkInterfaces ?? [];
  const attached = interfaces.filter((one) => one.Attachment);
  const lines = ['namespace inet'];
  const underWay: string[] = [];
  for (const { InstanceId: id = '', State } of instances) {
    if (State?.Name === 'running') {
      const things = ['cgroup', 'init', 'disk', 'run folder', 'namespace'].map((what) => `${what} ${id}`);
      const mounts = ['dev', 'root-volume', 'rootfs', 'shown'].map((what) => `mount ${id}/${what}`);
      lines.push(`container ${id} running`, ...things, ...mounts);
    } else if (State?.Name !== 'terminated') underWay.push(`${id} is ${State?.Name}`);
  }
  const running = new Set(
    instances.filter((one) => one.State?.Name === 'running').map((one) => one.InstanceId),
  );
  const { Volumes = [] } = await clients.ec2.send(new DescribeVolumesCommand({}));
  for (const { VolumeId, State, Attachments = [] } of Volumes) {
    lines.push(`volume ${VolumeId}`);
    if (State !== 'available' && State !== 'in-use') underWay.push(`${VolumeId} is ${State}`);
    for (const { InstanceId } of Attachments)
      if (running.has(InstanceId)) lines.push(`loop device ${VolumeId}`);
  }
  const { Snapshots = [] } = await clients.ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'] }));
  for (const { SnapshotId, State } of Snapshots) {
    lines.push(`snapshot ${SnapshotId}`);
    if (State !== 'completed') underWay.push(`${SnapshotId} is ${State}`);
  }
  for (const { LoadBalancerName, State } of LoadBalancers)
    if (State?.Code !== 'active') underWay.push(`${LoadBalancerName} is ${State?.Code}`);
  const nodes = storedIds(layout, 'elbv2.node');
  const enabled = LoadBalancers.flatMap((one) => one.AvailabilityZones ?? []).length;
  if (nodes.length !== enabled) underWay.push(`${nodes.length} load balancer nodes for ${enabled} zones`);
  for (const id of nodes) lines.push(`haproxy ${id}`, `node folder ${id}`, `namespace ${id}`);
  for (const vpcId of new Set(attached.map((one) => one.VpcId))) lines.push(`namespace ${vpcId}`);
  for (const { NetworkInterfaceId: id = '' } of attached) {
    const link = linkName(layout, id);
    lines.push(`link ${link}`, `interface-ingress ${link}`, `interface-egress ${link}`);
  }
  const states = instances.map(({ InstanceId, State }) => `${InstanceId} ${State?.Name}`);
  return { lines: lines.toSorted(), states: states.toSorted(), underWay };
}

function stored<T>(
  layout: HostLayout,
  kind: string,
  read: (document: { id: string; status: unknown }) => T,
): T[] {
  const database = new DatabaseSync(join(layout.stateDirectory, 'store.db'), { readOnly: true });
  try {
    const rows = database.prepare('SELECT document FROM resources WHERE kind = ?').all(kind) as {
      document: string;
    }[];
    return rows.map(({ document }) => read(JSON.parse(document)));
  } finally {
    database.close();
  }
}

const storedIds = (layout: HostLayout, kind: string): string[] => stored(layout, kind, ({ id }) => id);

const difference = (left: readonly string[], right: readonly string[], what: string): string[] => {
  const rest = [...right];
  const missing = left.filter((line) => {
    const at = rest.indexOf(line);
    if (at !== -1) rest.splice(at, 1);
    return at === -1;
  });
  return [
    ...missing.map((line) => `${what}: missing ${line}`),
    ...rest.map((line) => `${what}: too much ${line}`),
  ];
};

/** Where wanted, recorded and existing differ, a line for each; empty when the region has settled. */
export async function disagreements(layout: HostLayout, clients: Clients): Promise<string[]> {
  const { lines, states, underWay } = await wanted(layout, clients);
  const recorded = stored(
    layout,
    'ec2.instance',
    ({ id, status }) => `${id} ${(status as { state: string }).state}`,
  ).toSorted();
  return [
    ...underWay,
    ...difference(states, recorded, 'recorded'),
    ...(await existing(layout).then(
      (found) => difference(lines, found, 'existing'),
      // What is removed while it is looked at makes the look itself fail (runc lists no containers then).
      (error: Error) => [`existing: ${error.message}`],
    )),
  ];
}
