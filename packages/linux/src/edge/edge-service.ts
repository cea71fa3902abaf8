/**
 * The edge, put together: what is published → DNS and metadata in every VPC, the front door on loopback, the block in
 * the hosts file.
 *
 * Wanted: what the store says. Observed: what is open. Woken by a word on the notification socket and, should that word
 * be lost, by the store's own version, looked at four times a second.
 */
import { createSocket } from 'node:dgram';
import { statSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { setsockopt } from '../host/libc.ts';
import { bindUdp, connectTcp, listenTcp } from '../host/namespace-sockets.ts';
import { type HostLayout, routerNamespace, serviceAddresses } from '../layout.ts';
import { addressesOf } from './dns-answers.ts';
import { type DnsForwarder, dnsForwarder } from './dns-forwarder.ts';
import { type DnsAnswering, serveDnsTcp, serveDnsUdp } from './dns-server.ts';
import type { EdgeLog } from './edge-log.ts';
import { type EdgeStore, openEdgeStore, type StorePosition } from './edge-store.ts';
import { edgeFiles } from './files.ts';
import { frontDoors } from './front-doors.ts';
import { type HostsEntry, writeHostsBlock } from './hosts-file.ts';
import { type ImdsService, imdsServer } from './imds-server.ts';
import { imdsTokens, tokenKey } from './imds-tokens.ts';
import { publishedState, type VpcRecord } from './published-state.ts';
import { type Reachability, type ReachabilityTarget, reachability } from './reachability.ts';
import { type OpenServers, vpcListeners } from './vpc-listeners.ts';

export interface EdgeOptions {
  /** The hosts file that gets the region's block; false: none does. */
  readonly hostsFile?: string | false;
  /** Where the machine's own resolvers stand. */
  readonly resolvConf?: string;
  /** Addresses of this machine that the front door listens on. */
  readonly frontDoorAddresses?: readonly string[];
}

export interface Edge {
  /** Reads what changed and makes it so. Returns how far it has read; resolves when the hosts file is written, too. */
  refresh(): Promise<StorePosition | undefined>;
  close(): Promise<void>;
}

const POLL_MS = 250;
const DNS_PORT = 53;
const IMDS_PORT = 80;
const IPPROTO_IP = 0;
const IP_TTL = 2;

/** Sets the IP TTL of what is sent on a connection. */
function setHopLimit(connection: Socket, hops: number): boolean {
  // Node has no word for this option; the descriptor stands on its internal handle.
  const fd = (connection as unknown as { _handle?: { fd?: number } })._handle?.fd;
  if (fd === undefined || fd < 0) return false;
  const value = Buffer.alloc(4);
  value.writeInt32LE(hops);
  return setsockopt(fd, IPPROTO_IP, IP_TTL, value, value.length) === 0;
}

/** Listens for one VPC: wholly, or, throwing, not at all. */
function serveVpc(
  namespace: string,
  vpc: VpcRecord,
  answering: DnsAnswering,
  imds: ImdsService,
  log: EdgeLog,
): OpenServers {
  const closers: (() => void)[] = [];
  const close = () => {
    for (const closer of closers.splice(0)) closer();
  };
  const failed = (error: Error) => log(`serving ${vpc.vpcId}`, error);
  try {
    const metadataFd = listenTcp(namespace, serviceAddresses.metadata, IMDS_PORT);
    const metadata = imdsServer(vpc.vpcId, imds).on('error', failed).listen({ fd: metadataFd });
    closers.push(() => {
      metadata.close();
      metadata.closeAllConnections();
    });
    for (const address of vpc.dnsSupport ? new Set([vpc.resolver, serviceAddresses.resolver]) : []) {
      const udpFd = bindUdp(namespace, address, DNS_PORT);
      const udp = createSocket('udp4').on('error', failed);
      serveDnsUdp(udp, vpc.vpcId, answering);
      udp.bind({ fd: udpFd });
      closers.push(() => udp.close());
      const tcpFd = listenTcp(namespace, address, DNS_PORT);
      const tcp = createServer().on('error', failed);
      const endConnections = serveDnsTcp(tcp, vpc.vpcId, answering);
      tcp.listen({ fd: tcpFd });
      closers.push(() => {
        tcp.close();
        endConnections();
      });
    }
  } catch (error) {
    close();
    throw error;
  }
  return { close };
}

/** Connects as seen from the host, or from the router of a VPC. */
function connectAsSeenBy(layout: HostLayout) {
  return ({ address, port, vpcId }: ReachabilityTarget): Socket =>
    vpcId === undefined
      ? connect({ host: address, port })
      : connectTcp(routerNamespace(layout, vpcId), address, port);
}

interface OpenStore {
  readonly store: EdgeStore;
  readonly inode: number;
}

function openStore(path: string): OpenStore {
  const store = openEdgeStore(path);
  return { store, inode: statSync(path).ino };
}

export function edgeService(layout: HostLayout, options: EdgeOptions, log: EdgeLog): Edge {
  const files = edgeFiles(layout);
  const state = publishedState();
  const forwarder: DnsForwarder = dnsForwarder(
    options.resolvConf === undefined ? {} : { resolvConf: options.resolvConf },
  );
  const reach: Reachability = reachability({
    connect: connectAsSeenBy(layout),
    changed: ({ address, port, vpcId }, refuses) => {
      const seenFrom = vpcId === undefined ? 'the host' : vpcId;
      log(
        `${address}:${port}, seen from ${seenFrom}, ${refuses ? 'does not accept' : 'accepts'} connections`,
      );
      void writeHosts();
    },
  });
  const answering: DnsAnswering = { view: state, refuses: reach.refuses, forwarder, chance: Math.random };
  const imds: ImdsService = {
    instance: state.metadata,
    pushedKeys: state.pushedKeys,
    tokens: imdsTokens(tokenKey(files.tokenKey)),
    setHopLimit,
  };
  const listeners = vpcListeners(layout, {
    open: (vpcId, namespace) => serveVpc(namespace, state.vpc(vpcId)!, answering, imds, log),
    log,
  });
  const doors = frontDoors(
    options.frontDoorAddresses ?? ['127.0.0.1', '::1'],
    {
      find: state.frontDoor,
      names: (port) =>
        state
          .frontDoors()
          .filter((door) => door.ports.includes(port))
          .map((door) => door.name)
          .sort(),
      refuses: (address, port) => reach.refuses(address, port, undefined),
    },
    log,
  );

  const writeHosts = hostsWriter(layout, options.hostsFile ?? '/etc/hosts', log, () =>
    state.frontDoors().map(({ name, nodes, ports }) => {
      const check = ports[0] === undefined ? {} : { check: { port: ports[0] } };
      const record = { kind: 'name', name, addresses: nodes, ttlSeconds: 0, ...check } as const;
      return { name, addresses: addressesOf([record], reach.refuses) };
    }),
  );

  let open = openStore(files.store);
  let position: StorePosition | undefined;
  let dataVersion = -1;

  const refresh = async (): Promise<StorePosition | undefined> => {
    dataVersion = open.store.dataVersion();
    const first = position === undefined;
    const changes = open.store.changesSince(position);
    const gone = changes.whole ? state.keys().filter((key) => !changes.put.has(key)) : changes.removed;
    position = changes.position;
    // The first time, also nothing is news: an earlier edge may have left a block in the hosts file.
    if (!first && gone.length === 0 && changes.put.size === 0) return position;
    for (const key of gone) state.remove(key);
    for (const [key, record] of changes.put) state.put(key, record);
    listeners.sync(
      new Map(state.vpcs().map((vpc) => [vpc.vpcId, `${vpc.resolver} ${vpc.dnsSupport ? 'dns' : 'no dns'}`])),
    );
    const checkedNames = state
      .allNames()
      .flatMap(({ addresses, check, vpcId }) =>
        check ? addresses.map((address) => ({ address, port: check.port, vpcId })) : [],
      );
    const checkedNodes = state
      .frontDoors()
      .flatMap(({ nodes, ports }) => nodes.flatMap((address) => ports.map((port) => ({ address, port }))));
    reach.sync([...checkedNames, ...checkedNodes]);
    doors.sync(new Set(state.frontDoors().flatMap(({ ports }) => ports)));
    const at = position;
    await writeHosts();
    return at;
  };
  const poll = setInterval(() => {
    try {
      // The region may have made the file anew under the open one. A missing one is not made here: it may be going
      // because the whole run directory is.
      const inode = statSync(files.store, { throwIfNoEntry: false })?.ino;
      if (inode === undefined) return;
      if (inode !== open.inode) {
        const before = open;
        open = openStore(files.store);
        before.store.close();
        dataVersion = -1;
      }
      if (open.store.dataVersion() !== dataVersion) void refresh().catch((error) => log('reading', error));
    } catch (error) {
      log('looking at what is published', error);
    }
  }, POLL_MS);

  return {
    refresh,
    async close() {
      clearInterval(poll);
      listeners.close();
      doors.close();
      reach.close();
      await writeHosts.settled();
      open.store.close();
    },
  };
}

/** Writes the hosts file's block, one write at a time, the latest wish last. */
function hostsWriter(
  layout: HostLayout,
  path: string | false,
  log: EdgeLog,
  entries: () => HostsEntry[],
): (() => Promise<void>) & { settled(): Promise<void> } {
  let last = Promise.resolve();
  let complaint = '';
  const write = async () => {
    if (path === false) return;
    try {
      await writeHostsBlock(path, layout.prefix, entries());
      complaint = '';
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? String(error);
      if (reason !== complaint) log(`writing ${path}`, error);
      complaint = reason;
    }
  };
  const queued = () => {
    last = last.then(write);
    return last;
  };
  return Object.assign(queued, { settled: () => last });
}
