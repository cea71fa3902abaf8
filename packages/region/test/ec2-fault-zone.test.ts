/** A zone is cut off: what clients, load balancers and groups make of it, and how all of it comes back. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clearFaults, type FaultTarget, injectFault } from '../src/services/ec2/fault/index.ts';
import { natGateways, networkInterfaces } from '../src/services/ec2/records.ts';
import { minutes, REGION } from './ec2-world.ts';
import { elbv2World, VPC_ZONES } from './elbv2-world.ts';

const [LOST = '', LEFT = ''] = VPC_ZONES;

interface Member {
  readonly InstanceId: string;
  readonly AvailabilityZone: string;
  readonly LifecycleState: string;
}

/** A group of four over two zones behind a load balancer, healthy. */
async function zoneWorld(input: object = {}) {
  const world = await elbv2World();
  const { region, ec2, asg, subnets, idle, drivers } = world;
  const targetGroup = await world.makeTargetGroup();
  const balancer = await world.makeLoadBalancer();
  await world.forward(balancer.arn, targetGroup);
  await world.elb('ModifyTargetGroupAttributes', {
    TargetGroupArn: targetGroup,
    Attributes: [{ Key: 'deregistration_delay.timeout_seconds', Value: '5' }],
  });
  await ec2('CreateLaunchTemplate', {
    LaunchTemplateName: 'web',
    LaunchTemplateData: { ImageId: await world.imageId(), InstanceType: 't3.micro' },
  });
  await asg('CreateAutoScalingGroup', {
    AutoScalingGroupName: 'web',
    LaunchTemplate: { LaunchTemplateName: 'web' },
    MinSize: 4,
    MaxSize: 8,
    DesiredCapacity: 4,
    VPCZoneIdentifier: subnets.join(','),
    TargetGroupARNs: [targetGroup],
    ...input,
  });
  await world.seconds(15);
  const inject = async (target: FaultTarget, targetId: string): Promise<void> => {
    region.transact(REGION, (scope) => injectFault(scope, { target, targetId }));
    await idle();
  };
  const clear = async (): Promise<void> => {
    region.transact(REGION, (scope) => clearFaults(scope));
    await idle();
  };
  const inService = async (): Promise<Member[]> => {
    const { AutoScalingGroups } = await asg('DescribeAutoScalingGroups', {});
    return AutoScalingGroups[0].Instances.filter((one: Member) => one.LifecycleState === 'InService');
  };
  /** How many members are in service in each zone. */
  const spread = async (): Promise<Record<string, number>> => {
    const counts = Object.fromEntries(VPC_ZONES.map((zone) => [zone, 0]));
    for (const one of await inService())
      counts[one.AvailabilityZone] = (counts[one.AvailabilityZone] ?? 0) + 1;
    return counts;
  };
  const addressesNamed = (): string[] => drivers.edge.resolve(balancer.name.toLowerCase()).toSorted();
  const nodeIn = (zone: string) => {
    const node = world.nodesOf(balancer.arn).find(({ spec }) => spec.zone === zone);
    const held = region.store.get(networkInterfaces, REGION, node?.spec.interfaceId ?? '');
    return { id: node?.id ?? '', interfaceId: held?.id ?? '', address: held?.spec.publicAddress ?? '' };
  };
  const zone = async (name: string) => {
    const { AvailabilityZones } = await ec2('DescribeAvailabilityZones', { ZoneNames: [name] });
    return AvailabilityZones[0];
  };
  return { ...world, targetGroup, balancer, inject, clear, inService, spread, addressesNamed, nodeIn, zone };
}

