import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Signature Version 4, the verifier's side.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export interface Scope {
  /** YYYYMMDD */
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

/** What a request says about its own signature. */
export interface Signature {
  readonly form: 'header' | 'presigned';
  readonly accessKeyId: string;
  readonly scope: Scope;
  /** YYYYMMDDTHHMMSSZ */
  readonly time: string;
  /** How long a presigned request holds, in seconds from `time`. */
  readonly expiresInSeconds: number | undefined;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly sessionToken: string | undefined;
}

export interface SignedRequest {
  readonly method: string;
  /** As on the request line, with the query string. */
  readonly target: string;
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>;
  readonly body: Buffer;
}

export type SignatureReading =
  | { readonly signature: Signature }
  | { readonly problem: 'none' }
  | { readonly problem: 'incomplete'; readonly detail: string };

const ALGORITHM = 'AWS4-HMAC-SHA256';
const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
const TIME = /^\d{8}T\d{6}Z$/;

/** Finds the signature in the Authorization header or, for a presigned request, in the query string. */
export function readSignature(
  headers: SignedRequest['headers'],
  query: readonly (readonly [string, string])[],
): SignatureReading {
  const authorization = headers.authorization?.[0];
  if (authorization !== undefined) return readHeaderForm(authorization, headers);
  const values = new Map(query.map(([name, value]) => [name.toLowerCase(), value]));
  if (!values.has('x-amz-algorithm') && !values.has('x-amz-signature')) return { problem: 'none' };
  return readPresignedForm(values);
}

function readHeaderForm(authorization: string, headers: SignedRequest['headers']): SignatureReading {
  const space = authorization.indexOf(' ');
  const algorithm = space < 0 ? authorization : authorization.slice(0, space);
  if (algorithm !== ALGORITHM) return incomplete(`Unsupported AWS 'algorithm': '${algorithm}'`);
  const parts = new Map<string, string>();
  for (const part of authorization.slice(space + 1).split(',')) {
    const equals = part.indexOf('=');
    if (equals > 0) parts.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim());
  }
  const missing = ['Credential', 'Signature', 'SignedHeaders'].filter((name) => !parts.get(name));
  const time = headers['x-amz-date']?.[0] ?? basicTime(headers.date?.[0]);
  const details = missing.map((name) => `Authorization header requires '${name}' parameter.`);
  if (time === undefined || !TIME.test(time)) {
    details.push("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
  }
  if (details.length > 0) return incomplete(details.join(' '));
  return withCredential(parts.get('Credential')!, {
    form: 'header',
    time: time!,
    expiresInSeconds: undefined,
    signedHeaders: parts.get('SignedHeaders')!.toLowerCase().split(';'),
    signature: parts.get('Signature')!,
    sessionToken: headers['x-amz-security-token']?.[0],
  });
}

function readPresignedForm(values: ReadonlyMap<string, string>): SignatureReading {
  const names = ['Algorithm', 'Credential', 'Date', 'SignedHeaders', 'Signature'];
  const missing = names.filter((name) => !values.get(`x-amz-${name.toLowerCase()}`));
  if (missing.length > 0) {
    return incomplete(
      missing.map((name) => `AWS query-string parameters must include 'X-Amz-${name}'.`).join(' '),
    );
  }
  const algorithm = values.get('x-amz-algorithm')!;
  if (algorithm !== ALGORITHM) return incomplete(`Unsupported AWS 'algorithm': '${algorithm}'`);
  const time = values.get('x-amz-date')!;
  const expires = values.get('x-amz-expires');
  if (!TIME.test(time)) return incomplete(`Date must be in ISO-8601 'basic format'. Got '${time}'.`);
  if (expires !== undefined && !/^\d{1,6}$/.test(expires)) {
    return incomplete("'X-Amz-Expires' must be a number of seconds.");
  }
  return withCredential(values.get('x-amz-credential')!, {
    form: 'presigned',
    time,
    expiresInSeconds: expires === undefined ? undefined : Number(expires),
    signedHeaders: values.get('x-amz-signedheaders')!.toLowerCase().split(';'),
    signature: values.get('x-amz-signature')!,
    sessionToken: values.get('x-amz-security-token'),
  });
}

