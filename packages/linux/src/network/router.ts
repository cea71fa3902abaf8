/** Makes the kernel's state of one VPC what its plans say. Every step finds out what is there and may be repeated. */
import {
  addAddress,
  addRule,
  addVeth,
  deleteAddress,
  deleteLinks,
  deleteRoute,
  deleteRule,
  type Link,
  type LinkEnd,
  listAddresses,
  listLinks,
  listRoutes,
  listRules,
  type Rule,
  replaceRoute,
  setLinkUp,
} from '../host/links.ts';
import { makeNamespace, namespaceExists, setSysctlsIn } from '../host/namespaces.ts';
import { type Netlink, withNetlink } from '../host/netlink.ts';
import { runNft } from '../host/nftables.ts';
import { type HostLayout, routerNamespace } from '../layout.ts';
import { connectRouter, ROUTER_SYSCTLS } from './internet.ts';
import { INTERNET_LINK, type LinkPlan, type LinksPlan, SOURCE_TABLES } from './plan-links.ts';
import { natGatewayTable } from './plan-nftables.ts';

const VPC_ROUTER_SYSCTLS = {
  ...ROUTER_SYSCTLS,
  // Instances ask for every address of their subnet on the link: the router answers for it.
  'net.ipv4.conf.default.proxy_arp': '1',
  // For `probe`.
  'net.ipv4.ping_group_range': '0 2147483647',
};

const ruleKey = ({ priority, mark, source, table }: Rule): string =>
  `${priority} ${mark ?? 0} ${source ?? ''} ${table}`;

/** Adds and deletes rules until `wanted` stands in the place of those that are `there`. New ones come first. */
function matchRules(netlink: Netlink, wanted: readonly Rule[], there: readonly Rule[]): void {
  const wantedKeys = new Set(wanted.map(ruleKey));
  const thereKeys = new Set(there.map(ruleKey));
  for (const rule of wanted) if (!thereKeys.has(ruleKey(rule))) addRule(netlink, rule);
  for (const rule of there) if (!wantedKeys.has(ruleKey(rule))) deleteRule(netlink, rule);
}

/** Makes the router if it is missing. */
export function ensureRouter(layout: HostLayout, vpcId: string): void {
  const name = routerNamespace(layout, vpcId);
  makeNamespace(name, VPC_ROUTER_SYSCTLS);
  withNetlink(name, (router) => {
    setLinkUp(router, listLinks(router).get('lo')!.index);
    connectRouter(layout, vpcId, name, router);
  });
}

/** Adds and deletes addresses of one link until it has exactly `wanted`; only those that `mine` admits are deleted. */
function matchAddresses(
  netlink: Netlink,
  linkIndex: number,
  wanted: ReadonlyMap<string, number>,
  mine: (address: string) => boolean,
): void {
  const there = listAddresses(netlink).filter((one) => one.linkIndex === linkIndex);
  for (const [address, prefix] of wanted) {
    if (!there.some((one) => one.address === address && one.prefix === prefix))
      addAddress(netlink, { linkIndex, address, prefix });
  }
  for (const one of there) if (!wanted.has(one.address) && mine(one.address)) deleteAddress(netlink, one);
}

/** Sets up the far end of a link: addresses, up, the way out. `former` are addresses it had by an earlier plan. */
function configureEnd(plan: LinkPlan, former: readonly string[]): void {
  withNetlink(plan.namespace, (end) => {
    const links = listLinks(end);
    const device = links.get(plan.device);
    if (!device) throw new Error(`${plan.namespace}: no ${plan.device}`);
    setLinkUp(end, links.get('lo')!.index);
    const wanted = new Map(plan.addresses.map((address) => [address, plan.prefix]));
    matchAddresses(end, device.index, wanted, (address) => former.includes(address));
    if (!device.up) setLinkUp(end, device.index);
    replaceRoute(end, {
      destination: '0.0.0.0/0',
      type: 'unicast',
      gateway: plan.gateway,
      linkIndex: device.index,
      ...(plan.metric > 0 && { metric: plan.metric }),
    });
    for (const route of plan.bySource?.routes ?? [])
      replaceRoute(end, {
        ...route,
        table: plan.bySource!.table,
        type: 'unicast',
        linkIndex: device.index,
      });
  });
  if (plan.kind === 'nat-gateway') runNft(plan.namespace, natGatewayTable(plan.addresses[0]!));
}

/** The rules of an instance's namespace that lead to its interfaces' own tables. */
const sourceRules = (links: readonly LinkPlan[]): Rule[] =>
  links.flatMap(({ bySource, addresses }) =>
    bySource ? addresses.map((source) => ({ priority: bySource.table, source, table: bySource.table })) : [],
  );

