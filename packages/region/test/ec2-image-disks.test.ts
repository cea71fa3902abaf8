import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type * as ec2 from '@aws-sdk/client-ec2';
import { seededRandom } from '../src/clock.ts';
import { silentLog } from '../src/log.ts';
import { images } from '../src/services/ec2/image/image.ts';
import { imageLoop } from '../src/services/ec2/image/loop.ts';
import { snapshotLoop } from '../src/services/ec2/snapshot/loop.ts';
import { snapshots } from '../src/services/ec2/snapshot/snapshot.ts';
import { ec2World, REGION } from './ec2-world.ts';

async function imageWorld() {
  const world = await ec2World();
  const { call, drivers } = world;
  const disks = async (id: string): Promise<Map<string, string>> =>
    new Map(
      (await world.describe(id)).BlockDeviceMappings?.map(({ DeviceName = '', Ebs }) => [
        DeviceName,
        Ebs?.VolumeId ?? '',
      ]),
    );
  const contents = async (id: string): Promise<(string | undefined)[]> =>
    [...(await disks(id)).values()].map((volumeId) => drivers.volumes.read(volumeId));
  /** An instance with something on its root and on a data volume. */
  const source = async (): Promise<string> => {
    const id = await world.launchOne({
      BlockDeviceMappings: [
        { DeviceName: '/dev/sdb', Ebs: { VolumeSize: 5, VolumeType: 'gp3', DeleteOnTermination: true } },
      ],
    });
    const found = await disks(id);
    drivers.volumes.write(found.get('/dev/xvda') ?? '', 'root of it');
    drivers.volumes.write(found.get('/dev/sdb') ?? '', 'data of it');
    return id;
  };
  const image = async (id: string, region = REGION): Promise<ec2.Image> =>
    (await call('DescribeImages', { ImageIds: [id] }, region)).Images[0];
  const make = async (input: Partial<ec2.CreateImageRequest>): Promise<string> => {
    const { ImageId } = await call('CreateImage', { Name: 'golden', NoReboot: true, ...input });
    await world.idle();
    return ImageId;
  };
  return { ...world, disks, contents, source, image, make };
}

const mapped = ({ BlockDeviceMappings }: ec2.Image) =>
  BlockDeviceMappings?.map(({ DeviceName, Ebs }) => [
    DeviceName,
    Ebs?.VolumeSize,
    Ebs?.VolumeType,
    Ebs?.DeleteOnTermination,
  ]);

