/** Instances as DescribeInstances shows them. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { zoneNamed } from '../../common/geography.ts';
import type { Scope } from '../../common/service.ts';
import { baseImages } from '../image/image.ts';
import { instanceTypes } from '../instance-types.ts';
import { privateDnsName, publicDnsName } from '../network/dns-name.ts';
import { privateAddresses, publicMapping } from '../network/public-mapping.ts';
import { placementGroups } from '../placement-group/placement-group.ts';
import {
  type Instance,
  type NetworkInterface,
  networkInterfaces,
  securityGroups,
  type Vpc,
  vpcs,
} from '../records.ts';
import { tagList } from '../tags.ts';
import { attachmentState, type VolumeAttachmentRecord, volumeAttachments } from '../volume/volume.ts';
import { shownState, stateOf } from './state.ts';

/** What stands around instances, looked up once for a whole call. */
export interface Surroundings {
  readonly region: string;
  readonly accountId: string;
  readonly attached: ReadonlyMap<string, readonly NetworkInterface[]>;
  /** What each instance has, by its id. */
  readonly disks: ReadonlyMap<string, readonly VolumeAttachmentRecord[]>;
  readonly groupNames: ReadonlyMap<string, string>;
  readonly vpcs: ReadonlyMap<string, Vpc>;
  readonly placementGroupNames: ReadonlyMap<string, string>;
  /** Base layer to architecture. */
  readonly architectures: ReadonlyMap<string, 'x86_64' | 'arm64'>;
}

const deviceIndexOf = ({ spec }: NetworkInterface): number => spec.attachment?.deviceIndex ?? 0;

export function surroundings(scope: Scope): Surroundings {
  const { tx, region, settings } = scope;
  const attached = new Map<string, NetworkInterface[]>();
  const interfaces = tx.list(networkInterfaces, region);
  for (const one of interfaces) {
    const id = one.spec.attachment?.instanceId;
    if (id === undefined) continue;
    const others = attached.get(id);
    if (others) others.push(one);
    else attached.set(id, [one]);
  }
  for (const all of attached.values()) all.sort((a, b) => deviceIndexOf(a) - deviceIndexOf(b));
  return {
    region,
    accountId: settings.accountId,
    attached,
    disks: Map.groupBy(tx.list(volumeAttachments, region), ({ spec }) => spec.instanceId),
    groupNames: new Map(tx.list(securityGroups, region).map((group) => [group.id, group.spec.name])),
    vpcs: new Map(tx.list(vpcs, region).map((vpc) => [vpc.id, vpc])),
    placementGroupNames: new Map(tx.list(placementGroups, region).map(({ id, spec }) => [id, spec.name])),
    architectures: new Map(
      tx
        .list(baseImages, 'global')
        .flatMap(({ spec }) => spec.layers.map((layer) => [layer, spec.architecture] as const)),
    ),
  };
}

/** Why it is in its state: the API's reason, or its own when it ended by itself. */
export function stateReason({ spec, status }: Instance): { code: string; message: string } | undefined {
  const state = stateOf({ spec, status });
  if (state === 'running') return undefined;
  return spec.wanted === 'running' && state !== 'pending' ? status.stateReason : spec.stateReason;
}

function stateTransitionReason({ spec, status }: Instance): string {
  const state = stateOf({ spec, status });
  if (state === 'running' || state === 'pending') return '';
  return (spec.wanted === 'running' ? status.stateTransitionReason : spec.stateTransitionReason) ?? '';
}

const groupsOf = (around: Surroundings, ids: readonly string[]): ec2.GroupIdentifier[] =>
  ids.map((GroupId) => ({ GroupId, GroupName: around.groupNames.get(GroupId) ?? '' }));

