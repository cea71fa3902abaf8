/**
 * IMDSv2 tokens that need no memory: each says until when it is good and carries a signature over that and the
 * instance it was given to. With the key on disk they survive the process that gave them.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface ImdsTokens {
  /** A token for one instance, good for `ttlSeconds` (1 to 21600). */
  issue(instanceId: string, ttlSeconds: number): string;
  /** How many whole seconds the token is still good for this instance; undefined when it is not. */
  remainingSeconds(token: string, instanceId: string): number | undefined;
}

const EXPIRY_BYTES = 6;
const NONCE_BYTES = 10;
const SIGNATURE_BYTES = 26;
const KEY_BYTES = 32;
export const LONGEST_TOKEN_SECONDS = 21_600;

export function imdsTokens(key: Uint8Array, nowMs: () => number = Date.now): ImdsTokens {
  const sign = (head: Uint8Array, instanceId: string): Buffer =>
    createHmac('sha256', key).update(head).update(instanceId).digest().subarray(0, SIGNATURE_BYTES);
  return {
    issue(instanceId, ttlSeconds) {
      const head = Buffer.allocUnsafe(EXPIRY_BYTES + NONCE_BYTES);
      head.writeUIntBE(Math.floor(nowMs() + ttlSeconds * 1_000), 0, EXPIRY_BYTES);
      head.set(randomBytes(NONCE_BYTES), EXPIRY_BYTES);
      return Buffer.concat([head, sign(head, instanceId)]).toString('base64url');
    },
    remainingSeconds(token, instanceId) {
      const bytes = Buffer.from(token, 'base64url');
      if (bytes.length !== EXPIRY_BYTES + NONCE_BYTES + SIGNATURE_BYTES) return undefined;
      const head = bytes.subarray(0, EXPIRY_BYTES + NONCE_BYTES);
      if (!timingSafeEqual(sign(head, instanceId), bytes.subarray(head.length))) return undefined;
      const leftMs = head.readUIntBE(0, EXPIRY_BYTES) - nowMs();
      return leftMs > 0 ? Math.ceil(leftMs / 1_000) : undefined;
    },
  };
}

/** The key in a file; made, readable by its owner only, when there is none. Two makers end with the same one. */
export function tokenKey(path: string): Buffer {
  for (;;) {
    try {
      const key = readFileSync(path);
      if (key.length === KEY_BYTES) return key;
      rmSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    mkdirSync(dirname(path), { recursive: true });
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, randomBytes(KEY_BYTES), { mode: 0o600 });
    try {
      linkSync(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft);
    }
  }
}
