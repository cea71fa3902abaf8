/** Listeners of a load balancer, and the default rule that each of them has. */
import type * as elb from '@aws-sdk/client-elastic-load-balancing-v2';
import { refuseParameters } from '../common/errors.ts';
import { listingPosition, paginate } from '../common/pagination.ts';
import type { RequestContext, Scope } from '../common/service.ts';
import { defaultActionOf, shownAction } from './action.ts';
import { errors } from './errors.ts';
import { loadBalancerOf } from './load-balancer.ts';
import { listenerArn, ruleArn } from './names.ts';
import { type Listener, listeners, loadBalancers } from './records.ts';
import { tagsOf } from './tags.ts';

const UNSERVED = ['SslPolicy', 'Certificates', 'AlpnPolicy', 'MutualAuthentication'] as const;

function listenerOf(scope: Scope, id: string | undefined): Listener {
  const found = scope.tx.get(listeners, scope.region, id ?? '');
  if (!found) throw errors.listenerNotFound();
  return found;
}

const shown = (listener: Listener): elb.Listener => ({
  ListenerArn: listener.id,
  LoadBalancerArn: listener.spec.loadBalancerId,
  Port: listener.spec.port,
  Protocol: listener.spec.protocol,
  DefaultActions: [shownAction(listener.spec.defaultAction)],
});

function checkProtocol(protocol: string | undefined): 'HTTP' {
  if (protocol === undefined) throw errors.validation('A listener protocol must be specified');
  if (protocol === 'HTTPS') throw errors.unsupported('HTTPS listeners');
  if (protocol !== 'HTTP') {
    throw errors.validation(`Listener protocol '${protocol}' must be one of 'HTTPS, HTTP'`);
  }
  return protocol;
}

function checkPort(port: number | undefined): number {
  if (port === undefined) throw errors.validation('A listener port must be specified');
  if (port < 1 || port > 65_535) throw errors.validation(`The port '${port}' must be between 1 and 65535`);
  return port;
}

const onPort = (scope: Scope, loadBalancerId: string, port: number): Listener | undefined =>
  scope.tx
    .list(listeners, scope.region)
    .find(({ spec }) => spec.loadBalancerId === loadBalancerId && spec.port === port);

export function createListener(
  input: elb.CreateListenerInput,
  context: RequestContext,
): elb.CreateListenerOutput {
  const loadBalancer = loadBalancerOf(context, input.LoadBalancerArn);
  const protocol = checkProtocol(input.Protocol);
  const port = checkPort(input.Port);
  refuseParameters('CreateListener', input, UNSERVED);
  const defaultAction = defaultActionOf(context, input.DefaultActions, loadBalancer);
  const taken = onPort(context, loadBalancer.id, port);
  if (taken) {
    // The same listener again is success: creating one is idempotent.
    const same = JSON.stringify(taken.spec.defaultAction) === JSON.stringify(defaultAction);
    if (!same) throw errors.duplicateListener(loadBalancer.id);
    return { Listeners: [shown(taken)] };
  }
  const id = listenerArn(context, loadBalancer.id);
  const made = context.tx.create(listeners, {
    region: context.region,
    id,
    owner: loadBalancer,
    spec: {
      loadBalancerId: loadBalancer.id,
      port,
      protocol,
      defaultAction,
      defaultRuleId: ruleArn(context, id),
    },
    status: null,
    tags: tagsOf(input.Tags),
  });
  return { Listeners: [shown(made)] };
}

export function describeListeners(
  input: elb.DescribeListenersInput,
  context: RequestContext,
): elb.DescribeListenersOutput {
  const all = context.tx.list(listeners, context.region);
  const arns = input.ListenerArns ?? [];
  if (input.LoadBalancerArn === undefined && arns.length === 0) {
    throw errors.validation('You must specify either listener ARNs or a load balancer ARN');
  }
  let found = all;
  if (arns.length > 0) {
    found = all.filter(({ id }) => arns.includes(id));
    if (found.length < new Set(arns).size) throw errors.listenerNotFound();
  }
  if (input.LoadBalancerArn !== undefined) {
    const loadBalancer = loadBalancerOf(context, input.LoadBalancerArn);
    found = found.filter(({ spec }) => spec.loadBalancerId === loadBalancer.id);
  }
  const page = paginate(context, found, listingPosition, {
    call: `DescribeListeners ${input.LoadBalancerArn ?? ''}`,
    token: input.Marker,
    limit: input.PageSize ?? 400,
    invalid: () => errors.validation('The marker is not valid'),
  });
  return { Listeners: page.items.map(shown), NextMarker: page.nextToken };
}

export function modifyListener(
  input: elb.ModifyListenerInput,
  context: RequestContext,
): elb.ModifyListenerOutput {
  const listener = listenerOf(context, input.ListenerArn);
  refuseParameters('ModifyListener', input, UNSERVED);
  const loadBalancer = context.tx.get(loadBalancers, context.region, listener.spec.loadBalancerId);
  if (!loadBalancer) throw errors.loadBalancersNotFound();
  const port = input.Port === undefined ? listener.spec.port : checkPort(input.Port);
  const taken = onPort(context, loadBalancer.id, port);
  if (taken && taken.id !== listener.id) throw errors.duplicateListener(loadBalancer.id);
  const protocol = input.Protocol === undefined ? listener.spec.protocol : checkProtocol(input.Protocol);
  const defaultAction =
    input.DefaultActions === undefined
      ? listener.spec.defaultAction
      : defaultActionOf(context, input.DefaultActions, loadBalancer);
  const changed = context.tx.update(listener, {
    spec: { ...listener.spec, port, protocol, defaultAction },
  });
  return { Listeners: [shown(changed)] };
}

export function deleteListener(
  input: elb.DeleteListenerInput,
  context: RequestContext,
): elb.DeleteListenerOutput {
  context.tx.remove(listenerOf(context, input.ListenerArn));
  return {};
}

/** Every listener has one rule so far: its default. */
export function describeRules(
  input: elb.DescribeRulesInput,
  context: RequestContext,
): elb.DescribeRulesOutput {
  const all = context.tx.list(listeners, context.region);
  const arns = input.RuleArns ?? [];
  if ((input.ListenerArn === undefined) === (arns.length === 0)) {
    throw errors.validation('You must specify either a listener ARN or rule ARNs');
  }
  const found =
    input.ListenerArn === undefined
      ? all.filter(({ spec }) => arns.includes(spec.defaultRuleId))
      : [listenerOf(context, input.ListenerArn)];
  if (found.length < new Set(arns).size) throw errors.ruleNotFound();
  const page = paginate(context, found, listingPosition, {
    call: `DescribeRules ${input.ListenerArn ?? ''}`,
    token: input.Marker,
    limit: input.PageSize ?? 400,
    invalid: () => errors.validation('The marker is not valid'),
  });
  return {
    Rules: page.items.map(({ spec }) => ({
      RuleArn: spec.defaultRuleId,
      Priority: 'default',
      Conditions: [],
      Actions: [shownAction(spec.defaultAction)],
      IsDefault: true,
    })),
    NextMarker: page.nextToken,
  };
}

/** What AWS lists for a listener, with its defaults; none can be changed yet. */
export function describeListenerAttributes(
  input: elb.DescribeListenerAttributesInput,
  context: RequestContext,
): elb.DescribeListenerAttributesOutput {
  listenerOf(context, input.ListenerArn);
  return { Attributes: [{ Key: 'routing.http.response.server.enabled', Value: 'true' }] };
}
