import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SimEdge } from '../src/drivers/sim/edge.ts';
import { ec2World, minutes, REGION } from './ec2-world.ts';

/** What is published of one instance. */
const published = (edge: SimEdge, id: string): string[] =>
  [...edge.records.keys()].filter((key) => key.startsWith(`instance/${id}/`)).toSorted();

describe('an instance', () => {
  test('runs in the default VPC with a public address, its metadata known to the edge', async () => {
    const { call, describe, drivers, launchOne, idle, errors, region } = await ec2World();
    const userData = Buffer.from('#!/bin/sh\necho hello').toString('base64');
    const first = await call('RunInstances', {
      ImageId: (await call('DescribeImages', { Owners: ['amazon'] })).Images[0].ImageId,
      InstanceType: 't3.small',
      MinCount: 1,
      MaxCount: 1,
      UserData: userData,
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Name', Value: 'web' }] }],
    });
    assert.deepEqual(first.Instances[0].State, { Code: 0, Name: 'pending' });
    assert.deepEqual(first.Instances[0].StateReason, { Code: 'pending', Message: 'pending' });
    await idle();
    const id = first.Instances[0].InstanceId;
    const shown = await describe(id);
    assert.deepEqual(shown.State, { Code: 16, Name: 'running' });
    assert.equal(shown.StateReason, undefined);
    assert.match(shown.PrivateIpAddress ?? '', /^172\.31\./);
    assert.match(shown.PublicIpAddress ?? '', /^198\.18\./);
    const dashed = shown.PrivateIpAddress?.replaceAll('.', '-');
    assert.equal(shown.PrivateDnsName, `ip-${dashed}.us-west-2.compute.internal`);
    assert.equal(shown.NetworkInterfaces?.[0]?.Association?.PublicIp, shown.PublicIpAddress);
    assert.equal(shown.BlockDeviceMappings?.[0]?.DeviceName, '/dev/xvda');
    assert.equal(shown.SecurityGroups?.[0]?.GroupName, 'default');
    assert.deepEqual(shown.Tags, [{ Key: 'Name', Value: 'web' }]);

    const machine = drivers.compute.spec(id);
    assert.equal(machine?.vcpus, 2);
    assert.equal(machine?.memoryBytes, 2 * 2 ** 30);
    assert.equal(machine?.hostname, `ip-${dashed}`);
    const record = drivers.edge.records.get(`instance/${id}/metadata/${shown.PrivateIpAddress}`);
    assert(record?.kind === 'metadata');
    assert.equal(record.metadata.userData, userData);
    assert.equal(record.metadata.publicAddress, shown.PublicIpAddress);
    assert.equal(record.metadata.tags, undefined);
    assert.deepEqual(drivers.edge.resolve(shown.PrivateDnsName ?? '', shown.VpcId), [shown.PrivateIpAddress]);
    assert.deepEqual(drivers.edge.resolve(shown.PublicDnsName ?? '', shown.VpcId), [shown.PrivateIpAddress]);
    assert.deepEqual(drivers.edge.resolve(shown.PublicDnsName ?? ''), [shown.PublicIpAddress]);
    assert.notEqual(await launchOne(), id);
    assert.deepEqual(errors, []);
    await region.stop();
  });

  test('keeps its disk and private address while stopped, and gets a new public address', async () => {
    const { call, describe, drivers, launchOne, idle, errors } = await ec2World();
    const id = await launchOne();
    const before = await describe(id);
    const { StoppingInstances } = await call('StopInstances', { InstanceIds: [id] });
    assert.deepEqual(StoppingInstances[0].PreviousState, { Code: 16, Name: 'running' });
    assert.deepEqual(StoppingInstances[0].CurrentState, { Code: 64, Name: 'stopping' });
    assert.equal((await describe(id)).State?.Name, 'stopping');
    await idle();
    const stopped = await describe(id);
    assert.deepEqual(stopped.State, { Code: 80, Name: 'stopped' });
    assert.equal(stopped.PublicIpAddress, undefined);
    assert.equal(stopped.PrivateIpAddress, before.PrivateIpAddress);
    assert.equal(stopped.StateReason?.Code, 'Client.UserInitiatedShutdown');
    assert.match(stopped.StateTransitionReason ?? '', /^User initiated \(2026-01-05 09:00:00 GMT\)$/);
    assert.equal((await drivers.compute.status(id))?.state, 'stopped');

    await call('StartInstances', { InstanceIds: [id] });
    assert.equal((await describe(id)).State?.Name, 'pending');
    await idle();
    const again = await describe(id);
    assert.equal(again.State?.Name, 'running');
    assert.equal(again.PrivateIpAddress, before.PrivateIpAddress);
    assert(again.PublicIpAddress);
    assert.notEqual(again.PublicIpAddress, before.PublicIpAddress);
    assert.equal((await drivers.compute.status(id))?.boot, 2);
    assert.deepEqual(errors, []);
  });

  test('reboots without leaving the state running, by the API and by its guest', async () => {
    const { call, drivers, launchOne, idle, state } = await ec2World();
    const id = await launchOne();
    await call('RebootInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(await state(id), 'running');
    assert.equal((await drivers.compute.status(id))?.boot, 2);
    drivers.compute.end(id, 'reboot');
    await idle();
    assert.equal(await state(id), 'running');
    assert.equal((await drivers.compute.status(id))?.boot, 3);
    await call('RebootInstances', { InstanceIds: [id] });
    await idle();
    assert.equal((await drivers.compute.status(id))?.boot, 4);
  });

  test('that shuts itself down is stopped, and runs again when it is started', async () => {
    const { call, describe, drivers, launchOne, idle, advance, state } = await ec2World();
    const id = await launchOne();
    drivers.compute.end(id, 'poweroff');
    await idle();
    const stopped = await describe(id);
    assert.equal(stopped.State?.Name, 'stopped');
    assert.equal(stopped.StateReason?.Code, 'Client.InstanceInitiatedShutdown');
    assert.equal(stopped.PublicIpAddress, undefined);
    await advance(minutes(5));
    assert.equal(await state(id), 'stopped', 'nobody starts it behind its back');
    await call('StartInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(await state(id), 'running');
    assert.equal((await describe(id)).StateReason, undefined);
  });

  test('that shuts itself down is terminated when its shutdown behaviour says so', async () => {
    const { describe, drivers, launchOne, idle } = await ec2World();
    const id = await launchOne({ InstanceInitiatedShutdownBehavior: 'terminate' });
    drivers.compute.end(id, 'poweroff');
    await idle();
    const gone = await describe(id);
    assert.equal(gone.State?.Name, 'terminated');
    assert.equal(gone.StateReason?.Code, 'Client.InstanceInitiatedShutdown');
    assert.equal(await drivers.compute.status(id), undefined);
  });

  test('whose init is killed is stopped at once, for a reason of the server', async () => {
    const { describe, drivers, launchOne, idle } = await ec2World();
    const id = await launchOne();
    drivers.compute.end(id, 'killed');
    await idle();
    const stopped = await describe(id);
    assert.equal(stopped.State?.Name, 'stopped');
    assert.equal(stopped.StateReason?.Code, 'Server.InternalError');
  });

  test('that cannot start is terminated by the server; one that ran before stays stopped with its disk', async () => {
    const { call, describe, drivers, imageId, launchOne, idle } = await ec2World();
    const image = await imageId();
    const request = { ImageId: image, InstanceType: 't3.micro', MinCount: 1, MaxCount: 1 };
    const { Instances } = await call('RunInstances', request);
    const doomed = Instances[0].InstanceId;
    drivers.compute.refuse(doomed, 'no space left on device');
    await idle();
    const gone = await describe(doomed);
    assert.equal(gone.State?.Name, 'terminated');
    assert.equal(gone.StateReason?.Code, 'Server.InternalError');
    assert.equal(await drivers.compute.status(doomed), undefined);

    const id = await launchOne();
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    drivers.compute.refuse(id, 'no space left on device');
    await call('StartInstances', { InstanceIds: [id] });
    await idle();
    assert.equal((await describe(id)).State?.Name, 'stopped');
    assert.equal((await describe(id)).StateReason?.Code, 'Server.InternalError');
    drivers.compute.refuse(id, undefined);
    await call('StartInstances', { InstanceIds: [id] });
    await idle();
    assert.equal((await describe(id)).State?.Name, 'running');
  });

  test('leaves nothing behind when it is terminated, and is described for an hour', async () => {
    const { call, describe, drivers, launchOne, idle, advance, errors } = await ec2World();
    const id = await launchOne();
    const { VpcId, NetworkInterfaces } = await describe(id);
    assert(published(drivers.edge, id).length > 0);
    const { TerminatingInstances } = await call('TerminateInstances', { InstanceIds: [id] });
    assert.deepEqual(TerminatingInstances[0].CurrentState, { Code: 32, Name: 'shutting-down' });
    await idle();
    const gone = await describe(id);
    assert.deepEqual(gone.State, { Code: 48, Name: 'terminated' });
    assert.equal(gone.VpcId, undefined);
    assert.deepEqual(gone.NetworkInterfaces, []);
    assert.deepEqual(published(drivers.edge, id), []);
    assert.equal(await drivers.compute.status(id), undefined);
    const topology = drivers.network.topology(VpcId ?? '');
    assert(
      !topology?.interfaces.some((one) => one.interfaceId === NetworkInterfaces?.[0]?.NetworkInterfaceId),
    );
    assert.deepEqual((await call('DescribeVolumes')).Volumes, []);
    await call('TerminateInstances', { InstanceIds: [id] });
    await advance(minutes(59));
    assert.equal((await describe(id)).State?.Name, 'terminated');
    await advance(minutes(2));
    await assert.rejects(describe(id), { code: 'InvalidInstanceID.NotFound' });
    assert.deepEqual(errors, []);
  });

  test('with termination protection is terminated only when that is taken away', async () => {
    const { call, launchOne, idle, state } = await ec2World();
    const id = await launchOne({ DisableApiTermination: true });
    await assert.rejects(call('TerminateInstances', { InstanceIds: [id] }), {
      code: 'OperationNotPermitted',
    });
    await call('ModifyInstanceAttribute', { InstanceId: id, DisableApiTermination: { Value: false } });
    await call('TerminateInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(await state(id), 'terminated');
  });

  test('a machine and published records that belong to no instance are removed at the start', async () => {
    const world = await ec2World();
    const id = await world.launchOne();
    await world.region.stop();
    const orphan = 'i-0123456789abcdef0';
    const spec = world.drivers.compute.spec(id);
    assert(spec);
    await world.drivers.compute.ensure({ ...spec, id: orphan, namespace: orphan });
    await world.drivers.edge.publish({
      put: new Map([
        [`instance/${orphan}/name/private`, { kind: 'name', name: 'x', addresses: [], ttlSeconds: 1 }],
      ]),
      removed: [],
    });
    const next = await ec2World({ clock: world.clock, drivers: world.drivers });
    await next.idle();
    assert.deepEqual(await next.drivers.compute.list(), [], 'the new region has an empty store');
    assert.deepEqual(published(next.drivers.edge, orphan), []);
    assert.deepEqual(published(next.drivers.edge, id), []);
  });
});

describe('a launch', () => {
  test('spreads over hosts, and goes to a zone with capacity', async () => {
    const { call, describe, launch, region } = await ec2World();
    const { hosts, instances } = await import('../src/services/ec2/records.ts');
    const launched = await launch({
      MinCount: 8,
      MaxCount: 8,
      Placement: { AvailabilityZone: 'us-west-2b' },
    });
    const hostOf = (id: string | undefined) => region.store.get(instances, REGION, id ?? '')?.spec.hostId;
    const counts = new Map<string | undefined, number>();
    for (const { InstanceId } of launched)
      counts.set(hostOf(InstanceId), (counts.get(hostOf(InstanceId)) ?? 0) + 1);
    assert.deepEqual([...counts.values()], [4, 4]);
    region.store.transaction((tx) => {
      for (const host of tx.list(hosts, REGION)) {
        if (host.spec.zone !== 'us-west-2c') tx.update(host, { spec: { ...host.spec, failed: true } });
      }
    });
    const [elsewhere] = await launch();
    assert.equal((await describe(elsewhere?.InstanceId ?? '')).Placement?.AvailabilityZone, 'us-west-2c');
    await assert.rejects(launch({ Placement: { AvailabilityZone: 'us-west-2a' } }), {
      code: 'InsufficientInstanceCapacity',
      httpStatus: 500,
    });
    const { Reservations } = await call('DescribeInstances');
    assert.deepEqual(
      Reservations.map((one: { Instances: unknown[] }) => one.Instances.length),
      [8, 1],
    );
  });

  test('with the same client token happens once; with other parameters it is refused', async () => {
    const { call, launch } = await ec2World();
    const [first] = await launch({ ClientToken: 'once' });
    const [second] = await launch({ ClientToken: 'once' });
    assert.equal(first?.InstanceId, second?.InstanceId);
    await assert.rejects(launch({ ClientToken: 'once', InstanceType: 'm5.large' }), {
      code: 'IdempotentParameterMismatch',
    });
    assert.equal((await call('DescribeInstances')).Reservations.length, 1);
  });

  test('says what is wrong with it in the codes of AWS', async () => {
    const { call, launch } = await ec2World();
    const refusals: [object, string][] = [
      [{ ImageId: 'ami-0123456789abcdef0' }, 'InvalidAMIID.NotFound'],
      [{ ImageId: 'debian' }, 'InvalidAMIID.Malformed'],
      [{ InstanceType: 'x9.huge' }, 'InvalidParameterValue'],
      [{ KeyName: 'nobody' }, 'InvalidKeyPair.NotFound'],
      [{ SubnetId: 'subnet-0123456789abcdef0' }, 'InvalidSubnetID.NotFound'],
      [{ SecurityGroupIds: ['sg-0123456789abcdef0'] }, 'InvalidGroup.NotFound'],
      [{ MinCount: 2, MaxCount: 1 }, 'InvalidParameterValue'],
      [{ UserData: Buffer.alloc(16_385).toString('base64') }, 'InvalidParameterValue'],
      [{ UserData: 'not base64!' }, 'InvalidUserData.Malformed'],
      [{ IamInstanceProfile: { Name: 'role' } }, 'UnsupportedOperation'],
      [{ InstanceMarketOptions: { MarketType: 'spot' } }, 'UnsupportedOperation'],
      [
        { BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 1 } }] },
        'InvalidBlockDeviceMapping',
      ],
      [
        { NetworkInterfaces: [{ DeviceIndex: 0 }], SecurityGroupIds: ['sg-1'] },
        'InvalidParameterCombination',
      ],
      [{ PrivateIpAddress: '172.31.0.9', MinCount: 2, MaxCount: 2 }, 'InvalidParameterCombination'],
      [{ LaunchTemplate: { LaunchTemplateName: 'none' } }, 'InvalidLaunchTemplateName.NotFoundException'],
      [{ DryRun: true }, 'DryRunOperation'],
    ];
    for (const [input, code] of refusals)
      await assert.rejects(launch(input), { code }, JSON.stringify(input));
    assert.deepEqual((await call('DescribeInstances')).Reservations, []);
    await assert.rejects(call('DescribeInstances', { InstanceIds: ['i-0123456789abcdef0'] }), {
      code: 'InvalidInstanceID.NotFound',
      message: "The instance ID 'i-0123456789abcdef0' does not exist",
    });
    await assert.rejects(call('DescribeInstances', { InstanceIds: ['nonsense'] }), {
      code: 'InvalidInstanceID.Malformed',
    });
  });

  test('takes what its one network interface says', async () => {
    const { call, describe, launchOne } = await ec2World();
    const { Subnets } = await call('DescribeSubnets', {
      Filters: [{ Name: 'availability-zone', Values: ['us-west-2b'] }],
    });
    const prefix = Subnets[0].CidrBlock.split('.').slice(0, 3).join('.');
    const id = await launchOne({
      NetworkInterfaces: [
        {
          DeviceIndex: 0,
          SubnetId: Subnets[0].SubnetId,
          AssociatePublicIpAddress: false,
          PrivateIpAddress: `${prefix}.77`,
        },
      ],
    });
    const shown = await describe(id);
    assert.equal(shown.PrivateIpAddress, `${prefix}.77`);
    assert.equal(shown.PublicIpAddress, undefined);
    assert.equal(shown.PublicDnsName, '');
    assert.equal(shown.Placement?.AvailabilityZone, 'us-west-2b');
  });
});

