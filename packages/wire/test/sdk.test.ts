import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  DeleteAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  CreateTagsCommand,
  DeleteVpcCommand,
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
  type RunInstancesRequest,
} from '@aws-sdk/client-ec2';
import {
  CreateTargetGroupCommand,
  DeleteLoadBalancerCommand,
  DescribeLoadBalancersCommand,
  ElasticLoadBalancingV2Client,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { WireError } from '../src/index.ts';
import { ALICE, clientSettings, ROOT, startToyRegion } from './toy-region.ts';

test('an EC2 call reaches the backend as the SDK sent it, and its answer the SDK as the backend gave it', async () => {
  const launchTime = new Date('2026-03-01T12:00:00.000Z');
  await using region = await startToyRegion({
    'ec2:RunInstances': () => ({
      ReservationId: 'r-1',
      Groups: [],
      Instances: [
        {
          InstanceId: 'i-1',
          LaunchTime: launchTime,
          State: { Code: 0, Name: 'pending' },
          EbsOptimized: false,
          KeyName: undefined,
          Tags: [{ Key: 'a<b>&"\'', Value: 'ü\r\n€ 😀' }],
        },
      ],
    }),
  });
  const input: RunInstancesRequest = {
    ImageId: 'ami-1',
    MinCount: 1,
    MaxCount: 2,
    InstanceType: 't3.micro',
    SecurityGroupIds: ['sg-1', 'sg-2'],
    BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 8, DeleteOnTermination: true } }],
    TagSpecifications: [
      {
        ResourceType: 'instance',
        Tags: [
          { Key: 'Name', Value: 'a b+c&d=é' },
          { Key: 'empty', Value: '' },
        ],
      },
    ],
    NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: true, Groups: ['sg-3'] }],
    IamInstanceProfile: { Name: 'web' },
    ClientToken: 'token',
    DryRun: false,
    UserData: 'aGk=',
  };
  const client = new EC2Client(clientSettings(region));
  const output = await client.send(new RunInstancesCommand(input));
  const [call] = region.calls;
  assert.deepEqual(call?.input, input);
  assert.deepEqual(
    { ...call, input: 0, requestId: 0 },
    {
      service: 'ec2',
      operation: 'RunInstances',
      input: 0,
      region: 'us-west-2',
      requestId: 0,
      principal: ROOT,
      origin: 'loopback',
    },
  );
  assert.equal(output.$metadata.requestId, call?.requestId);
  assert.deepEqual(output.Groups, []);
  assert.deepEqual(output.Instances, [
    {
      InstanceId: 'i-1',
      LaunchTime: launchTime,
      State: { Code: 0, Name: 'pending' },
      EbsOptimized: false,
      Tags: [{ Key: 'a<b>&"\'', Value: 'ü\r\n€ 😀' }],
    },
  ]);
});

test('empty lists arrive as empty lists, and operations without output as success', async () => {
  await using region = await startToyRegion({
    'ec2:DescribeInstances': () => ({ Reservations: [] }),
    'ec2:DeleteVpc': () => undefined,
    'elbv2:DescribeLoadBalancers': () => ({ LoadBalancers: [] }),
    'elbv2:DeleteLoadBalancer': () => ({}),
    'autoscaling:DeleteAutoScalingGroup': () => undefined,
  });
  const ec2 = new EC2Client(clientSettings(region));
  assert.deepEqual((await ec2.send(new DescribeInstancesCommand({}))).Reservations, []);
  await ec2.send(new DeleteVpcCommand({ VpcId: 'vpc-1' }));
  const elbv2 = new ElasticLoadBalancingV2Client(clientSettings(region));
  assert.deepEqual((await elbv2.send(new DescribeLoadBalancersCommand({}))).LoadBalancers, []);
  await elbv2.send(new DeleteLoadBalancerCommand({ LoadBalancerArn: 'arn' }));
  const autoscaling = new AutoScalingClient(clientSettings(region));
  await autoscaling.send(new DeleteAutoScalingGroupCommand({ AutoScalingGroupName: 'g', ForceDelete: true }));
  assert.deepEqual(region.calls.at(-1)?.input, { AutoScalingGroupName: 'g', ForceDelete: true });
});

