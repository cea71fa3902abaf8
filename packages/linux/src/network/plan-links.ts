/**
 * What stands in a VPC's router besides its table: links, addresses, routes and rules. Pure.
 *
 * Each subnet has a mark, set on what comes out of its links; a rule leads each mark to its route table. A route to
 * `local` is a `throw`: the lookup goes on to the table of interfaces, which knows each address of the VPC and drops
 * the others. So the kernel itself picks the longest prefix, also where a route is more specific than `local`.
 */
import { createHash } from 'node:crypto';
import type { NetworkInterfaceTopology, RouteTarget, VpcTopology } from '@holdfast/region/drivers/network.ts';
import type { Rule } from '../host/links.ts';
import { endpointNamespace, type HostLayout, linkName, serviceAddresses } from '../layout.ts';
import { addressAt, canonical, parseCidr } from './ipv4.ts';

/** The router's link to the internet namespace, and the addresses of its two ends. Every VPC has the same. */
export const INTERNET_LINK = 'igw';
export const INTERNET_SIDE = '169.254.255.1';
export const ROUTER_SIDE = '169.254.255.2';

/** The table that knows where each private address is. */
export const INTERFACES_TABLE = 100;
const MARK_PRIORITY = 1000;
const INTERFACES_PRIORITY = 2000;
const FURTHER_METRIC = 10_000;

/** An interface's or a NAT gateway's veth: this end in the router, the other in a namespace of its own. */
export interface LinkPlan {
  readonly id: string;
  readonly kind: 'interface' | 'nat-gateway';
  readonly name: string;
  readonly namespace: string;
  /** Its name over there. */
  readonly device: string;
  readonly macAddress?: string;
  /** Primary first. */
  readonly addresses: readonly string[];
  /** Of the subnet. */
  readonly prefix: number;
  readonly gateway: string;
  /** Of the default route through it: an instance's first interface is preferred. */
  readonly metric: number;
  /** Only where several interfaces meet in one instance: by whose addresses packets leave through this one. */
  readonly bySource?: SourceTable;
}

/** A table over there for what an interface's own addresses send. What it has no route for goes the usual way. */
export interface SourceTable {
  readonly table: number;
  readonly routes: readonly { readonly destination: string; readonly gateway?: string }[];
}

export interface RoutePlan {
  readonly table: number;
  readonly destination: string;
  readonly type: 'unicast' | 'blackhole' | 'throw';
  readonly gateway?: string;
  /** A link of the router. */
  readonly link?: string;
}

export interface LinksPlan {
  readonly links: readonly LinkPlan[];
  /** Addresses on the router's own `lo`. */
  readonly services: readonly string[];
  readonly rules: readonly Rule[];
  readonly routes: readonly RoutePlan[];
  /** Public addresses that the internet routes to this VPC. */
  readonly publicAddresses: readonly string[];
}

type Attached = NetworkInterfaceTopology & { attachment: { namespace: string; deviceIndex: number } };

export const attachedInterfaces = (topology: VpcTopology): Attached[] =>
  topology.interfaces.filter((one): one is Attached => one.attachment !== undefined);

/** A number for each id that stays the same from one topology to the next as long as no two ids fall together. */
function numbersFor(ids: readonly string[]): Map<string, number> {
  const taken = new Set<number>();
  const numbers = new Map<string, number>();
  for (const id of ids.toSorted()) {
    let number = 1000 + Number.parseInt(createHash('sha256').update(id).digest('hex').slice(0, 7), 16);
    while (taken.has(number)) number++;
    taken.add(number);
    numbers.set(id, number);
  }
  return numbers;
}

const marks = new WeakMap<VpcTopology, Map<string, number>>();

/** The mark of traffic that comes out of a subnet. */
export function subnetMark(topology: VpcTopology, subnetId: string): number {
  let known = marks.get(topology);
  if (!known) {
    known = numbersFor(topology.subnets.map((subnet) => subnet.subnetId));
    marks.set(topology, known);
  }
  const mark = known.get(subnetId);
  if (mark === undefined) throw new Error(`no subnet ${subnetId}`);
  return mark;
}

function planLink(
  topology: VpcTopology,
  layout: HostLayout,
  subnetId: string,
  own: Pick<LinkPlan, 'id' | 'kind' | 'namespace' | 'addresses' | 'metric' | 'device'> & {
    macAddress?: string;
  },
): LinkPlan {
  const subnet = topology.subnets.find((one) => one.subnetId === subnetId);
  if (!subnet) throw new Error(`${own.id}: no subnet ${subnetId}`);
  return {
    ...own,
    name: linkName(layout, own.id),
    prefix: parseCidr(subnet.cidr).prefix,
    gateway: addressAt(subnet.cidr, 1),
  };
}

function allLinks(topology: VpcTopology, layout: HostLayout): LinkPlan[] {
  const interfaces = attachedInterfaces(topology).map(({ interfaceId, subnetId, attachment, ...rest }) =>
    planLink(topology, layout, subnetId, {
      id: interfaceId,
      kind: 'interface',
      namespace: attachment.namespace,
      device: `eth${attachment.deviceIndex}`,
      macAddress: rest.macAddress,
      addresses: rest.addresses.map((address) => address.private),
      metric: attachment.deviceIndex === 0 ? 0 : FURTHER_METRIC + attachment.deviceIndex,
    }),
  );
  const natGateways = topology.natGateways.map(({ natGatewayId, subnetId, privateAddress }) =>
    planLink(topology, layout, subnetId, {
      id: natGatewayId,
      kind: 'nat-gateway',
      namespace: endpointNamespace(layout, natGatewayId),
      device: 'eth0',
      addresses: [privateAddress],
      metric: 0,
    }),
  );
  return [...withSourceTables(interfaces), ...natGateways];
}

