/** Keys in the forms that EC2 gives and takes, and their fingerprints as EC2 computes them. */
import { createHash, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

export type KeyType = 'rsa' | 'ed25519';

export interface NewKey {
  readonly fingerprint: string;
  /** OpenSSH's `<type> <base64>`. */
  readonly publicKey: string;
  readonly privateKeyPem: string;
}

/** RSA keys of EC2's have 2,048 bits. */
const RSA_BITS = 2048;

const generate = promisify(generateKeyPair);

const colons = (digest: Buffer): string => digest.toString('hex').replace(/(..)(?!$)/g, '$1:');

/** Length and bytes, as SSH writes everything. */
function sshString(bytes: Buffer | string): Buffer {
  const content = Buffer.from(bytes as Buffer);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
}

/** A positive number: a leading zero byte keeps the sign bit clear. */
const sshNumber = (bytes: Buffer): Buffer =>
  sshString(((bytes[0] ?? 0) & 0x80) === 0 ? bytes : Buffer.concat([Buffer.of(0), bytes]));

const fromBase64Url = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64url');

/** The public key as SSH's binary form. */
function sshPublicKey(key: KeyObject): Buffer {
  const jwk = key.export({ format: 'jwk' });
  if (jwk.kty === 'RSA') {
    return Buffer.concat([
      sshString('ssh-rsa'),
      sshNumber(fromBase64Url(jwk.e)),
      sshNumber(fromBase64Url(jwk.n)),
    ]);
  }
  return Buffer.concat([sshString('ssh-ed25519'), sshString(fromBase64Url(jwk.x))]);
}

/** SHA-256 of the public key in SSH's form, in base64 without the `SHA256:` that ssh-keygen puts before it. */
const ed25519Fingerprint = (sshKey: Buffer): string => createHash('sha256').update(sshKey).digest('base64');

/**
 * A new key pair. The fingerprint of an RSA key that EC2 made is the SHA-1 of its private key as DER of PKCS#8.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/verify-keys.html
 */
export async function createKey(type: KeyType): Promise<NewKey> {
  if (type === 'rsa') {
    const { publicKey, privateKey } = await generate('rsa', { modulusLength: RSA_BITS });
    const der = privateKey.export({ type: 'pkcs8', format: 'der' });
    return {
      fingerprint: colons(createHash('sha1').update(der).digest()),
      publicKey: `ssh-rsa ${sshPublicKey(publicKey).toString('base64')}`,
      privateKeyPem: String(privateKey.export({ type: 'pkcs1', format: 'pem' })),
    };
  }
  const { publicKey, privateKey } = await generate('ed25519');
  const sshKey = sshPublicKey(publicKey);
  return {
    fingerprint: ed25519Fingerprint(sshKey),
    publicKey: `ssh-ed25519 ${sshKey.toString('base64')}`,
    privateKeyPem: openSshPrivateKey(sshKey, fromBase64Url(privateKey.export({ format: 'jwk' }).d)),
  };
}

/**
 * An unencrypted Ed25519 private key as OpenSSH writes it.
 * https://cvsweb.openbsd.org/src/usr.bin/ssh/PROTOCOL.key
 */
function openSshPrivateKey(sshKey: Buffer, seed: Buffer): string {
  const publicPart = sshKey.subarray(-32);
  // The two check numbers must be equal, and are random in OpenSSH only to tell a wrong passphrase; there is none here.
  const check = createHash('sha256').update(publicPart).digest().subarray(0, 4);
  const secret = Buffer.concat([
    check,
    check,
    sshKey,
    sshString(Buffer.concat([seed, publicPart])),
    sshString(''),
  ]);
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, at) => at + 1));
  const one = Buffer.alloc(4);
  one.writeUInt32BE(1);
  const whole = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    sshString('none'),
    sshString('none'),
    sshString(''),
    one,
    sshString(sshKey),
    sshString(Buffer.concat([secret, padding])),
  ]);
  const lines = whole.toString('base64').match(/.{1,70}/g) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

/** Length-prefixed fields of SSH's binary form. */
function sshFields(bytes: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    if (at + 4 + length > bytes.length) return [];
    fields.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return fields;
}

const url = (bytes: Buffer | undefined): string => (bytes ?? Buffer.alloc(0)).toString('base64url');

/** The key of `ssh-rsa AAAA…`, of a PEM, or of the base64 of DER; undefined when it is none of these. */
function parsePublicKey(text: string): KeyObject | undefined {
  const [type = '', base64 = ''] = text.trim().split(/\s+/);
  try {
    const [named, first, second] = sshFields(Buffer.from(base64, 'base64'));
    if (type === 'ssh-rsa' && named?.toString() === type && first && second) {
      const stripped = second[0] === 0 ? second.subarray(1) : second;
      return createPublicKey({ key: { kty: 'RSA', e: url(first), n: url(stripped) }, format: 'jwk' });
    }
    if (type === 'ssh-ed25519' && named?.toString() === type && first?.length === 32) {
      return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: url(first) }, format: 'jwk' });
    }
    if (text.includes('-----BEGIN')) return createPublicKey(text);
    return createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

export interface ImportedKey {
  readonly keyType: KeyType;
  readonly fingerprint: string;
  readonly publicKey: string;
}

/**
 * A public key that somebody brings. The fingerprint of an imported RSA key is the MD5 of the public key as DER. Undefined
 * when it is not a key that EC2 takes: RSA of 1024, 2048 or 4096 bits, or Ed25519.
 */
export function importKey(text: string): ImportedKey | undefined {
  const key = parsePublicKey(text);
  if (key?.asymmetricKeyType === 'ed25519') {
    const sshKey = sshPublicKey(key);
    const publicKey = `ssh-ed25519 ${sshKey.toString('base64')}`;
    return { keyType: 'ed25519', fingerprint: ed25519Fingerprint(sshKey), publicKey };
  }
  const bits = key?.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key?.asymmetricKeyType !== 'rsa' || ![1024, 2048, 4096].includes(bits)) return undefined;
  const der = key.export({ type: 'spki', format: 'der' });
  return {
    keyType: 'rsa',
    fingerprint: colons(createHash('md5').update(der).digest()),
    publicKey: `ssh-rsa ${sshPublicKey(key).toString('base64')}`,
  };
}
