/** ARNs and names of load balancers, target groups and listeners. */
import { arn } from '../common/names.ts';
import type { Scope } from '../common/service.ts';
import { errors } from './errors.ts';

export const loadBalancerArn = (scope: Scope, name: string): string =>
  arn(scope, 'elasticloadbalancing', `loadbalancer/app/${name}/${scope.random.hex(8)}`);

export const targetGroupArn = (scope: Scope, name: string): string =>
  arn(scope, 'elasticloadbalancing', `targetgroup/${name}/${scope.random.hex(8)}`);

/** A listener's ARN repeats its load balancer's name and id. */
export const listenerArn = (scope: Scope, loadBalancer: string): string =>
  `${loadBalancer.replace(':loadbalancer/', ':listener/')}/${scope.random.hex(8)}`;

export const ruleArn = (scope: Scope, listener: string): string =>
  `${listener.replace(':listener/', ':listener-rule/')}/${scope.random.hex(8)}`;

/** `app/my-lb/50dc6c495c0c9188`: how metrics and interface descriptions name a load balancer. */
export const fullName = (loadBalancer: string): string => loadBalancer.split(':loadbalancer/')[1] ?? '';

/**
 * At most 32 letters, digits and hyphens, none at the ends; a load balancer's must not begin with `internal-` either.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
 */
export function checkName(what: 'load balancer' | 'target group', name: string): void {
  const subject = `${what} name '${name}'`;
  if (name.length > 32) {
    throw errors.validation(`The ${subject} cannot be longer than '32' characters`);
  }
  if (!/^[a-zA-Z0-9-]+$/.test(name)) {
    throw errors.validation(
      `The ${subject} can only contain characters that are alphanumeric characters and hyphens(-)`,
    );
  }
  if (/^-|-$/.test(name)) throw errors.validation(`The ${subject} cannot begin or end with a hyphen`);
  if (what === 'load balancer' && name.startsWith('internal-')) {
    throw errors.validation(`The ${subject} cannot begin with 'internal-'`);
  }
}
