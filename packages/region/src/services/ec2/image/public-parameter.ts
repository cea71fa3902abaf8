/**
 * The public parameters by which Debian, Ubuntu and Amazon Linux publish their newest images in every region. Here they
 * all lead to the image that this machine boots, or to what the user has mapped them or their family to.
 */
import type { Scope } from '../../common/service.ts';
import { ssmInvalidParameter } from '../compute-errors.ts';
import { allImages, type Image } from './image.ts';
import { imageMappings, imageNamed } from './mapping.ts';
import { familiesHere } from './public-image.ts';

export interface PublicParameter {
  readonly name: string;
  readonly image: Image;
}

/** All that there are in the scope's region: those of the architectures of which there is an image, and mapped ones. */
export function publicParameters(scope: Scope): PublicParameter[] {
  const images = allImages(scope);
  const found = new Map<string, Image>();
  for (const { family, runs } of familiesHere(scope, images)) {
    for (const name of family.parameters) found.set(name, runs);
  }
  for (const { id, spec } of scope.tx.list(imageMappings, 'global')) {
    const image = id.startsWith('/') ? imageNamed(images, spec.imageName) : undefined;
    if (image) found.set(id, image);
  }
  return [...found].map(([name, image]) => ({ name, image }));
}

/** A public parameter has had one version here. */
export const PARAMETER_VERSION = 1;

/** Public parameters belong to no account: their ARN has none. */
export const parameterArn = ({ region }: Pick<Scope, 'region'>, name: string): string =>
  `arn:aws:ssm:${region}::parameter${name}`;

/**
 * The public parameter that a name or an ARN of this region means, if there is one, and the version or label behind its
 * colon. https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
 */
export function parameterMeant(
  scope: Scope,
  given: string,
): { parameter: PublicParameter | undefined; name: string; selector: string | undefined } {
  const prefix = parameterArn(scope, '');
  const reference = given.startsWith(prefix) ? given.slice(prefix.length) : given;
  const [name = '', selector, ...more] = reference.split(':');
  const found = publicParameters(scope).find((one) => one.name === name);
  return { parameter: more.length === 0 ? found : undefined, name, selector };
}

/**
 * The image id that a launch means: its own words, or what the parameter in `resolve:ssm:<name>[:<version>]` holds.
 * Throws SsmInvalidParameter for a parameter that there is not.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-systems-manager-parameter-to-find-AMI.html
 */
export function imageIdMeant(scope: Scope, given: string): string {
  if (!given.startsWith('resolve:ssm:')) return given;
  const reference = given.slice('resolve:ssm:'.length);
  const { parameter, selector = String(PARAMETER_VERSION) } = parameterMeant(scope, reference);
  if (!parameter || selector !== String(PARAMETER_VERSION)) throw ssmInvalidParameter(reference);
  return parameter.image.id;
}
