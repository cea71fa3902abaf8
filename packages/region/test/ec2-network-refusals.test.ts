/** Calls about VPCs with input that AWS refuses: its code for each, and a world in which nothing has changed. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Call, describeAll } from './ec2-network-reference.ts';
import { layGround } from './ec2-network-steps.ts';
import { networkWorld } from './ec2-network-world.ts';

type Refusal = readonly [operation: string, input: object, code: string];

describe('a call that AWS refuses', () => {
  let world: Awaited<ReturnType<typeof networkWorld>>;
  let call: Call;
  let refusals: Record<string, Refusal[]>;

  before(async () => {
    world = await networkWorld();
    ({ call } = world);
    const { VpcId, nodes } = await layGround(call, async (SubnetId, GroupId) => {
      const id = await world.launchOne({ SubnetId, SecurityGroupIds: [GroupId] });
      return (await world.describe(id)).NetworkInterfaces?.[0]?.NetworkInterfaceId ?? '';
    });
    await world.idle();
    refusals = refusalsIn(await placeOf(call, VpcId, nodes));
  });
  after(() => world.region.stop());

  for (const subject of ['addresses', 'ids', 'routes', 'network ACLs', 'attributes'])
    test(`about ${subject} says why and changes nothing`, async () => {
      const seen = JSON.stringify(await describeAll(call));
      assert((refusals[subject] ?? []).length > 5);
      for (const [operation, input, code] of refusals[subject] ?? [])
        await assert.rejects(call(operation, input), { code }, `${operation} ${JSON.stringify(input)}`);
      await world.idle();
      assert.equal(JSON.stringify(await describeAll(call)), seen);
    });
});

interface Place {
  readonly VpcId: string;
  readonly SubnetId: string;
  readonly RouteTableId: string;
  readonly GatewayId: string;
  readonly NetworkAclId: string;
  readonly NetworkInterfaceId: string;
}

async function placeOf(call: Call, VpcId: string, nodes: readonly string[]): Promise<Place> {
  const Filters = [{ Name: 'vpc-id', Values: [VpcId] }];
  const all = await describeAll(call);
  const [NetworkInterfaceId = ''] = nodes;
  const node = all.interfaces.find((one) => one.NetworkInterfaceId === NetworkInterfaceId);
  const SubnetId = node?.SubnetId ?? '';
  const ofSubnet = { Filters: [{ Name: 'association.subnet-id', Values: [SubnetId] }] };
  const [table] = (await call('DescribeRouteTables', ofSubnet)).RouteTables;
  const [acl] = (await call('DescribeNetworkAcls', { Filters })).NetworkAcls;
  const gateway = all.internetGateways.find(({ Attachments }) =>
    Attachments?.some((one) => one.VpcId === VpcId),
  );
  return {
    VpcId,
    SubnetId,
    RouteTableId: table.RouteTableId,
    GatewayId: gateway?.InternetGatewayId ?? '',
    NetworkAclId: acl.NetworkAclId,
    NetworkInterfaceId,
  };
}

function refusalsIn(place: Place): Record<string, Refusal[]> {
  const { VpcId, SubnetId, RouteTableId, GatewayId, NetworkAclId, NetworkInterfaceId } = place;
  const vpc = (CidrBlock: string, code: string): Refusal => ['CreateVpc', { CidrBlock }, code];
  const subnet = (CidrBlock: string, code: string): Refusal => ['CreateSubnet', { VpcId, CidrBlock }, code];
  const address = (PrivateIpAddress: string, code = 'InvalidParameterValue'): Refusal => [
    'CreateNetworkInterface',
    { SubnetId, PrivateIpAddress },
    code,
  ];
  const route = (DestinationCidrBlock: string, code = 'InvalidParameterValue', target = {}): Refusal => [
    'CreateRoute',
    { RouteTableId, DestinationCidrBlock, GatewayId, ...target },
    code,
  ];
  const entry = (change: object, code = 'InvalidParameterValue'): Refusal => [
    'CreateNetworkAclEntry',
    {
      ...{ NetworkAclId, Egress: false, RuleNumber: 50, RuleAction: 'allow', CidrBlock: '0.0.0.0/0' },
      ...{ Protocol: '6', PortRange: { From: 80, To: 80 } },
      ...change,
    },
    code,
  ];
  const eni = (attributes: object, code: string): Refusal => [
    'ModifyNetworkInterfaceAttribute',
    { NetworkInterfaceId, ...attributes },
    code,
  ];
  const machine = { GatewayId: undefined, NetworkInterfaceId };
  return {
    addresses: [
      ...[
        'abc',
        '10.0.0.0',
        '10.0.0.0/33',
        '300.0.0.0/16',
        '010.0.0.0/16',
        '10.00.0.0/16',
        ' 10.0.0.0/16',
      ].map((block) => vpc(block, 'InvalidParameterValue')),
      ...['10.0.0.0/15', '10.0.0.0/29', '127.0.0.0/16', '169.254.0.0/16', '224.0.0.0/16'].map((block) =>
        vpc(block, 'InvalidVpc.Range'),
      ),
      subnet('10.0.0.0/15', 'InvalidSubnet.Range'),
      subnet('10.0.9.0/29', 'InvalidSubnet.Range'),
      subnet('10.9.1.0/24', 'InvalidSubnet.Range'),
      subnet('10.0.1.128/25', 'InvalidSubnet.Conflict'),
      ...['10.0.1.0', '10.0.1.1', '10.0.1.3', '10.0.1.255', '10.0.2.9', 'x', '10.0.1.010'].map((one) =>
        address(one),
      ),
    ],
    ids: [
      ['DescribeNetworkInterfaces', { NetworkInterfaceIds: ['nope'] }, 'InvalidNetworkInterfaceId.Malformed'],
      [
        'DeleteNetworkInterface',
        { NetworkInterfaceId: 'eni-0123456789abcdef0' },
        'InvalidNetworkInterfaceID.NotFound',
      ],
      [
        'DetachNetworkInterface',
        { AttachmentId: 'eni-12345678' },
        'InvalidNetworkInterfaceAttachmentId.Malformed',
      ],
      ['DeleteRouteTable', { RouteTableId: VpcId }, 'InvalidRouteTableId.Malformed'],
      ['DeleteNetworkAcl', { NetworkAclId: 'nacl-1' }, 'InvalidNetworkAclId.Malformed'],
      ['DeleteInternetGateway', { InternetGatewayId: 'gw' }, 'InvalidInternetGatewayId.Malformed'],
      ['DeleteNatGateway', { NatGatewayId: 'ngw-1' }, 'NatGatewayMalformed'],
      ['DescribeSecurityGroups', { GroupIds: ['web'] }, 'InvalidGroupId.Malformed'],
      // Of these AWS says that they do not exist, whatever they look like.
      ['DescribeVpcs', { VpcIds: ['nope'] }, 'InvalidVpcID.NotFound'],
      ['DescribeSubnets', { SubnetIds: ['nope'] }, 'InvalidSubnetID.NotFound'],
    ],
    routes: [
      ...['5.0.0.0/33', 'x', '169.254.168.0/22', '169.254.169.254/32', '10.0.1.0/24'].map((to) => route(to)),
      route('0.0.0.0/0', 'RouteAlreadyExists'),
      // Inside the VPC a route leads to a whole subnet.
      route('10.0.7.0/24', undefined, machine),
      route('10.0.1.0/25', undefined, machine),
      route('6.0.0.0/8', 'InvalidParameterCombination', { NetworkInterfaceId }),
      route('6.0.0.0/8', 'InvalidGatewayID.NotFound', { GatewayId: 'igw-0123456789abcdef0' }),
    ],
    'network ACLs': [
      entry({ RuleNumber: 0 }),
      entry({ RuleNumber: 32_767 }),
      entry({ RuleNumber: 100 }, 'NetworkAclEntryAlreadyExists'),
      entry({ Protocol: '999' }),
      entry({ CidrBlock: '10.0.0.300/32' }),
      entry({ PortRange: undefined }),
      entry({ PortRange: { From: 80, To: 70 } }),
      entry({ Protocol: '1' }, 'MissingParameter'),
      entry({ Protocol: '1', IcmpTypeCode: { Type: 300, Code: 0 } }),
      entry({ RuleAction: 'maybe' }),
    ],
    attributes: [
      ['ModifyVpcAttribute', { VpcId }, 'MissingParameter'],
      ['ModifySubnetAttribute', { SubnetId }, 'MissingParameter'],
      eni({}, 'MissingParameter'),
      eni({ SourceDestCheck: { Value: false }, Description: { Value: 'x' } }, 'InvalidParameterCombination'),
      eni({ Groups: ['sg-0123456789abcdef0'] }, 'InvalidGroup.NotFound'),
      eni({ Attachment: { AttachmentId: 'eni-attach-0123456789abcdef0' } }, 'InvalidAttachmentID.NotFound'),
    ],
  };
}
