/** DescribeImages, and the attributes of an image: shown, changed, set back. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, unsupported } from '../../common/errors.ts';
import { applyFilters, type FilterFields } from '../../common/filters.ts';
import { prepared, type RequestContext } from '../../common/service.ts';
import * as compute from '../compute-errors.ts';
import { invalidParameterValue, missingParameter, required } from '../errors.ts';
import { select, truth } from '../selection.ts';
import { tagList } from '../tags.ts';
import {
  allImages,
  checkImageId,
  findImage,
  type Image,
  type ImageDisk,
  type ImageRecord,
  type ImageSupport,
  images,
  importBaseImages,
  USUAL_SUPPORT,
} from './image.ts';
import { mappedImagesAsked } from './mapping.ts';
import { changedPermissions, permissionsAfter, shapePermission } from './permission.ts';
import { publicImagesAsked } from './public-image.ts';

const supportOf = ({ support }: Image): ImageSupport => support ?? USUAL_SUPPORT;

const ofDisks =
  (value: (disk: ImageDisk) => string | undefined) =>
  ({ disks }: Image): string[] =>
    disks.map(value).filter((text) => text !== undefined);

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html */
const fields: FilterFields<Image> = {
  architecture: ({ architecture }) => architecture,
  'block-device-mapping.delete-on-termination': ofDisks((disk) => truth(disk.deleteOnTermination)),
  'block-device-mapping.device-name': ofDisks(({ device }) => device),
  'block-device-mapping.encrypted': () => 'false',
  'block-device-mapping.snapshot-id': ofDisks(({ snapshotId }) => snapshotId),
  'block-device-mapping.volume-size': ofDisks(({ sizeGib }) => String(sizeGib)),
  'block-device-mapping.volume-type': ofDisks(({ volumeType }) => volumeType),
  'creation-date': ({ createdAt }) => new Date(createdAt).toISOString(),
  description: ({ description }) => description,
  'ena-support': (image) => truth(supportOf(image).ena),
  hypervisor: () => 'xen',
  'image-id': ({ id }) => id,
  'image-type': () => 'machine',
  'is-public': ({ isPublic }) => truth(isPublic),
  name: ({ name }) => name,
  'owner-alias': ({ ownerAlias }) => ownerAlias,
  'owner-id': ({ ownerId }) => ownerId,
  platform: () => undefined,
  'root-device-name': ({ disks }) => disks[0].device,
  'root-device-type': () => 'ebs',
  'source-image-id': ({ source }) => source?.imageId,
  'source-image-region': ({ source }) => source?.region,
  'source-instance-id': ({ sourceInstanceId }) => sourceInstanceId,
  state: ({ state }) => state,
  'state-reason-code': ({ reason }) => reason?.code,
  'state-reason-message': ({ reason }) => reason?.message,
  'virtualization-type': () => 'hvm',
};

const shapeDisk = (disk: ImageDisk): ec2.BlockDeviceMapping => ({
  DeviceName: disk.device,
  Ebs: {
    DeleteOnTermination: disk.deleteOnTermination,
    SnapshotId: disk.snapshotId,
    VolumeSize: disk.sizeGib,
    VolumeType: disk.volumeType,
    Iops: disk.iops,
    Throughput: disk.throughput,
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
  BlockDeviceMappings: image.disks.map(shapeDisk),
  BootMode: supportOf(image).bootMode,
  EnaSupport: supportOf(image).ena,
  SriovNetSupport: supportOf(image).sriovNet,
  Hypervisor: 'xen',
  PlatformDetails: 'Linux/UNIX',
  RootDeviceName: image.disks[0].device,
  RootDeviceType: 'ebs',
  SourceImageId: image.source?.imageId,
  SourceImageRegion: image.source?.region,
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
    const here = allImages(context);
    const amazons = here.filter((image) => image.ownerAlias === 'amazon' && owned(image));
    const isAnswered = applyFilters(amazons, input.Filters, fields, ({ tags }) => tags).length > 0;
    const asked = [
      ...here,
      ...mappedImagesAsked(context, input, here),
      ...publicImagesAsked(context, input, here, isAnswered),
    ];
    const { items, NextToken } = select(context, input, {
      call: 'DescribeImages',
      items: [...new Map(asked.map((image) => [image.id, image])).values()],
      ids: input.ImageIds,
      notFound: (id) => compute.imageNotFound([id]),
      fields,
      fewest: 1,
    });
    return { Images: items.filter((image) => owned(image) && executable(image)).map(shape), NextToken };
  },
);

/** An image that the account may change. Throws `InvalidAMIID.*` and `AuthFailure`. */
export function ownImage(context: RequestContext, given: string | undefined): ImageRecord {
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
        return { ImageId: id, BlockDeviceMappings: image.disks.map(shapeDisk) };
      case 'launchPermission':
        return { ImageId: id, LaunchPermissions: image.launchPermissions.map(shapePermission) };
      case 'productCodes':
        return { ImageId: id, ProductCodes: [] };
      default:
        throw unsupported(`the attribute ${input.Attribute} of DescribeImageAttribute`);
    }
  },
);

/** Either an attribute's name and its value, or the attribute itself. */
export function modifyImageAttribute(
  input: ec2.ModifyImageAttributeRequest,
  context: RequestContext,
): object {
  const image = ownImage(context, input.ImageId);
  const { spec } = image;
  if (input.ImdsSupport || input.Attribute === 'imdsSupport') {
    throw unsupported('the attribute imdsSupport of ModifyImageAttribute');
  }
  if (input.OrganizationArns?.length || input.OrganizationalUnitArns?.length) {
    throw unsupported('launch permissions for organizations');
  }
  const description =
    input.Description?.Value ?? (input.Attribute === 'description' ? input.Value : undefined);
  if (description !== undefined) {
    context.tx.update(image, { spec: { ...spec, description } });
    return {};
  }
  const change = changedPermissions(input, input.LaunchPermission);
  if (!change) throw missingParameter('Description, LaunchPermission or Attribute');
  const launchPermissions = permissionsAfter(spec.launchPermissions, change);
  context.tx.update(image, { spec: { ...spec, launchPermissions } });
  return {};
}

export function resetImageAttribute(input: ec2.ResetImageAttributeRequest, context: RequestContext): object {
  const image = ownImage(context, input.ImageId);
  if (required(input.Attribute, 'Attribute') !== 'launchPermission') {
    throw invalidParameterValue(`Value (${input.Attribute}) for parameter attribute is invalid.`);
  }
  context.tx.update(image, { spec: { ...image.spec, launchPermissions: [] } });
  return {};
}
