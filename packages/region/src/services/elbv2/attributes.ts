/**
 * Attributes of load balancers and target groups. All that AWS lists are listed with their defaults; those that Holdfast
 * acts on may be changed, any other is refused by name when it is set to something else than it is.
 */
import type * as elb from '@aws-sdk/client-elastic-load-balancing-v2';
import type { RequestContext } from '../common/service.ts';
import { errors } from './errors.ts';
import { type LoadBalancer, loadBalancers, type TargetGroup, targetGroups } from './records.ts';

interface AttributeRule {
  readonly byDefault: string;
  /** Absent: fixed. Otherwise, whether a value is one that AWS takes. */
  readonly accepts?: (value: string) => boolean;
}

type AttributeTable = Readonly<Record<string, AttributeRule>>;

const between = (from: number, to: number) => (value: string) =>
  /^\d+$/.test(value) && Number(value) >= from && Number(value) <= to;
const oneOf =
  (...values: string[]) =>
  (value: string) =>
    values.includes(value);

/** https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html */
const loadBalancerAttributes: AttributeTable = {
  'access_logs.s3.enabled': { byDefault: 'false' },
  'access_logs.s3.bucket': { byDefault: '' },
  'access_logs.s3.prefix': { byDefault: '' },
  'client_keep_alive.seconds': { byDefault: '3600' },
  'connection_logs.s3.enabled': { byDefault: 'false' },
  'connection_logs.s3.bucket': { byDefault: '' },
  'connection_logs.s3.prefix': { byDefault: '' },
  'deletion_protection.enabled': { byDefault: 'false', accepts: oneOf('true', 'false') },
  'health_check_logs.s3.enabled': { byDefault: 'false' },
  'health_check_logs.s3.bucket': { byDefault: '' },
  'health_check_logs.s3.prefix': { byDefault: '' },
  'idle_timeout.timeout_seconds': { byDefault: '60', accepts: between(1, 4000) },
  'load_balancing.cross_zone.enabled': { byDefault: 'true' },
  'routing.http.desync_mitigation_mode': { byDefault: 'defensive' },
  'routing.http.drop_invalid_header_fields.enabled': { byDefault: 'false' },
  'routing.http.preserve_host_header.enabled': { byDefault: 'false' },
  'routing.http.x_amzn_tls_version_and_cipher_suite.enabled': { byDefault: 'false' },
  'routing.http.xff_client_port.enabled': { byDefault: 'false' },
  'routing.http.xff_header_processing.mode': { byDefault: 'append' },
  'routing.http2.enabled': { byDefault: 'true' },
  'waf.fail_open.enabled': { byDefault: 'false' },
  'zonal_shift.config.enabled': { byDefault: 'false' },
};

/** https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html */
const targetGroupAttributes: AttributeTable = {
  'deregistration_delay.timeout_seconds': { byDefault: '300', accepts: between(0, 3600) },
  'load_balancing.algorithm.anomaly_mitigation': { byDefault: 'off' },
  'load_balancing.algorithm.type': {
    byDefault: 'round_robin',
    accepts: oneOf('round_robin', 'least_outstanding_requests'),
  },
  'load_balancing.cross_zone.enabled': { byDefault: 'use_load_balancer_configuration' },
  'slow_start.duration_seconds': { byDefault: '0' },
  'stickiness.enabled': { byDefault: 'false' },
  'stickiness.type': { byDefault: 'lb_cookie' },
  'stickiness.lb_cookie.duration_seconds': { byDefault: '86400' },
  'stickiness.app_cookie.cookie_name': { byDefault: '' },
  'stickiness.app_cookie.duration_seconds': { byDefault: '86400' },
  'target_group_health.dns_failover.minimum_healthy_targets.count': { byDefault: '1' },
  'target_group_health.dns_failover.minimum_healthy_targets.percentage': { byDefault: 'off' },
  'target_group_health.unhealthy_state_routing.minimum_healthy_targets.count': { byDefault: '1' },
  'target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage': { byDefault: 'off' },
};