export function shapeInstance(instance: Instance, around: Surroundings): ec2.Instance {
  const { id, spec, tags } = instance;
  const state = stateOf(instance);
  const gone = state === 'terminated';
  const attached = gone ? [] : (around.attached.get(id) ?? []);
  const reason = stateReason(instance);
  return {
    InstanceId: id,
    ImageId: spec.imageId,
    State: shownState(state),
    StateReason: reason && { Code: reason.code, Message: reason.message },
    StateTransitionReason: stateTransitionReason(instance),
    AmiLaunchIndex: spec.launchIndex,
    InstanceType: spec.instanceType as ec2._InstanceType,
    KeyName: spec.keyName,
    LaunchTime: new Date(spec.launchedAt),
    Placement: shapePlacement(spec, around),
    Monitoring: { State: spec.monitoring ? 'enabled' : 'disabled' },
    ProductCodes: [],
    ...shapeNetwork(spec, attached, around),
    ...shapeMachine(instance, around),
    ClientToken: spec.clientToken ?? '',
    BlockDeviceMappings: gone ? [] : (around.disks.get(id) ?? []).map(shapeDisk),
    Tags: tagList(tags),
  };
}

function shapePlacement(spec: Instance['spec'], around: Surroundings): ec2.Placement {
  const { placementGroupId: id, zone } = spec;
  return {
    AvailabilityZone: zone,
    AvailabilityZoneId: zoneNamed(around.region, zone)?.id,
    GroupName: (id !== undefined && around.placementGroupNames.get(id)) || '',
    GroupId: id,
    Tenancy: 'default',
  };
}

function shapeNetwork(
  spec: Instance['spec'],
  attached: readonly NetworkInterface[],
  around: Surroundings,
): Partial<ec2.Instance> {
  const primary = attached[0];
  if (!primary) {
    return { PrivateDnsName: '', PublicDnsName: '', NetworkInterfaces: [], SecurityGroups: [] };
  }
  const address = publicMapping(primary.spec)?.publicAddress;
  const named = around.vpcs.get(spec.vpcId)?.spec.enableDnsHostnames ?? false;
  return {
    VpcId: spec.vpcId,
    SubnetId: spec.subnetId,
    PrivateIpAddress: primary.spec.privateAddress,
    PrivateDnsName: privateDnsName(around.region, primary.spec.privateAddress),
    PublicIpAddress: address,
    PublicDnsName: address !== undefined && named ? publicDnsName(around.region, address) : '',
    SecurityGroups: groupsOf(around, primary.spec.securityGroupIds),
    SourceDestCheck: primary.spec.sourceDestCheck,
    NetworkInterfaces: attached.map((one) => shapeInterface(one, around)),
  };
}

/** An address that is not an Elastic IP belongs to Amazon. */
function shapeAssociation(
  { spec }: NetworkInterface,
  address: string,
  around: Surroundings,
): ec2.InstanceNetworkInterfaceAssociation | undefined {
  const mapping = publicMapping(spec, address);
  if (!mapping) return undefined;
  const named = around.vpcs.get(spec.vpcId)?.spec.enableDnsHostnames ?? false;
  return {
    IpOwnerId: mapping.elastic ? around.accountId : 'amazon',
    PublicIp: mapping.publicAddress,
    PublicDnsName: named ? publicDnsName(around.region, mapping.publicAddress) : '',
  };
}

