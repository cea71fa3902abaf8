import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../src/clock.ts';
import { launchInstances } from '../src/services/ec2/compute.ts';
import { planChecks } from '../src/services/ec2/instance/plan-checks.ts';
import { chooseHost, chooseZone, zonesWithCapacity } from '../src/services/ec2/placement.ts';
import { ec2World, REGION } from './ec2-world.ts';

describe('placement', () => {
  const hosts = [
    { id: 'a-h1', zone: 'a', failed: false },
    { id: 'a-h2', zone: 'a', failed: true },
    { id: 'b-h1', zone: 'b', failed: true },
  ];
  test('takes the emptiest host that is well, and none when all have failed', () => {
    const instances = [{ zone: 'a', hostId: 'a-h1' }];
    assert.equal(chooseHost(hosts, instances)?.id, 'a-h1');
    assert.equal(chooseHost(hosts.slice(1), instances), undefined);
    assert.deepEqual(zonesWithCapacity(hosts), ['a']);
    assert.equal(chooseZone(['a', 'b'], instances), 'b');
    assert.equal(chooseZone([], instances), undefined);
  });
});

describe('a status check', () => {
  const view = { reachable: false, hostIsWell: true, bootedAt: 0 };
  test('waits two minutes for a boot before it fails', () => {
    const checks = { system: 'initializing', instance: 'initializing' } as const;
    const early = planChecks({ ...view, checks, now: 119_000 });
    assert.equal(early.checks.instance, 'initializing');
    assert(early.requeueAfterMs <= 1_000);
    const late = planChecks({ ...view, checks, now: 120_000 });
    assert.deepEqual(late.checks, { system: 'ok', instance: 'impaired', instanceImpairedSince: 120_000 });
    const later = planChecks({ ...view, checks: late.checks, now: 180_000 });
    assert.equal(later.checks.instanceImpairedSince, 120_000);
    assert.deepEqual(planChecks({ ...view, reachable: true, checks: later.checks, now: 240_000 }).checks, {
      system: 'ok',
      instance: 'ok',
    });
  });
});

describe('DescribeInstances', () => {
  test('filters by what is around an instance, and gives pages', async () => {
    const { call, launch } = await ec2World();
    const [first] = await launch({ MinCount: 7, MaxCount: 7 });
    await launch({
      InstanceType: 'm5.large',
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Name', Value: 'big' }] }],
    });
    const count = async (Name: string, ...Values: string[]) => {
      const { Reservations } = await call('DescribeInstances', { Filters: [{ Name, Values }] });
      return Reservations.flatMap((one: { Instances: unknown[] }) => one.Instances).length;
    };
    assert.equal(await count('instance-state-code', '16'), 8);
    assert.equal(await count('instance-state-name', 'stopped'), 0);
    assert.equal(await count('tag:Name', 'b*'), 1);
    assert.equal(await count('instance-type', 'm5.*'), 1);
    assert.equal(await count('instance.group-name', 'default'), 8);
    assert.equal(await count('private-ip-address', first?.PrivateIpAddress ?? ''), 1);
    assert.equal(await count('launch-index', '6'), 1);
    await assert.rejects(count('colour', 'red'), { code: 'InvalidParameterValue' });
    const seen: string[] = [];
    for (let NextToken: string | undefined, more = true; more; more = NextToken !== undefined) {
      const page = await call('DescribeInstances', { MaxResults: 5, NextToken });
      for (const { Instances } of page.Reservations)
        seen.push(...Instances.map((one: { InstanceId: string }) => one.InstanceId));
      NextToken = page.NextToken;
    }
    assert.equal(new Set(seen).size, 8);
    assert.equal(seen.length, 8);
    await assert.rejects(call('DescribeInstances', { MaxResults: 5, InstanceIds: [first?.InstanceId] }), {
      code: 'InvalidParameterCombination',
    });
  });
});

describe('attributes', () => {
  test('that are fixed at boot change only while the instance is stopped', async () => {
    const { call, drivers, launchOne, idle, describe } = await ec2World();
    const id = await launchOne();
    const type = { InstanceId: id, InstanceType: { Value: 'm5.large' } };
    await assert.rejects(call('ModifyInstanceAttribute', type), { code: 'IncorrectInstanceState' });
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    await call('ModifyInstanceAttribute', type);
    const UserData = { Value: Buffer.from('#!/bin/sh') };
    await call('ModifyInstanceAttribute', { InstanceId: id, UserData });
    await call('StartInstances', { InstanceIds: [id] });
    await idle();
    assert.equal((await describe(id)).InstanceType, 'm5.large');
    assert.equal(drivers.compute.spec(id)?.memoryBytes, 8 * 2 ** 30);
    const read = await call('DescribeInstanceAttribute', { InstanceId: id, Attribute: 'userData' });
    assert.equal(Buffer.from(read.UserData.Value, 'base64').toString(), '#!/bin/sh');
  });

  test('security groups reach the network, metadata options the edge', async () => {
    const { call, drivers, launchOne, idle, describe } = await ec2World();
    const id = await launchOne();
    const { VpcId, PrivateIpAddress, NetworkInterfaces } = await describe(id);
    const { GroupId } = await call('CreateSecurityGroup', { GroupName: 'web', Description: 'web', VpcId });
    await call('ModifyInstanceAttribute', { InstanceId: id, Groups: [GroupId] });
    await call('ModifyInstanceMetadataOptions', {
      InstanceId: id,
      HttpTokens: 'required',
      InstanceMetadataTags: 'enabled',
    });
    await call('CreateTags', { Resources: [id], Tags: [{ Key: 'Name', Value: 'web' }] });
    await idle();
    const attached = drivers.network
      .topology(VpcId ?? '')
      ?.interfaces.find((one) => one.interfaceId === NetworkInterfaces?.[0]?.NetworkInterfaceId);
    assert.deepEqual(attached?.securityGroupIds, [GroupId]);
    const record = drivers.edge.records.get(`instance/${id}/metadata/${PrivateIpAddress}`);
    assert(record?.kind === 'metadata');
    assert.equal(record.metadata.options.tokens, 'required');
    assert.deepEqual(record.metadata.securityGroups, ['web']);
    assert.deepEqual(record.metadata.tags, { Name: 'web' });
  });
});

