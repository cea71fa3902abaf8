import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { nextTurn, virtualClock } from '../src/clock.ts';
import { type SimDrivers, simDrivers } from '../src/drivers/sim/index.ts';
import { stateOf } from '../src/services/ec2/compute.ts';
import { images } from '../src/services/ec2/image/image.ts';
import { instances, networkInterfaces } from '../src/services/ec2/records.ts';
import { snapshots } from '../src/services/ec2/snapshot/snapshot.ts';
import { volumeAttachments, volumes } from '../src/services/ec2/volume/volume.ts';
import { ec2World, REGION } from './ec2-world.ts';

/** Drivers as one process sees them: when that dies, none of its calls returns any more. */
function mortal(drivers: SimDrivers, callsToLive: number) {
  let left = callsToLive;
  let die: () => void = () => {};
  const death = new Promise<void>((resolve) => {
    die = () => resolve();
  });
  const never = new Promise<never>(() => {});
  const guard = <T extends object>(driver: T): T =>
    new Proxy(driver, {
      get(target, name) {
        const member = Reflect.get(target, name);
        if (typeof member !== 'function' || name === 'watch') return member;
        return (...input: unknown[]) => {
          left -= 1;
          if (left < 0) {
            die();
            return never;
          }
          // The last call still takes effect, but nobody hears of it.
          const output = member.apply(target, input);
          return left === 0
            ? Promise.resolve(output)
                .then(die, die)
                .then(() => never)
            : output;
        };
      },
    });
  return {
    death,
    drivers: {
      compute: guard(drivers.compute),
      network: guard(drivers.network),
      edge: guard(drivers.edge),
      volumes: guard(drivers.volumes),
      loadBalancer: drivers.loadBalancer,
    } as SimDrivers,
  };
}

type World = Awaited<ReturnType<typeof ec2World>>;

const idsOf = async (found: Promise<{ id: string }[]>): Promise<string[]> =>
  (await found).map(({ id }) => id).toSorted();

/** Wanted, recorded and really existing are the same. */
async function assertConverged({ drivers, region, errors }: World, what: string): Promise<void> {
  const all = region.store.list(instances, REGION);
  const alive = all.filter((instance) => stateOf(instance) !== 'terminated');
  for (const { spec, status, id } of all) {
    assert.equal(status.state, spec.wanted, `${what}: ${id}`);
  }
  const machines = await drivers.compute.list();
  assert.deepEqual(
    machines.map(({ id, state }) => [id, state]).toSorted(),
    alive.map(({ id, status }) => [id, status.state]).toSorted(),
    what,
  );
  const published = [...drivers.edge.records.keys()].filter((key) => key.startsWith('instance/'));
  assert.deepEqual(
    [...new Set(published.map((key) => key.split('/')[1]))].toSorted(),
    alive.map(({ id }) => id).toSorted(),
    what,
  );
  const attached = region.store
    .list(networkInterfaces, REGION)
    .map(({ spec }) => spec.attachment?.instanceId);
  assert.deepEqual(attached.toSorted(), alive.map(({ id }) => id).toSorted(), what);
  for (const image of region.store.list(images, REGION)) {
    assert.notEqual(image.status.state, 'pending', what);
  }
  const recorded = region.store.list(volumes, REGION);
  assert.deepEqual(await idsOf(drivers.volumes.list()), recorded.map(({ id }) => id).toSorted(), what);
  for (const { status } of recorded) assert.equal(status.state, 'available', what);
  const held = region.store.list(volumeAttachments, REGION).map(({ id, spec }) => `${spec.instanceId} ${id}`);
  for (const machine of machines) {
    if (machine.state !== 'running') continue;
    const wanted = held.filter((one) => one.startsWith(machine.id));
    assert.deepEqual(
      (machine.volumes ?? []).map((one) => `${machine.id} ${one.volumeId}`).toSorted(),
      wanted.toSorted(),
      what,
    );
  }
  assert.deepEqual(
    await idsOf(drivers.volumes.listSnapshots()),
    region.store
      .list(snapshots, REGION)
      .map(({ id }) => id)
      .toSorted(),
    what,
  );
  assert.deepEqual(errors, [], what);
}

