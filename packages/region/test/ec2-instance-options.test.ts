/** What an instance is told at its launch and later on, and what is read of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { code, faultWorld } from './ec2-fault-world.ts';
import { ec2World } from './ec2-world.ts';

async function oneInstance(input: object = {}) {
  const world = await ec2World();
  const id = await world.launchOne(input);
  const stop = async (): Promise<void> => {
    await world.call('StopInstances', { InstanceIds: [id] });
    await world.idle();
  };
  const modify = (change: object): Promise<unknown> =>
    world.call('ModifyInstanceAttribute', { InstanceId: id, ...change });
  // biome-ignore lint/suspicious/noExplicitAny: each attribute has its own shape.
  const attribute = (Attribute: string): Promise<any> =>
    world.call('DescribeInstanceAttribute', { InstanceId: id, Attribute });
  return { ...world, id, stop, modify, attribute };
}

describe('attributes of an instance', () => {
  it('protect it from being stopped, and so from being terminated', async () => {
    const { call, id, modify, attribute, stop, state, launch } = await oneInstance({ DisableApiStop: true });
    assert.deepEqual((await attribute('disableApiStop')).DisableApiStop, { Value: true });
    assert.deepEqual((await attribute('disableApiTermination')).DisableApiTermination, { Value: false });
    const [other] = await launch();
    const both = { InstanceIds: [other?.InstanceId, id] };
    for (const [operation, what] of [
      ['StopInstances', 'stopped'],
      ['TerminateInstances', 'terminated'],
    ] as const) {
      await assert.rejects(
        call(operation, both),
        code('OperationNotPermitted', new RegExp(`'i-\\w+' may not be ${what}. Modify its 'disableApiStop'`)),
      );
    }
    assert.equal(await state(other?.InstanceId ?? ''), 'running', 'all or none');
    await call('RebootInstances', { InstanceIds: [id] });
    await modify({ DisableApiStop: { Value: false } });
    await stop();
    assert.equal(await state(id), 'stopped');
    await modify({ Attribute: 'disableApiStop', Value: 'true' });
    assert.deepEqual((await attribute('disableApiStop')).DisableApiStop, { Value: true });
  });

  it('say whether it was asked to be optimized for EBS, which some types cannot be', async () => {
    const {
      describe: described,
      id,
      modify,
      attribute,
      stop,
      launch,
      call,
    } = await oneInstance({
      InstanceType: 'm5.large',
      EbsOptimized: true,
    });
    assert.equal((await described(id)).EbsOptimized, true);
    await assert.rejects(modify({ EbsOptimized: { Value: false } }), code('IncorrectInstanceState'));
    await stop();
    await assert.rejects(
      modify({ InstanceType: { Value: 't2.micro' } }),
      code('Unsupported', /EBS-optimized instances are not supported/),
    );
    await modify({ EbsOptimized: { Value: false } });
    await modify({ InstanceType: { Value: 't2.micro' } });
    assert.deepEqual((await attribute('ebsOptimized')).EbsOptimized, { Value: false });
    await assert.rejects(modify({ EbsOptimized: { Value: true } }), code('Unsupported'));
    await assert.rejects(launch({ InstanceType: 't2.micro', EbsOptimized: true }), code('Unsupported'));
    const Filters = [{ Name: 'ebs-optimized', Values: ['false'] }];
    assert.equal((await call('DescribeInstances', { Filters })).Reservations.length, 1);
  });

  it('set its source and destination check back', async () => {
    const { call, id, modify, attribute } = await oneInstance();
    await modify({ SourceDestCheck: { Value: false } });
    assert.deepEqual((await attribute('sourceDestCheck')).SourceDestCheck, { Value: false });
    await call('ResetInstanceAttribute', { InstanceId: id, Attribute: 'sourceDestCheck' });
    assert.deepEqual((await attribute('sourceDestCheck')).SourceDestCheck, { Value: true });
    const refusals: [string, string][] = [
      ['kernel', 'UnsupportedOperation'],
      ['instanceType', 'InvalidParameterValue'],
    ];
    for (const [Attribute, expected] of refusals) {
      await assert.rejects(
        call('ResetInstanceAttribute', { InstanceId: id, Attribute }),
        code(expected),
        Attribute,
      );
    }
  });

  it('are refused by name where nothing here could keep them', async () => {
    const { modify, attribute, stop } = await oneInstance();
    await stop();
    const refusals: [object, string, RegExp][] = [
      [{ Kernel: { Value: 'aki-1' } }, 'UnsupportedOperation', /Kernel/],
      [{ Ramdisk: { Value: 'ari-1' } }, 'UnsupportedOperation', /Ramdisk/],
      [{ Attribute: 'kernel', Value: 'aki-1' }, 'UnsupportedOperation', /kernel/],
      [{ InstanceType: { Value: 'x9.huge' } }, 'InvalidInstanceAttributeValue', /x9.huge/],
      [{ InstanceInitiatedShutdownBehavior: { Value: 'sleep' } }, 'InvalidParameterValue', /sleep/],
      [{}, 'InvalidParameterCombination', /No attributes/],
      [
        { DisableApiStop: { Value: true }, DisableApiTermination: { Value: true } },
        'InvalidParameterCombination',
        /multiple attribute types/,
      ],
    ];
    for (const [input, expected, message] of refusals) {
      await assert.rejects(modify(input), code(expected, message), JSON.stringify(input));
    }
    await assert.rejects(attribute('enaSupport'), code('InvalidParameterValue'));
  });
});

describe('CPU credits', () => {
  it('are unlimited where they are asked to be, and never fewer than the type has by itself', async () => {
    const { call, launchOne, idle } = await ec2World();
    const old = await launchOne({ InstanceType: 't2.micro' });
    const free = await launchOne({
      InstanceType: 't2.micro',
      CreditSpecification: { CpuCredits: 'unlimited' },
    });
    const young = await launchOne({ InstanceType: 't3.micro' });
    const fixed = await launchOne({ InstanceType: 'm5.large' });
    const read = async (input: object = {}) =>
      (await call('DescribeInstanceCreditSpecifications', input)).InstanceCreditSpecifications.map(
        (one: { InstanceId: string; CpuCredits: string }) => [one.InstanceId, one.CpuCredits],
      );
    assert.deepEqual(await read(), [
      [old, 'standard'],
      [free, 'unlimited'],
      [young, 'unlimited'],
    ]);
    const answer = await call('ModifyInstanceCreditSpecification', {
      InstanceCreditSpecifications: [
        { InstanceId: old, CpuCredits: 'unlimited' },
        { InstanceId: young, CpuCredits: 'standard' },
        { InstanceId: fixed, CpuCredits: 'unlimited' },
        { InstanceId: 'i-0123456789abcdef0', CpuCredits: 'unlimited' },
      ],
    });
    assert.deepEqual(answer.SuccessfulInstanceCreditSpecifications, [{ InstanceId: old }]);
    assert.deepEqual(
      answer.UnsuccessfulInstanceCreditSpecifications.map(
        (one: { InstanceId: string; Error: { Code: string } }) => [one.InstanceId, one.Error.Code],
      ),
      [
        [young, 'InstanceCreditSpecification.NotSupported'],
        [fixed, 'InstanceCreditSpecification.NotSupported'],
        ['i-0123456789abcdef0', 'InvalidInstanceID.NotFound'],
      ],
    );
    assert.deepEqual(await read({ Filters: [{ Name: 'instance-id', Values: [old] }] }), [[old, 'unlimited']]);
    await call('StopInstances', { InstanceIds: [old] });
    await idle();
    await call('ModifyInstanceAttribute', { InstanceId: old, InstanceType: { Value: 't3.large' } });
    await call('ModifyInstanceAttribute', { InstanceId: old, InstanceType: { Value: 'c5.large' } });
    assert.deepEqual(await read({ InstanceIds: [old] }), []);
  });
});

describe('what is read of an instance', () => {
  it('makes a launch template that gives one like it', async () => {
    const {
      call,
      describe: described,
      id,
      launchOne,
    } = await oneInstance({
      InstanceType: 't3.small',
      UserData: Buffer.from('#!/bin/sh').toString('base64'),
      MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 2 },
      Monitoring: { Enabled: true },
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Name', Value: 'model' }] }],
    });
    const { LaunchTemplateData: data } = await call('GetLaunchTemplateData', { InstanceId: id });
    const model = await described(id);
    assert.equal(data.NetworkInterfaces[0].SubnetId, model.SubnetId);
    assert.equal(data.NetworkInterfaces[0].PrivateIpAddress, model.PrivateIpAddress);
    assert.equal(data.BlockDeviceMappings[0].DeviceName, '/dev/xvda');
    // The interface is the model's own; a copy gets one of its own in the same subnet.
    const { NetworkInterfaces: _, ...rest } = data;
    await call('CreateLaunchTemplate', { LaunchTemplateName: 'copy', LaunchTemplateData: rest });
    const copy = await described(
      await launchOne({ LaunchTemplate: { LaunchTemplateName: 'copy' }, ImageId: undefined }),
    );
    for (const same of ['ImageId', 'MetadataOptions', 'Placement', 'Monitoring', 'EbsOptimized'] as const) {
      assert.deepEqual(copy[same], model[same], same);
    }
    assert(copy.Tags?.some((tag) => tag.Key === 'Name' && tag.Value === 'model'));
    const { UserData } = await call('DescribeInstanceAttribute', {
      InstanceId: copy.InstanceId,
      Attribute: 'userData',
    });
    assert.equal(Buffer.from(UserData.Value, 'base64').toString(), '#!/bin/sh');
  });

  it('is its latest console output where the type has it, and no password', async () => {
    const { call, id, launchOne } = await oneInstance();
    const { Output } = await call('GetConsoleOutput', { InstanceId: id, Latest: true });
    assert.match(Buffer.from(Output, 'base64').toString(), /login: boot 1/);
    const old = await launchOne({ InstanceType: 't2.micro' });
    await assert.rejects(
      call('GetConsoleOutput', { InstanceId: old, Latest: true }),
      code('UnsupportedOperation', /does not support retrieving the latest console logs/),
    );
    const password = await call('GetPasswordData', { InstanceId: id });
    assert.equal(password.PasswordData, '');
    assert(password.Timestamp instanceof Date);
  });

  it('is its status, with no scheduled events, whatever was reported of it', async () => {
    const { call, id } = await oneInstance();
    const report = { Instances: [id], Status: 'impaired', ReasonCodes: ['unresponsive'] };
    assert.deepEqual(await call('ReportInstanceStatus', report), {});
    const { InstanceStatuses } = await call('DescribeInstanceStatus', {
      Filters: [{ Name: 'instance-status.status', Values: ['ok'] }],
    });
    assert.deepEqual(InstanceStatuses[0].Events, []);
    assert.equal(InstanceStatuses[0].AvailabilityZoneId, 'usw2-az1');
    const Filters = [{ Name: 'event.code', Values: ['instance-retirement'] }];
    assert.deepEqual((await call('DescribeInstanceStatus', { Filters })).InstanceStatuses, []);
    const refusals: [object, string][] = [
      [{ ...report, Status: 'fine' }, 'InvalidParameterValue'],
      [{ ...report, ReasonCodes: ['mood'] }, 'InvalidParameterValue'],
      [{ ...report, Instances: ['i-0123456789abcdef0'] }, 'InvalidInstanceID.NotFound'],
    ];
    for (const [input, expected] of refusals) {
      await assert.rejects(call('ReportInstanceStatus', input), code(expected), JSON.stringify(input));
    }
  });

  it('is what its type has: disks of its host, and whether it is recovered by itself', async () => {
    const { call } = await ec2World();
    const { InstanceTypes } = await call('DescribeInstanceTypes', {
      Filters: [
        { Name: 'instance-storage-supported', Values: ['true'] },
        { Name: 'instance-type', Values: ['*.large', 'm5d.24xlarge'] },
      ],
    });
    assert.deepEqual(
      InstanceTypes.map(
        (type: {
          InstanceType: string;
          AutoRecoverySupported: boolean;
          InstanceStorageInfo: { TotalSizeInGB: number; Disks: object[] };
        }) => [type.InstanceType, type.AutoRecoverySupported, type.InstanceStorageInfo.TotalSizeInGB],
      ),
      [
        ['c5d.large', false, 50],
        ['i3.large', false, 475],
        ['m5d.24xlarge', false, 3600],
        ['m5d.large', false, 75],
        ['r5d.large', false, 75],
      ],
    );
    assert.deepEqual(InstanceTypes[2].InstanceStorageInfo.Disks, [{ Count: 4, SizeInGB: 900, Type: 'ssd' }]);
    const others = await call('DescribeInstanceTypes', { InstanceTypes: ['m5.large'] });
    assert.equal(others.InstanceTypes[0].InstanceStorageInfo, undefined);
  });
});

describe('a launch of several', () => {
  it('gives each all of its interfaces, and leaves none of one for which there is no room', async () => {
    const { call, launch } = await ec2World();
    const { VpcId } = (await call('CreateVpc', { CidrBlock: '10.0.0.0/16' })).Vpc;
    const [wide, narrow] = await Promise.all(
      ['10.0.0.0/24', '10.0.1.0/28'].map(
        async (CidrBlock) =>
          (await call('CreateSubnet', { VpcId, CidrBlock, AvailabilityZone: 'us-west-2a' })).Subnet.SubnetId,
      ),
    );
    // Each takes four of the eleven addresses that the narrow subnet has.
    const launched = await launch({
      InstanceType: 'm5.large',
      MinCount: 1,
      MaxCount: 3,
      NetworkInterfaces: [
        { DeviceIndex: 0, SubnetId: wide },
        { DeviceIndex: 1, SubnetId: narrow, SecondaryPrivateIpAddressCount: 3 },
      ],
    });
    assert.equal(launched.length, 2);
    const Filters = [{ Name: 'vpc-id', Values: [VpcId] }];
    const { NetworkInterfaces } = await call('DescribeNetworkInterfaces', { Filters });
    assert.equal(NetworkInterfaces.length, 4);
  });

  it('in a zone of which a host failed goes to the others; with all failed it names other zones', async () => {
    const { inject, launch, hostOf } = await faultWorld();
    const input = { Placement: { AvailabilityZone: 'us-west-2b' }, MinCount: 2, MaxCount: 4 };
    await inject('host', 'us-west-2b-h1');
    const launched = await launch(input);
    assert.deepEqual([...new Set(launched.map((one) => hostOf(one.InstanceId ?? '')))], ['us-west-2b-h2']);
    assert.equal(launched.length, 4);
    await inject('host', 'us-west-2b-h2');
    await assert.rejects(
      launch(input),
      code(
        'InsufficientInstanceCapacity',
        /^We currently do not have sufficient t3.micro capacity in the Availability Zone you requested \(us-west-2b\).*choosing us-west-2a, us-west-2c, us-west-2d\.$/,
      ),
    );
  });

  it('repeated with its token answers with the same reservation, also when the instances have moved on', async () => {
    const { call, imageId, idle } = await ec2World();
    const request = {
      ImageId: await imageId(),
      InstanceType: 't3.micro',
      MinCount: 2,
      MaxCount: 3,
      ClientToken: 'deploy-7',
    };
    const first = await call('RunInstances', request);
    await idle();
    const again = await call('RunInstances', request);
    assert.equal(again.ReservationId, first.ReservationId);
    const ids = (answer: { Instances: { InstanceId: string }[] }) =>
      answer.Instances.map((one) => one.InstanceId);
    assert.deepEqual(ids(again), ids(first));
    assert.equal(again.Instances[0].State.Name, 'running');
    await assert.rejects(
      call('RunInstances', { ...request, MaxCount: 2 }),
      code('IdempotentParameterMismatch'),
    );
  });
});
