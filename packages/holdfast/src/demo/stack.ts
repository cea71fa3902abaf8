/** The demo's two-zone web service, made and removed through the region's own public API. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import * as autoscaling from '@aws-sdk/client-auto-scaling';
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import * as ec2 from '@aws-sdk/client-ec2';
import { EC2Client } from '@aws-sdk/client-ec2';
import * as elbv2 from '@aws-sdk/client-elastic-load-balancing-v2';
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';

export interface Clients {
  readonly ec2: EC2Client;
  readonly elbv2: ElasticLoadBalancingV2Client;
  readonly autoscaling: AutoScalingClient;
}

export function connect(endpoint: string, region: string): Clients {
  const settings = {
    endpoint,
    region,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  };
  return {
    ec2: new EC2Client(settings),
    elbv2: new ElasticLoadBalancingV2Client(settings),
    autoscaling: new AutoScalingClient(settings),
  };
}

export interface Stack {
  readonly name: string;
  readonly loadBalancerName: string;
  readonly loadBalancerArn: string;
  readonly targetGroupArn: string;
}

/** Asks until `done` gives something, for at most `limitMs`. */
export async function until<T>(
  what: string,
  limitMs: number,
  done: () => Promise<T | undefined>,
): Promise<T> {
  for (const startedAt = performance.now(); ; await delay(50)) {
    const found = await done();
    if (found !== undefined) return found;
    if (performance.now() - startedAt > limitMs) throw new Error(`${what}: not within ${limitMs / 1000} s`);
  }
}

const required = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Error(`the region's answer has no ${what}`);
  return value;
};

/** Two zones, two instances, checks every 5 seconds. */
export async function createStack(clients: Clients, name: string): Promise<Stack> {
  const [vpc] = required(
    (
      await clients.ec2.send(
        new ec2.DescribeVpcsCommand({ Filters: [{ Name: 'is-default', Values: ['true'] }] }),
      )
    ).Vpcs,
    'VPCs',
  );
  const vpcId = required(vpc?.VpcId, 'default VPC');
  const inVpc = { Filters: [{ Name: 'vpc-id', Values: [vpcId] }] };
  const { Subnets = [] } = await clients.ec2.send(new ec2.DescribeSubnetsCommand(inVpc));
  const subnets = Subnets.slice(0, 2).map((subnet) => required(subnet.SubnetId, 'subnet id'));
  const { GroupId } = await clients.ec2.send(
    new ec2.CreateSecurityGroupCommand({ GroupName: name, Description: 'HTTP from anywhere', VpcId: vpcId }),
  );
  const groupId = required(GroupId, 'security group');
  await clients.ec2.send(
    new ec2.AuthorizeSecurityGroupIngressCommand({
      GroupId: groupId,
      IpPermissions: [{ IpProtocol: 'tcp', FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
    }),
  );
  await createTemplate(clients, name, groupId);
  const { TargetGroups } = await clients.elbv2.send(
    new elbv2.CreateTargetGroupCommand({
      Name: name,
      Protocol: 'HTTP',
      Port: 80,
      VpcId: vpcId,
      HealthCheckIntervalSeconds: 5,
      HealthCheckTimeoutSeconds: 2,
      HealthyThresholdCount: 2,
      UnhealthyThresholdCount: 2,
    }),
  );
  const targetGroupArn = required(TargetGroups?.[0]?.TargetGroupArn, 'target group');
  // Half a minute is the longest that a request of this page could take; AWS's default is five.
  await clients.elbv2.send(
    new elbv2.ModifyTargetGroupAttributesCommand({
      TargetGroupArn: targetGroupArn,
      Attributes: [{ Key: 'deregistration_delay.timeout_seconds', Value: '5' }],
    }),
  );
  const { LoadBalancers } = await clients.elbv2.send(
    new elbv2.CreateLoadBalancerCommand({ Name: name, Subnets: subnets, SecurityGroups: [groupId] }),
  );
  const loadBalancerArn = required(LoadBalancers?.[0]?.LoadBalancerArn, 'load balancer');
  await clients.elbv2.send(
    new elbv2.CreateListenerCommand({
      LoadBalancerArn: loadBalancerArn,
      Protocol: 'HTTP',
      Port: 80,
      DefaultActions: [{ Type: 'forward', TargetGroupArn: targetGroupArn }],
    }),
  );
  await clients.autoscaling.send(
    new autoscaling.CreateAutoScalingGroupCommand({
      AutoScalingGroupName: name,
      LaunchTemplate: { LaunchTemplateName: name, Version: '$Latest' },
      MinSize: 2,
      MaxSize: 4,
      DesiredCapacity: 2,
      VPCZoneIdentifier: subnets.join(','),
      TargetGroupARNs: [targetGroupArn],
      HealthCheckType: 'ELB',
      HealthCheckGracePeriod: 15,
    }),
  );
  return {
    name,
    loadBalancerName: required(LoadBalancers?.[0]?.DNSName, 'DNS name'),
    loadBalancerArn,
    targetGroupArn,
  };
}

async function createTemplate(clients: Clients, name: string, groupId: string): Promise<void> {
  const { Images = [] } = await clients.ec2.send(new ec2.DescribeImagesCommand({ Owners: ['amazon'] }));
  await clients.ec2.send(
    new ec2.CreateLaunchTemplateCommand({
      LaunchTemplateName: name,
      LaunchTemplateData: {
        ImageId: required(Images[0]?.ImageId, 'image'),
        InstanceType: 't3.micro',
        SecurityGroupIds: [groupId],
        UserData: readFileSync(new URL('./user-data.sh', import.meta.url)).toString('base64'),
      },
    }),
  );
}

/** Instance ids of the healthy targets. */
export async function healthyTargets(clients: Clients, stack: Stack): Promise<string[]> {
  const answer = await clients.elbv2.send(
    new elbv2.DescribeTargetHealthCommand({ TargetGroupArn: stack.targetGroupArn }),
  );
  return (answer.TargetHealthDescriptions ?? [])
    .filter((one) => one.TargetHealth?.State === 'healthy')
    .map((one) => required(one.Target?.Id, 'target id'));
}

/** The group's members as Auto Scaling shows them. */
export async function members(clients: Clients, stack: Stack): Promise<autoscaling.Instance[]> {
  const answer = await clients.autoscaling.send(
    new autoscaling.DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [stack.name] }),
  );
  return answer.AutoScalingGroups?.[0]?.Instances ?? [];
}