describe('a process that dies after any number of driver calls', () => {
  test('leaves a world that the next one brings to what was acknowledged', () => dieEverywhere(machines));

  test('leaves its disks as they were acknowledged, too', () => dieEverywhere(disks));

  async function dieEverywhere(story: (world: World) => Promise<void>): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-ec2-'));
    let finished = false;
    let deaths = 0;
    try {
      // Every second place, to be quick.
      for (let calls = 1; !finished; calls += 2) {
        const world = simDrivers(virtualClock());
        const { drivers, death } = mortal(world, calls);
        const storeFile = join(folder, `${calls}.db`);
        const first = await Promise.race([ec2World({ drivers, storeFile }), death]);
        const acknowledged = first && (await Promise.race([story(first).then(() => 'finished'), death]));
        finished = acknowledged === 'finished';
        if (!finished) deaths += 1;
        await nextTurn();
        first?.region.store.close();

        const second = await ec2World({ drivers: world, storeFile });
        await second.idle();
        // Longer than data without a snapshot are kept.
        await second.advance(660_000);
        await assertConverged(second, `died after ${calls} driver calls`);
        await second.region.stop();
      }
      assert(deaths > 20, `${deaths} places to die`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  async function disks({ call, launchOne, idle, drivers, describe: shown }: World): Promise<void> {
    const id = await launchOne({
      BlockDeviceMappings: [{ DeviceName: '/dev/sdb', Ebs: { VolumeSize: 1, DeleteOnTermination: true } }],
    });
    const AvailabilityZone = (await shown(id)).Placement?.AvailabilityZone;
    const { VolumeId } = await call('CreateVolume', { AvailabilityZone, Size: 2 });
    await idle();
    await call('AttachVolume', { VolumeId, InstanceId: id, Device: '/dev/sdf' });
    await idle();
    drivers.compute.mount(id, VolumeId, true);
    const { SnapshotId } = await call('CreateSnapshot', { VolumeId });
    await call('ModifyVolume', { VolumeId, Size: 3 });
    await call('DetachVolume', { VolumeId });
    await idle();
    const { ImageId } = await call('CreateImage', { InstanceId: id, Name: 'with disks' });
    await idle();
    await call('CreateVolume', { AvailabilityZone, SnapshotId });
    await call('DeleteSnapshot', { SnapshotId });
    await idle();
    const copy = await launchOne({ ImageId });
    await call('CreateSnapshots', { InstanceSpecification: { InstanceId: copy } });
    await call('TerminateInstances', { InstanceIds: [copy] });
    await call('DeregisterImage', { ImageId, DeleteAssociatedSnapshots: true });
    await idle();
  }

  async function machines({ call, launch, idle, drivers }: World): Promise<void> {
    const [a, b, c] = (await launch({ MinCount: 3, MaxCount: 3 })).map((one) => one.InstanceId ?? '');
    await call('CreateImage', { InstanceId: a, Name: 'golden' });
    await call('TerminateInstances', { InstanceIds: [b] });
    await call('StopInstances', { InstanceIds: [c] });
    await idle();
    await call('StartInstances', { InstanceIds: [c] });
    drivers.compute.end(a ?? '', 'reboot');
    await idle();
    await call('RebootInstances', { InstanceIds: [a] });
    await call('TerminateInstances', { InstanceIds: [c] });
    await idle();
  }
});

describe('a process that dies with acknowledged calls and nothing done for them', () => {
  test('is followed by one that does them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-ec2-'));
    try {
      const storeFile = join(folder, 'store.db');
      const drivers = simDrivers(virtualClock());
      const first = await ec2World({ drivers, storeFile });
      const [kept, ended] = [await first.launchOne(), await first.launchOne()];
      await first.region.engine.stop();
      const { Instances } = await first.call('RunInstances', {
        ImageId: await first.imageId(),
        InstanceType: 't3.micro',
        MinCount: 1,
        MaxCount: 1,
      });
      await first.call('TerminateInstances', { InstanceIds: [ended] });
      first.region.store.close();
      drivers.compute.end(kept, 'reboot');

      const second = await ec2World({ drivers, storeFile });
      await second.idle();
      assert.equal(await second.state(Instances[0].InstanceId), 'running');
      assert.equal(await second.state(ended), 'terminated');
      assert.equal((await drivers.compute.status(kept))?.boot, 2);
      await assertConverged(second, 'after the crash');
      await second.region.stop();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
