/**
 * `holdfast down` leaves this machine as it was: after an ordinary day, after the control process was killed, after the
 * edge was. And with `--keep-state` the instances come back, with their disks.
 *
 * Other regions may come and go on this machine meanwhile. So that only what this one changed is compared, a difference
 * counts when its line bears this region's prefix, public addresses or folders; the settings that all regions share count
 * when no other region is up, and whether this one still holds one of them counts always.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { type HostSnapshot, hostSnapshot, snapshotDifference } from '@holdfast/linux/host/snapshot.ts';
import { hostLayout } from '@holdfast/linux/layout.ts';
import { connect, createStack, healthyTargets, members } from '../../packages/holdfast/src/demo/stack.ts';
import { baseImage, becomes, describeInstances, inside, launch, until } from '../support/instances.ts';
import { withoutAws, withoutInstances } from '../support/needs.ts';
import { startRegion, stateDirectoryOf, type TestRegion } from '../support/region.ts';
import { balancerProcesses, initProcesses } from '../support/world.ts';

const prefix = 'hth';
const publicCidr = '198.19.144.0/20';
const layout = hostLayout({ prefix, publicCidr, stateDirectory: stateDirectoryOf(prefix) });
const skip = withoutAws() || (await withoutInstances());

/** Lines of a snapshot that name something of this region. 198.19.144.0/20 ends with 198.19.159.255. */
const own = new RegExp(`\\b(holdfast-)?${prefix}|198\\.19\\.1(4[4-9]|5\\d)\\.|${stateDirectoryOf(prefix)}`);

/** Regions of other prefixes that are up, or were within this test: the settings they share with this one may move. */
const othersUp = (): string[] =>
  readdirSync('/run').filter((name) => /^holdfast-(?!sysctl)/.test(name) && name !== `holdfast-${prefix}`);

/** Records of changed settings in which this region still has a part. */
function settingsHeld(): string[] {
  const records = '/run/holdfast-sysctl';
  if (!existsSync(records)) return [];
  return readdirSync(records).filter((key) => existsSync(`${records}/${key}/for-${prefix}`));
}

/** What is not as it was, after `down`. */
function leftOver(before: HostSnapshot, others: readonly string[]): string[] {
  const beside = othersUp();
  const changed = snapshotDifference(before, hostSnapshot());
  const alone = [others, beside, othersUp()].every((list) => list.length === 0);
  const ours = changed.filter((line) => own.test(line) || (alone && line.startsWith('sysctls ')));
  const folders = [layout.runDirectory, layout.stateDirectory].filter((path) => existsSync(path));
  return [...ours, ...folders, ...settingsHeld().map((key) => `setting ${key} is held`)];
}

const pidsOf = async (region: TestRegion): Promise<{ control: number; edge: number }> => {
  const status = JSON.parse((await region.holdfast('status', '--json')).stdout);
  return { control: status.control.pid, edge: status.edge.pid };
};

/** Processes of this region that live: of instances, load balancers, control and edge. */
async function livingProcesses(): Promise<string[]> {
  const named = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        const mine = words.includes(`--prefix ${prefix} `) || words.includes(`"prefix":"${prefix}"`);
        return mine || words.includes(layout.runDirectory) ? [words.trim()] : [];
      } catch {
        return [];
      }
    });
  const inits = [...initProcesses(layout).values()].flat().map((pid) => `init ${pid}`);
  const balancers = [...(await balancerProcesses(layout)).values()].flat().map((pid) => `haproxy ${pid}`);
  return [...named, ...inits, ...balancers];
}

/** Nothing runs any more, and all is as it was but for `kept`. The kernel takes the last things away a moment later. */
async function assertGone(
  before: HostSnapshot,
  others: readonly string[],
  kept: string[] = [],
): Promise<void> {
  await becomes(livingProcesses, []);
  await becomes(() => leftOver(before, others), kept);
}

