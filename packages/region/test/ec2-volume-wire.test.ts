/** Disks as the stock SDK sees them: over HTTP, through the wire's models and back. */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import * as autoscaling from '@aws-sdk/client-auto-scaling';
import * as ec2 from '@aws-sdk/client-ec2';
import { servedWorld } from './served-world.ts';

const ZONE = 'us-west-2a';
const world = await servedWorld();
const client = new ec2.EC2Client(world.settings);
const groups = new autoscaling.AutoScalingClient(world.settings);

after(async () => {
  client.destroy();
  groups.destroy();
  await world[Symbol.asyncDispose]();
});

const waiting = () => ({ client, minDelay: 1, maxDelay: 1, maxWaitTime: 5 });

const mappings = (instance: ec2.Instance | undefined) =>
  instance?.BlockDeviceMappings?.map(({ DeviceName, Ebs }) => [
    DeviceName,
    Ebs?.Status,
    Ebs?.DeleteOnTermination,
  ]);

async function launch(input: Partial<ec2.RunInstancesCommandInput> = {}): Promise<string> {
  const { Instances } = await client.send(
    new ec2.RunInstancesCommand({
      ImageId: await world.imageId(),
      InstanceType: 't3.micro',
      MinCount: 1,
      MaxCount: 1,
      Placement: { AvailabilityZone: ZONE },
      ...input,
    }),
  );
  await world.idle();
  return Instances?.[0]?.InstanceId ?? '';
}

it('makes a volume, attaches it, takes a snapshot of it, and is told what is wrong', async () => {
  const InstanceId = await launch({
    BlockDeviceMappings: [{ DeviceName: '/dev/sdb', Ebs: { VolumeSize: 2, VolumeType: 'gp3', Iops: 3000 } }],
  });
  const { VolumeId, CreateTime, State } = await client.send(
    new ec2.CreateVolumeCommand({ AvailabilityZone: ZONE, Size: 1, VolumeType: 'gp3', Throughput: 200 }),
  );
  assert.equal(State, 'creating');
  assert.ok(CreateTime instanceof Date);
  await world.idle();
  await ec2.waitUntilVolumeAvailable(waiting(), { VolumeIds: [VolumeId ?? ''] });
  const attached = await client.send(
    new ec2.AttachVolumeCommand({ VolumeId, InstanceId, Device: '/dev/sdf' }),
  );
  assert.ok(attached.AttachTime instanceof Date);
  await world.idle();
  await ec2.waitUntilVolumeInUse(waiting(), { VolumeIds: [VolumeId ?? ''] });
  const { Reservations } = await client.send(new ec2.DescribeInstancesCommand({ InstanceIds: [InstanceId] }));
  assert.deepEqual(mappings(Reservations?.[0]?.Instances?.[0]), [
    ['/dev/xvda', 'attached', true],
    ['/dev/sdb', 'attached', false],
    ['/dev/sdf', 'attached', false],
  ]);
  const { SnapshotId } = await client.send(new ec2.CreateSnapshotCommand({ VolumeId }));
  await world.idle();
  await ec2.waitUntilSnapshotCompleted(waiting(), { SnapshotIds: [SnapshotId ?? ''] });
  const { VolumeModification } = await client.send(new ec2.ModifyVolumeCommand({ VolumeId, Size: 4 }));
  assert.equal(VolumeModification?.TargetThroughput, 200);
  await assert.rejects(client.send(new ec2.DeleteVolumeCommand({ VolumeId })), { name: 'VolumeInUse' });
  await client.send(new ec2.DetachVolumeCommand({ VolumeId }));
  await world.idle();
  await client.send(new ec2.DeleteVolumeCommand({ VolumeId }));
  await world.idle();
  await ec2.waitUntilVolumeDeleted(waiting(), { VolumeIds: [VolumeId ?? ''] });
});

it('makes an image with two volumes, and reads its mappings', async () => {
  const InstanceId = await launch({
    BlockDeviceMappings: [{ DeviceName: '/dev/sdb', Ebs: { VolumeSize: 2, DeleteOnTermination: true } }],
  });
  const { ImageId } = await client.send(new ec2.CreateImageCommand({ InstanceId, Name: 'over the wire' }));
  await world.idle();
  await ec2.waitUntilImageAvailable(waiting(), { ImageIds: [ImageId ?? ''] });
  const { Images } = await client.send(new ec2.DescribeImagesCommand({ ImageIds: [ImageId ?? ''] }));
  assert.deepEqual(
    Images?.[0]?.BlockDeviceMappings?.map(({ DeviceName, Ebs }) => [DeviceName, Ebs?.VolumeSize]),
    [
      ['/dev/xvda', 8],
      ['/dev/sdb', 2],
    ],
  );
  const { DeleteSnapshotResults } = await client.send(
    new ec2.DeregisterImageCommand({ ImageId, DeleteAssociatedSnapshots: true }),
  );
  assert.deepEqual(
    DeleteSnapshotResults?.map(({ ReturnCode }) => ReturnCode),
    ['success', 'success'],
  );
});

it('launches what a launch configuration and a launch template map', async () => {
  const device = { DeviceName: '/dev/sdb', Ebs: { VolumeSize: 3, DeleteOnTermination: true } };
  await groups.send(
    new autoscaling.CreateLaunchConfigurationCommand({
      LaunchConfigurationName: 'with-disks',
      ImageId: await world.imageId(),
      InstanceType: 't3.micro',
      BlockDeviceMappings: [device, { DeviceName: '/dev/sdc', NoDevice: true }],
    }),
  );
  const { LaunchConfigurations } = await groups.send(new autoscaling.DescribeLaunchConfigurationsCommand({}));
  assert.deepEqual(LaunchConfigurations?.[0]?.BlockDeviceMappings?.[1], {
    DeviceName: '/dev/sdc',
    NoDevice: true,
  });
  const group = { MinSize: 1, MaxSize: 1, AvailabilityZones: [ZONE] };
  await groups.send(
    new autoscaling.CreateAutoScalingGroupCommand({
      AutoScalingGroupName: 'of-configuration',
      LaunchConfigurationName: 'with-disks',
      ...group,
    }),
  );
  await client.send(
    new ec2.CreateLaunchTemplateCommand({
      LaunchTemplateName: 'with-disks',
      LaunchTemplateData: {
        ImageId: await world.imageId(),
        InstanceType: 't3.micro',
        BlockDeviceMappings: [device],
      },
    }),
  );
  await groups.send(
    new autoscaling.CreateAutoScalingGroupCommand({
      AutoScalingGroupName: 'of-template',
      LaunchTemplate: { LaunchTemplateName: 'with-disks' },
      ...group,
    }),
  );
  await world.idle();
  for (const name of ['of-configuration', 'of-template']) {
    const { Reservations } = await client.send(
      new ec2.DescribeInstancesCommand({
        Filters: [
          { Name: 'tag:aws:autoscaling:groupName', Values: [name] },
          { Name: 'block-device-mapping.device-name', Values: ['/dev/sdb'] },
        ],
      }),
    );
    assert.deepEqual(mappings(Reservations?.[0]?.Instances?.[0])?.[1], ['/dev/sdb', 'attached', true], name);
  }
  assert.deepEqual(world.errors, []);
});