function changed(
  table: AttributeTable,
  what: string,
  current: Readonly<Record<string, string>>,
  given: readonly elb.LoadBalancerAttribute[] | undefined,
): Record<string, string> {
  const result = { ...current };
  for (const { Key: key = '', Value: value = '' } of given ?? []) {
    const rule = Object.hasOwn(table, key) ? table[key] : undefined;
    if (!rule) throw errors.invalidConfiguration(`${what} attribute key '${key}' is not recognized`);
    if (value === (current[key] ?? rule.byDefault)) continue;
    if (!rule.accepts) throw errors.unsupported(`the attribute ${key} with the value '${value}'`);
    if (!rule.accepts(value)) {
      if (key === 'load_balancing.algorithm.type' && value === 'weighted_random') {
        throw errors.unsupported(`the attribute ${key} with the value '${value}'`);
      }
      throw errors.invalidConfiguration(`'${value}' is not a valid value for the attribute '${key}'`);
    }
    result[key] = value;
  }
  return result;
}

const shown = (
  table: AttributeTable,
  current: Readonly<Record<string, string>>,
): { Key: string; Value: string }[] =>
  Object.entries(table).map(([Key, { byDefault }]) => ({ Key, Value: current[Key] ?? byDefault }));

/** An attribute's value now. The name must be one of the table. */
export const loadBalancerAttribute = (loadBalancer: LoadBalancer, key: string): string =>
  loadBalancer.spec.attributes[key] ?? loadBalancerAttributes[key]?.byDefault ?? '';

export const targetGroupAttribute = (group: TargetGroup, key: string): string =>
  group.spec.attributes[key] ?? targetGroupAttributes[key]?.byDefault ?? '';

/** How long a deregistered target drains. */
export const deregistrationDelayMs = (group: TargetGroup): number =>
  Number(targetGroupAttribute(group, 'deregistration_delay.timeout_seconds')) * 1000;

export function describeLoadBalancerAttributes(
  input: elb.DescribeLoadBalancerAttributesInput,
  { tx, region }: RequestContext,
): elb.DescribeLoadBalancerAttributesOutput {
  const id = input.LoadBalancerArn ?? '';
  const loadBalancer = tx.get(loadBalancers, region, id);
  if (!loadBalancer) throw errors.loadBalancerNotFound(id);
  return { Attributes: shown(loadBalancerAttributes, loadBalancer.spec.attributes) };
}

export function modifyLoadBalancerAttributes(
  input: elb.ModifyLoadBalancerAttributesInput,
  { tx, region }: RequestContext,
): elb.ModifyLoadBalancerAttributesOutput {
  const id = input.LoadBalancerArn ?? '';
  const loadBalancer = tx.get(loadBalancers, region, id);
  if (!loadBalancer) throw errors.loadBalancerNotFound(id);
  const attributes = changed(
    loadBalancerAttributes,
    'Load balancer',
    loadBalancer.spec.attributes,
    input.Attributes,
  );
  tx.update(loadBalancer, { spec: { ...loadBalancer.spec, attributes } });
  return { Attributes: shown(loadBalancerAttributes, attributes) };
}

export function describeTargetGroupAttributes(
  input: elb.DescribeTargetGroupAttributesInput,
  { tx, region }: RequestContext,
): elb.DescribeTargetGroupAttributesOutput {
  const group = tx.get(targetGroups, region, input.TargetGroupArn ?? '');
  if (!group) throw errors.targetGroupNotFound();
  return { Attributes: shown(targetGroupAttributes, group.spec.attributes) };
}

export function modifyTargetGroupAttributes(
  input: elb.ModifyTargetGroupAttributesInput,
  { tx, region }: RequestContext,
): elb.ModifyTargetGroupAttributesOutput {
  const group = tx.get(targetGroups, region, input.TargetGroupArn ?? '');
  if (!group) throw errors.targetGroupNotFound();
  const attributes = changed(targetGroupAttributes, 'Target group', group.spec.attributes, input.Attributes);
  tx.update(group, { spec: { ...group.spec, attributes } });
  return { Attributes: shown(targetGroupAttributes, attributes) };
}
