/** What a launch is asked to be: the caller's parameters over its launch template's, and what of them is refused. */
import type {
  InstanceNetworkInterfaceSpecification,
  Placement,
  RunInstancesRequest,
  TagSpecification,
} from '@aws-sdk/client-ec2';
import type { Tags } from '../../../store/resource.ts';
import { refuseParameters, unsupported } from '../../common/errors.ts';
import { zonesOf } from '../../common/geography.ts';
import type { Scope } from '../../common/service.ts';
import { invalidParameterCombination, invalidParameterValue, invalidZone } from '../errors.ts';
import { resolveLaunchTemplate } from '../launch-template/launch-template.ts';
import { privateAddressesOf, type SecondaryAddresses } from '../network/index.ts';

/** A launch, in the shape of RunInstances, and what a service of the region may say besides. */
export interface LaunchRequest extends RunInstancesRequest {
  /** Tags `aws:…` that users cannot set. */
  readonly reservedTags?: Tags;
  /** The primary interface's subnet, whatever the template says of it: Auto Scaling spreads over its own subnets. */
  readonly subnet?: string;
}

export interface SettledRequest {
  readonly request: RunInstancesRequest;
  readonly template?: { readonly id: string; readonly version: string };
}

/** Instance parameters that would change behaviour and are not there yet. */
const REFUSED = [
  'KernelId',
  'RamdiskId',
  'RamDiskId',
  'Ipv6AddressCount',
  'Ipv6Addresses',
  'ElasticGpuSpecification',
  'ElasticGpuSpecifications',
  'ElasticInferenceAccelerators',
  'InstanceMarketOptions',
  'CpuOptions',
  'LicenseSpecifications',
  'EnablePrimaryIpv6',
  'IamInstanceProfile',
  'SecondaryInterfaces',
  'InstanceRequirements',
  'AdditionalInfo',
  'NetworkPerformanceOptions',
  'Operator',
] as const;

/** Refuses what is not supported, in a request or in a template's data. */
export function refuseLaunchParameters(operation: string, data: object): void {
  refuseParameters(operation, data, REFUSED);
  const request = data as RunInstancesRequest;
  if (request.HibernationOptions?.Configured) throw unsupported('hibernation');
  if (request.EnclaveOptions?.Enabled) throw unsupported('Nitro enclaves');
  const reservation = request.CapacityReservationSpecification;
  if (
    reservation?.CapacityReservationTarget ||
    reservation?.CapacityReservationPreference === 'capacity-reservations-only'
  ) {
    throw unsupported('capacity reservations');
  }
  const dns = request.PrivateDnsNameOptions;
  if (
    dns?.HostnameType === 'resource-name' ||
    dns?.EnableResourceNameDnsARecord ||
    dns?.EnableResourceNameDnsAAAARecord
  ) {
    throw unsupported('resource names as host names (PrivateDnsNameOptions)');
  }
  const placement = request.Placement ?? {};
  refuseParameters(`${operation}, Placement`, placement, [
    'Affinity',
    'PartitionNumber',
    'HostId',
    'HostResourceGroupArn',
    'SpreadDomain',
  ]);
  if (placement.Tenancy !== undefined && placement.Tenancy !== 'default') {
    throw unsupported(`the tenancy ${placement.Tenancy}`);
  }
}

/** Tags of the same resource type together; the caller's win. */
function mergeTags(
  below: readonly TagSpecification[] = [],
  above: readonly TagSpecification[] = [],
): TagSpecification[] {
  const types = new Set([...below, ...above].map((one) => one.ResourceType));
  return [...types].map((ResourceType) => {
    const own = above.filter((one) => one.ResourceType === ResourceType).flatMap((one) => one.Tags ?? []);
    const keys = new Set(own.map((tag) => tag.Key));
    const inherited = below
      .filter((one) => one.ResourceType === ResourceType)
      .flatMap((one) => one.Tags ?? [])
      .filter((tag) => !keys.has(tag.Key));
    return { ResourceType, Tags: [...inherited, ...own] };
  });
}

