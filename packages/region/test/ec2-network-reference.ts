/**
 * A second opinion: who reaches whom by AWS's rules, from nothing but what the API's Describe calls say. It shares no code
 * with the region, so that both would have to be wrong in the same way.
 */
import type * as ec2 from '@aws-sdk/client-ec2';

// biome-ignore lint/suspicious/noExplicitAny: outputs of all operations.
export type Call = (operation: string, input?: object) => Promise<any>;

/** Everything that the rules are about, as the API describes it. */
export interface Described {
  readonly vpcs: readonly ec2.Vpc[];
  readonly subnets: readonly ec2.Subnet[];
  readonly tables: readonly ec2.RouteTable[];
  readonly acls: readonly ec2.NetworkAcl[];
  readonly groups: readonly ec2.SecurityGroup[];
  readonly interfaces: readonly ec2.NetworkInterface[];
  readonly natGateways: readonly ec2.NatGateway[];
  readonly internetGateways: readonly ec2.InternetGateway[];
  readonly addresses: readonly ec2.Address[];
  readonly instances: readonly ec2.Instance[];
}

export async function describeAll(call: Call): Promise<Described> {
  const reservations: ec2.Reservation[] = (await call('DescribeInstances')).Reservations;
  return {
    vpcs: (await call('DescribeVpcs')).Vpcs,
    subnets: (await call('DescribeSubnets')).Subnets,
    tables: (await call('DescribeRouteTables')).RouteTables,
    acls: (await call('DescribeNetworkAcls')).NetworkAcls,
    groups: (await call('DescribeSecurityGroups')).SecurityGroups,
    interfaces: (await call('DescribeNetworkInterfaces')).NetworkInterfaces,
    natGateways: (await call('DescribeNatGateways')).NatGateways,
    internetGateways: (await call('DescribeInternetGateways')).InternetGateways,
    addresses: (await call('DescribeAddresses')).Addresses,
    instances: reservations.flatMap(({ Instances }) => Instances ?? []),
  };
}

/** A first packet: IANA protocol number and destination port. */
export interface Traffic {
  readonly protocol: 6 | 17;
  readonly port: number;
}

/** Where answers go: Linux takes its own ports from 32768 on. */
const EPHEMERAL = 40_000;

function within(block: string | undefined, address: string): boolean {
  const [base = '', length = '32'] = (block ?? '').split('/');
  const bits = (text: string): string =>
    text
      .split('.')
      .map((octet) => Number(octet).toString(2).padStart(8, '0'))
      .join('');
  return bits(address).startsWith(bits(base).slice(0, Number(length)));
}

const permits = (
  { IpProtocol, FromPort = 0, ToPort = 65_535 }: ec2.IpPermission,
  { protocol, port }: Traffic,
): boolean => {
  if (IpProtocol === '-1') return true;
  const names: Record<string, number> = { tcp: 6, udp: 17 };
  return names[IpProtocol ?? ''] === protocol && FromPort <= port && port <= ToPort;
};

/** The rules over one state of the world. */
export class Reference {
  readonly #all: Described;

  constructor(all: Described) {
    this.#all = all;
  }

  /** Interfaces that something of the user's answers behind. */
  nodes(): ec2.NetworkInterface[] {
    return this.#all.interfaces.filter((one) => one.Attachment && one.InterfaceType === 'interface');
  }

