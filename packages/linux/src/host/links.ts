/** Links, addresses, routes and routing rules of one network namespace, by netlink. IPv4 only. */
import { closeSync, openSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { namespacePath } from './libc.ts';
import {
  attribute,
  attributesOf,
  ipv4,
  ipv4Text,
  type Netlink,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  nested,
  text,
  u32,
  withNetlink,
} from './netlink.ts';

const AF_INET = 2;
const [RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK] = [16, 17, 18];
const [RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR] = [20, 21, 22];
const [RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE] = [24, 25, 26];
const [RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE] = [32, 33, 34];
const [IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINK, IFLA_LINKINFO, IFLA_NET_NS_FD, IFLA_EXT_MASK] = [
  1, 3, 5, 18, 28, 29,
];
const [IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER] = [1, 2, 1];
const [IFLA_OPERSTATE, IFLA_GROUP] = [16, 27];
const IF_OPER_UP = 6;
const IFF_UP = 1;
const [IFA_ADDRESS, IFA_LOCAL] = [1, 2];
const [RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_TABLE] = [1, 4, 5, 6, 15];
const [FRA_SRC, FRA_PRIORITY, FRA_FWMARK, FRA_TABLE] = [2, 6, 10, 15];
const RTNH_F_ONLINK = 4;
const RTPROT_STATIC = 4;
const routeTypes = { unicast: 1, blackhole: 6, unreachable: 7, throw: 9 } as const;

export interface Link {
  readonly name: string;
  readonly index: number;
  /** Index of a veth's other end, in whatever namespace that is. */
  readonly peerIndex: number;
  readonly up: boolean;
}

function linkMessage(index = 0, flags = 0, change = 0): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt32LE(flags, 8);
  bytes.writeUInt32LE(change, 12);
  return bytes;
}

/** All links by name. */
export function listLinks(netlink: Netlink): Map<string, Link> {
  const skipStatistics = attribute(IFLA_EXT_MASK, u32(8));
  const links = new Map<string, Link>();
  for (const body of netlink.dump(RTM_GETLINK, Buffer.concat([linkMessage(), skipStatistics]))) {
    const attributes = attributesOf(body, 16);
    const name = attributes.get(IFLA_IFNAME)!.toString('latin1').replace(/\0.*$/, '');
    links.set(name, {
      name,
      index: body.readInt32LE(4),
      peerIndex: attributes.get(IFLA_LINK)?.readUInt32LE(0) ?? 0,
      up: (body.readUInt32LE(8) & IFF_UP) !== 0,
    });
  }
  return links;
}

/**
 * Makes a veth pair: `name` here, `peer.name` in the namespace `peer.namespace` (absent: here too), with
 * `peer.macAddress` if given. Neither end is up yet. Throws EEXIST when either name is taken.
 */
export function addVeth(
  netlink: Netlink,
  name: string,
  peer: { readonly name: string; readonly namespace?: string; readonly macAddress?: string },
): void {
  const target = peer.namespace === undefined ? undefined : openSync(namespacePath(peer.namespace), 'r');
  try {
    const peerParts = [linkMessage(), attribute(IFLA_IFNAME, text(peer.name))];
    if (peer.macAddress !== undefined)
      peerParts.push(attribute(IFLA_ADDRESS, Buffer.from(peer.macAddress.replaceAll(':', ''), 'hex')));
    if (target !== undefined) peerParts.push(attribute(IFLA_NET_NS_FD, u32(target)));
    const body = Buffer.concat([
      linkMessage(),
      attribute(IFLA_IFNAME, text(name)),
      nested(
        IFLA_LINKINFO,
        attribute(IFLA_INFO_KIND, text('veth')),
        nested(IFLA_INFO_DATA, nested(VETH_INFO_PEER, ...peerParts)),
      ),
    ]);
    netlink.request(
      RTM_NEWLINK,
      NLM_F_CREATE | NLM_F_EXCL,
      body,
      `link ${name} to ${peer.namespace} ${peer.name}`,
    );
  } finally {
    if (target !== undefined) closeSync(target);
  }
}

/** Links in this group are about to be deleted. */
const LEAVING = 0x6c65_6176;

/**
 * Deletes links, and with a veth its other end. Already gone is success. Each deletion waits for all processors to let
 * go of the link, some ten milliseconds; several together, as a group, wait but once.
 */
