/** What an instance must not reach, and what the network leaves on the machine: nothing. */
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import {
  addAddress,
  addVeth,
  deleteLinks,
  listAddresses,
  listLinks,
  replaceRoute,
  setLinkUp,
  untilReady,
} from '@holdfast/linux/host/links.ts';
import { connectTcp } from '@holdfast/linux/host/namespace-sockets.ts';
import {
  listNamespaces,
  makeNamespace,
  removeNamespace,
  setSysctlsIn,
  uplinkDevices,
} from '@holdfast/linux/host/namespaces.ts';
import { withNetlink } from '@holdfast/linux/host/netlink.ts';
import { hostSnapshot, snapshotDifference } from '@holdfast/linux/host/snapshot.ts';
import { hostLayout, serviceAddresses } from '@holdfast/linux/layout.ts';
import { missingForNetwork } from '@holdfast/linux/network/doctor.ts';
import { hostAddress, removeAll } from '@holdfast/linux/network/index.ts';
import type { NetworkInterfaceTopology, VpcTopology } from '@holdfast/region/drivers/network.ts';
import {
  openNetwork,
  pingReaches,
  tcpReaches,
  tcpReads,
  udpReaches,
} from '../../packages/linux/test/network-harness.ts';

const layout = hostLayout({ prefix: 'hfs', publicCidr: '198.19.32.0/20' });
const missing = missingForNetwork()
  .map(({ what }) => what)
  .join(', ');
const skip = missing === '' ? false : `missing: ${missing}`;

const allow = { ruleNumber: 100, action: 'allow', cidr: '0.0.0.0/0', protocol: -1 } as const;
const PATIENT_MS = 5_000;

/** A VPC whose rules allow everything: what does not arrive is held back by something else. */
function openVpc(
  name: string,
  interfaces: readonly NetworkInterfaceTopology[],
  change: Partial<VpcTopology> = {},
): VpcTopology {
  return {
    vpcId: `vpc-${name}`,
    cidrs: ['10.0.0.0/16'],
    internetGateway: true,
    subnets: [1, 2].map((n) => ({
      subnetId: `subnet-${n}`,
      cidr: `10.0.${n}.0/24`,
      zone: `us-west-2${n === 1 ? 'a' : 'b'}`,
      routeTableId: `rtb-${n}`,
      networkAclId: 'acl-1',
    })),
    routeTables: [1, 2].map((n) => ({
      routeTableId: `rtb-${n}`,
      routes: [
        { destination: '10.0.0.0/16', target: { kind: 'local' } },
        { destination: '0.0.0.0/0', target: { kind: 'internet-gateway' } },
      ],
    })),
    networkAcls: [{ networkAclId: 'acl-1', ingress: [allow], egress: [allow] }],
    securityGroups: [
      {
        securityGroupId: 'sg-all',
        ingress: [{ protocol: -1, peer: { cidr: '0.0.0.0/0' } }],
        egress: [{ protocol: -1, peer: { cidr: '0.0.0.0/0' } }],
      },
      { securityGroupId: 'sg-shut', ingress: [], egress: [{ protocol: -1, peer: { cidr: '0.0.0.0/0' } }] },
    ],
    interfaces,
    natGateways: [],
    cut: [],
    ...change,
  };
}

type Network = Awaited<ReturnType<typeof openNetwork>>;

/** The interface of the `n`th instance, in the first subnet, with a public address. */
const interfaceIn = (network: Network, n: number): NetworkInterfaceTopology => ({
  interfaceId: `eni-${n}`,
  subnetId: 'subnet-1',
  macAddress: `02:00:00:00:01:0${n}`,
  addresses: [{ private: `10.0.1.1${n}`, public: network.publicAddress(n) }],
  securityGroupIds: ['sg-all'],
  sourceDestCheck: true,
  attachment: { namespace: network.namespace(`i-${n}`), deviceIndex: 0 },
});

/** What a listener says to this machine; undefined when nothing comes. */
const askFromHost = (host: string, port: number, patienceMs: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: patienceMs });
    const finish = (said?: string): void => {
      socket.destroy();
      resolve(said);
    };
    socket
      .on('data', (data) => finish(String(data)))
      .on('error', () => finish())
      .on('timeout', () => finish());
  });

/** A network that this machine stands in besides the internet, such as a company's, with one machine in it. */
async function joinCompany(addresses: readonly string[]): Promise<{ namespace: string; link: string }> {
  const [namespace, link, own] = ['hfsc-company', 'hfsc-company', '169.254.255.13'];
  leaveCompany();
  makeNamespace(namespace);
  withNetlink(undefined, (host) => {
    addVeth(host, link, { name: 'eth0', namespace });
    const { index } = listLinks(host).get(link)!;
    setLinkUp(host, index);
    withNetlink(namespace, (end) => {
      const linkIndex = listLinks(end).get('eth0')!.index;
      setLinkUp(end, linkIndex);
      for (const address of addresses) addAddress(end, { linkIndex, address, prefix: 32 });
      replaceRoute(end, { destination: '0.0.0.0/0', type: 'unicast', gateway: own, linkIndex });
    });
    addAddress(host, { linkIndex: index, address: own, prefix: 32 });
    for (const address of addresses)
      replaceRoute(host, { destination: `${address}/32`, type: 'unicast', linkIndex: index });
  });
  await untilReady([{ name: link }, { namespace, name: 'eth0' }]);
  return { namespace, link };
}

