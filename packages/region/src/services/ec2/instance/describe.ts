/** DescribeInstances and DescribeInstanceStatus. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { applyFilters, type FilterFields } from '../../common/filters.ts';
import { zoneNamed } from '../../common/geography.ts';
import { listingPosition, type Page, paginate } from '../../common/pagination.ts';
import type { RequestContext, Scope } from '../../common/service.ts';
import { invalidNextToken, invalidParameterCombination, invalidParameterValue } from '../errors.ts';
import { privateDnsName, publicDnsName } from '../network/dns-name.ts';
import { publicMapping, publicMappings } from '../network/public-mapping.ts';
import { type Instance, instances, type NetworkInterface } from '../records.ts';
import type { VolumeAttachmentRecord } from '../volume/volume.ts';
import { instancesOf } from './power.ts';
import { diskStatus, type Surroundings, shapeReservations, stateReason, surroundings } from './shape.ts';
import { shownState, stateCodes, stateOf } from './state.ts';

/** Interfaces of an instance that is still there. */
const attachedTo = (around: Surroundings, instance: Instance): readonly NetworkInterface[] =>
  stateOf(instance) === 'terminated' ? [] : (around.attached.get(instance.id) ?? []);

/** A filter that AWS has and by which nothing is found here. */
const nothing = (): undefined => undefined;

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html */
function filterFields(around: Surroundings): FilterFields<Instance> {
  const interfaceValue =
    (pick: (one: NetworkInterface) => string | readonly string[] | undefined) =>
    (instance: Instance): string[] =>
      attachedTo(around, instance).flatMap((one) => pick(one) ?? []);
  const publicAddresses = (one: NetworkInterface): string[] =>
    publicMappings(one.spec).map((mapping) => mapping.publicAddress);
  const primary =
    (pick: (one: NetworkInterface) => string | undefined) =>
    (instance: Instance): string | undefined => {
      const one = attachedTo(around, instance)[0];
      return one && pick(one);
    };
  const groupIds = interfaceValue((one) => one.spec.securityGroupIds);
  const groupNames = interfaceValue((one) =>
    one.spec.securityGroupIds.map((id) => around.groupNames.get(id) ?? ''),
  );
  const disks =
    (value: (disk: VolumeAttachmentRecord) => string) =>
    (instance: Instance): string[] =>
      stateOf(instance) === 'terminated' ? [] : (around.disks.get(instance.id) ?? []).map(value);
  const here = (value: (instance: Instance) => string) => (instance: Instance) =>
    stateOf(instance) === 'terminated' ? undefined : value(instance);
  return {
    architecture: ({ spec }) => around.architectures.get(spec.layers[0] ?? '') ?? 'x86_64',
    'availability-zone': ({ spec }) => spec.zone,
    'availability-zone-id': ({ spec, region }) => zoneNamed(region, spec.zone)?.id,
    'block-device-mapping.attach-time': disks(({ spec }) => new Date(spec.attachedAt).toISOString()),
    'block-device-mapping.device-name': disks(({ spec }) => spec.device),
    'block-device-mapping.delete-on-termination': disks(({ spec }) => String(spec.deleteOnTermination)),
    'block-device-mapping.status': disks(diskStatus),
    'block-device-mapping.volume-id': disks(({ id }) => id),
    'client-token': ({ spec }) => spec.clientToken,
    'dns-name': primary((one) => {
      const address = publicMapping(one.spec)?.publicAddress;
      const named = around.vpcs.get(one.spec.vpcId)?.spec.enableDnsHostnames;
      return address !== undefined && named ? publicDnsName(around.region, address) : undefined;
    }),
    'ebs-optimized': ({ spec }) => String(spec.ebsOptimized ?? false),
    'ena-support': () => 'true',
    'enclave-options.enabled': () => 'false',
    'group-id': groupIds,
    'group-name': groupNames,
    'hibernation-options.configured': () => 'false',
    'host-id': nothing,
    hypervisor: () => 'xen',
    'iam-instance-profile.arn': nothing,
    'image-id': ({ spec }) => spec.imageId,
    'instance-id': ({ id }) => id,
    'instance-lifecycle': nothing,
    'instance-state-code': (instance) => String(stateCodes[stateOf(instance)]),
    'instance-state-name': (instance) => stateOf(instance),
    'instance-type': ({ spec }) => spec.instanceType,
    'instance.group-id': groupIds,
    'instance.group-name': groupNames,
    'ip-address': interfaceValue(publicAddresses),
    'ipv6-address': nothing,
    'key-name': ({ spec }) => spec.keyName,
    'launch-index': ({ spec }) => String(spec.launchIndex),
    'launch-time': ({ spec }) => new Date(spec.launchedAt).toISOString(),
    'maintenance-options.auto-recovery': ({ spec }) => spec.autoRecovery ?? 'default',
    'metadata-options.http-endpoint': ({ spec }) => spec.metadataOptions.endpoint,
    'metadata-options.http-put-response-hop-limit': ({ spec }) => String(spec.metadataOptions.hopLimit),
    'metadata-options.http-tokens': ({ spec }) => spec.metadataOptions.tokens,
    'metadata-options.instance-metadata-tags': ({ spec }) => spec.metadataOptions.instanceTags,
    'monitoring-state': ({ spec }) => (spec.monitoring ? 'enabled' : 'disabled'),
    'network-interface.addresses.association.public-ip': interfaceValue(publicAddresses),
    'network-interface.addresses.private-ip-address': interfaceValue((one) => [
      one.spec.privateAddress,
      ...one.spec.secondaryAddresses,
    ]),
    'network-interface.association.public-ip': interfaceValue(publicAddresses),
    'network-interface.attachment.attachment-id': interfaceValue((one) => one.spec.attachment?.attachmentId),
    'network-interface.group-id': groupIds,
    'network-interface.group-name': groupNames,
    'network-interface.mac-address': interfaceValue((one) => one.spec.macAddress),
    'network-interface.network-interface-id': interfaceValue((one) => one.id),
    'network-interface.private-dns-name': interfaceValue((one) =>
      privateDnsName(around.region, one.spec.privateAddress),
    ),
    'network-interface.subnet-id': interfaceValue((one) => one.spec.subnetId),
    'network-interface.vpc-id': interfaceValue((one) => one.spec.vpcId),
    'owner-id': () => around.accountId,
    'placement-group-name': ({ spec }) => around.placementGroupNames.get(spec.placementGroupId ?? ''),
    'placement-partition-number': nothing,
    platform: nothing,
    'platform-details': () => 'Linux/UNIX',
    'private-dns-name': primary((one) => privateDnsName(around.region, one.spec.privateAddress)),
    'private-dns-name-options.hostname-type': () => 'ip-name',
    'private-ip-address': interfaceValue((one) => [one.spec.privateAddress, ...one.spec.secondaryAddresses]),
    'product-code': nothing,
    reason: ({ spec }) => spec.stateTransitionReason,
    'reservation-id': ({ spec }) => spec.reservationId,
    'root-device-name': ({ spec }) => spec.rootDevice,
    'root-device-type': () => 'ebs',
    'source-dest-check': interfaceValue((one) => String(one.spec.sourceDestCheck)),
    'spot-instance-request-id': nothing,
    'state-reason-code': (instance) => stateReason(instance)?.code,
    'state-reason-message': (instance) => stateReason(instance)?.message,
    'subnet-id': here(({ spec }) => spec.subnetId),
    tenancy: () => 'default',
    'usage-operation': () => 'RunInstances',
    'virtualization-type': () => 'hvm',
    'vpc-id': here(({ spec }) => spec.vpcId),
  };
}