describe('a zone that is lost', () => {
  it('is cut off as a whole: instances, load balancer nodes, whoever is in it', async () => {
    const { inject, clear, inService, nodeIn, drivers, vpcId, ec2, zone, errors } = await zoneWorld();
    const gone = (await inService()).filter((one) => one.AvailabilityZone === LOST);
    const [before] = gone;
    await inject('zone', LOST);
    const cut = drivers.network.topology(vpcId)?.cut ?? [];
    assert.equal(cut.length, gone.length + 1);
    assert.ok(cut.includes(nodeIn(LOST).interfaceId));
    assert.ok(!cut.includes(nodeIn(LEFT).interfaceId));
    assert.equal(await drivers.compute.responds(before?.InstanceId ?? ''), true, 'it computes all the same');
    const impaired = await zone(LOST);
    assert.equal(impaired.State, 'impaired');
    assert.equal(impaired.Messages.length, 1);
    assert.equal((await zone(LEFT)).State, 'available');
    const filtered = await ec2('DescribeAvailabilityZones', {
      Filters: [{ Name: 'state', Values: ['impaired'] }],
    });
    assert.deepEqual(
      filtered.AvailabilityZones.map((one: { ZoneName: string }) => one.ZoneName),
      [LOST],
    );
    await clear();
    assert.deepEqual(drivers.network.topology(vpcId)?.cut, []);
    assert.equal((await zone(LOST)).State, 'available');
    assert.deepEqual(errors, []);
  });

  it('takes no launches, and its instances cannot be recovered elsewhere', async () => {
    const { inject, clear, ec2, imageId, idle } = await zoneWorld();
    await inject('zone', LOST);
    const launch = async (Placement?: object) =>
      ec2('RunInstances', {
        ImageId: await imageId(),
        InstanceType: 't3.micro',
        MinCount: 1,
        MaxCount: 1,
        ...(Placement && { Placement }),
      });
    await assert.rejects(launch({ AvailabilityZone: LOST }), { code: 'InsufficientInstanceCapacity' });
    const { Instances } = await launch();
    assert.notEqual(Instances[0].Placement.AvailabilityZone, LOST);
    await clear();
    await launch({ AvailabilityZone: LOST });
    await idle();
  });

  it('leaves the load balancer’s name, and its targets get nothing any more', async () => {
    const { inject, clear, addressesNamed, nodeIn, seconds, drivers, targetGroup, health, inService, asg } =
      await zoneWorld();
    await asg('SuspendProcesses', { AutoScalingGroupName: 'web' });
    assert.deepEqual(addressesNamed(), [nodeIn(LOST).address, nodeIn(LEFT).address].toSorted());
    const members = await inService();
    await inject('zone', LOST);
    // Two checks, five seconds apart.
    await seconds(12);
    assert.deepEqual(addressesNamed(), [nodeIn(LEFT).address]);
    const lost = members.filter((one) => one.AvailabilityZone === LOST).map((one) => one.InstanceId);
    const states = await health(targetGroup);
    for (const { InstanceId: id } of members) {
      assert.match(states[id] ?? '', lost.includes(id) ? /^unhealthy Target\.Timeout$/ : /^healthy$/, id);
    }
    for (let at = 0; at < 8; at += 1) {
      assert.equal(drivers.loadBalancer.request(nodeIn(LEFT).id, 80).status, 200);
    }
    await clear();
    await seconds(12);
    assert.deepEqual(addressesNamed(), [nodeIn(LOST).address, nodeIn(LEFT).address].toSorted());
    assert.deepEqual(new Set(Object.values(await health(targetGroup))), new Set(['healthy']));
  });

  it('is replaced by the zones that are left, by status checks alone, and balanced when it is back', async () => {
    const { inject, clear, spread, advance, asg, zone } = await zoneWorld();
    assert.deepEqual(await spread(), { [LOST]: 2, [LEFT]: 2 });
    await inject('zone', LOST);
    // Within a minute the checks fail, and are let go on for three; AWS gives up one running instance at a time.
    await advance(minutes(3));
    assert.deepEqual(await spread(), { [LOST]: 2, [LEFT]: 2 });
    await advance(minutes(5));
    assert.deepEqual(await spread(), { [LOST]: 0, [LEFT]: 4 });
    const { Activities } = await asg('DescribeScalingActivities', { AutoScalingGroupName: 'web' });
    const causes = Activities.map((one: { Cause: string }) => one.Cause).join('\n');
    assert.match(causes, /in response to an EC2 instance status checks failure/);
    const failed = Activities.find((one: { StatusCode: string }) => one.StatusCode === 'Failed');
    assert.match(failed.StatusMessage, /do not have sufficient t3.micro capacity/);
    await clear();
    assert.equal((await zone(LOST)).State, 'available');
    await advance(minutes(5));
    assert.deepEqual(await spread(), { [LOST]: 2, [LEFT]: 2 });
  });

  it('is replaced within seconds where the group listens to its load balancer', async () => {
    const { inject, spread, seconds } = await zoneWorld({ HealthCheckType: 'ELB' });
    await inject('zone', LOST);
    await seconds(60);
    assert.deepEqual(await spread(), { [LOST]: 0, [LEFT]: 4 });
  });
});

describe('a dead NAT gateway', () => {
  it('takes the way out from those that are routed to it, and from nobody else', async () => {
    const { ec2, inject, clear, idle, drivers, imageId, vpcId, subnets, region } = await zoneWorld();
    const outside = async (zone: string, cidr: string) => {
      const { Subnet } = await ec2('CreateSubnet', { VpcId: vpcId, CidrBlock: cidr, AvailabilityZone: zone });
      const { AllocationId, PublicIp } = await ec2('AllocateAddress', {});
      const SubnetId = subnets[VPC_ZONES.indexOf(zone)];
      const { NatGateway } = await ec2('CreateNatGateway', { SubnetId, AllocationId });
      const { RouteTable } = await ec2('CreateRouteTable', { VpcId: vpcId });
      const { RouteTableId } = RouteTable;
      const { NatGatewayId } = NatGateway;
      await ec2('CreateRoute', { RouteTableId, DestinationCidrBlock: '0.0.0.0/0', NatGatewayId });
      await ec2('AssociateRouteTable', { RouteTableId, SubnetId: Subnet.SubnetId });
      const { Instances } = await ec2('RunInstances', {
        ImageId: await imageId(),
        InstanceType: 't3.micro',
        MinCount: 1,
        MaxCount: 1,
        SubnetId: Subnet.SubnetId,
      });
      await idle();
      const interfaceId = Instances[0].NetworkInterfaces[0].NetworkInterfaceId;
      return { NatGatewayId, PublicIp, seen: () => drivers.network.publicAddressSeen(interfaceId) };
    };
    const [one, two] = [await outside(LOST, '172.31.200.0/24'), await outside(LEFT, '172.31.201.0/24')];
    assert.equal(one.seen(), one.PublicIp);
    assert.equal(two.seen(), two.PublicIp);
    await inject('nat-gateway', one.NatGatewayId);
    assert.equal(one.seen(), undefined);
    assert.equal(two.seen(), two.PublicIp);
    assert.equal(region.store.get(natGateways, REGION, one.NatGatewayId)?.status.state, 'available');
    await clear();
    assert.equal(one.seen(), one.PublicIp);
    // A lost zone takes its NAT gateway along.
    await inject('zone', LOST);
    assert.equal(two.seen(), two.PublicIp);
    assert.ok(drivers.network.topology(vpcId)?.cut.includes(one.NatGatewayId));
    await clear();
  });
});