export function deleteLinks(netlink: Netlink, indexes: readonly number[]): void {
  const [only] = indexes;
  if (only === undefined) return;
  if (indexes.length === 1) {
    netlink.attempt(RTM_DELLINK, 0, linkMessage(only), `delete link ${only}`, 'ENODEV');
    return;
  }
  const group = attribute(IFLA_GROUP, u32(LEAVING));
  for (const index of indexes) {
    const body = Buffer.concat([linkMessage(index), group]);
    netlink.attempt(RTM_NEWLINK, 0, body, `group of link ${index}`, 'ENODEV');
  }
  netlink.attempt(RTM_DELLINK, 0, Buffer.concat([linkMessage(), group]), 'delete links', 'ENODEV');
}

/**
 * Makes sure that the link `name` here and `peer.name` over there are the two ends of one veth. An end whose other one
 * is elsewhere, or goes just now with its namespace, is replaced.
 */
export function ensureVeth(
  here: Netlink,
  name: string,
  there: Netlink,
  peer: { readonly name: string; readonly namespace: string },
): void {
  const near = listLinks(here).get(name);
  const far = listLinks(there).get(peer.name);
  if (near && far && near.peerIndex === far.index && far.peerIndex === near.index) return;
  if (near) deleteLinks(here, [near.index]);
  if (far) deleteLinks(there, [far.index]);
  addVeth(here, name, peer);
}

/** Deletes every veth of a namespace. */
export function deleteVeths(netlink: Netlink): void {
  const pairs = [...listLinks(netlink).values()].filter((link) => link.peerIndex !== 0);
  deleteLinks(
    netlink,
    pairs.map((link) => link.index),
  );
}

export function setLinkUp(netlink: Netlink, index: number): void {
  netlink.request(RTM_NEWLINK, 0, linkMessage(index, IFF_UP, IFF_UP), `link ${index} up`);
}

/** One end of a link; without a namespace, in this machine's own. */
export interface LinkEnd {
  readonly namespace?: string;
  readonly name: string;
}

/**
 * Resolves when the links carry packets. The end of a veth that was set up before the other one is switched through by
 * a worker of the kernel a moment later (up to a second), and drops everything until then. Asking for the one link
 * does that worker's work at once since Linux 6.8; older kernels are waited for. Throws after `timeoutMs`.
 */
export async function untilReady(ends: readonly LinkEnd[], timeoutMs = 3_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (const { namespace, name } of ends) {
    const ready = (): boolean =>
      withNetlink(namespace, (netlink) => {
        const question = Buffer.concat([linkMessage(), attribute(IFLA_IFNAME, text(name))]);
        const [answer] = netlink.get(RTM_GETLINK, question, `link ${name}`);
        return answer !== undefined && attributesOf(answer, 16).get(IFLA_OPERSTATE)?.[0] === IF_OPER_UP;
      });
    while (!ready()) {
      if (performance.now() > deadline)
        throw new Error(`${namespace ?? 'host'}: link ${name} does not come up`);
      await setTimeout(2);
    }
  }
}

export interface Address {
  readonly linkIndex: number;
  readonly address: string;
  readonly prefix: number;
}

