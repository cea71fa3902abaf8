/**
 * What a public family's name finds here: one image for each family of which there is an architecture, named as a build of
 * the base image's day would be. An instance of it runs the base image, or what the user has mapped the family to. It does
 * not stand in listings: it is there for whoever asks by name, by its owner or by its id, as Terraform's `aws_ami` does.
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { TimeMs } from '../../../clock.ts';
import { wildcard } from '../../common/filters.ts';
import type { Scope } from '../../common/service.ts';
import { baseImageId, type Image } from './image.ts';
import { imageMappings, imageNamed, mappingTags } from './mapping.ts';
import { AMAZON_ACCOUNT, buildOf, type PublicFamily, patternOf, publicFamilies } from './public-family.ts';

/** A family that is here, and what its instances run. */
export interface FamilyHere {
  readonly family: PublicFamily;
  readonly runs: Image;
  /** By the user; otherwise it is the newest base image. */
  readonly mapped: boolean;
  readonly createdAt: TimeMs;
}

/** Families that one pattern finds are so far apart, so that one of them is the most recent. */
const APART_MS = 1000;

const newestBase = (images: readonly Image[], architecture: Image['architecture']): Image | undefined =>
  images
    .filter((one) => one.ownerAlias === 'amazon' && one.architecture === architecture)
    .toSorted((a, b) => b.createdAt - a.createdAt)[0];

/** A family's mapping is a pattern that the name matches. Only an image of its architecture can stand for it. */
const isMeantBy = (pattern: string, family: PublicFamily, runs: Image): boolean =>
  family.architecture === runs.architecture && wildcard(pattern).test(family.nameOf(buildOf(runs.createdAt)));

/** Whether a mapping of that pattern to that image would change anything. */
export const meansFamilies = (pattern: string, runs: Image): boolean =>
  publicFamilies.some((family) => isMeantBy(pattern, family, runs));

/**
 * All families of the architectures that there are. Of several mappings the longest pattern, as the narrowest, holds. Where
 * a request finds the base image as well, that is more recent than what stands for it, and what the user has mapped more so.
 */
export function familiesHere(scope: Scope, images: readonly Image[]): FamilyHere[] {
  const mappings = scope.tx
    .list(imageMappings, 'global')
    .map(({ id, spec }) => ({ pattern: id, runs: imageNamed(images, spec.imageName) }))
    .toSorted((a, b) => b.pattern.length - a.pattern.length);
  const base = { x86_64: newestBase(images, 'x86_64'), arm64: newestBase(images, 'arm64') };
  return publicFamilies.flatMap((family, position) => {
    const mapping = mappings.find(({ pattern, runs }) => runs && isMeantBy(pattern, family, runs));
    const ownBase = base[family.architecture];
    const runs = mapping?.runs ?? ownBase;
    if (!runs) return [];
    const place = (mapping ? publicFamilies.length : -1) - position;
    const createdAt = Math.max(runs.createdAt, ownBase?.createdAt ?? 0) + APART_MS * place;
    return [{ family, runs, mapped: mapping !== undefined, createdAt }];
  });
}

function imageOf(scope: Scope, { family, runs, createdAt }: FamilyHere): Image {
  const build = buildOf(runs.createdAt);
  const [root, ...others] = runs.disks;
  const { iops: _, throughput: __, ...plain } = root;
  const id = baseImageId(scope.region, patternOf(family));
  return {
    id,
    name: family.nameOf(build),
    description: family.descriptionOf(build),
    architecture: runs.architecture,
    layers: runs.layers,
    state: runs.state,
    ownerId: family.owner,
    // AWS shows it for partners that it has verified as well.
    ownerAlias: 'amazon',
    isPublic: true,
    disks:
      root.volumeType === family.volumeType
        ? runs.disks
        : [
            {
              ...plain,
              volumeType: family.volumeType,
              ...(family.volumeType === 'gp3' && { iops: 3000, throughput: 125 }),
            },
            ...others,
          ],
    origin: runs.origin,
    launchPermissions: [{ group: 'all' }],
    createdAt,
    mappedTo: runs.name,
    tags: mappingTags({ id, mappedTo: runs.name }),
    ordinal: runs.ordinal,
  };
}

/** The image of a family by its id, which is the same for all builds. */
export function publicImage(scope: Scope, id: string, images: readonly Image[]): Image | undefined {
  const found = familiesHere(scope, images).find(
    ({ family }) => baseImageId(scope.region, patternOf(family)) === id,
  );
  return found && imageOf(scope, found);
}

/**
 * Those that a DescribeImages asks for by a filter of names, or by the account of Canonical or Debian. `isAnswered`: one of
 * AWS's own images here fits the whole request (`debian-12-*`), and then nothing needs to stand for it unless the user has
 * said so.
 */
export function publicImagesAsked(
  scope: Scope,
  { Filters = [], Owners = [] }: Pick<ec2.DescribeImagesRequest, 'Filters' | 'Owners'>,
  images: readonly Image[],
  isAnswered: boolean,
): Image[] {
  const valuesOf = (name: string): string[] =>
    Filters.filter(({ Name }) => Name === name).flatMap(({ Values }) => Values ?? []);
  const owners = new Set([...Owners, ...valuesOf('owner-id')]);
  const byName = valuesOf('name').length > 0;
  return familiesHere(scope, images)
    .filter(
      ({ family: { owner }, mapped }) =>
        (owner !== AMAZON_ACCOUNT && owners.has(owner)) || (byName && (mapped || !isAnswered)),
    )
    .map((one) => imageOf(scope, one));
}
