/**
 * The public parameters by which Debian, Ubuntu and Amazon Linux publish their newest images in every region. Here they
 * all lead to the image that this machine boots, or to what the user has mapped them to.
 * https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-ami.html
 * https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
 */
import type { Scope } from '../../common/service.ts';
import { ssmInvalidParameter } from '../compute-errors.ts';
import { allImages, type Image } from './image.ts';
import { imageMappings, imageNamed } from './mapping.ts';

type Architecture = Image['architecture'];

/** Debian's and Ubuntu's word for an architecture. */
const architectures: Readonly<Record<Architecture, string>> = { x86_64: 'amd64', arm64: 'arm64' };

const debian = (architecture: Architecture): string[] =>
  ['10', '11', '12', '13'].map(
    (release) => `/aws/service/debian/release/${release}/latest/${architectures[architecture]}`,
  );

/** Up to 22.04 they are made for gp2 volumes, from 23.10 on for gp3. */
const ubuntuReleases = [
  ...['18.04', 'bionic', '20.04', 'focal', '22.04', 'jammy'].map((release) => [release, 'ebs-gp2'] as const),
  ...['24.04', 'noble'].map((release) => [release, 'ebs-gp3'] as const),
];

const ubuntu = (architecture: Architecture): string[] =>
  ['server', 'server-minimal'].flatMap((flavour) =>
    ubuntuReleases.map(
      ([release, volume]) =>
        `/aws/service/canonical/ubuntu/${flavour}/${release}/stable/current/${architectures[architecture]}/hvm/${volume}/ami-id`,
    ),
  );

const amazonLinux = (architecture: Architecture): string[] =>
  [
    ...['default', '6.1', '6.12'].flatMap((kernel) => [
      `al2023-ami-kernel-${kernel}-${architecture}`,
      `al2023-ami-minimal-kernel-${kernel}-${architecture}`,
    ]),
    `amzn2-ami-hvm-${architecture}-gp2`,
    `amzn2-ami-kernel-5.10-hvm-${architecture}-gp2`,
    `amzn2-ami-minimal-hvm-${architecture}-ebs`,
    ...(architecture === 'x86_64'
      ? [
          'amzn2-ami-hvm-x86_64-ebs',
          'amzn2-ami-kernel-5.10-hvm-x86_64-ebs',
          'amzn-ami-hvm-x86_64-gp2',
          'amzn-ami-hvm-x86_64-ebs',
        ]
      : []),
  ].map((name) => `/aws/service/ami-amazon-linux-latest/${name}`);

export interface PublicParameter {
  readonly name: string;
  readonly image: Image;
}

/** All that there are in the scope's region: those of the architectures of which there is an image, and mapped ones. */
export function publicParameters(scope: Scope): PublicParameter[] {
  const images = allImages(scope);
  const found = new Map<string, Image>();
  for (const architecture of ['x86_64', 'arm64'] as const) {
    const own = images.filter((one) => one.ownerAlias === 'amazon' && one.architecture === architecture);
    const newest = own.toSorted((a, b) => b.createdAt - a.createdAt)[0];
    if (!newest) continue;
    const names = [...debian(architecture), ...ubuntu(architecture), ...amazonLinux(architecture)];
    for (const name of names) found.set(name, newest);
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
