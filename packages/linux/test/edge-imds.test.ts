import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { InstanceMetadata } from '@holdfast/region/drivers/edge.ts';
import { answerMetadata } from '../src/edge/imds-server.ts';
import { imdsTokens, tokenKey } from '../src/edge/imds-tokens.ts';

const userData = Buffer.from([0x23, 0x21, 0x00, 0xff, 0x0a]);

const instance: InstanceMetadata = {
  instanceId: 'i-0123456789abcdef0',
  imageId: 'ami-0123456789abcdef0',
  instanceType: 't3.micro',
  reservationId: 'r-0123456789abcdef0',
  accountId: '000000000000',
  region: 'us-west-2',
  zone: 'us-west-2b',
  zoneId: 'usw2-az2',
  placementGroup: 'apart',
  architecture: 'x86_64',
  launchIndex: 1,
  pendingTime: '2026-01-05T09:00:00.123Z',
  userData: userData.toString('base64'),
  hostname: 'ip-10-0-0-5.us-west-2.compute.internal',
  publicHostname: 'ec2-198-18-0-5.us-west-2.compute.localhost',
  publicAddress: '198.18.0.5',
  publicKey: { name: 'my-key', material: 'ssh-ed25519 AAAA my-key' },
  securityGroups: ['web', 'default'],
  tags: { Name: 'web', Stage: 'test' },
  lifecycle: 'on-demand',
  rootDeviceName: '/dev/xvda',
  ebsDeviceNames: ['sdb', 'sdc'],
  interfaces: [
    {
      interfaceId: 'eni-1',
      deviceIndex: 0,
      macAddress: '02:00:00:00:00:05',
      addresses: ['10.0.0.5', '10.0.0.6'],
      publicAddresses: ['198.18.0.5'],
      subnetId: 'subnet-1',
      subnetCidr: '10.0.0.0/24',
      vpcId: 'vpc-1',
      vpcCidrs: ['10.0.0.0/16', '10.1.0.0/16'],
      securityGroupIds: ['sg-1', 'sg-2'],
      securityGroups: ['web', 'default'],
    },
  ],
  options: { endpoint: 'enabled', tokens: 'optional', hopLimit: 2 },
};

let nowMs = 1_000_000;
const tokens = imdsTokens(Buffer.alloc(32, 7), () => nowMs);

function ask(path: string, { method = 'GET', headers = {}, of = instance } = {}) {
  return answerMetadata({ method, path, headers }, of, tokens);
}
const text = (path: string): string => {
  const { status, body } = ask(path);
  assert.equal(status, 200, path);
  return Buffer.from(body).toString();
};
const withOptions = (options: Partial<InstanceMetadata['options']>): InstanceMetadata => ({
  ...instance,
  options: { ...instance.options, ...options },
});

test('the tree is listed as AWS lists it', () => {
  assert.match(text('/'), /^1\.0\n2007-01-19\n[\s\S]*\nlatest$/);
  assert.equal(text('/latest/'), 'dynamic\nmeta-data\nuser-data');
  assert.deepEqual(text('/latest/meta-data/').split('\n'), [
    'ami-id',
    'ami-launch-index',
    'ami-manifest-path',
    'block-device-mapping/',
    'hostname',
    'instance-action',
    'instance-id',
    'instance-life-cycle',
    'instance-type',
    'local-hostname',
    'local-ipv4',
    'mac',
    'network/',
    'placement/',
    'profile',
    'public-hostname',
    'public-ipv4',
    'public-keys/',
    'reservation-id',
    'security-groups',
    'services/',
    'tags/',
  ]);
  assert.equal(text('/latest/meta-data'), text('/2009-04-04/meta-data/'));
  assert.equal(text('/latest/meta-data/public-keys/'), '0=my-key');
  assert.equal(text('/latest/meta-data/public-keys/0/'), 'openssh-key');
  assert.equal(text('/latest/meta-data/network/interfaces/macs/'), '02:00:00:00:00:05/');
});

test('its leaves say what the instance is', () => {
  const metaData = {
    'instance-id': 'i-0123456789abcdef0',
    'local-ipv4': '10.0.0.5',
    'public-ipv4': '198.18.0.5',
    mac: '02:00:00:00:00:05',
    'placement/availability-zone': 'us-west-2b',
    'placement/group-name': 'apart',
    'placement/region': 'us-west-2',
    'public-keys/0/openssh-key': 'ssh-ed25519 AAAA my-key',
    'security-groups': 'web\ndefault',
    'services/domain': 'amazonaws.com',
    'tags/instance': 'Name\nStage',
    'tags/instance/Stage': 'test',
    'block-device-mapping/ebs1': 'sdb',
    'block-device-mapping/ebs2': 'sdc',
    'block-device-mapping/root': '/dev/xvda',
    'network/interfaces/macs/02:00:00:00:00:05/local-ipv4s': '10.0.0.5\n10.0.0.6',
    'network/interfaces/macs/02:00:00:00:00:05/ipv4-associations/198.18.0.5': '10.0.0.5',
    'network/interfaces/macs/02%3A00%3A00%3A00%3A00%3A05/vpc-ipv4-cidr-blocks': '10.0.0.0/16\n10.1.0.0/16',
  };
  for (const [path, said] of Object.entries(metaData))
    assert.equal(text(`/latest/meta-data/${path}`), said, path);
  const document = JSON.parse(text('/latest/dynamic/instance-identity/document'));
  assert.equal(document.pendingTime, '2026-01-05T09:00:00Z');
  assert.equal(document.privateIp, '10.0.0.5');
  assert.equal(document.availabilityZone, 'us-west-2b');
});

