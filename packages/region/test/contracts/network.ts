/**
 * What every network driver must do, whoever is behind it: the rules of a VPC as a packet meets them. Each story
 * applies a topology and then says who reaches whom.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
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

const [ICMP, TCP, UDP] = [1, 6, 17];
const ANYONE = { cidr: '0.0.0.0/0' };
const everything: SecurityGroupRule = { protocol: -1, peer: ANYONE };
const port = (number: number, peer: SecurityGroupRule['peer'] = ANYONE): SecurityGroupRule => ({
  protocol: TCP,
  ports: { from: number, to: number },
  peer,
});
const allowAll = { ruleNumber: 100, action: 'allow', cidr: '0.0.0.0/0', protocol: -1 } as const;

/** A VPC with a public and a private subnet in two zones, and what `change` makes of it. */
function vpc(name: string, change: Partial<VpcTopology> = {}): VpcTopology {
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

/** Runs the suite against drivers that `make` gives, each with nothing applied. */
export function networkContract(title: string, make: () => Promise<NetworkUnderTest>): void {
  const withNetwork = (story: (network: NetworkUnderTest) => Promise<void>) => async () => {
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
  const arrives = (network: NetworkUnderTest, ...attempts: Attempt[]) => check(network, true, attempts);
  const fails = (network: NetworkUnderTest, ...attempts: Attempt[]) => check(network, false, attempts);

  const isSeenAs = async (network: NetworkUnderTest, interfaceId: string, expected: string | undefined) => {
    const seen = await network.publicAddressSeen(interfaceId, patienceMs(expected !== undefined));
    assert.equal(seen, expected, `${interfaceId} is seen in the internet as ${expected ?? 'nobody'}`);
  };

  const tcp = (from: string, to: string, number: number): Attempt => ({
    from,
    to,
    protocol: TCP,
    port: number,
  });

  let instances = 0;
  /** An interface in `10.0.<subnet>.<host>` (1 public, 2 private), attached to an instance of its own. */
  const instance = (
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
  const trio = (network: NetworkUnderTest, name = 'a'): NetworkInterfaceTopology[] => [
    instance(network, name, `eni-${name}-web`, 1, 10, ['sg-web'], network.publicAddress(1)),
    instance(network, name, `eni-${name}-app`, 2, 10, ['sg-app']),
    instance(network, name, `eni-${name}-other`, 2, 11, ['sg-other']),
  ];
  const [web, app] = ['10.0.1.10', '10.0.2.10'];

  const privateRoute = (topology: VpcTopology, target: RouteTarget): VpcTopology => ({
    ...topology,
    routeTables: topology.routeTables.map((table) =>
      table.routeTableId === 'rtb-private'
        ? { ...table, routes: [...table.routes, { destination: '0.0.0.0/0', target }] }
        : table,
    ),
  });

  const withGroup = (
    topology: VpcTopology,
    securityGroupId: string,
    rules: { ingress?: readonly SecurityGroupRule[]; egress?: readonly SecurityGroupRule[] },
  ): VpcTopology => ({
    ...topology,
    securityGroups: topology.securityGroups.map((group) =>
      group.securityGroupId === securityGroupId ? { ...group, ...rules } : group,
    ),
  });

  describe(`network driver: ${title}`, () => {
    test(
      'an open port answers inside and outside, a closed one nowhere',
      withNetwork(async (network) => {
        await network.driver.apply(vpc('a', { interfaces: trio(network) }), 1);
        await arrives(network, tcp('outside', network.publicAddress(1), 80), tcp('eni-a-app', web, 80));
        await fails(
          network,
          tcp('outside', network.publicAddress(1), 8080),
          tcp('eni-a-app', web, 443),
          { from: 'eni-a-app', to: web, protocol: UDP, port: 80 },
          { from: 'eni-a-app', to: web, protocol: ICMP },
        );
      }),
    );

    test(
      'a security group admits by address range, protocol and port range',
      withNetwork(async (network) => {
        const ingress: SecurityGroupRule[] = [
          { protocol: TCP, ports: { from: 8000, to: 8010 }, peer: { cidr: '10.0.2.10/32' } },
          { protocol: UDP, ports: { from: 53, to: 53 }, peer: { cidr: '10.0.2.0/24' } },
          { protocol: ICMP, peer: { cidr: '10.0.0.0/16' } },
        ];
        const plain = vpc('a', { interfaces: trio(network) });
        await network.driver.apply(withGroup(plain, 'sg-web', { ingress }), 1);
        await arrives(
          network,
          tcp('eni-a-app', web, 8000),
          tcp('eni-a-app', web, 8010),
          { from: 'eni-a-other', to: web, protocol: UDP, port: 53 },
          { from: 'eni-a-other', to: web, protocol: ICMP },
        );
        await fails(
          network,
          tcp('eni-a-app', web, 8011),
          tcp('eni-a-other', web, 8000),
          tcp('outside', network.publicAddress(1), 8000),
        );
      }),
    );

    test(
      'a security group admits members of another one, also inside a subnet, and follows who is in it',
      withNetwork(async (network) => {
        const interfaces = trio(network);
        await network.driver.apply(vpc('a', { interfaces }), 1);
        await arrives(network, tcp('eni-a-web', app, 8080));
        await fails(network, tcp('eni-a-other', app, 8080), tcp('eni-a-web', app, 80));
        const joined = interfaces.map((one) =>
          one.interfaceId === 'eni-a-other' ? { ...one, securityGroupIds: ['sg-other', 'sg-web'] } : one,
        );
        await network.driver.apply(vpc('a', { interfaces: joined }), 2);
        await arrives(network, tcp('eni-a-other', app, 8080));
      }),
    );

    test(
      'an egress rule holds the sender back',
      withNetwork(async (network) => {
        const plain = vpc('a', { interfaces: trio(network) });
        const egress = [port(8080, { cidr: '10.0.2.0/24' })];
        await network.driver.apply(withGroup(plain, 'sg-web', { egress }), 1);
        await arrives(network, tcp('eni-a-web', app, 8080), tcp('outside', network.publicAddress(1), 80));
        await isSeenAs(network, 'eni-a-web', undefined);
        await network.driver.apply(withGroup(plain, 'sg-web', { egress: [] }), 2);
        await fails(network, tcp('eni-a-web', app, 8080));
      }),
    );

    test(
      'a network ACL denies in order and without memory, between subnets only',
      withNetwork(async (network) => {
        const interfaces = [...trio(network), instance(network, 'a', 'eni-a-near', 1, 11, ['sg-other'])];
        const acl = (change: Partial<VpcTopology['networkAcls'][number]>): VpcTopology => {
          const [first, second] = vpc('a').networkAcls;
          return vpc('a', { interfaces, networkAcls: [{ ...first!, ...change }, second!] });
        };
        const denyWeb = {
          ruleNumber: 90,
          action: 'deny',
          cidr: '10.0.2.0/24',
          protocol: TCP,
          ports: { from: 80, to: 80 },
        } as const;
        await network.driver.apply(acl({ ingress: [allowAll, denyWeb] }), 1);
        await arrives(network, tcp('eni-a-near', web, 80), tcp('outside', network.publicAddress(1), 80));
        await fails(network, tcp('eni-a-app', web, 80));

        await network.driver.apply(acl({ ingress: [allowAll, { ...denyWeb, ruleNumber: 110 }] }), 2);
        await arrives(network, tcp('eni-a-app', web, 80));

        // The answer goes to a port above 1023, and no rule lets it out.
        const onlyLow = { ...allowAll, protocol: TCP, ports: { from: 1, to: 1023 } };
        await network.driver.apply(acl({ egress: [onlyLow] }), 3);
        await fails(network, tcp('eni-a-app', web, 80), tcp('outside', network.publicAddress(1), 80));
      }),
    );

    test(
      'two VPCs with the same addresses do not see each other',
      withNetwork(async (network) => {
        await network.driver.apply(vpc('a', { interfaces: trio(network) }), 1);
        const alone = [instance(network, 'b', 'eni-b-alone', 2, 20, ['sg-web'])];
        await network.driver.apply(vpc('b', { interfaces: alone }), 1);
        await fails(network, tcp('eni-b-alone', web, 80), tcp('eni-a-web', '10.0.2.20', 80));
        await arrives(network, tcp('eni-a-app', web, 80));
      }),
    );

    test(
      'without an internet gateway, a route or a public address nothing gets out or in',
      withNetwork(async (network) => {
        const interfaces = [...trio(network), instance(network, 'a', 'eni-a-near', 1, 11, ['sg-web'])];
        await network.driver.apply(vpc('a', { interfaces }), 1);
        await isSeenAs(network, 'eni-a-web', network.publicAddress(1));
        await isSeenAs(network, 'eni-a-app', undefined);
        await isSeenAs(network, 'eni-a-near', undefined);
        await network.driver.apply(vpc('a', { interfaces, internetGateway: false }), 2);
        await isSeenAs(network, 'eni-a-web', undefined);
        await fails(network, tcp('outside', network.publicAddress(1), 80));
      }),
    );

    test(
      'a NAT gateway lends its public address, and is a blackhole when it is gone',
      withNetwork(async (network) => {
        const gateway = {
          natGatewayId: 'nat-a',
          subnetId: 'subnet-a-public',
          privateAddress: '10.0.1.200',
          publicAddress: network.publicAddress(2),
        };
        const plain = vpc('a', { interfaces: trio(network), natGateways: [gateway] });
        const routed = privateRoute(plain, { kind: 'nat-gateway', natGatewayId: 'nat-a' });
        await network.driver.apply(routed, 1);
        await isSeenAs(network, 'eni-a-app', network.publicAddress(2));
        await arrives(network, tcp('eni-a-app', network.publicAddress(1), 80));
        await fails(
          network,
          tcp('outside', network.publicAddress(2), 80),
          tcp('outside', network.publicAddress(2), 8080),
        );

        await network.driver.apply({ ...routed, cut: ['nat-a'] }, 2);
        await isSeenAs(network, 'eni-a-app', undefined);
        await network.driver.apply(routed, 3);
        await isSeenAs(network, 'eni-a-app', network.publicAddress(2));
        await network.driver.apply({ ...routed, natGateways: [] }, 4);
        await isSeenAs(network, 'eni-a-app', undefined);
      }),
    );

    test(
      'a blackhole route drops, and a route that changes counts at once',
      withNetwork(async (network) => {
        const plain = vpc('a', { interfaces: trio(network) });
        const internet = { destination: '0.0.0.0/0', target: { kind: 'internet-gateway' } } as const;
        const local = { destination: '10.0.0.0/16', target: { kind: 'local' } } as const;
        const hole = { destination: `${network.outsideAddress}/32`, target: { kind: 'blackhole' } } as const;
        const routes = (...list: (typeof internet | typeof local | typeof hole)[]): VpcTopology => ({
          ...plain,
          routeTables: [{ routeTableId: 'rtb-public', routes: list }, plain.routeTables[1]!],
        });
        await network.driver.apply(routes(local, internet, hole), 1);
        await isSeenAs(network, 'eni-a-web', undefined);
        await network.driver.apply(routes(local, internet), 2);
        await isSeenAs(network, 'eni-a-web', network.publicAddress(1));
      }),
    );

    test(
      'what is cut off neither sends nor receives, and comes back as it was',
      withNetwork(async (network) => {
        const whole = vpc('a', { interfaces: trio(network) });
        await network.driver.apply({ ...whole, cut: ['eni-a-web'] }, 1);
        await fails(
          network,
          tcp('outside', network.publicAddress(1), 80),
          tcp('eni-a-app', web, 80),
          tcp('eni-a-web', app, 8080),
        );
        assert.equal(await network.driver.probe('vpc-a', 'eni-a-web'), false);
        assert.equal(await network.driver.probe('vpc-a', 'eni-a-app'), true);
        await network.driver.apply(whole, 2);
        await arrives(network, tcp('outside', network.publicAddress(1), 80), tcp('eni-a-web', app, 8080));
        assert.equal(await network.driver.probe('vpc-a', 'eni-a-web'), true);
      }),
    );

    test(
      'a public address moves to another interface and to another VPC',
      withNetwork(async (network) => {
        const address = network.publicAddress(1);
        const near = (publicAddress?: string) =>
          instance(network, 'a', 'eni-a-near', 1, 11, ['sg-app'], publicAddress);
        const closed = (publicAddress?: string) => {
          const { addresses, ...rest } = trio(network)[0]!;
          return {
            ...rest,
            addresses: [{ private: addresses[0]!.private, ...(publicAddress && { public: publicAddress }) }],
          };
        };
        await network.driver.apply(vpc('a', { interfaces: [closed(address), near()] }), 1);
        await arrives(network, tcp('outside', address, 80));
        await network.driver.apply(vpc('a', { interfaces: [closed(), near(address)] }), 2);
        await isSeenAs(network, 'eni-a-near', address);
        await isSeenAs(network, 'eni-a-web', undefined);
        await fails(network, tcp('outside', address, 80));

        await network.driver.apply(vpc('a', { interfaces: [closed(), near()] }), 3);
        const there = instance(network, 'b', 'eni-b-web', 1, 10, ['sg-web'], address);
        await network.driver.apply(vpc('b', { interfaces: [there] }), 1);
        await arrives(network, tcp('outside', address, 80));
        await isSeenAs(network, 'eni-b-web', address);
      }),
    );

    test(
      'an older generation is ignored, the same one may be repeated, also after a restart',
      withNetwork(async (network) => {
        const interfaces = trio(network);
        const open = vpc('a', { interfaces });
        const shut = withGroup(open, 'sg-web', { ingress: [] });
        await network.driver.apply(open, 5);
        await network.driver.apply(shut, 4);
        await arrives(network, tcp('eni-a-app', web, 80));
        assert.deepEqual(await network.driver.list(), [{ vpcId: 'vpc-a', generation: 5 }]);
        const driver = network.reopen ? await network.reopen() : network.driver;
        await driver.apply(shut, 4);
        assert.deepEqual(await driver.list(), [{ vpcId: 'vpc-a', generation: 5 }]);
        await arrives(network, tcp('eni-a-app', web, 80));
        await driver.apply(open, 5);
        await arrives(network, tcp('eni-a-app', web, 80), tcp('eni-a-web', app, 8080));
        await driver.apply(shut, 6);
        await fails(network, tcp('eni-a-app', web, 80));
      }),
    );

    test(
      'a detached interface is gone, and may be attached again',
      withNetwork(async (network) => {
        const interfaces = trio(network);
        const detached = interfaces.map((one) => {
          if (one.interfaceId !== 'eni-a-web') return one;
          const { attachment, ...rest } = one;
          assert.ok(attachment);
          return rest;
        });
        await network.driver.apply(vpc('a', { interfaces }), 1);
        await network.driver.apply(vpc('a', { interfaces: detached }), 2);
        await fails(network, tcp('eni-a-app', web, 80));
        assert.equal(await network.driver.probe('vpc-a', 'eni-a-web'), false);
        await network.driver.apply(vpc('a', { interfaces }), 3);
        await arrives(network, tcp('eni-a-app', web, 80));
      }),
    );

    test(
      'a removed VPC is gone, also when it is removed twice',
      withNetwork(async (network) => {
        await network.driver.apply(vpc('a', { interfaces: trio(network) }), 7);
        await network.driver.remove('vpc-a');
        await network.driver.remove('vpc-a');
        assert.deepEqual(await network.driver.list(), []);
        await fails(network, tcp('outside', network.publicAddress(1), 80));
        assert.equal(await network.driver.probe('vpc-a', 'eni-a-web'), false);
        await network.driver.apply(vpc('a', { interfaces: trio(network) }), 1);
        await arrives(network, tcp('outside', network.publicAddress(1), 80));
      }),
    );

    test(
      'a topology that names what it does not contain is refused and changes nothing',
      withNetwork(async (network) => {
        const interfaces = trio(network);
        await network.driver.apply(vpc('a', { interfaces }), 1);
        const [first, ...rest] = interfaces;
        const wrong = vpc('a', { interfaces: [{ ...first!, securityGroupIds: ['sg-gone'] }, ...rest] });
        await assert.rejects(network.driver.apply(wrong, 2), /sg-gone/);
        await arrives(network, tcp('eni-a-app', web, 80));
        assert.deepEqual(await network.driver.list(), [{ vpcId: 'vpc-a', generation: 1 }]);
      }),
    );
  });
}
