/**
 * The control process dies, again and again, and nobody notices: not a client of the load balancer, not a call that was
 * acknowledged, not the machine, on which nothing runs twice and nothing is left over.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  DescribeInstancesCommand,
  type DescribeInstancesCommandOutput,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { hostLayout } from '@holdfast/linux/layout.ts';
import { seededRandom } from '@holdfast/region/clock.ts';
import { failed, Load } from '../../packages/holdfast/src/demo/load.ts';
import {
  type Clients,
  connect,
  createStack,
  healthyTargets,
  members,
  type Stack,
} from '../../packages/holdfast/src/demo/stack.ts';
import { baseImage, until } from '../support/instances.ts';
import { withoutInstances } from '../support/needs.ts';
import { startRegion, stateDirectoryOf, type TestRegion } from '../support/region.ts';
import { balancerProcesses, disagreements, initProcesses } from '../support/world.ts';

const prefix = 'htk';
const publicCidr = '198.19.80.0/20';
const skip = await withoutInstances();
/** Another one repeats another run: HOLDFAST_TEST_SEED=… */
const seed = Number(process.env.HOLDFAST_TEST_SEED ?? Date.now() % 1_000_000);

let region: TestRegion;
let clients: Clients;
let stack: Stack;
let controlPid = 0;
const layout = hostLayout({ prefix, publicCidr, stateDirectory: stateDirectoryOf(prefix) });

async function findControl(): Promise<void> {
  const status = JSON.parse((await region.holdfast('status', '--json')).stdout);
  controlPid = status.control.pid;
  // Started anew, the region listens on another port.
  region.env.AWS_ENDPOINT_URL = status.endpoint;
  clients = connect(status.endpoint, 'us-west-2');
}

const killControl = (): void => {
  process.kill(controlPid, 'SIGKILL');
};

async function restartControl(): Promise<void> {
  const up = await region.holdfast('up', '--detach', '--port', '0');
  assert.equal(up.code, 0, up.stderr);
  await findControl();
}

/** Resolves when wanted, recorded and existing are one; fails with what they differ in. */
async function settled(): Promise<void> {
  let last: string[] = [];
  await until(
    'the world settles',
    90_000,
    async () => {
      last = await disagreements(layout, clients);
      return last.length === 0 ? true : undefined;
    },
    150,
  ).catch((error: Error) => assert.fail(`${error.message}\n${last.join('\n')}`));
}

const stateOf = async (id: string): Promise<string | undefined> => {
  const { Reservations }: DescribeInstancesCommandOutput = await clients.ec2.send(
    new DescribeInstancesCommand({ InstanceIds: [id] }),
  );
  return Reservations?.[0]?.Instances?.[0]?.State?.Name;
};

/** Two members in service, both healthy behind the load balancer. */
const groupIsWhole = (): Promise<true> =>
  until('the group has two instances in service', 90_000, async () => {
    const inService = (await members(clients, stack)).filter((one) => one.LifecycleState === 'InService');
    const healthy = await healthyTargets(clients, stack);
    return inService.length === 2 && inService.every((one) => healthy.includes(one.InstanceId ?? ''))
      ? true
      : undefined;
  });

const addressesOf = (name: string): string[] =>
  readFileSync('/etc/hosts', 'utf8')
    .split('\n')
    .filter((line) => line.split(/\s+/).slice(1).includes(name))
    .map((line) => line.split(/\s+/)[0] ?? '')
    .filter((address) => !address.startsWith('127.'));

