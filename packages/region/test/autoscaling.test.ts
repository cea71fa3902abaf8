import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hosts } from '../src/services/ec2/records.ts';
import { minutes, REGION } from './ec2-world.ts';
import { elbv2World } from './elbv2-world.ts';

const code = (expected: string, message?: RegExp) => (error: { code?: string; message?: string }) => {
  assert.equal(error.code, expected, error.message);
  if (message) assert.match(error.message ?? '', message);
  return true;
};

interface Shown {
  InstanceId: string;
  LifecycleState: string;
  HealthStatus: string;
  AvailabilityZone: string;
  LaunchTemplate?: { Version: string };
}

async function asgWorld() {
  const world = await elbv2World();
  const { asg, ec2, subnets } = world;
  const template = async (name = 'mytemplate', data: object = {}): Promise<string> => {
    const { LaunchTemplate } = await ec2('CreateLaunchTemplate', {
      LaunchTemplateName: name,
      LaunchTemplateData: { ImageId: await world.imageId(), InstanceType: 't2.micro', ...data },
    });
    return LaunchTemplate.LaunchTemplateId;
  };
  const makeGroup = (input: object = {}): Promise<unknown> =>
    asg('CreateAutoScalingGroup', {
      AutoScalingGroupName: 'my-asg',
      LaunchTemplate: { LaunchTemplateName: 'mytemplate', Version: '$Latest' },
      MinSize: 0,
      MaxSize: 4,
      DesiredCapacity: 2,
      VPCZoneIdentifier: subnets.join(','),
      ...input,
    });
  const update = (input: object): Promise<unknown> =>
    asg('UpdateAutoScalingGroup', { AutoScalingGroupName: 'my-asg', ...input });
  // biome-ignore lint/suspicious/noExplicitAny: a story reads the whole group.
  const group = async (name = 'my-asg'): Promise<any> =>
    (await asg('DescribeAutoScalingGroups', { AutoScalingGroupNames: [name] })).AutoScalingGroups[0];
  const members = async (name = 'my-asg'): Promise<Shown[]> => (await group(name)).Instances;
  const inService = async (name = 'my-asg'): Promise<Shown[]> =>
    (await members(name)).filter((one) => one.LifecycleState === 'InService');
  const zonesOf = (shown: Shown[]): string[] => shown.map((one) => one.AvailabilityZone).toSorted();
  /** The newest first. */
  // biome-ignore lint/suspicious/noExplicitAny: see above.
  const activities = async (name = 'my-asg'): Promise<any[]> =>
    (await asg('DescribeScalingActivities', { AutoScalingGroupName: name })).Activities;
  const setZone = (zone: string, failed: boolean): void =>
    world.region.store.transaction((tx) => {
      for (const host of tx.list(hosts, REGION)) {
        if (host.spec.zone === zone) tx.update(host, { spec: { ...host.spec, failed } });
      }
    });
  return { ...world, template, makeGroup, update, group, members, inService, zonesOf, activities, setZone };
}

/** Two instances behind a load balancer, healthy. */
async function servedGroup(input: object = {}) {
  const world = await asgWorld();
  await world.template();
  const targetGroup = await world.makeTargetGroup();
  const balancer = await world.makeLoadBalancer();
  await world.forward(balancer.arn, targetGroup);
  await world.makeGroup({ TargetGroupARNs: [targetGroup], ...input });
  await world.seconds(15);
  return { ...world, targetGroup, balancer };
}

