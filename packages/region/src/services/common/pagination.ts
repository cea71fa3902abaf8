/**
 * Pages, the same way for every service. A token is opaque, names the call it came from, is good for an hour, and is never
 * the same twice: some clients stop when they are given a token again.
 */
import type { Scope } from './service.ts';

export interface PageRequest {
  /** Which call this is, with all that selects its items: a token of another call is refused. */
  readonly call: string;
  readonly token?: string | undefined;
  /** The most items to give; absent: all. */
  readonly limit?: number | undefined;
  /** What this service says of a token it did not give. */
  readonly invalid: () => Error;
}

export interface Page<T> {
  readonly items: T[];
  readonly nextToken?: string;
}

const LIFETIME_MS = 3_600_000;

interface Token {
  call: string;
  after: string;
  untilMs: number;
  nonce: string;
}

function parse(text: string): Token | undefined {
  try {
    const [call, after, untilMs, nonce] = JSON.parse(Buffer.from(text, 'base64url').toString()) as [
      string,
      string,
      number,
      string,
    ];
    if (typeof call !== 'string' || typeof after !== 'string' || typeof untilMs !== 'number')
      return undefined;
    return { call, after, untilMs, nonce };
  } catch {
    return undefined;
  }
}

/**
 * One page of `items` in the order of `position`, each item's lasting place as text. A page goes on behind the last item
 * shown, also when that one is gone.
 */
export function paginate<T>(
  scope: Scope,
  items: readonly T[],
  position: (item: T) => string,
  request: PageRequest,
): Page<T> {
  let rest = items.toSorted((a, b) => (position(a) < position(b) ? -1 : 1));
  if (request.token !== undefined && request.token !== '') {
    const token = parse(request.token);
    if (!token || token.call !== request.call || token.untilMs < scope.now) throw request.invalid();
    rest = rest.filter((item) => position(item) > token.after);
  }
  if (request.limit === undefined || rest.length <= request.limit) return { items: rest };
  const page = rest.slice(0, request.limit);
  const last = page.at(-1);
  if (last === undefined) return { items: [] };
  const token = [request.call, position(last), scope.now + LIFETIME_MS, scope.random.hex(8)];
  return { items: page, nextToken: Buffer.from(JSON.stringify(token)).toString('base64url') };
}

/** The place of a resource in listings, as text that compares like (ordinal, id). */
export const listingPosition = (resource: { readonly ordinal: number; readonly id: string }): string =>
  `${String(resource.ordinal).padStart(16, '0')}/${resource.id}`;
