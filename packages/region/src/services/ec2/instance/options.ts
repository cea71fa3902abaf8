/** What of an instance has calls of its own: metadata options, monitoring, maintenance, placement, CPU credits. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, refuseParameters, unsupported } from '../../common/errors.ts';
import { applyFilters } from '../../common/filters.ts';
import { onceByToken } from '../../common/idempotency.ts';
import { listingPosition, paginate } from '../../common/pagination.ts';
import type { Operation, RequestContext } from '../../common/service.ts';
import { incorrectInstanceState } from '../compute-errors.ts';
import {
  idempotentParameterMismatch,
  invalidNextToken,
  invalidParameterValue,
  missingParameter,
  required,
} from '../errors.ts';
import { requestedPlacementGroup } from '../placement-group/placement-group.ts';
import { type InstanceSpec, instances } from '../records.ts';
import { checkCredits, checkHopLimit, creditsOf } from './launch-options.ts';
import { instanceOf, instancesOf } from './power.ts';
import { shapeInstance, surroundings } from './shape.ts';
import { stateOf } from './state.ts';

function modifyInstanceMetadataOptions(
  input: ec2.ModifyInstanceMetadataOptionsRequest,
  context: RequestContext,
): ec2.ModifyInstanceMetadataOptionsResult {
  if (input.HttpProtocolIpv6 === 'enabled') throw unsupported('the metadata service over IPv6');
  const instance = instanceOf(context, input.InstanceId);
  const { metadataOptions: before } = instance.spec;
  const after = context.tx.update(instance, {
    spec: {
      ...instance.spec,
      metadataOptions: {
        endpoint: input.HttpEndpoint ?? before.endpoint,
        tokens: input.HttpTokens ?? before.tokens,
        hopLimit: checkHopLimit(input.HttpPutResponseHopLimit ?? before.hopLimit),
        instanceTags: input.InstanceMetadataTags ?? before.instanceTags,
      },
    },
  });
  const { MetadataOptions: shown } = shapeInstance(after, surroundings(context));
  return { InstanceId: instance.id, InstanceMetadataOptions: { ...shown, State: 'pending' } };
}

function setMonitoring(
  context: RequestContext,
  ids: string[] | undefined,
  monitoring: boolean,
): ec2.InstanceMonitoring[] {
  return instancesOf(context, ids).map((instance) => {
    context.tx.update(instance, { spec: { ...instance.spec, monitoring } });
    return { InstanceId: instance.id, Monitoring: { State: monitoring ? 'pending' : 'disabling' } };
  });
}

const monitorInstances = (
  input: ec2.MonitorInstancesRequest,
  context: RequestContext,
): ec2.MonitorInstancesResult => ({ InstanceMonitorings: setMonitoring(context, input.InstanceIds, true) });

const unmonitorInstances = (
  input: ec2.UnmonitorInstancesRequest,
  context: RequestContext,
): ec2.UnmonitorInstancesResult => ({
  InstanceMonitorings: setMonitoring(context, input.InstanceIds, false),
});

/** Whether the instance is recovered by itself. There are no scheduled reboots that could migrate it. */
function modifyInstanceMaintenanceOptions(
  input: ec2.ModifyInstanceMaintenanceOptionsRequest,
  context: RequestContext,
): ec2.ModifyInstanceMaintenanceOptionsResult {
  const { AutoRecovery: wanted, RebootMigration: migration } = input;
  if (migration !== undefined && migration !== 'default') {
    throw unsupported(`the RebootMigration '${migration}': there are no scheduled reboots`);
  }
  if (wanted === undefined && migration === undefined) throw missingParameter('AutoRecovery');
  const instance = instanceOf(context, input.InstanceId);
  const autoRecovery = wanted ?? instance.spec.autoRecovery ?? 'default';
  context.tx.update(instance, { spec: { ...instance.spec, autoRecovery } });
  return { InstanceId: instance.id, AutoRecovery: autoRecovery, RebootMigration: 'default' };
}

/** Into a placement group, out of it with an empty name. It counts from the next start on, which finds the host. */
function modifyInstancePlacement(
  input: ec2.ModifyInstancePlacementRequest,
  context: RequestContext,
): ec2.ModifyInstancePlacementResult {
  refuseParameters('ModifyInstancePlacement', input, [
    'Affinity',
    'HostId',
    'HostResourceGroupArn',
    'PartitionNumber',
  ]);
  if (input.Tenancy !== undefined && (input.Tenancy as string) !== 'default') {
    throw unsupported(`the tenancy ${input.Tenancy}`);
  }
  const instance = instanceOf(context, input.InstanceId);
  if (input.GroupName === undefined && input.GroupId === undefined && input.Tenancy === undefined) {
    throw missingParameter('GroupName or GroupId');
  }
  if (stateOf(instance) !== 'stopped') {
    throw incorrectInstanceState(
      `The instance '${instance.id}' is not in the 'stopped' state. Its placement can be changed only while it is stopped.`,
    );
  }
  if (input.GroupName !== undefined || input.GroupId !== undefined) {
    const group = requestedPlacementGroup(context, input);
    const { placementGroupId: _, ...spec } = instance.spec;
    context.tx.update(instance, { spec: { ...spec, ...(group && { placementGroupId: group.id }) } });
  }
  return { Return: true };
}