describe('status checks', () => {
  test('pass soon after the boot, fail when the instance hangs, and say since when', async () => {
    const { call, clock, drivers, launchOne, advance, idle } = await ec2World();
    const id = await launchOne();
    await idle();
    const checks = async () =>
      (await call('DescribeInstanceStatus', { InstanceIds: [id] })).InstanceStatuses[0];
    assert.equal((await checks()).InstanceStatus.Status, 'ok');
    assert.deepEqual((await checks()).SystemStatus.Details, [
      { Name: 'reachability', Status: 'passed', ImpairedSince: undefined },
    ]);
    drivers.compute.hang(id, true);
    await advance(minutes(1));
    const failed = await checks();
    assert.equal(failed.InstanceStatus.Status, 'impaired');
    assert.equal(failed.InstanceStatus.Details[0].Status, 'failed');
    assert(failed.InstanceStatus.Details[0].ImpairedSince.getTime() <= clock.now());
    assert.equal(failed.SystemStatus.Status, 'ok');
    drivers.compute.hang(id, false);
    await advance(minutes(1));
    assert.equal((await checks()).InstanceStatus.Status, 'ok');
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(await checks(), undefined);
    const all = await call('DescribeInstanceStatus', { InstanceIds: [id], IncludeAllInstances: true });
    assert.equal(all.InstanceStatuses[0].InstanceStatus.Status, 'not-applicable');
  });

  test('the system check fails with the logical host', async () => {
    const { call, region, launchOne, idle, advance } = await ec2World();
    const { hosts, instances } = await import('../src/services/ec2/records.ts');
    const id = await launchOne();
    await idle();
    const hostId = region.store.get(instances, REGION, id)?.spec.hostId ?? '';
    region.store.transaction((tx) => {
      const host = tx.get(hosts, REGION, hostId);
      if (host) tx.update(host, { spec: { ...host.spec, failed: true } });
    });
    await advance(minutes(1));
    const { InstanceStatuses } = await call('DescribeInstanceStatus', { InstanceIds: [id] });
    assert.equal(InstanceStatuses[0].SystemStatus.Status, 'impaired');
    assert.equal(InstanceStatuses[0].InstanceStatus.Status, 'impaired');
  });
});
