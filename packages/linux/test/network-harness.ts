/** What the tests of the network need: listeners and callers in namespaces, and somebody out in the internet. */
import { createSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import type { NetworkDriver, VpcTopology } from '@holdfast/region/drivers/network.ts';
import type { Attempt } from '../../region/test/contracts/network-kit.ts';
import { addAddress, addVeth, listLinks, replaceRoute, setLinkUp, untilReady } from '../src/host/links.ts';
import { bindPing, bindUdp, connectTcp, listenTcp } from '../src/host/namespace-sockets.ts';
import { listNamespaces, makeNamespace, namespaceExists, setSysctlsIn } from '../src/host/namespaces.ts';
import { withNetlink } from '../src/host/netlink.ts';
import { endpointNamespace, type HostLayout, internetNamespace } from '../src/layout.ts';
import {
  type LinuxNetwork,
  type LinuxNetworkOptions,
  linuxNetwork,
  removeAll,
} from '../src/network/index.ts';
import { addressAt } from '../src/network/ipv4.ts';

/**
 * Resolves with false after the wait, but not before the event loop has looked for what has arrived meanwhile: on a
 * busy machine a timer can be noticed before an answer that was there first.
 */
function deadline(patienceMs: number, give: (value: false) => void): NodeJS.Timeout {
  return setTimeout(() => setImmediate(() => setImmediate(() => give(false))), patienceMs);
}

/** Does a TCP connection come about? */
export function tcpReaches(
  namespace: string,
  address: string,
  port: number,
  patienceMs = 400,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp(namespace, address, port);
    const finish = (reached: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reached);
    };
    const timer = deadline(patienceMs, finish);
    socket.on('connect', () => finish(true)).on('error', () => finish(false));
  });
}

/** What whoever listens there says first: our listeners say whom they see. */
export function tcpReads(
  namespace: string,
  address: string,
  port: number,
  patienceMs = 400,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectTcp(namespace, address, port);
    const finish = (said: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(said);
    };
    const timer = deadline(patienceMs, () => finish(undefined));
    socket.on('data', (data) => finish(String(data))).on('error', () => finish(undefined));
  });
}

function datagramReaches(
  fd: number,
  message: Buffer,
  address: string,
  port: number,
  patienceMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const finish = (reached: boolean): void => {
      clearTimeout(timer);
      clearInterval(again);
      socket.close();
      resolve(reached);
    };
    const timer = deadline(patienceMs, finish);
    socket.on('message', (answer) => finish(answer[0] !== 3)).on('error', () => undefined);
    const ask = (): void => socket.send(message, port, address, () => undefined);
    // A lost datagram is nobody's fault.
    const again = setInterval(ask, 300);
    socket.bind({ fd }, ask);
  });
}

export const udpReaches = (
  namespace: string,
  address: string,
  port: number,
  patienceMs = 400,
): Promise<boolean> =>
  datagramReaches(bindUdp(namespace, '0.0.0.0', 0), Buffer.from('?'), address, port, patienceMs);

export function pingReaches(namespace: string, address: string, patienceMs = 400): Promise<boolean> {
  setSysctlsIn(namespace, { 'net.ipv4.ping_group_range': '0 2147483647' });
  return datagramReaches(bindPing(namespace), Buffer.from([8, 0, 0, 0, 0, 0, 0, 1]), address, 1, patienceMs);
}

/**
 * Serves TCP on a socket; closing also ends what is still connected, because a connection whose network is gone never
 * ends by itself.
 */
export function serve(fd: number, handle: (socket: Socket) => void): { close(): void } {
  const connected = new Set<Socket>();
  const server: Server = createServer((socket) => {
    connected.add(socket);
    socket.on('error', () => undefined).on('close', () => connected.delete(socket));
    handle(socket);
  }).listen({ fd });
  return {
    close() {
      server.close();
      for (const socket of connected) socket.destroy();
    },
  };
}

/** Listeners that answer each caller with the caller's address. */
export class Listeners {
  readonly #open = new Map<string, () => void>();

