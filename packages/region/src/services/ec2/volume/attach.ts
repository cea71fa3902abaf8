/** AttachVolume and DetachVolume: who is to have a volume; the loop `ec2.instance` puts it there and takes it out. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { unsupported } from '../../common/errors.ts';
import type { RequestContext, Scope } from '../../common/service.ts';
import { invalidParameterValue, operationNotPermitted, required } from '../errors.ts';
import { instanceOf } from '../instance/power.ts';
import { stateOf } from '../instance/state.ts';
import { instanceTypes } from '../instance-types.ts';
import { interfacesOfEndpoint } from '../network/index.ts';
import type { Instance } from '../records.ts';
import { devicePath, isRootDevice, kernelName } from './device.ts';
import * as errors from './errors.ts';
import {
  attachmentOf,
  attachmentState,
  attachmentsOf,
  type VolumeAttachmentRecord,
  type VolumeAttachmentSpec,
  type VolumeRecord,
  volumeAttachments,
  volumeOf,
  volumeState,
} from './volume.ts';

/**
 * How many volumes an instance can have: 28 attachments with its interfaces and NVMe disks on Nitro, 40 volumes on Xen.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/volume_limits.html
 */
export function volumeLimit(instanceType: string, interfaces: number): number {
  const type = instanceTypes.get(instanceType);
  return type?.hypervisor === 'xen' ? 40 : 28 - interfaces - (type?.disks?.count ?? 0);
}

export const shapeAttachment = (attachment: VolumeAttachmentRecord): ec2.VolumeAttachment => ({
  VolumeId: attachment.id,
  InstanceId: attachment.spec.instanceId,
  Device: attachment.spec.device,
  State: attachmentState(attachment),
  AttachTime: new Date(attachment.spec.attachedAt),
  DeleteOnTermination: attachment.spec.deleteOnTermination,
});

export type Attaching = Pick<VolumeAttachmentSpec, 'instanceId' | 'device' | 'role' | 'deleteOnTermination'>;

/** Records who is to have a volume; whoever does has checked that it can be. */
export function recordAttachment(
  scope: Scope,
  volume: VolumeRecord,
  attaching: Attaching,
): VolumeAttachmentRecord {
  return scope.tx.create(volumeAttachments, {
    region: scope.region,
    id: volume.id,
    owner: volume,
    spec: { ...attaching, attachedAt: scope.now, wanted: 'attached' },
    status: { state: 'attaching' },
  });
}

function checkRoom(scope: Scope, { id, region, spec }: Instance, device: string): void {
  const others = attachmentsOf(scope.tx, region, id);
  if (others.some((one) => kernelName(one.spec.device) === kernelName(device))) {
    throw errors.deviceInUse(device);
  }
  const limit = volumeLimit(spec.instanceType, interfacesOfEndpoint(scope.tx, region, id).length);
  if (others.length >= limit) throw errors.attachmentLimitExceeded(spec.instanceType, limit);
}

/** A root volume goes to an instance that is off and has none. */
function checkRoot(scope: Scope, instance: Instance, volume: VolumeRecord, device: string): void {
  if (attachmentsOf(scope.tx, scope.region, instance.id).some(({ spec }) => spec.role === 'root')) {
    throw errors.deviceInUse(device);
  }
  if (stateOf(instance) !== 'stopped') {
    throw errors.incorrectState(`Instance '${instance.id}' is not 'stopped'.`);
  }
  if (!volume.spec.rootLayers) {
    throw unsupported(`booting from ${volume.id}: no image lies under what it holds`);
  }
}

