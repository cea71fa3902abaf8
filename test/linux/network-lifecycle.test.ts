/** What the network does over time: with flows that are under way, and with what a crash has left half done. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { inNamespace } from '@holdfast/linux/host/libc.ts';
import { deleteVeths, listLinks } from '@holdfast/linux/host/links.ts';
import { bindUdp, connectTcp, listenTcp } from '@holdfast/linux/host/namespace-sockets.ts';
import { listNamespaces, removeNamespace } from '@holdfast/linux/host/namespaces.ts';
import { withNetlink } from '@holdfast/linux/host/netlink.ts';
import { deleteTable } from '@holdfast/linux/host/nftables.ts';
import { hostLayout } from '@holdfast/linux/layout.ts';
import { linuxNetwork, missingForNetwork, removeAll } from '@holdfast/linux/network/index.ts';
import { seededRandom } from '@holdfast/region/clock.ts';
import type { VpcTopology } from '@holdfast/region/drivers/network.ts';
import { openNetwork, serve, tcpReaches, tcpReads } from '../../packages/linux/test/network-harness.ts';
import { crashLayout, crashTopology } from '../support/network-crash.ts';

const layout = hostLayout({ prefix: 'hfy', publicCidr: '198.19.48.0/20' });
const missing = missingForNetwork()
  .map(({ what }) => what)
  .join(', ');
const skip = missing === '' ? false : `missing: ${missing}`;
const PATIENT_MS = 5_000;

/** A listener that sends back what it gets. */
const echo = (namespace: string, port: number): { close(): void } =>
  serve(listenTcp(namespace, '0.0.0.0', port), (socket) => socket.pipe(socket));

/** Does a word sent over an open connection come back? */
async function echoes(socket: Socket, patienceMs: number): Promise<boolean> {
  socket.write('?');
  const answer = once(socket, 'data', { signal: AbortSignal.timeout(patienceMs) });
  return answer.then(
    () => true,
    () => false,
  );
}

describe('flows under way', { skip }, () => {
  let network: Awaited<ReturnType<typeof openNetwork>>;
  let server: { close(): void };
  let socket: Socket;
  let topology: VpcTopology;

  beforeEach(async () => {
    network = await openNetwork(layout);
    topology = crashTopology(layout, 3, network.publicAddress(1));
    await network.driver.apply(topology, 1);
    server = echo(network.namespace('i-1'), 80);
    socket = connectTcp(network.outside.namespace, network.publicAddress(1), 80);
    await once(socket, 'connect');
    assert.ok(await echoes(socket, PATIENT_MS));
  });
  afterEach(async () => {
    socket?.destroy();
    server?.close();
    await network?.close();
  });

  test('a rule that is taken back holds for new flows; the old ones go on, as with AWS', async () => {
    const [group] = topology.securityGroups;
    await network.driver.apply({ ...topology, securityGroups: [{ ...group!, ingress: [] }] }, 2);
    assert.ok(await echoes(socket, PATIENT_MS));
    assert.equal(await tcpReaches(network.outside.namespace, network.publicAddress(1), 80), false);
  });

  test('a public address that moves takes no flow along, and leaves none behind', async () => {
    const address = network.publicAddress(1);
    const interfaces = topology.interfaces.map((one, n) => ({
      ...one,
      addresses: [{ private: one.addresses[0]!.private, ...(n === 1 && { public: address }) }],
    }));
    const second = echo(network.namespace('i-2'), 80);
    try {
      await network.driver.apply({ ...topology, interfaces }, 2);
      assert.equal(await echoes(socket, 400), false);
      // Nor does it come back with the address: the flow is forgotten, only a new one can begin.
      const fresh = connectTcp(network.outside.namespace, address, 80);
      await once(fresh, 'connect', { signal: AbortSignal.timeout(PATIENT_MS) });
      assert.ok(await echoes(fresh, PATIENT_MS));
      fresh.destroy();
    } finally {
      second.close();
    }
  });

  test('of many flows only those of the address that moves are forgotten', async () => {
    const [group] = topology.securityGroups;
    const everything = { protocol: -1, peer: { cidr: '0.0.0.0/0' } } as const;
    const open = { ...topology, securityGroups: [{ ...group!, ingress: [everything] }] };
    await network.driver.apply(open, 2);
    const router = `${layout.prefix}-${topology.vpcId}`;
    const flows = (): number =>
      inNamespace(router, () => Number(readFileSync('/proc/sys/net/netfilter/nf_conntrack_count', 'utf8')));
    const send = async (namespace: string, to: string, ports: number): Promise<void> => {
      const caller = createSocket('udp4').on('error', () => undefined);
      caller.bind({ fd: bindUdp(namespace, '0.0.0.0', 0) });
      for (let port = 1; port <= ports; port++) caller.send('?', port, to, () => undefined);
      const expected = flows() + ports;
      for (const end = performance.now() + PATIENT_MS; flows() < expected; await wait(10))
        assert.ok(performance.now() < end, `${flows()} flows`);
      caller.close();
    };
    await send(network.namespace('i-3'), '10.0.1.12', 200);
    await send(network.outside.namespace, network.publicAddress(1), 1_200);
    const without = open.interfaces.map((one) => ({
      ...one,
      addresses: one.addresses.map((address) => ({ private: address.private })),
    }));
    await network.driver.apply({ ...open, interfaces: without }, 3);
    // The kernel forgets a flow when the last packet of it is through.
    for (const end = performance.now() + PATIENT_MS; flows() >= 300 && performance.now() < end; )
      await wait(10);
    assert.ok(flows() >= 200 && flows() < 300, `${flows()} flows are left, those inside`);
  });

  test("a private address's flows are forgotten when somebody else gets it", async () => {
    const inside = connectTcp(network.namespace('i-3'), '10.0.1.12', 80);
    const second = echo(network.namespace('i-2'), 80);
    await once(inside, 'connect', { signal: AbortSignal.timeout(PATIENT_MS) });
    const [group] = topology.securityGroups;
    const shut = { ...topology, securityGroups: [{ ...group!, ingress: [] }] };
    const without = { ...shut, interfaces: shut.interfaces.filter((one) => one.interfaceId !== 'eni-2') };
    await network.driver.apply(without, 2);
    // The same namespace, and so the same machine's end of the flow: only the interface is another.
    const heir = { ...topology.interfaces[1]!, interfaceId: 'eni-9' };
    await network.driver.apply({ ...without, interfaces: [...without.interfaces, heir] }, 3);
    assert.equal(await echoes(inside, 400), false);
    inside.destroy();
    second.close();
  });

  test('a private NAT gateway lends its private address', async () => {
    const gateway = { natGatewayId: 'nat-1', subnetId: 'subnet-1', privateAddress: '10.0.1.200' };
    const detour = {
      destination: '10.0.1.12/32',
      target: { kind: 'nat-gateway', natGatewayId: 'nat-1' },
    } as const;
    const [first] = topology.routeTables;
    const plain = { routeTableId: 'rtb-2', routes: first!.routes };
    const subnets = [
      { ...topology.subnets[0]!, routeTableId: 'rtb-2' },
      { ...topology.subnets[0]!, subnetId: 'subnet-2', cidr: '10.0.2.0/24' },
    ];
    const far = {
      ...topology.interfaces[2]!,
      subnetId: 'subnet-2',
      interfaceId: 'eni-8',
      addresses: [{ private: '10.0.2.13' }],
    };
    const interfaces = [topology.interfaces[0]!, topology.interfaces[1]!, far];
    const routeTables = [{ ...first!, routes: [...first!.routes, detour] }, plain];
    await network.driver.apply({ ...topology, subnets, routeTables, interfaces, natGateways: [gateway] }, 2);
    network.listeners.tcp(network.namespace('i-2'), 81);
    assert.equal(await tcpReads(network.namespace('i-3'), '10.0.1.12', 81, PATIENT_MS), '10.0.1.200');
  });
});

