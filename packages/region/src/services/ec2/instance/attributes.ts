/** Single attributes of an instance: read, changed, and set back. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { refuseParameters, unsupported } from '../../common/errors.ts';
import type { RequestContext } from '../../common/service.ts';
import { incorrectInstanceState, invalidInstanceAttributeValue } from '../compute-errors.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter, required } from '../errors.ts';
import { defaultCredits, instanceTypes } from '../instance-types.ts';
import { interfacesOfEndpoint, resolveSecurityGroups } from '../network/index.ts';
import { type Instance, type InstanceSpec, networkInterfaces } from '../records.ts';
import { changeDisks } from '../volume/attach.ts';
import { checkUserData } from './launch.ts';
import { checkEbsOptimized, checkShutdownBehavior } from './launch-options.ts';
import { instanceOf } from './power.ts';
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
    disableApiStop: () => ({ DisableApiStop: { Value: spec.disableApiStop ?? false } }),
    disableApiTermination: () => ({ DisableApiTermination: { Value: spec.disableApiTermination } }),
    ebsOptimized: () => ({ EbsOptimized: { Value: spec.ebsOptimized ?? false } }),
    enclaveOptions: () => ({ EnclaveOptions: { Enabled: false } }),
    groupSet: () => ({ Groups: shown().SecurityGroups }),
    instanceInitiatedShutdownBehavior: () => ({
      InstanceInitiatedShutdownBehavior: { Value: spec.shutdownBehavior },
    }),
    instanceType: () => ({ InstanceType: { Value: spec.instanceType } }),
    kernel: () => ({ KernelId: {} }),
    productCodes: () => ({ ProductCodes: [] }),
    ramdisk: () => ({ RamdiskId: {} }),
    rootDeviceName: () => ({ RootDeviceName: { Value: spec.rootDevice } }),
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
  if (name === undefined) {
    if (text !== undefined) throw missingParameter('Attribute');
    return input;
  }
  // An attribute's name beside parameters of their own, as for block devices, says nothing of itself.
  if (text === undefined) return rest;
  const Value = required(text, 'Value');
  const truth = { Value: Value.toLowerCase() === 'true' };
  switch (name) {
    case 'instanceType':
      return { ...rest, InstanceType: { Value } };
    case 'instanceInitiatedShutdownBehavior':
      return { ...rest, InstanceInitiatedShutdownBehavior: { Value } };
    case 'disableApiStop':
      return { ...rest, DisableApiStop: truth };
    case 'disableApiTermination':
      return { ...rest, DisableApiTermination: truth };
    case 'ebsOptimized':
      return { ...rest, EbsOptimized: truth };
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
  request: ec2.ModifyInstanceAttributeRequest,
  context: RequestContext,
): object {
  const input = byName(request);
  refuseParameters('ModifyInstanceAttribute', input, [
    'EnaSupport',
    'EnclaveOptions',
    'Kernel',
    'Ramdisk',
    'SriovNetSupport',
  ]);
  const instance = instanceOf(context, input.InstanceId);
  const { InstanceId: _, DryRun: __, ...attributes } = input;
  const given = Object.values(attributes).filter((value) =>
    Array.isArray(value) ? value.length > 0 : value !== undefined,
  );
  if (given.length === 0) throw invalidParameterCombination('No attributes specified.');
  if (given.length > 1) {
    throw invalidParameterCombination('Fields for multiple attribute types specified.');
  }
  const changes = specChanges(input, instance);
  if (Object.keys(changes).length > 0) {
    context.tx.update(instance, { spec: { ...instance.spec, ...changes } });
  }
  changeInterface(input, instance, context);
  changeDisks(context, instance, input.BlockDeviceMappings ?? []);
  return {};
}

type Changes = { -readonly [Name in keyof InstanceSpec]?: InstanceSpec[Name] };

function specChanges(input: ec2.ModifyInstanceAttributeRequest, instance: Instance): Changes {
  const changes: Changes = {};
  const type = input.InstanceType?.Value;
  if (type !== undefined) {
    whileStopped(instance, 'instanceType');
    Object.assign(changes, typeChanges(type, instance));
  }
  if (input.UserData) {
    whileStopped(instance, 'userData');
    // Empty user data take the old away.
    changes.userData = checkUserData(Buffer.from(input.UserData.Value ?? []).toString('base64')) ?? '';
  }
  const optimized = input.EbsOptimized?.Value;
  if (optimized !== undefined) {
    whileStopped(instance, 'ebsOptimized');
    changes.ebsOptimized = checkEbsOptimized(instance.spec.instanceType, optimized);
  }
  const behavior = input.InstanceInitiatedShutdownBehavior?.Value;
  if (behavior !== undefined) changes.shutdownBehavior = checkShutdownBehavior(behavior);
  const noTermination = input.DisableApiTermination?.Value;
  if (noTermination !== undefined) changes.disableApiTermination = noTermination;
  const noStop = input.DisableApiStop?.Value;
  if (noStop !== undefined) changes.disableApiStop = noStop;
  return changes;
}

/** What the old type had and the new one cannot have goes with the old one. */
function typeChanges(type: string, { spec }: Instance): Changes {
  const facts = instanceTypes.get(type);
  // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
  if (!facts) throw invalidInstanceAttributeValue(`Invalid value '${type}' for InstanceType.`);
  checkEbsOptimized(type, spec.ebsOptimized ?? false);
  const changes: Changes = { instanceType: type };
  const credits = defaultCredits(type);
  if (credits && spec.cpuCredits) changes.cpuCredits = credits;
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

/** Of the three attributes that can be set back, a virtual machine of today has one. */
export function resetInstanceAttribute(
  input: ec2.ResetInstanceAttributeRequest,
  context: RequestContext,
): object {
  const name = required(input.Attribute, 'Attribute');
  if (name === 'kernel' || name === 'ramdisk') {
    throw unsupported(`the attribute ${name} of ResetInstanceAttribute`);
  }
  if (name !== 'sourceDestCheck') {
    throw invalidParameterValue(`Value (${name}) for parameter attribute is invalid. Unknown attribute.`);
  }
  changeInterface(
    { SourceDestCheck: { Value: true }, InstanceId: input.InstanceId },
    instanceOf(context, input.InstanceId),
    context,
  );
  return {};
}
