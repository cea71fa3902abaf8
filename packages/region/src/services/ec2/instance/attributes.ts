/** Single attributes of an instance: read, and changed. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { refuseParameters, unsupported } from '../../common/errors.ts';
import type { RequestContext } from '../../common/service.ts';
import { incorrectInstanceState } from '../compute-errors.ts';
import { invalidParameterCombination, invalidParameterValue, required } from '../errors.ts';
import { ROOT_DEVICE } from '../image/image.ts';
import { interfacesOfEndpoint, resolveSecurityGroups } from '../network/index.ts';
import { type Instance, type InstanceSpec, networkInterfaces } from '../records.ts';
import { checkInstanceType, checkUserData } from './launch.ts';
import { instanceOf, instancesOf } from './power.ts';
import { shapeInstance, surroundings } from './shape.ts';
import { stateOf } from './state.ts';

export function describeInstanceAttribute(
  input: ec2.DescribeInstanceAttributeRequest,
  context: RequestContext,
): ec2.InstanceAttribute {
  const instance = instanceOf(context, input.InstanceId);
  const { spec } = instance;
  const shown = (): ec2.Instance => shapeInstance(instance, surroundings(context));
  const values: Record<string, () => Partial<ec2.InstanceAttribute>> = {
    blockDeviceMapping: () => ({ BlockDeviceMappings: shown().BlockDeviceMappings }),
    disableApiStop: () => ({ DisableApiStop: { Value: false } }),
    disableApiTermination: () => ({ DisableApiTermination: { Value: spec.disableApiTermination } }),
    ebsOptimized: () => ({ EbsOptimized: { Value: false } }),
    enaSupport: () => ({ EnaSupport: { Value: true } }),
    enclaveOptions: () => ({ EnclaveOptions: { Enabled: false } }),
    groupSet: () => ({ Groups: shown().SecurityGroups }),
    instanceInitiatedShutdownBehavior: () => ({
      InstanceInitiatedShutdownBehavior: { Value: spec.shutdownBehavior },
    }),
    instanceType: () => ({ InstanceType: { Value: spec.instanceType } }),
    kernel: () => ({ KernelId: {} }),
    productCodes: () => ({ ProductCodes: [] }),
    ramdisk: () => ({ RamdiskId: {} }),
    rootDeviceName: () => ({ RootDeviceName: { Value: ROOT_DEVICE } }),
    sourceDestCheck: () => ({ SourceDestCheck: { Value: shown().SourceDestCheck } }),
    sriovNetSupport: () => ({ SriovNetSupport: {} }),
    userData: () => ({ UserData: spec.userData ? { Value: spec.userData } : {} }),
  };
  const name = required(input.Attribute, 'Attribute');
  const value = Object.hasOwn(values, name) ? values[name] : undefined;
  if (!value)
    throw invalidParameterValue(`Value (${name}) for parameter attribute is invalid. Unknown attribute.`);
  return { InstanceId: instance.id, ...value() };
}

/** The older way to say it: an attribute's name, and a value as text. */
function byName(input: ec2.ModifyInstanceAttributeRequest): ec2.ModifyInstanceAttributeRequest {
  const { Attribute: name, Value: text, ...rest } = input;
  if (name === undefined) return input;
  const Value = required(text, 'Value');
  const truth = { Value: Value === 'true' };
  switch (name) {
    case 'instanceType':
      return { ...rest, InstanceType: { Value } };
    case 'instanceInitiatedShutdownBehavior':
      return { ...rest, InstanceInitiatedShutdownBehavior: { Value } };
    case 'disableApiTermination':
      return { ...rest, DisableApiTermination: truth };
    case 'sourceDestCheck':
      return { ...rest, SourceDestCheck: truth };
    case 'userData':
      return { ...rest, UserData: { Value: Buffer.from(Value, 'base64') } };
    default:
      throw unsupported(`the attribute ${name} of ModifyInstanceAttribute`);
  }
}

function whileStopped(instance: Instance, attribute: string): void {
  if (stateOf(instance) === 'stopped') return;
  throw incorrectInstanceState(
    `The instance '${instance.id}' is not in the 'stopped' state. Its ${attribute} can be changed only while it is stopped.`,
  );
}

