import { loadModel, SERVICES, type ServiceEntry, type ServiceModel } from './model.ts';
import type { Pair } from './protocols/form.ts';
import { type Problem, type Protocol, protocolNamed } from './protocols/protocol.ts';
import type { Scope } from './sigv4.ts';

interface Query {
  readonly action: string;
  readonly version: string;
}

/** Which service and operation a request means. The service is known also with some of the problems. */
type Routed = { readonly action: string; readonly version: string } & (
  | { readonly model: ServiceModel; readonly problem?: undefined }
  | { readonly model?: ServiceModel; readonly problem: Problem }
);

/** Versions that share a scope with a service of `SERVICES` and are another service, which is not served. */
const SIBLINGS: Readonly<Record<string, string>> = {
  'elasticloadbalancing 2012-06-01': 'Classic Load Balancers (elasticloadbalancing 2012-06-01)',
};

/** Routes by what the request itself says: the JSON protocols name their operation in a header, the query ones in a form. */
export function route(
  scopeService: string | undefined,
  headers: Readonly<Record<string, readonly string[] | undefined>>,
  parameters: readonly Pair[],
): Routed {
  const [target] = headers['x-amz-target'] ?? [];
  if (target !== undefined) return routeTarget(scopeService, target);
  const named = (name: string): string => parameters.find(([key]) => key === name)?.[1] ?? '';
  return routeQuery(scopeService, { action: named('Action'), version: named('Version') });
}

const ofTargets = ({ targetPrefix }: ServiceEntry): boolean => targetPrefix !== undefined;

/**
 * The service that a query means. The credential scope names it; where two services share a scope (Classic and
 * Application load balancers), and for unsigned calls, which have none, the version decides.
 */
function routeQuery(scopeService: string | undefined, query: Query): Routed {
  const scoped = SERVICES.filter((entry) => scopeService === undefined || entry.signingName === scopeService);
  const exact = scoped.find((entry) => entry.version === query.version && !ofTargets(entry));
  if (exact !== undefined) return { ...query, model: loadModel(exact.service) };
  const sibling = SIBLINGS[`${scopeService} ${query.version}`];
  if (sibling !== undefined) return { ...query, problem: { kind: 'not served', what: sibling } };
  const [first] = scoped;
  if (scopeService === undefined || first === undefined) {
    const what =
      scopeService === undefined
        ? `version ${query.version || 'none'} of any service`
        : `the service ${scopeService}`;
    return { ...query, problem: { kind: 'not served', what } };
  }
  const kind = query.action === '' ? 'no action' : ofTargets(first) ? 'unknown action' : 'unknown version';
  return { ...query, model: loadModel(first.service), problem: { kind, ...query } };
}

/** The service and operation that an `X-Amz-Target` of a JSON protocol names: `AmazonSSM.GetParameter`. */
function routeTarget(scopeService: string | undefined, target: string): Routed {
  const dot = target.lastIndexOf('.');
  const [prefix, action] = [target.slice(0, Math.max(dot, 0)), target.slice(dot + 1)];
  const scoped = SERVICES.filter((entry) => scopeService === undefined || entry.signingName === scopeService);
  const meant = scoped.find((entry) => entry.targetPrefix === prefix);
  if (meant !== undefined) return { action, version: meant.version, model: loadModel(meant.service) };
  const query = { action, version: '' };
  const [first] = scoped;
  if (scopeService === undefined || first === undefined) {
    const what = scopeService === undefined ? `the target ${target}` : `the service ${scopeService}`;
    return { ...query, problem: { kind: 'not served', what } };
  }
  return { ...query, model: loadModel(first.service), problem: { kind: 'unknown action', ...query } };
}

/** The protocol that the caller of a scope reads, before it is known which of the scope's services is meant. */
export function protocolOfScope(scope: Scope): Protocol | undefined {
  const entry = SERVICES.find(({ signingName }) => signingName === scope.service);
  return entry && protocolNamed(entry.protocol);
}