describe('an image with data volumes', () => {
  test('holds all that its instance had, of the moment of the call', async () => {
    const { call, idle, drivers, source, disks, contents, image, launchOne, errors } = await imageWorld();
    const id = await source();
    const { ImageId } = await call('CreateImage', { InstanceId: id, Name: 'golden', NoReboot: true });
    drivers.volumes.write((await disks(id)).get('/dev/sdb') ?? '', 'written later');
    await idle();
    assert.deepEqual(mapped(await image(ImageId)), [
      ['/dev/xvda', 8, 'gp3', true],
      ['/dev/sdb', 5, 'gp3', true],
    ]);
    const copy = await launchOne({ ImageId });
    assert.deepEqual(await contents(copy), ['root of it', 'data of it']);
    assert.deepEqual(errors, []);
  });

  test('leaves out what it is told to, and gets more', async () => {
    const { source, image, make, launchOne, contents } = await imageWorld();
    const InstanceId = await source();
    const less = await make({ InstanceId, BlockDeviceMappings: [{ DeviceName: '/dev/sdb', NoDevice: '' }] });
    assert.deepEqual(mapped(await image(less)), [['/dev/xvda', 8, 'gp3', true]]);
    const more = await make({
      InstanceId,
      Name: 'more',
      BlockDeviceMappings: [
        { DeviceName: '/dev/sdb', Ebs: { DeleteOnTermination: false } },
        { DeviceName: '/dev/sdc', Ebs: { VolumeSize: 3 } },
        { DeviceName: '/dev/sdd', VirtualName: 'ephemeral0' },
      ],
    });
    assert.deepEqual(mapped(await image(more)), [
      ['/dev/xvda', 8, 'gp3', true],
      ['/dev/sdb', 5, 'gp3', false],
      ['/dev/sdc', 3, 'gp2', false],
    ]);
    assert.deepEqual(await contents(await launchOne({ ImageId: more })), ['root of it', 'data of it', '']);
    const root = { DeviceName: '/dev/sda1', Ebs: { VolumeSize: 8, DeleteOnTermination: false } };
    const kept = await make({ InstanceId, Name: 'kept', BlockDeviceMappings: [root] });
    assert.deepEqual(mapped(await image(kept))?.[0], ['/dev/xvda', 8, 'gp3', false]);
    assert.equal(mapped(await image(kept))?.length, 2);
    const other = { DeviceName: '/dev/sdb', Ebs: { VolumeSize: 9 } };
    await assert.rejects(make({ InstanceId, Name: 'other', BlockDeviceMappings: [other] }), {
      code: 'InvalidBlockDeviceMapping',
    });
    for (const mapping of [
      { DeviceName: '/dev/sdb', Ebs: { Encrypted: true } },
      { DeviceName: '/dev/sdc', Ebs: { VolumeSize: 1, EbsCardIndex: 1 } },
    ])
      await assert.rejects(make({ InstanceId, Name: 'other', BlockDeviceMappings: [mapping] }), {
        code: 'UnsupportedOperation',
      });
  });

  test('is launched with other mappings than its own', async () => {
    const { source, make, launch, launchOne, disks, call } = await imageWorld();
    const ImageId = await make({ InstanceId: await source() });
    const id = await launchOne({
      ImageId,
      BlockDeviceMappings: [
        { DeviceName: '/dev/sda1', Ebs: { VolumeSize: 20, DeleteOnTermination: false } },
        { DeviceName: '/dev/xvdb', NoDevice: '' },
        { DeviceName: '/dev/sdh', Ebs: { VolumeSize: 4, VolumeType: 'io1', Iops: 100 } },
      ],
    });
    assert.deepEqual([...(await disks(id)).keys()], ['/dev/xvda', '/dev/sdh']);
    const root = (await call('DescribeVolumes', { VolumeIds: [(await disks(id)).get('/dev/xvda')] }))
      .Volumes[0];
    assert.deepEqual(
      [root.Size, root.VolumeType, root.Attachments[0].DeleteOnTermination],
      [20, 'gp3', false],
    );
    const refusals: [ec2.BlockDeviceMapping[], string][] = [
      [[{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 7 } }], 'InvalidBlockDeviceMapping'],
      [[{ DeviceName: '/dev/xvda', NoDevice: '' }], 'InvalidBlockDeviceMapping'],
      [
        [{ DeviceName: '/dev/xvda', Ebs: { VolumeType: 'st1', VolumeSize: 200 } }],
        'InvalidBlockDeviceMapping',
      ],
      [[{ DeviceName: '/dev/sdc', Ebs: {} }], 'MissingParameter'],
      [[{ DeviceName: '/dev/sdc' }], 'MissingParameter'],
      [[{ DeviceName: 'c', Ebs: { VolumeSize: 1 } }], 'InvalidParameterValue'],
      [[{ DeviceName: '/dev/sdc', Ebs: { VolumeSize: 1, Encrypted: true } }], 'UnsupportedOperation'],
      [
        [{ DeviceName: '/dev/sdc', Ebs: { SnapshotId: 'snap-0123456789abcdef0' } }],
        'InvalidSnapshot.NotFound',
      ],
      [
        [
          { DeviceName: '/dev/sdc', Ebs: { VolumeSize: 1 } },
          { DeviceName: '/dev/xvdc', Ebs: { VolumeSize: 1 } },
        ],
        'InvalidBlockDeviceMapping',
      ],
    ];
    for (const [BlockDeviceMappings, code] of refusals)
      await assert.rejects(
        launch({ ImageId, BlockDeviceMappings }),
        { code },
        JSON.stringify(BlockDeviceMappings),
      );
  });

  test('goes with its snapshots when that is asked for, but for those of another image', async () => {
    const { call, idle, source, make, image, drivers } = await imageWorld();
    const ImageId = await make({ InstanceId: await source() });
    const [root, data] = (await image(ImageId)).BlockDeviceMappings?.map(({ Ebs }) => Ebs?.SnapshotId) ?? [];
    const { ImageId: other } = await call('RegisterImage', {
      Name: 'other',
      RootDeviceName: '/dev/xvda',
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: root } }],
    });
    await idle();
    const { DeleteSnapshotResults } = await call('DeregisterImage', {
      ImageId,
      DeleteAssociatedSnapshots: true,
    });
    assert.deepEqual(DeleteSnapshotResults, [
      { SnapshotId: root, ReturnCode: 'skipped' },
      { SnapshotId: data, ReturnCode: 'success' },
    ]);
    await idle();
    assert.deepEqual(
      (await drivers.volumes.listSnapshots()).map(({ id }) => id),
      [root],
    );
    await assert.rejects(call('DeleteSnapshot', { SnapshotId: root }), { code: 'InvalidSnapshot.InUse' });
    await call('DeregisterImage', { ImageId: other });
    await call('DeleteSnapshot', { SnapshotId: root });
    await idle();
    assert.deepEqual(await drivers.volumes.listSnapshots(), []);
  });
});