test('user data comes as the very bytes, and what is not there is not found', () => {
  const { body, contentType } = ask('/latest/user-data');
  assert.deepEqual([Buffer.from(body), contentType], [userData, 'application/octet-stream']);
  const { userData: _, publicAddress: __, tags: ___, ...bare } = instance;
  for (const path of [
    'user-data',
    'meta-data/public-ipv4',
    'meta-data/tags/',
    'meta-data/spot',
    'meta-data/mac/x',
  ])
    assert.equal(ask(`/latest/${path}`, { of: bare }).status, 404, path);
  assert.equal(text('/latest/meta-data/instance-id/'), 'i-0123456789abcdef0');
  assert.equal(ask('/1999-01-01/meta-data/').status, 404);
  const stranger = answerMetadata({ method: 'GET', path: '/latest/', headers: {} }, undefined, tokens);
  assert.equal(stranger.status, 404);
  assert.equal(ask('/%zz').status, 400);
});

const TTL = 'x-aws-ec2-metadata-token-ttl-seconds';
const put = (headers: Record<string, string>, of = instance) =>
  ask('/latest/api/token', { method: 'PUT', headers, of });

test('a token is given for 1 to 21600 seconds, and not to a proxy', () => {
  for (const ttl of ['0', '21601', '-1', '1.5', 'x', '']) assert.equal(put({ [TTL]: ttl }).status, 400, ttl);
  assert.equal(put({}).status, 400);
  assert.equal(put({ [TTL]: '60', 'x-forwarded-for': '192.0.2.1' }).status, 403);
  assert.equal(ask('/latest/api/token').status, 405);
  assert.equal(ask('/latest/meta-data/', { method: 'POST' }).status, 405);
  const { status, headers, hopLimit } = put({ [TTL]: '21600' });
  assert.deepEqual([status, headers?.[TTL], hopLimit], [200, '21600', 2]);
});

test('a token is good for its time and its instance, and needed where the instance requires one', () => {
  const token = String(put({ [TTL]: '60' }).body);
  const withToken = (given: string, of = instance) =>
    ask('/latest/meta-data/instance-id', { headers: { 'x-aws-ec2-metadata-token': given }, of });
  const required = withOptions({ tokens: 'required' });
  assert.equal(ask('/latest/meta-data/instance-id', { of: required }).status, 401);
  assert.equal(withToken(token, required).status, 200);
  assert.equal(withToken(token, { ...instance, instanceId: 'i-other' }).status, 401);
  assert.equal(withToken('nonsense').status, 401, 'a bad token is refused also where none is needed');
  assert.equal(withToken(`${token[0] === 'A' ? 'B' : 'A'}${token.slice(1)}`).status, 401);
  nowMs += 59_000;
  assert.equal(withToken(token).headers?.[TTL], '1');
  nowMs += 1_000;
  assert.equal(withToken(token).status, 401);
});

test('a disabled endpoint answers nothing, not even tokens', () => {
  const of = withOptions({ endpoint: 'disabled' });
  assert.equal(ask('/latest/meta-data/', { of }).status, 403);
  assert.equal(put({ [TTL]: '60' }, of).status, 403);
});

test('the key is made once, for its owner only, and stays', () => {
  const directory = mkdtempSync(join(tmpdir(), 'edge-key-'));
  try {
    const path = join(directory, 'state', 'key');
    const key = tokenKey(path);
    assert.deepEqual(tokenKey(path), key);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const token = imdsTokens(key).issue('i-1', 60);
    assert.equal(imdsTokens(tokenKey(path)).remainingSeconds(token, 'i-1'), 60);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('pushed keys are shown by user while there are some, behind the same token', () => {
  const keys = new Map([['admin', ['ssh-ed25519 AAAA', 'ssh-rsa BBBB']]]);
  const path = '/latest/meta-data/managed-ssh-keys/active-keys';
  const request = (asked: string, of = instance) =>
    answerMetadata({ method: 'GET', path: asked, headers: {} }, of, tokens, keys);
  assert.equal(request(`${path}/admin`).body, 'ssh-ed25519 AAAA\nssh-rsa BBBB\n');
  assert.equal(request(path).body, 'admin');
  assert.equal(request(`${path}/root`).status, 404);
  assert.equal(request(`${path}/admin`, withOptions({ tokens: 'required' })).status, 401);
  assert.equal(ask(`${path}/admin`).status, 404);
  assert.doesNotMatch(text('/latest/meta-data/'), /managed-ssh-keys/);
});