interface PageInput {
  readonly InstanceIds?: string[] | undefined;
  readonly MaxResults?: number | undefined;
  readonly NextToken?: string | undefined;
}

/** A page limit and a list of ids exclude each other, for instances alone. */
function page(context: Scope, call: string, input: PageInput, found: readonly Instance[]): Page<Instance> {
  const limit = input.MaxResults;
  if (limit !== undefined && input.InstanceIds && input.InstanceIds.length > 0) {
    throw invalidParameterCombination(
      'The parameter instancesSet cannot be used with the parameter maxResults',
    );
  }
  if (limit !== undefined && (limit < 5 || limit > 1000)) {
    throw invalidParameterValue(
      `Value ( ${limit} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.`,
    );
  }
  const { MaxResults: _, NextToken: token, ...selection } = input;
  if (limit === undefined && (token === undefined || token === '')) return { items: [...found] };
  return paginate(context, found, listingPosition, {
    call: `${call} ${JSON.stringify(selection)}`,
    token,
    limit,
    invalid: invalidNextToken,
  });
}

const selected = (context: Scope, ids: readonly string[] | undefined): readonly Instance[] =>
  ids && ids.length > 0 ? instancesOf(context, ids) : context.tx.list(instances, context.region);

export function describeInstances(
  input: ec2.DescribeInstancesRequest,
  context: RequestContext,
): ec2.DescribeInstancesResult {
  const around = surroundings(context);
  const matching = applyFilters(
    selected(context, input.InstanceIds),
    input.Filters,
    filterFields(around),
    (instance) => instance.tags,
  );
  const { items, nextToken } = page(context, 'DescribeInstances', input, matching);
  return { Reservations: shapeReservations(items, around), NextToken: nextToken };
}

