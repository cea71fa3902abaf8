/**
 * The internet of one region: a namespace between its VPCs and this machine. It routes each public address to the VPC
 * that has it now, and everything else to the host, which masquerades it into the real internet.
 *
 * The host sees it as one link. Over that link nothing gets into the host but answers: an instance must not reach the
 * services of the machine it runs on, nor the private networks that the machine happens to stand in.
 */
import { writeFileSync } from 'node:fs';
import {
  addAddress,
  deleteLinks,
  deleteRoute,
  ensureVeth,
  listAddresses,
  listLinks,
  listRoutes,
  replaceRoute,
  setLinkUp,
} from '../host/links.ts';
import { makeNamespace, removeNamespace, setSysctlsIn, uplinkDevices } from '../host/namespaces.ts';
import { type Netlink, withNetlink } from '../host/netlink.ts';
import { deleteTable, runNft } from '../host/nftables.ts';
import { raiseSysctl, setSysctl } from '../host/sysctl.ts';
import { type HostLayout, internetNamespace, linkName } from '../layout.ts';
import { addressAt, canonical, parseCidr } from './ipv4.ts';
import { INTERNET_LINK, INTERNET_SIDE, ROUTER_SIDE } from './plan-links.ts';

export interface EgressOptions {
  /**
   * Private destinations behind the host that instances may reach all the same: CIDRs, such as that of a package
   * mirror in a company's network. Public destinations need no leave.
   */
  readonly egressAllow?: readonly string[];
  /** The devices that lead to the real internet. By default those of this machine's default routes. */
  readonly uplinks?: readonly string[];
}

/** Not public, by IANA's special-purpose address registry, as far as a network might really use it. */
const PRIVATE_NETWORKS = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
];

export const ROUTER_SYSCTLS: Readonly<Record<string, string>> = {
  'net.ipv4.ip_forward': '1',
  'net.ipv4.conf.all.rp_filter': '0',
  'net.ipv4.conf.default.rp_filter': '0',
  'net.ipv4.conf.all.send_redirects': '0',
  'net.ipv4.conf.default.send_redirects': '0',
  'net.ipv4.conf.all.accept_redirects': '0',
  'net.ipv4.conf.default.accept_redirects': '0',
  'net.ipv6.conf.all.disable_ipv6': '1',
  'net.ipv6.conf.default.disable_ipv6': '1',
};

/** The host's link to the internet, its end in there, and the addresses of both: the last but one /30 half each. */
export const hostLink = (layout: HostLayout): string => `${layout.prefix}-inet`;
const INNER_LINK = 'host';
export const hostAddress = (layout: HostLayout): string => addressAt(layout.publicCidr, -3);
const innerAddress = (layout: HostLayout): string => addressAt(layout.publicCidr, -2);
export const hostTable = (layout: HostLayout): string => `${layout.prefix}-host`;

/** The last four public addresses are not for instances: they number the link between host and internet. */
export const reservedPublicCidr = (layout: HostLayout): string => `${addressAt(layout.publicCidr, -4)}/30`;

/** The link of somebody else to which this machine routes some of this region's public addresses; undefined: none. */
export function publicAddressesTakenBy(layout: HostLayout): string | undefined {
  const own = parseCidr(layout.publicCidr);
  return withNetlink(undefined, (host) => {
    const names = new Map([...listLinks(host).values()].map(({ index, name }) => [index, name]));
    for (const { destination, linkIndex } of listRoutes(host)) {
      const { first, size } = parseCidr(destination);
      const name = names.get(linkIndex ?? 0);
      const overlaps = first < own.first + own.size && own.first < first + size;
      // A wider route, such as the default one, is nobody's claim to these very addresses.
      if (overlaps && size <= 2 ** 17 && name !== undefined && name !== hostLink(layout)) return name;
    }
    return undefined;
  });
}

/** What is directly connected to a device of this machine, other than our own link. */
function connectedNetworks(host: Netlink, uplinks: readonly string[]): string[] {
  const indexes = new Set(uplinks.map((name) => listLinks(host).get(name)?.index));
  return listAddresses(host)
    .filter(({ linkIndex }) => indexes.has(linkIndex))
    .map(({ address, prefix }) => canonical(`${address}/${prefix}`));
}

