/** The EC2 world with load balancers and Auto Scaling: calls by service, and what a story asks again and again. */
import type { Answer } from '../src/drivers/sim/loadbalancer.ts';
import { networkInterfaces } from '../src/services/ec2/records.ts';
import { nodes } from '../src/services/elbv2/records.ts';
import { ec2World, principal, REGION, type WorldOptions } from './ec2-world.ts';

export const VPC_ZONES = ['us-west-2a', 'us-west-2b'];

export async function elbv2World(options: WorldOptions = {}) {
  const world = await ec2World(options);
  let number = 0;
  const calls =
    (service: string) =>
    // biome-ignore lint/suspicious/noExplicitAny: a story reads outputs of all operations.
    async (operation: string, input: object = {}): Promise<any> => {
      number += 1;
      const requestId = `${service}-${number}`;
      return world.region.handle({ service, operation, input, region: REGION, principal, requestId });
    };
  const ec2 = calls('ec2');
  const elb = calls('elbv2');
  const asg = calls('autoscaling');
  const seconds = (count: number): Promise<void> => world.advance(count * 1000);

  const { Subnets } = await ec2('DescribeSubnets');
  const subnets: string[] = VPC_ZONES.map(
    (zone) => Subnets.find((one: { AvailabilityZone: string }) => one.AvailabilityZone === zone).SubnetId,
  );
  const vpcId: string = Subnets[0].VpcId;

  /** A group over HTTP 80 that checks often, as the labs set it. */
  const makeTargetGroup = async (input: object = {}): Promise<string> => {
    const { TargetGroups } = await elb('CreateTargetGroup', {
      Name: 'mytarget-group',
      Protocol: 'HTTP',
      Port: 80,
      VpcId: vpcId,
      HealthCheckIntervalSeconds: 5,
      HealthCheckTimeoutSeconds: 2,
      HealthyThresholdCount: 2,
      UnhealthyThresholdCount: 2,
      ...input,
    });
    return TargetGroups[0].TargetGroupArn;
  };
  const makeLoadBalancer = async (input: object = {}): Promise<{ arn: string; name: string }> => {
    const { LoadBalancers } = await elb('CreateLoadBalancer', { Name: 'myelb', Subnets: subnets, ...input });
    return { arn: LoadBalancers[0].LoadBalancerArn, name: LoadBalancers[0].DNSName };
  };
  const forward = async (loadBalancer: string, group: string): Promise<string> => {
    const { Listeners } = await elb('CreateListener', {
      LoadBalancerArn: loadBalancer,
      Protocol: 'HTTP',
      Port: 80,
      DefaultActions: [{ Type: 'forward', TargetGroupArn: group }],
    });
    return Listeners[0].ListenerArn;
  };
  const nodesOf = (loadBalancer: string) =>
    world.region.store.list(nodes, REGION).filter(({ spec }) => spec.loadBalancerId === loadBalancer);
  /** `state reason` of each target by id, such as `initial Elb.InitialHealthChecking`. */
  const health = async (group: string): Promise<Record<string, string>> => {
    const { TargetHealthDescriptions } = await elb('DescribeTargetHealth', { TargetGroupArn: group });
    // biome-ignore lint/suspicious/noExplicitAny: see above.
    const entries = TargetHealthDescriptions.map(({ Target, TargetHealth }: any) => [
      Target.Id,
      [TargetHealth.State, TargetHealth.Reason].filter(Boolean).join(' '),
    ]);
    return Object.fromEntries(entries);
  };
  const addressOf = (instanceId: string): string =>
    world.region.store
      .list(networkInterfaces, REGION)
      .find(({ spec }) => spec.attachment?.endpointId === instanceId)?.spec.privateAddress ?? '';
  /** Requests to the load balancer, its nodes in turn, as a client does that follows its name. */
  const ask = (loadBalancer: string, count = 1, path = '/'): Answer[] => {
    const own = nodesOf(loadBalancer);
    return Array.from({ length: count }, (_, at) =>
      world.drivers.loadBalancer.request(own[at % own.length]?.id ?? '', 80, path),
    );
  };
  /** How the application on an instance answers from now on. */
  const behave = (instanceId: string, behaviour: { status: number } | 'down' | 'silent' | undefined): void =>
    world.drivers.loadBalancer.behave({ address: addressOf(instanceId), port: 80 }, behaviour);
  return {
    ...world,
    ec2,
    elb,
    asg,
    seconds,
    subnets,
    vpcId,
    makeTargetGroup,
    makeLoadBalancer,
    forward,
    nodesOf,
    health,
    addressOf,
    ask,
    behave,
  };
}
