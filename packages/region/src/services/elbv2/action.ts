/** A listener's default action: forward, fixed response, redirect. */
import type * as elb from '@aws-sdk/client-elastic-load-balancing-v2';
import type { ListenerAction } from '../../drivers/loadbalancer.ts';
import { refuseParameters } from '../common/errors.ts';
import type { Scope } from '../common/service.ts';
import { errors } from './errors.ts';
import { type LoadBalancer, listeners, targetGroups } from './records.ts';

/** ARNs of the target groups that an action forwards to. */
export const groupsOfAction = (action: ListenerAction): string[] =>
  action.kind === 'forward' ? action.targetGroups.map((group) => group.id) : [];

function forward(scope: Scope, action: elb.Action, loadBalancer: LoadBalancer): ListenerAction {
  const config = action.ForwardConfig;
  const given = config?.TargetGroups ?? [];
  if (config?.TargetGroupStickinessConfig?.Enabled === true) {
    throw errors.unsupported('TargetGroupStickinessConfig of a forward action');
  }
  const only = given.length === 1 ? given[0]?.TargetGroupArn : undefined;
  if (action.TargetGroupArn !== undefined && given.length > 0 && action.TargetGroupArn !== only) {
    throw errors.invalidAction(
      'You can specify only one of TargetGroupArn and ForwardConfig, or both with the same target group',
    );
  }
  const tuples = given.length > 0 ? given : [{ TargetGroupArn: action.TargetGroupArn, Weight: 1 }];
  if (tuples.length > 5) throw errors.invalidAction('A forward action can have no more than 5 target groups');
  const groups = tuples.map(({ TargetGroupArn: id = '', Weight: weight = 1 }) => {
    if (id === '') throw errors.validation('A target group ARN must be specified');
    const group = scope.tx.get(targetGroups, scope.region, id);
    if (!group) throw errors.targetGroupNotFound();
    if (group.spec.vpcId !== loadBalancer.spec.vpcId) {
      throw errors.invalidConfiguration(
        `Target group '${id}' is in the VPC '${group.spec.vpcId}', not in that of the load balancer`,
      );
    }
    if (!Number.isInteger(weight) || weight < 0 || weight > 999) {
      throw errors.validation(`The weight '${weight}' must be between 0 and 999`);
    }
    return { id, weight };
  });
  if (new Set(groups.map((group) => group.id)).size < groups.length) {
    throw errors.invalidAction('A target group can be in a forward action only once');
  }
  for (const { id } of groups) checkAssociation(scope, id, loadBalancer);
  return { kind: 'forward', targetGroups: groups };
}

/** A target group serves one load balancer. */
function checkAssociation(scope: Scope, groupId: string, loadBalancer: LoadBalancer): void {
  const elsewhere = scope.tx
    .list(listeners, scope.region)
    .some(
      ({ spec }) =>
        spec.loadBalancerId !== loadBalancer.id && groupsOfAction(spec.defaultAction).includes(groupId),
    );
  if (elsewhere) throw errors.associationLimit(groupId);
}

function fixedResponse(config: elb.FixedResponseActionConfig | undefined): ListenerAction {
  if (!config) throw errors.invalidAction('A fixed-response action must have a FixedResponseConfig');
  const contentType = config.ContentType ?? 'text/plain';
  if (!/^[245]\d\d$/.test(config.StatusCode ?? '')) {
    throw errors.validation(`The status code '${config.StatusCode}' must be 2XX, 4XX or 5XX`);
  }
  const body = config.MessageBody ?? '';
  if (body.length > 1024) throw errors.validation('The message body cannot be longer than 1024 characters');
  const types = ['text/plain', 'text/css', 'text/html', 'application/javascript', 'application/json'];
  if (!types.includes(contentType)) {
    throw errors.validation(`The content type '${contentType}' must be one of [${types.join(', ')}]`);
  }
  return { kind: 'fixed-response', status: Number(config.StatusCode), contentType, body };
}

function redirect(config: elb.RedirectActionConfig | undefined): ListenerAction {
  if (!config) throw errors.invalidAction('A redirect action must have a RedirectConfig');
  const {
    Protocol: protocol = '#{protocol}',
    Host: host = '#{host}',
    Port: port = '#{port}',
    Path: path = '/#{path}',
    Query: query = '#{query}',
  } = config;
  if (!['HTTP', 'HTTPS', '#{protocol}'].includes(protocol)) {
    throw errors.validation(`The redirect protocol '${protocol}' must be HTTP, HTTPS or #{protocol}`);
  }
  if (port !== '#{port}' && !(/^\d+$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    throw errors.validation(`The redirect port '${port}' must be between 1 and 65535 or #{port}`);
  }
  if (!path.startsWith('/')) throw errors.validation("The redirect path must start with a '/'");
  // A redirect that changes none of these would lead to itself for ever.
  if (
    protocol === '#{protocol}' &&
    host === '#{host}' &&
    port === '#{port}' &&
    /^\/?#\{path\}$/.test(path.slice(1))
  ) {
    throw errors.invalidAction(
      'The redirect must change at least one of the following: protocol, port, host or path',
    );
  }
  const status = config.StatusCode === 'HTTP_301' ? 301 : 302;
  return { kind: 'redirect', status, protocol, host, port, path, query };
}

/** What the caller wants as default action. Throws this API's codes; authentication is refused by name. */
export function defaultActionOf(
  scope: Scope,
  actions: readonly elb.Action[] | undefined,
  loadBalancer: LoadBalancer,
): ListenerAction {
  const [action, ...more] = actions ?? [];
  if (!action) throw errors.validation('A listener must have a default action');
  if (more.length > 0) throw errors.unsupported('more than one default action of a listener');
  refuseParameters('a default action', action, [
    'AuthenticateOidcConfig',
    'AuthenticateCognitoConfig',
    'JwtValidationConfig',
  ]);
  if (action.Type === 'forward') return forward(scope, action, loadBalancer);
  if (action.Type === 'fixed-response') return fixedResponse(action.FixedResponseConfig);
  if (action.Type === 'redirect') return redirect(action.RedirectConfig);
  throw errors.unsupported(`actions of the type ${action.Type}`);
}

export function shownAction(action: ListenerAction): elb.Action {
  if (action.kind === 'forward') {
    const [first] = action.targetGroups;
    return {
      Type: 'forward',
      TargetGroupArn: action.targetGroups.length === 1 ? first?.id : undefined,
      ForwardConfig: {
        TargetGroups: action.targetGroups.map(({ id, weight }) => ({ TargetGroupArn: id, Weight: weight })),
        TargetGroupStickinessConfig: { Enabled: false },
      },
    };
  }
  if (action.kind === 'fixed-response') {
    return {
      Type: 'fixed-response',
      FixedResponseConfig: {
        StatusCode: String(action.status),
        ContentType: action.contentType,
        MessageBody: action.body,
      },
    };
  }
  return {
    Type: 'redirect',
    RedirectConfig: {
      Protocol: action.protocol,
      Host: action.host,
      Port: action.port,
      Path: action.path,
      Query: action.query,
      StatusCode: action.status === 301 ? 'HTTP_301' : 'HTTP_302',
    },
  };
}