/** The CIDRs that make up a set without overlaps, as nft's interval sets want them. */
function disjoint(cidrs: readonly string[]): string[] {
  const wide = [...new Set(cidrs.map(canonical))].sort((a, b) => parseCidr(a).prefix - parseCidr(b).prefix);
  const kept: string[] = [];
  for (const cidr of wide) {
    const { first } = parseCidr(cidr);
    const inside = kept.map(parseCidr).some((net) => first >= net.first && first < net.first + net.size);
    if (!inside) kept.push(cidr);
  }
  return kept;
}

/** The host's own table: pure text, made anew as a whole. */
export function hostTableText(
  layout: HostLayout,
  uplinks: readonly string[],
  closed: readonly string[],
  open: readonly string[],
): string {
  const table = hostTable(layout);
  const link = `"${hostLink(layout)}"`;
  const out = uplinks.map((name) => `"${name}"`).join(', ');
  const elements = (cidrs: readonly string[]): string =>
    cidrs.length > 0 ? `elements = { ${disjoint(cidrs).join(', ')} };` : '';
  const towardsUplink = uplinks.length === 0 ? [] : [`ip daddr @open oifname { ${out} } accept`];
  const publicOnly = uplinks.length === 0 ? [] : [`oifname { ${out} } accept`];
  const lines = [
    `add table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    `set closed { type ipv4_addr; flags interval; ${elements(closed)} }`,
    `set open { type ipv4_addr; flags interval; ${elements(open)} }`,
    'chain input { type filter hook input priority -10; policy accept;',
    `iifname != ${link} accept`,
    'ct state established,related accept',
    'drop',
    '}',
    'chain forward { type filter hook forward priority -10; policy accept;',
    `oifname ${link} ct state established,related accept`,
    `oifname ${link} drop`,
    `iifname != ${link} accept`,
    `ip saddr != ${canonical(layout.publicCidr)} drop`,
    ...towardsUplink,
    'ip daddr @closed drop',
    ...publicOnly,
    'drop',
    '}',
    'chain source { type nat hook postrouting priority 100; policy accept;',
    ...(uplinks.length === 0
      ? []
      : [`oifname { ${out} } ip saddr ${canonical(layout.publicCidr)} masquerade`]),
    '}',
    '}',
  ];
  return `${lines.join('\n')}\n`;
}

/** Brings up the internet namespace and the host's way to it. Repeating it puts right what is not. */
export function startInternet(layout: HostLayout, options: EgressOptions = {}): void {
  const namespace = internetNamespace(layout);
  const link = hostLink(layout);
  const uplinks = options.uplinks ?? uplinkDevices();

  // All namespaces of a machine share one neighbour table; 1,024 entries are soon used up by some hundred instances.
  raiseSysctl(layout, 'net.ipv4.neigh.default.gc_thresh2', 16_384);
  raiseSysctl(layout, 'net.ipv4.neigh.default.gc_thresh3', 32_768);

  makeNamespace(namespace, ROUTER_SYSCTLS);
  withNetlink(undefined, (host) => {
    const closed = [...PRIVATE_NETWORKS, ...connectedNetworks(host, uplinks)];
    // The guard stands before the link does.
    runNft(undefined, hostTableText(layout, uplinks, closed, options.egressAllow ?? []));
    withNetlink(namespace, (internet) => ensureVeth(host, link, internet, { name: INNER_LINK, namespace }));
    const { index } = listLinks(host).get(link)!;
    writeFileSync(`/proc/sys/net/ipv6/conf/${link}/disable_ipv6`, '1');
    setLinkUp(host, index);
    addAddress(host, { linkIndex: index, address: hostAddress(layout), prefix: 30 });
    configureInside(layout);
    replaceRoute(host, {
      destination: canonical(layout.publicCidr),
      type: 'unicast',
      gateway: innerAddress(layout),
      linkIndex: index,
    });
  });
  allowForwarding(layout, uplinks);
}

/**
 * Forwarding is allowed for the devices that need it, not for the machine: it is no router for anybody else. A device
 * whose name has a dot in it (a VLAN) cannot be named as a setting; then it is the machine after all.
 */
function allowForwarding(layout: HostLayout, uplinks: readonly string[]): void {
  const named = uplinks.every((name) => !name.includes('.'));
  if (!named) setSysctl(layout, 'net.ipv4.ip_forward', '1');
  else for (const name of uplinks) setSysctl(layout, `net.ipv4.conf.${name}.forwarding`, '1');
  writeFileSync(`/proc/sys/net/ipv4/conf/${hostLink(layout)}/forwarding`, '1');
}

function configureInside(layout: HostLayout): void {
  const namespace = internetNamespace(layout);
  setSysctlsIn(namespace, ROUTER_SYSCTLS);
  // Nobody talks to the internet itself, only through it.
  runNft(
    namespace,
    'add table inet internet\ndelete table inet internet\n' +
      'table inet internet { chain input { type filter hook input priority 0; policy drop; }\n }\n',
  );
  withNetlink(namespace, (internet) => {
    const links = listLinks(internet);
    const inner = links.get(INNER_LINK);
    if (!inner) throw new Error(`${namespace}: no link ${INNER_LINK}`);
    setLinkUp(internet, links.get('lo')!.index);
    setLinkUp(internet, inner.index);
    addAddress(internet, { linkIndex: inner.index, address: innerAddress(layout), prefix: 30 });
    replaceRoute(internet, {
      destination: '0.0.0.0/0',
      type: 'unicast',
      gateway: hostAddress(layout),
      linkIndex: inner.index,
    });
    // A public address that nobody has leads nowhere: without this, host and internet would pass it to and fro.
    replaceRoute(internet, { destination: canonical(layout.publicCidr), type: 'blackhole', metric: 4096 });
  });
}

/** Connects a VPC's router to the internet: `igw` on its side. */
export function connectRouter(layout: HostLayout, vpcId: string, routerName: string, router: Netlink): void {
  const inetLink = linkName(layout, vpcId);
  withNetlink(internetNamespace(layout), (internet) => {
    ensureVeth(internet, inetLink, router, { name: INTERNET_LINK, namespace: routerName });
    const outer = listLinks(internet).get(inetLink)!;
    const inner = listLinks(router).get(INTERNET_LINK)!;
    setLinkUp(internet, outer.index);
    setLinkUp(router, inner.index);
    addAddress(internet, { linkIndex: outer.index, address: INTERNET_SIDE, prefix: 32 });
    addAddress(router, { linkIndex: inner.index, address: ROUTER_SIDE, prefix: 32 });
  });
}

/** Leads exactly `addresses` to the VPC. One that another VPC had is taken over in the same step. */
export function routePublicAddresses(layout: HostLayout, vpcId: string, addresses: readonly string[]): void {
  withNetlink(internetNamespace(layout), (internet) => {
    const linkIndex = listLinks(internet).get(linkName(layout, vpcId))!.index;
    const there = listRoutes(internet).filter((route) => route.linkIndex === linkIndex);
    const wanted = new Set(addresses.map((address) => `${address}/32`));
    for (const destination of wanted) {
      if (there.some((route) => route.destination === destination)) continue;
      replaceRoute(internet, { destination, type: 'unicast', gateway: ROUTER_SIDE, linkIndex });
    }
    for (const route of there) if (!wanted.has(route.destination)) deleteRoute(internet, route);
  });
}

/** Takes a VPC off the internet, with the routes of its public addresses. Already gone is success. */
export function disconnectRouter(layout: HostLayout, vpcId: string): void {
  withNetlink(internetNamespace(layout), (internet) => {
    const link = listLinks(internet).get(linkName(layout, vpcId));
    if (link) deleteLinks(internet, [link.index]);
  });
}

/** Removes the internet namespace and the host's link and table. Already gone is success. */
export function removeInternet(layout: HostLayout): void {
  withNetlink(undefined, (host) => {
    const link = listLinks(host).get(hostLink(layout));
    if (link) deleteLinks(host, [link.index]);
  });
  removeNamespace(internetNamespace(layout));
  deleteTable(undefined, hostTable(layout));
}
