/**
 * What the region needs of whatever carries its networks. The region always hands over one VPC's whole wanted topology;
 * the driver finds out what differs from what is there.
 */

/** Where a route leads. A target that is gone is shown as a blackhole and drops. */
export type RouteTarget =
  | { readonly kind: 'local' }
  | { readonly kind: 'internet-gateway' }
  | { readonly kind: 'nat-gateway'; readonly natGatewayId: string }
  | { readonly kind: 'interface'; readonly interfaceId: string }
  | { readonly kind: 'blackhole' };

export interface RouteTableTopology {
  readonly routeTableId: string;
  /** Longest prefix wins, as everywhere. `destination` is an IPv4 CIDR. */
  readonly routes: readonly { readonly destination: string; readonly target: RouteTarget }[];
}

/** What traffic a rule is about. */
export interface TrafficMatch {
  /** IANA protocol number, or -1 for all traffic. */
  readonly protocol: number;
  /** TCP and UDP: the port range, inclusive. Absent: all ports. */
  readonly ports?: { readonly from: number; readonly to: number };
  /** ICMP: type and code, -1 for any. Absent: all. */
  readonly icmp?: { readonly type: number; readonly code: number };
}

export interface SecurityGroupRule extends TrafficMatch {
  readonly peer: { readonly cidr: string } | { readonly securityGroupId: string };
}

export interface SecurityGroupTopology {
  readonly securityGroupId: string;
  readonly ingress: readonly SecurityGroupRule[];
  readonly egress: readonly SecurityGroupRule[];
}

export interface NetworkAclEntry extends TrafficMatch {
  readonly ruleNumber: number;
  readonly action: 'allow' | 'deny';
  readonly cidr: string;
}

/** Entries are tried in the order of their numbers; what none matches is denied. Stateless. */
export interface NetworkAclTopology {
  readonly networkAclId: string;
  readonly ingress: readonly NetworkAclEntry[];
  readonly egress: readonly NetworkAclEntry[];
}

export interface SubnetTopology {
  readonly subnetId: string;
  readonly cidr: string;
  /** Name of its availability zone, such as `us-west-2a`. */
  readonly zone: string;
  readonly routeTableId: string;
  readonly networkAclId: string;
}

export interface NetworkInterfaceTopology {
  readonly interfaceId: string;
  readonly subnetId: string;
  readonly macAddress: string;
  /** Primary first. `public` is the Elastic or auto-assigned address that stands for it outside. */
  readonly addresses: readonly { readonly private: string; readonly public?: string }[];
  readonly securityGroupIds: readonly string[];
  readonly sourceDestCheck: boolean;
  /** Where its far end is: a namespace (made if it is not there) and eth0, eth1, … in it. Absent: not attached. */
  readonly attachment?: { readonly namespace: string; readonly deviceIndex: number };
}

export interface NatGatewayTopology {
  readonly natGatewayId: string;
  readonly subnetId: string;
  readonly privateAddress: string;
  /** Absent: a private NAT gateway. */
  readonly publicAddress?: string;
}

/** One VPC as wanted, whole. */
export interface VpcTopology {
  readonly vpcId: string;
  readonly cidrs: readonly string[];
  /** Is an internet gateway attached? */
  readonly internetGateway: boolean;
  readonly subnets: readonly SubnetTopology[];
  readonly routeTables: readonly RouteTableTopology[];
  readonly networkAcls: readonly NetworkAclTopology[];
  readonly securityGroups: readonly SecurityGroupTopology[];
  readonly interfaces: readonly NetworkInterfaceTopology[];
  readonly natGateways: readonly NatGatewayTopology[];
  /** What is cut off: nothing passes from or to these interfaces and NAT gateways, by id. */
  readonly cut: readonly string[];
}

export interface NetworkDriver {
  /**
   * Makes the VPC what `topology` says; resolves when it is in force. An older `generation` than one already applied is
   * ignored, so that a late call cannot undo a newer one. Namespaces of interfaces that are no longer wanted go.
   */
  apply(topology: VpcTopology, generation: number): Promise<void>;

  /** Removes the VPC and all that was made for it. Already gone is success. */
  remove(vpcId: string): Promise<void>;

  /** The VPCs that exist, with the generation in force. */
  list(): Promise<{ vpcId: string; generation: number }[]>;

  /** Does the interface's primary address answer (ARP or ping from its own router)? False when it is not attached. */
  probe(vpcId: string, interfaceId: string): Promise<boolean>;
}
