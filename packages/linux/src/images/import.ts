/**
 * An image out of a root file system that somebody brings as an archive: the archive as a layer of its own, our guest layer
 * on it, and on top a small layer that says who logs in. It belongs to one region of this host, and goes with its state.
 *
 * The archive is a stranger's: nothing in it is run here, no link in it is followed, and nobody but root gets at what lies
 * unpacked, since it may hold programs that make their caller root.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  createReadStream,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { BaseImage } from '@holdfast/region/drivers/compute.ts';
import { CommandError, runCommand } from '../host/command.ts';
import type { HostLayout } from '../layout.ts';
import { listBaseImages, machineArchitecture } from './base.ts';
import { makeGuestLayer } from './guest.ts';
import { importedLayerPath, makeWhole, treeSizeBytes } from './layers.ts';
import { holdLock } from './lock.ts';
import { listImages, recordImage } from './record.ts';

export interface ImportRequest {
  /** A tar of a root file system, plain or compressed by gzip, xz or zstd. */
  readonly archive: string;
  readonly name: string;
  readonly description?: string;
  /** Who logs in by SSH; made at an instance's first boot when the file system has no such user. */
  readonly user: string;
  readonly onProgress?: (step: string) => void;
}

/** What keeps an archive from becoming an image, in words for the user. */
export class ImportRefusal extends Error {}

const importedDirectory = (layout: HostLayout): string => join(layout.stateDirectory, 'images');

/** The images that this region has imported, the newest first. */
export const listImportedImages = (layout: HostLayout): BaseImage[] =>
  listImages(layout, importedDirectory(layout));

/**
 * Makes an image of an archive. The same archive is unpacked once. As root.
 * @throws ImportRefusal for a name that is taken or malformed, and for what is no root file system that can boot here.
 */
export async function importImage(layout: HostLayout, request: ImportRequest): Promise<BaseImage> {
  const { archive, name, user } = request;
  const step = (text: string): void => request.onProgress?.(text);
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{2,127}$/.test(name))
    throw new ImportRefusal(`the name ${name}: 3 to 128 letters, digits, dots, dashes and underscores`);
  if (!/^[a-z_][a-z0-9_-]{0,30}$/.test(user)) throw new ImportRefusal(`${user} is no name of a user`);
  const architecture = machineArchitecture();
  if (!architecture) throw new ImportRefusal(`there are no images for ${process.arch}`);
  using _lock = await holdLock(`holdfast-import-${layout.stateDirectory}`, () =>
    step('waiting for another import'),
  );
  const present = [...listImportedImages(layout), ...listBaseImages(layout)];
  if (present.some((image) => image.name === name))
    throw new ImportRefusal(`there is an image ${name} already`);
  mkdirSync(layout.stateDirectory, { recursive: true });
  chmodSync(layout.stateDirectory, 0o700);
  step('reading the archive');
  const layer = `import-${(await digestOf(archive)).slice(0, 16)}`;
  const path = importedLayerPath(layout, layer);
  if (!existsSync(path)) {
    await makeWhole(path, async (temporary) => {
      step('unpacking');
      await unpack(archive, temporary);
      checkTree(temporary, architecture);
    });
  }
  const layers = [layer, await makeGuestLayer(layout), await makeUserLayer(layout, user)];
  const image: BaseImage = {
    name,
    description: request.description ?? 'Imported root file system',
    architecture,
    layers,
    sizeBytes: await treeSizeBytes(path),
    createdAt: Date.now(),
    user,
    imported: true,
  };
  recordImage(importedDirectory(layout), image);
  return image;
}

async function digestOf(archive: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(archive), hash);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new ImportRefusal(`the archive cannot be read: ${message}`);
  }
  return hash.digest('hex');
}

/** By the first bytes of what they write. */
const compressions = [
  { magic: [0x1f, 0x8b], program: 'gzip', debianPackage: 'gzip' },
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a], program: 'xz', debianPackage: 'xz-utils' },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], program: 'zstd', debianPackage: 'zstd' },
];

function compressionOf(archive: string): string[] {
  const head = Buffer.alloc(8);
  const file = openSync(archive, 'r');
  try {
    readSync(file, head, 0, head.length, 0);
  } finally {
    closeSync(file);
  }
  const found = compressions.find(({ magic }) => magic.every((byte, at) => head[at] === byte));
  return found ? [`--use-compress-program=${found.program}`] : [];
}

