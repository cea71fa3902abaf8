/**
 * Networks that exist in memory only, and a small model of AWS's rules that says who reaches whom in them: what a test
 * compares with, and what the simulated load balancer asks.
 */
import { BlockList } from 'node:net';
import type {
  NetworkAclEntry,
  NetworkDriver,
  NetworkInterfaceTopology,
  RouteTarget,
  SecurityGroupRule,
  SubnetTopology,
  TrafficMatch,
  VpcTopology,
} from '../network.ts';

/** One attempt to open a connection (or send a datagram): protocol number and destination port; ICMP has no port. */
export interface Attempt {
  /** Where from: an interface id, or the internet. */
  readonly from: string | 'outside';
  /** The address that the sender names. */
  readonly to: string;
  readonly protocol: number;
  readonly port?: number;
  /** The outside sender's address. */
  readonly source?: string;
}

export interface SimNetwork extends NetworkDriver {
  topology(vpcId: string): VpcTopology | undefined;
  /** Would the first packet arrive, and the answer come back? */
  reaches(attempt: Attempt): boolean;
  /** The address under which the internet sees this interface; undefined when it cannot get there. */
  publicAddressSeen(interfaceId: string): string | undefined;
  /** The namespace behind an address that is attached somewhere, private addresses within `vpcId`. */
  namespaceAt(address: string, vpcId?: string): string | undefined;
  /** The first interface attached to a namespace. */
  find(namespace: string): { vpcId: string; interfaceId: string } | undefined;
}

const OUTSIDE = '203.0.113.7';
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'];

export function contains(cidr: string, address: string): boolean {
  const [network = '', bits = '32'] = cidr.split('/');
  const list = new BlockList();
  list.addSubnet(network, Number(bits), 'ipv4');
  return list.check(address, 'ipv4');
}

interface Found {
  readonly vpc: VpcTopology;
  readonly iface: NetworkInterfaceTopology;
  readonly subnet: SubnetTopology;
  readonly address: string;
  readonly publicAddress?: string;
}

/** A packet on its way: addresses as the receiver's rules see them. */
interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly port?: number;
}

function matches(rule: TrafficMatch, packet: Packet): boolean {
  if (rule.protocol === -1) return true;
  if (rule.protocol !== packet.protocol) return false;
  if (!rule.ports || packet.port === undefined) return true;
  return packet.port >= rule.ports.from && packet.port <= rule.ports.to;
}

/** Stateless: the first entry that matches decides; the implicit last one denies. */
function aclAllows(entries: readonly NetworkAclEntry[], packet: Packet, peer: string): boolean {
  const ordered = entries.toSorted((a, b) => a.ruleNumber - b.ruleNumber);
  return ordered.find((entry) => matches(entry, packet) && contains(entry.cidr, peer))?.action === 'allow';
}

