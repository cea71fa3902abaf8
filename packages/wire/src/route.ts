import { loadModel, SERVICES, type ServiceModel } from './model.ts';
import { type Problem, type Protocol, protocolNamed } from './protocols/protocol.ts';
import type { Scope } from './sigv4.ts';

export interface Query {
  readonly action: string;
  readonly version: string;
}

/** Versions that share a scope with a service of `SERVICES` and are another service, which is not served. */
const SIBLINGS: Readonly<Record<string, string>> = {
  'elasticloadbalancing 2012-06-01': 'Classic Load Balancers (elasticloadbalancing 2012-06-01)',
};

/**
 * The service that a query means. The credential scope names it; where two services share a scope (Classic and
 * Application load balancers), and for unsigned calls, which have none, the version decides.
 */
export function routeQuery(
  scopeService: string | undefined,
  query: Query,
): { model: ServiceModel } | { problem: Problem; model?: ServiceModel } {
  const scoped = SERVICES.filter((entry) => scopeService === undefined || entry.signingName === scopeService);
  const exact = scoped.find((entry) => entry.version === query.version);
  if (exact !== undefined) return { model: loadModel(exact.service) };
  const sibling = SIBLINGS[`${scopeService} ${query.version}`];
  if (sibling !== undefined) return { problem: { kind: 'not served', what: sibling } };
  const [first] = scoped;
  if (scopeService === undefined || first === undefined) {
    const what =
      scopeService === undefined
        ? `version ${query.version || 'none'} of any service`
        : `the service ${scopeService}`;
    return { problem: { kind: 'not served', what } };
  }
  return {
    model: loadModel(first.service),
    problem: query.action === '' ? { kind: 'no action' } : { kind: 'unknown version', ...query },
  };
}

/** The protocol that the caller of a scope reads, before it is known which of the scope's services is meant. */
export function protocolOfScope(scope: Scope): Protocol | undefined {
  const entry = SERVICES.find(({ signingName }) => signingName === scope.service);
  return entry && protocolNamed(entry.protocol);
}