/**
 * GNU tar leaves out leading slashes, refuses `..`, and makes a link only when everything that might go through it is
 * there. Of extended attributes only capabilities are taken: others mean something to overlays. Devices are not taken: an
 * instance has its own, and a device of number 0:0 would hide a file.
 */
async function unpack(archive: string, into: string): Promise<void> {
  try {
    await runCommand([
      'tar',
      '--extract',
      `--file=${archive}`,
      ...compressionOf(archive),
      `--directory=${into}`,
      '--force-local',
      '--numeric-owner',
      '--same-owner',
      '--same-permissions',
      '--xattrs',
      '--xattrs-include=security.capability',
      '--anchored',
      '--exclude=./dev/*',
      '--exclude=dev/*',
    ]);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new ImportRefusal(`the archive cannot be unpacked: ${wordsOf(error)}`);
  }
  await runCommand(['find', into, '-xdev', '(', '-type', 'b', '-o', '-type', 'c', ')', '-delete']);
  chmodSync(into, 0o755);
}

function wordsOf({ stderr, message }: CommandError): string {
  const missing = compressions.find(({ program }) => stderr.includes(`${program}: Cannot exec`));
  if (missing) return `${missing.program} is not installed. Get it: apt-get install ${missing.debianPackage}`;
  return stderr.trim().split('\n').slice(-3).join('; ') || message;
}

/** What an instance does not get on without, and where it may lie. */
const needed: readonly (readonly [what: string, ...paths: string[]])[] = [
  ['systemd', 'usr/lib/systemd/systemd', 'lib/systemd/systemd'],
  ['bash', 'usr/bin/bash', 'bin/bash'],
  ['curl', 'usr/bin/curl'],
];

function checkTree(root: string, architecture: BaseImage['architecture']): void {
  const found = needed.map(([what, ...paths]) => ({
    what,
    file: paths.map((path) => fileInside(root, path)).find((file) => file !== undefined),
  }));
  const lacking = found.filter(({ file }) => file === undefined).map(({ what }) => what);
  if (lacking.length > 0)
    throw new ImportRefusal(
      `the archive is no root file system that can boot here: it has no ${lacking.join(', no ')}`,
    );
  const own = architectureOf(found[0]!.file!);
  if (own !== architecture)
    throw new ImportRefusal(
      `the archive is for ${own ?? 'another processor'}, this machine is ${architecture}`,
    );
}

/** The regular file at a path below `root`, by links of the tree itself too; undefined when it leads elsewhere. */
function fileInside(root: string, path: string): string | undefined {
  try {
    const real = realpathSync(join(root, path));
    return real.startsWith(realpathSync(root) + sep) && lstatSync(real).isFile() ? real : undefined;
  } catch {
    return undefined;
  }
}

/** By the header of an ELF program; see elf(5). */
function architectureOf(program: string): BaseImage['architecture'] | undefined {
  const head = Buffer.alloc(20);
  const file = openSync(program, 'r');
  try {
    readSync(file, head, 0, head.length, 0);
  } finally {
    closeSync(file);
  }
  if (head.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  const machines: Record<number, BaseImage['architecture']> = { 62: 'x86_64', 183: 'arm64' };
  return machines[head.readUInt16LE(18)];
}

/** Who logs in, for our own boot, for cloud-init and for sudo. */
async function makeUserLayer(layout: HostLayout, user: string): Promise<string> {
  const layer = `user-${createHash('sha256').update(user).digest('hex').slice(0, 12)}`;
  const path = importedLayerPath(layout, layer);
  if (existsSync(path)) return layer;
  const files = {
    'etc/holdfast/login-user': [`${user}\n`, 0o644],
    'etc/sudoers.d/90-holdfast-login-user': [`${user} ALL=(ALL) NOPASSWD:ALL\n`, 0o440],
    'etc/cloud/cloud.cfg.d/91_holdfast_login_user.cfg': [
      `system_info:\n  default_user:\n    name: ${user}\n`,
      0o644,
    ],
  } as const;
  await makeWhole(path, async (temporary) => {
    for (const [name, [content, mode]] of Object.entries(files)) {
      const target = join(temporary, name);
      mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
      writeFileSync(target, content);
      chmodSync(target, mode);
    }
  });
  return layer;
}
