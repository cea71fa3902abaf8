import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nextTurn } from '../src/clock.ts';
import { ec2World, minutes, type WorldOptions } from './ec2-world.ts';

const ZONE = 'us-west-2a';

async function snapshotWorld(options: WorldOptions = {}) {
  const world = await ec2World(options);
  const { call, idle, drivers } = world;
  /** A volume with something on it. */
  const make = async (contents: string, Size = 10): Promise<string> => {
    const { VolumeId } = await call('CreateVolume', { AvailabilityZone: ZONE, Size });
    await idle();
    drivers.volumes.write(VolumeId, contents);
    return VolumeId;
  };
  const snapshot = async (VolumeId: string, more: object = {}): Promise<string> => {
    const { SnapshotId } = await call('CreateSnapshot', { VolumeId, ...more });
    await idle();
    return SnapshotId;
  };
  const shown = async (id: string) => (await call('DescribeSnapshots', { SnapshotIds: [id] })).Snapshots[0];
  const data = async (): Promise<string[]> =>
    (await drivers.volumes.listSnapshots()).map(({ id }) => id).toSorted();
  /** An instance with a data volume of 1 GiB, whose volumes are still to be made. */
  const begin = async (): Promise<string> => {
    const { Instances } = await call('RunInstances', {
      ImageId: await world.imageId(),
      InstanceType: 't3.micro',
      MinCount: 1,
      MaxCount: 1,
      BlockDeviceMappings: [{ DeviceName: '/dev/sdb', Ebs: { VolumeSize: 1 } }],
    });
    return Instances[0].InstanceId;
  };
  return { ...world, make, snapshot, shown, data, begin };
}

