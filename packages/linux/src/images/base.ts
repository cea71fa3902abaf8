/**
 * The image that comes with the driver: Debian 12, built once on this host by mmdebstrap from the mirror that the host's
 * own apt uses, and kept in the cache for all regions of this host.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { BaseImage } from '@holdfast/region/drivers/compute.ts';
import { runCommand } from '../host/command.ts';
import { entriesOf, removeTree } from '../host/files.ts';
import type { HostLayout } from '../layout.ts';
import { aptOptions, debianSources } from './apt.ts';
import { makeGuestLayer } from './guest.ts';
import { baseLayerPath, makeWhole, treeSizeBytes } from './layers.ts';
import { holdLock } from './lock.ts';
import { listImages, recordImage } from './record.ts';

const release = 'bookworm';

const packages = [
  'ca-certificates,cloud-init,curl,dbus,e2fsprogs,file,iproute2,iputils-ping,less,libnss-myhostname,libpam-systemd,nano,netbase',
  'openssh-server,procps,sudo,systemd,systemd-sysv,tini,vim-tiny,xfsprogs',
].join(',');

const withoutDocumentation = [
  'path-exclude=/usr/share/man/*',
  'path-exclude=/usr/share/locale/*',
  'path-exclude=/usr/share/doc/*',
  'path-include=/usr/share/doc/*/copyright',
];

/** Run in order on the fresh tree, `$1`. */
const finishing = [
  // AWS's Debian images log in as admin, who may do everything and has no password.
  'chroot "$1" useradd --create-home --shell /bin/bash --groups adm,sudo admin',
  'rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1"/etc/ssh/ssh_host_*',
  'chroot "$1" systemctl disable --quiet systemd-pstore.service e2scrub_reap.service || true',
  ': > "$1/etc/machine-id"; rm -f "$1/var/lib/dbus/machine-id"',
  'rm -rf "$1"/usr/share/doc/*/changelog* "$1"/var/log/apt "$1"/var/log/dpkg.log "$1"/var/cache/debconf/*-old',
];

const recipe = createHash('sha256')
  .update(JSON.stringify([release, packages, withoutDocumentation, finishing]))
  .digest('hex')
  .slice(0, 8);

const imagesDirectory = (layout: HostLayout): string => join(layout.cacheDirectory, 'images');
const architectures = { x64: ['amd64', 'x86_64'], arm64: ['arm64', 'arm64'] } as const;

export interface BuildOptions {
  /** Told at the beginning of each step: `installing essential packages`. */
  readonly onProgress?: (step: string) => void;
}

/** Base images whose layers are all on this host, the newest first. */
export const listBaseImages = (layout: HostLayout): BaseImage[] =>
  listImages(layout, imagesDirectory(layout));

/**
 * Builds the base image unless it is there; returns it. About 45 s the first time. Several may ask at once, also from
 * several processes: one builds, the others wait. Throws with the last lines of what mmdebstrap said.
 */
export async function buildBaseImage(layout: HostLayout, options: BuildOptions = {}): Promise<BaseImage> {
  const step = (text: string): void => options.onProgress?.(text);
  const [debianArchitecture, architecture] = architectures[process.arch as 'x64' | 'arm64'] ?? [];
  if (!debianArchitecture || !architecture) throw new Error(`there is no base image for ${process.arch}`);
  using _lock = await holdLock(`holdfast-image-${layout.cacheDirectory}`, () =>
    step('waiting for another builder'),
  );
  const debianLayer = await makeDebianLayer(layout, debianArchitecture, step);
  const guestLayer = await makeGuestLayer(layout);
  const layers = [debianLayer.id, guestLayer];
  const present = listBaseImages(layout).find((image) => image.layers.join() === layers.join());
  if (present) return present;
  const image: BaseImage = {
    name: `debian-12-${debianArchitecture}-${debianLayer.builtOn}-${guestLayer.slice(-8)}`,
    description: `Debian 12 (${debianArchitecture}), built on this machine`,
    architecture,
    layers,
    sizeBytes: await treeSizeBytes(baseLayerPath(layout, debianLayer.id)),
    createdAt: Date.now(),
    user: 'admin',
  };
  recordImage(imagesDirectory(layout), image);
  step(`${image.name} is ready`);
  return image;
}

export const machineArchitecture = (): BaseImage['architecture'] | undefined =>
  architectures[process.arch as 'x64' | 'arm64']?.[1];

/** The newest Debian layer of the present recipe; built when there is none. Its id ends with the day of its build. */
async function makeDebianLayer(
  layout: HostLayout,
  architecture: string,
  step: (text: string) => void,
): Promise<{ id: string; builtOn: string }> {
  const prefix = `debian-12-${architecture}-${recipe}-`;
  const known = entriesOf(join(layout.cacheDirectory, 'layers')).filter((name) => name.startsWith(prefix));
  const latest = known.sort().at(-1);
  if (latest) return { id: latest, builtOn: latest.slice(prefix.length) };
  for (const name of entriesOf(join(layout.cacheDirectory, 'layers'))) {
    if (name.startsWith('.new-')) await removeTree(join(layout.cacheDirectory, 'layers', name));
  }
  const builtOn = new Date().toISOString().slice(0, 10).replaceAll('-', '');
  const sources = debianSources(release);
  step(`building Debian 12 from ${sources.mirror}`);
  await makeWhole(baseLayerPath(layout, `${prefix}${builtOn}`), async (temporary) => {
    await runCommand(
      [
        'mmdebstrap',
        '--variant=minbase',
        '--mode=root',
        '--format=directory',
        `--architectures=${architecture}`,
        `--include=${packages}`,
        ...(await aptOptions()).map((option) => `--aptopt=${option}`),
        ...withoutDocumentation.map((option) => `--dpkgopt=${option}`),
        ...finishing.map((hook) => `--customize-hook=${hook}`),
        release,
        temporary,
        ...sources.lines,
      ],
      {
        onLine: (line) =>
          line.startsWith('I: ') && !line.includes('hook') && step(line.slice(3).replace(/\.+$/, '')),
      },
    );
  });
  return { id: `${prefix}${builtOn}`, builtOn };
}
