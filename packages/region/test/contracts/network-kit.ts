/** What the stories about network drivers are told with: a VPC, those who live in it, and who reaches whom. */
import assert from 'node:assert/strict';
import type {
  NetworkDriver,
  NetworkInterfaceTopology,
  RouteTarget,
  SecurityGroupRule,
  VpcTopology,
} from '../../src/drivers/network.ts';

/** One attempt to open a TCP connection, or to have a datagram or a ping answered. */
export interface Attempt {
  /** An interface id, or somebody in the internet. */
  readonly from: string | 'outside';
  /** The address that the sender names. */
  readonly to: string;
  /** IANA number: 1, 6 or 17. */
  readonly protocol: number;
  /** Whoever has the address listens there. */
  readonly port?: number;
}

export interface NetworkUnderTest {
  readonly driver: NetworkDriver;
  /** Somebody in the internet who answers everything. */
  readonly outsideAddress: string;
  /** The region's `n`th public address, from 1 on. */
  publicAddress(n: number): string;
  /** A name for an instance's namespace that is free on this machine. */
  namespace(id: string): string;
  /** Waits up to `patienceMs` for an answer. */
  reaches(attempt: Attempt, patienceMs: number): Promise<boolean>;
  /** The address under which the internet sees an interface; undefined when no answer comes within `patienceMs`. */
  publicAddressSeen(interfaceId: string, patienceMs: number): Promise<string | undefined>;
  /** Gives up the driver and opens another on what is left, as after a restart of the region. */
  reopen?(): Promise<NetworkDriver>;
  close(): Promise<void>;
}

export const [ICMP, TCP, UDP] = [1, 6, 17];
const ANYONE = { cidr: '0.0.0.0/0' };
export const everything: SecurityGroupRule = { protocol: -1, peer: ANYONE };
export const port = (number: number, peer: SecurityGroupRule['peer'] = ANYONE): SecurityGroupRule => ({
  protocol: TCP,
  ports: { from: number, to: number },
  peer,
});
export const allowAll = { ruleNumber: 100, action: 'allow', cidr: '0.0.0.0/0', protocol: -1 } as const;

/** A VPC with a public and a private subnet in two zones, and what `change` makes of it. */
export function vpc(name: string, change: Partial<VpcTopology> = {}): VpcTopology {
  const local = { destination: '10.0.0.0/16', target: { kind: 'local' } } as const;
  const internet = { destination: '0.0.0.0/0', target: { kind: 'internet-gateway' } } as const;
  return {
    vpcId: `vpc-${name}`,
    cidrs: ['10.0.0.0/16'],
    internetGateway: true,
    subnets: [
      {
        subnetId: `subnet-${name}-public`,
        cidr: '10.0.1.0/24',
        zone: 'us-west-2a',
        routeTableId: 'rtb-public',
        networkAclId: 'acl-public',
      },
      {
        subnetId: `subnet-${name}-private`,
        cidr: '10.0.2.0/24',
        zone: 'us-west-2b',
        routeTableId: 'rtb-private',
        networkAclId: 'acl-private',
      },
    ],
    routeTables: [
      { routeTableId: 'rtb-public', routes: [local, internet] },
      { routeTableId: 'rtb-private', routes: [local] },
    ],
    networkAcls: [
      { networkAclId: 'acl-public', ingress: [allowAll], egress: [allowAll] },
      { networkAclId: 'acl-private', ingress: [allowAll], egress: [allowAll] },
    ],
    securityGroups: [
      { securityGroupId: 'sg-web', ingress: [port(80)], egress: [everything] },
      {
        securityGroupId: 'sg-app',
        ingress: [port(8080, { securityGroupId: 'sg-web' })],
        egress: [everything],
      },
      { securityGroupId: 'sg-other', ingress: [], egress: [everything] },
    ],
    interfaces: [],
    natGateways: [],
    cut: [],
    ...change,
  };
}

