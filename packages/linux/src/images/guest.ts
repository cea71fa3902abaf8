/**
 * The layer that makes a plain Debian tree an instance: our own units and settings (the files in `guest/`), what is
 * switched off because a container has no such thing, and this host's certificate authorities. It is a layer of its own
 * so that a change of it does not mean building Debian again.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { entriesOf } from '../host/files.ts';
import type { HostLayout } from '../layout.ts';
import { baseLayerPath, makeWhole } from './layers.ts';

const guestDirectory = join(import.meta.dirname, 'guest');

/** Devices, networks, clocks, kernels and terminals are this host's; nothing in an instance looks after them. */
const maskedUnits = [
  'systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udev-trigger.service',
  'systemd-networkd.service systemd-networkd.socket systemd-resolved.service systemd-timesyncd.service',
  'systemd-modules-load.service kmod-static-nodes.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount',
  'dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount',
  'sys-kernel-tracing.mount systemd-remount-fs.service systemd-repart.service systemd-random-seed.service',
  'systemd-firstboot.service systemd-machine-id-commit.service systemd-pstore.service systemd-journal-flush.service',
  'systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-update-utmp.service',
  'systemd-update-utmp-runlevel.service systemd-ask-password-console.path systemd-ask-password-wall.path',
  'systemd-tmpfiles-setup-dev.service getty@.service getty@tty1.service console-getty.service getty-static.service',
  'apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer',
  'systemd-tmpfiles-clean.timer cryptsetup.target integritysetup.target veritysetup.target xfs_scrub_all.timer',
  // Called by our own unit when user data needs it.
  'cloud-init-local.service cloud-init.service cloud-config.service cloud-final.service cloud-init-hotplugd.socket',
].flatMap((line) => line.split(' '));

const maskedGenerators = [
  'cloud-init-generator systemd-cryptsetup-generator systemd-debug-generator systemd-getty-generator',
  'systemd-gpt-auto-generator systemd-hibernate-resume-generator systemd-integritysetup-generator',
  'systemd-run-generator systemd-system-update-generator systemd-veritysetup-generator',
].flatMap((line) => line.split(' '));

/** Symbolic links of the layer, and where they lead. */
const links: readonly (readonly [path: string, target: string])[] = [
  ...maskedUnits.map((unit) => [`etc/systemd/system/${unit}`, '/dev/null'] as const),
  ...maskedGenerators.map((name) => [`etc/systemd/system-generators/${name}`, '/dev/null'] as const),
  ['etc/systemd/system/default.target', '/lib/systemd/system/multi-user.target'],
  ['etc/systemd/system/sysinit.target.wants/holdfast-metadata.service', '../holdfast-metadata.service'],
  ['etc/systemd/system/local-fs.target.wants/holdfast-volumes.service', '../holdfast-volumes.service'],
  ...['ext2', 'ext3', 'ext4', 'xfs'].flatMap((type) =>
    ['mount', 'umount'].map((name) => [`usr/sbin/${name}.${type}`, '../lib/holdfast/mount-volume'] as const),
  ),
  ['etc/systemd/system/multi-user.target.wants/holdfast-user-data.service', '../holdfast-user-data.service'],
  ['etc/systemd/system/ssh.service.wants/holdfast-host-keys.service', '../holdfast-host-keys.service'],
];

interface GuestFile {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
}

/** Git keeps no more of a mode than whether it may be run. */
const modeOf = (path: string): number => {
  const programs = ['usr/lib/holdfast/', 'usr/lib/systemd/system-shutdown/', 'usr/local/sbin/'];
  if (programs.some((folder) => path.startsWith(folder))) return 0o755;
  return path.startsWith('etc/sudoers.d/') ? 0o440 : 0o644;
};

function filesOf(root: string, below = ''): string[] {
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name);
    return entry.isDirectory() ? filesOf(root, path) : [path];
  });
}

/** This host's certificate authorities, so that HTTPS works from an instance wherever it works from the host. */
function certificateFiles(): GuestFile[] {
  const local = 'usr/local/share/ca-certificates';
  const paths = [
    'etc/ssl/certs/ca-certificates.crt',
    ...entriesOf(join('/', local)).map((name) => join(local, name)),
  ];
  return paths
    .filter((path) => path.endsWith('.crt') && statSync(join('/', path), { throwIfNoEntry: false })?.isFile())
    .map((path) => ({ path, content: readFileSync(join('/', path)), mode: 0o644 }));
}

/** Makes the guest layer unless it is there. Its id changes with its contents. */
export async function makeGuestLayer(layout: HostLayout): Promise<string> {
  const files = filesOf(guestDirectory)
    .sort()
    .map(
      (path): GuestFile => ({ path, content: readFileSync(join(guestDirectory, path)), mode: modeOf(path) }),
    )
    .concat(certificateFiles());
  const hash = createHash('sha256').update(JSON.stringify(links));
  for (const { path, content, mode } of files)
    hash.update(`${path} ${mode} ${content.length}\n`).update(content);
  const layer = `guest-${hash.digest('hex').slice(0, 12)}`;
  const path = baseLayerPath(layout, layer);
  if (statSync(path, { throwIfNoEntry: false })) return layer;
  await makeWhole(path, async (temporary) => {
    const place = (name: string): string => {
      const target = join(temporary, name);
      mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
      return target;
    };
    for (const file of files) {
      const target = place(file.path);
      writeFileSync(target, file.content);
      chmodSync(target, file.mode);
    }
    for (const [name, target] of links) symlinkSync(target, place(name));
  });
  return layer;
}