/** A VPC of one's own, two instances in it, an image of one, a load balancer over two zones, and a group. */
async function ordinaryDay(region: TestRegion): Promise<void> {
  const { Vpc } = await region.aws('ec2', 'create-vpc', '--cidr-block', '10.7.0.0/16');
  const inVpc = ['--vpc-id', Vpc.VpcId, '--cidr-block', '10.7.1.0/24'];
  const { Subnet } = await region.aws('ec2', 'create-subnet', ...inVpc);
  const placed = ['--subnet-id', Subnet.SubnetId, '--instance-type', 't3.nano', '--count', '2'];
  const [one] = await launch(region, ...placed);
  assert(one);
  const { ImageId } = await region.aws(
    'ec2',
    'create-image',
    '--instance-id',
    one.id,
    '--name',
    'day',
    '--no-reboot',
  );
  await until('the image is available', 20_000, async () => {
    const { Images } = await region.aws('ec2', 'describe-images', '--image-ids', ImageId);
    return Images[0].State === 'available' ? true : undefined;
  });
  const clients = connect(region.endpoint, 'us-west-2');
  const stack = await createStack(clients, 'day');
  await until('the group serves', 30_000, async () => {
    const inService = (await members(clients, stack)).filter((each) => each.LifecycleState === 'InService');
    return inService.length === 2 && (await healthyTargets(clients, stack)).length === 2 ? true : undefined;
  });
}

describe('holdfast down', { skip, timeout: 240_000 }, () => {
  let region: TestRegion | undefined;
  let before: HostSnapshot;
  let others: string[];

  const up = async (): Promise<TestRegion> => {
    // What a killed earlier run left is not what was here before.
    const earlier = await startRegion({ prefix, publicCidr, driver: 'linux' });
    await earlier.down();
    others = othersUp();
    before = hostSnapshot();
    assert.deepEqual(
      Object.values(before)
        .join('\n')
        .split('\n')
        .filter((line) => own.test(line)),
      [],
    );
    region = await startRegion({ prefix, publicCidr, driver: 'linux' });
    return region;
  };
  after(async () => {
    await region?.down();
  });

  test('leaves the machine as it was, after an ordinary day', async () => {
    const day = await up();
    await ordinaryDay(day);
    const changed = snapshotDifference(before, hostSnapshot()).filter((line) => own.test(line));
    const sections = 'links routes namespaces mounts nftables cgroups loops hostsFile'.split(' ');
    for (const section of sections)
      assert(
        changed.some((line) => line.startsWith(`${section} +`)),
        `${section} shows what a region makes`,
      );
    assert((await livingProcesses()).length >= 8);
    await day.down();
    await assertGone(before, others);
  });

  test('leaves it so when control was killed before, and when the edge was, too', async () => {
    const day = await up();
    await ordinaryDay(day);
    const { control, edge } = await pidsOf(day);
    process.kill(control, 'SIGKILL');
    process.kill(edge, 'SIGKILL');
    await day.down();
    await assertGone(before, others);
  });

  test('takes the edge along also when control has just lost it', async () => {
    const day = await up();
    const { edge } = await pidsOf(day);
    process.kill(edge, 'SIGKILL');
    await day.down();
    await assertGone(before, others);
  });

  test('and up: no second region gets the same public addresses', async () => {
    const day = await up();
    const other = { prefix: 'ht2', publicCidr: '198.19.152.0/21', driver: 'linux' } as const;
    await assert.rejects(startRegion(other), /198\.19\.152\.0\/21 lead to hth-inet already/);
    await day.down();
    await assertGone(before, others);
  });

  test('with --keep-state keeps instances, which start again with their disks', async () => {
    const day = await up();
    const [kept, stopped] = await launch(day, '--instance-type', 't3.nano', '--count', '2');
    assert(kept && stopped);
    assert.equal((await inside(day, kept.id, 'echo kept > /root/kept; sync')).code, 0);
    const image = await baseImage(day);
    const down = await day.holdfast('down', '--keep-state');
    assert.equal(down.code, 0, down.stderr);
    await assertGone(before, others, [layout.stateDirectory]);

    const again = await day.holdfast('up', '--detach', '--port', '0');
    assert.equal(again.code, 0, again.stderr);
    day.env.AWS_ENDPOINT_URL = JSON.parse((await day.holdfast('status', '--json')).stdout).endpoint;
    assert.equal(await baseImage(day), image);
    const found = await until('both are known', 20_000, async () => {
      const all = await describeInstances(day, kept.id, stopped.id);
      return all.every((one) => one.State.Name === 'stopped') ? all : undefined;
    });
    assert.deepEqual(found.map((one) => one.InstanceId).toSorted(), [kept.id, stopped.id].toSorted());
    await day.aws('ec2', 'start-instances', '--instance-ids', kept.id);
    await until('it runs', 20_000, async () => {
      const [one] = await describeInstances(day, kept.id);
      return one?.State.Name === 'running' ? one : undefined;
    });
    assert.equal((await inside(day, kept.id, 'cat /root/kept')).stdout, 'kept\n');
    const [one] = await describeInstances(day, kept.id);
    assert.equal(one?.PrivateIpAddress, kept.privateAddress);
    await day.down();
    await assertGone(before, others);
  });
});