function withCredential(
  credential: string,
  rest: Omit<Signature, 'accessKeyId' | 'scope'>,
): SignatureReading {
  const parts = credential.split('/');
  const [terminator, service, region, date] = parts.slice(-4).reverse();
  const accessKeyId = parts.slice(0, -4).join('/');
  if (parts.length < 5 || !accessKeyId || !service || !region || !/^\d{8}$/.test(date!)) {
    return incomplete(
      `Credential must have at least 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '${credential}'`,
    );
  }
  if (terminator !== 'aws4_request') {
    return incomplete(
      `Credential should be scoped with a valid terminator: 'aws4_request', not '${terminator}'.`,
    );
  }
  if (!/^[a-z0-9-]{1,64}$/i.test(region)) {
    return incomplete(`Credential should be scoped to a valid region, not '${region}'.`);
  }
  if (!rest.time.startsWith(date!)) {
    return incomplete(`Date in Credential scope does not match the request's date: ${credential}`);
  }
  return { signature: { ...rest, accessKeyId, scope: { date: date!, region, service } } };
}

function incomplete(detail: string): SignatureReading {
  return { problem: 'incomplete', detail };
}

/** An HTTP date in the form that signatures use. */
function basicTime(httpDate: string | undefined): string | undefined {
  if (httpDate === undefined) return undefined;
  const parsed = new Date(httpDate);
  if (Number.isNaN(parsed.getTime())) return undefined;
  return formatTime(parsed.getTime());
}

/** YYYYMMDDTHHMMSSZ */
export function formatTime(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

/** Milliseconds since 1970 of YYYYMMDDTHHMMSSZ, NaN when there is no such time. */
export function parseTime(time: string): number {
  return Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

/** Whether the request was signed with this secret, exactly as it arrived. */
export function isSignedWith(secret: string, request: SignedRequest, signature: Signature): boolean {
  if (!signature.signedHeaders.includes('host')) return false;
  const hash = payloadHash(request, signature);
  if (hash === undefined) return false;
  const canonical = canonicalRequest(request, signature, hash);
  const { date, region, service } = signature.scope;
  const scope = `${date}/${region}/${service}/aws4_request`;
  const toSign = [ALGORITHM, signature.time, scope, sha256(canonical)].join('\n');
  let key = hmac(`AWS4${secret}`, date);
  for (const part of [region, service, 'aws4_request']) key = hmac(key, part);
  const expected = hmac(key, toSign);
  const given = Buffer.from(signature.signature, 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** The body's hash as it was signed; undefined when the body is not the one that was signed. */
function payloadHash(request: SignedRequest, signature: Signature): string | undefined {
  const declared =
    request.headers['x-amz-content-sha256']?.[0] ??
    (signature.form === 'presigned' ? queryPairs(request.target).get('X-Amz-Content-Sha256') : undefined);
  if (declared === UNSIGNED_PAYLOAD) return UNSIGNED_PAYLOAD;
  const actual = sha256(request.body);
  return declared === undefined || declared.toLowerCase() === actual ? actual : undefined;
}

function canonicalRequest(request: SignedRequest, signature: Signature, hash: string): string {
  const [path, query = ''] = splitTarget(request.target);
  const names = [...signature.signedHeaders].sort();
  const headers = names.map((name) => {
    const values = (request.headers[name] ?? []).map((value) => value.trim().replace(/ +/g, ' '));
    return `${name}:${values.join(',')}\n`;
  });
  return [
    request.method,
    canonicalPath(path),
    canonicalQuery(query, signature.form === 'presigned'),
    headers.join(''),
    names.join(';'),
    hash,
  ].join('\n');
}

/** The path as sent is encoded once more (every service but S3 does), with `.` and `..` resolved. */
function canonicalPath(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(encode(segment));
  }
  const closing = segments.length > 0 && path.endsWith('/') ? '/' : '';
  return `/${segments.join('/')}${closing}`;
}

function canonicalQuery(query: string, presigned: boolean): string {
  const pairs: [string, string][] = [];
  for (const part of query.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = recode(equals < 0 ? part : part.slice(0, equals));
    if (presigned && name === 'X-Amz-Signature') continue;
    pairs.push([name, equals < 0 ? '' : recode(part.slice(equals + 1))]);
  }
  pairs.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

function queryPairs(target: string): ReadonlyMap<string, string> {
  return new Map(new URLSearchParams(splitTarget(target)[1] ?? ''));
}

export function splitTarget(target: string): [path: string, query: string | undefined] {
  const mark = target.indexOf('?');
  return mark < 0 ? [target, undefined] : [target.slice(0, mark), target.slice(mark + 1)];
}

/** Percent-encoding in the one form that signatures know, whatever form the client used. */
function recode(text: string): string {
  const spaced = text.replaceAll('+', ' ');
  try {
    return encode(decodeURIComponent(spaced));
  } catch {
    return encode(spaced);
  }
}

function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}