export function modifyInstanceAttribute(
  given: ec2.ModifyInstanceAttributeRequest,
  context: RequestContext,
): object {
  const input = byName(given);
  refuseParameters('ModifyInstanceAttribute', input, [
    'BlockDeviceMappings',
    'DisableApiStop',
    'EbsOptimized',
    'EnaSupport',
    'EnclaveOptions',
    'Kernel',
    'Ramdisk',
    'SriovNetSupport',
  ]);
  const instance = instanceOf(context, input.InstanceId);
  const changes = specChanges(input, instance);
  const groups = input.Groups && input.Groups.length > 0;
  const count = Object.keys(changes).length + (groups ? 1 : 0) + (input.SourceDestCheck ? 1 : 0);
  if (count === 0) throw invalidParameterCombination('No attributes specified.');
  if (count > 1) {
    throw invalidParameterCombination('Fields for multiple attribute types specified.');
  }
  if (Object.keys(changes).length > 0) {
    context.tx.update(instance, { spec: { ...instance.spec, ...changes } });
  }
  changeInterface(input, instance, context);
  return {};
}

function specChanges(input: ec2.ModifyInstanceAttributeRequest, instance: Instance): Partial<InstanceSpec> {
  const changes: { -readonly [Name in keyof InstanceSpec]?: InstanceSpec[Name] } = {};
  const type = input.InstanceType?.Value;
  if (type !== undefined) {
    whileStopped(instance, 'instanceType');
    changes.instanceType = checkInstanceType(type);
  }
  if (input.UserData) {
    whileStopped(instance, 'userData');
    // Empty user data take the old away.
    changes.userData = checkUserData(Buffer.from(input.UserData.Value ?? []).toString('base64')) ?? '';
  }
  const behavior = input.InstanceInitiatedShutdownBehavior?.Value;
  if (behavior !== undefined) {
    if (behavior !== 'stop' && behavior !== 'terminate') {
      throw invalidParameterValue(
        `Value (${behavior}) for parameter instanceInitiatedShutdownBehavior is invalid. Unknown value.`,
      );
    }
    changes.shutdownBehavior = behavior;
  }
  const protection = input.DisableApiTermination?.Value;
  if (protection !== undefined) changes.disableApiTermination = protection;
  return changes;
}

/** Security groups and the source/destination check belong to the primary interface. */
function changeInterface(
  input: ec2.ModifyInstanceAttributeRequest,
  instance: Instance,
  context: RequestContext,
): void {
  const { tx, region } = context;
  const primary = interfacesOfEndpoint(tx, region, instance.id)[0];
  const current = primary && tx.get(networkInterfaces, region, primary.id);
  if (!current) return;
  if (input.Groups && input.Groups.length > 0) {
    const securityGroupIds = resolveSecurityGroups(context, instance.spec.vpcId, input.Groups);
    tx.update(current, { spec: { ...current.spec, securityGroupIds } });
  }
  const check = input.SourceDestCheck?.Value;
  if (check !== undefined) tx.update(current, { spec: { ...current.spec, sourceDestCheck: check } });
}

export function modifyInstanceMetadataOptions(
  input: ec2.ModifyInstanceMetadataOptionsRequest,
  context: RequestContext,
): ec2.ModifyInstanceMetadataOptionsResult {
  if (input.HttpProtocolIpv6 === 'enabled') throw unsupported('the metadata service over IPv6');
  const instance = instanceOf(context, input.InstanceId);
  const { metadataOptions: before } = instance.spec;
  const hopLimit = input.HttpPutResponseHopLimit ?? before.hopLimit;
  if (hopLimit < 1 || hopLimit > 64) {
    throw invalidParameterValue(`Value (${hopLimit}) for parameter HttpPutResponseHopLimit is invalid.`);
  }
  const after = context.tx.update(instance, {
    spec: {
      ...instance.spec,
      metadataOptions: {
        endpoint: input.HttpEndpoint ?? before.endpoint,
        tokens: input.HttpTokens ?? before.tokens,
        hopLimit,
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

export const monitorInstances = (
  input: ec2.MonitorInstancesRequest,
  context: RequestContext,
): ec2.MonitorInstancesResult => ({ InstanceMonitorings: setMonitoring(context, input.InstanceIds, true) });

export const unmonitorInstances = (
  input: ec2.UnmonitorInstancesRequest,
  context: RequestContext,
): ec2.UnmonitorInstancesResult => ({
  InstanceMonitorings: setMonitoring(context, input.InstanceIds, false),
});
