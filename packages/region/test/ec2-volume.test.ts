import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type * as ec2 from '@aws-sdk/client-ec2';
import { ec2World, minutes, type WorldOptions } from './ec2-world.ts';

const ZONE = 'us-west-2a';
const GIB = 2 ** 30;

/** A world with a few words for volumes. */
async function volumeWorld(options: WorldOptions = {}) {
  const world = await ec2World(options);
  const { call, idle } = world;
  const volume = async (id: string): Promise<ec2.Volume> =>
    (await call('DescribeVolumes', { VolumeIds: [id] })).Volumes[0];
  const state = async (id: string): Promise<string | undefined> => (await volume(id)).State;
  const attachment = async (id: string): Promise<string | undefined> =>
    (await volume(id)).Attachments?.[0]?.State;
  const make = async (input: Partial<ec2.CreateVolumeRequest> = {}): Promise<string> => {
    const { VolumeId } = await call('CreateVolume', { AvailabilityZone: ZONE, Size: 10, ...input });
    await idle();
    return VolumeId;
  };
  const launchIn = (zone = ZONE, input: Partial<ec2.RunInstancesRequest> = {}): Promise<string> =>
    world.launchOne({ Placement: { AvailabilityZone: zone }, ...input });
  const attach = async (VolumeId: string, InstanceId: string, Device = '/dev/sdf') => {
    const answer = await call('AttachVolume', { VolumeId, InstanceId, Device });
    await idle();
    return answer;
  };
  const rootOf = async (id: string): Promise<string> =>
    (await world.describe(id)).BlockDeviceMappings?.find((one) => one.DeviceName === '/dev/xvda')?.Ebs
      ?.VolumeId ?? '';
  return { ...world, volume, volumeState: state, attachment, make, launchIn, attach, rootOf };
}