function describeInstanceCreditSpecifications(
  input: ec2.DescribeInstanceCreditSpecificationsRequest,
  context: RequestContext,
): ec2.DescribeInstanceCreditSpecificationsResult {
  const named = input.InstanceIds ?? [];
  const asked = named.length > 0 ? instancesOf(context, named) : context.tx.list(instances, context.region);
  const burstable = applyFilters(asked, input.Filters, { 'instance-id': ({ id }) => id }).filter(
    (instance) => creditsOf(instance.spec) !== undefined && stateOf(instance) !== 'terminated',
  );
  const { items, nextToken } = paginate(context, burstable, listingPosition, {
    call: `DescribeInstanceCreditSpecifications ${JSON.stringify([named, input.Filters])}`,
    token: input.NextToken,
    limit: input.MaxResults,
    invalid: invalidNextToken,
  });
  return {
    InstanceCreditSpecifications: items.map(({ id, spec }) => ({
      InstanceId: id,
      CpuCredits: creditsOf(spec),
    })),
    NextToken: nextToken,
  };
}

/** Each instance by itself: what cannot be done for one is said of it, and does not keep the others from theirs. */
function modifyInstanceCreditSpecification(
  input: ec2.ModifyInstanceCreditSpecificationRequest,
  context: RequestContext,
): ec2.ModifyInstanceCreditSpecificationResult {
  const asked = required(input.InstanceCreditSpecifications, 'InstanceCreditSpecification');
  if (asked.length === 0) throw missingParameter('InstanceCreditSpecification');
  const failures: ec2.UnsuccessfulInstanceCreditSpecificationItem[] = [];
  const change = ({
    InstanceId: id,
    CpuCredits: credits,
  }: ec2.InstanceCreditSpecificationRequest): string[] => {
    try {
      const instance = instanceOf(context, id);
      const cpuCredits = checkCredits(instance.spec.instanceType, required(credits, 'CpuCredits'));
      const spec: InstanceSpec = { ...instance.spec, ...(cpuCredits && { cpuCredits }) };
      context.tx.update(instance, { spec });
      return [instance.id];
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      failures.push({ InstanceId: id, Error: creditFailure(error) });
      return [];
    }
  };
  const request = {
    call: 'ModifyInstanceCreditSpecification',
    token: input.ClientToken,
    input,
    mismatch: idempotentParameterMismatch,
  };
  const done = onceByToken(context, request, () => asked.flatMap(change));
  return {
    SuccessfulInstanceCreditSpecifications: done.map((InstanceId) => ({ InstanceId })),
    UnsuccessfulInstanceCreditSpecifications: failures,
  };
}

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UnsuccessfulInstanceCreditSpecificationItemError.html */
function creditFailure({ code, message }: AwsError): ec2.UnsuccessfulInstanceCreditSpecificationItemError {
  const codes: Record<string, ec2.UnsuccessfulInstanceCreditSpecificationErrorCode> = {
    'InvalidInstanceID.Malformed': 'InvalidInstanceID.Malformed',
    'InvalidInstanceID.NotFound': 'InvalidInstanceID.NotFound',
  };
  return { Code: codes[code] ?? 'InstanceCreditSpecification.NotSupported', Message: message };
}

const REASONS = new Set([
  'instance-stuck-in-state',
  'unresponsive',
  'not-accepting-credentials',
  'password-not-available',
  'performance-network',
  'performance-instance-store',
  'performance-ebs-volume',
  'performance-other',
  'other',
]);

/**
 * A report to AWS's operators, which by AWS's own words changes nothing of what DescribeInstanceStatus says. There are no
 * operators here, so that it is checked and no more.
 */
function reportInstanceStatus(input: ec2.ReportInstanceStatusRequest, context: RequestContext): object {
  instancesOf(context, input.Instances);
  const status = required(input.Status, 'Status');
  if (status !== 'ok' && status !== 'impaired') {
    throw invalidParameterValue(`Value (${status}) for parameter status is invalid.`);
  }
  const reasons = required(input.ReasonCodes, 'ReasonCodes');
  if (reasons.length === 0) throw missingParameter('ReasonCodes');
  const unknown = reasons.find((reason) => !REASONS.has(reason));
  if (unknown !== undefined) {
    throw invalidParameterValue(`Value (${unknown}) for parameter reasonCode is invalid.`);
  }
  return {};
}

export const instanceOptionOperations: Readonly<Record<string, Operation>> = {
  DescribeInstanceCreditSpecifications: describeInstanceCreditSpecifications,
  ModifyInstanceCreditSpecification: modifyInstanceCreditSpecification,
  ModifyInstanceMaintenanceOptions: modifyInstanceMaintenanceOptions,
  ModifyInstanceMetadataOptions: modifyInstanceMetadataOptions,
  ModifyInstancePlacement: modifyInstancePlacement,
  MonitorInstances: monitorInstances,
  ReportInstanceStatus: reportInstanceStatus,
  UnmonitorInstances: unmonitorInstances,
};