type Check = Instance['status']['checks']['system'];

/** What one of the two checks says, as a filter and as the API shows it. */
const reachability = (
  check: Check,
): 'passed' | 'failed' | 'initializing' | 'insufficient-data' | undefined =>
  check === 'ok'
    ? 'passed'
    : check === 'impaired'
      ? 'failed'
      : check === 'not-applicable'
        ? undefined
        : check;

/** There are no scheduled events: what asks for some finds nothing. */
const statusFields: FilterFields<Instance> = {
  'availability-zone': ({ spec }) => spec.zone,
  'availability-zone-id': ({ spec, region }) => zoneNamed(region, spec.zone)?.id,
  'event.code': nothing,
  'event.description': nothing,
  'event.instance-event-id': nothing,
  'event.not-after': nothing,
  'event.not-before': nothing,
  'event.not-before-deadline': nothing,
  'instance-state-code': (instance) => String(stateCodes[stateOf(instance)]),
  'instance-state-name': (instance) => stateOf(instance),
  'instance-status.reachability': ({ status }) => reachability(status.checks.instance),
  'instance-status.status': ({ status }) => status.checks.instance,
  'system-status.reachability': ({ status }) => reachability(status.checks.system),
  'system-status.status': ({ status }) => status.checks.system,
};

function summary(check: Check, impairedSince: number | undefined): ec2.InstanceStatusSummary {
  const details = reachability(check);
  if (details === undefined) return { Status: check, Details: [] };
  const since = check === 'impaired' && impairedSince !== undefined ? new Date(impairedSince) : undefined;
  return { Status: check, Details: [{ Name: 'reachability', Status: details, ImpairedSince: since }] };
}

/** Only running instances have checks. Between a call that ends one and its loop, the old checks are no longer shown. */
function shapeStatus(instance: Instance): ec2.InstanceStatus {
  const { id, spec, status } = instance;
  const state = stateOf(instance);
  const running = state === 'running' || state === 'pending';
  const { system, instance: own, systemImpairedSince, instanceImpairedSince } = status.checks;
  return {
    InstanceId: id,
    AvailabilityZone: spec.zone,
    AvailabilityZoneId: zoneNamed(instance.region, spec.zone)?.id,
    Events: [],
    InstanceState: shownState(state),
    SystemStatus: summary(running ? system : 'not-applicable', systemImpairedSince),
    InstanceStatus: summary(running ? own : 'not-applicable', instanceImpairedSince),
  };
}

export function describeInstanceStatus(
  input: ec2.DescribeInstanceStatusRequest,
  context: RequestContext,
): ec2.DescribeInstanceStatusResult {
  const shown = selected(context, input.InstanceIds).filter(
    (instance) => input.IncludeAllInstances || stateOf(instance) === 'running',
  );
  const matching = applyFilters(shown, input.Filters, statusFields, (instance) => instance.tags);
  const { items, nextToken } = page(context, 'DescribeInstanceStatus', input, matching);
  return { InstanceStatuses: items.map(shapeStatus), NextToken: nextToken };
}
