/** What the API says of instance types. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { unsupported } from '../common/errors.ts';
import { applyFilters, type FilterFields } from '../common/filters.ts';
import { zonesOf } from '../common/geography.ts';
import { paginate } from '../common/pagination.ts';
import type { RequestContext } from '../common/service.ts';
import { instanceTypeNotFound } from './compute-errors.ts';
import { invalidNextToken } from './errors.ts';
import { type InstanceTypeFacts, instanceTypes } from './instance-types.ts';
import { truth } from './selection.ts';

const isBurstable = (type: InstanceTypeFacts): boolean => type.baselinePercent !== undefined;

const totalGb = ({ disks }: InstanceTypeFacts): number | undefined => disks && disks.count * disks.sizeGb;

const text = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : String(value);

/** EBS volumes are NVMe devices to Nitro's types only. */
const nvme = ({ hypervisor }: InstanceTypeFacts): 'required' | 'unsupported' =>
  hypervisor === 'nitro' ? 'required' : 'unsupported';

const ena = ({ name, hypervisor }: InstanceTypeFacts): 'required' | 'supported' | 'unsupported' =>
  hypervisor === 'nitro' ? 'required' : name.startsWith('t2.') ? 'unsupported' : 'supported';

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html */
const fields: FilterFields<InstanceTypeFacts> = {
  // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-configuration-recovery.html: not with instance store.
  'auto-recovery-supported': (type) => truth(!type.disks),
  'bare-metal': () => 'false',
  'burstable-performance-supported': (type) => truth(isBurstable(type)),
  'current-generation': (type) => truth(type.currentGeneration),
  'dedicated-hosts-supported': () => 'false',
  'ebs-info.ebs-optimized-support': (type) => type.ebsOptimized,
  'ebs-info.encryption-support': () => 'supported',
  'ebs-info.nvme-support': nvme,
  'free-tier-eligible': (type) => truth(type.freeTier),
  'hibernation-supported': () => 'false',
  hypervisor: (type) => type.hypervisor,
  'instance-storage-info.disk.count': ({ disks }) => text(disks?.count),
  'instance-storage-info.disk.size-in-gb': ({ disks }) => text(disks?.sizeGb),
  'instance-storage-info.disk.type': ({ disks }) => disks && 'ssd',
  'instance-storage-info.encryption-support': ({ disks }) => disks && 'required',
  'instance-storage-info.nvme-support': ({ disks }) => disks && 'required',
  'instance-storage-info.total-size-in-gb': (type) => text(totalGb(type)),
  'instance-storage-supported': (type) => truth(type.disks !== undefined),
  'instance-type': (type) => type.name,
  'memory-info.size-in-mib': (type) => String(type.memoryMib),
  'network-info.efa-supported': () => 'false',
  'network-info.ena-support': ena,
  'network-info.encryption-in-transit-supported': () => 'false',
  'network-info.ipv4-addresses-per-interface': (type) => String(type.addressesPerInterface),
  'network-info.ipv6-supported': () => 'false',
  'network-info.maximum-network-cards': () => '1',
  'network-info.maximum-network-interfaces': (type) => String(type.maximumInterfaces),
  'network-info.network-performance': (type) => type.network,
  'processor-info.supported-architecture': () => 'x86_64',
  'supported-boot-mode': () => ['legacy-bios', 'uefi'],
  'supported-root-device-type': () => 'ebs',
  'supported-usage-class': () => 'on-demand',
  'supported-virtualization-type': () => 'hvm',
  'vcpu-info.default-cores': (type) => String(type.vcpus / type.threadsPerCore),
  'vcpu-info.default-threads-per-core': (type) => String(type.threadsPerCore),
  'vcpu-info.default-vcpus': (type) => String(type.vcpus),
};

const storage = (type: InstanceTypeFacts): ec2.InstanceStorageInfo | undefined =>
  type.disks && {
    TotalSizeInGB: totalGb(type),
    Disks: [{ Count: type.disks.count, SizeInGB: type.disks.sizeGb, Type: 'ssd' }],
    NvmeSupport: 'required',
    EncryptionSupport: 'required',
  };