function leaveCompany(): void {
  withNetlink(undefined, (host) => {
    const link = listLinks(host).get('hfsc-company');
    if (link) deleteLinks(host, [link.index]);
  });
  removeNamespace('hfsc-company');
}

describe('an instance cannot get out of its network', { skip }, () => {
  let network: Network;
  let evil: string;
  const hostAddresses = (): string[] =>
    withNetlink(undefined, (host) => {
      const uplinks = uplinkDevices();
      const indexes = [...listLinks(host).values()]
        .filter((link) => uplinks.includes(link.name))
        .map((link) => link.index);
      return listAddresses(host)
        .filter((one) => indexes.includes(one.linkIndex))
        .map((one) => one.address);
    });

  const instance = (n: number, change: Partial<NetworkInterfaceTopology> = {}): NetworkInterfaceTopology => ({
    ...interfaceIn(network, n),
    ...change,
  });

  before(async () => {
    network = await openNetwork(layout);
    evil = network.namespace('i-1');
    await network.driver.apply(
      openVpc('a', [instance(1), instance(2), instance(3, { securityGroupIds: ['sg-shut'] })]),
      1,
    );
    const other = instance(5, { addresses: [{ private: '10.0.1.15' }] });
    await network.driver.apply(openVpc('b', [other]), 1);
  });
  after(() => network?.close());

  test("it reaches the internet, and the host it, but none of the host's own services", async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).end());
    await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
    const { port } = server.address() as { port: number };
    try {
      assert.equal(await tcpReads(evil, network.outsideAddress, 7, PATIENT_MS), network.publicAddress(1));
      const targets = [hostAddress(layout), '127.0.0.1', serviceAddresses.metadata, ...hostAddresses()];
      assert.ok(targets.length > 3, 'the host has an address of its own');
      const reached = await Promise.all(targets.map((address) => tcpReaches(evil, address, port)));
      assert.deepEqual(
        targets.filter((_, n) => reached[n]),
        [],
      );
      const pinged = await Promise.all(hostAddresses().map((address) => pingReaches(evil, address)));
      assert.ok(!pinged.includes(true));
    } finally {
      server.close();
    }
  });

  test('the host reaches a public address through the security group, and is seen as the outside', async () => {
    network.listeners.tcp(network.namespace('i-2'), 8080);
    network.listeners.tcp(network.namespace('i-3'), 8080);
    assert.equal(await askFromHost(network.publicAddress(2), 8080, PATIENT_MS), hostAddress(layout));
    assert.equal(await askFromHost(network.publicAddress(3), 8080, 400), undefined);
  });

  test('it does not reach another VPC, nor a port that is closed to it', async () => {
    network.listeners.tcp(network.namespace('i-5'), 8080);
    network.listeners.tcp(network.namespace('i-3'), 8080);
    network.listeners.tcp(network.namespace('i-2'), 8080);
    const [other, shut, mate] = await Promise.all([
      tcpReaches(evil, '10.0.1.15', 8080),
      tcpReaches(evil, '10.0.1.13', 8080),
      tcpReaches(evil, '10.0.1.12', 8080, PATIENT_MS),
    ]);
    assert.deepEqual({ other, shut, mate }, { other: false, shut: false, mate: true });
  });

  test("a packet with somebody else's address is dropped, even inside the subnet", async () => {
    withNetlink(evil, (netlink) => {
      const linkIndex = listLinks(netlink).get('eth0')!.index;
      addAddress(netlink, { linkIndex, address: '10.0.1.77', prefix: 24 });
    });
    network.listeners.tcp(network.namespace('i-2'), 8080);
    const spoofed = (from: string): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = connectTcp(evil, '10.0.1.12', 8080, from);
        const timer = setTimeout(() => finish(false), from === '10.0.1.77' ? 400 : PATIENT_MS);
        const finish = (reached: boolean): void => {
          clearTimeout(timer);
          socket.destroy();
          resolve(reached);
        };
        socket.on('connect', () => finish(true)).on('error', () => finish(false));
      });
    assert.deepEqual(await Promise.all([spoofed('10.0.1.77'), spoofed('10.0.1.11')]), [false, true]);
  });

  test("of the router's addresses it reaches the services, and only their ports", async () => {
    const router = `${layout.prefix}-vpc-a`;
    for (const port of [80, 53, 4566, 22]) network.listeners.tcp(router, port);
    network.listeners.udp(router, 53);
    const open: [string, number][] = [
      ['10.0.0.2', 53],
      [serviceAddresses.resolver, 53],
      [serviceAddresses.metadata, 80],
      [serviceAddresses.api, 4566],
    ];
    const closed: [string, number][] = [
      ['10.0.0.2', 80],
      ['10.0.1.1', 80],
      ['10.0.1.1', 22],
      [serviceAddresses.metadata, 4566],
      [serviceAddresses.api, 22],
      ['169.254.255.1', 22],
      ['169.254.255.2', 80],
    ];
    const shut = network.namespace('i-3');
    const reached = await Promise.all([
      ...open.map(([address, port]) => tcpReaches(shut, address, port, PATIENT_MS)),
      udpReaches(shut, serviceAddresses.resolver, 53, PATIENT_MS),
      pingReaches(shut, '10.0.1.1', PATIENT_MS),
    ]);
    assert.ok(reached.every(Boolean), `services answer: ${reached}`);
    const leaked = await Promise.all(closed.map(([address, port]) => tcpReaches(shut, address, port)));
    assert.deepEqual(
      closed.filter((_, n) => leaked[n]),
      [],
    );
  });

  test('a router passes on for others only with the source/destination check off', async () => {
    const through = (sourceDestCheck: boolean): VpcTopology => {
      const middle = instance(6, {
        sourceDestCheck,
        subnetId: 'subnet-2',
        addresses: [{ private: '10.0.2.16' }],
      });
      const far = instance(4, { subnetId: 'subnet-2', addresses: [{ private: '10.0.2.14' }] });
      const plain = openVpc('a', [instance(1), middle, far]);
      const [first, second] = plain.routeTables;
      const detour = {
        destination: '10.0.2.0/24',
        target: { kind: 'interface', interfaceId: 'eni-6' },
      } as const;
      return { ...plain, routeTables: [{ ...first!, routes: [...first!.routes, detour] }, second!] };
    };
    await network.driver.apply(through(true), 2);
    setSysctlsIn(network.namespace('i-6'), {
      'net.ipv4.ip_forward': '1',
      'net.ipv4.conf.all.send_redirects': '0',
      'net.ipv4.conf.eth0.send_redirects': '0',
    });
    network.listeners.tcp(network.namespace('i-4'), 8080);
    assert.equal(await tcpReaches(evil, '10.0.2.14', 8080), false);
    await network.driver.apply(through(false), 3);
    assert.equal(await tcpReads(evil, '10.0.2.14', 8080, PATIENT_MS), '10.0.1.11');
  });
});