describe('an image that is registered', () => {
  test('boots what a snapshot of a root volume holds', async () => {
    const { call, idle, source, disks, contents, launchOne, image } = await imageWorld();
    const root = (await disks(await source())).get('/dev/xvda');
    const { SnapshotId } = await call('CreateSnapshot', { VolumeId: root });
    await idle();
    const { ImageId } = await call('RegisterImage', {
      Name: 'restored',
      Architecture: 'x86_64',
      VirtualizationType: 'hvm',
      RootDeviceName: '/dev/sda1',
      ImageLocation: '',
      BlockDeviceMappings: [
        { DeviceName: '/dev/sda1', Ebs: { SnapshotId, VolumeType: 'gp3' } },
        { DeviceName: '/dev/sdb', Ebs: { VolumeSize: 2 } },
      ],
    });
    await idle();
    const registered = await image(ImageId);
    assert.deepEqual([registered.State, registered.RootDeviceName], ['available', '/dev/sda1']);
    const devices = (mappings: ec2.BlockDeviceMapping[] = []) => mappings.map(({ DeviceName }) => DeviceName);
    assert.deepEqual(devices(registered.BlockDeviceMappings), ['/dev/sda1', '/dev/sdb']);
    const InstanceId = await launchOne({
      ImageId,
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 9 } }],
    });
    assert.deepEqual(await contents(InstanceId), ['root of it', '']);
    const { Reservations } = await call('DescribeInstances', {
      Filters: [{ Name: 'root-device-name', Values: ['/dev/sda1'] }],
    });
    const shown = Reservations[0].Instances[0];
    assert.deepEqual([shown.InstanceId, shown.RootDeviceName], [InstanceId, '/dev/sda1']);
    assert.deepEqual(devices(shown.BlockDeviceMappings), ['/dev/sda1', '/dev/sdb']);
  });

  test('is shown as it was registered, and so is its copy', async () => {
    const { call, idle, source, disks, image } = await imageWorld();
    const { SnapshotId } = await call('CreateSnapshot', {
      VolumeId: (await disks(await source())).get('/dev/xvda'),
    });
    await idle();
    const register = async (Name: string, input: object): Promise<string> => {
      const { ImageId } = await call('RegisterImage', {
        Name,
        RootDeviceName: '/dev/xvda',
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId } }],
        ...input,
      });
      await idle();
      return ImageId;
    };
    const shown = async (id: string) => {
      const { EnaSupport, SriovNetSupport, BootMode } = await image(id);
      return [EnaSupport, SriovNetSupport, BootMode];
    };
    assert.deepEqual(await shown(await register('bare', {})), [false, undefined, undefined]);
    const asked = { EnaSupport: true, SriovNetSupport: 'simple', BootMode: 'legacy-bios' };
    const ImageId = await register('asked', asked);
    assert.deepEqual(await shown(ImageId), [true, 'simple', 'legacy-bios']);
    const copy = await call('CopyImage', { SourceRegion: REGION, SourceImageId: ImageId, Name: 'copy' });
    assert.deepEqual(await shown(copy.ImageId), [true, 'simple', 'legacy-bios']);
    await assert.rejects(register('uefi', { BootMode: 'uefi' }), { code: 'UnsupportedOperation' });
    const encrypted = [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId, Encrypted: true } }];
    await assert.rejects(register('encrypted', { BlockDeviceMappings: encrypted }), {
      code: 'UnsupportedOperation',
      message: /Encrypted of RegisterImage/,
    });
    await assert.rejects(register('odd', { SriovNetSupport: 'odd' }), { code: 'InvalidParameterValue' });
  });

  test('is refused where nothing could boot', async () => {
    const { call, idle, source, disks } = await imageWorld();
    const data = (await disks(await source())).get('/dev/sdb');
    const { SnapshotId } = await call('CreateSnapshot', { VolumeId: data });
    await idle();
    const register = (input: object) =>
      call('RegisterImage', {
        Name: 'refused',
        RootDeviceName: '/dev/xvda',
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId } }],
        ...input,
      });
    await assert.rejects(register({}), { code: 'UnsupportedOperation' });
    await assert.rejects(register({ RootDeviceName: undefined }), { code: 'MissingParameter' });
    await assert.rejects(register({ BlockDeviceMappings: [] }), { code: 'MissingParameter' });
    await assert.rejects(register({ VirtualizationType: 'paravirtual' }), { code: 'UnsupportedOperation' });
    await assert.rejects(register({ Name: 'x' }), { code: 'InvalidAMIName.Malformed' });
  });
});

