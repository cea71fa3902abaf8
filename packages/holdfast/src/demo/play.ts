/** The demo's day: a web service under load; an instance killed, another terminated, a zone lost; and what it cost. */
import { lookup } from 'node:dns/promises';
import * as ec2 from '@aws-sdk/client-ec2';
import { initPidOf } from '@holdfast/linux/compute/index.ts';
import { Refusal } from '../command.ts';
import { askControl } from '../control/ask.ts';
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

/** The addresses that this machine knows by the load balancer's name, its own loopback left out. */
async function addressesNamed(stack: Stack): Promise<string[]> {
  const found = await lookup(stack.loadBalancerName, { all: true, family: 4 });
  return found.map((one) => one.address).filter((address) => !address.startsWith('127.'));
}

/** A whole zone goes dark: the instance in it, the load balancer's node in it, and the way to anything new in it. */
async function loseZone(place: Place, clients: Clients, stack: Stack, load: Load): Promise<Incident> {
  const [member] = await members(clients, stack);
  const { InstanceId: victim = '', AvailabilityZone: zone = '' } = member ?? {};
  const region = await clients.ec2.config.region();
  const namedBefore = await addressesNamed(stack);
  const cut = { region, target: 'zone', id: zone };
  let unnamed: Promise<number> | undefined;
  try {
    const incident = await follow(clients, stack, load, `Zone ${zone} is cut off`, victim, async () => {
      await askControl(place, '/_holdfast/faults', cut);
      unnamed = until("the zone's node is out of the name", 60_000, async () =>
        (await addressesNamed(stack)).length < namedBefore.length ? performance.now() : undefined,
      );
      // Whoever waits for the incident's end sees it fail; until then it is nobody's.
      unnamed.catch(() => undefined);
    });
    const unnamedAt = (await unnamed) ?? incident.struckAt;
    const clearedAt = performance.now();
    console.error(`Zone ${zone} is back …`);
    await askControl(place, '/_holdfast/faults/clear', { region, all: true });
    await until("the zone's node is in the name again", 60_000, async () =>
      (await addressesNamed(stack)).length === namedBefore.length ? true : undefined,
    );
    const namedAgainMs = performance.now() - clearedAt;
    return {
      ...incident,
      also: [
        { what: 'its address left the name', at: unnamedAt, detail: 'until then clients may try it' },
        {
          what: 'zone back',
          at: clearedAt,
          detail: `its node was named again ${(namedAgainMs / 1000).toFixed(2)} s later`,
        },
      ],
    };
  } finally {
    await askControl(place, '/_holdfast/faults/clear', { region, all: true });
  }
}

/** What the day brings, one blow after the other. */
async function blows(place: Place, clients: Clients, stack: Stack, load: Load): Promise<Incident[]> {
  const [first = '', second = ''] = (await members(clients, stack)).map((one) => one.InstanceId ?? '');
  const killed = await follow(clients, stack, load, `PID 1 of ${first} is killed`, first, async () =>
    killInit(place, first),
  );
  const ended = `${second} is terminated through the API`;
  const terminated = await follow(clients, stack, load, ended, second, async () => {
    await clients.ec2.send(new ec2.TerminateInstancesCommand({ InstanceIds: [second] }));
  });
  return [killed, terminated, await loseZone(place, clients, stack, load)];
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
    const incidents = await blows(place, clients, stack, load);
    // What hangs now is a failure too, or an answer that came late.
    await load.stop();
    return reportText(load.requests, incidents);
  } finally {
    await load.stop();
  }
}