/** The fields that are set, so that an unset one does not hide the template's. */
const given = <T extends object>(value: T): Partial<T> =>
  Object.fromEntries(
    Object.entries(value).filter(
      ([, field]) => field !== undefined && !(Array.isArray(field) && field.length === 0),
    ),
  ) as Partial<T>;

/** A placement group is named in one of two ways: the caller's name takes the place of the template's id too. */
function mergePlacement(below: Placement = {}, above: Placement = {}): Placement {
  const { GroupName: _, GroupId: __, ...rest } = below;
  const named = above.GroupName !== undefined || above.GroupId !== undefined;
  return { ...(named ? rest : below), ...given(above) };
}

/**
 * The request as it stands when the template's data lie beneath it. A parameter of the request replaces the template's;
 * tags are joined by key. https://docs.aws.amazon.com/autoscaling/ec2/userguide/launch-templates.html
 */
export function settle(scope: Scope, launch: LaunchRequest): SettledRequest {
  const { reservedTags: _, subnet: __, LaunchTemplate: reference, ...request } = launch;
  if (!reference) return { request };
  const { template, version, data } = resolveLaunchTemplate(scope, {
    id: reference.LaunchTemplateId,
    name: reference.LaunchTemplateName,
    version: reference.Version,
  });
  const merged = {
    ...data,
    ...given(request),
    TagSpecifications: mergeTags(
      data.TagSpecifications as TagSpecification[] | undefined,
      request.TagSpecifications,
    ),
    MetadataOptions: { ...data.MetadataOptions, ...given(request.MetadataOptions ?? {}) },
    Placement: mergePlacement(data.Placement, request.Placement),
  } as RunInstancesRequest;
  return { request: merged, template: { id: template.id, version: String(version) } };
}

/** One interface of an instance, and how it comes to be. */
export interface InterfaceRequest {
  readonly deviceIndex: number;
  /** An interface that is there already; nothing else but the index is said then. */
  readonly interfaceId?: string;
  readonly subnetId?: string;
  readonly groupIds: readonly string[];
  readonly privateAddress?: string;
  readonly secondary: SecondaryAddresses;
  readonly associatePublicAddress?: boolean;
  readonly description?: string;
  readonly deleteOnTermination: boolean;
}

/** Where the instance goes. */
export interface NetworkRequest {
  readonly zone?: string;
  /** Groups by name, of the primary interface. */
  readonly groupNames: readonly string[];
  readonly primary: InterfaceRequest;
  readonly others: readonly InterfaceRequest[];
}

const text = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/** The zone's name, which is what everything else goes by. */
function zoneOfId(region: string, id: string | undefined): string | undefined {
  if (id === undefined || id === '') return undefined;
  const zone = zonesOf(region).find((one) => one.id === id);
  if (!zone) throw invalidZone(id);
  return zone.name;
}

/** Reads the network parameters, which stand either at the instance or at its interfaces, never at both. */
export function networkRequest(
  region: string,
  launch: LaunchRequest,
  request: RunInstancesRequest,
): NetworkRequest {
  const zone =
    text(request.Placement?.AvailabilityZone) ?? zoneOfId(region, request.Placement?.AvailabilityZoneId);
  const where = { ...(zone !== undefined && { zone }) };
  const subnet = launch.subnet;
  const interfaces = request.NetworkInterfaces ?? [];
  if (interfaces.length === 0) {
    const subnetId = subnet ?? text(request.SubnetId);
    const privateAddress = text(request.PrivateIpAddress);
    const primary: InterfaceRequest = {
      deviceIndex: 0,
      ...(subnetId !== undefined && { subnetId }),
      groupIds: request.SecurityGroupIds ?? [],
      ...(privateAddress !== undefined && { privateAddress }),
      secondary: {},
      deleteOnTermination: true,
    };
    return { ...where, groupNames: request.SecurityGroups ?? [], primary, others: [] };
  }
  refuseBesideInterfaces(request);
  const all = interfaces.map(interfaceRequest).sort((a, b) => a.deviceIndex - b.deviceIndex);
  const [primary, ...others] = all;
  if (primary?.deviceIndex !== 0) {
    throw invalidParameterValue('A network interface with the device index 0 must be specified.');
  }
  if (new Set(all.map(({ deviceIndex }) => deviceIndex)).size < all.length) {
    throw invalidParameterValue('Each network interface requires a unique device index.');
  }
  if (others.length > 0 && all.some((one) => one.associatePublicAddress)) {
    throw invalidParameterCombination(
      'The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.',
    );
  }
  const first = subnet === undefined ? primary : { ...primary, subnetId: subnet };
  return { ...where, groupNames: [], primary: first, others };
}

