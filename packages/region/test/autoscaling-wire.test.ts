/** Labs A5 to A7 and D7 as the stock SDK sees them: over HTTP, through the wire's models and back. */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import * as autoscaling from '@aws-sdk/client-auto-scaling';
import * as ec2 from '@aws-sdk/client-ec2';
import * as elb from '@aws-sdk/client-elastic-load-balancing-v2';
import { elbv2World } from './elbv2-world.ts';
import { serve } from './served-world.ts';

const world = await elbv2World();
const faults: string[] = [];
const served = await serve(world.region, faults);
const ec2Client = new ec2.EC2Client(served.settings);
const elbClient = new elb.ElasticLoadBalancingV2Client(served.settings);
const asgClient = new autoscaling.AutoScalingClient(served.settings);
const AutoScalingGroupName = 'blue';

after(async () => {
  for (const client of [ec2Client, elbClient, asgClient]) client.destroy();
  await served[Symbol.asyncDispose]();
});

const fails = (name: string) => (error: Error) => {
  assert.equal(error.name, name, error.message);
  return true;
};
let targetGroup = '';
let balancer = '';

it('makes a load balancer with a target group and a listener, and reads all of it back', async () => {
  const made = await elbClient.send(
    new elb.CreateTargetGroupCommand({
      Name: 'mytarget-group',
      Protocol: 'HTTP',
      Port: 80,
      VpcId: world.vpcId,
      Matcher: { HttpCode: '200-399' },
      Tags: [{ Key: 'lab', Value: 'A5' }],
    }),
  );
  targetGroup = made.TargetGroups?.[0]?.TargetGroupArn ?? '';
  assert.equal(made.TargetGroups?.[0]?.HealthCheckIntervalSeconds, 30);
  assert.equal(made.TargetGroups?.[0]?.UnhealthyThresholdCount, 2);
  assert.equal(made.TargetGroups?.[0]?.Matcher?.HttpCode, '200-399');
  await elbClient.send(
    new elb.ModifyTargetGroupCommand({
      TargetGroupArn: targetGroup,
      HealthCheckIntervalSeconds: 5,
      HealthCheckTimeoutSeconds: 2,
      HealthyThresholdCount: 2,
    }),
  );
  const { LoadBalancers } = await elbClient.send(
    new elb.CreateLoadBalancerCommand({ Name: 'myelb', Subnets: world.subnets }),
  );
  balancer = LoadBalancers?.[0]?.LoadBalancerArn ?? '';
  assert.equal(LoadBalancers?.[0]?.State?.Code, 'provisioning');
  await world.idle();
  const waited = await elb.waitUntilLoadBalancerAvailable(
    { client: elbClient, maxWaitTime: 5, minDelay: 1 },
    { LoadBalancerArns: [balancer] },
  );
  assert.equal(waited.state, 'SUCCESS');
  await elbClient.send(
    new elb.CreateListenerCommand({
      LoadBalancerArn: balancer,
      Protocol: 'HTTP',
      Port: 80,
      DefaultActions: [{ Type: 'forward', TargetGroupArn: targetGroup }],
    }),
  );
  const { Listeners } = await elbClient.send(new elb.DescribeListenersCommand({ LoadBalancerArn: balancer }));
  assert.equal(Listeners?.[0]?.DefaultActions?.[0]?.TargetGroupArn, targetGroup);
  const { Rules } = await elbClient.send(
    new elb.DescribeRulesCommand({ ListenerArn: Listeners?.[0]?.ListenerArn }),
  );
  assert.deepEqual(
    Rules?.map((rule) => [rule.Priority, rule.IsDefault]),
    [['default', true]],
  );
  const { TagDescriptions } = await elbClient.send(
    new elb.DescribeTagsCommand({ ResourceArns: [targetGroup] }),
  );
  assert.deepEqual(TagDescriptions?.[0]?.Tags, [{ Key: 'lab', Value: 'A5' }]);
});

