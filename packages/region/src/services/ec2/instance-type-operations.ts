/** What the API says of instance types. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { unsupported } from '../common/errors.ts';
import { applyFilters, type FilterFields } from '../common/filters.ts';
import { zonesOf } from '../common/geography.ts';
import { listingPosition, paginate } from '../common/pagination.ts';
import type { RequestContext } from '../common/service.ts';
import { instanceTypeNotFound } from './compute-errors.ts';
import { invalidNextToken } from './errors.ts';
import { instancesOf } from './instance/power.ts';
import { defaultCredits, type InstanceTypeFacts, instanceTypes } from './instance-types.ts';
import { truth } from './network/selection.ts';
import { instances } from './records.ts';

const isBurstable = (type: InstanceTypeFacts): boolean => type.baselinePercent !== undefined;

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html */
const fields: FilterFields<InstanceTypeFacts> = {
  'auto-recovery-supported': () => 'true',
  'bare-metal': () => 'false',
  'burstable-performance-supported': (type) => truth(isBurstable(type)),
  'current-generation': (type) => truth(type.currentGeneration),
  'free-tier-eligible': (type) => truth(type.freeTier),
  'hibernation-supported': () => 'false',
  hypervisor: (type) => type.hypervisor,
  'instance-storage-supported': () => 'false',
  'instance-type': (type) => type.name,
  'memory-info.size-in-mib': (type) => String(type.memoryMib),
  'network-info.maximum-network-interfaces': (type) => String(type.maximumInterfaces),
  'network-info.network-performance': (type) => type.network,
  'processor-info.supported-architecture': () => 'x86_64',
  'supported-root-device-type': () => 'ebs',
  'supported-usage-class': () => 'on-demand',
  'supported-virtualization-type': () => 'hvm',
  'vcpu-info.default-cores': (type) => String(type.vcpus / type.threadsPerCore),
  'vcpu-info.default-threads-per-core': (type) => String(type.threadsPerCore),
  'vcpu-info.default-vcpus': (type) => String(type.vcpus),
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
  InstanceStorageSupported: false,
  EbsInfo: {
    EbsOptimizedSupport: type.hypervisor === 'xen' ? 'unsupported' : 'default',
    EncryptionSupport: 'supported',
    NvmeSupport: type.hypervisor === 'xen' ? 'unsupported' : 'required',
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
    EnaSupport: type.hypervisor === 'xen' ? 'unsupported' : 'required',
    EfaSupported: false,
    EncryptionInTransitSupported: false,
  },
  PlacementGroupInfo: { SupportedStrategies: [] },
  HibernationSupported: false,
  BurstablePerformanceSupported: isBurstable(type),
  DedicatedHostsSupported: false,
  AutoRecoverySupported: true,
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

export function describeInstanceCreditSpecifications(
  input: ec2.DescribeInstanceCreditSpecificationsRequest,
  context: RequestContext,
): ec2.DescribeInstanceCreditSpecificationsResult {
  if (input.Filters && input.Filters.length > 0) {
    throw unsupported('filters of DescribeInstanceCreditSpecifications');
  }
  const named = input.InstanceIds ?? [];
  const asked = named.length > 0 ? instancesOf(context, named) : context.tx.list(instances, context.region);
  const { items, nextToken } = paginate(context, asked, listingPosition, {
    call: `DescribeInstanceCreditSpecifications ${JSON.stringify(named)}`,
    token: input.NextToken,
    limit: input.MaxResults,
    invalid: invalidNextToken,
  });
  return {
    InstanceCreditSpecifications: items
      .map(({ id, spec }) => ({ InstanceId: id, CpuCredits: defaultCredits(spec.instanceType) }))
      .filter(({ CpuCredits }) => CpuCredits !== undefined),
    NextToken: nextToken,
  };
}
