/** What the API does with images. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, refuseParameters, unsupported } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import { newId } from '../../common/names.ts';
import { prepared, type RequestContext } from '../../common/service.ts';
import * as compute from '../compute-errors.ts';
import { required } from '../errors.ts';
import { instanceOf } from '../instance/power.ts';
import { stateOf } from '../instance/state.ts';
import { select, truth } from '../network/selection.ts';
import type { Instance } from '../records.ts';
import { snapshots } from '../snapshot/snapshot.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { attachmentsOf, ROOT_DEVICE, volumes } from '../volume/volume.ts';
import {
  allImages,
  checkImageId,
  findImage,
  type Image,
  type ImageRecord,
  images,
  importBaseImages,
} from './image.ts';
import { deregisterImported, mappedImagesAsked, rememberFormerImage } from './mapping.ts';

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html */
const fields: FilterFields<Image> = {
  architecture: ({ architecture }) => architecture,
  'block-device-mapping.delete-on-termination': () => 'true',
  'block-device-mapping.device-name': () => ROOT_DEVICE,
  'block-device-mapping.encrypted': () => 'false',
  'block-device-mapping.snapshot-id': ({ snapshotId }) => snapshotId,
  'block-device-mapping.volume-size': ({ volumeSizeGib }) => String(volumeSizeGib),
  'block-device-mapping.volume-type': () => 'gp3',
  'creation-date': ({ createdAt }) => new Date(createdAt).toISOString(),
  description: ({ description }) => description,
  'ena-support': () => 'true',
  hypervisor: () => 'xen',
  'image-id': ({ id }) => id,
  'image-type': () => 'machine',
  'is-public': ({ isPublic }) => truth(isPublic),
  name: ({ name }) => name,
  'owner-alias': ({ ownerAlias }) => ownerAlias,
  'owner-id': ({ ownerId }) => ownerId,
  platform: () => undefined,
  'root-device-name': () => ROOT_DEVICE,
  'root-device-type': () => 'ebs',
  'source-instance-id': ({ sourceInstanceId }) => sourceInstanceId,
  state: ({ state }) => state,
  'state-reason-code': ({ reason }) => reason?.code,
  'state-reason-message': ({ reason }) => reason?.message,
  'virtualization-type': () => 'hvm',
};

const rootMapping = (image: Pick<Image, 'snapshotId' | 'volumeSizeGib'>): ec2.BlockDeviceMapping => ({
  DeviceName: ROOT_DEVICE,
  Ebs: {
    DeleteOnTermination: true,
    SnapshotId: image.snapshotId,
    VolumeSize: image.volumeSizeGib,
    VolumeType: 'gp3',
    Encrypted: false,
  },
});

const shape = (image: Image): ec2.Image => ({
  ImageId: image.id,
  ImageLocation: `${image.ownerAlias ?? image.ownerId}/${image.name}`,
  ImageOwnerAlias: image.ownerAlias,
  ImageType: 'machine',
  Name: image.name,
  Description: image.description,
  State: image.state,
  StateReason: image.reason && { Code: image.reason.code, Message: image.reason.message },
  OwnerId: image.ownerId,
  Public: image.isPublic,
  CreationDate: new Date(image.createdAt).toISOString(),
  Architecture: image.architecture,
  BlockDeviceMappings: [rootMapping(image)],
  BootMode: 'uefi-preferred',
  EnaSupport: true,
  Hypervisor: 'xen',
  PlatformDetails: 'Linux/UNIX',
  RootDeviceName: ROOT_DEVICE,
  RootDeviceType: 'ebs',
  SourceInstanceId: image.sourceInstanceId,
  UsageOperation: 'RunInstances',
  VirtualizationType: 'hvm',
  Tags: tagList(image.tags),
});