  tcp(namespace: string, port: number, address = '0.0.0.0'): void {
    this.#once(`${namespace} ${address} tcp ${port}`, () => {
      const server = serve(listenTcp(namespace, address, port), (socket) =>
        socket.end(String(socket.remoteAddress)),
      );
      return () => server.close();
    });
  }

  udp(namespace: string, port: number): void {
    this.#once(`${namespace} udp ${port}`, () => {
      const socket = createSocket('udp4');
      socket.on('message', (message, { address, port }) =>
        socket.send(message, port, address, () => undefined),
      );
      socket.bind({ fd: bindUdp(namespace, '0.0.0.0', port) });
      return () => void socket.close();
    });
  }

  #once(key: string, open: () => () => void): void {
    if (!this.#open.has(key)) this.#open.set(key, open());
  }

  /** A namespace that is gone takes its listeners' reach along, not their sockets. */
  close(): void {
    for (const close of this.#open.values()) close();
    this.#open.clear();
  }
}

/** Somebody in the internet: a namespace on a link of its own, with an address out of the region's public range. */
export function makeOutside(layout: HostLayout): { namespace: string; address: string } {
  const namespace = `${layout.prefix}-outside`;
  const address = addressAt(layout.publicCidr, -20);
  makeNamespace(namespace);
  withNetlink(internetNamespace(layout), (internet) => {
    if (!listLinks(internet).has('outside')) addVeth(internet, 'outside', { name: 'eth0', namespace });
    const { index } = listLinks(internet).get('outside')!;
    setLinkUp(internet, index);
    withNetlink(namespace, (end) => {
      const linkIndex = listLinks(end).get('eth0')!.index;
      setLinkUp(end, linkIndex);
      addAddress(end, { linkIndex, address, prefix: 32 });
      replaceRoute(end, { destination: '0.0.0.0/0', type: 'unicast', gateway: '169.254.255.9', linkIndex });
    });
    addAddress(internet, { linkIndex: index, address: '169.254.255.9', prefix: 32 });
    replaceRoute(internet, {
      destination: `${address}/32`,
      type: 'unicast',
      gateway: address,
      linkIndex: index,
    });
  });
  return { namespace, address };
}

/** A started driver with an outside, for one story. */
export async function openNetwork(layout: HostLayout, options: LinuxNetworkOptions = {}) {
  removeAll(layout);
  const listeners = new Listeners();
  const topologies = new Map<string, VpcTopology>();
  let real = linuxNetwork(layout, options);
  await real.start();
  const outside = makeOutside(layout);
  await untilReady([{ namespace: internetNamespace(layout), name: 'outside' }]);
  listeners.tcp(outside.namespace, 7);

  /** Notes what was applied, so that it is known who should listen where. */
  const noted = (driver: LinuxNetwork): NetworkDriver => ({
    ...driver,
    async apply(topology, generation) {
      await driver.apply(topology, generation);
      topologies.set(topology.vpcId, topology);
    },
  });

  const endsOf = (vpcs: Iterable<VpcTopology>) => [...vpcs].flatMap((vpc) => vpc.interfaces);
  const namespaceOf = (interfaceId: string): string => {
    const found = endsOf(topologies.values()).find((one) => one.interfaceId === interfaceId);
    return found?.attachment?.namespace ?? endpointNamespace(layout, interfaceId);
  };
  /** Every instance with this address, private or public, in any VPC: a wrong one must have the chance to answer. */
  const namespacesAt = (address: string): string[] => [
    ...endsOf(topologies.values())
      .filter((one) => one.addresses.some((each) => each.private === address || each.public === address))
      .flatMap((one) => one.attachment?.namespace ?? []),
    ...listNamespaces(`${layout.prefix}-nat-`),
  ];

  return {
    driver: noted(real),
    layout,
    outside,
    listeners,
    outsideAddress: outside.address,
    publicAddress: (n: number) => addressAt(layout.publicCidr, n),
    namespace: (id: string) => endpointNamespace(layout, id),
    async reaches({ from, to, protocol, port = 0 }: Attempt, patienceMs: number) {
      const source = from === 'outside' ? outside.namespace : namespaceOf(from);
      if (!namespaceExists(source)) return false;
      for (const namespace of namespacesAt(to).filter(namespaceExists)) {
        if (protocol === 6) listeners.tcp(namespace, port);
        if (protocol === 17) listeners.udp(namespace, port);
      }
      if (protocol === 6) return tcpReaches(source, to, port, patienceMs);
      if (protocol === 17) return udpReaches(source, to, port, patienceMs);
      return pingReaches(source, to, patienceMs);
    },
    publicAddressSeen: (interfaceId: string, patienceMs: number) =>
      tcpReads(namespaceOf(interfaceId), outside.address, 7, patienceMs),
    async reopen() {
      real.close();
      real = linuxNetwork(layout, options);
      await real.start();
      return noted(real);
    },
    async close() {
      listeners.close();
      real.close();
      removeAll(layout);
    },
  };
}