describe('an internet gateway leads to public addresses only', { skip }, () => {
  // One out of each range that has no place in the internet, on a machine to which this one has a way.
  const company = ['10.213.77.2', '172.29.77.2', '192.168.213.2', '100.99.77.2', '169.254.77.2'];
  const nothing: string[] = [];
  after(leaveCompany);

  for (const [egressAllow, expected, title] of [
    [nothing, nothing, 'no private one is reached, though this machine reaches them all'],
    [['10.213.77.0/24'], ['10.213.77.2'], 'but for a private one that is allowed by name'],
  ] as const) {
    test(title, async () => {
      const { namespace, link } = await joinCompany(company);
      // As if the company's network were the way to the internet too: nothing but the addresses tells them apart.
      const network = await openNetwork(layout, { egressAllow, uplinks: [link] });
      try {
        await network.driver.apply(openVpc('a', [interfaceIn(network, 1)]), 1);
        network.listeners.tcp(namespace, 7);
        const said = await Promise.all(company.map((to) => askFromHost(to, 7, PATIENT_MS)));
        assert.ok(!said.includes(undefined), `this machine reaches them: ${said}`);
        const instance = network.namespace('i-1');
        const reached = await Promise.all(company.map((to) => tcpReaches(instance, to, 7, 600)));
        assert.deepEqual(
          company.filter((_, n) => reached[n]),
          expected,
        );
      } finally {
        await network.close();
        leaveCompany();
      }
    });
  }
});

describe('nothing of the network stays behind', { skip }, () => {
  test('after removeAll the machine is as it was', async () => {
    removeAll(layout);
    const found = hostSnapshot();
    const network = await openNetwork(layout);
    await network.driver.apply(openVpc('a', [interfaceIn(network, 1)]), 1);
    assert.ok(
      snapshotDifference(found, hostSnapshot()).some((line) => line.includes(`${layout.prefix}-inet`)),
    );
    await network.close();
    assert.deepEqual(listNamespaces(`${layout.prefix}-`), []);
    // Others may be at work on this machine, also with prefixes that begin as this one does: only what bears this one and
    // its public addresses is ours to answer for.
    const own = new RegExp(`\\b${layout.prefix}(?![g-z])|198\\.19\\.(3[2-9]|4[0-7])\\.`);
    const left = snapshotDifference(found, hostSnapshot()).filter((line) => own.test(line));
    assert.deepEqual(left, []);
  });
});
