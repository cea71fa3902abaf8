/**
 * Random calls about VPCs, valid ones and others: what the property tests throw at a region, simulated or real. A step
 * names resources by their place among those that exist when its turn comes.
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import fc from 'fast-check';
import type { Call, Described } from './ec2-network-reference.ts';

export interface Step {
  readonly operation: string;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

const OUTSIDE = '203.0.113.0/24';
export const BLOCKS = ['0.0.0.0/0', '10.0.0.0/16', '10.0.1.0/24', '10.0.2.0/24', OUTSIDE, '198.18.0.0/15'];

type Kinds = Record<keyof typeof idsOf, string[]>;

const idsOf = {
  vpc: (all: Described) => all.vpcs.map(({ VpcId }) => VpcId),
  subnet: (all: Described) => all.subnets.map(({ SubnetId }) => SubnetId),
  table: (all: Described) => all.tables.map(({ RouteTableId }) => RouteTableId),
  acl: (all: Described) => all.acls.map(({ NetworkAclId }) => NetworkAclId),
  group: (all: Described) => all.groups.map(({ GroupId }) => GroupId),
  eni: (all: Described) => all.interfaces.map(({ NetworkInterfaceId }) => NetworkInterfaceId),
  nat: (all: Described) => all.natGateways.map(({ NatGatewayId }) => NatGatewayId),
  igw: (all: Described) => all.internetGateways.map(({ InternetGatewayId }) => InternetGatewayId),
  eip: (all: Described) => all.addresses.map(({ AllocationId }) => AllocationId),
  instance: (all: Described) =>
    all.instances.filter(({ State }) => State?.Name === 'running').map(({ InstanceId }) => InstanceId),
  secondary: (all: Described) =>
    all.interfaces.flatMap((one) => (one.PrivateIpAddresses ?? []).map((each) => each.PrivateIpAddress)),
  eipAssociation: (all: Described) =>
    all.addresses.map(({ AssociationId }) => AssociationId).filter((id) => id !== undefined),
  aclAssociation: (all: Described) =>
    all.acls.flatMap((acl) => (acl.Associations ?? []).map((one) => one.NetworkAclAssociationId)),
  tableAssociation: (all: Described) =>
    all.tables.flatMap((table) => (table.Associations ?? []).map((one) => one.RouteTableAssociationId)),
  /** Mostly of second interfaces, which can be detached. */
  attachment: (all: Described) =>
    all.interfaces
      .map(({ Attachment }) => Attachment)
      .flatMap((one) => Array.from({ length: one?.DeviceIndex ? 5 : 1 }, () => one?.AttachmentId))
      .filter((id) => id !== undefined),
  /** Mostly such as are attached to nothing. */
  looseEni: (all: Described) =>
    all.interfaces.flatMap(({ Attachment, NetworkInterfaceId }) =>
      Array.from({ length: Attachment ? 1 : 5 }, () => NetworkInterfaceId),
    ),
  /** Interfaces with a secondary address, which stands behind the blank; and one that has none such. */
  withSecondary: (all: Described) => [
    ...all.interfaces.flatMap(({ NetworkInterfaceId, PrivateIpAddresses = [] }) =>
      PrivateIpAddresses.filter(({ Primary }) => !Primary).map(
        ({ PrivateIpAddress }) => `${NetworkInterfaceId} ${PrivateIpAddress}`,
      ),
    ),
    `${all.interfaces[0]?.NetworkInterfaceId} 10.0.1.200`,
  ],
  /** Mostly of further blocks. */
  cidrAssociation: (all: Described) =>
    all.vpcs.flatMap((vpc) =>
      (vpc.CidrBlockAssociationSet ?? []).flatMap((one, at) =>
        Array.from({ length: at ? 5 : 1 }, () => one.AssociationId),
      ),
    ),
};

type Pick = (kind: keyof Kinds, at: number) => string;