/** What should come may take its time on a busy machine; for what should not come nobody waits that long. */
const patienceMs = (expected: boolean): number => (expected ? 5_000 : 400);

/** Makes a test's body of a story: each gets a network of its own. */
export const storiesOf =
  (make: () => Promise<NetworkUnderTest>) =>
  (story: (network: NetworkUnderTest) => Promise<void>) =>
  async (): Promise<void> => {
    const network = await make();
    try {
      await story(network);
    } finally {
      await network.close();
    }
  };

/** Tries all at once, because what does not arrive is known only after a while. */
const check = async (network: NetworkUnderTest, expected: boolean, attempts: readonly Attempt[]) => {
  const results = await Promise.all(
    attempts.map((attempt) => network.reaches(attempt, patienceMs(expected))),
  );
  for (const [index, { from, to, protocol, port }] of attempts.entries()) {
    const what = `${from} → ${to} protocol ${protocol}${port === undefined ? '' : ` port ${port}`}`;
    assert.equal(results[index], expected, `${what} ${expected ? 'arrives' : 'does not arrive'}`);
  }
};
export const arrives = (network: NetworkUnderTest, ...attempts: Attempt[]) => check(network, true, attempts);
export const fails = (network: NetworkUnderTest, ...attempts: Attempt[]) => check(network, false, attempts);

export const isSeenAs = async (
  network: NetworkUnderTest,
  interfaceId: string,
  expected: string | undefined,
) => {
  const seen = await network.publicAddressSeen(interfaceId, patienceMs(expected !== undefined));
  assert.equal(seen, expected, `${interfaceId} is seen in the internet as ${expected ?? 'nobody'}`);
};

export const tcp = (from: string, to: string, number: number): Attempt => ({
  from,
  to,
  protocol: TCP,
  port: number,
});

let instances = 0;
/** An interface in `10.0.<subnet>.<host>` (1 public, 2 private), attached to an instance of its own. */
export const instance = (
  network: NetworkUnderTest,
  of: string,
  id: string,
  subnet: 1 | 2,
  host: number,
  securityGroupIds: readonly string[],
  publicAddress?: string,
): NetworkInterfaceTopology => ({
  interfaceId: id,
  subnetId: `subnet-${of}-${subnet === 1 ? 'public' : 'private'}`,
  macAddress: `02:00:00:00:${(++instances >> 8).toString(16).padStart(2, '0')}:${(instances & 255).toString(16).padStart(2, '0')}`,
  addresses: [
    { private: `10.0.${subnet}.${host}`, ...(publicAddress !== undefined && { public: publicAddress }) },
  ],
  securityGroupIds,
  sourceDestCheck: true,
  attachment: { namespace: network.namespace(id), deviceIndex: 0 },
});

/** web in the public subnet with a public address, app in the private one, a third beside the app. */
export const trio = (network: NetworkUnderTest, name = 'a'): NetworkInterfaceTopology[] => [
  instance(network, name, `eni-${name}-web`, 1, 10, ['sg-web'], network.publicAddress(1)),
  instance(network, name, `eni-${name}-app`, 2, 10, ['sg-app']),
  instance(network, name, `eni-${name}-other`, 2, 11, ['sg-other']),
];
export const [web, app] = ['10.0.1.10', '10.0.2.10'];

export const privateRoute = (topology: VpcTopology, target: RouteTarget): VpcTopology => ({
  ...topology,
  routeTables: topology.routeTables.map((table) =>
    table.routeTableId === 'rtb-private'
      ? { ...table, routes: [...table.routes, { destination: '0.0.0.0/0', target }] }
      : table,
  ),
});

export const withGroup = (
  topology: VpcTopology,
  securityGroupId: string,
  rules: { ingress?: readonly SecurityGroupRule[]; egress?: readonly SecurityGroupRule[] },
): VpcTopology => ({
  ...topology,
  securityGroups: topology.securityGroups.map((group) =>
    group.securityGroupId === securityGroupId ? { ...group, ...rules } : group,
  ),
});
