import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { faultWorld } from './ec2-fault-world.ts';
import { ec2World, minutes } from './ec2-world.ts';

async function storeWorld() {
  const world = await ec2World();
  const { drivers } = world;
  const stores = async (): Promise<string[]> =>
    (await drivers.volumes.list()).map(({ id }) => id).filter((id) => id.includes('ephemeral'));
  const launchOne = () => world.launchOne({ InstanceType: 'm5d.4xlarge' });
  return { ...world, stores, launchOne };
}

describe('instance store', () => {
  test('is there for the types that have it, behind the root, and no volume of the API', async () => {
    const { drivers, launchOne, stores, call, errors } = await storeWorld();
    const id = await launchOne();
    assert.deepEqual(await stores(), [`${id}-ephemeral0-1`, `${id}-ephemeral1-1`]);
    assert.deepEqual(
      drivers.compute.spec(id)?.volumes?.map(({ device }) => device),
      ['/dev/xvda', '/dev/ephemeral0', '/dev/ephemeral1'],
    );
    const sizes = (await drivers.volumes.list()).map(({ sizeBytes }) => sizeBytes);
    assert.ok(sizes.filter((bytes) => bytes > 299e9 && bytes <= 300e9).length === 2, String(sizes));
    assert.equal((await call('DescribeVolumes')).Volumes.length, 1);
    assert.deepEqual(errors, []);
  });

  test('lives over a reboot, and is empty after a stop', async () => {
    const { call, idle, drivers, launchOne, stores } = await storeWorld();
    const id = await launchOne();
    const [first = ''] = await stores();
    drivers.volumes.write(first, 'cache');
    await call('RebootInstances', { InstanceIds: [id] });
    drivers.compute.end(id, 'reboot');
    await idle();
    assert.equal(drivers.volumes.read(first), 'cache');
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    assert.deepEqual(await stores(), []);
    await call('StartInstances', { InstanceIds: [id] });
    await idle();
    const [second = ''] = await stores();
    assert.notEqual(second, first);
    assert.equal(drivers.volumes.read(second), '');
    await call('TerminateInstances', { InstanceIds: [id] });
    await idle();
    assert.deepEqual(await drivers.volumes.list(), []);
  });

  test('left behind by a process that died is swept away', async () => {
    const { drivers, launchOne, stores, advance } = await storeWorld();
    const id = await launchOne();
    const stray = { sizeBytes: 2 ** 30, origin: { kind: 'empty' } } as const;
    await drivers.volumes.ensure({ ...stray, id: `${id}-ephemeral0-0` });
    await drivers.volumes.ensure({ ...stray, id: 'i-0123456789abcdef0-ephemeral0-1' });
    await advance(minutes(2));
    assert.deepEqual(await stores(), [`${id}-ephemeral0-1`, `${id}-ephemeral1-1`]);
  });

  test('keeps its instance from being recovered, whose volumes stay as long as it waits', async () => {
    const { drivers, inject, recover, hostOf, inZone, describe: shown, errors } = await faultWorld();
    const bound = await inZone(undefined, { InstanceType: 'm5d.large' });
    await inject('host', hostOf(bound));
    await assert.rejects(recover(bound), { code: 'OperationNotPermitted' });
    const free = await inZone(undefined, {
      BlockDeviceMappings: [{ DeviceName: '/dev/sdb', Ebs: { VolumeSize: 1 } }],
    });
    const disks = async () => (await shown(free)).BlockDeviceMappings?.map(({ Ebs }) => Ebs?.VolumeId ?? '');
    const before = await disks();
    drivers.volumes.write(before?.[1] ?? '', 'kept');
    const failed = await inject('host', hostOf(free));
    assert.notEqual(failed.spec.targetId, hostOf(bound));
    assert.deepEqual(errors, []);
    assert.equal((await recover(free)).outcome, 'waiting', 'no host of the zone is well');
    assert.deepEqual(await disks(), before);
  });

  test('is not what EBS volumes are: these come along with a recovered instance', async () => {
    const { drivers, inject, recover, hostOf, inZone, describe: shown } = await faultWorld();
    const id = await inZone(undefined, {
      BlockDeviceMappings: [{ DeviceName: '/dev/sdb', Ebs: { VolumeSize: 1 } }],
    });
    const disks = async () => (await shown(id)).BlockDeviceMappings?.map(({ Ebs }) => Ebs?.VolumeId ?? '');
    const before = await disks();
    drivers.volumes.write(before?.[1] ?? '', 'kept');
    await inject('host', hostOf(id));
    assert.equal((await recover(id)).outcome, 'recovered');
    assert.deepEqual(await disks(), before);
    assert.equal(drivers.volumes.read(before?.[1] ?? ''), 'kept');
    assert.deepEqual(
      (await drivers.compute.status(id))?.volumes?.map(({ volumeId }) => volumeId),
      before,
    );
  });

  test('is gone where an alarm recovers its instance none the less, and nobody else does', async () => {
    const { drivers, inject, recover, hostOf, inZone, advance } = await faultWorld();
    const id = await inZone(undefined, { InstanceType: 'x2iedn.xlarge' });
    const [root] = drivers.compute.spec(id)?.volumes ?? [];
    drivers.volumes.write(root?.volumeId ?? '', 'kept');
    drivers.volumes.write(`${id}-ephemeral0-1`, 'cache');
    const failed = hostOf(id);
    await inject('host', failed);
    await advance(minutes(30));
    assert.equal(hostOf(id), failed, 'automatic recovery leaves it alone');
    assert.equal((await recover(id)).outcome, 'recovered');
    assert.notEqual(hostOf(id), failed);
    assert.equal(drivers.volumes.read(root?.volumeId ?? ''), 'kept');
    assert.equal(drivers.volumes.read(`${id}-ephemeral0-2`), '');
    await advance(minutes(2));
    assert.equal(drivers.volumes.read(`${id}-ephemeral0-1`), undefined);
  });
});
