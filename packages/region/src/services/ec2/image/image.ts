/** Images: those that come with the compute driver (AWS's own, as it were), and those that people make of instances. */
import { createHash } from 'node:crypto';
import type { TimeMs } from '../../../clock.ts';
import type { BaseImage } from '../../../drivers/compute.ts';
import type { VolumeOrigin } from '../../../drivers/volume.ts';
import { type ResourceOf, resourceType } from '../../../store/resource.ts';
import type { Reader, Store } from '../../../store/store.ts';
import type { PreparationContext, Scope } from '../../common/service.ts';
import { imageIdMalformed, imageNotFound, imageUnavailable } from '../compute-errors.ts';
import { snapshots } from '../snapshot/snapshot.ts';
import { ROOT_DEVICE, type VolumeShape } from '../volume/volume.ts';
import { formerImages, mappedImage } from './mapping.ts';
import type { Permission } from './permission.ts';
import { AMAZON_ACCOUNT } from './public-family.ts';
import { imageIdMeant } from './public-parameter.ts';

/** What the compute driver offers, by name; in the region `global`. Written by the loop `ec2.base-image`. */
export const baseImages = resourceType<BaseImage, null>('ec2.base-image');

/** A volume that an instance of the image gets. */
export interface ImageDisk extends VolumeShape {
  readonly device: string;
  /** None: it is empty at first. */
  readonly snapshotId?: string;
  readonly deleteOnTermination: boolean;
}

/** What an image says of the machines that it fits. Every instance is the same here: it is shown as it was registered. */
export interface ImageSupport {
  readonly ena: boolean;
  readonly bootMode?: 'legacy-bios' | 'uefi-preferred';
  readonly sriovNet?: 'simple';
}

/** Of every image that nobody has registered. */
export const USUAL_SUPPORT: ImageSupport = { ena: true, bootMode: 'uefi-preferred' };

export interface ImageSpec {
  readonly name: string;
  readonly description: string;
  readonly architecture: 'x86_64' | 'arm64';
  /** What lies under the root volume, the base first. */
  readonly layers: readonly string[];
  /** The root first. */
  readonly disks: readonly ImageDisk[];
  /** Made of this instance. */
  readonly instanceId?: string;
  /** The instance's boot that waits until snapshots of its volumes are taken; absent when nothing is rebooted for it. */
  readonly beforeBoot?: number;
  /** Copied from this image. */
  readonly source?: { readonly imageId: string; readonly region: string };
  readonly launchPermissions?: readonly Permission[];
  /** None: the usual. */
  readonly support?: ImageSupport;
}

/** Written by the loop `ec2.image`. */
export interface ImageStatus {
  readonly state: 'pending' | 'available' | 'failed';
  readonly reason?: { readonly code: string; readonly message: string };
}

export const images = resourceType<ImageSpec, ImageStatus>('ec2.image');
export type ImageRecord = ResourceOf<typeof images>;

/** The size that is shown for an image which says nothing of it: the smallest that Debian's own images ask for. */
const smallestVolumeGib = (sizeBytes: number): number => Math.max(8, Math.ceil(sizeBytes / 2 ** 30));

/** The image of AWS's, or of an import, that is shown with this snapshot. */
export const imageOfBaseSnapshot = (scope: Scope, snapshotId: string): Image | undefined =>
  allImages(scope).find(({ disks, origin }) => origin.kind === 'root' && disks[0].snapshotId === snapshotId);

/** AWS has other ids in each region for the same image: from the name, so that they never change. */
export const baseImageId = (region: string, name: string): string =>
  `ami-0${createHash('sha256').update(`${region}\n${name}`).digest('hex').slice(0, 16)}`;

/** The snapshot that an image of AWS's is shown with. */
const baseSnapshotId = (region: string, name: string): string =>
  `snap-0${createHash('sha256').update(`snapshot\n${region}\n${name}`).digest('hex').slice(0, 16)}`;

/** An image, whoever made it. */
export interface Image {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly architecture: 'x86_64' | 'arm64';
  readonly layers: readonly string[];
  readonly state: ImageStatus['state'];
  readonly reason?: { readonly code: string; readonly message: string };
  readonly ownerId: string;
  readonly ownerAlias?: 'amazon';
  readonly isPublic: boolean;
  /** The root first. */
  readonly disks: readonly [ImageDisk, ...ImageDisk[]];
  /** What a root volume begins with. */
  readonly origin: VolumeOrigin;
  readonly launchPermissions: readonly Permission[];
  readonly support?: ImageSupport;
  readonly createdAt: TimeMs;
  readonly sourceInstanceId?: string;
  /** Copied from this image. */
  readonly source?: { readonly imageId: string; readonly region: string };
  /** It stands for the image of this name: its id is one that the user has mapped, or a public family's. */
  readonly mappedTo?: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly ordinal: number;
}