/** Routes left in a table that no rule leads to any more have gone with their link, or do no harm. */
function matchSourceRules(namespace: string, wanted: readonly Rule[]): void {
  const { first, last } = SOURCE_TABLES;
  withNetlink(namespace, (end) =>
    matchRules(
      end,
      wanted,
      listRules(end).filter(({ table }) => table >= first && table <= last),
    ),
  );
}

function addLink(routerName: string, router: Netlink, plan: LinkPlan): void {
  makeNamespace(plan.namespace, plan.kind === 'nat-gateway' ? ROUTER_SYSCTLS : {});
  const { device: name, namespace, macAddress } = plan;
  addVeth(router, plan.name, { name, namespace, ...(macAddress !== undefined && { macAddress }) });
  // At once: by default an answer on behalf of another waits up to 0.8 s.
  setSysctlsIn(routerName, { [`net.ipv4.neigh.${plan.name}.proxy_delay`]: '0' });
  configureEnd(plan, []);
  setLinkUp(router, listLinks(router).get(plan.name)!.index);
}

/** Does the far end of `link` stand where `plan` wants it? */
function leadsTo(link: Link, plan: LinkPlan): boolean {
  if (!namespaceExists(plan.namespace)) return false;
  return withNetlink(plan.namespace, (end) => {
    const device = listLinks(end).get(plan.device);
    return device?.index === link.peerIndex && device.peerIndex === link.index;
  });
}

const sameEnd = (a: LinkPlan, b: LinkPlan): boolean =>
  a.namespace === b.namespace && a.device === b.device && a.macAddress === b.macAddress;

export interface Before {
  /** The links as planned last time, by name. */
  readonly links: ReadonlyMap<string, LinkPlan>;
  /** True when they are known to be in force, so that the far ends need not be looked at. */
  readonly trusted: boolean;
}

/**
 * Makes the router's links those of `plan`: takes away first, because a new interface may take the place of an old one
 * in the same instance. Returns the far ends of the new ones, which may not be ready yet.
 */
export function matchLinks(
  routerName: string,
  router: Netlink,
  plan: readonly LinkPlan[],
  before: Before,
): LinkEnd[] {
  const added: LinkEnd[] = [];
  const there = listLinks(router);
  const wanted = new Map(plan.map((link) => [link.name, link]));
  const keep = new Map<string, Link>();
  const leaving: number[] = [];
  for (const link of there.values()) {
    if (link.name === 'lo' || link.name === INTERNET_LINK) continue;
    const next = wanted.get(link.name);
    const last = before.links.get(link.name);
    const stays = next !== undefined && (before.trusted && last ? sameEnd(last, next) : leadsTo(link, next));
    if (stays) keep.set(link.name, link);
    else leaving.push(link.index);
  }
  deleteLinks(router, leaving);
  for (const next of plan) {
    const link = keep.get(next.name);
    if (!link) {
      addLink(routerName, router, next);
      added.push({ namespace: next.namespace, name: next.device });
      continue;
    }
    const last = before.links.get(next.name);
    if (before.trusted && JSON.stringify(last) === JSON.stringify(next) && link.up) continue;
    configureEnd(next, last?.addresses ?? []);
    if (!link.up) setLinkUp(router, link.index);
  }
  const lastOf = Map.groupBy(before.links.values(), ({ namespace }) => namespace);
  for (const [namespace, links] of Map.groupBy(plan, ({ namespace }) => namespace)) {
    const last = before.trusted ? sourceRules(lastOf.get(namespace) ?? []) : undefined;
    const next = sourceRules(links);
    if (JSON.stringify(last) !== JSON.stringify(next)) matchSourceRules(namespace, next);
  }
  return added;
}

/** Makes the router's own addresses, rules and routes those of `plan`. New ones come before old ones go. */
export function matchRoutes(router: Netlink, plan: LinksPlan): void {
  const links = listLinks(router);
  const lo = links.get('lo')!.index;
  matchAddresses(
    router,
    lo,
    new Map(plan.services.map((address) => [address, 32])),
    (address) => !address.startsWith('127.'),
  );

  const there = new Map(listRoutes(router).map((route) => [`${route.table} ${route.destination}`, route]));
  const wanted = new Set<string>();
  for (const { link, ...route } of plan.routes) {
    const key = `${route.table} ${route.destination}`;
    wanted.add(key);
    const linkIndex = link === undefined ? undefined : links.get(link)?.index;
    if (link !== undefined && linkIndex === undefined) throw new Error(`route ${key}: no link ${link}`);
    const known = there.get(key);
    const same =
      known?.type === route.type && known.gateway === route.gateway && known.linkIndex === linkIndex;
    if (!same) replaceRoute(router, { ...route, ...(linkIndex !== undefined && { linkIndex }) });
  }

  matchRules(router, plan.rules, listRules(router));
  for (const [key, route] of there) if (!wanted.has(key)) deleteRoute(router, route);
}
