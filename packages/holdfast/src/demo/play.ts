/** The demo's day: a web service under load, one instance killed, another terminated, and what it cost. */
import * as ec2 from '@aws-sdk/client-ec2';
import { initPidOf } from '@holdfast/linux/compute/index.ts';
import { Refusal } from '../command.ts';
import type { Place } from '../place.ts';
import { step } from '../progress.ts';
import { Load } from './load.ts';
import { type Incident, reportText } from './report.ts';
import { type Clients, createStack, healthyTargets, members, type Stack, until } from './stack.ts';

export { connect, deleteStack } from './stack.ts';

export const NAME = 'holdfast-demo';
const PER_SECOND = 100;
/** A bound, should the demo hang: ten minutes of load. */
const MOST_REQUESTS = PER_SECOND * 600;

/** Waits for what one blow sets off, and times it. */
async function follow(
  clients: Clients,
  stack: Stack,
  load: Load,
  what: string,
  victim: string,
  strike: () => Promise<void>,
): Promise<Incident> {
  const before = new Set((await members(clients, stack)).map((one) => one.InstanceId));
  console.error(`${what} …`);
  const struckAt = performance.now();
  await strike();
  await until('the loss is detected', 60_000, async () => {
    const member = (await members(clients, stack)).find((one) => one.InstanceId === victim);
    return member?.LifecycleState === 'InService' && member.HealthStatus === 'Healthy' ? undefined : true;
  });
  const detectedAt = performance.now();
  const replacement = await until('a replacement is launched', 60_000, async () =>
    (await members(clients, stack)).map((one) => one.InstanceId ?? '').find((id) => !before.has(id)),
  );
  const replacedAt = performance.now();
  const first = await until('the replacement answers', 120_000, async () =>
    load.firstServedBy(replacement, struckAt),
  );
  await until('two instances are in service', 120_000, async () => {
    const inService = (await members(clients, stack)).filter((one) => one.LifecycleState === 'InService');
    const healthy = await healthyTargets(clients, stack);
    return inService.length === 2 && inService.every((one) => healthy.includes(one.InstanceId ?? ''))
      ? true
      : undefined;
  });
  return { what, struckAt, detectedAt, replacedAt, servingAt: first.sentAt, replacement };
}

function killInit(place: Place, instance: string): void {
  const initPid = initPidOf(place.layout, instance);
  if (initPid === undefined) throw new Refusal(`instance ${instance} does not run`);
  process.kill(initPid, 'SIGKILL');
}

export async function play(place: Place, clients: Clients): Promise<string> {
  const stack = await step('A web service over two zones', async (note) => {
    const made = await createStack(clients, NAME);
    note('template, target group, load balancer and group are made; the instances boot');
    await until('two targets are healthy', 120_000, async () => {
      return (await healthyTargets(clients, made)).length === 2 ? true : undefined;
    });
    return made;
  });
  const url = `http://${stack.loadBalancerName}/`;
  console.error(`${url} answers; ${PER_SECOND} requests each second from now on`);
  const load = new Load(url);
  load.start(PER_SECOND, MOST_REQUESTS);
  try {
    await until('the load is steady', 30_000, async () =>
      load.requests.length > PER_SECOND * 3 ? true : undefined,
    );
    const victims = (await members(clients, stack)).map((one) => one.InstanceId ?? '');
    const [first = '', second = ''] = victims;
    const killed = await follow(clients, stack, load, `PID 1 of ${first} is killed`, first, async () =>
      killInit(place, first),
    );
    const terminated = await follow(
      clients,
      stack,
      load,
      `${second} is terminated through the API`,
      second,
      async () => {
        await clients.ec2.send(new ec2.TerminateInstancesCommand({ InstanceIds: [second] }));
      },
    );
    return reportText(load.requests, [killed, terminated]);
  } finally {
    await load.stop();
  }
}
