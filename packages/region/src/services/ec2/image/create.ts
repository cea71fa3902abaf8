/**
 * Making images: CreateImage of an instance, RegisterImage of a snapshot; and DeregisterImage. An image is a base image's
 * layers and snapshots of volumes; instances of it get volumes made of these.
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { Tags } from '../../../store/resource.ts';
import type { Reader } from '../../../store/store.ts';
import { refuseParameters, unsupported } from '../../common/errors.ts';
import { newId } from '../../common/names.ts';
import { type PreparationContext, prepared, type RequestContext, type Scope } from '../../common/service.ts';
import * as compute from '../compute-errors.ts';
import { invalidParameterValue, missingParameter, required } from '../errors.ts';
import { instanceOf } from '../instance/power.ts';
import { stateOf } from '../instance/state.ts';
import { type Instance, instances } from '../records.ts';
import { imageUsing, prepareSnapshots, recordSnapshot, type Taken } from '../snapshot/create.ts';
import { completedSnapshot, snapshots } from '../snapshot/snapshot.ts';
import { specifiedTags } from '../tags.ts';
import { DEFAULT_VOLUME_TYPE } from '../volume/create.ts';
import { isRootDevice, kernelName } from '../volume/device.ts';
import { refuseUnserved } from '../volume/launch-disks.ts';
import {
  attachmentsOf,
  ROOT_DEVICE,
  type VolumeAttachmentRecord,
  type VolumeRecord,
  volumes,
} from '../volume/volume.ts';
import { checkVolumeType, performanceOf, volumeShape } from '../volume/volume-type.ts';
import { ownImage } from './describe.ts';
import {
  findBaseImage,
  type ImageDisk,
  type ImageSpec,
  type ImageSupport,
  images,
  importBaseImages,
} from './image.ts';
import { deregisterImported, rememberFormerImage } from './mapping.ts';

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html */
const NAME = /^[A-Za-z0-9()[\] ./\-'@_]{3,128}$/;

/** Throws `InvalidAMIName.*`. */
export function checkImageName({ tx, region }: Scope, given: string | undefined): string {
  const name = required(given, 'Name');
  if (!NAME.test(name)) throw compute.imageNameMalformed();
  const same = tx.list(images, region).find((image) => image.spec.name === name);
  if (same) throw compute.imageNameDuplicate(name, same.id);
  return name;
}

type NewImage = Omit<ImageSpec, 'architecture'> & { readonly id: string; readonly tags: Tags };

/** A new image, which the loop `ec2.image` makes available when its snapshots are there. */
export function recordImage(scope: Scope, { id, tags, ...spec }: NewImage): string {
  const architecture = findBaseImage(scope.tx, spec.layers[0])?.spec.architecture ?? 'x86_64';
  scope.tx.create(images, {
    region: scope.region,
    id,
    spec: { ...spec, architecture },
    status: { state: 'pending' },
    tags,
  });
  return id;
}

interface Imaged {
  readonly attachment: VolumeAttachmentRecord;
  readonly volume: VolumeRecord;
}

/** The volumes of an instance that go into an image of it: all but those that the call leaves out. */
function imagedVolumes(
  reader: Reader,
  region: string,
  instanceId: string,
  mappings: readonly ec2.BlockDeviceMapping[] = [],
): Imaged[] {
  const left = mappings.filter(({ NoDevice }) => NoDevice !== undefined);
  const leftOut = new Set(left.map(({ DeviceName = '' }) => kernelName(DeviceName)));
  return attachmentsOf(reader, region, instanceId)
    .filter(({ spec }) => spec.wanted === 'attached')
    .filter(({ spec }) => spec.role === 'root' || !leftOut.has(kernelName(spec.device)))
    .flatMap((attachment) => {
      const volume = reader.get(volumes, region, attachment.id);
      return volume ? [{ attachment, volume }] : [];
    });
}

/** What of a volume that goes into an image may be said otherwise: whether its copies go with their instances. */
function mappedDisk(
  { attachment, volume }: Imaged,
  snapshotId: string,
  mapping: ec2.BlockDeviceMapping | undefined,
): ImageDisk {
  const ebs = mapping?.Ebs ?? {};
  refuseUnserved('CreateImage', ebs);
  const { spec } = volume;
  const other =
    (ebs.VolumeSize ?? spec.sizeGib) !== spec.sizeGib ||
    (ebs.VolumeType ?? spec.volumeType) !== spec.volumeType ||
    (ebs.Iops ?? spec.iops) !== spec.iops ||
    (ebs.Throughput ?? spec.throughput) !== spec.throughput ||
    ebs.SnapshotId;
  if (other || mapping?.VirtualName !== undefined) {
    throw compute.invalidBlockDeviceMapping(
      `Only DeleteOnTermination can be changed of the device '${attachment.spec.device}', which the instance has.`,
    );
  }
  return {
    device: attachment.spec.device,
    snapshotId,
    sizeGib: spec.sizeGib,
    ...performanceOf(spec),
    deleteOnTermination: ebs.DeleteOnTermination ?? attachment.spec.deleteOnTermination,
  };
}

/** A volume that instances of the image get, and that the instance itself has not. */
function furtherDisk(
  scope: Scope,
  operation: 'CreateImage' | 'RegisterImage',
  { DeviceName: device = '', Ebs: ebs }: ec2.BlockDeviceMapping,
): ImageDisk {
  if (!ebs) throw missingParameter('ebs');
  refuseUnserved(operation, ebs);
  const snapshotId = ebs.SnapshotId || undefined;
  const source = snapshotId === undefined ? undefined : completedSnapshot(scope, snapshotId).spec;
  const sizeGib = ebs.VolumeSize ?? source?.volumeSizeGib;
  if (sizeGib === undefined) throw missingParameter('size or snapshotId');
  if (source && sizeGib < source.volumeSizeGib) {
    throw compute.invalidBlockDeviceMapping(
      `Volume of size ${sizeGib}GB is smaller than snapshot '${snapshotId}', expect size >= ${source.volumeSizeGib}GB`,
    );
  }
  const volumeType = checkVolumeType(ebs.VolumeType ?? DEFAULT_VOLUME_TYPE);
  return {
    device,
    ...(snapshotId !== undefined && { snapshotId }),
    ...volumeShape({ sizeGib, volumeType, iops: ebs.Iops, throughput: ebs.Throughput }),
    deleteOnTermination: ebs.DeleteOnTermination ?? false,
  };
}

/** Those of the mappings that name none of these devices. Instance store is the instance type's. */
function furtherDisks(
  scope: Scope,
  operation: 'CreateImage' | 'RegisterImage',
  mappings: readonly ec2.BlockDeviceMapping[] = [],
  devices: ReadonlySet<string>,
): ImageDisk[] {
  return mappings
    .filter(({ NoDevice, VirtualName }) => NoDevice === undefined && VirtualName === undefined)
    .filter(({ DeviceName = '' }) => !devices.has(kernelName(DeviceName)))
    .map((mapping) => furtherDisk(scope, operation, mapping));
}

/** The instance is shut down for its image, and boots again: so nothing is in flight. */
const isRebootedFor = (input: ec2.CreateImageRequest, instance: Instance): boolean =>
  stateOf(instance) === 'running' && input.NoReboot !== true;

/** Of an instance that is not rebooted the snapshots are of the moment of the call, as any other. */
async function prepareImage(input: ec2.CreateImageRequest, context: PreparationContext): Promise<Taken[]> {
  await importBaseImages(input, context);
  const { store, region } = context;
  const instance = store.get(instances, region, input.InstanceId ?? '');
  if (!instance || isRebootedFor(input, instance)) return [];
  const imaged = imagedVolumes(store, region, instance.id, input.BlockDeviceMappings);
  return prepareSnapshots(
    context,
    input,
    imaged.map(({ volume }) => volume.id),
  );
}

/**
 * An image of an instance's volumes. It is `pending` until the loop `ec2.image` has all of their snapshots; a running
 * instance is shut down for that and boots again, unless NoReboot says not to.
 */
export const createImage = prepared(
  prepareImage,
  (input: ec2.CreateImageRequest, context: RequestContext, taken): ec2.CreateImageResult => {
    refuseParameters('CreateImage', input, ['BootModeOverride']);
    if (input.SnapshotLocation === 'local') throw unsupported('local snapshots');
    const instance = instanceOf(context, required(input.InstanceId, 'InstanceId'));
    const name = checkImageName(context, input.Name);
    const state = stateOf(instance);
    if (state !== 'running' && state !== 'stopped') {
      throw compute.incorrectInstanceState(
        `The instance '${instance.id}' is not in a state from which an image can be created: ${state}`,
      );
    }
    const boot = instance.spec.boot + 1;
    const reboots = isRebootedFor(input, instance);
    const id = newId(context, 'ami');
    const imaged = imagedVolumes(context.tx, context.region, instance.id, input.BlockDeviceMappings);
    const root = imaged.find(({ attachment }) => attachment.spec.role === 'root');
    if (!root) {
      throw compute.incorrectInstanceState(`The instance '${instance.id}' has no root volume.`);
    }
    const tags = specifiedTags(input.TagSpecifications, 'snapshot', ['image']);
    const disks = imaged.map((one) => {
      const found = taken.find(({ volumeId }) => volumeId === one.volume.id);
      const { device } = one.attachment.spec;
      const { id: snapshotId } = recordSnapshot(context, {
        volume: one.volume,
        description: `Created by CreateImage(${instance.id}) for ${id}`,
        tags,
        taken: found,
        later: true,
      });
      const mapping = input.BlockDeviceMappings?.find(
        ({ DeviceName = '' }) => kernelName(DeviceName) === kernelName(device),
      );
      return mappedDisk(one, snapshotId, mapping);
    });
    const devices = new Set(attachmentsOf(context.tx, context.region, instance.id).map(kernelNameOf));
    if (reboots) context.tx.update(instance, { spec: { ...instance.spec, boot } });
    recordImage(context, {
      id,
      name,
      description: input.Description ?? '',
      layers: root.volume.spec.rootLayers ?? instance.spec.layers,
      disks: [...disks, ...furtherDisks(context, 'CreateImage', input.BlockDeviceMappings, devices)],
      instanceId: instance.id,
      ...(reboots && { beforeBoot: boot }),
      tags: specifiedTags(input.TagSpecifications, 'image', ['snapshot']),
    });
    return { ImageId: id };
  },
);

const kernelNameOf = ({ spec }: VolumeAttachmentRecord): string => kernelName(spec.device);

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RegisterImage.html */
function registeredSupport(input: ec2.RegisterImageRequest): ImageSupport {
  const { BootMode: bootMode, EnaSupport: ena = false, SriovNetSupport: sriovNet } = input;
  if (bootMode === 'uefi') throw unsupported('the boot mode uefi');
  if (sriovNet && sriovNet !== 'simple') {
    throw invalidParameterValue(`Value (${sriovNet}) for parameter sriovNetSupport is invalid.`);
  }
  return { ena, ...(bootMode && { bootMode }), ...(sriovNet && { sriovNet: 'simple' }) };
}

/** An image of a root volume's snapshot. One of a data volume has nothing under it that could boot. */
export const registerImage = prepared(
  importBaseImages,
  (input: ec2.RegisterImageRequest, context: RequestContext): ec2.RegisterImageResult => {
    refuseParameters('RegisterImage', input, [
      'ImageLocation',
      'BillingProducts',
      'TpmSupport',
      'UefiData',
      'ImdsSupport',
      'KernelId',
      'RamdiskId',
    ]);
    const name = checkImageName(context, input.Name);
    if (input.VirtualizationType !== undefined && input.VirtualizationType !== 'hvm') {
      throw unsupported(`the virtualization type ${input.VirtualizationType}`);
    }
    const rootDevice = required(input.RootDeviceName, 'RootDeviceName');
    if (!isRootDevice(rootDevice))
      throw unsupported(`the root device ${rootDevice}: it is ${ROOT_DEVICE} or /dev/sda1`);
    const mappings = input.BlockDeviceMappings ?? [];
    const rootMapping = mappings.find(({ DeviceName = '' }) => isRootDevice(DeviceName));
    const snapshotId = rootMapping?.Ebs?.SnapshotId;
    if (!rootMapping || !snapshotId) throw missingParameter('BlockDeviceMapping.Ebs.SnapshotId');
    const { rootLayers } = completedSnapshot(context, snapshotId).spec;
    if (!rootLayers) throw unsupported(`an image of ${snapshotId}, which is not of a root volume`);
    const architecture = findBaseImage(context.tx, rootLayers[0])?.spec.architecture ?? 'x86_64';
    if (input.Architecture !== undefined && input.Architecture !== architecture) {
      throw unsupported(`the architecture ${input.Architecture}: ${snapshotId} is of ${architecture}`);
    }
    const root = {
      ...furtherDisk(context, 'RegisterImage', rootMapping),
      device: rootDevice,
      deleteOnTermination: rootMapping.Ebs?.DeleteOnTermination ?? true,
    };
    const id = recordImage(context, {
      id: newId(context, 'ami'),
      name,
      description: input.Description ?? '',
      layers: rootLayers,
      support: registeredSupport(input),
      disks: [root, ...furtherDisks(context, 'RegisterImage', mappings, new Set([kernelName(ROOT_DEVICE)]))],
      tags: specifiedTags(input.TagSpecifications, 'image'),
    });
    return { ImageId: id };
  },
);

/** Instances that run from it go on; its snapshots stay, unless they are to go too and no other image needs them. */
export function deregisterImage(
  input: ec2.DeregisterImageRequest,
  context: RequestContext,
): ec2.DeregisterImageResult {
  if (deregisterImported(context, input.ImageId ?? '')) return { Return: true };
  const image = ownImage(context, input.ImageId);
  if (image.status.state === 'pending') throw compute.imageUnavailable(image.id);
  context.tx.remove(image);
  rememberFormerImage(context, image.id);
  if (!input.DeleteAssociatedSnapshots) return { Return: true };
  const results = image.spec.disks.flatMap(({ snapshotId }) => {
    if (snapshotId === undefined) return [];
    const used = imageUsing(context, snapshotId) !== undefined;
    if (!used) context.tx.remove({ kind: snapshots.kind, region: context.region, id: snapshotId });
    return [{ SnapshotId: snapshotId, ReturnCode: used ? ('skipped' as const) : ('success' as const) }];
  });
  return { Return: true, DeleteSnapshotResults: results };
}
