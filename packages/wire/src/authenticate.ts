import type { Problem } from './protocols/protocol.ts';
import { formatTime, isSignedWith, parseTime, type Signature, type SignedRequest } from './sigv4.ts';

export interface Principal {
  readonly accountId: string;
  readonly arn: string;
  readonly userId: string;
}

/** Where a request came from: this machine, or an instance's address in a VPC. */
export type Origin = 'loopback' | { readonly vpcId: string; readonly address: string };

export interface IssuedKey {
  readonly secretAccessKey: string;
  /** A temporary key counts only together with its token. */
  readonly sessionToken?: string;
  /** Milliseconds since 1970, on the clock of `Clocks.regionNow`. */
  readonly expiresAt?: number;
  readonly principal: Principal;
}

/** Who may call. The region issues keys; wire verifies what was signed with them. */
export interface Authenticator {
  /** The account's root: who a caller from loopback with any other key is, unless authentication is strict. */
  readonly root: Principal;
  lookup(accessKeyId: string): IssuedKey | undefined;
}

export interface Clocks {
  /** The wall clock, by which clients sign. Milliseconds since 1970. */
  readonly now: () => number;
  /** The region's clock, by which temporary keys expire; it may run faster than the wall clock. */
  readonly regionNow: () => number;
}

export interface CallerPolicy {
  readonly origin: Origin;
  readonly strictAuth: boolean;
  /** A web page of another site made the browser send this request. */
  readonly fromForeignPage: boolean;
}

/**
 * Whether a well-formed request with a key that nobody issued counts as the root's. People's scripts come with
 * dummy keys; an instance, or a web page open in a browser on this machine, must not get in by them.
 */
export function acceptsUnknownKeys({ origin, strictAuth, fromForeignPage }: CallerPolicy): boolean {
  return origin === 'loopback' && !strictAuth && !fromForeignPage;
}

/** How far the client's clock may be off. https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html */
const SKEW_MS = 15 * 60 * 1000;

export function authenticate(
  request: SignedRequest,
  signature: Signature,
  policy: CallerPolicy,
  authenticator: Authenticator,
  clocks: Clocks,
): { principal: Principal } | { problem: Problem } {
  const key = authenticator.lookup(signature.accessKeyId);
  if (key === undefined) {
    if (acceptsUnknownKeys(policy)) return { principal: authenticator.root };
    return { problem: { kind: 'unknown key' } };
  }
  const untimely = outsideItsTime(signature, clocks.now());
  if (untimely !== undefined) return { problem: { kind: 'outside its time', detail: untimely } };
  if (!isSignedWith(key.secretAccessKey, request, signature)) {
    return { problem: { kind: 'wrong signature' } };
  }
  if (key.sessionToken !== undefined && key.sessionToken !== signature.sessionToken) {
    return { problem: { kind: 'wrong token' } };
  }
  if (key.expiresAt !== undefined && key.expiresAt <= clocks.regionNow()) {
    return { problem: { kind: 'token expired' } };
  }
  return { principal: key.principal };
}

/** AWS's sentence about a signature that is too old or from the future, undefined for a timely one. */
function outsideItsTime(signature: Signature, nowMs: number): string | undefined {
  const signedMs = parseTime(signature.time);
  const now = formatTime(nowMs);
  if (!(signedMs <= nowMs + SKEW_MS)) {
    return `Signature not yet current: ${signature.time} is still later than ${formatTime(nowMs + SKEW_MS)} (${now} + 15 min.)`;
  }
  const lifeMs = signature.expiresInSeconds === undefined ? SKEW_MS : signature.expiresInSeconds * 1000;
  if (signedMs + lifeMs >= nowMs) return undefined;
  if (signature.form === 'presigned' && signature.expiresInSeconds !== undefined) {
    return `Signature expired: ${formatTime(signedMs + lifeMs)} is now earlier than ${now}`;
  }
  return `Signature expired: ${signature.time} is now earlier than ${formatTime(nowMs - SKEW_MS)} (${now} - 15 min.)`;
}