describe('a copy', () => {
  test('of an image is available only when all of its snapshots are complete', async () => {
    const { call, clock, drivers, region, source, make, image } = await imageWorld();
    const SourceImageId = await make({ InstanceId: await source() });
    await region.engine.stop();
    const { ImageId } = await call('CopyImage', { SourceRegion: REGION, SourceImageId, Name: 'near' });
    const { store, settings } = region;
    const context = { store, drivers, clock, settings, random: seededRandom(1), log: silentLog };
    const [imaging, copying] = [imageLoop(context), snapshotLoop(context)];
    const key = { kind: images.kind, region: REGION, id: ImageId };
    await imaging.reconcile(key);
    assert.equal((await image(ImageId)).State, 'pending');
    for (const snapshot of store.list(snapshots, REGION)) {
      await copying.reconcile(snapshot);
      assert.deepEqual(
        [...imaging.keysFor(snapshot)].map(({ id }) => id),
        snapshot.spec.volumeId === 'vol-ffffffff' ? [ImageId] : [],
      );
    }
    await imaging.reconcile(key);
    assert.equal((await image(ImageId)).State, 'available');
  });

  test('of an image goes to another region, and lives on without what it was copied from', async () => {
    const { call, idle, source, make, image, imageId, drivers, errors } = await imageWorld();
    const SourceImageId = await make({ InstanceId: await source() });
    const input = { SourceRegion: REGION, SourceImageId, Name: 'far', ClientToken: 'once' };
    const { ImageId } = await call('CopyImage', input, 'eu-west-1');
    assert.equal((await call('CopyImage', input, 'eu-west-1')).ImageId, ImageId);
    await idle();
    const copy = await image(ImageId, 'eu-west-1');
    assert.deepEqual(
      [copy.State, copy.SourceImageId, copy.SourceImageRegion],
      ['available', SourceImageId, REGION],
    );
    await call('DeregisterImage', { ImageId: SourceImageId, DeleteAssociatedSnapshots: true });
    await idle();
    assert.equal((await drivers.volumes.listSnapshots()).length, 2, 'the copy needs the data');
    const run = { ImageId, InstanceType: 't3.micro', MinCount: 1, MaxCount: 1 };
    const { Instances } = await call('RunInstances', run, 'eu-west-1');
    await idle();
    const { Volumes } = await call('DescribeVolumes', {}, 'eu-west-1');
    assert.deepEqual(
      Volumes.map(({ VolumeId }: { VolumeId: string }) => drivers.volumes.read(VolumeId)),
      ['root of it', 'data of it'],
    );
    await call('TerminateInstances', { InstanceIds: [Instances[0].InstanceId] }, 'eu-west-1');
    await call('DeregisterImage', { ImageId, DeleteAssociatedSnapshots: true }, 'eu-west-1');
    await idle();
    assert.deepEqual(await drivers.volumes.listSnapshots(), []);

    const base = await call('CopyImage', {
      SourceRegion: REGION,
      SourceImageId: await imageId(),
      Name: 'own',
    });
    await idle();
    assert.equal((await image(base.ImageId)).State, 'available');
    await call('RunInstances', { ...run, ImageId: base.ImageId });
    await idle();
    assert.deepEqual(errors, []);
    await assert.rejects(call('CopyImage', { ...input, SourceRegion: 'mars-1' }), {
      code: 'InvalidParameterValue',
    });
    await assert.rejects(call('CopyImage', { ...input, Name: 'enc', ClientToken: '', Encrypted: true }), {
      code: 'UnsupportedOperation',
    });
  });

  test('of a snapshot has the same data, as long as either is there', async () => {
    const { call, idle, source, disks, drivers } = await imageWorld();
    const VolumeId = (await disks(await source())).get('/dev/sdb');
    const { SnapshotId } = await call('CreateSnapshot', { VolumeId, Description: 'first' });
    await idle();
    const copied = await call(
      'CopySnapshot',
      { SourceRegion: REGION, SourceSnapshotId: SnapshotId },
      'eu-west-1',
    );
    await idle();
    await call('DeleteSnapshot', { SnapshotId });
    await idle();
    const { Snapshots } = await call('DescribeSnapshots', {}, 'eu-west-1');
    assert.deepEqual(
      [Snapshots[0].State, Snapshots[0].VolumeId, Snapshots[0].Description],
      ['completed', 'vol-ffffffff', ''],
    );
    const volume = { AvailabilityZone: 'eu-west-1a', SnapshotId: copied.SnapshotId };
    const made = await call('CreateVolume', volume, 'eu-west-1');
    await idle();
    assert.equal(drivers.volumes.read(made.VolumeId), 'data of it');
    await call('DeleteSnapshot', { SnapshotId: copied.SnapshotId }, 'eu-west-1');
    await idle();
    assert.deepEqual(await drivers.volumes.listSnapshots(), []);
  });
});

