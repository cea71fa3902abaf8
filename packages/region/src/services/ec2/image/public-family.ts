/**
 * The families of images that Amazon, Canonical and Debian publish in every region: how each of their builds is named, and
 * the public parameters that hold the newest one's id. The one list of them: image names and parameters are made of it.
 * https://docs.aws.amazon.com/linux/al2023/ug/naming-and-versioning.html
 * https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-ami.html
 * https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
 * https://wiki.debian.org/Cloud/AmazonEC2Image
 */
import type { TimeMs } from '../../../clock.ts';
import type { VolumeType } from '../volume/volume.ts';

/** What AWS calls the owner of the images that it makes itself. */
export const AMAZON_ACCOUNT = '137112412989';
const CANONICAL_ACCOUNT = '099720109477';
const DEBIAN_ACCOUNT = '136693071363';

type Architecture = 'x86_64' | 'arm64';

/** What tells one build of a family from another. */
interface Build {
  /** Such as `20261120`. */
  readonly day: string;
  /** Debian counts its builds, about one a day. */
  readonly number: string;
}

export interface PublicFamily {
  readonly owner: string;
  readonly architecture: Architecture;
  /** Of the root volume. */
  readonly volumeType: VolumeType;
  readonly nameOf: (build: Build) => string;
  readonly descriptionOf: (build: Build) => string;
  /** The public parameters that hold the id of the newest build. */
  readonly parameters: readonly string[];
}

/** Debian's and Ubuntu's word for an architecture. */
const words: Readonly<Record<Architecture, string>> = { x86_64: 'amd64', arm64: 'arm64' };

const debian = (architecture: Architecture): PublicFamily[] =>
  (['13', '12', '11', '10'] as const).map((release) => ({
    owner: DEBIAN_ACCOUNT,
    architecture,
    volumeType: release === '10' || release === '11' ? 'gp2' : 'gp3',
    nameOf: ({ day, number }) => `debian-${release}-${words[architecture]}-${day}-${number}`,
    descriptionOf: ({ day, number }) => `Debian ${release} (${day}-${number})`,
    parameters: [`/aws/service/debian/release/${release}/latest/${words[architecture]}`],
  }));

/** Up to 22.04 they are made for gp2 volumes, from 23.10 on for gp3. */
const ubuntuReleases = [
  ['26.04', 'resolute', 'gp3'],
  ['24.04', 'noble', 'gp3'],
  ['22.04', 'jammy', 'gp2'],
  ['20.04', 'focal', 'gp2'],
  ['18.04', 'bionic', 'gp2'],
  ['16.04', 'xenial', 'gp2'],
] as const;

const ubuntuFlavours = [
  { parameter: 'server', folder: 'ubuntu', suffix: 'server', title: 'Ubuntu' },
  { parameter: 'server-minimal', folder: 'ubuntu-minimal', suffix: 'minimal', title: 'Ubuntu Minimal' },
];

const ubuntu = (architecture: Architecture): PublicFamily[] => {
  const word = words[architecture];
  return ubuntuFlavours.flatMap(({ parameter, folder, suffix, title }) =>
    ubuntuReleases.map(([release, codename, volumeType]): PublicFamily => {
      const storage = volumeType === 'gp2' ? 'hvm-ssd' : 'hvm-ssd-gp3';
      return {
        owner: CANONICAL_ACCOUNT,
        architecture,
        volumeType,
        nameOf: ({ day }) =>
          `${folder}/images/${storage}/ubuntu-${codename}-${release}-${word}-${suffix}-${day}`,
        descriptionOf: () => `Canonical, ${title}, ${release}, ${word} ${codename} image`,
        parameters: [release, codename].map(
          (one) =>
            `/aws/service/canonical/ubuntu/${parameter}/${one}/stable/current/${word}/hvm/ebs-${volumeType}/ami-id`,
        ),
      };
    }),
  );
};

const amazon = (architecture: Architecture) => ({ owner: AMAZON_ACCOUNT, architecture });
const amazonParameter = (name: string): string => `/aws/service/ami-amazon-linux-latest/${name}`;