export function simNetwork(): SimNetwork {
  const applied = new Map<string, { topology: VpcTopology; generation: number }>();

  const everything = (): Found[] =>
    [...applied.values()].flatMap(({ topology }) =>
      topology.interfaces.flatMap((iface) => {
        const subnet = topology.subnets.find((one) => one.subnetId === iface.subnetId);
        if (!subnet) return [];
        return iface.addresses.map((address) => ({
          vpc: topology,
          iface,
          subnet,
          address: address.private,
          ...(address.public !== undefined && { publicAddress: address.public }),
        }));
      }),
    );

  const groupRules = (at: Found, direction: 'ingress' | 'egress'): SecurityGroupRule[] =>
    at.vpc.securityGroups
      .filter((group) => at.iface.securityGroupIds.includes(group.securityGroupId))
      .flatMap((group) => group[direction]);

  const groupAllows = (at: Found, direction: 'ingress' | 'egress', packet: Packet, peer: string): boolean =>
    groupRules(at, direction).some((rule) => {
      if (!matches(rule, packet)) return false;
      const named = rule.peer;
      if ('cidr' in named) return contains(named.cidr, peer);
      return everything().some(
        (other) =>
          other.vpc.vpcId === at.vpc.vpcId &&
          other.address === peer &&
          other.iface.securityGroupIds.includes(named.securityGroupId),
      );
    });

  /** Both ways through a subnet's ACL: the packet, and the answer to an ephemeral port. */
  const aclBothWays = (at: Found, way: 'ingress' | 'egress', packet: Packet, peer: string): boolean => {
    const acl = at.vpc.networkAcls.find((one) => one.networkAclId === at.subnet.networkAclId);
    if (!acl) return false;
    const answer = { ...packet, ...(packet.port !== undefined && { port: 40_000 }) };
    const other = way === 'ingress' ? 'egress' : 'ingress';
    return aclAllows(acl[way], packet, peer) && aclAllows(acl[other], answer, peer);
  };

  const routeOf = (at: Found, destination: string): RouteTarget | undefined => {
    const table = at.vpc.routeTables.find((one) => one.routeTableId === at.subnet.routeTableId);
    const bits = (route: { destination: string }): number => Number(route.destination.split('/')[1]);
    return table?.routes
      .filter((route) => contains(route.destination, destination))
      .toSorted((a, b) => bits(b) - bits(a))[0]?.target;
  };

  const isCut = (at: Found): boolean => at.vpc.cut.includes(at.iface.interfaceId) || !at.iface.attachment;

  /** The address with which a packet to the internet leaves, by the interface's own public address or a NAT gateway. */
  const exitAddress = (at: Found, destination: string, packet: Packet): string | undefined => {
    const target = routeOf(at, destination);
    if (target?.kind === 'internet-gateway') return at.vpc.internetGateway ? at.publicAddress : undefined;
    if (target?.kind !== 'nat-gateway') return undefined;
    const gateway = at.vpc.natGateways.find((one) => one.natGatewayId === target.natGatewayId);
    if (!gateway?.publicAddress || at.vpc.cut.includes(gateway.natGatewayId)) return undefined;
    const subnet = at.vpc.subnets.find((one) => one.subnetId === gateway.subnetId);
    if (!subnet) return undefined;
    const itself: Found = {
      ...at,
      subnet,
      address: gateway.privateAddress,
      publicAddress: gateway.publicAddress,
    };
    const onward = routeOf(itself, destination)?.kind === 'internet-gateway' && at.vpc.internetGateway;
    const fenced = subnet.subnetId !== at.subnet.subnetId;
    const passes =
      onward &&
      (!fenced || aclBothWays(itself, 'ingress', packet, at.address)) &&
      aclBothWays(itself, 'egress', packet, destination);
    return passes ? gateway.publicAddress : undefined;
  };

  const arrives = (to: Found, packet: Packet, sameSubnet: boolean): boolean =>
    !isCut(to) &&
    (sameSubnet || aclBothWays(to, 'ingress', packet, packet.source)) &&
    groupAllows(to, 'ingress', packet, packet.source);

  const fromOutside = (packet: Packet): boolean => {
    const to = everything().find((one) => one.publicAddress === packet.destination);
    if (!to?.vpc.internetGateway || routeOf(to, packet.source)?.kind !== 'internet-gateway') return false;
    return arrives(to, packet, false);
  };

  const reaches = (attempt: Attempt): boolean => {
    const { protocol } = attempt;
    const port = attempt.port === undefined ? {} : { port: attempt.port };
    if (attempt.from === 'outside') {
      return fromOutside({ source: attempt.source ?? OUTSIDE, destination: attempt.to, protocol, ...port });
    }
    const from = everything().find((one) => one.iface.interfaceId === attempt.from);
    if (!from || isCut(from)) return false;
    const packet = { source: from.address, destination: attempt.to, protocol, ...port };
    if (!groupAllows(from, 'egress', packet, attempt.to)) return false;
    const inVpc = from.vpc.cidrs.some((cidr) => contains(cidr, attempt.to));
    if (inVpc) {
      const to = everything().find((one) => one.vpc.vpcId === from.vpc.vpcId && one.address === attempt.to);
      if (!to) return false;
      const sameSubnet = to.subnet.subnetId === from.subnet.subnetId;
      return (
        (sameSubnet || aclBothWays(from, 'egress', packet, attempt.to)) && arrives(to, packet, sameSubnet)
      );
    }
    if (!aclBothWays(from, 'egress', packet, attempt.to)) return false;
    const source = exitAddress(from, attempt.to, packet);
    if (source === undefined) return false;
    // Private addresses are nowhere in the internet; a NAT gateway answers nobody.
    if (PRIVATE.some((range) => contains(range, attempt.to))) return false;
    const isGateway = [...applied.values()].some(({ topology }) =>
      topology.natGateways.some((one) => one.publicAddress === attempt.to),
    );
    if (isGateway) return false;
    const isPublic = everything().some((one) => one.publicAddress === attempt.to);
    return isPublic ? fromOutside({ ...packet, source }) : true;
  };

  return {
    async apply(topology, generation) {
      const groups = new Set(topology.securityGroups.map((group) => group.securityGroupId));
      const unknown = topology.interfaces
        .flatMap((one) => one.securityGroupIds)
        .find((id) => !groups.has(id));
      if (unknown !== undefined) throw new Error(`${topology.vpcId}: there is no security group ${unknown}`);
      const current = applied.get(topology.vpcId);
      if (current && current.generation > generation) return;
      applied.set(topology.vpcId, { topology, generation });
    },
    async remove(vpcId) {
      applied.delete(vpcId);
    },
    list: async () => [...applied].map(([vpcId, { generation }]) => ({ vpcId, generation })),
    async probe(vpcId, interfaceId) {
      const found = everything().find(
        (one) => one.vpc.vpcId === vpcId && one.iface.interfaceId === interfaceId,
      );
      return found !== undefined && !isCut(found);
    },
    topology: (vpcId) => applied.get(vpcId)?.topology,
    reaches,
    publicAddressSeen(interfaceId) {
      const from = everything().find((one) => one.iface.interfaceId === interfaceId);
      if (!from || isCut(from)) return undefined;
      const packet = { source: from.address, destination: OUTSIDE, protocol: 6, port: 443 };
      if (!groupAllows(from, 'egress', packet, OUTSIDE) || !aclBothWays(from, 'egress', packet, OUTSIDE))
        return undefined;
      return exitAddress(from, OUTSIDE, packet);
    },
    namespaceAt(address, vpcId) {
      const found = everything().find(
        (one) =>
          one.publicAddress === address ||
          (one.address === address && (vpcId === undefined || one.vpc.vpcId === vpcId)),
      );
      return found?.iface.attachment?.namespace;
    },
    find(namespace) {
      const found = everything().find((one) => one.iface.attachment?.namespace === namespace);
      return found && { vpcId: found.vpc.vpcId, interfaceId: found.iface.interfaceId };
    },
  };
}