/** The numbers of the tables in instances; interface `n` has the `n`th. Others are the instance's own affair. */
export const SOURCE_TABLES = { first: 10_000, last: 10_999 } as const;

/**
 * An instance with several interfaces answers through the one that was asked, as Amazon's and Ubuntu's images set it up:
 * without that, the answer would leave through the first interface, where its source is a foreign one and is dropped.
 * Everything that a further interface's addresses send goes through it. Of the first one's only what is for the others'
 * subnets, so that routes which the instance has of its own, a bridge's for example, count for it as before.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/best-practices-for-configuring-network-interfaces.html
 */
function withSourceTables(links: readonly LinkPlan[]): LinkPlan[] {
  const beside = Map.groupBy(links, ({ namespace }) => namespace);
  return links.map((link) => {
    const others = (beside.get(link.namespace) ?? []).filter((one) => one !== link);
    if (others.length === 0) return link;
    const subnetOf = ({ gateway, prefix }: LinkPlan): string => canonical(`${gateway}/${prefix}`);
    const own = subnetOf(link);
    const isFirst = link.metric === 0;
    const routes = isFirst
      ? [...new Set(others.map(subnetOf))].map((destination) =>
          destination === own ? { destination } : { destination, gateway: link.gateway },
        )
      : [{ destination: own }, { destination: '0.0.0.0/0', gateway: link.gateway }];
    const table = SOURCE_TABLES.first + (isFirst ? 0 : link.metric - FURTHER_METRIC);
    return { ...link, bySource: { table, routes } };
  });
}

/** Where packets for `target` go. What is gone, detached or not there drops them, as AWS's blackhole routes do. */
function nextHop(
  target: RouteTarget,
  topology: VpcTopology,
  links: ReadonlyMap<string, LinkPlan>,
): Omit<RoutePlan, 'table' | 'destination'> {
  const through = (id: string): Omit<RoutePlan, 'table' | 'destination'> => {
    const link = links.get(id);
    const gateway = link?.addresses[0];
    return link && gateway ? { type: 'unicast', gateway, link: link.name } : { type: 'blackhole' };
  };
  switch (target.kind) {
    case 'local':
      return { type: 'throw' };
    case 'internet-gateway':
      if (!topology.internetGateway) return { type: 'blackhole' };
      return { type: 'unicast', gateway: INTERNET_SIDE, link: INTERNET_LINK };
    case 'nat-gateway':
      return through(target.natGatewayId);
    case 'interface':
      return through(target.interfaceId);
    case 'blackhole':
      return { type: 'blackhole' };
  }
}

/** What is wanted in the router of `topology`. Throws when it names a subnet or route table it does not contain. */
export function planLinks(topology: VpcTopology, layout: HostLayout): LinksPlan {
  const links = allLinks(topology, layout);
  const byId = new Map(links.map((link) => [link.id, link]));
  const tables = numbersFor(topology.routeTables.map((table) => table.routeTableId));

  const routes: RoutePlan[] = [];
  for (const { routeTableId, routes: wanted } of topology.routeTables) {
    const table = tables.get(routeTableId)!;
    const own = new Map<string, RoutePlan>();
    const add = (destination: string, hop: Omit<RoutePlan, 'table' | 'destination'>): void =>
      void own.set(destination, { table, destination, ...hop });
    // What no route names is dropped; link-local addresses lead nowhere but to the router's own services.
    add('0.0.0.0/0', { type: 'blackhole' });
    for (const cidr of topology.cidrs) add(canonical(cidr), { type: 'throw' });
    for (const route of wanted) add(canonical(route.destination), nextHop(route.target, topology, byId));
    add('169.254.0.0/16', { type: 'blackhole' });
    routes.push(...own.values());
  }
  for (const { name, addresses } of links) {
    for (const address of addresses)
      routes.push({ table: INTERFACES_TABLE, destination: `${address}/32`, type: 'unicast', link: name });
  }
  for (const destination of ['0.0.0.0/0', ...topology.cidrs.map(canonical)])
    routes.push({ table: INTERFACES_TABLE, destination, type: 'blackhole' });

  const rules: Rule[] = topology.subnets.map(({ subnetId, routeTableId }) => {
    const table = tables.get(routeTableId);
    if (table === undefined) throw new Error(`${subnetId}: no route table ${routeTableId}`);
    return { priority: MARK_PRIORITY, mark: subnetMark(topology, subnetId), table };
  });
  rules.push({ priority: INTERFACES_PRIORITY, table: INTERFACES_TABLE });

  const publicAddresses = [
    ...attachedInterfaces(topology).flatMap((one) => one.addresses.map((address) => address.public)),
    ...topology.natGateways.map((gateway) => gateway.publicAddress),
  ].filter((address) => address !== undefined);
  const services = new Set([
    ...topology.subnets.map((subnet) => addressAt(subnet.cidr, 1)),
    ...topology.cidrs.map((cidr) => addressAt(cidr, 2)),
    ...Object.values(serviceAddresses),
  ]);
  return { links, services: [...services], rules, routes, publicAddresses };
}
