/**
 * What an instance’s root cannot do by its volumes, though it may write anything to them: reach another’s volume or
 * this machine’s disks, or have the host mount and unmount what keeps it in its bounds. Needs root.
 */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { missingForCompute } from '../../packages/linux/src/compute/index.ts';
import { missingForVolumes } from '../../packages/linux/src/volumes/index.ts';
import { findLoops } from '../../packages/linux/src/volumes/loop.ts';
import { volumePaths } from '../../packages/linux/src/volumes/paths.ts';
import type { MachineSpec, MachineVolume } from '../../packages/region/src/drivers/compute.ts';
import { having, type VolumeHost, volumeHost } from './volume-host.ts';

const missing = [...missingForCompute(), ...missingForVolumes()];
const skip = missing.length > 0 && `this machine lacks ${missing.map(({ what }) => what).join(', ')}`;

describe('an instance’s root, by its volumes,', { skip, timeout: 180_000 }, () => {
  let host: VolumeHost;
  let prisoner: MachineSpec;
  let neighbour: MachineSpec;
  let own: MachineVolume;
  /** This machine's own mounts, before there was anything to escape from. */
  const mountsOf = (): string[] => readFileSync('/proc/self/mounts', 'utf8').split('\n');
  let mountsBefore: string[];
  /** Numbers of what it must not reach: the neighbour’s volumes, and this machine’s disk. */
  let forbidden: string[];

  const attempt = (script: string): Promise<string> => host.inside('i-a', script);

  before(async () => {
    mountsBefore = mountsOf();
    host = await volumeHost('hve');
    own = await host.data('vol-0a', '/dev/sdf');
    prisoner = having(await host.machine('i-a'), own);
    neighbour = having(await host.machine('i-b'), await host.data('vol-0b', '/dev/sdf'));
    await Promise.all([host.boot(prisoner), host.boot(neighbour)]);
    const others = findLoops(volumePaths(host.layout).pool).filter(({ file }) => /vol-(0b|i-b)$/.test(file));
    assert.equal(others.length, 2);
    const disk = statSync('/').dev;
    forbidden = [...others.map(({ number }) => `b 7 ${number}`), `b ${disk >> 8} ${disk & 0xff}`];
  });
  after(() => host?.close());

  const nodes = (at: string): string => forbidden.map((node, n) => `mknod ${at}node${n} ${node}`).join('\n');
  const opens = (at: string): string =>
    forbidden.map((_, n) => `head -c 1 ${at}node${n} > /dev/null 2>&1 && echo ${n} opens`).join('; ');

  test('opens no device that it has written into a file system', async () => {
    await attempt(
      `mkfs.ext4 -q -F /dev/xvdf; debugfs -w -f - /dev/xvdf <<'E'\n${nodes('')}\nE\nmkdir -p /data`,
    );
    for (const mount of [
      'mount /dev/xvdf /data',
      'mount -o remount,dev /data',
      'mount -o remount,suid,exec /data',
    ]) {
      const said = await attempt(
        `${mount}; stat -c %F /data/node0; findmnt -no OPTIONS /data; ${opens('/data/')}`,
      );
      assert.match(said, /block special file\n.*\bnodev\b.*\n$/, mount);
    }
    await attempt('umount /data');
  });

  test('nor one that it has written to its root volume, from another instance', async () => {
    const root = prisoner.volumes![0]!;
    await attempt('touch /root/here');
    await host.compute.ensure({ ...prisoner, power: 'off' });
    const borrower = await host.machine('i-c');
    await host.boot(having(borrower, { ...root, device: '/dev/sdz', role: 'data' }));
    const written = await host.inside(
      'i-c',
      `debugfs -w -f - /dev/xvdz <<'E'\ncd upper/root\n${nodes('')}\nE\ndebugfs -R 'ls -p upper/root' /dev/xvdz`,
    );
    assert.match(written, /\/060\d+\/.*\/node0\//);
    await host.compute.remove('i-c');
    prisoner = { ...prisoner, boot: 2 };
    await host.boot(prisoner);
    assert.equal(await attempt(`stat -c %F /root/node0; ${opens('/root/')}`), 'block special file\n');
  });

  test('has the host mount nothing but its own volumes, and nothing where its bounds are', async () => {
    await attempt(
      'mkfs.ext4 -q -F /dev/xvdf; mkdir -p /data; ln -s / /data-link; ln -s /dev/xvdf /dev/link; ln -sfn /proc /proc-link',
    );
    const ask = (...fields: string[]): Promise<string> =>
      attempt(`/usr/lib/holdfast/ask-host ${fields.map((field) => `'${field}'`).join(' ')} && echo DONE`);
    for (const source of [
      '/dev/null',
      '/etc/passwd',
      '/dev/xvda',
      '/dev/loop0',
      '/nothing',
      'relative',
      '/dev/holdfast-end',
    ])
      assert.match(
        await ask('mount', 'type=ext4', `source=${source}`, 'target=/data'),
        /^(?!DONE)[^\n]+\n$/,
        source,
      );
    for (const target of [
      '/',
      '/data-link',
      '/proc',
      '/proc/sys/kernel',
      '/proc-link',
      '/sys',
      '/sys/fs/cgroup',
      '/dev',
      '/dev/pts',
      'data',
      '/data/..',
      '/nowhere',
      '/etc/passwd',
    ])
      assert.match(
        await ask('mount', 'type=ext4', 'source=/dev/xvdf', `target=${target}`),
        /^(?!DONE)[^\n]+\n$/,
        target,
      );
    for (const type of ['tmpfs', 'overlay', 'proc', 'bind', ''])
      assert.match(
        await ask('mount', `type=${type}`, 'source=/dev/xvdf', 'target=/data'),
        /unknown filesystem/,
        type,
      );
    for (const target of [
      '/',
      '/proc',
      '/proc/sys/kernel',
      '/sys',
      '/sys/block',
      '/dev',
      '/dev/holdfast-end',
      '/proc/../sys',
      '/data',
    ])
      for (const lazy of ['no', 'yes'])
        assert.match(await ask('umount', `target=${target}`, `lazy=${lazy}`), /^(?!DONE)[^\n]+\n$/, target);
    assert.match(await ask('exec', 'target=/data'), /not something to ask for/);
    // By its own symbolic links it gets what they mean inside.
    assert.equal(
      await attempt('mount /dev/link /data && findmnt -no SOURCE /data; umount /data'),
      '/dev/xvdf\n',
    );
  });

  test('does not lead an unmount astray by what it renames meanwhile', async () => {
    const bounds = await attempt('findmnt -rno TARGET,OPTIONS | grep -vE "^/(data|run)"');
    const said = await attempt(
      `mkdir -p /trap/sys /other; ln -s /proc /trap-link; mount /dev/xvdf /trap/sys
       (while :; do mv -T /trap /aside; mv -T /trap-link /trap; mv -T /trap /trap-link; mv -T /aside /trap; done > /dev/null 2>&1) &
       moving=$!
       for _ in $(seq 60); do
         /usr/lib/holdfast/ask-host umount target=/trap/sys lazy=yes > /dev/null && mount /dev/xvdf /trap/sys 2> /dev/null
       done
       kill $moving; wait; echo tried`,
    );
    assert.match(said, /tried\n$/);
    assert.equal(await attempt('findmnt -rno TARGET,OPTIONS | grep -vE "^/(data|run|trap|aside)"'), bounds);
    assert.match(await attempt('echo x > /proc/sys/kernel/core_pattern'), /Read-only file system/);
    await attempt('for _ in 1 2 3; do umount -l /trap/sys; umount -l /aside/sys; done; rm -rf /trap* /aside');
  });

  test('is the only one inside who can ask, and by questions of some size', async () => {
    const curl = `curl -s -m 5 -o /dev/null -w '%{http_code}' -X POST --unix-socket /dev/holdfast/volumes http://host/umount -d target=/data`;
    assert.equal(await attempt(curl), '409');
    for (const who of ['runuser -u admin --', 'unshare -Ur', 'runuser -u admin -- unshare -Ur'])
      assert.match(await attempt(`${who} ${curl}`), who === 'unshare -Ur' ? /^(000|409)$/ : /^000$/, who);
    assert.equal(
      await attempt(`head -c 100000 /dev/zero | tr '\\0' a > /tmp/big; ${curl} -d @/tmp/big`),
      '400',
    );
    assert.match(
      await attempt('rm -f /dev/holdfast/volumes; touch /dev/holdfast/x'),
      /Read-only file system\n.*Read-only file system/,
    );
  });

  test('sees no other’s volumes, and changes nothing of its own but what is on it', async () => {
    assert.equal(await attempt('lsblk -no NAME --sort NAME'), 'xvda\nxvdf\n');
    assert.equal(await attempt('ls /sys/devices/virtual/block; cat /proc/partitions'), '');
    assert.match(
      await attempt('echo 0 > /sys/block/xvdf/size; echo 1 > /sys/dev/block/x'),
      /Read-only file system\n.*Read-only file system/,
    );
    assert.match(await attempt('ls /dev/loop-control /dev/loop0'), /No such file.*\n.*No such file/);
    assert.equal(await attempt('for f in $(find / -xdev -name "*vol-*" 2> /dev/null); do echo $f; done'), '');
    const now = mountsOf().filter((line) => !mountsBefore.includes(line));
    assert.deepEqual(
      now.filter((line) => / \/(data|trap|aside)/.test(line)),
      [],
      'nothing of it on this machine',
    );
    assert.equal(await host.inside('i-b', 'head -c 4 /dev/xvdf | od -An -tx1'), ' 00 00 00 00\n');
  });
});