function shapeInterface(found: NetworkInterface, around: Surroundings): ec2.InstanceNetworkInterface {
  const { id, spec } = found;
  const name = (address: string): string => privateDnsName(around.region, address);
  return {
    NetworkInterfaceId: id,
    Association: shapeAssociation(found, spec.privateAddress, around),
    Attachment: spec.attachment && {
      AttachmentId: spec.attachment.attachmentId,
      AttachTime: new Date(spec.attachment.attachTime),
      DeleteOnTermination: spec.attachment.deleteOnTermination,
      DeviceIndex: spec.attachment.deviceIndex,
      NetworkCardIndex: 0,
      Status: 'attached',
    },
    Description: spec.description,
    Groups: groupsOf(around, spec.securityGroupIds),
    Ipv6Addresses: [],
    MacAddress: spec.macAddress,
    OwnerId: around.accountId,
    PrivateDnsName: name(spec.privateAddress),
    PrivateIpAddress: spec.privateAddress,
    PrivateIpAddresses: privateAddresses(spec).map((address, at) => ({
      Primary: at === 0,
      PrivateDnsName: name(address),
      PrivateIpAddress: address,
      Association: shapeAssociation(found, address, around),
    })),
    SourceDestCheck: spec.sourceDestCheck,
    Status: 'in-use',
    SubnetId: spec.subnetId,
    VpcId: spec.vpcId,
    InterfaceType: spec.interfaceType,
  };
}

function shapeMachine({ spec }: Instance, around: Surroundings): Partial<ec2.Instance> {
  const type = instanceTypes.get(spec.instanceType);
  const threads = type?.threadsPerCore ?? 1;
  const options = spec.metadataOptions;
  return {
    Architecture: around.architectures.get(spec.layers[0] ?? '') ?? 'x86_64',
    // EC2 says `xen` for Nitro too. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html
    Hypervisor: 'xen',
    VirtualizationType: 'hvm',
    EnaSupport: true,
    EbsOptimized: spec.ebsOptimized ?? false,
    RootDeviceName: spec.rootDevice,
    RootDeviceType: 'ebs',
    CpuOptions: { CoreCount: Math.max(1, (type?.vcpus ?? 1) / threads), ThreadsPerCore: threads },
    CapacityReservationSpecification: { CapacityReservationPreference: spec.capacityReservations ?? 'open' },
    HibernationOptions: { Configured: false },
    EnclaveOptions: { Enabled: false },
    MaintenanceOptions: { AutoRecovery: spec.autoRecovery ?? 'default', RebootMigration: 'default' },
    PrivateDnsNameOptions: {
      HostnameType: 'ip-name',
      EnableResourceNameDnsARecord: false,
      EnableResourceNameDnsAAAARecord: false,
    },
    MetadataOptions: {
      State: 'applied',
      HttpEndpoint: options.endpoint,
      HttpTokens: options.tokens,
      HttpPutResponseHopLimit: options.hopLimit,
      HttpProtocolIpv6: 'disabled',
      InstanceMetadataTags: options.instanceTags,
    },
    PlatformDetails: 'Linux/UNIX',
    UsageOperation: 'RunInstances',
    UsageOperationUpdateTime: new Date(spec.launchedAt),
    BootMode: 'uefi-preferred',
    CurrentInstanceBootMode: 'legacy-bios',
  };
}

const shapeDisk = (attachment: VolumeAttachmentRecord): ec2.InstanceBlockDeviceMapping => ({
  DeviceName: attachment.spec.device,
  Ebs: {
    VolumeId: attachment.id,
    AttachTime: new Date(attachment.spec.attachedAt),
    DeleteOnTermination: attachment.spec.deleteOnTermination,
    Status: diskStatus(attachment),
  },
});

/** Instances know no `busy`. */
export function diskStatus(attachment: VolumeAttachmentRecord): ec2.AttachmentStatus {
  const state = attachmentState(attachment);
  return state === 'busy' ? 'detaching' : state;
}

/** Instances of one launch belong together, in the order in which they were made. */
export function shapeReservations(instances: readonly Instance[], around: Surroundings): ec2.Reservation[] {
  const reservations = new Map<string, ec2.Instance[]>();
  for (const instance of instances) {
    const { reservationId } = instance.spec;
    const others = reservations.get(reservationId);
    if (others) others.push(shapeInstance(instance, around));
    else reservations.set(reservationId, [shapeInstance(instance, around)]);
  }
  return [...reservations].map(([ReservationId, Instances]) => ({
    ReservationId,
    OwnerId: around.accountId,
    Groups: [],
    Instances,
  }));
}
