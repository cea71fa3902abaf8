/** Images: those that come with the compute driver (AWS's own, as it were), and those that people make of instances. */
import { createHash } from 'node:crypto';
import type { TimeMs } from '../../../clock.ts';
import type { BaseImage } from '../../../drivers/compute.ts';
import type { VolumeOrigin } from '../../../drivers/volume.ts';
import { type ResourceOf, resourceType } from '../../../store/resource.ts';
import type { Reader, Store } from '../../../store/store.ts';
import type { PreparationContext, Scope } from '../../common/service.ts';
import { imageIdMalformed, imageNotFound, imageUnavailable } from '../compute-errors.ts';
import { formerImages, mappedImage } from './mapping.ts';
import { imageIdMeant } from './public-parameter.ts';

/** What AWS calls the owner of the images that it makes itself. */
export const AMAZON_ACCOUNT = '137112412989';

/** What the compute driver offers, by name; in the region `global`. Written by the loop `ec2.base-image`. */
export const baseImages = resourceType<BaseImage, null>('ec2.base-image');

export interface ImageSpec {
  readonly name: string;
  readonly description: string;
  readonly architecture: 'x86_64' | 'arm64';
  /** The base first; the last one is this image's own, and bears its snapshot's id. */
  readonly layers: readonly string[];
  readonly snapshotId: string;
  /** Size of the root volume, in GiB. */
  readonly volumeSizeGib: number;
  readonly instanceId: string;
  /** The instance's boot that waits until the disk is captured; absent when nothing is rebooted for it. */
  readonly beforeBoot?: number;
}

/** Written by the loop `ec2.image`. */
export interface ImageStatus {
  readonly state: 'pending' | 'available' | 'failed';
  readonly reason?: { readonly code: string; readonly message: string };
}

export const images = resourceType<ImageSpec, ImageStatus>('ec2.image');
export type ImageRecord = ResourceOf<typeof images>;

/** The size that is shown for an image which says nothing of it: the smallest that Debian's own images ask for. */
export const smallestVolumeGib = (sizeBytes: number): number => Math.max(8, Math.ceil(sizeBytes / 2 ** 30));

/** AWS has other ids in each region for the same image: from the name, so that they never change. */
export const baseImageId = (region: string, name: string): string =>
  `ami-0${createHash('sha256').update(`${region}\n${name}`).digest('hex').slice(0, 16)}`;

/** The snapshot that an image of AWS's is shown with. */
export const baseSnapshotId = (region: string, name: string): string =>
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
  readonly snapshotId: string;
  /** What a root volume begins with. */
  readonly origin: VolumeOrigin;
  readonly volumeSizeGib: number;
  readonly createdAt: TimeMs;
  readonly sourceInstanceId?: string;
  /** Its id is one that the user has mapped to the image of this name. */
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
  snapshotId: baseSnapshotId(region, spec.name),
  origin: { kind: 'root' },
  volumeSizeGib: smallestVolumeGib(spec.sizeBytes),
  createdAt: spec.createdAt,
  tags: {},
  ordinal,
});

const fromRecord = (
  accountId: string,
  { id, spec, status, tags, createdAt, ordinal }: ImageRecord,
): Image => ({
  id,
  name: spec.name,
  description: spec.description,
  architecture: spec.architecture,
  layers: spec.layers,
  state: status.state,
  ...(status.reason && { reason: status.reason }),
  ownerId: accountId,
  isPublic: false,
  snapshotId: spec.snapshotId,
  origin: { kind: 'root' },
  volumeSizeGib: spec.volumeSizeGib,
  createdAt,
  sourceInstanceId: spec.instanceId,
  tags,
  ordinal,
});

/** All images that can be seen in the scope's region. */
export function allImages(scope: Scope): Image[] {
  return [
    ...scope.tx
      .list(baseImages, 'global')
      .map((image) => fromBase(scope, image))
      .filter(({ id }) => !scope.tx.get(formerImages, scope.region, id)),
    ...scope.tx.list(images, scope.region).map((image) => fromRecord(scope.settings.accountId, image)),
  ];
}

export function findImage(scope: Scope, id: string): Image | undefined {
  const own = scope.tx.get(images, scope.region, id);
  if (own) return fromRecord(scope.settings.accountId, own);
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