describe('a volume', () => {
  test('is created in a zone, shown as it is, and gone when it is deleted', async () => {
    const { call, idle, drivers, volume, errors } = await volumeWorld();
    const made = await call('CreateVolume', {
      AvailabilityZone: ZONE,
      Size: 12,
      VolumeType: 'gp3',
      TagSpecifications: [{ ResourceType: 'volume', Tags: [{ Key: 'Name', Value: 'data' }] }],
    });
    assert.equal(made.State, 'creating');
    await idle();
    const shown = await volume(made.VolumeId);
    assert.equal(shown.State, 'available');
    assert.deepEqual([shown.Size, shown.VolumeType, shown.Iops, shown.Throughput], [12, 'gp3', 3000, 125]);
    assert.deepEqual([shown.AvailabilityZone, shown.AvailabilityZoneId], [ZONE, 'usw2-az1']);
    assert.deepEqual(shown.Tags, [{ Key: 'Name', Value: 'data' }]);
    assert.deepEqual(await drivers.volumes.list(), [{ id: made.VolumeId, sizeBytes: 12 * GIB }]);
    await call('DeleteVolume', { VolumeId: made.VolumeId });
    await idle();
    await assert.rejects(volume(made.VolumeId), { code: 'InvalidVolume.NotFound' });
    assert.deepEqual(await drivers.volumes.list(), []);
    assert.deepEqual(errors, []);
  });

  test('is made once for a client token, in a zone by name or id', async () => {
    const { call, make } = await volumeWorld();
    const first = await make({ ClientToken: 'once' });
    assert.equal(await make({ ClientToken: 'once' }), first);
    await assert.rejects(make({ ClientToken: 'once', Size: 11 }), { code: 'IdempotentParameterMismatch' });
    await make({ AvailabilityZone: undefined, AvailabilityZoneId: 'usw2-az2' });
    const filters = { Filters: [{ Name: 'availability-zone', Values: ['us-west-2b'] }] };
    assert.equal((await call('DescribeVolumes', filters)).Volumes.length, 1);
  });

  test('is refused where AWS refuses it', async () => {
    const { make, call } = await volumeWorld();
    const refusals: [Partial<ec2.CreateVolumeRequest>, string][] = [
      [{ AvailabilityZone: 'us-west-2z' }, 'InvalidParameterValue'],
      [{ AvailabilityZone: undefined }, 'MissingParameter'],
      [{ AvailabilityZoneId: 'usw2-az1' }, 'InvalidParameterCombination'],
      [{ Size: undefined }, 'MissingParameter'],
      [{ Size: 0 }, 'InvalidParameterValue'],
      [{ Size: 16_385 }, 'InvalidParameterValue'],
      [{ VolumeType: 'st1', Size: 124 }, 'InvalidParameterValue'],
      [{ VolumeType: 'gp9' as 'gp2' }, 'UnknownVolumeType'],
      [{ VolumeType: 'io1' }, 'MissingParameter'],
      [{ VolumeType: 'io1', Iops: 501 }, 'InvalidParameterValue'],
      [{ VolumeType: 'gp3', Iops: 5001 }, 'InvalidParameterValue'],
      [{ VolumeType: 'gp3', Iops: 2999 }, 'InvalidParameterValue'],
      [{ VolumeType: 'gp3', Throughput: 751 }, 'InvalidParameterValue'],
      [{ VolumeType: 'gp2', Iops: 300 }, 'InvalidParameterCombination'],
      [{ VolumeType: 'io2', Iops: 300, Throughput: 200 }, 'InvalidParameterCombination'],
      [{ SnapshotId: 'snap-0123456789abcdef0' }, 'InvalidSnapshot.NotFound'],
      [{ Encrypted: true }, 'UnsupportedOperation'],
      [{ MultiAttachEnabled: true, VolumeType: 'io2', Iops: 100 }, 'UnsupportedOperation'],
      [{ DryRun: true }, 'DryRunOperation'],
    ];
    for (const [input, code] of refusals)
      await assert.rejects(make(input), { code }, `${code}: ${JSON.stringify(input)}`);
    assert.deepEqual((await call('DescribeVolumes')).Volumes, []);
  });

  test('that cannot be made is tried again, and given up in the end', async () => {
    const { drivers, make, volumeState, advance, call, idle } = await volumeWorld();
    const id = await make();
    assert.equal(await volumeState(id), 'available');
    drivers.volumes.ensure = async () => {
      throw new Error('no space left on device');
    };
    const doomed = await make();
    assert.equal(await volumeState(doomed), 'creating');
    await advance(minutes(2));
    assert.equal(await volumeState(doomed), 'error');
    await call('DeleteVolume', { VolumeId: doomed });
    await idle();
    await assert.rejects(volumeState(doomed), { code: 'InvalidVolume.NotFound' });
  });

  test('that nobody knows is removed from the disk', async () => {
    const { drivers, advance } = await volumeWorld();
    await drivers.volumes.ensure({ id: 'vol-0123456789abcdef0', sizeBytes: GIB, origin: { kind: 'empty' } });
    await advance(minutes(2));
    assert.deepEqual(await drivers.volumes.list(), []);
  });
});