const permission = (pick: Pick, a: number, b: number): ec2.IpPermission => {
  const port = [80, 443, 53][a % 3] ?? 80;
  const match = [
    { IpProtocol: 'tcp', FromPort: port, ToPort: port },
    { IpProtocol: 'udp', FromPort: 53, ToPort: 53 },
    { IpProtocol: '-1' },
  ][b % 3] ?? { IpProtocol: '-1' };
  return b % 2
    ? { ...match, UserIdGroupPairs: [{ GroupId: pick('group', a) }] }
    : { ...match, IpRanges: [{ CidrIp: BLOCKS[a % BLOCKS.length] ?? '0.0.0.0/0' }] };
};

/** The default ACL's own entry has the number 100. */
const ruleNumber = (c: number): number => [70, 90, 100][c % 3] ?? 100;

const entry = (pick: Pick, a: number, b: number, c: number): object => ({
  NetworkAclId: pick('acl', a),
  Egress: b % 2 === 0,
  RuleNumber: ruleNumber(c),
  RuleAction: c % 3 ? 'allow' : 'deny',
  CidrBlock: BLOCKS[b % BLOCKS.length],
  ...[
    { Protocol: '-1' },
    { Protocol: '6', PortRange: { From: 80, To: 80 } },
    { Protocol: '6', PortRange: { From: 1024, To: 65_535 } },
    { Protocol: '17', PortRange: { From: 0, To: 65_535 } },
  ][(a + c) % 4],
});

const target = (pick: Pick, b: number, c: number): object =>
  [{ GatewayId: pick('igw', b) }, { NatGatewayId: pick('nat', b) }, { NetworkInterfaceId: pick('eni', b) }][
    c % 3
  ] ?? {};

const destination = (a: number): string =>
  ['0.0.0.0/0', OUTSIDE, '198.18.0.0/15', '10.0.0.0/16'][a % 4] ?? '';

