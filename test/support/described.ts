/** Everything that a user may have made in a region, as its API says it. */
import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import * as ec2 from '@aws-sdk/client-ec2';
import {
  DescribeLoadBalancersCommand,
  DescribeTargetGroupsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Clients } from '../../packages/holdfast/src/demo/stack.ts';

type Listed = readonly (string | undefined)[];

const kinds: Readonly<Record<string, (client: ec2.EC2Client) => Promise<Listed | undefined>>> = {
  vpc: async (client) => (await client.send(new ec2.DescribeVpcsCommand({}))).Vpcs?.map((one) => one.VpcId),
  subnet: async (client) =>
    (await client.send(new ec2.DescribeSubnetsCommand({}))).Subnets?.map((one) => one.SubnetId),
  'route table': async (client) =>
    (await client.send(new ec2.DescribeRouteTablesCommand({}))).RouteTables?.flatMap((one) => [
      one.RouteTableId,
      ...(one.Routes ?? []).map((route) => `${one.RouteTableId} to ${route.DestinationCidrBlock}`),
    ]),
  'network ACL': async (client) =>
    (await client.send(new ec2.DescribeNetworkAclsCommand({}))).NetworkAcls?.map((one) => one.NetworkAclId),
  'security group': async (client) =>
    (await client.send(new ec2.DescribeSecurityGroupsCommand({}))).SecurityGroups?.map((one) => one.GroupId),
  rule: async (client) =>
    (await client.send(new ec2.DescribeSecurityGroupRulesCommand({}))).SecurityGroupRules?.map(
      (one) => one.SecurityGroupRuleId,
    ),
  'internet gateway': async (client) =>
    (await client.send(new ec2.DescribeInternetGatewaysCommand({}))).InternetGateways?.map(
      (one) => one.InternetGatewayId,
    ),
  'NAT gateway': async (client) =>
    (await client.send(new ec2.DescribeNatGatewaysCommand({}))).NatGateways?.filter(
      (one) => one.State !== 'deleted',
    ).map((one) => one.NatGatewayId),
  address: async (client) =>
    (await client.send(new ec2.DescribeAddressesCommand({}))).Addresses?.map((one) => one.AllocationId),
  interface: async (client) =>
    (await client.send(new ec2.DescribeNetworkInterfacesCommand({}))).NetworkInterfaces?.map(
      (one) => one.NetworkInterfaceId,
    ),
  instance: async (client) =>
    (await client.send(new ec2.DescribeInstancesCommand({}))).Reservations?.flatMap(
      ({ Instances = [] }) => Instances,
    )
      .filter((one) => one.State?.Name !== 'terminated')
      .map((one) => one.InstanceId),
  image: async (client) =>
    (await client.send(new ec2.DescribeImagesCommand({ Owners: ['self'] }))).Images?.map(
      (one) => one.ImageId,
    ),
  volume: async (client) =>
    (await client.send(new ec2.DescribeVolumesCommand({}))).Volumes?.map((one) => one.VolumeId),
  snapshot: async (client) =>
    (await client.send(new ec2.DescribeSnapshotsCommand({ OwnerIds: ['self'] }))).Snapshots?.map(
      (one) => one.SnapshotId,
    ),
  'key pair': async (client) =>
    (await client.send(new ec2.DescribeKeyPairsCommand({}))).KeyPairs?.map((one) => one.KeyName),
  'launch template': async (client) =>
    (await client.send(new ec2.DescribeLaunchTemplatesCommand({}))).LaunchTemplates?.map(
      (one) => one.LaunchTemplateName,
    ),
};

/** One sorted line for each thing, but for what is gone and only still shown. */
export async function described({ ec2, elbv2, autoscaling }: Clients): Promise<string[]> {
  const lines = await Promise.all(
    Object.entries(kinds).map(async ([kind, list]) => ((await list(ec2)) ?? []).map((id) => `${kind} ${id}`)),
  );
  const { LoadBalancers = [] } = await elbv2.send(new DescribeLoadBalancersCommand({}));
  const { TargetGroups = [] } = await elbv2.send(new DescribeTargetGroupsCommand({}));
  const { AutoScalingGroups = [] } = await autoscaling.send(new DescribeAutoScalingGroupsCommand({}));
  return [
    ...lines.flat(),
    ...LoadBalancers.map((one) => `load balancer ${one.LoadBalancerName}`),
    ...TargetGroups.map((one) => `target group ${one.TargetGroupName}`),
    ...AutoScalingGroups.map((one) => `group ${one.AutoScalingGroupName}`),
  ].toSorted();
}
