/**
 * Ids out of somebody's template that no image here has (`ami-1ecae776`), and what they stand for: an image of this
 * machine, by a mapping that the user made (`holdfast ami map`), or by one setting for all unknown ids. AWS has no such
 * thing. Names of public parameters can be mapped as well, and then resolve to that image; so can families of public
 * images, by a pattern of their names.
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import { type ResourceOf, resourceType } from '../../../store/resource.ts';
import { AwsError } from '../../common/errors.ts';
import type { Scope } from '../../common/service.ts';
import { allImages, baseImageId, baseImages, type Image } from './image.ts';
import { meansFamilies, publicImage } from './public-image.ts';

export interface ImageMappingSpec {
  /** An image's id, its name, or what its name begins with up to a dash: the newest of these is meant. */
  readonly imageName: string;
}

/** In the region `global`; the id is the image id, the parameter's name or the family's pattern that is mapped. */
export const imageMappings = resourceType<ImageMappingSpec, null>('ec2.image-mapping');
export type ImageMapping = ResourceOf<typeof imageMappings>;

/** Images that were deregistered: their ids stay unknown, so that whoever waits for an image's end sees it. */
export const formerImages = resourceType<Record<string, never>, null>('ec2.former-image');

/** What an instance says of its mapped image. Terraform and CloudFormation pass over tags that begin with `aws:`. */
const MAPPING_TAG = 'aws:holdfast:image';

/** The newest available image of that id or name, or whose name begins with it: `debian-12`. */
export function imageNamed(images: readonly Image[], name: string): Image | undefined {
  const available = images.filter((image) => image.state === 'available');
  const newest = (found: readonly Image[]): Image | undefined =>
    found.toSorted((a, b) => b.createdAt - a.createdAt || b.ordinal - a.ordinal)[0];
  return (
    newest(available.filter((image) => image.id === name || image.name === name)) ??
    newest(available.filter((image) => image.name.startsWith(`${name}-`)))
  );
}

/** The image that an id stands for which none has of its own: a mapped one, a public family's, any unknown one. */
export function mappedImage(scope: Scope, id: string, images: readonly Image[]): Image | undefined {
  const mapping = scope.tx.get(imageMappings, 'global', id)?.spec.imageName;
  const found = mapping === undefined ? publicImage(scope, id, images) : undefined;
  if (found) return found;
  const former = scope.tx.get(formerImages, scope.region, id) !== undefined;
  const name = mapping ?? (former ? undefined : scope.settings.unknownAmi);
  const target = name === undefined ? undefined : imageNamed(images, name);
  return target && { ...target, id, isPublic: true, mappedTo: target.name };
}

/** Mapped images that a DescribeImages asks for by id, beside those that it finds among all (`images`). */
export function mappedImagesAsked(
  scope: Scope,
  input: Pick<ec2.DescribeImagesRequest, 'ImageIds' | 'Filters'>,
  images: readonly Image[],
): Image[] {
  const filtered = (input.Filters ?? []).filter(({ Name }) => Name === 'image-id');
  const ids = new Set([...(input.ImageIds ?? []), ...filtered.flatMap(({ Values }) => Values ?? [])]);
  for (const { id } of images) ids.delete(id);
  return [...ids]
    .filter((id) => IMAGE_ID.test(id))
    .map((id) => mappedImage(scope, id, images))
    .filter((image) => image !== undefined);
}

/** The tag of an instance that is launched from a mapped image; none for any other image. */
export const mappingTags = ({ id, mappedTo }: Pick<Image, 'id' | 'mappedTo'>): Record<string, string> =>
  mappedTo === undefined ? {} : { [MAPPING_TAG]: `${id} is mapped to ${mappedTo}` };

export function rememberFormerImage(scope: Scope, id: string): void {
  scope.tx.create(formerImages, { region: scope.region, id, spec: {}, status: null });
}

/**
 * Deregisters an image that the account has imported; false for any other. What it is made of stays on this machine, for
 * its instances and for AWS's other regions.
 */
export function deregisterImported(scope: Scope, id: string): boolean {
  const offered = scope.tx.list(baseImages, 'global').filter(({ spec }) => spec.imported);
  const here = offered.some(({ spec }) => baseImageId(scope.region, spec.name) === id);
  if (!here || scope.tx.get(formerImages, scope.region, id)) return false;
  rememberFormerImage(scope, id);
  return true;
}

const IMAGE_ID = /^ami-([0-9a-f]{8}|[0-9a-f]{17})$/;
const PARAMETER_NAME = /^\/aws\/service(\/[A-Za-z0-9._-]+)+$/;

/**
 * Maps an id, a public parameter's name or a public family's pattern, in place of what it was mapped to before. Throws
 * InvalidParameterValue for what is none of them, for an id that an image has, and for a name that no image has.
 */
export function mapImage(scope: Scope, id: string, imageName: string): ImageMapping {
  const images = allImages(scope);
  if (images.some((image) => image.id === id)) throw invalid(`'${id}' is the id of an image of its own`);
  const image = imageNamed(images, imageName);
  if (image === undefined) {
    const names = images.map(({ name }) => name).join(', ');
    throw invalid(`there is no image '${imageName}' in ${scope.region}; there are: ${names || 'none'}`);
  }
  if (!IMAGE_ID.test(id) && !PARAMETER_NAME.test(id) && !meansFamilies(id, image)) {
    throw invalid(
      `'${id}' is neither an image id (ami-…) nor the name of a public parameter (/aws/service/…) nor a pattern of the names of public ${image.architecture} images (amzn2-ami-hvm-*)`,
    );
  }
  const known = scope.tx.get(imageMappings, 'global', id);
  if (known) return scope.tx.update(known, { spec: { imageName } });
  return scope.tx.create(imageMappings, { region: 'global', id, spec: { imageName }, status: null });
}

/** Throws InvalidParameterValue when nothing is mapped by that id or name. */
export function unmapImage(scope: Scope, id: string): void {
  const known = scope.tx.get(imageMappings, 'global', id);
  if (!known) throw invalid(`'${id}' is not mapped`);
  scope.tx.remove(known);
}

const invalid = (message: string): AwsError => new AwsError('InvalidParameterValue', message);
