/**
 * What the store holds of EC2 and VPC: the records that other services read too. Each kind's operations stand in the file
 * of that resource; `spec` is written by API calls only, `status` by the loop named at each.
 */
import type { TimeMs } from '../../clock.ts';
import type { MachineStatus } from '../../drivers/compute.ts';
import type { NetworkAclEntry, RouteTarget, TrafficMatch } from '../../drivers/network.ts';
import { type ResourceKey, type ResourceOf, resourceType, type Tags } from '../../store/resource.ts';

export interface VpcSpec {
  /** The primary one first. */
  readonly cidrs: readonly string[];
  /** By block: the ids of the associations that came after the first one, which is named after the VPC. */
  readonly cidrAssociationIds?: Readonly<Record<string, string>>;
  readonly isDefault: boolean;
  readonly instanceTenancy: 'default';
  readonly enableDnsSupport: boolean;
  readonly enableDnsHostnames: boolean;
}

/** Written by the loop `ec2.vpc`. */
export interface VpcStatus {
  /** Store sequence whose topology is in force: what was written up to there is enforced. 0: nothing yet. */
  readonly appliedSequence: number;
}

export const vpcs = resourceType<VpcSpec, VpcStatus>('ec2.vpc');
export type Vpc = ResourceOf<typeof vpcs>;

export interface SubnetSpec {
  readonly vpcId: string;
  readonly cidr: string;
  /** Zone name, such as `us-west-2a`. */
  readonly zone: string;
  readonly mapPublicIpOnLaunch: boolean;
  readonly defaultForAz: boolean;
  readonly networkAclId: string;
  /** Of its association with that ACL; one made with the subnet is named after it when absent. */
  readonly networkAclAssociationId?: string;
}

export const subnets = resourceType<SubnetSpec, null>('ec2.subnet');
export type Subnet = ResourceOf<typeof subnets>;

export interface SecurityGroupRuleRecord extends TrafficMatch {
  /** `sgr-…` */
  readonly ruleId: string;
  readonly direction: 'ingress' | 'egress';
  readonly peer:
    | { readonly cidr: string }
    | { readonly cidrIpv6: string }
    | { readonly securityGroupId: string };
  readonly description?: string;
  readonly tags?: Tags;
}

export interface SecurityGroupSpec {
  readonly vpcId: string;
  readonly name: string;
  readonly description: string;
  readonly rules: readonly SecurityGroupRuleRecord[];
}

export const securityGroups = resourceType<SecurityGroupSpec, null>('ec2.security-group');
export type SecurityGroup = ResourceOf<typeof securityGroups>;

export interface InternetGatewaySpec {
  readonly vpcId?: string;
}

export const internetGateways = resourceType<InternetGatewaySpec, null>('ec2.internet-gateway');
export type InternetGateway = ResourceOf<typeof internetGateways>;

export interface RouteTableSpec {
  readonly vpcId: string;
  readonly main: boolean;
  /** Explicit associations: association id and subnet. */
  readonly associations: readonly { readonly associationId: string; readonly subnetId: string }[];
  readonly mainAssociationId?: string;
  readonly routes: readonly {
    readonly destination: string;
    readonly target: RouteTarget;
    /** The id that the caller named: `igw-…`, `nat-…`, `eni-…`, `i-…`. */
    readonly targetId?: string;
    readonly origin: 'CreateRouteTable' | 'CreateRoute';
  }[];
}

export const routeTables = resourceType<RouteTableSpec, null>('ec2.route-table');
export type RouteTable = ResourceOf<typeof routeTables>;

export interface NetworkAclSpec {
  readonly vpcId: string;
  readonly isDefault: boolean;
  readonly ingress: readonly NetworkAclEntry[];
  readonly egress: readonly NetworkAclEntry[];
}

export const networkAcls = resourceType<NetworkAclSpec, null>('ec2.network-acl');
export type NetworkAcl = ResourceOf<typeof networkAcls>;

