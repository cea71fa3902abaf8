/** `holdfast exec`, `ssh` and `logs` with an instance that nobody reaches through its network. Needs root. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../support/instances.ts';
import { withoutAws, withoutCommand, withoutInstances } from '../support/needs.ts';
import { startRegion, type TestRegion } from '../support/region.ts';

const skip =
  withoutAws() || withoutCommand('ssh', 'apt-get install openssh-client', '-V') || (await withoutInstances());

describe('inside an instance', { skip, timeout: 180_000 }, () => {
  let region: TestRegion;
  let folder: string;
  let id: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-inside-'));
    region = await startRegion({ prefix: 'hti', driver: 'linux', publicCidr: '198.19.228.0/22' });
    const script = join(folder, 'user-data');
    writeFileSync(script, '#!/bin/sh\necho the user data is $(whoami)\n');
    const { Images } = await region.aws('ec2', 'describe-images', '--owners', 'amazon');
    const launched = await region.aws(
      ...['ec2', 'run-instances', '--image-id', Images[0].ImageId, '--instance-type', 't3.micro'],
      ...['--no-associate-public-ip-address', '--user-data', `file://${script}`],
      ...['--tag-specifications', 'ResourceType=instance,Tags=[{Key=Name,Value=alone}]'],
    );
    id = launched.Instances[0].InstanceId;
    await region.aws('ec2', 'wait', 'instance-status-ok', '--instance-ids', id);
  });
  after(async () => {
    await region?.down();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  test('logs show its console, with what its user data said', async () => {
    const said = await until('its user data', 60_000, async () => {
      const { stdout } = await region.holdfast('logs', 'alone');
      return stdout.includes('the user data is') ? stdout : undefined;
    });
    assert.match(said, /^the user data is root\r?$/m);
  });

  test('exec runs a command as root, by name or id, and ends as it does', async () => {
    const who = await region.holdfast('exec', 'alone', '--', 'sh', '-c', 'id -un; hostname; exit 7');
    assert.match(who.stdout, /^root\nip-172-31-\d+-\d+\n$/);
    assert.equal(who.code, 7);
    assert.equal((await region.holdfast('exec', id, '--', 'printf', '%s|', 'a b', '--c')).stdout, 'a b|--c|');
  });

  test('ssh logs in as admin without a key pair, an address or a rule', async () => {
    const { code, stdout, stderr } = await region.holdfast(
      'ssh',
      'alone',
      '--',
      'id -un; sudo id -un; exit 3',
    );
    assert.equal(stdout, 'admin\nroot\n', stderr);
    assert.equal(code, 3);
    const root = await region.holdfast('ssh', id, '--user', 'root', '--', 'id', '-un');
    assert.equal(root.stdout, 'root\n', root.stderr);
  });

  test('one that does not run has its console still, and no way in', async () => {
    await region.aws('ec2', 'stop-instances', '--instance-ids', id);
    await region.aws('ec2', 'wait', 'instance-stopped', '--instance-ids', id);
    for (const args of [
      ['exec', id, '--', 'true'],
      ['ssh', id],
    ]) {
      const { code, stderr } = await region.holdfast(...args);
      assert.deepEqual([code, stderr], [1, `holdfast: the instance ${id} does not run\n`]);
    }
    assert.match((await region.holdfast('exec', 'alone', '--', 'true')).stderr, /no running instance alone/);
    assert.match((await region.holdfast('logs', id)).stdout, /the user data is root/);
  });
});