describe('a snapshot', () => {
  test('holds what was written before its call, and nothing that was written after', async () => {
    const { call, idle, drivers, make, shown, errors } = await snapshotWorld();
    const volumeId = await make('before');
    const answer = await call('CreateSnapshot', {
      VolumeId: volumeId,
      Description: 'nightly',
      TagSpecifications: [{ ResourceType: 'snapshot', Tags: [{ Key: 'Name', Value: 'night' }] }],
    });
    drivers.volumes.write(volumeId, 'after');
    assert.equal(answer.State, 'pending');
    await idle();
    const { State, Progress, VolumeSize, Description, CompletionTime, Tags, FullSnapshotSizeInBytes } =
      await shown(answer.SnapshotId);
    assert.deepEqual([State, Progress, VolumeSize, Description], ['completed', '100%', 10, 'nightly']);
    assert.ok(CompletionTime instanceof Date);
    assert.equal(FullSnapshotSizeInBytes, 'before'.length);
    assert.deepEqual(Tags, [{ Key: 'Name', Value: 'night' }]);
    const { VolumeId } = await call('CreateVolume', {
      AvailabilityZone: 'us-west-2b',
      SnapshotId: answer.SnapshotId,
    });
    await idle();
    assert.equal(drivers.volumes.read(VolumeId), 'before');
    const restored = (await call('DescribeVolumes', { VolumeIds: [VolumeId] })).Volumes[0];
    assert.deepEqual([restored.Size, restored.SnapshotId], [10, answer.SnapshotId]);
    assert.deepEqual(errors, []);
  });

  test('may become a larger volume, not a smaller one', async () => {
    const { call, make, snapshot } = await snapshotWorld();
    const SnapshotId = await snapshot(await make('data', 10));
    const from = (Size: number) => call('CreateVolume', { AvailabilityZone: ZONE, SnapshotId, Size });
    assert.equal((await from(11)).Size, 11);
    await assert.rejects(from(9), { code: 'InvalidParameterValue' });
  });

  test('goes with its data, which a volume that is being made of it still gets', async () => {
    const { call, idle, advance, drivers, make, snapshot, data } = await snapshotWorld();
    const SnapshotId = await snapshot(await make('data'));
    const ensure = drivers.volumes.ensure.bind(drivers.volumes);
    let broken = true;
    drivers.volumes.ensure = async (spec) => {
      if (broken) throw new Error('not now');
      return ensure(spec);
    };
    const { VolumeId } = await call('CreateVolume', { AvailabilityZone: ZONE, SnapshotId });
    await idle();
    await call('DeleteSnapshot', { SnapshotId });
    await idle();
    assert.deepEqual(await data(), [SnapshotId], 'still needed');
    broken = false;
    await advance(10_000);
    assert.equal(drivers.volumes.read(VolumeId), 'data');
    assert.deepEqual(await data(), []);
    await assert.rejects(call('DeleteSnapshot', { SnapshotId }), { code: 'InvalidSnapshot.NotFound' });
  });

  test('whose call failed after it was taken leaves nothing behind', async () => {
    const { call, advance, make, data } = await snapshotWorld();
    const VolumeId = await make('data');
    const TagSpecifications = [{ ResourceType: 'instance' as const, Tags: [] }];
    await assert.rejects(call('CreateSnapshot', { VolumeId, TagSpecifications }), {
      code: 'InvalidParameterValue',
    });
    await advance(minutes(11));
    assert.deepEqual(await data(), []);
    assert.deepEqual((await call('DescribeSnapshots')).Snapshots, []);
  });

  test('is refused where AWS refuses it, and a dry run takes none', async () => {
    const { call, make, data } = await snapshotWorld();
    const VolumeId = await make('data');
    await assert.rejects(call('CreateSnapshot', { VolumeId: 'vol-0123456789abcdef0' }), {
      code: 'InvalidVolume.NotFound',
    });
    await assert.rejects(call('CreateSnapshot', { VolumeId, DryRun: true }), { code: 'DryRunOperation' });
    assert.deepEqual(await data(), []);
    await assert.rejects(call('CreateSnapshot', { VolumeId, Location: 'local' }), {
      code: 'UnsupportedOperation',
    });
    await assert.rejects(call('CreateSnapshot'), { code: 'MissingParameter' });
  });

  test('of several volumes of an instance is of one moment', async () => {
    const { call, idle, drivers, launchOne, describe: instance, data, shown } = await snapshotWorld();
    const id = await launchOne({
      BlockDeviceMappings: [
        { DeviceName: '/dev/sdb', Ebs: { VolumeSize: 1 } },
        { DeviceName: '/dev/sdc', Ebs: { VolumeSize: 2 } },
      ],
    });
    const take = drivers.volumes.snapshot.bind(drivers.volumes);
    const frozen: boolean[] = [];
    drivers.volumes.snapshot = async (volumeId, snapshotId) => {
      frozen.push(drivers.compute.isFrozen(id));
      return take(volumeId, snapshotId);
    };
    const volumes = new Map(
      (await instance(id)).BlockDeviceMappings?.map(({ DeviceName, Ebs }) => [
        DeviceName,
        Ebs?.VolumeId ?? '',
      ]),
    );
    const { Snapshots } = await call('CreateSnapshots', {
      InstanceSpecification: { InstanceId: id, ExcludeDataVolumeIds: [volumes.get('/dev/sdc')] },
      Description: 'both',
    });
    await idle();
    assert.deepEqual(frozen, [true, true]);
    assert.equal(drivers.compute.isFrozen(id), false);
    assert.deepEqual(
      Snapshots.map(({ VolumeId }: { VolumeId: string }) => VolumeId),
      [volumes.get('/dev/xvda'), volumes.get('/dev/sdb')],
    );
    assert.equal((await data()).length, 2);
    assert.equal((await shown(Snapshots[0].SnapshotId)).State, 'completed');
    await assert.rejects(
      call('CreateSnapshots', {
        InstanceSpecification: { InstanceId: id, ExcludeDataVolumeIds: [volumes.get('/dev/xvda')] },
      }),
      { code: 'InvalidParameterValue' },
    );
    const { Snapshots: data2 } = await call('CreateSnapshots', {
      InstanceSpecification: { InstanceId: id, ExcludeBootVolume: true },
    });
    assert.equal(data2.length, 2);
  });

  test('of all volumes of an instance waits for none that is still being made: it is refused', async () => {
    const { call, idle, drivers, begin } = await snapshotWorld();
    const ensure = drivers.volumes.ensure.bind(drivers.volumes);
    drivers.volumes.ensure = async (spec) => {
      if (spec.sizeBytes === 2 ** 30) throw new Error('not now');
      return ensure(spec);
    };
    const InstanceSpecification = { InstanceId: await begin() };
    await idle();
    await assert.rejects(call('CreateSnapshots', { InstanceSpecification }), { code: 'IncorrectState' });
    assert.deepEqual((await call('DescribeSnapshots')).Snapshots, []);
  });

  test('of all volumes of an instance is refused when one comes into being too late for it', async () => {
    const { call, idle, drivers, begin } = await snapshotWorld();
    const ensure = drivers.volumes.ensure.bind(drivers.volumes);
    const slow = Promise.withResolvers<void>();
    drivers.volumes.ensure = async (spec) => {
      if (spec.sizeBytes === 2 ** 30) await slow.promise;
      return ensure(spec);
    };
    const InstanceSpecification = { InstanceId: await begin() };
    const states = async (): Promise<string[]> =>
      (await call('DescribeVolumes')).Volumes.map(({ State }: { State: string }) => State);
    while (!(await states()).includes('in-use')) await nextTurn();
    assert.deepEqual(await states(), ['in-use', 'creating']);
    const take = drivers.volumes.snapshot.bind(drivers.volumes);
    drivers.volumes.snapshot = async (volumeId, snapshotId) => {
      slow.resolve();
      await idle();
      return take(volumeId, snapshotId);
    };
    await assert.rejects(call('CreateSnapshots', { InstanceSpecification }), { code: 'IncorrectState' });
    assert.deepEqual((await call('DescribeSnapshots')).Snapshots, []);
    await call('CreateSnapshots', { InstanceSpecification });
    assert.equal((await call('DescribeSnapshots')).Snapshots.length, 2);
  });

  test('keeps the machine frozen as long as one of two that are taken at once needs it', async () => {
    const { call, drivers, launchOne, idle } = await snapshotWorld();
    const id = await launchOne({ BlockDeviceMappings: [{ DeviceName: '/dev/sdb', Ebs: { VolumeSize: 1 } }] });
    const take = drivers.volumes.snapshot.bind(drivers.volumes);
    const slow = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    drivers.volumes.snapshot = async (volumeId, snapshotId) => {
      begun.resolve();
      await slow.promise;
      return take(volumeId, snapshotId);
    };
    const both = { InstanceSpecification: { InstanceId: id } };
    const first = call('CreateSnapshots', both);
    await begun.promise;
    drivers.volumes.snapshot = take;
    await call('CreateSnapshots', both);
    assert.equal(drivers.compute.isFrozen(id), true);
    slow.resolve();
    await first;
    assert.equal(drivers.compute.isFrozen(id), false);
    await idle();
    assert.equal((await call('DescribeSnapshots')).Snapshots.length, 4);
  });

  test('lets the machine go when it could not be frozen in time', async () => {
    const { call, drivers, launchOne } = await snapshotWorld();
    const id = await launchOne({ BlockDeviceMappings: [{ DeviceName: '/dev/sdb', Ebs: { VolumeSize: 1 } }] });
    const freeze = drivers.compute.freeze.bind(drivers.compute);
    drivers.compute.freeze = async (machine, frozen) => {
      await freeze(machine, frozen);
      if (frozen) throw new Error('it did not freeze within 5 s');
    };
    await assert.rejects(call('CreateSnapshots', { InstanceSpecification: { InstanceId: id } }));
    assert.equal(drivers.compute.isFrozen(id), false);
  });
});