export function attachVolume(input: ec2.AttachVolumeRequest, context: RequestContext): ec2.VolumeAttachment {
  if (input.EbsCardIndex) throw unsupported('the parameter EbsCardIndex of AttachVolume');
  const volume = volumeOf(context, input.VolumeId);
  const instance = instanceOf(context, required(input.InstanceId, 'InstanceId'));
  const device = required(input.Device, 'Device');
  kernelName(device);
  const attached = attachmentOf(context.tx, context.region, volume.id);
  if (attached) throw errors.volumeAttached(volume.id);
  const state = volumeState(volume, undefined);
  if (state !== 'available') throw errors.incorrectState(`Volume '${volume.id}' is not 'available'.`);
  const instanceState = stateOf(instance);
  if (instanceState !== 'running' && instanceState !== 'stopped') {
    throw errors.incorrectState(`Instance '${instance.id}' is not 'running'.`);
  }
  if (volume.spec.zone !== instance.spec.zone) throw errors.zoneMismatch(volume.id, instance.id);
  const role = isRootDevice(device) ? 'root' : 'data';
  if (role === 'root') checkRoot(context, instance, volume, device);
  checkRoom(context, instance, device);
  // https://docs.aws.amazon.com/ebs/latest/userguide/ebs-attaching-volume.html: one that is attached later is kept
  const attaching = { instanceId: instance.id, device, role, deleteOnTermination: false } as const;
  return shapeAttachment(recordAttachment(context, volume, attaching));
}

/** The attachment that is meant. Throws when the volume has none, or another. */
function attachmentFor(input: ec2.DetachVolumeRequest, context: RequestContext): VolumeAttachmentRecord {
  const volume = volumeOf(context, input.VolumeId);
  const instance = input.InstanceId ? instanceOf(context, input.InstanceId) : undefined;
  const attachment = attachmentOf(context.tx, context.region, volume.id);
  if (!attachment) throw errors.volumeAvailable(volume.id);
  if (instance && instance.id !== attachment.spec.instanceId) {
    throw errors.attachmentNotFound(`Volume '${volume.id}' is not attached to instance '${instance.id}'.`);
  }
  if (input.Device && kernelName(input.Device) !== kernelName(attachment.spec.device)) {
    throw invalidParameterValue(
      `Volume '${volume.id}' is attached to '${attachment.spec.instanceId}' as device '${attachment.spec.device}', not '${input.Device}'.`,
    );
  }
  return attachment;
}

/**
 * A volume that the guest has mounted stays until it is unmounted, unless it is forced. Detaching one that is being
 * detached already says it once more, and may force it.
 */
export function detachVolume(input: ec2.DetachVolumeRequest, context: RequestContext): ec2.VolumeAttachment {
  const attachment = attachmentFor(input, context);
  const { spec } = attachment;
  const instance = instanceOf(context, spec.instanceId);
  const state = stateOf(instance);
  if (spec.role === 'root' && state !== 'stopped') {
    throw operationNotPermitted(
      `Unable to detach root volume '${attachment.id}' from instance '${instance.id}'`,
    );
  }
  if (state !== 'running' && state !== 'stopped') {
    throw errors.incorrectState(`Instance '${instance.id}' is ${state}, not 'running' or 'stopped'.`);
  }
  const force = spec.force === true || input.Force === true;
  const detached: VolumeAttachmentSpec = { ...spec, wanted: 'detached', ...(force && { force }) };
  return shapeAttachment(context.tx.update(attachment, { spec: detached }));
}

/** As a machine is told what it is to have. */
export const machineDevice = ({ spec }: VolumeAttachmentRecord): string => devicePath(spec.device);

/** What ModifyInstanceAttribute says of volumes that the instance has: whether they go with it. */
export function changeDisks(
  scope: Scope,
  { region, id }: Instance,
  mappings: readonly ec2.InstanceBlockDeviceMappingSpecification[],
): void {
  for (const { DeviceName: device = '', Ebs: ebs, NoDevice, VirtualName } of mappings) {
    if (NoDevice !== undefined || VirtualName !== undefined) {
      throw unsupported('anything but DeleteOnTermination of a block device in ModifyInstanceAttribute');
    }
    const attachment = attachmentsOf(scope.tx, region, id).find(
      ({ spec }) => kernelName(spec.device) === kernelName(device),
    );
    if (!attachment || (ebs?.VolumeId && ebs.VolumeId !== attachment.id))
      throw errors.nothingMappedAt(device);
    const deleteOnTermination = ebs?.DeleteOnTermination;
    if (deleteOnTermination === undefined) continue;
    scope.tx.update(attachment, { spec: { ...attachment.spec, deleteOnTermination } });
  }
}