describe('what is half done', { skip }, () => {
  after(() => removeAll(layout));

  /** All instances reach the first one, nobody else is left in the router. */
  async function assertInForce(wanted: VpcTopology, of: typeof layout): Promise<void> {
    const server = serve(listenTcp(`${of.prefix}-i-1`, '0.0.0.0', 80), (socket) => socket.end());
    try {
      const others = wanted.interfaces.slice(1).map((one) => one.attachment!.namespace);
      const reached = await Promise.all(others.map((one) => tcpReaches(one, '10.0.1.11', 80, PATIENT_MS)));
      assert.deepEqual(
        reached,
        others.map(() => true),
      );
      assert.deepEqual(
        listNamespaces(`${of.prefix}-i-`),
        wanted.interfaces.map((one) => one.attachment!.namespace),
      );
      const links = withNetlink(`${of.prefix}-${wanted.vpcId}`, (router) => listLinks(router).size);
      assert.equal(links, wanted.interfaces.length + 2, 'lo, igw and one for each interface');
    } finally {
      server.close();
    }
  }

  test('whatever is missing, a driver that starts anew puts it back', async () => {
    removeAll(layout);
    const wanted = crashTopology(layout, 3);
    const router = `${layout.prefix}-${wanted.vpcId}`;
    const first = linuxNetwork(layout);
    await first.start();
    await first.apply(wanted, 1);
    first.close();
    const damages: Record<string, () => void> = {
      nothing: () => undefined,
      'the table': () => deleteTable(router, 'vpc'),
      'all links': () => withNetlink(router, deleteVeths),
      'the router': () => removeNamespace(router),
      'an instance': () => removeNamespace(`${layout.prefix}-i-2`),
      'the internet': () => removeNamespace(`${layout.prefix}-inet`),
      'the record': () => rmSync(join(layout.runDirectory, 'network', `${wanted.vpcId}.json`)),
    };
    for (const [what, damage] of Object.entries(damages)) {
      damage();
      const next = linuxNetwork(layout);
      await next.start();
      await next.apply(wanted, 1);
      await assert.doesNotReject(assertInForce(wanted, layout), `${what} is back`);
      next.close();
    }
  });

  test('killed at any moment, it is put right by the next apply', async (t) => {
    const seed = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000);
    t.diagnostic(`HOLDFAST_SEED=${seed}`);
    const random = seededRandom(seed);
    const crash = crashLayout();
    removeAll(crash);
    try {
      for (let round = 0; round < 8; round++) {
        const child = fork(join(import.meta.dirname, '../support/network-crash.ts'), ['apply']);
        await once(child, 'message');
        await wait(random.below(60));
        child.kill('SIGKILL');
        await once(child, 'exit');
        const driver = linuxNetwork(crash);
        await driver.start();
        const [found] = await driver.list();
        const wanted = crashTopology(crash, 4);
        await driver.apply(wanted, (found?.generation ?? 0) + 1);
        await assertInForce(wanted, crash);
        driver.close();
      }
    } finally {
      removeAll(crash);
    }
    assert.deepEqual(listNamespaces(`${crash.prefix}-`), []);
  });
});