test('query services get lists, structures and numbers as the SDK sent them', async () => {
  await using region = await startToyRegion({
    'autoscaling:CreateAutoScalingGroup': () => undefined,
    'elbv2:CreateTargetGroup': () => ({
      TargetGroups: [{ TargetGroupArn: 'arn', Port: 80, Matcher: { HttpCode: '200' } }],
    }),
    'sts:GetCallerIdentity': ({ principal }) => ({
      UserId: principal?.userId,
      Account: principal?.accountId,
      Arn: principal?.arn,
    }),
  });
  const group = {
    AutoScalingGroupName: 'web',
    MinSize: 0,
    MaxSize: 4,
    VPCZoneIdentifier: 'subnet-1,subnet-2',
    LaunchTemplate: { LaunchTemplateId: 'lt-1', Version: '$Latest' },
    TargetGroupARNs: ['arn:1', 'arn:2'],
    Tags: [{ Key: 'k', Value: 'v', PropagateAtLaunch: true }],
  };
  await new AutoScalingClient(clientSettings(region)).send(new CreateAutoScalingGroupCommand(group));
  assert.deepEqual(region.calls[0]?.input, group);
  const elbv2 = new ElasticLoadBalancingV2Client(clientSettings(region));
  const input = {
    Name: 'tg',
    Protocol: 'HTTP' as const,
    Port: 80,
    HealthCheckIntervalSeconds: 5,
    Matcher: { HttpCode: '200-299' },
  };
  const { TargetGroups } = await elbv2.send(new CreateTargetGroupCommand(input));
  assert.deepEqual(region.calls[1]?.input, input);
  assert.deepEqual(TargetGroups, [{ TargetGroupArn: 'arn', Port: 80, Matcher: { HttpCode: '200' } }]);
  const sts = new STSClient(
    clientSettings(region, { accessKeyId: 'AKIAALICE', secretAccessKey: ALICE.secretAccessKey }),
  );
  const identity = await sts.send(new GetCallerIdentityCommand({}));
  assert.equal(identity.Arn, ALICE.principal.arn);
});

test('a backend refuses by code and status; its other errors stay inside', async () => {
  await using region = await startToyRegion({
    'ec2:CreateTags': () => {
      throw new WireError('InvalidID', "The ID 'x<y' is not valid");
    },
    'elbv2:DeleteLoadBalancer': () => {
      throw Object.assign(new Error('no such'), { code: 'LoadBalancerNotFound', httpStatus: 400 });
    },
    'ec2:DeleteVpc': () => {
      throw new Error('secret path', { cause: new TypeError('inner') });
    },
    'ec2:DescribeInstances': () => ({ Reservations: 'not a list' }),
  });
  const ec2 = new EC2Client(clientSettings(region));
  await assert.rejects(
    ec2.send(new CreateTagsCommand({ Resources: ['x'], Tags: [{ Key: 'k', Value: 'v' }] })),
    {
      name: 'InvalidID',
      message: "The ID 'x<y' is not valid",
    },
  );
  const elbv2 = new ElasticLoadBalancingV2Client(clientSettings(region));
  await assert.rejects(elbv2.send(new DeleteLoadBalancerCommand({ LoadBalancerArn: 'a' })), {
    name: 'LoadBalancerNotFoundException',
  });
  await assert.rejects(
    ec2.send(new DeleteVpcCommand({ VpcId: 'v' })),
    (error: Error & { $metadata: { httpStatusCode: number; requestId: string } }) => {
      assert.equal(error.name, 'InternalError');
      assert.equal(error.$metadata.httpStatusCode, 500);
      assert.doesNotMatch(error.message, /secret/);
      assert.match(
        region.log[0]!,
        new RegExp(
          `^${error.$metadata.requestId} ec2:DeleteVpc failed: Error: secret path.*caused by TypeError: inner`,
        ),
      );
      return true;
    },
  );
  await assert.rejects(ec2.send(new DescribeInstancesCommand({})), { name: 'InternalError' });
  assert.match(region.log[1]!, /DescribeInstancesResult\.Reservations: expected a list, got string/);
});
