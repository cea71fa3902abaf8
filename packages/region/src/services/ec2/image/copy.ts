/** CopyImage and CopySnapshot, within a region or from another one: the copy has the same data, and a life of its own. */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { Tags } from '../../../store/resource.ts';
import { refuseParameters } from '../../common/errors.ts';
import { regionNamed } from '../../common/geography.ts';
import { onceByToken } from '../../common/idempotency.ts';
import { newId } from '../../common/names.ts';
import { prepared, type RequestContext, type Scope } from '../../common/service.ts';
import * as compute from '../compute-errors.ts';
import { idempotentParameterMismatch, invalidParameterValue, required } from '../errors.ts';
import { completedSnapshot, type SnapshotSpec, snapshots } from '../snapshot/snapshot.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { checkImageName, recordImage } from './create.ts';
import { checkImageId, findImage, type Image, type ImageDisk, importBaseImages } from './image.ts';

/** The same state, seen from the region that something is copied from. */
function sourceScope(context: RequestContext, given: string | undefined): Scope {
  const region = required(given, 'SourceRegion');
  if (!regionNamed(region)) throw invalidParameterValue(`Invalid value '${region}' for SourceRegion.`);
  return { ...context, region };
}

/** The volume that every copy is shown to be of. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html */
const NO_VOLUME = 'vol-ffffffff';

type Source = Pick<SnapshotSpec, 'volumeSizeGib' | 'contents' | 'rootLayers' | 'dataBytes'>;

function recordCopy(scope: Scope, source: Source, description: string, tags: Tags): string {
  const { volumeSizeGib, contents, rootLayers, dataBytes } = source;
  const { id } = scope.tx.create(snapshots, {
    region: scope.region,
    id: newId(scope, 'snap'),
    spec: {
      volumeId: NO_VOLUME,
      volumeSizeGib,
      description,
      contents,
      taken: true,
      ...(dataBytes !== undefined && { dataBytes }),
      ...(rootLayers && { rootLayers }),
    },
    status: { state: 'pending' },
    tags,
  });
  return id;
}

export function copySnapshot(
  input: ec2.CopySnapshotRequest,
  context: RequestContext,
): ec2.CopySnapshotResult {
  refuseParameters('CopySnapshot', input, [
    'DestinationOutpostArn',
    'DestinationAvailabilityZone',
    'Encrypted',
    'KmsKeyId',
    'CompletionDurationMinutes',
  ]);
  const from = sourceScope(context, input.SourceRegion);
  const { spec } = completedSnapshot(from, required(input.SourceSnapshotId, 'SourceSnapshotId'));
  const tags = specifiedTags(input.TagSpecifications, 'snapshot');
  // The console proposes `[Copied snap-… from …]`; a call that says nothing gets nothing, as Terraform's provider expects.
  const SnapshotId = recordCopy(context, spec, input.Description ?? '', tags);
  return { SnapshotId, Tags: tagList(tags) };
}

/** The image's disk with a snapshot of its own. An image that came with the machine has none yet to copy. */
function copyDisk(
  from: Scope,
  to: RequestContext,
  image: Image,
  disk: ImageDisk,
  copy: { id: string; tags: Tags },
) {
  const { snapshotId } = disk;
  if (snapshotId === undefined) return disk;
  const untouched = disk === image.disks[0] && image.origin.kind === 'root';
  const source: Source = untouched
    ? { volumeSizeGib: disk.sizeGib, contents: image.origin, rootLayers: image.layers }
    : completedSnapshot(from, snapshotId).spec;
  const description = `Copied for DestinationAmi ${copy.id} from SourceAmi ${image.id} for SourceSnapshot ${snapshotId}. Task created on ${to.now.toLocaleString('en-US')}.`;
  return { ...disk, snapshotId: recordCopy(to, source, description, copy.tags) };
}

function copy(input: ec2.CopyImageRequest, context: RequestContext): string {
  const from = sourceScope(context, input.SourceRegion);
  const sourceId = required(input.SourceImageId, 'SourceImageId');
  checkImageId(sourceId);
  const image = findImage(from, sourceId);
  if (!image) throw compute.imageNotFound([sourceId]);
  if (image.state !== 'available') throw compute.imageUnavailable(sourceId);
  const name = checkImageName(context, input.Name);
  const id = newId(context, 'ami');
  const tags = specifiedTags(input.TagSpecifications, 'snapshot', ['image']);
  const disks = image.disks.map((disk) => copyDisk(from, context, image, disk, { id, tags }));
  const own = Object.entries(image.tags).filter(([key]) => !key.startsWith('aws:'));
  return recordImage(context, {
    id,
    name,
    description: input.Description ?? `[Copied ${sourceId} from ${from.region}] ${image.name}`,
    layers: image.layers,
    disks,
    source: { imageId: sourceId, region: from.region },
    ...(image.support && { support: image.support }),
    tags: {
      ...(input.CopyImageTags && Object.fromEntries(own)),
      ...specifiedTags(input.TagSpecifications, 'image', ['snapshot']),
    },
  });
}

export const copyImage = prepared(
  importBaseImages,
  (input: ec2.CopyImageRequest, context: RequestContext): ec2.CopyImageResult => {
    refuseParameters('CopyImage', input, [
      'Encrypted',
      'KmsKeyId',
      'DestinationOutpostArn',
      'SnapshotCopyCompletionDurationMinutes',
      'DestinationAvailabilityZone',
      'DestinationAvailabilityZoneId',
    ]);
    const [ImageId = ''] = onceByToken(
      context,
      { call: 'CopyImage', token: input.ClientToken, input, mismatch: idempotentParameterMismatch },
      () => [copy(input, context)],
    );
    return { ImageId };
  },
);