it('makes a group from a launch template, whose instances register by themselves and answer', async () => {
  const ImageId = await world.imageId();
  await ec2Client.send(
    new ec2.CreateLaunchTemplateCommand({
      LaunchTemplateName: 'mytemplate',
      LaunchTemplateData: { ImageId, InstanceType: 't2.micro' },
    }),
  );
  await asgClient.send(
    new autoscaling.CreateAutoScalingGroupCommand({
      AutoScalingGroupName,
      LaunchTemplate: { LaunchTemplateName: 'mytemplate', Version: '$Latest' },
      MinSize: 2,
      MaxSize: 4,
      VPCZoneIdentifier: world.subnets.join(','),
      TargetGroupARNs: [targetGroup],
      Tags: [{ Key: 'Name', Value: 'blue', PropagateAtLaunch: true }],
    }),
  );
  await world.seconds(10);
  const waited = await elb.waitUntilTargetInService(
    { client: elbClient, maxWaitTime: 5, minDelay: 1 },
    { TargetGroupArn: targetGroup },
  );
  assert.equal(waited.state, 'SUCCESS');
  const { AutoScalingGroups } = await asgClient.send(
    new autoscaling.DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [AutoScalingGroupName] }),
  );
  const [group] = AutoScalingGroups ?? [];
  assert.equal(group?.Instances?.length, 2);
  assert.equal(group?.HealthCheckType, 'EC2');
  assert.equal(group?.DefaultCooldown, 300);
  assert.deepEqual(group?.TerminationPolicies, ['Default']);
  const { LoadBalancerTargetGroups } = await asgClient.send(
    new autoscaling.DescribeLoadBalancerTargetGroupsCommand({ AutoScalingGroupName }),
  );
  assert.equal(LoadBalancerTargetGroups?.[0]?.State, 'InService');
  const { AutoScalingInstances } = await asgClient.send(
    new autoscaling.DescribeAutoScalingInstancesCommand({}),
  );
  assert.deepEqual(
    AutoScalingInstances?.map((one) => one.HealthStatus),
    ['HEALTHY', 'HEALTHY'],
  );
  assert.equal(new Set(world.ask(balancer, 8).map((one) => one.target)).size, 2);
  const pages = autoscaling.paginateDescribeScalingActivities(
    { client: asgClient, pageSize: 1 },
    { AutoScalingGroupName },
  );
  const seen: string[] = [];
  for await (const page of pages) {
    seen.push(...(page.Activities ?? []).map((one) => `${one.StatusCode} ${one.Progress}`));
  }
  assert.deepEqual(seen, ['Successful 100', 'Successful 100']);
});

it('lets a caller hold processes, protect, move to standby, detach and attach instances', async () => {
  await asgClient.send(
    new autoscaling.SuspendProcessesCommand({ AutoScalingGroupName, ScalingProcesses: ['AZRebalance'] }),
  );
  const ids = async (): Promise<string[]> => {
    const { AutoScalingInstances } = await asgClient.send(
      new autoscaling.DescribeAutoScalingInstancesCommand({}),
    );
    return (AutoScalingInstances ?? []).map((one) => one.InstanceId ?? '');
  };
  const [first = '', second = ''] = await ids();
  await asgClient.send(
    new autoscaling.SetInstanceProtectionCommand({
      AutoScalingGroupName,
      InstanceIds: [first],
      ProtectedFromScaleIn: true,
    }),
  );
  await asgClient.send(new autoscaling.UpdateAutoScalingGroupCommand({ AutoScalingGroupName, MinSize: 1 }));
  const standby = { AutoScalingGroupName, InstanceIds: [second] };
  const { Activities } = await asgClient.send(
    new autoscaling.EnterStandbyCommand({ ...standby, ShouldDecrementDesiredCapacity: true }),
  );
  assert.equal(Activities?.[0]?.Description, `Moving EC2 instance to Standby: ${second}`);
  await world.seconds(1);
  assert.match((await world.health(targetGroup))[second] ?? '', /^draining/);
  await asgClient.send(new autoscaling.ExitStandbyCommand(standby));
  await world.seconds(10);
  assert.equal((await world.health(targetGroup))[second], 'healthy');
  await asgClient.send(
    new autoscaling.DetachInstancesCommand({ ...standby, ShouldDecrementDesiredCapacity: true }),
  );
  await world.idle();
  assert.deepEqual(await ids(), [first]);
  const groupTag = async () =>
    (await world.describe(second)).Tags?.find((tag) => tag.Key === 'aws:autoscaling:groupName')?.Value;
  assert.equal(await groupTag(), undefined);
  await asgClient.send(new autoscaling.AttachInstancesCommand(standby));
  assert.equal(await groupTag(), AutoScalingGroupName);
  await world.seconds(10);
  assert.deepEqual((await ids()).toSorted(), [first, second].toSorted());
  assert.equal((await world.health(targetGroup))[second], 'healthy');
  await asgClient.send(
    new autoscaling.SetDesiredCapacityCommand({ AutoScalingGroupName, DesiredCapacity: 1 }),
  );
  await world.seconds(301);
  assert.deepEqual(await ids(), [first], 'the protected one stays');
  await asgClient.send(new autoscaling.ResumeProcessesCommand({ AutoScalingGroupName }));
});

it('replaces an instance that is reported unhealthy', async () => {
  const describe = new autoscaling.DescribeAutoScalingInstancesCommand({});
  const before = (await asgClient.send(describe)).AutoScalingInstances?.[0]?.InstanceId;
  await asgClient.send(
    new autoscaling.SetInstanceHealthCommand({ InstanceId: before, HealthStatus: 'Unhealthy' }),
  );
  await world.seconds(301);
  const now = (await asgClient.send(describe)).AutoScalingInstances ?? [];
  assert.equal(now.length, 1);
  assert.notEqual(now[0]?.InstanceId, before);
});

