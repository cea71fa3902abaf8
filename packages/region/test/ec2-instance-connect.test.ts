/** EC2 Instance Connect as the stock SDK calls it: what an instance's sshd is told, and for how long. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  EC2InstanceConnectClient,
  SendSerialConsoleSSHPublicKeyCommand,
  SendSSHPublicKeyCommand,
} from '@aws-sdk/client-ec2-instance-connect';
import { pushedKeys } from '../src/services/ec2-instance-connect/pushed-key.ts';
import { servedWorld } from './served-world.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJf0l3oGZ1yqIzyMEE1mVbJw4X3iYj3o8i0rS2pQ9v4K';
const OTHER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJf0l3oGZ1yqIzyMEE1mVbJw4X3iYj3o8i0rS2pQ9v4L';

async function connectWorld() {
  const world = await servedWorld();
  const client = new EC2InstanceConnectClient(world.settings);
  const send = async (InstanceId: string, input: object = {}) => {
    const output = await client.send(
      new SendSSHPublicKeyCommand({ InstanceId, InstanceOSUser: 'admin', SSHPublicKey: KEY, ...input }),
    );
    await world.idle();
    return output;
  };
  /** What the edge shows to an instance, by OS user. */
  const shown = (instanceId: string): Record<string, readonly string[]> =>
    Object.fromEntries(
      [...world.drivers.edge.records.values()].flatMap((record) =>
        record.kind === 'ssh-keys' && record.instanceId === instanceId ? [[record.user, record.keys]] : [],
      ),
    );
  return { ...world, client, send, shown };
}

describe('EC2 Instance Connect', () => {
  test('shows a pushed key to its instance for one minute', async () => {
    await using world = await connectWorld();
    const { send, shown, advance, launchOne, region } = world;
    const [id, other] = [await launchOne(), await launchOne()];
    const { Success, RequestId } = await send(id, { SSHPublicKey: `${KEY} me@home\n` });
    assert.equal(Success, true);
    assert.match(RequestId ?? '', /^[0-9a-f-]{36}$/);
    assert.deepEqual(shown(id), { admin: [KEY] });
    assert.deepEqual(shown(other), {});
    await advance(59_000);
    assert.deepEqual(shown(id), { admin: [KEY] });
    await advance(1_000);
    assert.deepEqual(shown(id), {});
    assert.deepEqual(region.store.everywhere(pushedKeys), []);
    assert.deepEqual(world.errors, []);
  });

  test('keeps users and keys apart, and gives a key that is pushed again another minute', async () => {
    await using world = await connectWorld();
    const { send, shown, advance, launchOne } = world;
    const id = await launchOne();
    await send(id);
    await send(id, { InstanceOSUser: 'root' });
    await advance(30_000);
    await send(id);
    await send(id, { SSHPublicKey: OTHER });
    assert.deepEqual(shown(id), { admin: [KEY, OTHER], root: [KEY] });
    await advance(30_000);
    assert.deepEqual(shown(id), { admin: [KEY, OTHER] });
    await advance(30_000);
    assert.deepEqual(shown(id), {});
  });

  test('forgets the keys of an instance that is terminated', async () => {
    await using world = await connectWorld();
    const { send, shown, launchOne, call, idle } = world;
    const id = await launchOne();
    await send(id);
    await call('TerminateInstances', { InstanceIds: [id] });
    await idle();
    assert.deepEqual(shown(id), {});
    await assert.rejects(send(id), { name: 'EC2InstanceNotFoundException' });
  });

  test('refuses in AWS’s words what it cannot do', async () => {
    await using world = await connectWorld();
    const { send, call, client, describe: instance, launchOne, idle } = world;
    const id = await launchOne();
    const zone = (await instance(id)).Placement?.AvailabilityZone ?? '';
    await send(id, { AvailabilityZone: zone });
    const elsewhere = { AvailabilityZone: zone === 'us-west-2a' ? 'us-west-2b' : 'us-west-2a' };
    const notFound = { name: 'EC2InstanceNotFoundException' };
    await assert.rejects(send(id, elsewhere), notFound);
    await assert.rejects(send('i-0123456789abcdef0'), notFound);
    const invalid = { name: 'InvalidArgsException' };
    await assert.rejects(send('mi-0123456789abcdef0'), invalid);
    await assert.rejects(send(id, { InstanceOSUser: 'a b' }), invalid);
    await assert.rejects(send(id, { SSHPublicKey: 'too short' }), invalid);
    for (const key of [
      `no-key ${'A'.repeat(80)}`,
      `command="reboot" ${KEY}`,
      `-----BEGIN PUBLIC KEY-----\n${'A'.repeat(80)}\n-----END PUBLIC KEY-----`,
    ]) {
      await assert.rejects(send(id, { SSHPublicKey: key }), invalid, key);
    }
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    await assert.rejects(send(id), { name: 'EC2InstanceStateInvalidException' });
    await assert.rejects(
      client.send(new SendSerialConsoleSSHPublicKeyCommand({ InstanceId: id, SSHPublicKey: KEY })),
      /Holdfast does not support ec2-instance-connect:SendSerialConsoleSSHPublicKey/,
    );
  });
});