  /** Every address that anybody might name. */
  targets(): string[] {
    const named = this.#all.interfaces.flatMap((one) =>
      (one.PrivateIpAddresses ?? []).flatMap((address) => [
        address.PrivateIpAddress,
        address.Association?.PublicIp,
      ]),
    );
    return [...new Set(named.filter((address) => address !== undefined))];
  }

  #aclAllows(subnetId: string, egress: boolean, peer: string, { protocol, port }: Traffic): boolean {
    const acl = this.#all.acls.find((one) => one.Associations?.some(({ SubnetId }) => SubnetId === subnetId));
    const entries = (acl?.Entries ?? [])
      .filter((entry) => entry.Egress === egress)
      .toSorted((a, b) => (a.RuleNumber ?? 0) - (b.RuleNumber ?? 0));
    const decides = entries.find(
      (entry) =>
        within(entry.CidrBlock, peer) &&
        (entry.Protocol === '-1' ||
          (Number(entry.Protocol) === protocol &&
            (entry.PortRange?.From ?? 0) <= port &&
            port <= (entry.PortRange?.To ?? 65_535))),
    );
    return decides?.RuleAction === 'allow';
  }

  /** What leaves the subnet for `peer`, and the answer that comes back. */
  #leaves(subnetId: string, peer: string, traffic: Traffic): boolean {
    const answer = { ...traffic, port: EPHEMERAL };
    return this.#aclAllows(subnetId, true, peer, traffic) && this.#aclAllows(subnetId, false, peer, answer);
  }

  /** What enters the subnet from `peer`, and the answer that goes back. */
  #enters(subnetId: string, peer: string, traffic: Traffic): boolean {
    const answer = { ...traffic, port: EPHEMERAL };
    return this.#aclAllows(subnetId, false, peer, traffic) && this.#aclAllows(subnetId, true, peer, answer);
  }

  #groupsAllow(at: ec2.NetworkInterface, egress: boolean, peer: string, traffic: Traffic): boolean {
    const groupsOf = (one: ec2.NetworkInterface): string[] =>
      (one.Groups ?? []).map(({ GroupId }) => GroupId ?? '');
    const peerGroups = this.#all.interfaces
      .filter((one) => one.VpcId === at.VpcId)
      .filter((one) => one.PrivateIpAddresses?.some(({ PrivateIpAddress }) => PrivateIpAddress === peer))
      .flatMap(groupsOf);
    return this.#all.groups
      .filter(({ GroupId }) => groupsOf(at).includes(GroupId ?? ''))
      .flatMap((group) => (egress ? group.IpPermissionsEgress : group.IpPermissions) ?? [])
      .filter((permission) => permits(permission, traffic))
      .some(
        (permission) =>
          permission.IpRanges?.some(({ CidrIp }) => within(CidrIp, peer)) ||
          permission.UserIdGroupPairs?.some(({ GroupId }) => peerGroups.includes(GroupId ?? '')),
      );
  }

  /** The active route that the subnet's table has for a destination. */
  #route(subnetId: string, destination: string): ec2.Route | undefined {
    const { VpcId } = this.#all.subnets.find((one) => one.SubnetId === subnetId) ?? {};
    const associated = this.#all.tables.find((table) =>
      table.Associations?.some((one) => one.SubnetId === subnetId),
    );
    const main = this.#all.tables.find(
      (table) => table.VpcId === VpcId && table.Associations?.some((one) => one.Main),
    );
    const length = (route: ec2.Route): number => Number(route.DestinationCidrBlock?.split('/')[1]);
    const [best] = ((associated ?? main)?.Routes ?? [])
      .filter((route) => within(route.DestinationCidrBlock, destination))
      .toSorted((a, b) => length(b) - length(a));
    return best?.State === 'active' ? best : undefined;
  }

  #leadsToInternet(subnetId: string, destination: string): boolean {
    const id = this.#route(subnetId, destination)?.GatewayId;
    const { VpcId } = this.#all.subnets.find((one) => one.SubnetId === subnetId) ?? {};
    return this.#all.internetGateways.some(
      (one) => one.InternetGatewayId === id && one.Attachments?.some((to) => to.VpcId === VpcId),
    );
  }

  /** The address with which the internet sees what an interface sends there; undefined when it does not get there. */
  sourceInInternet(from: ec2.NetworkInterface, destination: string, traffic: Traffic): string | undefined {
    const subnetId = from.SubnetId ?? '';
    const own = from.PrivateIpAddress ?? '';
    if (!this.#groupsAllow(from, true, destination, traffic)) return undefined;
    if (!this.#leaves(subnetId, destination, traffic)) return undefined;
    if (this.#leadsToInternet(subnetId, destination)) return from.Association?.PublicIp;
    const id = this.#route(subnetId, destination)?.NatGatewayId;
    const gateway = this.#all.natGateways.find((one) => one.NatGatewayId === id && one.State === 'available');
    if (!gateway) return undefined;
    const at = gateway.SubnetId ?? '';
    const entered = at === subnetId || this.#enters(at, own, traffic);
    const left = this.#leaves(at, destination, traffic) && this.#leadsToInternet(at, destination);
    return entered && left ? gateway.NatGatewayAddresses?.[0]?.PublicIp : undefined;
  }

  /** Does somebody in the internet, with this address, get an answer? */
  reachesFromOutside(source: string, to: string, traffic: Traffic): boolean {
    const target = this.nodes().find((one) =>
      one.PrivateIpAddresses?.some(({ Association }) => Association?.PublicIp === to),
    );
    const subnetId = target?.SubnetId ?? '';
    return (
      target !== undefined &&
      this.#leadsToInternet(subnetId, source) &&
      this.#enters(subnetId, source, traffic) &&
      this.#groupsAllow(target, false, source, traffic)
    );
  }

  /** Does what an interface sends to an address get an answer? */
  reaches(from: ec2.NetworkInterface, to: string, traffic: Traffic): boolean {
    const vpc = this.#all.vpcs.find(({ VpcId }) => VpcId === from.VpcId);
    const own = from.PrivateIpAddress ?? '';
    if (!vpc?.CidrBlockAssociationSet?.some(({ CidrBlock }) => within(CidrBlock, to))) {
      const source = this.sourceInInternet(from, to, traffic);
      if (source === undefined) return false;
      return !this.targets().includes(to) || this.reachesFromOutside(source, to, traffic);
    }
    const target = this.nodes().find(
      (one) =>
        one.VpcId === from.VpcId &&
        one.PrivateIpAddresses?.some(({ PrivateIpAddress }) => PrivateIpAddress === to),
    );
    if (!target) return false;
    const sameSubnet = target.SubnetId === from.SubnetId;
    return (
      this.#groupsAllow(from, true, to, traffic) &&
      (sameSubnet || this.#leaves(from.SubnetId ?? '', to, traffic)) &&
      (sameSubnet || this.#enters(target.SubnetId ?? '', own, traffic)) &&
      this.#groupsAllow(target, false, own, traffic)
    );
  }
}