/** `default` is the kernel of the first. */
const amazonLinux2023 = (architecture: Architecture): PublicFamily[] =>
  ['', 'minimal-'].flatMap((minimal) =>
    ['6.1', '6.12'].map((kernel, position) => ({
      ...amazon(architecture),
      volumeType: 'gp3',
      nameOf: ({ day }) => `al2023-ami-${minimal}2023.9.${day}.0-kernel-${kernel}-${architecture}`,
      descriptionOf: ({ day }) =>
        `Amazon Linux 2023 AMI 2023.9.${day}.0 ${architecture}${minimal && ' Minimal'} HVM kernel-${kernel}`,
      parameters: (position === 0 ? ['default', kernel] : [kernel]).map((one) =>
        amazonParameter(`al2023-ami-${minimal}kernel-${one}-${architecture}`),
      ),
    })),
  );

interface OlderLinux {
  readonly prefix: string;
  readonly title: string;
  readonly storage: 'gp2' | 'ebs';
}

/** Amazon Linux 2 and its forerunner; `ebs` in the name means a magnetic volume. */
const olderLinux =
  (architecture: Architecture, version: string) =>
  ({ prefix, title, storage }: OlderLinux): PublicFamily => ({
    ...amazon(architecture),
    volumeType: storage === 'ebs' ? 'standard' : storage,
    nameOf: ({ day }) => `${prefix}-${version}.${day}.0-${architecture}-${storage}`,
    descriptionOf: ({ day }) => `${title} AMI ${version}.${day}.0 ${architecture} HVM ${storage}`,
    parameters: [amazonParameter(`${prefix}-${architecture}-${storage}`)],
  });

const amazonLinux2 = (architecture: Architecture): PublicFamily[] => {
  const plain = { prefix: 'amzn2-ami-hvm', title: 'Amazon Linux 2' };
  const kernel = { prefix: 'amzn2-ami-kernel-5.10-hvm', title: 'Amazon Linux 2 Kernel 5.10' };
  const minimal = { prefix: 'amzn2-ami-minimal-hvm', title: 'Amazon Linux 2 Minimal' };
  const onArm: OlderLinux[] = [
    { ...plain, storage: 'gp2' },
    { ...kernel, storage: 'gp2' },
    { ...minimal, storage: 'ebs' },
  ];
  const further: OlderLinux[] = [
    { ...plain, storage: 'ebs' },
    { ...kernel, storage: 'ebs' },
  ];
  return [...onArm, ...(architecture === 'x86_64' ? further : [])].map(olderLinux(architecture, '2.0'));
};

const amazonLinux1 = (): PublicFamily[] =>
  (['gp2', 'ebs'] as const)
    .map((storage) => ({ prefix: 'amzn-ami-hvm', title: 'Amazon Linux', storage }))
    .map(olderLinux('x86_64', '2018.03.0'));

/** Of those that one pattern finds, the first is to be the newest. */
export const publicFamilies: readonly PublicFamily[] = [
  ...(['x86_64', 'arm64'] as const).flatMap((architecture) => [
    ...amazonLinux2023(architecture),
    ...amazonLinux2(architecture),
    ...ubuntu(architecture),
    ...debian(architecture),
  ]),
  ...amazonLinux1(),
];

/** Debian's builds were counted 1644 on 2024-02-01. */
const FIRST_BUILD = Date.UTC(2024, 1, 1) - 1644 * 86_400_000;

export const buildOf = (builtAt: TimeMs): Build => ({
  day: new Date(builtAt).toISOString().slice(0, 10).replaceAll('-', ''),
  number: String(Math.max(1, Math.floor((builtAt - FIRST_BUILD) / 86_400_000))),
});

/** What all of its builds are found by: `amzn2-ami-hvm-2.0.*.0-x86_64-gp2`. */
export const patternOf = (family: PublicFamily): string => family.nameOf({ day: '*', number: '*' });