/** An Elastic IP. What it stands for is said by the interface that has it: an association goes with its interface. */
export interface ElasticIpSpec {
  readonly publicAddress: string;
}

export const elasticIps = resourceType<ElasticIpSpec, null>('ec2.elastic-ip');
export type ElasticIp = ResourceOf<typeof elasticIps>;

export interface NatGatewaySpec {
  readonly vpcId: string;
  readonly subnetId: string;
  readonly connectivityType: 'public' | 'private';
  /** What it has got; nothing of it when it could not be made. */
  readonly interfaceId?: string;
  readonly privateAddress?: string;
  readonly allocationId?: string;
  readonly associationId?: string;
  readonly publicAddress?: string;
  /** Why it could not be made. */
  readonly failure?: { readonly code: string; readonly message: string };
  readonly wanted: 'available' | 'deleted';
}

/** Written by the loop `ec2.nat-gateway`. */
export interface NatGatewayStatus {
  readonly state: 'pending' | 'available' | 'failed' | 'deleted';
  /** When it failed or was gone. */
  readonly endedAt?: TimeMs;
}

export const natGateways = resourceType<NatGatewaySpec, NatGatewayStatus>('ec2.nat-gateway');
export type NatGateway = ResourceOf<typeof natGateways>;

/** The one set of DHCP options that every VPC of a region has. */
export const dhcpOptions = resourceType<{ readonly domainName: string }, null>('ec2.dhcp-options');
export type DhcpOptions = ResourceOf<typeof dhcpOptions>;

/** An Elastic IP that stands for a private address of an interface. */
export interface ElasticAddress {
  readonly privateAddress: string;
  readonly publicAddress: string;
  readonly allocationId: string;
  readonly associationId: string;
}

/** A network interface: of an instance, or one that a service keeps (a load balancer node's). */
export interface NetworkInterfaceSpec {
  readonly vpcId: string;
  readonly subnetId: string;
  readonly description: string;
  readonly macAddress: string;
  readonly privateAddress: string;
  readonly secondaryAddresses: readonly string[];
  /** The auto-assigned public address of the primary private one; gone while its instance is stopped. */
  readonly publicAddress?: string;
  /** Gets a public address again each time its instance is started. */
  readonly autoAssignPublicAddress: boolean;
  /** Elastic IPs, at most one for each private address. They stay until they are disassociated. */
  readonly elasticAddresses?: readonly ElasticAddress[];
  readonly securityGroupIds: readonly string[];
  readonly sourceDestCheck: boolean;
  readonly interfaceType: 'interface' | 'load_balancer' | 'nat_gateway';
  /** What is attached; `endpointId` names its network namespace: an instance id, or a node id `[a-z0-9-]`. */
  readonly attachment?: {
    readonly attachmentId: string;
    readonly endpointId: string;
    readonly deviceIndex: number;
    readonly deleteOnTermination: boolean;
    readonly attachTime: TimeMs;
    readonly instanceId?: string;
  };
  /** Kept by a service on the account's behalf: users can neither change nor delete it. */
  readonly requesterManaged: boolean;
}

export const networkInterfaces = resourceType<NetworkInterfaceSpec, null>('ec2.network-interface');
export type NetworkInterface = ResourceOf<typeof networkInterfaces>;