describe('an attribute', () => {
  test('of an image is changed, shown and set back', async () => {
    const { call, source, make, image } = await imageWorld();
    const ImageId = await make({ InstanceId: await source() });
    const shown = async (Attribute: string) => call('DescribeImageAttribute', { ImageId, Attribute });
    await call('ModifyImageAttribute', { ImageId, Description: { Value: 'the golden one' } });
    assert.equal((await shown('description')).Description.Value, 'the golden one');
    await call('ModifyImageAttribute', { ImageId, Attribute: 'description', Value: 'another' });
    assert.equal((await image(ImageId)).Description, 'another');
    const entry = { UserId: '123456789012' };
    await call('ModifyImageAttribute', { ImageId, LaunchPermission: { Add: [entry, { Group: 'all' }] } });
    assert.deepEqual((await shown('launchPermission')).LaunchPermissions, [entry, { Group: 'all' }]);
    assert.equal((await image(ImageId)).Public, true);
    await call('ModifyImageAttribute', {
      ImageId,
      Attribute: 'launchPermission',
      OperationType: 'remove',
      UserGroups: ['all'],
    });
    assert.deepEqual((await shown('launchPermission')).LaunchPermissions, [entry]);
    await call('ResetImageAttribute', { ImageId, Attribute: 'launchPermission' });
    assert.deepEqual((await shown('launchPermission')).LaunchPermissions, []);
    assert.equal((await shown('blockDeviceMapping')).BlockDeviceMappings.length, 2);
    await assert.rejects(call('ModifyImageAttribute', { ImageId }), { code: 'MissingParameter' });
  });

  test('of a snapshot is changed, shown and set back', async () => {
    const { call, source, disks } = await imageWorld();
    const VolumeId = (await disks(await source())).get('/dev/sdb');
    const { SnapshotId } = await call('CreateSnapshot', { VolumeId });
    const Attribute = 'createVolumePermission';
    const shown = async () =>
      (await call('DescribeSnapshotAttribute', { SnapshotId, Attribute })).CreateVolumePermissions;
    await call('ModifySnapshotAttribute', {
      SnapshotId,
      Attribute,
      OperationType: 'add',
      UserIds: ['123456789012'],
    });
    assert.deepEqual(await shown(), [{ UserId: '123456789012' }]);
    await call('ResetSnapshotAttribute', { SnapshotId, Attribute });
    assert.deepEqual(await shown(), []);
  });
});