/** Removes what `createStack` made, also half of it. */
export async function deleteStack(clients: Clients, name: string): Promise<void> {
  const ignoring = async (work: Promise<unknown>): Promise<void> => {
    await work.catch((error: Error) => {
      if (!/NotFound|not found|does not exist/i.test(`${error.name} ${error.message}`)) throw error;
    });
  };
  await ignoring(
    clients.autoscaling.send(
      new autoscaling.DeleteAutoScalingGroupCommand({ AutoScalingGroupName: name, ForceDelete: true }),
    ),
  );
  await until('the group is deleted', 60_000, async () => {
    const answer = await clients.autoscaling.send(
      new autoscaling.DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] }),
    );
    return answer.AutoScalingGroups?.length === 0 ? true : undefined;
  });
  const balancers = await clients.elbv2
    .send(new elbv2.DescribeLoadBalancersCommand({ Names: [name] }))
    .catch(() => ({ LoadBalancers: [] as elbv2.LoadBalancer[] }));
  for (const { LoadBalancerArn } of balancers.LoadBalancers ?? []) {
    await ignoring(clients.elbv2.send(new elbv2.DeleteLoadBalancerCommand({ LoadBalancerArn })));
  }
  const groups = await clients.elbv2
    .send(new elbv2.DescribeTargetGroupsCommand({ Names: [name] }))
    .catch(() => ({ TargetGroups: [] as elbv2.TargetGroup[] }));
  for (const { TargetGroupArn } of groups.TargetGroups ?? []) {
    await until('the target group is deleted', 60_000, () =>
      clients.elbv2.send(new elbv2.DeleteTargetGroupCommand({ TargetGroupArn })).then(
        () => true,
        (error: Error) => {
          if (error.name.includes('ResourceInUse')) return undefined;
          throw error;
        },
      ),
    );
  }
  await ignoring(clients.ec2.send(new ec2.DeleteLaunchTemplateCommand({ LaunchTemplateName: name })));
  await until('the security group is deleted', 60_000, () =>
    clients.ec2.send(new ec2.DeleteSecurityGroupCommand({ GroupName: name })).then(
      () => true,
      (error: Error) => {
        if (error.name === 'DependencyViolation') return undefined;
        if (error.name === 'InvalidGroup.NotFound') return true;
        throw error;
      },
    ),
  );
}
