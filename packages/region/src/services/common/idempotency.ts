/** Idempotency by client token, the same way for every service: a repeated call gives the first one's result again. */
import { createHash } from 'node:crypto';
import { resourceType } from '../../store/resource.ts';
import type { Scope } from './service.ts';

interface ClientTokenSpec {
  readonly digest: string;
  readonly result: readonly string[];
  readonly untilMs: number;
}

const clientTokens = resourceType<ClientTokenSpec, null>('common.client-token');

/** AWS keeps tokens at least as long as the resources are young; a day is what most services document. */
const LIFETIME_MS = 86_400_000;

export interface TokenRequest {
  readonly call: string;
  readonly token: string | undefined;
  /** The call's parameters; the token itself in them does not count. */
  readonly input: object;
  /** What this service says when the token was used with other parameters. */
  readonly mismatch: () => Error;
}

/**
 * Runs `create` unless a call with this token did already; gives the ids that `create` gave, then or now. Without a token
 * it just runs.
 */
export function onceByToken(
  scope: Scope,
  request: TokenRequest,
  create: () => readonly string[],
): readonly string[] {
  if (request.token === undefined || request.token === '') return create();
  const parameters = { ...request.input, ClientToken: undefined, CreationToken: undefined };
  const digest = createHash('sha256').update(JSON.stringify(parameters)).digest('hex');
  const id = createHash('sha256').update(`${request.call}\n${request.token}`).digest('hex').slice(0, 32);
  const earlier = scope.tx.get(clientTokens, scope.region, id);
  if (earlier && earlier.spec.untilMs > scope.now) {
    if (earlier.spec.digest !== digest) throw request.mismatch();
    return earlier.spec.result;
  }
  const result = create();
  const spec = { digest, result, untilMs: scope.now + LIFETIME_MS };
  if (earlier) scope.tx.update(earlier, { spec });
  else scope.tx.create(clientTokens, { region: scope.region, id, spec, status: null });
  forgetExpired(scope);
  return result;
}

/** Each new token takes the dead ones with it, so that they need no loop of their own. */
function forgetExpired(scope: Scope): void {
  for (const token of scope.tx.list(clientTokens, scope.region)) {
    if (token.spec.untilMs <= scope.now) scope.tx.remove(token);
  }
}
