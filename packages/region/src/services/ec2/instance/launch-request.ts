/** What a launch is asked to be: the caller's parameters over its launch template's, and what of them is refused. */
import type { RunInstancesRequest, TagSpecification } from '@aws-sdk/client-ec2';
import type { Tags } from '../../../store/resource.ts';
import { refuseParameters, unsupported } from '../../common/errors.ts';
import { zonesOf } from '../../common/geography.ts';
import type { Scope } from '../../common/service.ts';
import { invalidParameterCombination, invalidZone } from '../errors.ts';
import { resolveLaunchTemplate } from '../launch-template/launch-template.ts';

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
  'DisableApiStop',
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
  if (request.CapacityReservationSpecification?.CapacityReservationTarget) {
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
    'GroupName',
    'GroupId',
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
    Placement: { ...data.Placement, ...given(request.Placement ?? {}) },
  } as RunInstancesRequest;
  return { request: merged, template: { id: template.id, version: String(version) } };
}

/** Where the primary interface goes, and how. */
export interface NetworkRequest {
  readonly subnetId?: string;
  readonly zone?: string;
  readonly groupIds: readonly string[];
  readonly groupNames: readonly string[];
  readonly privateAddress?: string;
  readonly associatePublicAddress?: boolean;
  readonly description?: string;
}

const text = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/** The zone's name, which is what everything else goes by. */
function zoneOfId(region: string, id: string | undefined): string | undefined {
  if (id === undefined || id === '') return undefined;
  const zone = zonesOf(region).find((one) => one.id === id);
  if (!zone) throw invalidZone(id);
  return zone.name;
}

/** Reads the network parameters, which stand either at the instance or at its one interface, never at both. */
export function networkRequest(
  region: string,
  launch: LaunchRequest,
  request: RunInstancesRequest,
): NetworkRequest {
  const interfaces = request.NetworkInterfaces ?? [];
  const zone =
    text(request.Placement?.AvailabilityZone) ?? zoneOfId(region, request.Placement?.AvailabilityZoneId);
  const subnet = launch.subnet;
  if (interfaces.length === 0) {
    const subnetId = subnet ?? text(request.SubnetId);
    const address = text(request.PrivateIpAddress);
    return {
      ...(subnetId !== undefined && { subnetId }),
      ...(zone !== undefined && { zone }),
      groupIds: request.SecurityGroupIds ?? [],
      groupNames: request.SecurityGroups ?? [],
      ...(address !== undefined && { privateAddress: address }),
    };
  }
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
  return fromInterface(interfaces, zone, subnet);
}

function fromInterface(
  interfaces: NonNullable<RunInstancesRequest['NetworkInterfaces']>,
  zone: string | undefined,
  subnet: string | undefined,
): NetworkRequest {
  const [primary, ...others] = interfaces;
  if (!primary || others.length > 0) throw unsupported('more than one network interface at launch');
  if ((primary.DeviceIndex ?? 0) !== 0)
    throw unsupported('a first network interface with a DeviceIndex other than 0');
  refuseParameters('RunInstances, NetworkInterfaces', primary, [
    'NetworkInterfaceId',
    'Ipv6AddressCount',
    'Ipv6Addresses',
    'SecondaryPrivateIpAddressCount',
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
  ]);
  if (primary.InterfaceType !== undefined && primary.InterfaceType !== 'interface') {
    throw unsupported(`the interface type ${primary.InterfaceType}`);
  }
  if (primary.DeleteOnTermination === false)
    throw unsupported('a primary interface that outlives its instance');
  const addresses = primary.PrivateIpAddresses ?? [];
  if (addresses.length > 1) throw unsupported('secondary private addresses at launch');
  const address = text(primary.PrivateIpAddress) ?? text(addresses[0]?.PrivateIpAddress);
  const subnetId = subnet ?? text(primary.SubnetId);
  return {
    ...(subnetId !== undefined && { subnetId }),
    ...(zone !== undefined && { zone }),
    groupIds: primary.Groups ?? [],
    groupNames: [],
    ...(address !== undefined && { privateAddress: address }),
    ...(primary.AssociatePublicIpAddress !== undefined && {
      associatePublicAddress: primary.AssociatePublicIpAddress,
    }),
    ...(primary.Description !== undefined && { description: primary.Description }),
  };
}