export const describeImages = prepared(
  importBaseImages,
  (input: ec2.DescribeImagesRequest, context: RequestContext): ec2.DescribeImagesResult => {
    const { accountId } = context.settings;
    const owners = input.Owners ?? [];
    const users = input.ExecutableUsers ?? [];
    const owned = ({ ownerId, ownerAlias }: Image): boolean =>
      owners.length === 0 ||
      owners.includes(ownerId) ||
      (ownerAlias !== undefined && owners.includes(ownerAlias)) ||
      (owners.includes('self') && ownerId === accountId);
    const executable = ({ isPublic, ownerId }: Image): boolean =>
      users.length === 0 ||
      (users.includes('all') && isPublic) ||
      ((users.includes('self') || users.includes(accountId)) && ownerId === accountId);
    for (const id of input.ImageIds ?? []) checkImageId(id);
    const { items, NextToken } = select(context, input, {
      call: 'DescribeImages',
      items: [...allImages(context), ...mappedImagesAsked(context, input)],
      ids: input.ImageIds,
      notFound: (id) => compute.imageNotFound([id]),
      fields,
      fewest: 1,
    });
    return { Images: items.filter((image) => owned(image) && executable(image)).map(shape), NextToken };
  },
);

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html */
const NAME = /^[A-Za-z0-9()[\] ./\-'@_]{3,128}$/;

/**
 * An image of an instance's disk. It is `pending` until the loop `ec2.image` has captured it; a running instance is shut
 * down for that and boots again, unless NoReboot says not to.
 */
export function createImage(input: ec2.CreateImageRequest, context: RequestContext): ec2.CreateImageResult {
  refuseParameters('CreateImage', input, ['BlockDeviceMappings', 'BootModeOverride']);
  if (input.SnapshotLocation === 'local') throw unsupported('local snapshots');
  const instance = instanceOf(context, required(input.InstanceId, 'InstanceId'));
  const name = required(input.Name, 'Name');
  if (!NAME.test(name)) throw compute.imageNameMalformed();
  const same = context.tx.list(images, context.region).find((image) => image.spec.name === name);
  if (same) throw compute.imageNameDuplicate(name, same.id);
  const state = stateOf(instance);
  if (state !== 'running' && state !== 'stopped') {
    throw compute.incorrectInstanceState(
      `The instance '${instance.id}' is not in a state from which an image can be created: ${state}`,
    );
  }
  const reboots = state === 'running' && input.NoReboot !== true;
  const boot = instance.spec.boot + 1;
  if (reboots) context.tx.update(instance, { spec: { ...instance.spec, boot } });
  return { ImageId: recordImage(context, input, instance, reboots ? { beforeBoot: boot } : {}) };
}

function recordImage(
  context: RequestContext,
  input: ec2.CreateImageRequest,
  instance: Instance,
  reboot: Pick<ImageRecord['spec'], 'beforeBoot'>,
): string {
  const { tx, region } = context;
  const imageId = newId(context, 'ami');
  const snapshotId = newId(context, 'snap');
  const source = findImage(context, instance.spec.imageId);
  const root = attachmentsOf(tx, region, instance.id).find(({ spec }) => spec.role === 'root');
  const volumeId = root?.id ?? '';
  const volumeSizeGib = tx.get(volumes, region, volumeId)?.spec.sizeGib ?? 8;
  tx.create(snapshots, {
    region,
    id: snapshotId,
    spec: {
      volumeId,
      volumeSizeGib,
      dataId: snapshotId,
      taken: false,
      description: `Created by CreateImage(${instance.id}) for ${imageId}`,
    },
    status: { state: 'pending' },
    tags: specifiedTags(input.TagSpecifications, 'snapshot', ['image']),
  });
  tx.create(images, {
    region,
    id: imageId,
    spec: {
      name: input.Name ?? '',
      description: input.Description ?? '',
      architecture: source?.architecture ?? 'x86_64',
      layers: [...instance.spec.layers, snapshotId],
      snapshotId,
      volumeSizeGib,
      instanceId: instance.id,
      ...reboot,
    },
    status: { state: 'pending' },
    tags: specifiedTags(input.TagSpecifications, 'image', ['snapshot']),
  });
  return imageId;
}

/** Instances that run from it go on; its snapshot stays, unless it is to go too. */
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
  const { snapshotId } = image.spec;
  context.tx.remove({ kind: snapshots.kind, region: context.region, id: snapshotId });
  return { Return: true, DeleteSnapshotResults: [{ SnapshotId: snapshotId, ReturnCode: 'success' }] };
}

function ownImage(context: RequestContext, given: string | undefined): ImageRecord {
  const id = required(given, 'ImageId');
  checkImageId(id);
  const own = context.tx.get(images, context.region, id);
  if (own) return own;
  if (findImage(context, id)) throw new AwsError('AuthFailure', `Not authorized for image ${id}`, 403);
  throw compute.imageNotFound([id]);
}

export const describeImageAttribute = prepared(
  importBaseImages,
  (input: ec2.DescribeImageAttributeRequest, context: RequestContext): ec2.ImageAttribute => {
    const id = required(input.ImageId, 'ImageId');
    checkImageId(id);
    const image = findImage(context, id);
    if (!image) throw compute.imageNotFound([id]);
    switch (required(input.Attribute, 'Attribute')) {
      case 'description':
        return { ImageId: id, Description: { Value: image.description } };
      case 'blockDeviceMapping':
        return { ImageId: id, BlockDeviceMappings: [rootMapping(image)] };
      case 'launchPermission':
        return { ImageId: id, LaunchPermissions: image.isPublic ? [{ Group: 'all' }] : [] };
      case 'productCodes':
        return { ImageId: id, ProductCodes: [] };
      default:
        throw unsupported(`the attribute ${input.Attribute} of DescribeImageAttribute`);
    }
  },
);
