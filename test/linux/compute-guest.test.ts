/** What an instance finds when it boots: its metadata, user data, keys, identity, limits. Really runs; needs root. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  buildBaseImage,
  type LinuxCompute,
  linuxCompute,
  missingForCompute,
  removeAll,
} from '../../packages/linux/src/compute/index.ts';
import { machinePaths } from '../../packages/linux/src/compute/record.ts';
import { runCommand } from '../../packages/linux/src/host/command.ts';
import { hostLayout } from '../../packages/linux/src/layout.ts';
import type { MachineSpec } from '../../packages/region/src/drivers/compute.ts';
import { becomes } from '../support/instances.ts';
import { stateDirectoryOf } from '../support/region.ts';
import { computeHost, type Metadata } from './compute-host.ts';

const missing = missingForCompute();
const skip = missing.length > 0 && `this machine lacks ${missing.map(({ what }) => what).join(', ')}`;
const stateDirectory = stateDirectoryOf('hcg');
const layout = hostLayout({ prefix: 'hcg', stateDirectory });
const host = computeHost(layout);
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJf0l3oGZ1yqIzyMEE1mVbJw4X3iYj3o8i0rS2pQ9v4K someone';

/** What an instance reports by `curl http://169.254.169.254/test/<word>`, in order; `next` waits for one more. */
function reports(): { onReport: (path: string) => void; next: () => Promise<string>; count: () => number } {
  const come: string[] = [];
  const waiting: ((word: string) => void)[] = [];
  let count = 0;
  return {
    count: () => count,
    onReport(word) {
      count++;
      const resolve = waiting.shift();
      if (resolve) resolve(word);
      else come.push(word);
    },
    next() {
      const word = come.shift();
      return word === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(word);
    },
  };
}

const report = (word: string): string => `curl -s http://169.254.169.254/test/${word}`;