export interface InstanceSpec {
  readonly reservationId: string;
  readonly launchIndex: number;
  readonly imageId: string;
  /** Layers of its image, the base first; fixed at launch. */
  readonly layers: readonly string[];
  /** What its image calls the root volume, such as `/dev/xvda` or `/dev/sda1`. */
  readonly rootDevice: string;
  readonly instanceType: string;
  readonly zone: string;
  /** The logical host it lives on, such as `us-west-2a-h1`. */
  readonly hostId: string;
  readonly vpcId: string;
  readonly subnetId: string;
  readonly keyName?: string;
  /** The key's OpenSSH line as it was at launch: an instance keeps it when the key pair is deleted. */
  readonly publicKey?: string;
  /** Base64 of the raw bytes. */
  readonly userData?: string;
  readonly launchedAt: TimeMs;
  readonly monitoring: boolean;
  readonly shutdownBehavior: 'stop' | 'terminate';
  readonly disableApiTermination: boolean;
  readonly disableApiStop?: boolean;
  readonly init: 'systemd' | 'nano';
  readonly metadataOptions: {
    readonly endpoint: 'enabled' | 'disabled';
    readonly tokens: 'optional' | 'required';
    readonly hopLimit: number;
    readonly instanceTags: 'enabled' | 'disabled';
  };
  /** What the API wants it to be. */
  readonly wanted: 'running' | 'stopped' | 'terminated';
  /** Stopped by force: its guest gets no time to shut down. */
  readonly force?: boolean;
  /** Boots asked for by the API: 1 at launch, one more at each start and reboot. */
  readonly boot: number;
  /** The boot that its instance store began with: the first, or that of its last start or recovery. */
  readonly storesOfBoot?: number;
  /** The boot that a recovery began: what ran before was lost with its host. */
  readonly recoveredBoot?: number;
  /** When it was recovered, in the last 24 hours. */
  readonly recoveries?: readonly TimeMs[];
  /** Since when a recovery waits for a host that is well. */
  readonly recoveryAskedAt?: TimeMs;
  /** Why the API wants it stopped or terminated, in AWS's form. */
  readonly stateReason?: { readonly code: string; readonly message: string };
  readonly stateTransitionReason?: string;
  /** Shown again by DescribeInstances. */
  readonly clientToken?: string;
  /** `pg-…` */
  readonly placementGroupId?: string;
  readonly ebsOptimized?: boolean;
  /** What a burstable type does when its credits are spent; its default when absent. */
  readonly cpuCredits?: 'standard' | 'unlimited';
  /** Whether it is recovered by itself when its host fails; AWS's default is that it is. */
  readonly autoRecovery?: 'default' | 'disabled';
  /** There are none to run in; `none` is shown again. */
  readonly capacityReservations?: 'none';
}

export type InstanceStateName =
  | 'pending'
  | 'running'
  | 'shutting-down'
  | 'terminated'
  | 'stopping'
  | 'stopped';

/** Written by the loop `ec2.instance`. */
export interface InstanceStatus {
  readonly state: InstanceStateName;
  readonly machine?: MachineStatus;
  /** Boots that the guest itself asked for (`reboot` inside); added to the spec's. */
  readonly guestBoots: number;
  /** A machine that ended by itself is no longer wanted on, until the API starts it again. */
  readonly endedBoot?: number;
  readonly stateReason?: { readonly code: string; readonly message: string };
  readonly stateTransitionReason?: string;
  readonly checks: {
    readonly system: 'ok' | 'impaired' | 'initializing' | 'insufficient-data' | 'not-applicable';
    readonly instance: 'ok' | 'impaired' | 'initializing' | 'insufficient-data' | 'not-applicable';
    readonly systemImpairedSince?: TimeMs;
    readonly instanceImpairedSince?: TimeMs;
  };
  readonly terminatedAt?: TimeMs;
}

export const instances = resourceType<InstanceSpec, InstanceStatus>('ec2.instance');
export type Instance = ResourceOf<typeof instances>;

/** A logical host. Its `spec.failed` is set by fault injection. */
export interface HostSpec {
  readonly zone: string;
  readonly failed: boolean;
}

export const hosts = resourceType<HostSpec, null>('ec2.host');

/** What a service needs to have an interface of its own in somebody's subnet. */
export interface ManagedInterfaceRequest {
  readonly owner: ResourceKey;
  readonly subnetId: string;
  readonly securityGroupIds: readonly string[];
  readonly description: string;
  readonly interfaceType: 'load_balancer' | 'nat_gateway';
  readonly endpointId: string;
  readonly withPublicAddress: boolean;
}
