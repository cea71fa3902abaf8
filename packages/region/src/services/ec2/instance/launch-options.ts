/** What a launch says of how its instances behave, checked and put into their records' terms. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { unsupported } from '../../common/errors.ts';
import { ebsOptimizationUnsupported } from '../compute-errors.ts';
import { invalidParameterValue } from '../errors.ts';
import { defaultCredits, instanceTypes } from '../instance-types.ts';
import type { InstanceSpec } from '../records.ts';

/** Metadata options as asked for; what is left out is AWS's default, which serves both versions of the metadata service. */
function metadataOptions(
  options: ec2.RunInstancesRequest['MetadataOptions'],
): InstanceSpec['metadataOptions'] {
  if (options?.HttpProtocolIpv6 === 'enabled') throw unsupported('the metadata service over IPv6');
  return {
    endpoint: options?.HttpEndpoint ?? 'enabled',
    tokens: options?.HttpTokens ?? 'optional',
    hopLimit: checkHopLimit(options?.HttpPutResponseHopLimit ?? 1),
    instanceTags: options?.InstanceMetadataTags ?? 'disabled',
  };
}

export function checkHopLimit(hopLimit: number): number {
  if (hopLimit >= 1 && hopLimit <= 64) return hopLimit;
  throw invalidParameterValue(`Value (${hopLimit}) for parameter HttpPutResponseHopLimit is invalid.`);
}

export type Credits = 'standard' | 'unlimited';

/** The credits that an instance has: what it was given, or what its type has by itself. None for types of fixed performance. */
export const creditsOf = ({
  instanceType,
  cpuCredits,
}: Pick<InstanceSpec, 'instanceType' | 'cpuCredits'>): Credits | undefined => {
  const usual = defaultCredits(instanceType);
  return usual && (cpuCredits ?? usual);
};

/**
 * Credits are not counted: an instance may always use its vCPUs whole, which is what `unlimited` says. `standard` can be
 * had only where it is the type's own default, as which nobody counts on being slowed down.
 */
export function checkCredits(type: string, credits: string | undefined): Credits | undefined {
  if (credits === undefined || credits === '') return undefined;
  const usual = defaultCredits(type);
  if (usual === undefined) {
    throw invalidParameterValue(
      `The instance type '${type}' does not support CPU credits: only burstable performance instances have them.`,
    );
  }
  if (credits !== 'standard' && credits !== 'unlimited') {
    throw invalidParameterValue(`Invalid value '${credits}' for CpuCredits.`);
  }
  if (credits === 'standard' && usual !== 'standard') {
    throw unsupported(`the CPU credits 'standard' for ${type}: instances are not slowed down`);
  }
  return credits;
}

/** Every type that can be optimized for EBS is so without being asked; that it was asked for is shown. */
export function checkEbsOptimized(type: string, wanted: boolean): boolean {
  if (wanted && instanceTypes.get(type)?.ebsOptimized === 'unsupported') throw ebsOptimizationUnsupported();
  return wanted;
}

export const checkShutdownBehavior = (behavior: string): 'stop' | 'terminate' => {
  if (behavior === 'stop' || behavior === 'terminate') return behavior;
  throw invalidParameterValue(
    `Value (${behavior}) for parameter instanceInitiatedShutdownBehavior is invalid. Unknown value.`,
  );
};

export type LaunchOptions = Pick<
  InstanceSpec,
  | 'monitoring'
  | 'shutdownBehavior'
  | 'disableApiTermination'
  | 'disableApiStop'
  | 'metadataOptions'
  | 'ebsOptimized'
  | 'cpuCredits'
  | 'autoRecovery'
  | 'capacityReservations'
>;

export function launchOptions(request: ec2.RunInstancesRequest, instanceType: string): LaunchOptions {
  const credits = checkCredits(instanceType, request.CreditSpecification?.CpuCredits);
  const autoRecovery = request.MaintenanceOptions?.AutoRecovery;
  const reservations = request.CapacityReservationSpecification?.CapacityReservationPreference;
  return {
    monitoring: request.Monitoring?.Enabled ?? false,
    shutdownBehavior: checkShutdownBehavior(request.InstanceInitiatedShutdownBehavior || 'stop'),
    disableApiTermination: request.DisableApiTermination ?? false,
    disableApiStop: request.DisableApiStop ?? false,
    ebsOptimized: checkEbsOptimized(instanceType, request.EbsOptimized ?? false),
    metadataOptions: metadataOptions(request.MetadataOptions),
    ...(credits && { cpuCredits: credits }),
    ...(autoRecovery && { autoRecovery }),
    ...(reservations === 'none' && { capacityReservations: 'none' }),
  };
}