describe('what EC2 says of itself', () => {
  test('console output, monitoring, types and where they are offered', async () => {
    const { call, launchOne, describe } = await ec2World();
    const id = await launchOne();
    const { Output, Timestamp } = await call('GetConsoleOutput', { InstanceId: id });
    assert.match(Buffer.from(Output, 'base64').toString(), /login: boot 1/);
    assert(Timestamp instanceof Date);
    await call('MonitorInstances', { InstanceIds: [id] });
    assert.equal((await describe(id)).Monitoring?.State, 'enabled');
    await call('UnmonitorInstances', { InstanceIds: [id] });
    const { InstanceTypes } = await call('DescribeInstanceTypes', {
      InstanceTypes: ['t3.micro', 'r5.xlarge'],
    });
    assert.deepEqual(
      InstanceTypes.map((type: { InstanceType: string; MemoryInfo: object }) => [
        type.InstanceType,
        type.MemoryInfo,
      ]),
      [
        ['r5.xlarge', { SizeInMiB: 32_768 }],
        ['t3.micro', { SizeInMiB: 1_024 }],
      ],
    );
    const { InstanceTypeOfferings } = await call('DescribeInstanceTypeOfferings', {
      LocationType: 'availability-zone',
      Filters: [{ Name: 'instance-type', Values: ['t3.micro'] }],
    });
    assert.equal(InstanceTypeOfferings.length, 4);
    await assert.rejects(call('DescribeInstanceTypes', { InstanceTypes: ['x9.huge'] }), {
      code: 'InvalidInstanceType',
    });
  });
});

describe('a launch by a service of the region', () => {
  test('puts the interface of a template into its own subnet, and sets tags that users cannot', async () => {
    const { call, describe, idle, imageId, region } = await ec2World();
    const ImageId = await imageId();
    await call('CreateLaunchTemplate', {
      LaunchTemplateName: 'web',
      LaunchTemplateData: {
        ImageId,
        InstanceType: 't3.micro',
        NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: false }],
      },
    });
    const { Subnets } = await call('DescribeSubnets', {
      Filters: [{ Name: 'availability-zone', Values: ['us-west-2c'] }],
    });
    const [instance] = region.store.transaction((tx) =>
      launchInstances(
        {
          tx,
          region: REGION,
          now: 0,
          random: seededRandom(3),
          settings: region.settings,
        },
        {
          LaunchTemplate: { LaunchTemplateName: 'web' },
          MinCount: 1,
          MaxCount: 1,
          subnet: Subnets[0].SubnetId,
          reservedTags: { 'aws:autoscaling:groupName': 'web' },
        },
      ),
    );
    await idle();
    const shown = await describe(instance?.id ?? '');
    assert.equal(shown.SubnetId, Subnets[0].SubnetId);
    assert.equal(shown.PublicIpAddress, undefined);
    assert(shown.Tags?.some((tag) => tag.Key === 'aws:autoscaling:groupName' && tag.Value === 'web'));
    await assert.rejects(
      call('RunInstances', {
        LaunchTemplate: { LaunchTemplateName: 'web' },
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'aws:mine', Value: 'x' }] }],
      }),
      { code: 'InvalidParameterValue' },
    );
  });
});

describe('the smaller readers', () => {
  test('of credits, images and snapshots', async () => {
    const { call, imageId, launch, idle } = await ec2World();
    const [small] = await launch({ InstanceType: 't2.micro' });
    await launch({ InstanceType: 'm5.large' });
    await assert.rejects(launch({ CreditSpecification: { CpuCredits: 'standard' } }), {
      code: 'UnsupportedOperation',
    });
    const { InstanceCreditSpecifications } = await call('DescribeInstanceCreditSpecifications');
    assert.deepEqual(InstanceCreditSpecifications, [
      { InstanceId: small?.InstanceId, CpuCredits: 'standard' },
    ]);
    const ImageId = await imageId();
    const permission = await call('DescribeImageAttribute', { ImageId, Attribute: 'launchPermission' });
    assert.deepEqual(permission.LaunchPermissions, [{ Group: 'all' }]);
    await call('CreateImage', { InstanceId: small?.InstanceId, Name: 'golden' });
    await idle();
    const [snapshot] = (await call('DescribeSnapshots')).Snapshots;
    const attribute = await call('DescribeSnapshotAttribute', {
      SnapshotId: snapshot.SnapshotId,
      Attribute: 'createVolumePermission',
    });
    assert.deepEqual(attribute, { SnapshotId: snapshot.SnapshotId, CreateVolumePermissions: [] });
  });
});
