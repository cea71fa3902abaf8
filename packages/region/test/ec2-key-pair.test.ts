import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ec2World } from './ec2-world.ts';

const colons = (hex: string): string => hex.replace(/(..)(?!$)/g, '$1:');

const hasSshKeygen = ((): boolean => {
  try {
    execFileSync('ssh-keygen', ['-?'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    return (error as { code?: string }).code !== 'ENOENT';
  }
})();

/** What ssh-keygen makes of a private key. */
function sshKeygen(material: string, ...options: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-key-'));
  try {
    const file = join(folder, 'key.pem');
    writeFileSync(file, material, { mode: 0o600 });
    return execFileSync('ssh-keygen', [...options, '-f', file], { encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('a key pair', () => {
  test('of RSA has a PKCS#1 private key and the SHA-1 of it as fingerprint', async () => {
    const { call, describe: _, launchOne, drivers } = await ec2World();
    const made = await call('CreateKeyPair', { KeyName: 'web' });
    assert.match(made.KeyPairId, /^key-0[0-9a-f]{16}$/);
    assert(made.KeyMaterial.startsWith('-----BEGIN RSA PRIVATE KEY-----\n'));
    const der = createPrivateKey(made.KeyMaterial).export({ type: 'pkcs8', format: 'der' });
    assert.equal(made.KeyFingerprint, colons(createHash('sha1').update(der).digest('hex')));
    await assert.rejects(call('CreateKeyPair', { KeyName: 'web' }), {
      code: 'InvalidKeyPair.Duplicate',
      message: 'The keypair already exists: web',
    });
    const { KeyPairs } = await call('DescribeKeyPairs', { KeyNames: ['web'], IncludePublicKey: true });
    assert.equal(KeyPairs[0].KeyType, 'rsa');
    const instance = await launchOne({ KeyName: 'web' });
    await call('DeleteKeyPair', { KeyName: 'web' });
    await call('DeleteKeyPair', { KeyName: 'web' });
    await assert.rejects(call('DescribeKeyPairs', { KeyNames: ['web'] }), {
      code: 'InvalidKeyPair.NotFound',
    });
    const record = [...drivers.edge.records.values()].find((one) => one.kind === 'metadata');
    assert(record?.kind === 'metadata' && record.metadata.instanceId === instance);
    assert.deepEqual(record.metadata.publicKey, { name: 'web', material: KeyPairs[0].PublicKey });
  });

  test('opens what its public key closes, as ssh-keygen reads it', {
    skip: hasSshKeygen ? false : 'no ssh-keygen',
  }, async () => {
    const { call } = await ec2World();
    for (const KeyType of ['rsa', 'ed25519']) {
      const made = await call('CreateKeyPair', { KeyName: KeyType, KeyType });
      const { KeyPairs } = await call('DescribeKeyPairs', { KeyNames: [KeyType], IncludePublicKey: true });
      const [type, base64] = sshKeygen(made.KeyMaterial, '-y').trim().split(' ');
      assert.equal(`${type} ${base64} ${KeyType}`, KeyPairs[0].PublicKey);
      if (KeyType === 'ed25519') {
        assert(made.KeyMaterial.startsWith('-----BEGIN OPENSSH PRIVATE KEY-----\n'));
        const shown = sshKeygen(made.KeyMaterial, '-l').split(' ')[1];
        assert.equal(`SHA256:${made.KeyFingerprint.replace(/=+$/, '')}`, shown);
      }
    }
  });

  test('can be brought along: the fingerprint of an RSA key is then the MD5 of its public half', async () => {
    const { call } = await ec2World();
    const { KeyMaterial } = await call('CreateKeyPair', { KeyName: 'made' });
    const { KeyPairs } = await call('DescribeKeyPairs', { IncludePublicKey: true });
    const imported = await call('ImportKeyPair', {
      KeyName: 'brought',
      PublicKeyMaterial: Buffer.from(KeyPairs[0].PublicKey),
    });
    const der = createPublicKey(KeyMaterial).export({ type: 'spki', format: 'der' });
    assert.equal(imported.KeyFingerprint, colons(createHash('md5').update(der).digest('hex')));
    await assert.rejects(
      call('ImportKeyPair', { KeyName: 'x', PublicKeyMaterial: Buffer.from('ssh-rsa AAAA') }),
      { code: 'InvalidKey.Format' },
    );
    await assert.rejects(call('CreateKeyPair', { KeyName: 'putty', KeyFormat: 'ppk' }), {
      code: 'UnsupportedOperation',
    });
  });
});