function addressMessage({ linkIndex, address, prefix }: Address): Buffer {
  const header = Buffer.from([AF_INET, prefix, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(linkIndex, 4);
  return Buffer.concat([header, attribute(IFA_LOCAL, ipv4(address)), attribute(IFA_ADDRESS, ipv4(address))]);
}

export function listAddresses(netlink: Netlink): Address[] {
  return netlink.dump(RTM_GETADDR, Buffer.from([AF_INET, 0, 0, 0, 0, 0, 0, 0])).map((body) => ({
    linkIndex: body.readUInt32LE(4),
    address: ipv4Text(attributesOf(body, 8).get(IFA_LOCAL)!),
    prefix: body[1]!,
  }));
}

/** There already is success. */
export function addAddress(netlink: Netlink, address: Address): void {
  const about = `address ${address.address}/${address.prefix}`;
  netlink.attempt(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, addressMessage(address), about, 'EEXIST');
}

/** Already gone is success. */
export function deleteAddress(netlink: Netlink, address: Address): void {
  netlink.attempt(
    RTM_DELADDR,
    0,
    addressMessage(address),
    `delete address ${address.address}`,
    'EADDRNOTAVAIL',
  );
}

export interface Route {
  readonly table: number;
  /** CIDR. */
  readonly destination: string;
  readonly type: keyof typeof routeTypes;
  readonly gateway?: string;
  readonly linkIndex?: number;
  readonly metric?: number;
}

const MAIN_TABLE = 254;

function routeMessage(route: Route): Buffer {
  const [base, prefix] = route.destination.split('/') as [string, string];
  const scope = route.type !== 'unicast' || route.gateway !== undefined ? 0 : 253;
  const header = Buffer.alloc(12);
  header.set([AF_INET, Number(prefix), 0, 0, 0, RTPROT_STATIC, scope, routeTypes[route.type]]);
  if (route.gateway !== undefined) header.writeUInt32LE(RTNH_F_ONLINK, 8);
  const parts = [header, attribute(RTA_TABLE, u32(route.table))];
  if (Number(prefix) > 0) parts.push(attribute(RTA_DST, ipv4(base)));
  if (route.gateway !== undefined) parts.push(attribute(RTA_GATEWAY, ipv4(route.gateway)));
  if (route.linkIndex !== undefined) parts.push(attribute(RTA_OIF, u32(route.linkIndex)));
  if (route.metric !== undefined) parts.push(attribute(RTA_PRIORITY, u32(route.metric)));
  return Buffer.concat(parts);
}

/** The routes of all tables but `local`, leaving out those that the kernel made itself. */
export function listRoutes(netlink: Netlink): Route[] {
  const header = Buffer.alloc(12);
  header[0] = AF_INET;
  const routes: Route[] = [];
  for (const body of netlink.dump(RTM_GETROUTE, header)) {
    const attributes = attributesOf(body, 12);
    const type = (Object.keys(routeTypes) as Route['type'][]).find((name) => routeTypes[name] === body[7]);
    if (body[5] !== RTPROT_STATIC || type === undefined) continue;
    const gateway = attributes.get(RTA_GATEWAY);
    const link = attributes.get(RTA_OIF);
    const metric = attributes.get(RTA_PRIORITY)?.readUInt32LE(0);
    const destination = attributes.get(RTA_DST);
    routes.push({
      table: attributes.get(RTA_TABLE)?.readUInt32LE(0) ?? MAIN_TABLE,
      destination: `${destination ? ipv4Text(destination) : '0.0.0.0'}/${body[1]}`,
      type,
      ...(gateway && { gateway: ipv4Text(gateway) }),
      ...(link && { linkIndex: link.readUInt32LE(0) }),
      ...(metric && { metric }),
    });
  }
  return routes;
}

/** Adds the route, or puts it in the place of the one with the same table, destination and metric, without a gap. */
export function replaceRoute(netlink: Netlink, route: Partial<Route> & Omit<Route, 'table'>): void {
  const message = routeMessage({ table: MAIN_TABLE, ...route });
  netlink.request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, message, `route ${route.destination}`);
}

/** Already gone is success. With a link index, only a route through that link goes. */
export function deleteRoute(netlink: Netlink, route: Partial<Route> & Omit<Route, 'table'>): void {
  const message = routeMessage({ table: MAIN_TABLE, ...route });
  netlink.attempt(RTM_DELROUTE, 0, message, `delete route ${route.destination}`, 'ESRCH');
}

export interface Rule {
  readonly priority: number;
  /** Absent: for all packets. */
  readonly mark?: number;
  /** The sender's address. Absent: whoever sends. */
  readonly source?: string;
  readonly table: number;
}

function ruleMessage({ priority, mark, source, table }: Rule): Buffer {
  const header = Buffer.alloc(12);
  header[0] = AF_INET;
  header[7] = 1; // FR_ACT_TO_TBL
  const parts = [header, attribute(FRA_PRIORITY, u32(priority)), attribute(FRA_TABLE, u32(table))];
  if (mark !== undefined) parts.push(attribute(FRA_FWMARK, u32(mark)));
  if (source !== undefined) {
    header[2] = 32;
    parts.push(attribute(FRA_SRC, ipv4(source)));
  }
  return Buffer.concat(parts);
}

/** All rules but the kernel's own three. */
export function listRules(netlink: Netlink): Rule[] {
  const header = Buffer.alloc(12);
  header[0] = AF_INET;
  return netlink
    .dump(RTM_GETRULE, header)
    .map((body) => {
      const attributes = attributesOf(body, 12);
      const mark = attributes.get(FRA_FWMARK)?.readUInt32LE(0);
      const source = attributes.get(FRA_SRC);
      return {
        priority: attributes.get(FRA_PRIORITY)?.readUInt32LE(0) ?? 0,
        ...(mark && { mark }),
        ...(source && { source: ipv4Text(source) }),
        table: attributes.get(FRA_TABLE)?.readUInt32LE(0) ?? body[4]!,
      };
    })
    .filter(({ priority }) => priority > 0 && priority < 32_766);
}

/** There already is success. */
export function addRule(netlink: Netlink, rule: Rule): void {
  netlink.attempt(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, ruleMessage(rule), `rule ${rule.mark}`, 'EEXIST');
}

/** Already gone is success. */
export function deleteRule(netlink: Netlink, rule: Rule): void {
  netlink.attempt(RTM_DELRULE, 0, ruleMessage(rule), `delete rule ${rule.mark}`, 'ENOENT');
}