describe('an Auto Scaling group', () => {
  it('comes up by itself, one instance in each zone, and tells why', async () => {
    const { template, makeGroup, idle, members, zonesOf, activities, ec2, errors } = await asgWorld();
    await template();
    await makeGroup({ Tags: [{ Key: 'Name', Value: 'web', PropagateAtLaunch: true }] });
    await idle();
    const shown = await members();
    assert.deepEqual(zonesOf(shown), ['us-west-2a', 'us-west-2b']);
    assert.ok(shown.every((one) => one.LifecycleState === 'InService' && one.HealthStatus === 'Healthy'));
    assert.ok(shown.every((one) => one.LaunchTemplate?.Version === '1'));
    const [latest] = await activities();
    assert.match(latest.Description, /^Launching a new EC2 instance: i-[0-9a-f]{17}$/);
    assert.equal(
      latest.Cause,
      'At 2026-01-05T09:00:00Z a user request created an AutoScalingGroup changing the desired capacity from 0 to 2.  At 2026-01-05T09:00:00Z an instance was started in response to a difference between desired and actual capacity, increasing the capacity from 0 to 2.',
    );
    assert.equal(latest.StatusCode, 'Successful');
    assert.equal(latest.Progress, 100);
    assert.match(latest.Details, /^\{"Subnet ID":"subnet-[0-9a-f]+","Availability Zone":"us-west-2[ab]"\}$/);
    const { Reservations } = await ec2('DescribeInstances', {
      Filters: [{ Name: 'tag:aws:autoscaling:groupName', Values: ['my-asg'] }],
    });
    const found = Reservations.flatMap((one: { Instances: object[] }) => one.Instances);
    assert.equal(found.length, 2);
    assert.ok(found[0].Tags.some((tag: { Key: string; Value: string }) => tag.Value === 'web'));
    assert.deepEqual(errors, []);
  });

  it('registers its instances, and they answer through the load balancer', async () => {
    const { targetGroup, balancer, health, members, ask } = await servedGroup();
    const ids = (await members()).map((one) => one.InstanceId);
    assert.deepEqual(await health(targetGroup), Object.fromEntries(ids.map((id) => [id, 'healthy'])));
    const answering = new Set(ask(balancer.arn, 8).map((one) => one.target));
    assert.deepEqual([...answering].toSorted(), ids.map((id) => `${id}:80`).toSorted());
  });

  it('replaces a killed instance at once, and no request fails on the way', async () => {
    const { drivers, idle, members, inService, activities, ask, balancer, seconds, zonesOf, errors } =
      await servedGroup();
    const [victim, survivor] = await members();
    drivers.compute.end(victim?.InstanceId ?? '', 'killed');
    await idle();
    // No time has passed: the replacement runs already, and the dead one gets no request any more.
    assert.equal((await inService()).length, 2);
    assert.ok(ask(balancer.arn, 8).every((one) => one.status === 200));
    const [launch, end] = (await activities())
      .slice(0, 2)
      .toSorted((a, b) => (a.Description < b.Description ? -1 : 1));
    assert.match(
      launch.Cause,
      /an instance was launched in response to an unhealthy instance needing to be replaced\.$/,
    );
    assert.equal(end.Description, `Terminating EC2 instance: ${victim?.InstanceId}`);
    assert.match(
      end.Cause,
      /^At 2026-01-05T09:00:15Z an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped\.$/,
    );
    await seconds(15);
    const now = await members();
    assert.deepEqual(zonesOf(now), ['us-west-2a', 'us-west-2b']);
    assert.ok(now.some((one) => one.InstanceId === survivor?.InstanceId));
    assert.ok(!now.some((one) => one.InstanceId === victim?.InstanceId));
    assert.ok(ask(balancer.arn, 8).every((one) => one.status === 200));
    assert.deepEqual(errors, []);
  });

  it('replaces an instance that somebody terminates or stops', async () => {
    const { ec2, members, seconds, inService } = await servedGroup();
    const [first, second] = await members();
    await ec2('TerminateInstances', { InstanceIds: [first?.InstanceId] });
    await ec2('StopInstances', { InstanceIds: [second?.InstanceId] });
    await seconds(20);
    const now = await inService();
    assert.equal(now.length, 2);
    assert.ok(
      now.every((one) => one.InstanceId !== first?.InstanceId && one.InstanceId !== second?.InstanceId),
    );
  });

  it('goes to nothing and comes back (capacity 0,0,0, then 1,1,2)', async () => {
    const { template, makeGroup, update, idle, members, activities, ec2 } = await asgWorld();
    await template();
    await makeGroup();
    await idle();
    await update({ MinSize: 0, MaxSize: 0, DesiredCapacity: 0 });
    await idle();
    assert.deepEqual(await members(), []);
    const [end] = await activities();
    assert.match(
      end.Cause,
      /^At \S+Z a user request update of AutoScalingGroup constraints to min: 0, max: 0, desired: 0 changing the desired capacity from 2 to 0\. {2}At \S+Z an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from 2 to 0\. {2}At \S+Z instance i-\w+ was selected for termination\.$/,
    );
    const { Reservations } = await ec2('DescribeInstances', {
      Filters: [{ Name: 'instance-state-name', Values: ['running', 'pending'] }],
    });
    assert.deepEqual(Reservations, []);
    await update({ MinSize: 1, MaxSize: 2, DesiredCapacity: 1 });
    await idle();
    assert.equal((await members()).length, 1);
  });

  it('lets the load balancer drain an instance before it ends it', async () => {
    const { elb, targetGroup, update, members, health, seconds, ask, balancer } = await servedGroup();
    await elb('ModifyTargetGroupAttributes', {
      TargetGroupArn: targetGroup,
      Attributes: [{ Key: 'deregistration_delay.timeout_seconds', Value: '30' }],
    });
    await update({ DesiredCapacity: 1 });
    await seconds(29);
    const leaving = (await members()).find((one) => one.LifecycleState === 'Terminating');
    assert.equal(
      (await health(targetGroup))[leaving?.InstanceId ?? ''],
      'draining Target.DeregistrationInProgress',
    );
    assert.ok(ask(balancer.arn, 6).every((one) => one.status === 200));
    await seconds(2);
    assert.equal((await members()).length, 1);
    assert.equal(Object.keys(await health(targetGroup)).length, 1);
  });

  it('with EC2 checks only, leaves a broken application to the load balancer', async () => {
    const { members, behave, health, targetGroup, advance } = await servedGroup();
    const [broken] = await members();
    behave(broken?.InstanceId ?? '', 'down');
    await advance(minutes(10));
    assert.ok((await members()).some((one) => one.InstanceId === broken?.InstanceId));
    assert.match((await health(targetGroup))[broken?.InstanceId ?? ''] ?? '', /^unhealthy/);
  });

  it('with ELB checks, replaces it once the grace period is over', async () => {
    const { members, behave, seconds, activities, inService } = await servedGroup({
      HealthCheckType: 'ELB',
      HealthCheckGracePeriod: 60,
    });
    const [broken] = await members();
    behave(broken?.InstanceId ?? '', { status: 500 });
    await seconds(40);
    assert.equal((await inService()).length, 2);
    assert.ok((await members()).every((one) => one.HealthStatus === 'Healthy'));
    await seconds(10);
    assert.ok((await inService()).every((one) => one.InstanceId !== broken?.InstanceId));
    assert.equal((await inService()).length, 2);
    const end = (await activities()).find((one) => one.Description.startsWith('Terminating'));
    assert.match(end.Cause, /in response to an ELB system health check failure\.$/);
  });

  it('launches in the other zone when one has no capacity, and balances when it is back', async () => {
    const { template, makeGroup, setZone, idle, inService, zonesOf, activities, members, advance } =
      await asgWorld();
    await template();
    setZone('us-west-2a', true);
    await makeGroup({ MaxSize: 2 });
    await idle();
    assert.deepEqual(zonesOf(await inService()), ['us-west-2b', 'us-west-2b']);
    const failed = (await activities()).find((one) => one.StatusCode === 'Failed');
    assert.match(
      failed.StatusMessage,
      /sufficient t2\.micro capacity .*us-west-2a.*Launching EC2 instance failed\.$/,
    );
    setZone('us-west-2a', false);
    const most: number[] = [];
    for (let step = 0; step < 24; step += 1) {
      await advance(5_000);
      const shown = await members();
      most.push(shown.length);
      assert.ok((await inService()).length >= 2, 'balancing launches before it terminates');
    }
    assert.deepEqual(zonesOf(await members()), ['us-west-2a', 'us-west-2b']);
    assert.ok((await activities()).some((one) => /to balance instances in zones us-west-2a/.test(one.Cause)));
  });

  it('terminates one instance for a caller, with or without making the group smaller', async () => {
    const { template, makeGroup, idle, asg, members, group } = await asgWorld();
    await template();
    await makeGroup({ MinSize: 1 });
    await idle();
    const [first] = await members();
    const { Activity } = await asg('TerminateInstanceInAutoScalingGroup', {
      InstanceId: first?.InstanceId,
      ShouldDecrementDesiredCapacity: false,
    });
    assert.equal(Activity.StatusCode, 'InProgress');
    assert.match(Activity.Cause, /was taken out of service in response to a user request\.$/);
    await idle();
    const [second] = await members();
    assert.equal((await members()).length, 2);
    await asg('TerminateInstanceInAutoScalingGroup', {
      InstanceId: second?.InstanceId,
      ShouldDecrementDesiredCapacity: true,
    });
    await idle();
    assert.equal((await members()).length, 1);
    assert.equal((await group()).DesiredCapacity, 1);
    const [last] = await members();
    await assert.rejects(
      asg('TerminateInstanceInAutoScalingGroup', {
        InstanceId: last?.InstanceId,
        ShouldDecrementDesiredCapacity: true,
      }),
      code('ValidationError'),
    );
  });

  it('moves from blue to green behind one target group without a failed request', async () => {
    const { template, makeGroup, asg, targetGroup, balancer, seconds, ask, members, update } =
      await servedGroup();
    await template('green');
    await makeGroup({
      AutoScalingGroupName: 'green',
      LaunchTemplate: { LaunchTemplateName: 'green' },
      TargetGroupARNs: [targetGroup],
    });
    await seconds(15);
    const green = (await members('green')).map((one) => `${one.InstanceId}:80`);
    const both = new Set(ask(balancer.arn, 16).map((one) => one.target));
    assert.equal(both.size, 4);
    await update({ MinSize: 0, MaxSize: 0, DesiredCapacity: 0 });
    for (let step = 0; step < 33; step += 1) {
      assert.ok(ask(balancer.arn, 8).every((one) => one.status === 200));
      await seconds(10);
    }
    assert.deepEqual(await members(), []);
    assert.ok(ask(balancer.arn, 8).every((one) => green.includes(one.target ?? '')));
    await asg('DeleteAutoScalingGroup', { AutoScalingGroupName: 'my-asg' });
  });

  it('goes with its instances when it is deleted by force, and only then', async () => {
    const { template, makeGroup, idle, asg, group } = await asgWorld();
    await template();
    await makeGroup();
    await idle();
    await assert.rejects(
      asg('DeleteAutoScalingGroup', { AutoScalingGroupName: 'my-asg' }),
      code('ResourceInUse', /while there are instances/),
    );
    await asg('DeleteAutoScalingGroup', { AutoScalingGroupName: 'my-asg', ForceDelete: true });
    await idle();
    assert.equal(await group(), undefined);
    await assert.rejects(
      asg('SetDesiredCapacity', { AutoScalingGroupName: 'my-asg', DesiredCapacity: 1 }),
      code('ValidationError', /^AutoScalingGroup name not found - null$/),
    );
  });

  it('writes down a launch that fails, waits longer each time, and tries again', async () => {
    const { template, makeGroup, idle, activities, ec2, imageId, members, advance } = await asgWorld();
    const id = await template('mytemplate', { KeyName: 'nobody' });
    await makeGroup({ DesiredCapacity: 1 });
    await idle();
    const [failed] = await activities();
    assert.equal(failed.StatusCode, 'Failed');
    assert.match(
      failed.StatusMessage,
      /The key pair 'nobody' does not exist\. Launching EC2 instance failed\./,
    );
    await advance(minutes(2));
    const tries = (await activities()).length;
    assert.ok(tries >= 3 && tries <= 5, `${tries} tries in two minutes`);
    await ec2('CreateLaunchTemplateVersion', {
      LaunchTemplateId: id,
      LaunchTemplateData: { ImageId: await imageId(), InstanceType: 't2.micro' },
    });
    await advance(minutes(5));
    assert.equal((await members()).length, 1);
  });

  it('replaces an instance whose status check fails for a few minutes', async () => {
    const { template, makeGroup, idle, drivers, members, activities, advance } = await asgWorld();
    await template();
    await makeGroup({ DesiredCapacity: 1 });
    await advance(minutes(5));
    const [hung] = await members();
    drivers.compute.hang(hung?.InstanceId ?? '', true);
    await advance(minutes(2));
    assert.equal((await members())[0]?.InstanceId, hung?.InstanceId);
    await advance(minutes(5));
    await idle();
    const now = await members();
    assert.equal(now.length, 1);
    assert.notEqual(now[0]?.InstanceId, hung?.InstanceId);
    const end = (await activities()).find((one) => one.Description.startsWith('Terminating'));
    assert.match(end.Cause, /in response to an EC2 instance status checks failure\.$/);
  });

  it('does not hear reports within the grace period, unless told to', async () => {
    const { template, makeGroup, idle, asg, members } = await asgWorld();
    await template();
    await makeGroup({ DesiredCapacity: 1, HealthCheckGracePeriod: 300 });
    await idle();
    const [first] = await members();
    const report = { InstanceId: first?.InstanceId, HealthStatus: 'Unhealthy' };
    await asg('SetInstanceHealth', report);
    await idle();
    assert.equal((await members())[0]?.InstanceId, first?.InstanceId);
    await asg('SetInstanceHealth', { ...report, ShouldRespectGracePeriod: false });
    await idle();
    assert.notEqual((await members())[0]?.InstanceId, first?.InstanceId);
  });

  it('leaves the dead alone while processes are suspended, and makes up for it afterwards', async () => {
    const { template, makeGroup, idle, asg, drivers, members, inService } = await asgWorld();
    await template();
    await makeGroup();
    await idle();
    const [victim] = await members();
    const query = { AutoScalingGroupName: 'my-asg', ScalingProcesses: ['ReplaceUnhealthy'] };
    await asg('SuspendProcesses', query);
    drivers.compute.end(victim?.InstanceId ?? '', 'killed');
    await idle();
    const dead = (await members()).find((one) => one.InstanceId === victim?.InstanceId);
    assert.equal(dead?.HealthStatus, 'Unhealthy');
    await asg('ResumeProcesses', query);
    await idle();
    assert.equal((await inService()).length, 2);
    assert.ok((await inService()).every((one) => one.InstanceId !== victim?.InstanceId));
  });

  it('refuses what it cannot be, in AWS’s words', async () => {
    const { template, makeGroup, idle, asg, update } = await asgWorld();
    await template();
    const bad: [object, RegExp][] = [
      [
        { DesiredCapacity: 5 },
        /^Desired capacity:5 must be between the specified min size:0 and max size:4$/,
      ],
      [{ MinSize: 5 }, /^Max bound, 4, must be greater than or equal to min bound, 5$/],
      [{ VPCZoneIdentifier: '' }, /^At least one Availability Zone or VPC Subnet is required\.$/],
      [
        { VPCZoneIdentifier: 'subnet-0123456789abcdef0' },
        /^The subnet ID 'subnet-0123456789abcdef0' does not exist$/,
      ],
      [{ LaunchTemplate: undefined }, /^Valid requests must contain either LaunchTemplate/],
      [
        { LaunchTemplate: { LaunchTemplateName: 'nobody' } },
        /^You must use a valid fully-formed launch template\./,
      ],
      [{ TargetGroupARNs: ['arn:aws:elasticloadbalancing:x'] }, /^Provided Target Groups may not be valid\./],
      [{ HealthCheckType: 'MOON' }, /^MOON is not a valid health check type$/],
      [{ TerminationPolicies: ['Mine'] }, /^'Mine' is not a valid termination policy$/],
    ];
    for (const [input, message] of bad) {
      await assert.rejects(makeGroup(input), code('ValidationError', message));
    }
    for (const input of [
      { MixedInstancesPolicy: {} },
      { MaxInstanceLifetime: 86_400 },
      { CapacityRebalance: true },
    ]) {
      await assert.rejects(
        makeGroup(input),
        code('UnsupportedOperation', new RegExp(Object.keys(input)[0] ?? '')),
      );
    }
    await makeGroup();
    await idle();
    await assert.rejects(makeGroup(), code('AlreadyExists'));
    await assert.rejects(
      asg('SetDesiredCapacity', { AutoScalingGroupName: 'my-asg', DesiredCapacity: 1, HonorCooldown: true }),
      code('ScalingActivityInProgress'),
    );
    await assert.rejects(update({ MinSize: 3, DesiredCapacity: 2 }), code('ValidationError'));
    await assert.rejects(
      asg('UpdateAutoScalingGroup', { AutoScalingGroupName: 'nobody' }),
      code('ValidationError', /^AutoScalingGroup name not found - AutoScalingGroup nobody not found$/),
    );
    await assert.rejects(
      asg('TerminateInstanceInAutoScalingGroup', { InstanceId: 'i-0123456789abcdef0' }),
      code(
        'ValidationError',
        /^Instance Id not found - No managed instance found for instance ID: i-0123456789abcdef0$/,
      ),
    );
  });
});