const shape = (type: InstanceTypeFacts): ec2.InstanceTypeInfo => ({
  InstanceType: type.name as ec2._InstanceType,
  CurrentGeneration: type.currentGeneration,
  FreeTierEligible: type.freeTier,
  SupportedUsageClasses: ['on-demand'],
  SupportedRootDeviceTypes: ['ebs'],
  SupportedVirtualizationTypes: ['hvm'],
  BareMetal: false,
  Hypervisor: type.hypervisor,
  ProcessorInfo: {
    SupportedArchitectures: ['x86_64'],
    Manufacturer: type.name.startsWith('t3a.') ? 'AMD' : 'Intel',
  },
  VCpuInfo: {
    DefaultVCpus: type.vcpus,
    DefaultCores: type.vcpus / type.threadsPerCore,
    DefaultThreadsPerCore: type.threadsPerCore,
  },
  MemoryInfo: { SizeInMiB: type.memoryMib },
  InstanceStorageSupported: type.disks !== undefined,
  InstanceStorageInfo: storage(type),
  EbsInfo: {
    EbsOptimizedSupport: type.ebsOptimized,
    EncryptionSupport: 'supported',
    NvmeSupport: nvme(type),
  },
  NetworkInfo: {
    NetworkPerformance: type.network,
    MaximumNetworkInterfaces: type.maximumInterfaces,
    MaximumNetworkCards: 1,
    DefaultNetworkCardIndex: 0,
    NetworkCards: [
      {
        NetworkCardIndex: 0,
        NetworkPerformance: type.network,
        MaximumNetworkInterfaces: type.maximumInterfaces,
      },
    ],
    Ipv4AddressesPerInterface: type.addressesPerInterface,
    Ipv6AddressesPerInterface: 0,
    Ipv6Supported: false,
    EnaSupport: ena(type),
    EfaSupported: false,
    EncryptionInTransitSupported: false,
  },
  PlacementGroupInfo: { SupportedStrategies: ['spread'] },
  HibernationSupported: false,
  BurstablePerformanceSupported: isBurstable(type),
  DedicatedHostsSupported: false,
  AutoRecoverySupported: !type.disks,
  SupportedBootModes: ['legacy-bios', 'uefi'],
});

export function describeInstanceTypes(
  input: ec2.DescribeInstanceTypesRequest,
  context: RequestContext,
): ec2.DescribeInstanceTypesResult {
  const named = input.InstanceTypes ?? [];
  const lost = named.filter((name) => !instanceTypes.has(name));
  if (lost.length > 0) throw instanceTypeNotFound(lost);
  const all = [...instanceTypes.values()].filter(
    (type) => named.length === 0 || named.some((name) => name === type.name),
  );
  const { items, nextToken } = paginate(
    context,
    applyFilters(all, input.Filters, fields),
    (type) => type.name,
    {
      call: `DescribeInstanceTypes ${JSON.stringify([input.InstanceTypes, input.Filters])}`,
      token: input.NextToken,
      limit: input.MaxResults,
      invalid: invalidNextToken,
    },
  );
  return { InstanceTypes: items.map(shape), NextToken: nextToken };
}

interface Offering {
  readonly type: string;
  readonly location: string;
}

/** Every type is offered everywhere. */
export function describeInstanceTypeOfferings(
  input: ec2.DescribeInstanceTypeOfferingsRequest,
  context: RequestContext,
): ec2.DescribeInstanceTypeOfferingsResult {
  const kind = input.LocationType ?? 'region';
  const zones = zonesOf(context.region);
  const locations: Record<string, string[]> = {
    region: [context.region],
    'availability-zone': zones.map((zone) => zone.name),
    'availability-zone-id': zones.map((zone) => zone.id),
  };
  const offered = locations[kind];
  if (!offered) throw unsupported(`the location type ${kind}`);
  const all: Offering[] = offered.flatMap((location) =>
    [...instanceTypes.keys()].map((type) => ({ type, location })),
  );
  const matching = applyFilters(all, input.Filters, {
    'instance-type': ({ type }) => type,
    location: ({ location }) => location,
  });
  const { items, nextToken } = paginate(context, matching, ({ type, location }) => `${location}/${type}`, {
    call: `DescribeInstanceTypeOfferings ${kind} ${JSON.stringify(input.Filters)}`,
    token: input.NextToken,
    limit: input.MaxResults,
    invalid: invalidNextToken,
  });
  return {
    InstanceTypeOfferings: items.map(({ type, location }) => ({
      InstanceType: type as ec2._InstanceType,
      LocationType: kind,
      Location: location,
    })),
    NextToken: nextToken,
  };
}
