/** Volumes with file systems of the instance's own, mounted by its own tools: mount, umount, fstab, units. Needs root. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { missingForCompute } from '../../packages/linux/src/compute/index.ts';
import { mayGive } from '../../packages/linux/src/host/process.ts';
import { missingForVolumes } from '../../packages/linux/src/volumes/index.ts';
import { mountSettings } from '../../packages/linux/src/volumes/mount-options.ts';
import { gibibyte, having, type VolumeHost, volumeHost } from './volume-host.ts';

const missing = [...missingForCompute(), ...missingForVolumes()];
const CAP_SYS_RESOURCE = 24;
const skip = missing.length > 0 && `this machine lacks ${missing.map(({ what }) => what).join(', ')}`;

test('of the options of a mount, those that are not known are refused by name', () => {
  const { attributes, parameters, readOnly } = mountSettings(
    'ext4',
    'ro,noatime,nofail,x-systemd.automount,commit=5',
  );
  assert.deepEqual([attributes, readOnly], [0x1 | 0x4 | 0x10, true]);
  assert.deepEqual(Object.fromEntries(parameters), { commit: '5', discard: undefined, errors: 'remount-ro' });
  assert.deepEqual(Object.fromEntries(mountSettings('xfs', 'nodiscard').parameters), {
    nodiscard: undefined,
    nouuid: undefined,
  });
  for (const option of [
    'dev',
    'errors=panic',
    'journal_dev=8:1',
    'journal_path=/dev/vda',
    'usrjquota=x',
    'commit=5;rw',
  ])
    assert.throws(
      () => mountSettings('ext4', `ro,${option}`),
      new RegExp(`the option ${option} is not supported`),
    );
  for (const option of ['logdev=/dev/vda', 'rtdev=/dev/vda', 'errors=continue'])
    assert.throws(() => mountSettings('xfs', option), new RegExp(`the option ${option} is not supported`));
});

describe('a volume’s file system', { skip, timeout: 180_000 }, () => {
  let host: VolumeHost;
  before(async () => {
    host = await volumeHost('hvm');
  });
  afterEach(() => host.clear());
  after(() => host?.close());

  test('is mounted and unmounted by the stock tools, by any of its names', async () => {
    const machine = having(await host.machine('i-a'), await host.data('vol-0a', '/dev/sdf'));
    await host.boot(machine);
    const label = 'mkfs.ext4 -q -L files /dev/xvdf; mkdir -p /data';
    assert.equal(await host.inside('i-a', label), '');
    for (const source of ['/dev/sdf', '/dev/nvme1n1', '-t ext4 /dev/xvdf', 'LABEL=files']) {
      const script = `mount ${source} /data && findmnt -no SOURCE,FSTYPE /data | tr -s ' ' && lsblk -no MOUNTPOINT /dev/xvdf && umount /data`;
      assert.equal(await host.inside('i-a', script), '/dev/xvdf ext4\n/data\n', source);
    }
    const said = await host.inside(
      'i-a',
      `mount -o ro,noatime /dev/sdf /data; touch /data/x; mount -o remount,rw /data && echo kept > /data/x
       findmnt -no OPTIONS /data; cd /data; umount /data; cd /; umount /data && mount /dev/sdf /data && cat /data/x`,
    );
    assert.match(
      said,
      /^touch: .*Read-only file system\nrw,nodev,.*errors=remount-ro.*\numount: \/data: target is busy\.\nkept\n$/,
    );
    const df = Number(await host.inside('i-a', 'df --output=size --block-size=1M /data | tail -1'));
    assert(df > 900 && df < 1_024, `${df} MiB`);
  });

  test('is mounted at boot, as fstab and units say', async () => {
    const machine = having(
      await host.machine('i-a'),
      await host.data('vol-0a', '/dev/sdf'),
      await host.data('vol-0b', '/dev/sdg'),
    );
    await host.boot(machine);
    const unit =
      '[Mount]\\nWhat=/dev/sdg\\nWhere=/other\\nType=ext4\\n[Install]\\nWantedBy=multi-user.target\\n';
    await host.inside(
      'i-a',
      `mkfs.ext4 -q /dev/sdf; mkfs.ext4 -q /dev/sdg; mkdir /data /other
       echo "UUID=$(blkid -s UUID -o value /dev/sdf) /data ext4 defaults,nofail 0 2" >> /etc/fstab
       echo '/dev/sdz /gone ext4 defaults,nofail 0 2' >> /etc/fstab; mkdir /gone
       printf '${unit}' > /etc/systemd/system/other.mount; systemctl -q enable other.mount
       mount -a; systemctl start other.mount; echo one > /data/x; echo two > /other/x`,
    );
    assert.equal(
      await host.inside('i-a', 'cat /data/x /other/x; systemctl is-active other.mount'),
      'one\ntwo\nactive\n',
    );
    await host.boot({ ...machine, boot: 2 });
    assert.equal(
      await host.inside('i-a', 'cat /data/x /other/x; systemctl is-active other.mount'),
      'one\ntwo\nactive\n',
    );
    // A device that is not there, as in an instance from an image of the root volume only, fails only without nofail.
    assert.equal(await host.inside('i-a', 'mount -a && echo well'), 'well\n');
    assert.match(
      await host.inside('i-a', 'sed -i s/,nofail// /etc/fstab; mount -a || echo "ended with $?"'),
      /^mount: \/gone: special device \/dev\/sdz does not exist\.\nended with \d+\n$/,
    );
    await host.inside('i-a', 'sed -i /gone/d /etc/fstab');
    await host.boot({ ...machine, boot: 3, init: 'nano' });
    assert.equal(
      await host.inside('i-a', 'until mountpoint -q /data; do sleep 0.05; done; cat /data/x'),
      'one\n',
    );
  });

  test('keeps its volume from being taken out, until it is unmounted', async () => {
    const machine = await host.machine('i-a');
    const volume = await host.data('vol-0a', '/dev/sdf');
    await host.boot(having(machine, volume));
    await host.inside('i-a', 'mkfs.ext4 -q /dev/sdf; mkdir /data; mount /dev/sdf /data');
    const busy = async () =>
      (await host.compute.status('i-a'))?.volumes?.find(({ volumeId }) => volumeId === 'vol-0a')?.busy;
    assert.equal(await busy(), false);
    await host.compute.ensure(machine);
    assert.equal(await busy(), true);
    assert.equal(await host.inside('i-a', 'echo still > /data/x; cat /data/x'), 'still\n');
    // Wanted again meanwhile, it stays.
    await host.compute.ensure(having(machine, volume));
    assert.equal(await busy(), false);
    await host.compute.ensure(machine);
    const told = new Promise<string>((resolve) => {
      const stop = host.compute.watch((id) => {
        stop();
        resolve(id);
      });
    });
    await host.inside('i-a', 'umount /data');
    assert.equal(await told, 'i-a');
    await host.compute.ensure(machine);
    assert.equal(await busy(), undefined);
    assert.equal(
      await host.inside('i-a', 'ls -d /dev/xvd* || echo none'),
      "ls: cannot access '/dev/xvd*': No such file or directory\nnone\n",
    );
  });

  test('is cut off by force, and harms neither this host nor what is on the volume', async () => {
    const [machine, other] = [await host.machine('i-a'), await host.machine('i-b')];
    const [one, two] = [await host.data('vol-0a', '/dev/sdf'), await host.data('vol-0b', '/dev/sdg')];
    await Promise.all([host.boot(having(machine, one, two)), host.boot(other)]);
    await host.inside(
      'i-a',
      `mkfs.ext4 -q /dev/sdf; mkfs.ext4 -q /dev/sdg; mkdir /data /other; mount /dev/sdf /data; mount /dev/sdg /other
       echo kept > /data/x; sync`,
    );
    const status = await host.compute.ensure({ ...having(machine, two), forceDetach: ['vol-0a'] });
    assert.deepEqual(status.volumes?.map(({ volumeId }) => volumeId).toSorted(), ['vol-0b', 'vol-i-a']);
    assert.match(
      await host.inside('i-a', 'echo lost > /data/y; sync -f /data; ls /data/y /dev/sdf'),
      /(Input\/output error|Read-only file system)/,
    );
    assert.equal(await host.inside('i-a', 'echo fine > /other/x; umount /data; cat /other/x'), 'fine\n');
    await host.compute.ensure(having(other, one));
    assert.equal(
      await host.inside('i-b', 'mkdir /data; mount /dev/sdf /data; ls -A /data; cat /data/x'),
      'lost+found\nx\nkept\n',
    );
  });

  test('is unmounted after it was cut off, XFS too, and mounted there again', async () => {
    const machine = await host.machine('i-a');
    const volume = await host.data('vol-0a', '/dev/sdf');
    await host.boot(having(machine, volume));
    await host.inside(
      'i-a',
      'mkfs.xfs -q /dev/sdf; mkdir /data; mount /dev/sdf /data; echo kept > /data/x; sync',
    );
    await host.compute.ensure({ ...machine, forceDetach: ['vol-0a'] });
    assert.match(
      await host.inside('i-a', 'echo lost > /data/y; sync -f /data; ls /data/y'),
      /Input\/output error/,
    );
    await host.compute.ensure(having(machine, volume));
    assert.equal(
      await host.inside(
        'i-a',
        'umount /data && mount /dev/sdf /data && cat /data/x && umount /data && ls -A /data',
      ),
      'kept\n',
    );
  });

  test('grows with its volume while it is mounted, and so does the root’s', async () => {
    const machine = having(
      await host.machine('i-a', { sizeBytes: 2 * gibibyte }),
      await host.data('vol-0a', '/dev/sdf'),
    );
    await host.boot(machine);
    await host.inside('i-a', 'mkfs.ext4 -q /dev/sdf; mkdir /data; mount /dev/sdf /data');
    const mebibytes = async (path: string): Promise<number> =>
      Number(await host.inside('i-a', `df --output=size --block-size=1M ${path} | tail -1`));
    for (const id of ['vol-0a', 'vol-i-a'])
      await host.volumes.ensure({ id, sizeBytes: 4 * gibibyte, origin: { kind: 'empty' } });
    assert((await mebibytes('/data')) < 1_024 && (await mebibytes('/')) < 2_048, 'not by itself');
    const said = await host.inside('i-a', 'resize2fs /dev/sdf; growpart /dev/xvda 1; resize2fs /dev/xvda1');
    assert.match(said, /NOCHANGE: \/dev\/xvda has no partitions/);
    if (mayGive(CAP_SYS_RESOURCE)) {
      for (const path of ['/data', '/']) assert((await mebibytes(path)) > 3_800, `${path}: ${said}`);
    } else {
      // The kernel wants a right that this host itself lacks; without a mount it wants none.
      assert.match(said, /the host has no CAP_SYS_RESOURCE. It will at the next boot/);
      await host.inside('i-a', 'umount /data; e2fsck -fp /dev/sdf; resize2fs /dev/sdf; mount /dev/sdf /data');
      assert((await mebibytes('/data')) > 3_800);
    }
    await host.volumes.ensure({ id: 'vol-i-a', sizeBytes: 6 * gibibyte, origin: { kind: 'empty' } });
    await host.boot({ ...machine, boot: 2 });
    assert((await mebibytes('/')) > 5_700, 'at its next boot');
  });

  test('may be XFS, also twice the same, and grows in use', async () => {
    const machine = having(await host.machine('i-a'), await host.data('vol-0a', '/dev/sdf'));
    await host.boot(machine);
    await host.inside(
      'i-a',
      'mkfs.xfs -q /dev/sdf; mkdir /data /copy; mount /dev/sdf /data; echo kept > /data/x',
    );
    await host.volumes.snapshot('vol-0a', 'snap-a');
    const origin = { kind: 'snapshot', snapshotId: 'snap-a' } as const;
    await host.volumes.ensure({ id: 'vol-0b', sizeBytes: 2 * gibibyte, origin });
    await host.compute.ensure(having(machine, { volumeId: 'vol-0b', device: '/dev/sdg', role: 'data' }));
    const size = 'df --output=size --block-size=1M /copy | tail -1';
    const said = await host.inside(
      'i-a',
      `mount /dev/sdg /copy && cat /copy/x; ${size}; xfs_growfs -d /copy; ${size}`,
    );
    const [contents, before, grown, now] = said.split('\n');
    assert.equal(contents, 'kept', said);
    assert.match(grown ?? '', /^data blocks changed/);
    assert(Number(before) < 1_024 && Number(now) > 1_900, said);
    assert.equal(await host.inside('i-a', 'xfs_growfs /'), 'xfs_growfs: / is not a mounted XFS filesystem\n');
  });
});