describe('an instance on this machine', { skip }, () => {
  let driver: LinuxCompute;
  let layers: readonly string[];

  before(async () => {
    await host.removeAll();
    mkdirSync(stateDirectory);
    ({ layers } = await buildBaseImage(layout));
    driver = linuxCompute(layout);
  });
  afterEach(() => host.clear());
  after(async () => {
    driver?.close();
    await host.removeAll();
  });

  async function want(id: string, metadata: Metadata = {}, snapshotId?: string): Promise<MachineSpec> {
    const namespace = await host.makeNamespace(id, metadata);
    const hostname = `ip-${id}`;
    const limits = { vcpus: 1, memoryBytes: 512 * 1_048_576 };
    return {
      id,
      namespace,
      hostname,
      layers,
      volumes: [await host.rootVolume(id, snapshotId)],
      ...limits,
      init: 'systemd',
      power: 'on',
      boot: 1,
      shutdownTimeoutMs: 15_000,
    };
  }

  /** A file of the machine's own disk. */
  const fileOf = (id: string, path: string): string =>
    readFileSync(join(machinePaths(layout, id).rootVolume, 'upper', path), 'utf8');
  const consoleOf = async (id: string): Promise<string> =>
    Buffer.from((await driver.console(id))!.output).toString();
  /** What writes the console down is a process of its own, a moment behind. */
  const consoleShows = (id: string, words: RegExp): Promise<void> =>
    becomes(async () => words.exec(await consoleOf(id)) !== null, true, `the console shows ${words}`);
  const shell = (id: string, command: string): Promise<number> =>
    driver.exec(id, ['/bin/sh', '-c', command], { stdio: 'ignore' });
  const booted = (id: string): Promise<number> =>
    shell(
      id,
      'until systemctl is-system-running 2>/dev/null | grep -qE "running|degraded"; do sleep 0.1; done',
    );

  const finished = (id: string): Promise<number> =>
    shell(id, 'until test -e /var/lib/cloud/instance/boot-finished; do sleep 0.1; done');

  test('runs its script as root once in its life, and says so on its console', {
    timeout: 60_000,
  }, async () => {
    const { onReport, next, count } = reports();
    const userData = `#!/bin/bash\necho "I am $(id -un)"; echo again | tee /dev/console; ${report('ran')}\n`;
    const machine = await want('i-a', { userData, onReport });
    await driver.ensure(machine);
    assert.equal(await next(), 'ran');
    await finished('i-a');
    assert.equal((await driver.ensure({ ...machine, boot: 2 })).state, 'running');
    await booted('i-a');
    assert.equal(await shell('i-a', 'systemctl is-system-running'), 0, 'every unit is well');
    assert.equal(count(), 1);
    for (const words of [/Welcome to .*Debian GNU\/Linux 12/, /I am root/, /SSH HOST KEY FINGERPRINTS/])
      await consoleShows('i-a', words);
    assert.match(fileOf('i-a', 'var/log/cloud-init-output.log'), /^I am root\nagain\n/);
    assert.equal(fileOf('i-a', 'var/lib/cloud/instances/i-a/user-data.txt'), userData);
  });

  test('takes a script that is compressed, and one that is not a script is named on the console', {
    timeout: 60_000,
  }, async () => {
    const { onReport, next } = reports();
    const userData = gzipSync(`#!/bin/sh\n${report('unpacked')}\n`);
    await driver.ensure(await want('i-a', { userData, onReport }));
    assert.equal(await next(), 'unpacked');
    await driver.ensure(await want('i-b', { userData: 'just text\n' }));
    await finished('i-b');
    await consoleShows('i-b', /Unhandled non-multipart .* userdata: 'just text/);
  });

  test('can start services from its script, and what it leaves running stays', {
    timeout: 60_000,
  }, async () => {
    const { onReport, next } = reports();
    const unit = '[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n';
    const lines = [
      `printf '${unit}' > /etc/systemd/system/app.service`,
      'systemctl daemon-reload && systemctl enable --now app && systemctl restart ssh',
      `(while kill -0 $$; do sleep 0.1; done; ${report('later')}) &`,
      `systemctl is-active app ssh && ${report('active')}`,
    ];
    await driver.ensure(await want('i-a', { userData: `#!/bin/sh\n${lines.join('\n')}\n`, onReport }));
    assert.equal(await next(), 'active');
    assert.equal(await next(), 'later');
  });

  test('hands cloud-config to cloud-init', { timeout: 60_000 }, async () => {
    const { onReport, next } = reports();
    const userData = [
      '#cloud-config',
      'write_files:',
      '- {path: /srv/greeting, content: hello}',
      'runcmd:',
      `- [sh, -c, "grep -q hello /srv/greeting && ${report('configured')}"]`,
    ].join('\n');
    await driver.ensure(await want('i-a', { userData, publicKey: key, onReport }));
    assert.equal(await next(), 'configured');
    assert.equal(
      fileOf('i-a', 'home/admin/.ssh/authorized_keys')
        .split('\n')
        .filter((line) => line.includes(key)).length,
      1,
    );
  });

  test('lets its key in as admin, who may do everything', { timeout: 60_000 }, async () => {
    await driver.ensure(await want('i-a', { publicKey: key }));
    await booted('i-a');
    assert.equal(fileOf('i-a', 'home/admin/.ssh/authorized_keys').trim(), key);
    assert.equal(await shell('i-a', 'test "$(su admin -c "sudo -n id -u")" = 0'), 0);
    assert.equal(await shell('i-a', 'systemctl is-active ssh'), 0);
  });

  test('is entered by SSH with the private key', { timeout: 60_000 }, async (t) => {
    if (!existsSync('/usr/bin/ssh')) return t.skip('this machine has no ssh');
    const keyPath = join(stateDirectory, 'key');
    await runCommand(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', keyPath]);
    await driver.ensure(await want('i-a', { publicKey: readFileSync(`${keyPath}.pub`, 'utf8') }));
    await booted('i-a');
    const options = [
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
      '-o',
      'BatchMode=yes',
      '-i',
      keyPath,
    ];
    const argv = [
      'ip',
      'netns',
      'exec',
      `${layout.prefix}-i-a`,
      'ssh',
      ...options,
      'admin@127.0.0.1',
    ] as const;
    const said = await runCommand([...argv, 'whoami; hostname; sudo id -u; echo $AWS_ENDPOINT_URL']);
    assert.equal(said, 'admin\nip-i-a\n0\nhttp://169.254.169.252:4566\n');
  });

  test('has its own identity also as a copy of another, and all of the other’s files', {
    timeout: 60_000,
  }, async () => {
    const { onReport, next } = reports();
    const userData = `#!/bin/sh\nrm /etc/issue.net; echo kept > /srv/data; ${report('ready')}\n`;
    await driver.ensure(await want('i-a', { userData, publicKey: key, onReport }));
    await next();
    await booted('i-a');
    await host.volumes.snapshot('vol-i-a', 'snap-1');
    await driver.ensure(await want('i-b', {}, 'snap-1'));
    await booted('i-b');
    for (const path of [
      'etc/machine-id',
      'etc/hostname',
      'etc/ssh/ssh_host_ed25519_key.pub',
      'etc/ssh/ssh_host_ecdsa_key.pub',
    ]) {
      assert.notEqual(fileOf('i-a', path), fileOf('i-b', path), path);
    }
    assert.equal(
      await shell(
        'i-b',
        'test "$(cat /srv/data)" = kept && test ! -e /etc/issue.net && test "$(hostname)" = ip-i-b',
      ),
      0,
    );
    assert.equal(await shell('i-b', 'test ! -e /var/lib/cloud/instances/i-a'), 0);
  });

  test('keeps its disk over a stop, and starts from it', { timeout: 60_000 }, async () => {
    const machine = await want('i-a');
    await driver.ensure(machine);
    await booted('i-a');
    assert.equal(await shell('i-a', 'echo kept > /srv/data && echo renamed > /etc/hostname'), 0);
    await driver.ensure({ ...machine, power: 'off' });
    await driver.ensure({ ...machine, boot: 2 });
    await booted('i-a');
    assert.equal(await shell('i-a', 'test "$(cat /srv/data) $(hostname)" = "kept renamed"'), 0);
  });

  test('has no more memory and processor than its type, whatever its root does', {
    timeout: 60_000,
  }, async () => {
    const machine = { ...(await want('i-a')), vcpus: 0.5, memoryBytes: 192 * 1_048_576 };
    await driver.ensure(machine);
    await booted('i-a');
    assert.notEqual(
      await shell('i-a', 'head -c 400M /dev/zero | tail -c 400M > /dev/null'),
      0,
      'the kernel ends it',
    );
    // Root of a machine may mount the controllers of a hybrid host and lift the limit of its own group, not of its parent.
    await shell(
      'i-a',
      'mkdir -p /mnt/m && mount -t cgroup -o memory none /mnt/m && echo -1 > /mnt/m/memory.limit_in_bytes',
    );
    assert.notEqual(await shell('i-a', 'head -c 400M /dev/zero | tail -c 400M > /dev/null'), 0);
    const before = await driver.usage('i-a');
    const startedAt = performance.now();
    await shell('i-a', 'timeout 1 sh -c "while :; do :; done"');
    const share =
      ((await driver.usage('i-a'))!.cpuNs - before!.cpuNs) / ((performance.now() - startedAt) * 1e6);
    assert.ok(share < 0.65, `half a processor, not ${share}`);
  });

  test('cannot open this machine’s disks', { timeout: 60_000 }, async () => {
    await driver.ensure(await want('i-a'));
    await booted('i-a');
    const disk = statSync('/').dev;
    const [major, minor] = [disk >> 8, disk & 0xff];
    assert.notEqual(await shell('i-a', `mknod /root/disk b ${major} ${minor}; head -c 1 /root/disk`), 0);
    await shell(
      'i-a',
      'mkdir -p /mnt/d && mount -t cgroup -o devices none /mnt/d && echo a > /mnt/d/devices.allow',
    );
    assert.notEqual(await shell('i-a', 'head -c 1 /root/disk'), 0);
    assert.notEqual(await shell('i-a', 'echo 1 > /proc/sys/kernel/panic'), 0);
  });

  test('may have a light init, which runs user data and ends in order too', { timeout: 60_000 }, async () => {
    const { onReport, next } = reports();
    const userData = `#!/bin/sh\necho light; ${report('ran')}\n`;
    const machine: MachineSpec = {
      ...(await want('i-a', { userData, publicKey: key, onReport })),
      init: 'nano',
    };
    await driver.ensure(machine);
    assert.equal(await next(), 'ran');
    await finished('i-a');
    await consoleShows('i-a', /Debian GNU\/Linux 12[\s\S]*light/);
    assert.equal(await shell('i-a', 'until test -s /run/sshd.pid; do sleep 0.1; done'), 0);
    assert.ok((await driver.usage('i-a'))!.memoryBytes < 8e6);
    const { end } = await driver.ensure({ ...machine, power: 'off' });
    assert.deepEqual([end?.how, end?.detail], ['poweroff', 'shut down on request']);
    await driver.ensure({ ...machine, boot: 2 });
    await finished('i-a');
    await shell('i-a', 'kill -HUP 1');
    await becomes(async () => (await driver.status('i-a'))?.end?.how, 'reboot');
  });

  test('is found stopped after everything of it but its disk has gone, as when this machine reboots', {
    timeout: 60_000,
  }, async () => {
    const machine = await want('i-a');
    await driver.ensure(machine);
    await booted('i-a');
    await shell('i-a', 'echo kept > /srv/data');
    await removeAll(layout, { keepState: true });
    const status = await driver.status('i-a');
    assert.equal(status?.state, 'stopped');
    assert.equal(status?.end?.how, 'killed');
    assert.equal((await driver.ensure({ ...machine, boot: 2 })).state, 'running');
    assert.equal(await shell('i-a', 'test "$(cat /srv/data)" = kept'), 0);
  });
});
