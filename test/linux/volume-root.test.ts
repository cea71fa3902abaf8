/** Root volumes: what a machine changes of its image stands on a block device of its own. Needs root. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { missingForCompute } from '../../packages/linux/src/compute/index.ts';
import { runCommand } from '../../packages/linux/src/host/command.ts';
import { findLoops } from '../../packages/linux/src/volumes/loop.ts';
import { volumeFile } from '../../packages/linux/src/volumes/paths.ts';
import { becomes } from '../support/instances.ts';
import { gibibyte, type VolumeHost, volumeHost } from './volume-host.ts';

const missing = missingForCompute();
const skip = missing.length > 0 && `this machine lacks ${missing.map(({ what }) => what).join(', ')}`;

describe('a root volume', { skip, timeout: 180_000 }, () => {
  let host: VolumeHost;
  before(async () => {
    host = await volumeHost('hvr');
  });
  afterEach(() => host.clear());
  after(() => host?.close());

  const loops = (volumeId: string): string[] =>
    findLoops(host.layout.stateDirectory).flatMap(({ file }) => (file.includes(volumeId) ? [file] : []));

  test('is as large as it is, and holds what was written over boots', async () => {
    const machine = await host.machine('i-a', { sizeBytes: 2 * gibibyte });
    await host.boot(machine);
    const size = Number(await host.inside('i-a', 'df --output=size --block-size=1M / | tail -1'));
    assert(size > 1_900 && size < 2_048, `${size} MiB`);
    const full = await host.inside('i-a', 'fallocate -l 3G /root/full; rm -f /root/full');
    assert.match(full, /No space left on device/);
    await host.inside(
      'i-a',
      'echo kept > /root/kept; hostnamectl hostname its-own-name || echo its-own-name > /etc/hostname',
    );
    const id = await host.inside('i-a', 'cat /etc/machine-id');
    await host.boot({ ...machine, boot: 2 });
    assert.equal(await host.inside('i-a', 'cat /root/kept; hostname'), 'kept\nits-own-name\n');
    assert.equal(await host.inside('i-a', 'cat /etc/machine-id'), id);
    assert.equal((await host.compute.ensure({ ...machine, boot: 2, power: 'off' })).state, 'stopped');
    await becomes(() => loops('vol-i-a'), [], 'its device goes with its boot');
    await host.compute.remove('i-a');
    assert(existsSync(volumeFile(host.layout, 'vol-i-a')), 'the volume is not the machine’s to remove');
  });

  test('taken as a snapshot becomes another machine’s, which is not the first one again', async () => {
    await host.boot(await host.machine('i-a'));
    await host.inside(
      'i-a',
      'echo installed > /opt/program; rm /usr/bin/nano; echo a-user-data-ran > /var/lib/holdfast/mark',
    );
    const snapshot = await host.volumes.snapshot('vol-i-a', 'snap-a');
    assert(snapshot.dataBytes > 0 && snapshot.volumeSizeBytes === 8 * gibibyte);
    await host.inside('i-a', 'echo later > /opt/program; sync');
    const copy = await host.machine('i-b', { origin: { kind: 'snapshot', snapshotId: 'snap-a' } });
    await host.boot(copy);
    const said = await host.inside(
      'i-b',
      'cat /opt/program; ls /usr/bin/nano /var/lib/holdfast/mark || hostname',
    );
    assert.match(said, /^installed\n(.*No such file.*\n){2}ip-of-i-b\n$/);
    for (const file of ['/etc/machine-id', '/etc/ssh/ssh_host_ed25519_key.pub'])
      assert.notEqual(await host.inside('i-a', `cat ${file}`), await host.inside('i-b', `cat ${file}`));
  });

  test('whose folders lead elsewhere by symbolic links boots nothing, and nothing of this host is written', async () => {
    const machine = await host.machine('i-a');
    const [at, outside] = [
      join(host.layout.stateDirectory, 'at'),
      join(host.layout.stateDirectory, 'outside'),
    ];
    for (const folder of [at, join(outside, 'etc')]) mkdirSync(folder, { recursive: true });
    const change = async (act: () => void): Promise<void> => {
      await runCommand(['mount', '-o', 'loop', volumeFile(host.layout, 'vol-i-a'), at]);
      try {
        act();
      } finally {
        await runCommand(['umount', at]);
        await becomes(() => loops('vol-i-a'), []);
      }
    };
    await change(() => {
      rmSync(join(at, 'upper'), { recursive: true });
      symlinkSync(outside, join(at, 'upper'));
    });
    const first = await host.compute.ensure(machine);
    assert.match(first.end?.detail ?? '', /not a root volume/);
    await change(() => {
      rmSync(join(at, 'upper'));
      mkdirSync(join(at, 'upper'));
      symlinkSync(join(outside, 'etc'), join(at, 'upper', 'etc'));
      symlinkSync(join(outside, 'marker'), join(at, 'machine'));
    });
    await host.compute.ensure({ ...machine, boot: 2 });
    assert(!existsSync(join(outside, 'etc', 'machine-id')) && !existsSync(join(outside, 'marker')));
  });

  test('that an instance made to stop the kernel on errors does not', async () => {
    const machine = await host.machine('i-a');
    await runCommand(['tune2fs', '-e', 'panic', volumeFile(host.layout, 'vol-i-a')]);
    await host.boot(machine);
    const mounted = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    const line = mounted.find((one) => one.includes(`${host.layout.runDirectory}/machines/i-a/root-volume `));
    assert.match(line ?? '', /errors=remount-ro/);
    assert.match(line ?? '', /nosuid,nodev/);
  });
});