describe('with the control process killed', { skip, timeout: 420_000 }, () => {
  before(async () => {
    region = await startRegion({ prefix, publicCidr, driver: 'linux' });
    await findControl();
    stack = await createStack(clients, 'killed');
    await groupIsWhole();
  });
  after(async () => {
    await region?.down();
  });

  test('no request through the load balancer fails, and everything is taken over', async () => {
    await settled();
    const addresses = await until('both nodes have their names', 30_000, async () => {
      const found = addressesOf(stack.loadBalancerName);
      return found.length === 2 ? found : undefined;
    });
    const inits = initProcesses(layout);
    const balancers = await balancerProcesses(layout);
    assert.equal(inits.size, 2);
    assert.equal(balancers.size, 2);

    const loads = addresses.map((address) => new Load(`http://${address}/`));
    for (const load of loads) load.start(50, 50 * 180);
    const answered = () => loads.flatMap((load) => load.requests);
    /** Waits until so many more requests that were sent from now on are over. */
    const more = (count: number, when: string): Promise<true> => {
      const since = performance.now();
      return until(`${count} requests ${when}`, 60_000, async () =>
        answered().filter((one) => one.sentAt > since).length >= count ? true : undefined,
      );
    };
    await more(100, 'before');
    killControl();
    await more(200, 'while control is dead');
    await restartControl();
    await settled();
    await more(150, 'afterwards');
    for (const load of loads) await load.stop();

    const requests = answered();
    assert.deepEqual(requests.filter(failed), []);
    assert.equal(new Set(requests.map((one) => one.servedBy)).size, 2, 'both instances served');
    assert.deepEqual(initProcesses(layout), inits, 'the same instances');
    assert.deepEqual(await balancerProcesses(layout), balancers, 'the same HAProxy processes');
  });

  test('at 30 random moments, no acknowledged call is lost, nothing runs twice, nothing is left', async (t) => {
    t.diagnostic(`seed ${seed}`);
    const chance = seededRandom(seed);
    // Up to 800 ms, more often early, while most is under way.
    const draw = (): number => chance.below(800) ** 2 / 800;
    const image = await baseImage(region);
    let acknowledged = 0;
    for (let round = 0; round < 10; round++) {
      const about = `seed ${seed}, round ${round}`;
      const launch: RunInstancesCommandInput = {
        ImageId: image,
        InstanceType: 't3.nano',
        MinCount: 1,
        MaxCount: 1,
        ClientToken: `${seed}-${round}`,
      };
      // Some answers are waited for, so that calls are acknowledged also where each takes long.
      const since = round % 3 === 0 ? 'answer' : 'call';
      const id = await launchedAcrossKill(launch, draw(), since, about);
      acknowledged += id.acknowledged ? 1 : 0;
      acknowledged += (await replacedAcrossKill(draw(), about)) ? 1 : 0;
      acknowledged += (await terminatedAcrossKill(id.id, draw(), since, about)) ? 1 : 0;
    }
    t.diagnostic(`${acknowledged} of 30 calls were acknowledged before control died`);
    assert(acknowledged >= 8, 'those that were waited for');
  });
});

type Since = 'call' | 'answer';

/**
 * Sends a call and kills control `afterMs` later, whether or not it has answered, or so long after its answer, however
 * slow the machine is; its answer, if it came.
 */
async function killDuring<T>(
  afterMs: number,
  call: () => Promise<T>,
  since: Since = 'call',
): Promise<T | undefined> {
  const answer = call().catch(() => undefined);
  if (since === 'answer') await answer;
  await delay(afterMs);
  killControl();
  const result = await answer;
  await restartControl();
  return result;
}

/** A call whose answer was lost is repeated, as clients do: its token makes one instance of both. */
async function launchedAcrossKill(
  input: RunInstancesCommandInput,
  afterMs: number,
  since: Since,
  about: string,
): Promise<{ id: string; acknowledged: boolean }> {
  const send = () => clients.ec2.send(new RunInstancesCommand(input));
  const first = await killDuring(afterMs, send, since);
  const again = await send();
  const id = again.Instances?.[0]?.InstanceId ?? '';
  if (first) assert.equal(id, first.Instances?.[0]?.InstanceId, `${about}: one token, one instance`);
  await settled();
  assert.equal(await stateOf(id), 'running', `${about}: launch killed after ${afterMs} ms`);
  return { id, acknowledged: first !== undefined };
}

/** A member's init is killed, then control; true when the group had noticed before control died. */
async function replacedAcrossKill(afterMs: number, about: string): Promise<boolean> {
  const before = (await members(clients, stack)).map((one) => one.InstanceId ?? '');
  const victim = before[0] ?? '';
  const [init] = initProcesses(layout).get(victim) ?? [];
  assert(init, `${about}: ${victim} runs`);
  const noticed = await killDuring(afterMs, async () => {
    process.kill(init, 'SIGKILL');
    await delay(Math.max(0, afterMs - 20));
    return (await members(clients, stack)).every(
      (one) => one.InstanceId !== victim || one.LifecycleState !== 'InService',
    );
  });
  await until(`${about}: ${victim} is replaced`, 90_000, async () => {
    const now = (await members(clients, stack)).filter((one) => one.LifecycleState === 'InService');
    return now.length === 2 && now.every((one) => one.InstanceId !== victim) ? true : undefined;
  });
  await settled();
  assert.equal(await stateOf(victim), 'terminated', `${about}: replacement killed after ${afterMs} ms`);
  assert.equal((await members(clients, stack)).length, 2, about);
  return noticed === true;
}

async function terminatedAcrossKill(
  id: string,
  afterMs: number,
  since: Since,
  about: string,
): Promise<boolean> {
  const send = () => clients.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  const first = await killDuring(afterMs, send, since);
  if (!first) await send();
  await settled();
  assert.equal(await stateOf(id), 'terminated', `${about}: terminate killed after ${afterMs} ms`);
  return first !== undefined;
}
