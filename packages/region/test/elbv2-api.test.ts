/** What the load balancing API takes, answers and refuses. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkInterfaces } from '../src/services/ec2/records.ts';
import { REGION } from './ec2-world.ts';
import { elbv2World } from './elbv2-world.ts';

const refused = (code: string, message?: RegExp) => (error: { code?: string; message?: string }) => {
  assert.equal(error.code, code, error.message);
  if (message) assert.match(error.message ?? '', message);
  return true;
};

type Attribute = { Key: string; Value: string };
const attribute = (attributes: Attribute[], key: string): string | undefined =>
  attributes.find((one) => one.Key === key)?.Value;

describe('load balancers', () => {
  it('answer a repeated create with what is there, and only with the same settings', async () => {
    const { makeLoadBalancer, nodesOf } = await elbv2World();
    const first = await makeLoadBalancer();
    assert.deepEqual(await makeLoadBalancer(), first);
    assert.equal(nodesOf(first.arn).length, 2);
    await assert.rejects(makeLoadBalancer({ Scheme: 'internal' }), refused('DuplicateLoadBalancerName'));
  });

  it('need names as AWS has them, and two zones of a VPC with a way out', async () => {
    const { elb, ec2, makeLoadBalancer, subnets } = await elbv2World();
    const names: [string, RegExp][] = [
      ['a'.repeat(33), /cannot be longer than '32' characters/],
      ['my_elb', /can only contain characters that are alphanumeric/],
      ['-elb', /cannot begin or end with a hyphen/],
      ['internal-elb', /cannot begin with 'internal-'/],
    ];
    for (const [Name, message] of names) {
      await assert.rejects(makeLoadBalancer({ Name }), refused('ValidationError', message));
    }
    const { Vpc } = await ec2('CreateVpc', { CidrBlock: '10.0.0.0/16' });
    const made = await Promise.all(
      ['a', 'b'].map((zone, at) =>
        ec2('CreateSubnet', {
          VpcId: Vpc.VpcId,
          CidrBlock: `10.0.${at}.0/24`,
          AvailabilityZone: `us-west-2${zone}`,
        }),
      ),
    );
    const Subnets = made.map((one) => one.Subnet.SubnetId);
    await assert.rejects(makeLoadBalancer({ Subnets }), refused('InvalidSubnet', /has no internet gateway$/));
    await assert.rejects(
      makeLoadBalancer({ Subnets: [subnets[0], Subnets[1]] }),
      refused('InvalidConfigurationRequest'),
    );
    const internal = await elb('CreateLoadBalancer', { Name: 'inside', Subnets, Scheme: 'internal' });
    assert.equal(internal.LoadBalancers[0].VpcId, Vpc.VpcId);
  });

  it('come in pages', async () => {
    const { elb, makeLoadBalancer } = await elbv2World();
    for (const Name of ['one', 'two', 'three']) await makeLoadBalancer({ Name });
    const names = (page: { LoadBalancers: { LoadBalancerName: string }[] }): string[] =>
      page.LoadBalancers.map((one) => one.LoadBalancerName);
    const first = await elb('DescribeLoadBalancers', { PageSize: 2 });
    const second = await elb('DescribeLoadBalancers', { PageSize: 2, Marker: first.NextMarker });
    assert.deepEqual([names(first), names(second)], [['one', 'two'], ['three']]);
    assert.equal(second.NextMarker, undefined);
    await assert.rejects(elb('DescribeLoadBalancers', { Marker: 'x' }), refused('ValidationError'));
    await assert.rejects(
      elb('DescribeLoadBalancers', { Names: ['four'] }),
      refused('LoadBalancerNotFound', /^Load balancers '\[four\]' not found$/),
    );
  });

  it('move to other subnets: new nodes come, old ones go with their interfaces', async () => {
    const { elb, ec2, makeLoadBalancer, nodesOf, drivers, region, seconds, subnets } = await elbv2World();
    const { arn, name } = await makeLoadBalancer();
    await seconds(1);
    const { Subnets } = await ec2('DescribeSubnets', {
      Filters: [{ Name: 'availability-zone', Values: ['us-west-2c'] }],
    });
    const kept = nodesOf(arn)[0]?.id;
    await elb('SetSubnets', { LoadBalancerArn: arn, Subnets: [subnets[0], Subnets[0].SubnetId] });
    await seconds(2);
    assert.deepEqual(
      nodesOf(arn).map((node) => node.spec.zone),
      ['us-west-2a', 'us-west-2c'],
    );
    assert.equal(nodesOf(arn)[0]?.id, kept);
    const running = (await drivers.loadBalancer.list()).map((one) => one.id).toSorted();
    assert.deepEqual(
      running,
      nodesOf(arn)
        .map((node) => node.id)
        .toSorted(),
    );
    assert.equal(drivers.edge.resolve(name).length, 2);
    const held = region.store.list(networkInterfaces, REGION).filter((one) => one.spec.requesterManaged);
    assert.equal(held.length, 2);
  });

  it('change security groups on every node', async () => {
    const { elb, ec2, makeLoadBalancer, nodesOf, region, vpcId } = await elbv2World();
    const { arn } = await makeLoadBalancer();
    const { GroupId } = await ec2('CreateSecurityGroup', {
      GroupName: 'web',
      Description: 'w',
      VpcId: vpcId,
    });
    await elb('SetSecurityGroups', { LoadBalancerArn: arn, SecurityGroups: [GroupId] });
    for (const node of nodesOf(arn)) {
      const held = region.store.get(networkInterfaces, REGION, node.spec.interfaceId);
      assert.deepEqual(held?.spec.securityGroupIds, [GroupId]);
    }
    const { LoadBalancers } = await elb('DescribeLoadBalancers', { LoadBalancerArns: [arn] });
    assert.deepEqual(LoadBalancers[0].SecurityGroups, [GroupId]);
    await assert.rejects(
      elb('SetSecurityGroups', { LoadBalancerArn: arn, SecurityGroups: ['sg-0123456789abcdef0'] }),
      refused('InvalidSecurityGroup'),
    );
  });

  it('keep to their attributes, and refuse those that nothing would keep to', async () => {
    const { elb, makeLoadBalancer, nodesOf, drivers, seconds } = await elbv2World();
    const { arn } = await makeLoadBalancer();
    const modify = (Key: string, Value: string): Promise<unknown> =>
      elb('ModifyLoadBalancerAttributes', { LoadBalancerArn: arn, Attributes: [{ Key, Value }] });
    const before = await elb('DescribeLoadBalancerAttributes', { LoadBalancerArn: arn });
    assert.equal(attribute(before.Attributes, 'idle_timeout.timeout_seconds'), '60');
    await modify('idle_timeout.timeout_seconds', '5');
    await modify('routing.http2.enabled', 'true');
    await seconds(1);
    assert.equal(drivers.loadBalancer.spec(nodesOf(arn)[0]?.id ?? '')?.idleTimeoutMs, 5_000);
    await assert.rejects(
      modify('access_logs.s3.enabled', 'true'),
      refused('UnsupportedOperation', /access_logs/),
    );
    await assert.rejects(modify('idle_timeout.timeout_seconds', '0'), refused('InvalidConfigurationRequest'));
    await assert.rejects(modify('no.such.attribute', '1'), refused('InvalidConfigurationRequest'));
    await modify('deletion_protection.enabled', 'true');
    const removal = { LoadBalancerArn: arn };
    await assert.rejects(elb('DeleteLoadBalancer', removal), refused('OperationNotPermitted'));
    await modify('deletion_protection.enabled', 'false');
    await elb('DeleteLoadBalancer', removal);
    await elb('DeleteLoadBalancer', removal);
    await assert.rejects(elb('DescribeCapacityReservation', removal), refused('LoadBalancerNotFound'));
  });

  it('have no capacity reserved', async () => {
    const { elb, makeLoadBalancer } = await elbv2World();
    const { arn: LoadBalancerArn } = await makeLoadBalancer();
    const answer = await elb('DescribeCapacityReservation', { LoadBalancerArn });
    assert.deepEqual(answer.CapacityReservationState, []);
  });

  it('carry tags', async () => {
    const { elb, makeLoadBalancer } = await elbv2World();
    const { arn } = await makeLoadBalancer({ Tags: [{ Key: 'a', Value: '1' }] });
    await elb('AddTags', { ResourceArns: [arn], Tags: [{ Key: 'b', Value: '2' }] });
    await elb('RemoveTags', { ResourceArns: [arn], TagKeys: ['a'] });
    const { TagDescriptions } = await elb('DescribeTags', { ResourceArns: [arn] });
    assert.deepEqual(TagDescriptions[0].Tags, [{ Key: 'b', Value: '2' }]);
    const twice = [{ Key: 'c' }, { Key: 'c' }];
    await assert.rejects(elb('AddTags', { ResourceArns: [arn], Tags: twice }), refused('DuplicateTagKeys'));
  });
});

describe('listeners', () => {
  it('redirect, change their port, and go', async () => {
    const { elb, makeLoadBalancer, makeTargetGroup, forward, nodesOf, drivers, idle } = await elbv2World();
    const { arn } = await makeLoadBalancer();
    const ListenerArn = await forward(arn, await makeTargetGroup());
    assert.ok(ListenerArn.startsWith(`${arn.replace(':loadbalancer/', ':listener/')}/`));
    const RedirectConfig = { Protocol: 'HTTPS', Port: '443', StatusCode: 'HTTP_301' };
    const DefaultActions = [{ Type: 'redirect', RedirectConfig }];
    await elb('ModifyListener', { ListenerArn, Port: 8080, DefaultActions });
    await idle();
    const spec = drivers.loadBalancer.spec(nodesOf(arn)[0]?.id ?? '');
    assert.deepEqual(
      spec?.listeners.map((one) => [one.port, one.defaultAction]),
      [
        [
          8080,
          {
            kind: 'redirect',
            status: 301,
            protocol: 'HTTPS',
            host: '#{host}',
            port: '443',
            path: '/#{path}',
            query: '#{query}',
          },
        ],
      ],
    );
    const loop = [{ Type: 'redirect', RedirectConfig: { StatusCode: 'HTTP_302' } }];
    await assert.rejects(
      elb('ModifyListener', { ListenerArn, DefaultActions: loop }),
      refused('InvalidLoadBalancerAction'),
    );
    const { Attributes } = await elb('DescribeListenerAttributes', { ListenerArn });
    assert.ok(Attributes.length > 0);
    await elb('DeleteListener', { ListenerArn });
    await assert.rejects(elb('DeleteListener', { ListenerArn }), refused('ListenerNotFound'));
  });

  it('of two load balancers cannot share a target group', async () => {
    const { makeLoadBalancer, makeTargetGroup, forward } = await elbv2World();
    const group = await makeTargetGroup();
    await forward((await makeLoadBalancer()).arn, group);
    const other = await makeLoadBalancer({ Name: 'other' });
    await assert.rejects(forward(other.arn, group), refused('TargetGroupAssociationLimit'));
  });
});

describe('target groups', () => {
  it('take health checks in AWS’s ranges only', async () => {
    const { makeTargetGroup } = await elbv2World();
    const bad = [
      { HealthCheckIntervalSeconds: 4 },
      { HealthCheckTimeoutSeconds: 121, HealthCheckIntervalSeconds: 300 },
      { HealthCheckIntervalSeconds: 10, HealthCheckTimeoutSeconds: 10 },
      { HealthyThresholdCount: 1 },
      { UnhealthyThresholdCount: 11 },
      { HealthCheckPath: 'health' },
      { HealthCheckPort: '0' },
      { Matcher: { HttpCode: '200,600' } },
      { Matcher: { HttpCode: 'ok' } },
      { Port: 70_000 },
      { VpcId: 'vpc-0123456789abcdef0' },
    ];
    for (const input of bad) await assert.rejects(makeTargetGroup(input), refused('ValidationError'));
    for (const input of [{ Protocol: 'HTTPS' }, { TargetType: 'lambda' }, { ProtocolVersion: 'GRPC' }]) {
      await assert.rejects(makeTargetGroup(input), refused('UnsupportedOperation'));
    }
  });

  it('are the same when made again alike, and refuse to be made otherwise', async () => {
    const { elb, makeTargetGroup } = await elbv2World();
    const arn = await makeTargetGroup();
    assert.equal(await makeTargetGroup(), arn);
    assert.equal(await makeTargetGroup({ ProtocolVersion: '' }), arn, 'as Terraform says it');
    await assert.rejects(makeTargetGroup({ Port: 81 }), refused('DuplicateTargetGroupName'));
    await assert.rejects(
      elb('DescribeTargetGroups', { Names: ['nobody'] }),
      refused('TargetGroupNotFound', /^One or more target groups not found$/),
    );
  });

  it('serve addresses, too, with a health check port of its own', async () => {
    const world = await elbv2World();
    const id = await world.launchOne({ SubnetId: world.subnets[1] });
    const address = world.addressOf(id);
    const group = await world.makeTargetGroup({ TargetType: 'ip', HealthCheckPort: '8081' });
    await world.elb('RegisterTargets', { TargetGroupArn: group, Targets: [{ Id: address, Port: 8080 }] });
    const { arn } = await world.makeLoadBalancer();
    await world.forward(arn, group);
    await world.seconds(6);
    assert.deepEqual(await world.health(group), { [address]: 'healthy' });
    assert.equal(world.ask(arn)[0]?.target, `${address}:8080`);
    world.drivers.loadBalancer.behave({ address, port: 8081 }, 'down');
    await world.seconds(12);
    assert.deepEqual(await world.health(group), { [address]: 'unhealthy Target.FailedHealthChecks' });
  });

  it('change how they balance', async () => {
    const { elb, makeTargetGroup, makeLoadBalancer, forward, nodesOf, drivers, idle } = await elbv2World();
    const TargetGroupArn = await makeTargetGroup();
    const { arn } = await makeLoadBalancer();
    await forward(arn, TargetGroupArn);
    const modify = (Key: string, Value: string): Promise<{ Attributes: Attribute[] }> =>
      elb('ModifyTargetGroupAttributes', { TargetGroupArn, Attributes: [{ Key, Value }] });
    await modify('load_balancing.algorithm.type', 'least_outstanding_requests');
    await idle();
    const spec = drivers.loadBalancer.spec(nodesOf(arn)[0]?.id ?? '');
    assert.equal(spec?.targetGroups[0]?.algorithm, 'least_outstanding_requests');
    const { Attributes } = await elb('DescribeTargetGroupAttributes', { TargetGroupArn });
    assert.equal(attribute(Attributes, 'deregistration_delay.timeout_seconds'), '300');
    assert.equal(attribute(Attributes, 'stickiness.enabled'), 'false');
    await assert.rejects(
      modify('load_balancing.algorithm.type', 'weighted_random'),
      refused('UnsupportedOperation'),
    );
    await assert.rejects(
      modify('deregistration_delay.timeout_seconds', '3601'),
      refused('InvalidConfigurationRequest'),
    );
  });

  it('take only running instances of their VPC, and know whom they do not know', async () => {
    const { elb, ec2, launchOne, idle, makeTargetGroup } = await elbv2World();
    const TargetGroupArn = await makeTargetGroup();
    const id = await launchOne();
    await ec2('StopInstances', { InstanceIds: [id] });
    await idle();
    await assert.rejects(
      elb('RegisterTargets', { TargetGroupArn, Targets: [{ Id: id }] }),
      refused('InvalidTarget', /not in a running state/),
    );
    const answer = await elb('DescribeTargetHealth', { TargetGroupArn, Targets: [{ Id: id }] });
    assert.equal(answer.TargetHealthDescriptions[0].TargetHealth.Reason, 'Target.NotRegistered');
  });
});

it('refuses by name what AWS has and Holdfast has not', async () => {
  const { elb } = await elbv2World();
  await assert.rejects(elb('CreateRule'), refused('UnsupportedOperation', /elbv2:CreateRule/));
});