it('keeps launch configurations, tags and target groups of a group', async () => {
  const byParameter = {
    LaunchConfigurationName: 'by-parameter',
    ImageId: 'resolve:ssm:/aws/service/debian/release/12/latest/amd64',
    InstanceType: 't3.micro',
  };
  await assert.rejects(asgClient.send(new autoscaling.CreateLaunchConfigurationCommand(byParameter)), {
    name: 'ValidationError',
    message: /is invalid: Invalid id: "resolve:ssm:.*" \(expecting "ami-\.\.\."\)/,
  });
  const LaunchConfigurationName = 'my-launch-config';
  const [sg] = (await ec2Client.send(new ec2.DescribeSecurityGroupsCommand({}))).SecurityGroups ?? [];
  await asgClient.send(
    new autoscaling.CreateLaunchConfigurationCommand({
      LaunchConfigurationName,
      ImageId: await world.imageId(),
      InstanceType: 't3.micro',
      SecurityGroups: [sg?.GroupId ?? ''],
      AssociatePublicIpAddress: true,
    }),
  );
  const { LaunchConfigurations } = await asgClient.send(
    new autoscaling.DescribeLaunchConfigurationsCommand({
      LaunchConfigurationNames: [LaunchConfigurationName],
    }),
  );
  assert.equal(LaunchConfigurations?.[0]?.AssociatePublicIpAddress, true);
  assert.deepEqual(LaunchConfigurations?.[0]?.SecurityGroups, [sg?.GroupId]);
  const configured = { AutoScalingGroupName: 'configured', LaunchConfigurationName };
  await asgClient.send(
    new autoscaling.CreateAutoScalingGroupCommand({
      ...configured,
      MinSize: 1,
      MaxSize: 1,
      AvailabilityZones: ['us-west-2a'],
    }),
  );
  await world.idle();
  const { AutoScalingGroups } = await asgClient.send(
    new autoscaling.DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['configured'] }),
  );
  assert.equal(AutoScalingGroups?.[0]?.Instances?.[0]?.LaunchConfigurationName, LaunchConfigurationName);
  assert.equal(AutoScalingGroups?.[0]?.Instances?.[0]?.LifecycleState, 'InService');
  const removal = new autoscaling.DeleteLaunchConfigurationCommand({ LaunchConfigurationName });
  await assert.rejects(asgClient.send(removal), fails('ResourceInUseFault'));
  await asgClient.send(
    new autoscaling.DeleteAutoScalingGroupCommand({ AutoScalingGroupName: 'configured', ForceDelete: true }),
  );
  await world.idle();
  await asgClient.send(removal);

  const ResourceId = AutoScalingGroupName;
  const tag = { ResourceId, ResourceType: 'auto-scaling-group', Key: 'team' };
  await asgClient.send(
    new autoscaling.CreateOrUpdateTagsCommand({ Tags: [{ ...tag, Value: 'a', PropagateAtLaunch: false }] }),
  );
  const { Tags } = await asgClient.send(
    new autoscaling.DescribeTagsCommand({ Filters: [{ Name: 'key', Values: ['team'] }] }),
  );
  assert.deepEqual(
    Tags?.map((one) => [one.Value, one.PropagateAtLaunch]),
    [['a', false]],
  );
  await asgClient.send(new autoscaling.DeleteTagsCommand({ Tags: [tag] }));
  const groupArns = { AutoScalingGroupName, TargetGroupARNs: [targetGroup] };
  await asgClient.send(new autoscaling.DetachLoadBalancerTargetGroupsCommand(groupArns));
  await world.seconds(301);
  assert.deepEqual(await world.health(targetGroup), {});
  await asgClient.send(new autoscaling.AttachLoadBalancerTargetGroupsCommand(groupArns));
  await world.seconds(10);
  assert.deepEqual(Object.values(await world.health(targetGroup)), ['healthy']);
});

