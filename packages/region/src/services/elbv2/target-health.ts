/**
 * What DescribeTargetHealth says of a target, from what its nodes see. Pure.
 *
 * Each node checks for itself. The target is healthy as soon as one node says so, initial while one still looks, and
 * unhealthy when every node that looks says so: a node that is cut off from a zone does not condemn the zone's targets,
 * and Auto Scaling replaces an instance only when nobody reaches it.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
 */
import type { Target, TargetHealth, TargetView } from './records.ts';
import { notInUse } from './target.ts';
import type { TargetPlace } from './target-place.ts';

export interface TargetSituation {
  readonly target: Target;
  readonly place: TargetPlace;
  readonly targetType: 'instance' | 'ip';
  readonly deregistrationDelayMs: number;
  readonly now: number;
  /** The load balancer that forwards to the group: its zones, and each serving node's views. Absent: none does. */
  readonly loadBalancer?: {
    readonly zones: readonly string[];
    readonly views: readonly (readonly TargetView[])[];
  };
}

/** How a target is known to the nodes. */
export const driverTargetId = (spec: { targetId: string; port: number }): string =>
  `${spec.targetId}:${spec.port}`;

const draining: TargetHealth = {
  state: 'draining',
  reason: 'Target.DeregistrationInProgress',
  description: 'Target deregistration is in progress',
};

function unhealthy({ reason, code }: TargetView): TargetHealth {
  if (reason === 'response-code-mismatch') {
    return {
      state: 'unhealthy',
      reason: 'Target.ResponseCodeMismatch',
      description: `Health checks failed with these codes: [${code ?? ''}]`,
    };
  }
  return reason === 'timeout'
    ? { state: 'unhealthy', reason: 'Target.Timeout', description: 'Request timed out' }
    : { state: 'unhealthy', reason: 'Target.FailedHealthChecks', description: 'Health checks failed' };
}

function seen(views: readonly TargetView[]): TargetHealth {
  if (views.some((view) => view.state === 'healthy')) return { state: 'healthy' };
  const bad = views.find((view) => view.state === 'unhealthy');
  if (views.length === 0) {
    return {
      state: 'initial',
      reason: 'Elb.RegistrationInProgress',
      description: 'Target registration is in progress',
    };
  }
  if (!bad || views.some((view) => view.state === 'initial')) {
    return {
      state: 'initial',
      reason: 'Elb.InitialHealthChecking',
      description: 'Initial health checks in progress',
    };
  }
  return unhealthy(bad);
}

/** The target's health; undefined when it is to be forgotten: it has drained, or its instance is gone. */
export function targetHealth(situation: TargetSituation): TargetHealth | undefined {
  const { target, place, loadBalancer } = situation;
  const { deregisteredAt, targetGroupId } = target.spec;
  const isInstance = situation.targetType === 'instance';
  const state = place.instanceState;
  if (isInstance && state === undefined) return undefined;
  const down = isInstance && (state === 'stopped' || state === 'terminated');
  if (deregisteredAt !== undefined) {
    const over = situation.now >= deregisteredAt + situation.deregistrationDelayMs;
    return down || over || !loadBalancer ? undefined : draining;
  }
  if (isInstance && state !== 'running' && state !== 'pending') {
    const shown = state === 'stopping' || state === 'stopped' ? 'stopped' : 'terminated';
    return {
      state: 'unused',
      reason: 'Target.InvalidState',
      description: `Target is in the ${shown} state`,
    };
  }
  if (!loadBalancer) return notInUse();
  if (place.zone !== undefined && !loadBalancer.zones.includes(place.zone)) {
    return notInUse('Target is in an Availability Zone that is not enabled for the load balancer');
  }
  const id = driverTargetId(target.spec);
  const mine = loadBalancer.views.flatMap((views) =>
    views.filter((view) => view.targetId === id && view.targetGroupId === targetGroupId),
  );
  return seen(mine);
}
