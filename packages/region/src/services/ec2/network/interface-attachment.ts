/**
 * Attaching interfaces to instances, running or stopped, and detaching them.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/network-interface-attachments.html
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, refuseParameters, unsupported } from '../../common/errors.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import { instanceIdMalformed, instanceNotFound } from '../compute-errors.ts';
import * as errors from '../errors.ts';
import { stateOf } from '../instance/state.ts';
import { instanceTypes } from '../instance-types.ts';
import { type Instance, instances, type NetworkInterface, networkInterfaces } from '../records.ts';
import { attachInterface, detachInterface, interfacesOfEndpoint, subnetOf } from './interface.ts';
import { changeableInterface } from './interface-operations.ts';

export const interfaceInUse = (id: string): AwsError =>
  new AwsError('InvalidNetworkInterface.InUse', `Interface: [${id}] in use.`);

/** Throws `AttachmentLimitExceeded` when an instance of the type cannot have so many interfaces. */
export function checkInterfaceCount(instanceType: string, count: number): void {
  const most = instanceTypes.get(instanceType)?.maximumInterfaces ?? 1;
  if (count <= most) return;
  throw new AwsError(
    'AttachmentLimitExceeded',
    `Interface count ${count} exceeds the limit for ${instanceType}`,
  );
}

function instanceFor(scope: Scope, id: string): Instance {
  if (!/^i-[0-9a-f]+$/.test(id)) throw instanceIdMalformed(id);
  const instance = scope.tx.get(instances, scope.region, id);
  if (!instance) throw instanceNotFound([id]);
  const state = stateOf(instance);
  if (state !== 'running' && state !== 'stopped') {
    throw new AwsError('IncorrectState', `The instance '${id}' is ${state}, not running or stopped.`);
  }
  return instance;
}

/** Throws for an interface that this instance cannot have. */
export function checkAttachable(
  scope: Scope,
  found: NetworkInterface,
  { zone, vpcId }: { readonly zone: string; readonly vpcId: string },
): void {
  if (found.spec.attachment) throw interfaceInUse(found.id);
  if (subnetOf(scope, found.spec.subnetId).spec.zone !== zone) {
    throw errors.invalidParameterCombination(
      'You may not attach a network interface to an instance if they are not in the same availability zone',
    );
  }
  if (found.spec.vpcId !== vpcId) throw unsupported('an instance with interfaces in several VPCs');
}

function attachNetworkInterface(
  input: ec2.AttachNetworkInterfaceRequest,
  context: RequestContext,
): ec2.AttachNetworkInterfaceResult {
  refuseParameters('AttachNetworkInterface', input, ['EnaSrdSpecification', 'EnaQueueCount']);
  const found = changeableInterface(context, errors.required(input.NetworkInterfaceId, 'networkInterfaceId'));
  const instance = instanceFor(context, errors.required(input.InstanceId, 'instanceId'));
  const deviceIndex = errors.required(input.DeviceIndex, 'deviceIndex');
  if ((input.NetworkCardIndex ?? 0) !== 0) throw unsupported('network cards other than the first');
  if (!Number.isInteger(deviceIndex) || deviceIndex < 0) {
    throw errors.invalidParameterValue(`Value (${deviceIndex}) for parameter deviceIndex is invalid.`);
  }
  checkAttachable(context, found, instance.spec);
  const others = interfacesOfEndpoint(context.tx, context.region, instance.id);
  if (others.some(({ spec }) => spec.attachment?.deviceIndex === deviceIndex)) {
    throw errors.invalidParameterValue(
      `Instance '${instance.id}' already has an interface attached at device index '${deviceIndex}'.`,
    );
  }
  checkInterfaceCount(instance.spec.instanceType, others.length + 1);
  const to = { instanceId: instance.id, deviceIndex, deleteOnTermination: false };
  return { AttachmentId: attachInterface(context, found, to), NetworkCardIndex: 0 };
}

/** An interface goes at once, so that forcing it makes no difference. */
function detachNetworkInterface(input: ec2.DetachNetworkInterfaceRequest, context: RequestContext): void {
  const id = errors.required(input.AttachmentId, 'attachmentId');
  const found = context.tx
    .list(networkInterfaces, context.region)
    .find(({ spec }) => spec.attachment?.attachmentId === id);
  if (!found) throw errors.attachmentNotFound(id);
  if (found.spec.requesterManaged) {
    throw errors.operationNotPermitted("You are not allowed to manage 'ela-attach' attachments.");
  }
  if (found.spec.attachment?.deviceIndex === 0) {
    throw errors.operationNotPermitted('The network interface at device index 0 cannot be detached.');
  }
  detachInterface(context, found.id);
}

export const interfaceAttachmentOperations: Readonly<Record<string, Operation>> = {
  AttachNetworkInterface: attachNetworkInterface,
  DetachNetworkInterface: detachNetworkInterface,
};