it('says its facts', async () => {
  const { Processes } = await asgClient.send(new autoscaling.DescribeScalingProcessTypesCommand({}));
  assert.equal(Processes?.length, 9);
  const { TerminationPolicyTypes } = await asgClient.send(
    new autoscaling.DescribeTerminationPolicyTypesCommand({}),
  );
  assert.ok(TerminationPolicyTypes?.includes('OldestLaunchTemplate'));
  const { AdjustmentTypes } = await asgClient.send(new autoscaling.DescribeAdjustmentTypesCommand({}));
  assert.equal(AdjustmentTypes?.length, 3);
  const limits = await asgClient.send(new autoscaling.DescribeAccountLimitsCommand({}));
  assert.equal(limits.NumberOfAutoScalingGroups, 1);
  const { Limits } = await elbClient.send(new elb.DescribeAccountLimitsCommand({}));
  assert.ok(Limits?.some((one) => one.Name === 'application-load-balancers' && one.Max === '50'));
  const { ScalingPolicies } = await asgClient.send(new autoscaling.DescribePoliciesCommand({}));
  assert.deepEqual(ScalingPolicies ?? [], []);
  const { LifecycleHooks } = await asgClient.send(
    new autoscaling.DescribeLifecycleHooksCommand({ AutoScalingGroupName }),
  );
  assert.deepEqual(LifecycleHooks ?? [], []);
  const refreshes = await asgClient.send(
    new autoscaling.DescribeInstanceRefreshesCommand({ AutoScalingGroupName }),
  );
  assert.deepEqual(refreshes.InstanceRefreshes ?? [], []);
  const scheduled = await asgClient.send(new autoscaling.DescribeScheduledActionsCommand({}));
  assert.deepEqual(scheduled.ScheduledUpdateGroupActions ?? [], []);
  const notified = await asgClient.send(new autoscaling.DescribeNotificationConfigurationsCommand({}));
  assert.deepEqual(notified.NotificationConfigurations ?? [], []);
});

it('refuses with AWS’s own codes', async () => {
  const create = (input: object) =>
    elbClient.send(new elb.CreateLoadBalancerCommand({ Name: 'other', Subnets: world.subnets, ...input }));
  await assert.rejects(
    create({ Name: 'myelb', Scheme: 'internal' }),
    fails('DuplicateLoadBalancerNameException'),
  );
  await assert.rejects(create({ Subnets: ['subnet-0123456789abcdef0'] }), fails('SubnetNotFoundException'));
  await assert.rejects(create({ Subnets: world.subnets.slice(0, 1) }), fails('ValidationError'));
  await assert.rejects(
    create({ SecurityGroups: ['sg-0123456789abcdef0'] }),
    fails('InvalidSecurityGroupException'),
  );
  await assert.rejects(create({ Type: 'network' }), fails('UnsupportedOperation'));
  await assert.rejects(create({ Name: 'internal-x' }), fails('ValidationError'));
  const group = { TargetGroupArn: targetGroup };
  await assert.rejects(
    elbClient.send(new elb.DeleteTargetGroupCommand(group)),
    fails('ResourceInUseException'),
  );
  await assert.rejects(
    elbClient.send(new elb.RegisterTargetsCommand({ ...group, Targets: [{ Id: 'i-0123456789abcdef0' }] })),
    fails('InvalidTargetException'),
  );
  const sticky = [{ Key: 'stickiness.enabled', Value: 'true' }];
  await assert.rejects(
    elbClient.send(new elb.ModifyTargetGroupAttributesCommand({ ...group, Attributes: sticky })),
    fails('UnsupportedOperation'),
  );
  const listener = (input: object) =>
    elbClient.send(
      new elb.CreateListenerCommand({
        LoadBalancerArn: balancer,
        Protocol: 'HTTP',
        Port: 80,
        DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '200' } }],
        ...input,
      }),
    );
  await assert.rejects(listener({}), fails('DuplicateListenerException'));
  await assert.rejects(listener({ Port: 443, Protocol: 'HTTPS' }), fails('UnsupportedOperation'));
  await assert.rejects(
    asgClient.send(new autoscaling.SetDesiredCapacityCommand({ AutoScalingGroupName, DesiredCapacity: 9 })),
    (error: Error) => {
      assert.equal(
        error.message,
        'New SetDesiredCapacity value 9 is above max value 4 for the AutoScalingGroup.',
      );
      return fails('ValidationError')(error);
    },
  );
  await assert.rejects(
    asgClient.send(
      new autoscaling.CreateAutoScalingGroupCommand({
        AutoScalingGroupName,
        MinSize: 1,
        MaxSize: 1,
        LaunchTemplate: { LaunchTemplateName: 'mytemplate' },
      }),
    ),
    fails('AlreadyExistsFault'),
  );
});

it('takes all of it down', async () => {
  await asgClient.send(
    new autoscaling.DeleteAutoScalingGroupCommand({ AutoScalingGroupName, ForceDelete: true }),
  );
  await elbClient.send(new elb.DeleteLoadBalancerCommand({ LoadBalancerArn: balancer }));
  await world.idle();
  await elbClient.send(new elb.DeleteTargetGroupCommand({ TargetGroupArn: targetGroup }));
  const { AutoScalingGroups } = await asgClient.send(new autoscaling.DescribeAutoScalingGroupsCommand({}));
  assert.deepEqual(AutoScalingGroups ?? [], []);
  assert.deepEqual(await world.drivers.loadBalancer.list(), []);
  assert.deepEqual([...faults, ...world.errors], []);
});
