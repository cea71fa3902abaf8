/**
 * A root file system that somebody brings becomes an image and boots; a template's unknown id launches it; its user logs in
 * with a key that EC2 Instance Connect has pushed, for one minute. With the stock command line, as root. The region's
 * clock runs ten times as fast.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { listBaseImages } from '@holdfast/linux/compute/index.ts';
import { findLayer } from '@holdfast/linux/images/layers.ts';
import { hostLayout } from '@holdfast/linux/layout.ts';
import { BOOTED, inside, until } from '../support/instances.ts';
import { withoutAws, withoutCommand, withoutInstances } from '../support/needs.ts';
import { type Finished, run, startRegion, type TestRegion } from '../support/region.ts';

const skip =
  withoutAws() || withoutCommand('ssh', 'apt-get install openssh-client', '-V') || (await withoutInstances());

const FOREIGN = 'ami-1ecae776';

describe('an image from elsewhere', { skip, timeout: 180_000 }, () => {
  let region: TestRegion;
  let folder: string;
  let id: string;
  let address: string;
  const key = () => join(folder, 'key');

  const login = (user: string): Promise<Finished> => {
    const options = [
      'StrictHostKeyChecking=no',
      'UserKnownHostsFile=/dev/null',
      'ConnectTimeout=20',
      'IdentitiesOnly=yes',
      'LogLevel=ERROR',
    ];
    const words = ['-i', key(), ...options.flatMap((one) => ['-o', one]), `${user}@${address}`];
    return run('ssh', [...words, 'whoami']);
  };
  const push = (user: string): Promise<{ Success: boolean }> =>
    region.aws(
      ...['ec2-instance-connect', 'send-ssh-public-key', '--instance-id', id],
      ...['--instance-os-user', user, '--ssh-public-key', `file://${key()}.pub`],
    );

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-hfm-'));
    assert.equal((await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key()])).code, 0);
    region = await startRegion({
      prefix: 'hfi',
      publicCidr: '198.19.160.0/20',
      driver: 'linux',
      upArguments: ['--speed', '10'],
    });
  });
  after(async () => {
    await region?.down();
    rmSync(folder, { recursive: true, force: true });
  });

  test('is imported from an archive and launched by an id that is mapped to it', async () => {
    const layout = hostLayout();
    const [debian = ''] = listBaseImages(layout)[0]?.layers ?? [];
    const archive = join(folder, 'root.tar');
    const packed = await run('tar', ['-cf', archive, '-C', findLayer(layout, debian) ?? '', '.']);
    assert.equal(packed.code, 0, packed.stderr);
    const imported = await region.holdfast('ami', 'import', archive, '--name', 'ours', '--user', 'deploy');
    assert.equal(imported.code, 0, imported.stderr);
    const { Images } = await region.aws('ec2', 'describe-images', '--owners', 'self');
    assert.deepEqual(
      Images.map((one: { ImageId: string; Name: string; Public: boolean }) => [
        one.ImageId,
        one.Name,
        one.Public,
      ]),
      [[imported.stdout.trim(), 'ours', false]],
    );
    assert.equal((await region.holdfast('ami', 'map', FOREIGN, 'ours')).code, 0);

    const { SecurityGroups } = await region.aws('ec2', 'describe-security-groups');
    await region.aws(
      ...['ec2', 'authorize-security-group-ingress', '--group-id', SecurityGroups[0].GroupId],
      ...['--protocol', 'tcp', '--port', '22', '--cidr', '0.0.0.0/0'],
    );
    const launched = await region.aws(
      ...['ec2', 'run-instances', '--image-id', FOREIGN, '--instance-type', 't3.micro'],
    );
    id = launched.Instances[0].InstanceId;
    const running = await until('the instance runs', 120_000, async () => {
      const { Reservations } = await region.aws('ec2', 'describe-instances', '--instance-ids', id);
      const [instance] = Reservations[0].Instances;
      return instance.State.Name === 'running' ? instance : undefined;
    });
    address = running.PublicIpAddress;
    assert.equal(running.ImageId, FOREIGN);
    assert.deepEqual(running.Tags, [{ Key: 'aws:holdfast:image', Value: `${FOREIGN} is mapped to ours` }]);
    const booted = await inside(region, id, `${BOOTED}; cat /etc/holdfast/login-user`);
    assert.equal(booted.stdout, 'running\ndeploy\n');
  });

  test('lets its user in with a pushed key for one minute, and nobody else', async () => {
    assert.notEqual((await login('deploy')).code, 0, 'no key yet');
    // Sixty seconds of the region are six of ours: on a busy machine a login may come too late, and is tried anew.
    const letIn = (user: string): Promise<string> =>
      until(`a pushed key lets ${user} in`, 60_000, async () => {
        assert.equal((await push(user)).Success, true);
        const { code, stdout } = await login(user);
        return code === 0 ? stdout : undefined;
      });
    assert.equal(await letIn('deploy'), 'deploy\n');
    assert.notEqual((await login('root')).code, 0, 'another user');
    assert.equal(await letIn('root'), 'root\n');
    const shut = await until('the key is of no use any more', 60_000, async () => {
      const { code, stderr } = await login('root');
      return code === 0 ? undefined : stderr;
    });
    assert.match(shut, /Permission denied/);
    assert.notEqual((await login('deploy')).code, 0);
    const own = await inside(
      region,
      id,
      'cat ~deploy/.ssh/authorized_keys 2>/dev/null; ls /root/.ssh 2>/dev/null',
    );
    assert.equal(own.stdout, '', 'it was never written down');
  });
});