describe('an attached volume', () => {
  test('goes to a running machine, stays with it over stop and start, and comes back', async () => {
    const world = await volumeWorld();
    const { call, idle, drivers, make, launchIn, attach, attachment, describe: shown } = world;
    const [id, volumeId] = [await launchIn(), await make()];
    const answer = await attach(volumeId, id);
    assert.equal(answer.State, 'attaching');
    assert.equal(answer.DeleteOnTermination, false);
    assert.equal(await attachment(volumeId), 'attached');
    assert.equal(await world.volumeState(volumeId), 'in-use');
    assert.deepEqual(
      drivers.compute.spec(id)?.volumes?.map(({ device, role }) => [device, role]),
      [
        ['/dev/xvda', 'root'],
        ['/dev/sdf', 'data'],
      ],
    );
    assert.deepEqual(
      (await shown(id)).BlockDeviceMappings?.map(({ DeviceName, Ebs }) => [DeviceName, Ebs?.Status]),
      [
        ['/dev/xvda', 'attached'],
        ['/dev/sdf', 'attached'],
      ],
    );
    assert.equal((await drivers.compute.status(id))?.boot, 1, 'nothing was rebooted for it');

    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(await attachment(volumeId), 'attached');
    await call('StartInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(await attachment(volumeId), 'attached');
    const detached = await call('DetachVolume', { VolumeId: volumeId });
    assert.equal(detached.State, 'detaching');
    await idle();
    assert.equal(await world.volumeState(volumeId), 'available');
    assert.equal(drivers.compute.spec(id)?.volumes?.length, 1);
    assert.deepEqual(world.errors, []);
  });

  test('stays while the guest has it mounted, unless it is forced', async () => {
    const world = await volumeWorld();
    const { call, idle, drivers, make, launchIn, attach, attachment, volumeState } = world;
    const id = await launchIn();
    const [polite, forced] = [await make(), await make()];
    await attach(polite, id, '/dev/sdf');
    await attach(forced, id, '/dev/sdg');
    for (const volumeId of [polite, forced]) {
      drivers.compute.mount(id, volumeId, true);
      await call('DetachVolume', { VolumeId: volumeId });
      await idle();
      assert.equal(await attachment(volumeId), 'busy');
    }
    await assert.rejects(call('DeleteVolume', { VolumeId: polite }), { code: 'VolumeInUse' });
    drivers.compute.mount(id, polite, false);
    await idle();
    assert.equal(await volumeState(polite), 'available');
    await call('DetachVolume', { VolumeId: forced, Force: true });
    await idle();
    assert.equal(await volumeState(forced), 'available');
  });

  test('comes to a stopped instance, and leaves one', async () => {
    const { call, idle, make, launchIn, attach, attachment, volumeState, drivers } = await volumeWorld();
    const [id, volumeId] = [await launchIn(), await make()];
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    await attach(volumeId, id);
    assert.equal(await attachment(volumeId), 'attached');
    await call('DetachVolume', { VolumeId: volumeId, InstanceId: id, Device: '/dev/sdf' });
    await idle();
    assert.equal(await volumeState(volumeId), 'available');
    await attach(volumeId, id, 'xvdh');
    await call('StartInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(drivers.compute.spec(id)?.volumes?.[1]?.device, '/dev/xvdh');
  });

  test('is refused where AWS refuses it', async () => {
    const { call, idle, make, launchIn, attach, rootOf } = await volumeWorld();
    const [id, volumeId, other] = [await launchIn(), await make(), await make()];
    const elsewhere = await make({ AvailabilityZone: 'us-west-2b' });
    await attach(volumeId, id, '/dev/sdf');
    const attachRefusals: [string, string, string, string][] = [
      [volumeId, id, '/dev/sdg', 'VolumeInUse'],
      [other, id, '/dev/xvdf', 'InvalidParameterValue'],
      [other, id, '/dev/disk', 'InvalidParameterValue'],
      [other, id, '/dev/xvda', 'InvalidParameterValue'],
      [elsewhere, id, '/dev/sdh', 'InvalidVolume.ZoneMismatch'],
      ['vol-0123456789abcdef0', id, '/dev/sdh', 'InvalidVolume.NotFound'],
      ['volume', id, '/dev/sdh', 'InvalidParameterValue'],
      [other, 'i-0123456789abcdef0', '/dev/sdh', 'InvalidInstanceID.NotFound'],
    ];
    for (const [one, instance, device, code] of attachRefusals)
      await assert.rejects(attach(one, instance, device), { code }, `${code} ${device}`);
    const rootId = await rootOf(id);
    const detachRefusals: [object, string][] = [
      [{ VolumeId: other }, 'IncorrectState'],
      [{ VolumeId: rootId }, 'OperationNotPermitted'],
      [{ VolumeId: rootId, Force: true }, 'OperationNotPermitted'],
      [{ VolumeId: volumeId, InstanceId: await launchIn() }, 'InvalidAttachment.NotFound'],
      [{ VolumeId: volumeId, Device: '/dev/sdz' }, 'InvalidParameterValue'],
      [{ VolumeId: rootId, Device: '/dev/sda1' }, 'OperationNotPermitted'],
    ];
    for (const [input, code] of detachRefusals)
      await assert.rejects(call('DetachVolume', input), { code }, `${code} ${JSON.stringify(input)}`);
    await call('TerminateInstances', { InstanceIds: [id] });
    await idle();
    await assert.rejects(attach(other, id), { code: 'IncorrectState' });
  });

  test('is one of as many as the type can have', async () => {
    const { make, launchIn, attach } = await volumeWorld();
    const id = await launchIn(ZONE, { InstanceType: 't3.micro' });
    const letters = [...'bcdefghijklmnopqrstuvwxyz'].map((letter) => `/dev/sd${letter}`);
    const devices = [...letters, '/dev/xvdba'];
    for (const device of devices) await attach(await make({ Size: 1 }), id, device);
    await assert.rejects(attach(await make(), id, '/dev/xvdbb'), { code: 'AttachmentLimitExceeded' });
    // Two interfaces and two disks of its host leave 24, as the page has it.
    const host = await launchIn(ZONE, {
      InstanceType: 'm5d.4xlarge',
      NetworkInterfaces: [{ DeviceIndex: 0 }, { DeviceIndex: 1 }],
      BlockDeviceMappings: letters.slice(0, 23).map((DeviceName) => ({ DeviceName, Ebs: { VolumeSize: 1 } })),
    });
    await assert.rejects(attach(await make(), host, '/dev/sdz'), { code: 'AttachmentLimitExceeded' });
  });
});

describe('the root volume', () => {
  test('is taken from a stopped instance, mended in another, and put back', async () => {
    const world = await volumeWorld();
    const { call, idle, drivers, launchIn, attach, rootOf, volumeState } = world;
    const [ill, well] = [await launchIn(), await launchIn()];
    const rootId = await rootOf(ill);
    await call('StopInstances', { InstanceIds: [ill] });
    await idle();
    await call('DetachVolume', { VolumeId: rootId });
    await idle();
    assert.equal(await volumeState(rootId), 'available');
    await assert.rejects(call('StartInstances', { InstanceIds: [ill] }), { code: 'InvalidParameterValue' });
    await attach(rootId, well, '/dev/sdf');
    assert.equal(drivers.compute.spec(well)?.volumes?.[1]?.role, 'data');
    await call('DetachVolume', { VolumeId: rootId });
    await idle();
    const answer = await attach(rootId, ill, '/dev/xvda');
    assert.equal(answer.DeleteOnTermination, false);
    await call('StartInstances', { InstanceIds: [ill] });
    await idle();
    assert.equal(await world.state(ill), 'running');
    assert.deepEqual(drivers.compute.spec(ill)?.volumes, [
      { volumeId: rootId, device: '/dev/xvda', role: 'root' },
    ]);
    const blank = await world.make();
    await call('StopInstances', { InstanceIds: [ill] });
    await idle();
    await call('DetachVolume', { VolumeId: rootId });
    await idle();
    await assert.rejects(attach(blank, ill, '/dev/xvda'), { code: 'UnsupportedOperation' });
    assert.deepEqual(world.errors, []);
  });

  test('that cannot be made ends a launch, and says why', async () => {
    const { drivers, call, advance, state, describe: shown } = await volumeWorld();
    const ensure = drivers.volumes.ensure.bind(drivers.volumes);
    drivers.volumes.ensure = async () => {
      throw new Error('no space left on device');
    };
    const { Instances } = await call('RunInstances', {
      ImageId: (await call('DescribeImages')).Images[0].ImageId,
      InstanceType: 't3.micro',
      MinCount: 1,
      MaxCount: 1,
    });
    const id = Instances[0].InstanceId;
    await advance(minutes(2));
    drivers.volumes.ensure = ensure;
    assert.equal(await state(id), 'terminated');
    assert.match((await shown(id)).StateReason?.Message ?? '', /no space left on device/);
    assert.deepEqual(await drivers.compute.list(), []);
    assert.deepEqual((await call('DescribeVolumes')).Volumes, []);
  });
});

describe('a modification', () => {
  test('makes a volume larger while it is used, and goes from modifying over optimizing to completed', async () => {
    const { call, idle, advance, drivers, make, launchIn, attach, volume } = await volumeWorld();
    const [id, volumeId] = [await launchIn(), await make({ Size: 10 })];
    await attach(volumeId, id);
    const { VolumeModification } = await call('ModifyVolume', {
      VolumeId: volumeId,
      Size: 20,
      VolumeType: 'gp3',
      Iops: 4000,
    });
    assert.deepEqual(
      [VolumeModification.ModificationState, VolumeModification.OriginalSize, VolumeModification.TargetSize],
      ['modifying', 10, 20],
    );
    assert.deepEqual([VolumeModification.OriginalIops, VolumeModification.TargetIops], [100, 4000]);
    await assert.rejects(call('ModifyVolume', { VolumeId: volumeId, Size: 30 }), {
      code: 'IncorrectModificationState',
    });
    await idle();
    const state = async () =>
      (await call('DescribeVolumesModifications', { VolumeIds: [volumeId] })).VolumesModifications[0];
    assert.equal((await state()).ModificationState, 'optimizing');
    const grown = (await drivers.volumes.list()).find((one) => one.id === volumeId);
    assert.equal(grown?.sizeBytes, 20 * GIB);
    await advance(2_000);
    assert.equal((await state()).ModificationState, 'completed');
    assert.equal((await state()).Progress, 100);
    const shown = await volume(volumeId);
    assert.deepEqual([shown.Size, shown.VolumeType, shown.Iops], [20, 'gp3', 4000]);
    await assert.rejects(call('ModifyVolume', { VolumeId: volumeId, Size: 19 }), {
      code: 'InvalidParameterValue',
    });
    for (const Size of [21, 22, 23]) {
      await call('ModifyVolume', { VolumeId: volumeId, Size });
      await advance(2_000);
    }
    await assert.rejects(call('ModifyVolume', { VolumeId: volumeId, Size: 24 }), {
      code: 'VolumeModificationRateExceeded',
    });
    await advance(minutes(24 * 60));
    await call('ModifyVolume', { VolumeId: volumeId, Size: 24 });
  });

  test('is described only of volumes that were modified', async () => {
    const { call, make } = await volumeWorld();
    const volumeId = await make();
    assert.deepEqual((await call('DescribeVolumesModifications')).VolumesModifications, []);
    await assert.rejects(call('DescribeVolumesModifications', { VolumeIds: [volumeId] }), {
      code: 'InvalidVolumeModification.NotFound',
    });
  });
});

describe('the end of an instance', () => {
  test('takes the volumes that are to go with it, and leaves the others', async () => {
    const { call, idle, drivers, make, launchIn, attach, describe: shown, volumeState } = await volumeWorld();
    const id = await launchIn(ZONE, {
      BlockDeviceMappings: [
        { DeviceName: '/dev/sdb', Ebs: { VolumeSize: 5, DeleteOnTermination: true } },
        { DeviceName: '/dev/sdc', Ebs: { VolumeSize: 6, VolumeType: 'gp3' } },
        { DeviceName: '/dev/sdd', VirtualName: 'ephemeral0' },
      ],
    });
    const extra = await make();
    await attach(extra, id);
    const ids = new Map(
      (await shown(id)).BlockDeviceMappings?.map(({ DeviceName, Ebs }) => [DeviceName, Ebs?.VolumeId ?? '']),
    );
    assert.deepEqual([...ids.keys()], ['/dev/xvda', '/dev/sdb', '/dev/sdc', '/dev/sdf']);
    await call('TerminateInstances', { InstanceIds: [id] });
    await idle();
    const kept = [ids.get('/dev/sdc') ?? '', extra];
    assert.deepEqual((await drivers.volumes.list()).map((one) => one.id).toSorted(), kept.toSorted());
    for (const volumeId of kept) assert.equal(await volumeState(volumeId), 'available');
  });
});

test('a volume is described by its status and its attribute', async () => {
  const { call, make, launchIn, attach } = await volumeWorld();
  const [id, volumeId] = [await launchIn(), await make()];
  await attach(volumeId, id);
  const { VolumeStatuses } = await call('DescribeVolumeStatus', { VolumeIds: [volumeId] });
  assert.equal(VolumeStatuses[0].VolumeStatus.Status, 'ok');
  assert.equal(VolumeStatuses[0].AttachmentStatuses[0].InstanceId, id);
  const attribute = { VolumeId: volumeId, Attribute: 'autoEnableIO' };
  assert.deepEqual((await call('DescribeVolumeAttribute', attribute)).AutoEnableIO, { Value: false });
  await call('ModifyVolumeAttribute', { VolumeId: volumeId, AutoEnableIO: { Value: true } });
  assert.deepEqual((await call('DescribeVolumeAttribute', attribute)).AutoEnableIO, { Value: true });
});

test('whether a volume goes with its instance can be said later', async () => {
  const { call, idle, make, launchIn, attach, rootOf, volumeState } = await volumeWorld();
  const [id, volumeId] = [await launchIn(), await make()];
  const rootId = await rootOf(id);
  await attach(volumeId, id);
  const change = (DeviceName: string, DeleteOnTermination: boolean) =>
    call('ModifyInstanceAttribute', {
      InstanceId: id,
      BlockDeviceMappings: [{ DeviceName, Ebs: { DeleteOnTermination } }],
    });
  await change('/dev/xvda', false);
  await change('/dev/sdf', true);
  await assert.rejects(change('/dev/sdz', true), { code: 'InvalidInstanceAttributeValue' });
  const attribute = { InstanceId: id, Attribute: 'blockDeviceMapping' };
  const { BlockDeviceMappings } = await call('DescribeInstanceAttribute', attribute);
  assert.deepEqual(
    BlockDeviceMappings.map(({ Ebs }: ec2.InstanceBlockDeviceMapping) => Ebs?.DeleteOnTermination),
    [false, true],
  );
  await call('TerminateInstances', { InstanceIds: [id] });
  await idle();
  assert.equal(await volumeState(rootId), 'available');
  await assert.rejects(volumeState(volumeId), { code: 'InvalidVolume.NotFound' });
});

test('what is not there of EBS is said, and turned on by nobody', async () => {
  const { call, make } = await volumeWorld();
  assert.equal((await call('GetEbsEncryptionByDefault')).EbsEncryptionByDefault, false);
  assert.equal((await call('DisableEbsEncryptionByDefault')).EbsEncryptionByDefault, false);
  assert.equal((await call('GetEbsDefaultKmsKeyId')).KmsKeyId, 'alias/aws/ebs');
  await assert.rejects(call('EnableEbsEncryptionByDefault'), { code: 'UnsupportedOperation' });
  assert.deepEqual((await call('DescribeFastSnapshotRestores')).FastSnapshotRestores, []);
  const { SnapshotId } = await call('CreateSnapshot', { VolumeId: await make() });
  const restores = { AvailabilityZones: [ZONE], SourceSnapshotIds: [SnapshotId] };
  await assert.rejects(call('EnableFastSnapshotRestores', restores), { code: 'UnsupportedOperation' });
});