/** What each operation is given. Many of these are refused: that is the point. */
const inputs: Record<string, (pick: Pick, a: number, b: number, c: number) => object> = {
  CreateVpc: (_pick, a) => ({ CidrBlock: `10.${a % 2}.0.0/16` }),
  AssociateVpcCidrBlock: (pick, a, b) => ({ VpcId: pick('vpc', a), CidrBlock: `10.${b % 4}.0.0/16` }),
  DisassociateVpcCidrBlock: (pick, a) => ({ AssociationId: pick('cidrAssociation', a) }),
  DeleteVpc: (pick, a) => ({ VpcId: pick('vpc', a) }),
  CreateSubnet: (pick, a, b) => ({ VpcId: pick('vpc', a), CidrBlock: `10.${b % 3}.${b % 5}.0/24` }),
  DeleteSubnet: (pick, a) => ({ SubnetId: pick('subnet', a) }),
  CreateInternetGateway: () => ({}),
  AttachInternetGateway: (pick, a, b) => ({ InternetGatewayId: pick('igw', a), VpcId: pick('vpc', b) }),
  DetachInternetGateway: (pick, a, b) => ({ InternetGatewayId: pick('igw', a), VpcId: pick('vpc', b) }),
  CreateRouteTable: (pick, a) => ({ VpcId: pick('vpc', a) }),
  AssociateRouteTable: (pick, a, b) => ({ RouteTableId: pick('table', a), SubnetId: pick('subnet', b) }),
  ReplaceRouteTableAssociation: (pick, a, b) => ({
    AssociationId: pick('tableAssociation', a),
    RouteTableId: pick('table', b),
  }),
  CreateRoute: (pick, a, b, c) => ({
    RouteTableId: pick('table', a),
    DestinationCidrBlock: destination(c),
    ...target(pick, b, a + c),
  }),
  ReplaceRoute: (pick, a, b, c) => ({
    RouteTableId: pick('table', a),
    DestinationCidrBlock: destination(c),
    ...target(pick, b, a + c),
  }),
  DeleteRoute: (pick, a, _b, c) => ({ RouteTableId: pick('table', a), DestinationCidrBlock: destination(c) }),
  CreateSecurityGroup: (pick, a, b) => ({ VpcId: pick('vpc', a), GroupName: `g${b}`, Description: 'd' }),
  DeleteSecurityGroup: (pick, a) => ({ GroupId: pick('group', a) }),
  AuthorizeSecurityGroupIngress: (pick, a, b, c) => ({
    GroupId: pick('group', a),
    IpPermissions: [permission(pick, b, c)],
  }),
  RevokeSecurityGroupIngress: (pick, a, b, c) => ({
    GroupId: pick('group', a),
    IpPermissions: [permission(pick, b, c)],
  }),
  AuthorizeSecurityGroupEgress: (pick, a, b, c) => ({
    GroupId: pick('group', a),
    IpPermissions: [permission(pick, b, c)],
  }),
  RevokeSecurityGroupEgress: (pick, a) => ({
    GroupId: pick('group', a),
    IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
  }),
  CreateNetworkAcl: (pick, a) => ({ VpcId: pick('vpc', a) }),
  DeleteNetworkAcl: (pick, a) => ({ NetworkAclId: pick('acl', a) }),
  CreateNetworkAclEntry: entry,
  ReplaceNetworkAclEntry: entry,
  DeleteNetworkAclEntry: (pick, a, b, c) => ({
    NetworkAclId: pick('acl', a),
    Egress: b % 2 === 0,
    RuleNumber: ruleNumber(c),
  }),
  ReplaceNetworkAclAssociation: (pick, a, b) => ({
    AssociationId: pick('aclAssociation', a),
    NetworkAclId: pick('acl', b),
  }),
  CreateNetworkInterface: (pick, a, b) => ({
    SubnetId: pick('subnet', a),
    Groups: [pick('group', b)],
    SecondaryPrivateIpAddressCount: b % 2,
  }),
  DeleteNetworkInterface: (pick, a) => ({ NetworkInterfaceId: pick('looseEni', a) }),
  AttachNetworkInterface: (pick, a, b) => ({
    NetworkInterfaceId: pick('looseEni', a),
    InstanceId: pick('instance', b),
    DeviceIndex: 1,
  }),
  DetachNetworkInterface: (pick, a) => ({ AttachmentId: pick('attachment', a) }),
  ModifyNetworkInterfaceAttribute: (pick, a, b, c) => ({
    NetworkInterfaceId: pick('eni', a),
    Groups: [...new Set([pick('group', b), pick('group', c)])],
  }),
  AssignPrivateIpAddresses: (pick, a) => ({
    NetworkInterfaceId: pick('eni', a),
    SecondaryPrivateIpAddressCount: 1,
  }),
  UnassignPrivateIpAddresses: (pick, a, b) => ({
    NetworkInterfaceId: pick('withSecondary', a).split(' ')[0],
    PrivateIpAddresses: [pick('withSecondary', b % 5 ? a : b).split(' ')[1]],
  }),
  AllocateAddress: () => ({}),
  ReleaseAddress: (pick, a) => ({ AllocationId: pick('eip', a) }),
  AssociateAddress: (pick, a, b, c) => ({
    AllocationId: pick('eip', a),
    NetworkInterfaceId: pick('eni', b),
    ...(c % 3 === 0 && { AllowReassociation: false }),
    ...(c % 5 === 0 && { PrivateIpAddress: pick('secondary', c) }),
  }),
  DisassociateAddress: (pick, a) => ({ AssociationId: pick('eipAssociation', a) }),
  CreateNatGateway: (pick, a, b, c) => ({
    SubnetId: pick('subnet', a),
    ...(c % 4 ? { AllocationId: pick('eip', b) } : { ConnectivityType: 'private' }),
  }),
  DeleteNatGateway: (pick, a) => ({ NatGatewayId: pick('nat', a) }),
};

