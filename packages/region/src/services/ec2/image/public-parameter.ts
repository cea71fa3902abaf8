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

/**
 * The image id that a launch means: its own words, or what the parameter in `resolve:ssm:<name>[:<version>]` holds. A
 * public parameter has one version here. Throws SsmInvalidParameter for a parameter that there is not.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-systems-manager-parameter-to-find-AMI.html
 */
export function imageIdMeant(scope: Scope, given: string): string {
  if (!given.startsWith('resolve:ssm:')) return given;
  const reference = given.slice('resolve:ssm:'.length);
  const [name = '', version = '1'] = reference
    .replace(/^arn:aws:ssm:[a-z0-9-]*:\d*:parameter/, '')
    .split(':');
  const parameter = version === '1' && publicParameters(scope).find((one) => one.name === name);
  if (!parameter) throw ssmInvalidParameter(reference);
  return parameter.image.id;
}
