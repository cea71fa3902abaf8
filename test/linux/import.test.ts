/** Archives of strangers on this machine: what becomes an image layer, and what is refused without a trace. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  ImportRefusal,
  importImage,
  linuxCompute,
  missingForCompute,
} from '../../packages/linux/src/compute/index.ts';
import { restoreSysctls } from '../../packages/linux/src/host/sysctl.ts';
import { hostLayout } from '../../packages/linux/src/layout.ts';

const missing = missingForCompute();
const skip = missing.length > 0 && `this machine lacks ${missing.map(({ what }) => what).join(', ')}`;

describe('an archive of a root file system', { skip }, () => {
  let folder: string;
  let layout: ReturnType<typeof hostLayout>;
  let tree: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-him-'));
    layout = hostLayout({
      prefix: 'him',
      stateDirectory: join(folder, 'state'),
      runDirectory: join(folder, 'run'),
      cacheDirectory: join(folder, 'cache'),
    });
    // As little as passes for one: the programs that are looked for are this machine's `true`.
    tree = join(folder, 'tree');
    for (const name of ['usr/lib/systemd/systemd', 'usr/bin/bash', 'usr/bin/curl']) {
      mkdirSync(dirname(join(tree, name)), { recursive: true });
      copyFileSync('/usr/bin/true', join(tree, name));
    }
    for (const name of ['etc', 'dev', 'srv']) mkdirSync(join(tree, name));
    symlinkSync('usr/bin', join(tree, 'bin'));
    symlinkSync('/etc/shadow', join(tree, 'etc/shadow'));
    copyFileSync('/usr/bin/true', join(tree, 'usr/bin/mighty'));
    chmodSync(join(tree, 'usr/bin/mighty'), 0o4755);
    writeFileSync(join(tree, 'srv/owned'), 'x');
    execFileSync('chown', ['4711:4712', join(tree, 'srv/owned')]);
    for (const name of ['dev/sda', 'srv/whiteout']) execFileSync('mknod', [join(tree, name), 'c', '0', '0']);
  });
  after(() => {
    restoreSysctls(layout);
    rmSync(folder, { recursive: true, force: true });
  });

  const tar = (name: string, ...args: string[]): string => {
    const archive = join(folder, name);
    execFileSync('tar', ['-cf', archive, ...args], { stdio: 'pipe' });
    return archive;
  };
  const whole = (name = 'whole.tar', ...args: string[]): string => tar(name, ...args, '-C', tree, '.');
  const bring = (archive: string, name: string, user = 'admin') =>
    importImage(layout, { archive, name, user });
  const layers = (): string[] => readdirSync(join(layout.stateDirectory, 'layers'));
  const refused = (archive: string, words: RegExp) =>
    assert.rejects(bring(archive, 'refused'), (error: Error) => {
      assert(error instanceof ImportRefusal, String(error));
      assert.match(error.message, words);
      return true;
    });

  test('is unpacked as it is, but for devices, and seen by root alone', async () => {
    const image = await bring(whole(), 'plain');
    const [layer = '', guest, user = ''] = image.layers;
    const root = join(layout.stateDirectory, 'layers', layer);
    assert.equal(lstatSync(join(root, 'bin')).isSymbolicLink(), true);
    assert.equal(statSync(join(root, 'usr/bin/mighty')).mode & 0o7777, 0o4755);
    const { uid, gid } = statSync(join(root, 'srv/owned'));
    assert.deepEqual([uid, gid], [4711, 4712]);
    assert.deepEqual(readdirSync(join(root, 'dev')), []);
    assert.deepEqual(readdirSync(join(root, 'srv')), ['owned']);
    assert.equal(statSync(layout.stateDirectory).mode & 0o777, 0o700);
    assert.match(guest ?? '', /^guest-/);
    const login = join(layout.stateDirectory, 'layers', user, 'etc/holdfast/login-user');
    assert.equal(readFileSync(login, 'utf8'), 'admin\n');

    const driver = linuxCompute(layout);
    try {
      assert.deepEqual(
        (await driver.images()).map(({ name, imported }) => [name, imported]),
        [['plain', true]],
      );
    } finally {
      driver.close();
    }
  });

  test('may be packed by gzip, xz or zstd; the same one is unpacked once', async () => {
    const before = layers().length;
    for (const [ending, option] of [
      ['gz', '--gzip'],
      ['xz', '--xz'],
      ['zst', '--zstd'],
    ] as const) {
      const image = await bring(whole(`whole.tar.${ending}`, option), `packed-${ending}`);
      const again = await bring(join(folder, `whole.tar.${ending}`), `again-${ending}`, 'ubuntu');
      assert.equal(again.layers[0], image.layers[0]);
      assert.notEqual(again.layers[2], image.layers[2]);
    }
    assert.equal(layers().length, before + 4, 'three archives and one more user');
    await assert.rejects(bring(whole(), 'plain'), /there is an image plain already/);
  });

  test('that wants to get out of its folder does not', async () => {
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    writeFileSync(join(folder, 'file'), 'out');
    const before = layers();
    await refused(
      tar('up.tar', '-P', '--transform=s,^file,../../../escaped,', '-C', folder, 'file'),
      /cannot be unpacked/,
    );
    // A link to the outside, and then a file by way of the link.
    const through = join(folder, 'through');
    mkdirSync(join(through, 'link'), { recursive: true });
    writeFileSync(join(through, 'link/file'), 'out');
    const archive = join(folder, 'through.tar');
    symlinkSync(outside, join(folder, 'link'));
    execFileSync('tar', ['-cf', archive, '-C', folder, 'link']);
    execFileSync('tar', ['-rf', archive, '-C', through, 'link/file']);
    await refused(archive, /cannot be unpacked/);
    // A leading slash is left out: what it names lands inside, and this is no root file system.
    await refused(tar('absolute.tar', '-P', join(folder, 'file')), /has no systemd, no bash, no curl/);
    // Programs that are links to the host's own are not taken for the archive's.
    const linked = join(folder, 'linked');
    mkdirSync(join(linked, 'usr/bin'), { recursive: true });
    for (const name of ['bash', 'curl']) symlinkSync('/usr/bin/true', join(linked, `usr/bin/${name}`));
    await refused(tar('linked.tar', '-C', linked, '.'), /no bash, no curl/);
    assert.deepEqual(readdirSync(outside), []);
    assert.deepEqual(layers(), before, 'nothing half made is left');
    assert.equal(existsSync(join(folder, 'escaped')), false);
  });

  test('that cannot boot here is refused in words', async () => {
    writeFileSync(join(folder, 'garbage'), 'no tar at all, '.repeat(100));
    await refused(join(folder, 'garbage'), /cannot be unpacked/);
    await refused(join(folder, 'nothing-there'), /cannot be read/);
    const systemd = join(tree, 'usr/lib/systemd/systemd');
    const program = readFileSync(systemd);
    const foreign = Buffer.from(program);
    foreign.writeUInt16LE(process.arch === 'x64' ? 183 : 62, 18);
    writeFileSync(systemd, foreign);
    try {
      await refused(whole('foreign.tar'), /the archive is for (arm64|x86_64), this machine is/);
    } finally {
      writeFileSync(systemd, program);
    }
    for (const [name, user] of [
      ['a', 'admin'],
      ['../up', 'admin'],
      ['fine', 'Root User'],
    ] as const) {
      await assert.rejects(bring(whole(), name, user), ImportRefusal, `${name} ${user}`);
    }
  });
});
