import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkInterfaces } from '../src/services/ec2/records.ts';
import { REGION } from './ec2-world.ts';
import { elbv2World } from './elbv2-world.ts';

const code = (expected: string) => (error: { code?: string }) => {
  assert.equal(error.code, expected);
  return true;
};

async function served() {
  const world = await elbv2World();
  // Every group of the default VPC lets its own members in, and the load balancer is one of them.
  const ids = [
    await world.launchOne({ SubnetId: world.subnets[0] }),
    await world.launchOne({ SubnetId: world.subnets[1] }),
  ] as const;
  const group = await world.makeTargetGroup();
  const targets = ids.map((Id) => ({ Id }));
  await world.elb('RegisterTargets', { TargetGroupArn: group, Targets: targets });
  const balancer = await world.makeLoadBalancer();
  await world.forward(balancer.arn, group);
  await world.seconds(15);
  return { ...world, ids, group, balancer };
}

describe('a load balancer in front of two instances', () => {
  it('takes targets from unused over initial to healthy, and becomes active', async () => {
    const world = await elbv2World();
    const id = await world.launchOne({ SubnetId: world.subnets[0] });
    const group = await world.makeTargetGroup();
    await world.elb('RegisterTargets', { TargetGroupArn: group, Targets: [{ Id: id }] });
    await world.idle();
    assert.deepEqual(await world.health(group), { [id]: 'unused Target.NotInUse' });

    const { LoadBalancers } = await world.elb('CreateLoadBalancer', {
      Name: 'myelb',
      Subnets: world.subnets,
    });
    assert.equal(LoadBalancers[0].State.Code, 'provisioning');
    const arn = LoadBalancers[0].LoadBalancerArn;
    assert.match(
      arn,
      /^arn:aws:elasticloadbalancing:us-west-2:\d{12}:loadbalancer\/app\/myelb\/[0-9a-f]{16}$/,
    );
    assert.match(LoadBalancers[0].DNSName, /^myelb-\d+\.us-west-2\.elb\.holdfast\.internal$/);
    await world.idle();
    world.behave(id, { status: 503 });
    await world.forward(arn, group);
    await world.idle();
    assert.deepEqual(await world.health(group), { [id]: 'initial Elb.InitialHealthChecking' });
    world.behave(id, undefined);
    await world.seconds(6);
    assert.deepEqual(await world.health(group), { [id]: 'healthy' });
    const after = await world.elb('DescribeLoadBalancers', { Names: ['myelb'] });
    assert.equal(after.LoadBalancers[0].State.Code, 'active');
    assert.deepEqual(world.errors, []);
  });

  it('has a node in each zone, all of which serve both instances in turn', async () => {
    const { balancer, ids, nodesOf, ask } = await served();
    assert.deepEqual(
      nodesOf(balancer.arn).map((node) => node.spec.zone),
      ['us-west-2a', 'us-west-2b'],
    );
    const answers = ask(balancer.arn, 8);
    for (const id of ids) assert.equal(answers.filter((one) => one.target === `${id}:80`).length, 4);
    assert.ok(answers.every((one) => one.status === 200));
  });

  it('is known by a name that leads to the public addresses of its nodes', async () => {
    const { balancer, drivers, region, nodesOf } = await served();
    const publics = nodesOf(balancer.arn).map(
      (node) => region.store.get(networkInterfaces, REGION, node.spec.interfaceId)?.spec.publicAddress,
    );
    assert.equal(publics.length, 2);
    assert.deepEqual(drivers.edge.resolve(balancer.name), publics);
    const door = [...drivers.edge.records.values()].find((record) => record.kind === 'front-door');
    assert.deepEqual(door, { kind: 'front-door', name: balancer.name, nodes: publics, ports: [80] });
  });

  it('an internal one is known inside its VPC only, by private addresses', async () => {
    const world = await elbv2World();
    const { name } = await world.makeLoadBalancer({ Scheme: 'internal' });
    await world.seconds(1);
    assert.ok(name.startsWith('internal-myelb-'));
    assert.deepEqual(world.drivers.edge.resolve(name), []);
    assert.equal(world.drivers.edge.resolve(name, world.vpcId).length, 2);
    assert.ok(world.drivers.edge.resolve(name, world.vpcId).every((one) => one.startsWith('172.31.')));
  });

  it('stops sending to an instance whose application fails, and comes back after two good checks', async () => {
    const { balancer, group, ids, ask, behave, health, seconds } = await served();
    behave(ids[0], 'down');
    assert.ok(ask(balancer.arn, 4).some((one) => one.status === 502));
    await seconds(11);
    assert.deepEqual(await health(group), {
      [ids[0]]: 'unhealthy Target.FailedHealthChecks',
      [ids[1]]: 'healthy',
    });
    assert.ok(ask(balancer.arn, 8).every((one) => one.status === 200));
    behave(ids[0], undefined);
    await seconds(4);
    assert.equal((await health(group))[ids[0]], 'unhealthy Target.FailedHealthChecks');
    await seconds(8);
    assert.equal((await health(group))[ids[0]], 'healthy');
  });

  it('says why: the code that did not match, a time-out', async () => {
    const { elb, group, ids, behave, seconds } = await served();
    behave(ids[0], { status: 404 });
    behave(ids[1], 'silent');
    await seconds(12);
    const { TargetHealthDescriptions } = await elb('DescribeTargetHealth', { TargetGroupArn: group });
    assert.deepEqual(
      TargetHealthDescriptions.map((one: { TargetHealth: object }) => one.TargetHealth),
      [
        {
          State: 'unhealthy',
          Reason: 'Target.ResponseCodeMismatch',
          Description: 'Health checks failed with these codes: [404]',
        },
        { State: 'unhealthy', Reason: 'Target.Timeout', Description: 'Request timed out' },
      ],
    );
  });

  it('drains a deregistered target for the whole delay, without a new request', async () => {
    const { elb, balancer, group, ids, ask, health, seconds } = await served();
    await elb('ModifyTargetGroupAttributes', {
      TargetGroupArn: group,
      Attributes: [{ Key: 'deregistration_delay.timeout_seconds', Value: '60' }],
    });
    await elb('DeregisterTargets', { TargetGroupArn: group, Targets: [{ Id: ids[0] }] });
    await seconds(1);
    assert.equal((await health(group))[ids[0]], 'draining Target.DeregistrationInProgress');
    assert.ok(ask(balancer.arn, 6).every((one) => one.target === `${ids[1]}:80`));
    await seconds(58);
    assert.equal((await health(group))[ids[0]], 'draining Target.DeregistrationInProgress');
    await seconds(2);
    assert.deepEqual(await health(group), { [ids[1]]: 'healthy' });
  });

  it('shows a stopped instance as unused at once, and takes it back when it runs', async () => {
    const { ec2, balancer, group, ids, ask, health, idle, seconds } = await served();
    await ec2('StopInstances', { InstanceIds: [ids[0]] });
    await idle();
    assert.equal((await health(group))[ids[0]], 'unused Target.InvalidState');
    assert.ok(ask(balancer.arn, 6).every((one) => one.target === `${ids[1]}:80`));
    await ec2('StartInstances', { InstanceIds: [ids[0]] });
    await seconds(10);
    assert.equal((await health(group))[ids[0]], 'healthy');
  });

  it('starts a node again that died', async () => {
    const { balancer, drivers, idle, nodesOf, ask } = await served();
    const [node] = nodesOf(balancer.arn);
    drivers.loadBalancer.kill(node?.id ?? '');
    await idle();
    assert.equal(ask(balancer.arn, 4).length, 4);
  });

  it('leaves nothing behind when it is deleted', async () => {
    const { elb, balancer, group, drivers, health, idle, region, errors } = await served();
    await elb('DeleteLoadBalancer', { LoadBalancerArn: balancer.arn });
    await assert.rejects(elb('DescribeLoadBalancers', { Names: ['myelb'] }), code('LoadBalancerNotFound'));
    await idle();
    assert.deepEqual(await drivers.loadBalancer.list(), []);
    assert.deepEqual(drivers.edge.resolve(balancer.name), []);
    const held = region.store.list(networkInterfaces, REGION).filter((one) => one.spec.requesterManaged);
    assert.deepEqual(held, []);
    assert.ok(Object.values(await health(group)).every((one) => one === 'unused Target.NotInUse'));
    await elb('DeleteTargetGroup', { TargetGroupArn: group });
    assert.deepEqual(errors, []);
  });

  it('answers by itself when it is told to', async () => {
    const { elb, balancer, idle, drivers, nodesOf } = await served();
    await elb('CreateListener', {
      LoadBalancerArn: balancer.arn,
      Protocol: 'HTTP',
      Port: 8080,
      DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '410' } }],
    });
    await idle();
    assert.equal(drivers.loadBalancer.request(nodesOf(balancer.arn)[0]?.id ?? '', 8080).status, 410);
  });

  it('forwards by weight over two groups', async () => {
    const { elb, launchOne, subnets, makeTargetGroup, balancer, group, seconds, ask } = await served();
    const green = await makeTargetGroup({ Name: 'green' });
    const id = await launchOne({ SubnetId: subnets[0] });
    await elb('RegisterTargets', { TargetGroupArn: green, Targets: [{ Id: id }] });
    const { Listeners } = await elb('DescribeListeners', { LoadBalancerArn: balancer.arn });
    const TargetGroups = [
      { TargetGroupArn: group, Weight: 3 },
      { TargetGroupArn: green, Weight: 1 },
    ];
    await elb('ModifyListener', {
      ListenerArn: Listeners[0].ListenerArn,
      DefaultActions: [{ Type: 'forward', ForwardConfig: { TargetGroups } }],
    });
    await seconds(8);
    assert.equal(ask(balancer.arn, 16).filter((one) => one.target === `${id}:80`).length, 4);
  });
});
