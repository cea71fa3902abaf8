import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ec2World, minutes } from './ec2-world.ts';

describe('an image', () => {
  test('of the driver is an image of Amazon, on the very first call, with an id for each region', async () => {
    const { call, imageId } = await ec2World();
    const { Images } = await call('DescribeImages', { Owners: ['amazon'] });
    assert.equal(Images.length, 1);
    assert.equal(Images[0].ImageOwnerAlias, 'amazon');
    assert.equal(Images[0].Name, 'debian-12-amd64-simulated');
    assert.equal(Images[0].State, 'available');
    assert.match(Images[0].ImageId, /^ami-[0-9a-f]{17}$/);
    assert.deepEqual((await call('DescribeImages', { Owners: ['self'] })).Images, []);
    const filters = { Filters: [{ Name: 'name', Values: ['debian-12-*'] }] };
    assert.equal((await call('DescribeImages', filters)).Images[0].ImageId, await imageId());
    const elsewhere = await call('DescribeImages', {}, 'eu-west-1');
    assert.notEqual(elsewhere.Images[0].ImageId, Images[0].ImageId);
  });

  test('of a running instance is taken while it is down, and it boots again by itself', async () => {
    const { call, describe, drivers, launchOne, idle, state, errors } = await ec2World();
    const id = await launchOne();
    const before = await describe(id);
    const taken: (string | undefined)[] = [];
    const take = drivers.volumes.snapshot.bind(drivers.volumes);
    drivers.volumes.snapshot = async (volume, snapshot) => {
      taken.push((await drivers.compute.status(id))?.state, await state(id));
      return take(volume, snapshot);
    };
    drivers.volumes.write(before.BlockDeviceMappings?.[0]?.Ebs?.VolumeId ?? '', 'golden');
    const { ImageId } = await call('CreateImage', {
      InstanceId: id,
      Name: 'golden image',
      TagSpecifications: [{ ResourceType: 'image', Tags: [{ Key: 'app', Value: 'shop' }] }],
    });
    const described = async () => (await call('DescribeImages', { ImageIds: [ImageId] })).Images[0];
    assert.equal((await described()).State, 'pending');
    await idle();
    assert.equal((await described()).State, 'available');
    assert.deepEqual(taken, ['stopped', 'running'], 'the machine was down, the instance never said so');
    assert.deepEqual((await described()).Tags, [{ Key: 'app', Value: 'shop' }]);
    const after = await describe(id);
    assert.equal(after.State?.Name, 'running');
    assert.equal(after.PublicIpAddress, before.PublicIpAddress);
    assert.equal((await drivers.compute.status(id))?.state, 'running');
    assert.equal((await drivers.compute.status(id))?.boot, 2);

    const snapshotId = (await described()).BlockDeviceMappings[0].Ebs.SnapshotId;
    const { Snapshots } = await call('DescribeSnapshots', { OwnerIds: ['self'] });
    assert.equal(Snapshots[0].SnapshotId, snapshotId);
    assert.equal(Snapshots[0].State, 'completed');
    const copy = await launchOne({ ImageId });
    assert.deepEqual(drivers.compute.spec(copy)?.layers, ['base-debian-12-simulated']);
    const root = (await describe(copy)).BlockDeviceMappings?.[0]?.Ebs?.VolumeId ?? '';
    assert.equal(drivers.volumes.read(root), 'golden');
    assert.equal(await state(copy), 'running');
    assert.deepEqual(errors, []);
  });

  test('without a reboot leaves the instance alone; of a stopped one it leaves it stopped', async () => {
    const { call, drivers, launchOne, idle, state } = await ec2World();
    const id = await launchOne();
    const first = await call('CreateImage', { InstanceId: id, Name: 'hot', NoReboot: true });
    await idle();
    assert.equal((await drivers.compute.status(id))?.boot, 1);
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    const second = await call('CreateImage', { InstanceId: id, Name: 'cold' });
    await idle();
    assert.equal(await state(id), 'stopped');
    const { Images } = await call('DescribeImages', { ImageIds: [first.ImageId, second.ImageId] });
    assert.deepEqual(
      Images.map((image: { State: string }) => image.State),
      ['available', 'available'],
    );
    await assert.rejects(call('CreateImage', { InstanceId: id, Name: 'cold' }), {
      code: 'InvalidAMIName.Duplicate',
    });
    await assert.rejects(call('CreateImage', { InstanceId: id, Name: 'x' }), {
      code: 'InvalidAMIName.Malformed',
    });
  });

  test('of an instance that is terminated meanwhile fails, and says so', async () => {
    const { call, launchOne, idle, state } = await ec2World();
    const id = await launchOne();
    const { ImageId } = await call('CreateImage', { InstanceId: id, Name: 'too late' });
    await call('TerminateInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(await state(id), 'terminated');
    const { Images } = await call('DescribeImages', { ImageIds: [ImageId] });
    assert.equal(Images[0].State, 'failed');
    assert.equal((await call('DescribeSnapshots')).Snapshots[0].State, 'error');
  });

  test('whose snapshot cannot be taken is given up, and the instance comes back', async () => {
    const { call, drivers, launchOne, advance, idle, state } = await ec2World();
    const id = await launchOne();
    drivers.volumes.snapshot = async () => {
      throw new Error('no space left on device');
    };
    const { ImageId } = await call('CreateImage', { InstanceId: id, Name: 'doomed' });
    await idle();
    assert.equal((await drivers.compute.status(id))?.state, 'stopped');
    await advance(minutes(6));
    assert.equal((await call('DescribeImages', { ImageIds: [ImageId] })).Images[0].State, 'failed');
    assert.equal((await drivers.compute.status(id))?.state, 'running');
    assert.equal(await state(id), 'running');
  });

  test('keeps its snapshot until it is deregistered; its instances need neither', async () => {
    const { call, drivers, launchOne, idle, state } = await ec2World();
    const id = await launchOne();
    const { ImageId } = await call('CreateImage', { InstanceId: id, Name: 'golden', NoReboot: true });
    await idle();
    const copy = await launchOne({ ImageId });
    const SnapshotId = (await call('DescribeSnapshots')).Snapshots[0].SnapshotId;
    await assert.rejects(call('DeleteSnapshot', { SnapshotId }), { code: 'InvalidSnapshot.InUse' });
    await call('DeregisterImage', { ImageId });
    await assert.rejects(call('DescribeImages', { ImageIds: [ImageId] }), { code: 'InvalidAMIID.NotFound' });
    await call('DeleteSnapshot', { SnapshotId });
    await idle();
    assert.deepEqual(await drivers.volumes.listSnapshots(), []);
    await call('RebootInstances', { InstanceIds: [copy] });
    await idle();
    assert.equal(await state(copy), 'running', 'its volumes are its own');
    await assert.rejects(call('DeleteSnapshot', { SnapshotId }), { code: 'InvalidSnapshot.NotFound' });
  });

  test('of Amazon cannot be deregistered', async () => {
    const { call, imageId } = await ec2World();
    await assert.rejects(call('DeregisterImage', { ImageId: await imageId() }), { code: 'AuthFailure' });
  });
});

describe('a root volume', () => {
  test('is in use as long as its instance is there, in the size that was asked for', async () => {
    const { call, launchOne } = await ec2World();
    const id = await launchOne({
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 20, VolumeType: 'gp2' } }],
      TagSpecifications: [{ ResourceType: 'volume', Tags: [{ Key: 'disk', Value: 'root' }] }],
    });
    const { Volumes } = await call('DescribeVolumes', { Filters: [{ Name: 'tag:disk', Values: ['root'] }] });
    assert.equal(Volumes[0].Size, 20);
    assert.equal(Volumes[0].State, 'in-use');
    assert.equal(Volumes[0].Attachments[0].InstanceId, id);
  });
});