export const operations: readonly string[] = Object.keys(inputs);

/** The input of a step in the world as it is now. */
export function inputOf(all: Described, { operation, a, b, c }: Step): object {
  const pick: Pick = (kind, at) => {
    const ids = idsOf[kind](all);
    return ids[at % Math.max(ids.length, 1)] ?? 'none';
  };
  return inputs[operation]?.(pick, a, b, c) ?? {};
}

export const stepsOf = (constraints: { minLength: number; maxLength: number }): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      operation: fc.constantFrom(...operations),
      a: fc.nat({ max: 60 }),
      b: fc.nat({ max: 60 }),
      c: fc.nat({ max: 60 }),
    }),
    constraints,
  );

/**
 * What every sequence begins with: a VPC with a public and a private subnet, a NAT gateway between them, an Elastic IP to
 * spare, the instances that `node` launches (it gives their interfaces), two in the public subnet and two in the private,
 * and two more interfaces, one of them attached.
 */
export async function layGround(
  call: Call,
  node: (SubnetId: string, GroupId: string) => Promise<string>,
): Promise<{ VpcId: string; group: string; nodes: string[] }> {
  const { VpcId } = (await call('CreateVpc', { CidrBlock: '10.0.0.0/16' })).Vpc;
  const { InternetGatewayId } = (await call('CreateInternetGateway')).InternetGateway;
  await call('AttachInternetGateway', { InternetGatewayId, VpcId });
  const subnet = async (third: number): Promise<string> =>
    (
      await call('CreateSubnet', {
        VpcId,
        CidrBlock: `10.0.${third}.0/24`,
        AvailabilityZone: 'us-west-2a',
      })
    ).Subnet.SubnetId;
  const [open, closed] = [await subnet(1), await subnet(2)];
  const table = async (SubnetId: string, route: object): Promise<void> => {
    const { RouteTableId } = (await call('CreateRouteTable', { VpcId })).RouteTable;
    await call('AssociateRouteTable', { RouteTableId, SubnetId });
    await call('CreateRoute', { RouteTableId, DestinationCidrBlock: '0.0.0.0/0', ...route });
  };
  const allocations: string[] = [];
  for (let at = 0; at < 3; at += 1) allocations.push((await call('AllocateAddress')).AllocationId);
  const [AllocationId, ofNode] = allocations;
  const { NatGatewayId } = (await call('CreateNatGateway', { SubnetId: open, AllocationId })).NatGateway;
  await table(open, { GatewayId: InternetGatewayId });
  await table(closed, { NatGatewayId });
  const { GroupId } = await call('CreateSecurityGroup', { VpcId, GroupName: 'web', Description: 'web' });
  const IpPermissions = [
    { IpProtocol: 'tcp', FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: '0.0.0.0/0' }] },
    { IpProtocol: '-1', UserIdGroupPairs: [{ GroupId }] },
  ];
  await call('AuthorizeSecurityGroupIngress', { GroupId, IpPermissions });
  const nodes: string[] = [];
  for (const SubnetId of [open, open, closed, closed]) nodes.push(await node(SubnetId, GroupId));
  await call('AssociateAddress', { AllocationId: ofNode, NetworkInterfaceId: nodes[0] });
  const second = async (): Promise<string> =>
    (await call('CreateNetworkInterface', { SubnetId: open, Groups: [GroupId] })).NetworkInterface
      .NetworkInterfaceId;
  const { NetworkInterfaces } = await call('DescribeNetworkInterfaces', { NetworkInterfaceIds: [nodes[1]] });
  await call('AttachNetworkInterface', {
    NetworkInterfaceId: await second(),
    InstanceId: NetworkInterfaces[0].Attachment.InstanceId,
    DeviceIndex: 1,
  });
  await second();
  return { VpcId, group: GroupId, nodes };
}
