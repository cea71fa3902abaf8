/** The control plane dies after any number of driver calls; the next one must find the same world as wanted. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { nextTurn, virtualClock } from '../src/clock.ts';
import { type SimDrivers, simDrivers } from '../src/drivers/sim/index.ts';
import { groups, members } from '../src/services/autoscaling/records.ts';
import { networkInterfaces } from '../src/services/ec2/records.ts';
import { listeners, nodes } from '../src/services/elbv2/records.ts';
import { REGION } from './ec2-world.ts';
import { elbv2World } from './elbv2-world.ts';

type World = Awaited<ReturnType<typeof elbv2World>>;

/** Drivers as one process sees them: after so many calls it is dead, and no call returns any more. */
function mortal(drivers: SimDrivers, callsToLive: number) {
  let left = callsToLive;
  let die: () => void = () => {};
  const death = new Promise<'died'>((resolve) => {
    die = () => resolve('died');
  });
  const never = new Promise<never>(() => {});
  const guard = <T extends object>(driver: T): T =>
    new Proxy(driver, {
      get(target, name) {
        const member = Reflect.get(target, name);
        if (typeof member !== 'function' || name === 'watch' || name === 'end') return member;
        return (...input: unknown[]) => {
          left -= 1;
          if (left > 0) return member.apply(target, input);
          die();
          // The last call still takes effect, but nobody hears of it.
          if (left === 0) void member.apply(target, input);
          return never;
        };
      },
    });
  const guarded = {
    compute: guard(drivers.compute),
    network: guard(drivers.network),
    edge: guard(drivers.edge),
    loadBalancer: guard(drivers.loadBalancer),
    volumes: guard(drivers.volumes),
  };
  return { death, drivers: guarded as SimDrivers };
}

async function story(world: World): Promise<'finished'> {
  const { ec2, elb, asg, idle, drivers, region } = world;
  await ec2('CreateLaunchTemplate', {
    LaunchTemplateName: 'mytemplate',
    LaunchTemplateData: { ImageId: await world.imageId(), InstanceType: 't2.micro' },
  });
  const targetGroup = await world.makeTargetGroup();
  const balancer = await world.makeLoadBalancer();
  await world.forward(balancer.arn, targetGroup);
  await asg('CreateAutoScalingGroup', {
    AutoScalingGroupName: 'my-asg',
    LaunchTemplate: { LaunchTemplateName: 'mytemplate' },
    MinSize: 0,
    MaxSize: 4,
    DesiredCapacity: 2,
    VPCZoneIdentifier: world.subnets.join(','),
    TargetGroupARNs: [targetGroup],
  });
  await idle();
  drivers.compute.end(region.store.list(members, REGION)[0]?.id ?? '', 'killed');
  await idle();
  await asg('SetDesiredCapacity', { AutoScalingGroupName: 'my-asg', DesiredCapacity: 3 });
  const other = await world.makeLoadBalancer({ Name: 'short-lived' });
  await idle();
  await elb('DeleteLoadBalancer', { LoadBalancerArn: other.arn });
  await idle();
  return 'finished';
}

/** Wanted, recorded and really existing are the same. */
async function assertConverged(world: World, what: string): Promise<void> {
  const { region, drivers, errors } = world;
  const { store } = region;
  const desired = store.list(groups, REGION)[0]?.spec.desiredCapacity ?? 0;
  const own = store.list(members, REGION);
  assert.equal(own.length, desired, what);
  assert.ok(
    own.every(({ status }) => status.lifecycle === 'InService'),
    what,
  );
  const machines = (await drivers.compute.list()).filter(({ state }) => state === 'running');
  assert.deepEqual(machines.map(({ id }) => id).toSorted(), own.map(({ id }) => id).toSorted(), what);
  const zones = store.list(nodes, REGION);
  assert.ok(
    zones.every(({ status, spec }) => status.serving && !spec.retired),
    what,
  );
  assert.deepEqual(
    (await drivers.loadBalancer.list()).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    zones.map(({ id }) => ({ id, running: true })).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    what,
  );
  const held = store.list(networkInterfaces, REGION).filter(({ spec }) => spec.requesterManaged);
  assert.equal(held.length, zones.length, what);
  const names = [...drivers.edge.records.keys()].filter((key) => key.startsWith('elbv2/name/'));
  assert.equal(names.length, new Set(zones.map(({ spec }) => spec.loadBalancerId)).size, what);
  for (const node of zones) {
    const targets = drivers.loadBalancer.spec(node.id)?.targetGroups.flatMap((one) => one.targets) ?? [];
    const forwards = store
      .list(listeners, REGION)
      .some(({ spec }) => spec.loadBalancerId === node.spec.loadBalancerId);
    const wanted = forwards ? own.map(({ id }) => `${id}:80`) : [];
    assert.deepEqual(targets.map(({ id }) => id).toSorted(), wanted.toSorted(), what);
  }
  assert.deepEqual(errors, [], what);
}

test('a control plane that dies anywhere is followed by one that finishes its work', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-asg-'));
  let finished = false;
  let deaths = 0;
  try {
    for (let calls = 1; !finished; calls += 7) {
      const real = simDrivers(virtualClock());
      const { drivers, death } = mortal(real, calls);
      const storeFile = join(folder, `${calls}.db`);
      const first = await Promise.race([elbv2World({ drivers, storeFile }), death]);
      finished = first !== 'died' && (await Promise.race([story(first), death])) === 'finished';
      if (!finished) deaths += 1;
      await nextTurn();
      if (first !== 'died') first.region.store.close();

      const second = await elbv2World({ drivers: real, storeFile });
      await second.idle();
      // Longer than a target drains, and long enough for whatever backs off.
      await second.advance(330_000);
      await assertConverged(second, `died after ${calls} driver calls`);
      await second.region.stop();
    }
    assert.ok(deaths > 8, `${deaths} places to die`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
