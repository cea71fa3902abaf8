/** Data volumes: they come and go while a machine runs, under the names that AWS gives them, and grow. Needs root. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { missingForCompute } from '../../packages/linux/src/compute/index.ts';
import { missingForVolumes } from '../../packages/linux/src/volumes/index.ts';
import { findLoops } from '../../packages/linux/src/volumes/loop.ts';
import { volumeFile } from '../../packages/linux/src/volumes/paths.ts';
import { becomes } from '../support/instances.ts';
import { gibibyte, having, type VolumeHost, volumeHost } from './volume-host.ts';

const missing = [...missingForCompute(), ...missingForVolumes()];
const skip = missing.length > 0 && `this machine lacks ${missing.map(({ what }) => what).join(', ')}`;

describe('a data volume', { skip, timeout: 180_000 }, () => {
  let host: VolumeHost;
  before(async () => {
    host = await volumeHost('hvd');
  });
  afterEach(() => host.clear());
  after(() => host?.close());

  const present = async (id: string): Promise<string[]> =>
    ((await host.compute.status(id))?.volumes ?? []).map(({ volumeId }) => volumeId).toSorted();

  test('is there at boot, under its own name and those that scripts know', async () => {
    const machine = having(await host.machine('i-a'), await host.data('vol-0a', '/dev/sdf'));
    await host.boot(machine);
    const same = await host.inside(
      'i-a',
      `for name in sdf xvdf nvme1n1 disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0a; do
         stat -Lc '%F %t' /dev/$name; done; blockdev --getsize64 /dev/sdf; stat -c '%U %G %a' /dev/xvdf`,
    );
    const node = 'block special file 7\n';
    assert.equal(same, `${node.repeat(4)}${gibibyte}\nroot disk 660\n`);
    const listed = JSON.parse(
      await host.inside('i-a', 'lsblk --json --bytes --sort NAME --output NAME,SIZE,TYPE'),
    );
    assert.deepEqual(listed.blockdevices, [
      { name: 'xvda', size: 8 * gibibyte, type: 'disk' },
      { name: 'xvdf', size: gibibyte, type: 'disk' },
    ]);
    const uuid = '11111111-2222-3333-4444-555555555555';
    assert.equal(
      await host.inside(
        'i-a',
        `mkfs.ext4 -q -U ${uuid} /dev/sdf && findfs UUID=${uuid}; lsblk -no FSTYPE /dev/xvdf`,
      ),
      '/dev/xvdf\next4\n',
    );
  });

  test('comes and goes while the machine runs, and takes what was written along', async () => {
    const [one, other] = [await host.machine('i-a'), await host.machine('i-b')];
    await Promise.all([host.boot(one), host.boot(other)]);
    const volume = await host.data('vol-0a', '/dev/sdf');
    await host.compute.ensure(having(one, volume));
    assert.deepEqual(await present('i-a'), ['vol-0a', 'vol-i-a']);
    await host.inside('i-a', 'printf "of a" > /dev/xvdf; sync');
    await host.compute.ensure(one);
    assert.deepEqual(await present('i-a'), ['vol-i-a']);
    assert.match(
      await host.inside('i-a', 'ls /dev/xvdf /dev/sdf; lsblk'),
      /No such.*\n.*No such.*\n.*\nxvda .*\n$/,
    );
    await host.compute.ensure(having(other, { ...volume, device: '/dev/xvdz' }));
    assert.equal(await host.inside('i-b', 'head -c 4 /dev/xvdz'), 'of a');
    // At the same name again, another one.
    await host.compute.ensure(having(one, await host.data('vol-0b', '/dev/sdf')));
    assert.equal(await host.inside('i-a', 'head -c 4 /dev/xvdf | tr "\\0" 0'), '0000');
  });

  test('that was taken out is out of reach, also for who kept a way to it', async () => {
    const [one, other] = [await host.machine('i-a'), await host.machine('i-b')];
    await Promise.all([host.boot(one), host.boot(other)]);
    const volume = await host.data('vol-0a', '/dev/sdf');
    await host.compute.ensure(having(one, volume));
    await host.inside(
      'i-a',
      `ln /dev/xvdf /dev/kept; printf mine > /dev/xvdf; sync
       systemd-run --quiet --unit=holds sh -c 'exec 3<> /dev/xvdf; touch /run/held; sleep 1000'
       until test -e /run/held; do sleep 0.05; done`,
    );
    await host.compute.ensure(one);
    // The next volumes of the host get the next numbers, not this one's.
    await host.compute.ensure(having(other, volume, await host.data('vol-0b', '/dev/sdg')));
    const tries = await host.inside(
      'i-a',
      `head -c 4 /dev/kept | wc -c; printf theirs | dd of=/dev/kept conv=fsync 2>&1 | grep -c 'No space'
       pid=$(systemctl show -p MainPID --value holds); head -c 4 /proc/$pid/fd/3 | wc -c; blockdev --getsize64 /dev/kept`,
    );
    assert.equal(tries, '0\n1\n0\n0\n');
    assert.equal(await host.inside('i-b', 'head -c 4 /dev/xvdf'), 'mine');
    await host.compute.remove('i-a');
    const cut = () => findLoops(host.layout.stateDirectory).filter((loop) => loop.cut);
    await becomes(cut, [], 'what was kept of it goes with the machine');
  });

  test('grows while the machine has it', async () => {
    const machine = having(await host.machine('i-a'), await host.data('vol-0a', '/dev/sdf'));
    await host.boot(machine);
    await host.volumes.ensure({ id: 'vol-0a', sizeBytes: 3 * gibibyte, origin: { kind: 'empty' } });
    assert.equal(
      await host.inside('i-a', 'blockdev --getsize64 /dev/xvdf; lsblk -bndo SIZE /dev/xvdf'),
      `${3 * gibibyte}\n${3 * gibibyte}\n`,
    );
  });

  test('keeps to its file: its root cannot make its device another’s, by no call to it', async () => {
    const machine = having(await host.machine('i-a'), await host.data('vol-0a', '/dev/sdf'));
    await host.boot(machine);
    // LOOP_CLR_FD, LOOP_SET_STATUS64, LOOP_CHANGE_FD, LOOP_CONFIGURE, and one with bits that the kernel does not look at.
    const requests = [0x4c01, 0x4c04, 0x4c06, 0x4c0a, 0x1_0000_4c01];
    const calls = `import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open("/dev/xvdf", os.O_RDWR)
for request in ${JSON.stringify(requests)}:
    print(libc.ioctl(fd, ctypes.c_ulong(request), ctypes.create_string_buffer(512)), ctypes.get_errno())
size = ctypes.c_uint64()
print(libc.ioctl(fd, ctypes.c_ulong(0x80081272), ctypes.byref(size)), size.value)`;
    const said = await host.inside('i-a', `python3 - <<'PYTHON'\n${calls}\nPYTHON`);
    assert.equal(said, `${'-1 1\n'.repeat(requests.length)}0 ${gibibyte}\n`);
    const [loop] = findLoops(host.layout.stateDirectory).filter(({ file }) => file.endsWith('/vol-0a'));
    assert.equal(loop?.file, volumeFile(host.layout, 'vol-0a'));
    // No device node can be made, by which another's would be reached.
    const made = await host.inside(
      'i-a',
      'for at in /root /dev /dev/shm /tmp; do mknod $at/n b 7 0 && echo made; done',
    );
    assert.doesNotMatch(made, /^made$/m);
    assert.match(made, /Operation not permitted/);
  });

  test('outlives the process that attached it, and the machine’s boots', async () => {
    const machine = having(await host.machine('i-a'), await host.data('vol-0a', '/dev/sdf'));
    await host.boot(machine);
    await host.inside('i-a', 'printf kept > /dev/xvdf; sync');
    await host.boot({ ...machine, boot: 2 });
    assert.equal(await host.inside('i-a', 'head -c 4 /dev/xvdf'), 'kept');
    await host.compute.ensure({ ...machine, boot: 2, power: 'off' });
    const loops = () => findLoops(host.layout.stateDirectory).filter(({ file }) => !file.endsWith('.xfs'));
    await becomes(loops, []);
    await assert.rejects(host.volumes.snapshot('vol-none', 'snap-none'), /vol-none/);
    assert.equal(readFileSync(volumeFile(host.layout, 'vol-0a')).subarray(0, 4).toString(), 'kept');
  });
});