const fromBase = ({ region, settings }: Scope, { spec, ordinal }: ResourceOf<typeof baseImages>): Image => ({
  id: baseImageId(region, spec.name),
  name: spec.name,
  description: spec.description,
  architecture: spec.architecture,
  layers: spec.layers,
  state: 'available',
  ...(spec.imported
    ? { ownerId: settings.accountId, isPublic: false }
    : ({ ownerId: AMAZON_ACCOUNT, ownerAlias: 'amazon', isPublic: true } as const)),
  disks: [
    {
      device: ROOT_DEVICE,
      snapshotId: baseSnapshotId(region, spec.name),
      sizeGib: smallestVolumeGib(spec.sizeBytes),
      volumeType: 'gp3',
      iops: 3000,
      throughput: 125,
      deleteOnTermination: true,
    },
  ],
  origin: { kind: 'root' },
  launchPermissions: spec.imported ? [] : [{ group: 'all' }],
  createdAt: spec.createdAt,
  tags: {},
  ordinal,
});

function fromRecord(
  { tx, region, settings }: Scope,
  { id, spec, status, tags, createdAt, ordinal }: ImageRecord,
): Image {
  const [root, ...others] = spec.disks;
  if (!root) throw new Error(`the image ${id} has no root volume`);
  const snapshotId = root.snapshotId ?? '';
  const { name, description, architecture, layers, launchPermissions = [] } = spec;
  return {
    id,
    name,
    description,
    architecture,
    layers,
    state: status.state,
    ...(status.reason && { reason: status.reason }),
    ownerId: settings.accountId,
    isPublic: launchPermissions.some((one) => 'group' in one),
    disks: [root, ...others],
    origin: tx.get(snapshots, region, snapshotId)?.spec.contents ?? { kind: 'snapshot', snapshotId },
    launchPermissions,
    ...(spec.support && { support: spec.support }),
    createdAt,
    ...(spec.instanceId !== undefined && { sourceInstanceId: spec.instanceId }),
    ...(spec.source && { source: spec.source }),
    tags,
    ordinal,
  };
}

/** All images that can be seen in the scope's region. */
export function allImages(scope: Scope): Image[] {
  return [
    ...scope.tx
      .list(baseImages, 'global')
      .map((image) => fromBase(scope, image))
      .filter(({ id }) => !scope.tx.get(formerImages, scope.region, id)),
    ...scope.tx.list(images, scope.region).map((image) => fromRecord(scope, image)),
  ];
}

export function findImage(scope: Scope, id: string): Image | undefined {
  const own = scope.tx.get(images, scope.region, id);
  if (own) return fromRecord(scope, own);
  const all = allImages(scope);
  return all.find((image) => image.id === id) ?? mappedImage(scope, id, all);
}

export function checkImageId(id: string): void {
  if (!/^ami-([0-9a-f]{8}|[0-9a-f]{17})$/.test(id)) throw imageIdMalformed(id);
}

/** An image to launch from, by its id or by a parameter. Throws AWS's `InvalidAMIID.*`. */
export function launchableImage(scope: Scope, given: string): Image {
  const id = imageIdMeant(scope, given);
  checkImageId(id);
  const image = findImage(scope, id);
  if (!image) throw imageNotFound([id]);
  if (image.state !== 'available') throw imageUnavailable(id);
  return image;
}

/** Takes over what the driver offers now: new images in, and those out that it offers no longer. */
export function recordBaseImages(store: Store, offered: readonly BaseImage[]): void {
  store.transaction((tx) => {
    const names = new Set(offered.map((image) => image.name));
    for (const known of tx.list(baseImages, 'global')) if (!names.has(known.id)) tx.remove(known);
    for (const image of offered) {
      const known = tx.get(baseImages, 'global', image.name);
      if (known) tx.update(known, { spec: image });
      else tx.create(baseImages, { region: 'global', id: image.name, spec: image, status: null });
    }
  });
}

/**
 * What an operation on images prepares: the very first call may come before the loop `ec2.base-image` has asked the driver.
 */
export async function importBaseImages(_input: unknown, context: PreparationContext): Promise<void> {
  if (hasBaseImages(context.store)) return;
  recordBaseImages(context.store, await context.drivers.compute.images());
}

const hasBaseImages = (reader: Reader): boolean => reader.list(baseImages, 'global').length > 0;

/** The base image that a stack of layers begins with. */
export const findBaseImage = (
  reader: Reader,
  layer: string | undefined,
): ResourceOf<typeof baseImages> | undefined =>
  reader.list(baseImages, 'global').find(({ spec }) => layer !== undefined && spec.layers.includes(layer));
