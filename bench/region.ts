/**
 * What a user of the whole region sees, through its API: launch until the first line of user data beside a bare `runc run`,
 * fifty instances, their memory and control's, and how long a killed instance's replacement takes. Needs root.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import * as ec2 from '@aws-sdk/client-ec2';
import { Load } from '../packages/holdfast/src/demo/load.ts';
import {
  connect,
  createStack,
  deleteStack,
  healthyTargets,
  members,
  until,
} from '../packages/holdfast/src/demo/stack.ts';
import { initPidOf, linuxCompute, listBaseImages, removeAll } from '../packages/linux/src/compute/index.ts';
import { restoreSysctls } from '../packages/linux/src/host/sysctl.ts';
import { hostLayout } from '../packages/linux/src/layout.ts';
import { computeHost } from '../test/linux/compute-host.ts';
import { startRegion } from '../test/support/region.ts';
import { bareRunc, want } from './bare-runc.ts';
import { median, memoryOf, report } from './figures.ts';
import { firstLineAt, firstLineUserData, terminate } from './instances.ts';

const RUNS = 20;
const region = await startRegion({ prefix: 'hbr', driver: 'linux', publicCidr: '198.19.208.0/20' });
const clients = connect(region.endpoint, 'us-west-2');
const bareLayout = hostLayout({
  prefix: 'hbb',
  stateDirectory: `${region.env.HOLDFAST_STATE_DIRECTORY}-bare`,
});
const bareHost = computeHost(bareLayout);
const layout = hostLayout({ prefix: 'hbr', stateDirectory: region.env.HOLDFAST_STATE_DIRECTORY ?? '' });
const compute = linuxCompute(layout);

const images = await clients.ec2.send(new ec2.DescribeImagesCommand({ Owners: ['amazon'] }));
const imageId = images.Images?.[0]?.ImageId;
const layers = listBaseImages(layout)[0]?.layers ?? [];

async function run(count: number): Promise<{ ids: string[]; calledAtMs: number }> {
  const calledAtMs = Date.now();
  const { Instances = [] } = await clients.ec2.send(
    new ec2.RunInstancesCommand({
      ImageId: imageId,
      InstanceType: 't3.micro',
      MinCount: count,
      MaxCount: count,
      UserData: firstLineUserData,
    }),
  );
  return { ids: Instances.map((one) => one.InstanceId ?? ''), calledAtMs };
}

async function launches(): Promise<void> {
  await terminate(clients.ec2, (await run(1)).ids);
  const ours: number[] = [];
  const bares: number[] = [];
  for (let at = 0; at < RUNS; at += 1) {
    const { ids, calledAtMs } = await run(1);
    ours.push((await firstLineAt(compute.consolePath(ids[0] ?? ''))) - calledAtMs);
    // Both measure a machine alone: the rest of a boot must not run into the next measure.
    await delay(700);
    await terminate(clients.ec2, ids);
    bares.push(await bareRunc(bareLayout, await want(bareHost, `i-bare-${at}`, layers)));
    await delay(300);
  }
  const [p50, bare] = [median(ours), median(bares)];
  report('RunInstances → first line of user data, p50 of 20', `${p50.toFixed(0)} ms (limit 450)`);
  report('bare runc run → first line of user data, p50 of 20', `${bare.toFixed(0)} ms`);
  report('ratio', `${(p50 / bare).toFixed(2)} (limit 1.5)`);
}

async function fifty(): Promise<void> {
  const { ids, calledAtMs } = await run(50);
  const at = await Promise.all(ids.map((id) => firstLineAt(compute.consolePath(id))));
  report(
    '50 instances by one call, all running their user data',
    `${((Math.max(...at) - calledAtMs) / 1000).toFixed(1)} s (limit 15)`,
  );
  await delay(8_000);
  const usage = await Promise.all(ids.map(async (id) => ((await compute.usage(id))?.memoryBytes ?? 0) / 1e6));
  report('memory of an idle instance, p50', `${median(usage).toFixed(1)} MB (limit 20)`);
  const status = JSON.parse((await region.holdfast('status', '--json')).stdout) as {
    control: { pid: number };
    edge: { pid: number };
  };
  report(
    'memory of control, of the edge, with 50 instances',
    `${memoryOf(status.control.pid).toFixed(0)} MB (limit 200), ${memoryOf(status.edge.pid).toFixed(0)} MB`,
  );
  await terminate(clients.ec2, ids);
}

async function replacement(): Promise<void> {
  const stack = await createStack(clients, 'bench');
  const load = new Load(`http://${stack.loadBalancerName}/`);
  try {
    await until('two targets are healthy', 60_000, async () =>
      (await healthyTargets(clients, stack)).length === 2 ? true : undefined,
    );
    load.start(50, 50 * 600);
    const took: number[] = [];
    const alone: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      await delay(2_000);
      alone.push(await launchUntilServing(stack.name));
      await delay(1_000);
      took.push(await killUntilReplaced(stack, load));
    }
    const [replaced, launched] = [median(took), median(alone)];
    report('launch and application start alone, p50 of 5', `${(launched / 1000).toFixed(2)} s`);
    report('PID 1 killed → replacement answers, p50 of 5', `${(replaced / 1000).toFixed(2)} s`);
    report('more than launch and start', `${((replaced - launched) / 1000).toFixed(2)} s (limit 1)`);
  } finally {
    await load.stop();
    await deleteStack(clients, 'bench');
  }
}

/** One instance of the same template by itself, until its page answers on its public address. */
async function launchUntilServing(template: string): Promise<number> {
  const begunAt = performance.now();
  const { Instances = [] } = await clients.ec2.send(
    new ec2.RunInstancesCommand({
      LaunchTemplate: { LaunchTemplateName: template },
      MinCount: 1,
      MaxCount: 1,
    }),
  );
  const id = Instances[0]?.InstanceId ?? '';
  const address = await until('a public address', 10_000, async () => {
    const answer = await clients.ec2.send(new ec2.DescribeInstancesCommand({ InstanceIds: [id] }));
    return answer.Reservations?.[0]?.Instances?.[0]?.PublicIpAddress;
  });
  await until('the page', 60_000, async () => {
    const answer = await fetch(`http://${address}/`, { signal: AbortSignal.timeout(300) }).catch(
      () => undefined,
    );
    await answer?.text();
    return answer?.ok ? true : undefined;
  });
  const tookMs = performance.now() - begunAt;
  await terminate(clients.ec2, [id]);
  return tookMs;
}

async function killUntilReplaced(
  stack: Awaited<ReturnType<typeof createStack>>,
  load: Load,
): Promise<number> {
  const before = (await members(clients, stack)).map((one) => one.InstanceId ?? '');
  const initPid = initPidOf(layout, before[0] ?? '');
  if (initPid === undefined) throw new Error('the instance does not run');
  const begunAt = performance.now();
  process.kill(initPid, 'SIGKILL');
  const first = await until('the replacement answers', 60_000, async () =>
    load.requests.find(
      (one) => one.sentAt > begunAt && one.servedBy !== undefined && !before.includes(one.servedBy),
    ),
  );
  await until('two targets are healthy again', 60_000, async () =>
    (await healthyTargets(clients, stack)).length === 2 ? true : undefined,
  );
  return first.endedAt - begunAt;
}

try {
  await launches();
  await fifty();
  await replacement();
  report('load of this machine', readFileSync('/proc/loadavg', 'utf8').trim());
} finally {
  compute.close();
  await region.down();
  await removeAll(bareLayout, { keepState: false });
  await bareHost.removeNamespaces();
  restoreSysctls(bareLayout);
}