function refuseBesideInterfaces(request: RunInstancesRequest): void {
  if ((request.SecurityGroupIds ?? []).length + (request.SecurityGroups ?? []).length > 0) {
    throw invalidParameterCombination(
      'Network interfaces and an instance-level security groups may not be specified on the same request',
    );
  }
  if (text(request.SubnetId) !== undefined) {
    throw invalidParameterCombination(
      'Network interfaces and an instance-level subnet ID may not be specified on the same request',
    );
  }
  if (text(request.PrivateIpAddress) !== undefined) {
    throw invalidParameterCombination(
      'Network interfaces and an instance-level private IP address may not be specified on the same request',
    );
  }
}

const UNSERVED = [
  'Ipv6AddressCount',
  'Ipv6Addresses',
  'AssociateCarrierIpAddress',
  'NetworkCardIndex',
  'Ipv4Prefixes',
  'Ipv4PrefixCount',
  'Ipv6Prefixes',
  'Ipv6PrefixCount',
  'PrimaryIpv6',
  'EnaSrdSpecification',
  'ConnectionTrackingSpecification',
  'EnaQueueCount',
];

/** What makes an interface new, and so cannot be said of one that is there already. */
const OF_NEW = [
  'SubnetId',
  'Groups',
  'PrivateIpAddress',
  'PrivateIpAddresses',
  'SecondaryPrivateIpAddressCount',
  'AssociatePublicIpAddress',
  'Description',
] as const;

function interfaceRequest(given: InstanceNetworkInterfaceSpecification): InterfaceRequest {
  refuseParameters(
    'RunInstances, NetworkInterfaces',
    { ...given, NetworkCardIndex: given.NetworkCardIndex || undefined },
    UNSERVED,
  );
  if (given.InterfaceType !== undefined && given.InterfaceType !== 'interface') {
    throw unsupported(`the interface type ${given.InterfaceType}`);
  }
  const deviceIndex = given.DeviceIndex ?? 0;
  const interfaceId = text(given.NetworkInterfaceId);
  if (interfaceId !== undefined) {
    const beside = OF_NEW.find((name) =>
      Array.isArray(given[name]) ? given[name].length > 0 : Boolean(given[name]),
    );
    if (beside) {
      throw invalidParameterCombination(
        `A network interface may not specify both a network interface ID and ${beside}`,
      );
    }
    const deleteOnTermination = given.DeleteOnTermination ?? false;
    return { deviceIndex, interfaceId, groupIds: [], secondary: {}, deleteOnTermination };
  }
  const { primary, others } = privateAddressesOf(given);
  const subnetId = text(given.SubnetId);
  return {
    deviceIndex,
    ...(subnetId !== undefined && { subnetId }),
    groupIds: given.Groups ?? [],
    ...(primary !== undefined && { privateAddress: primary }),
    secondary: { addresses: others, count: given.SecondaryPrivateIpAddressCount },
    ...(given.AssociatePublicIpAddress !== undefined && {
      associatePublicAddress: given.AssociatePublicIpAddress,
    }),
    ...(given.Description !== undefined && { description: given.Description }),
    deleteOnTermination: given.DeleteOnTermination ?? true,
  };
}
