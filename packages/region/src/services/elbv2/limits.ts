/**
 * AWS's quotas for load balancers, as DescribeAccountLimits lists them.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
 */
import type * as elb from '@aws-sdk/client-elastic-load-balancing-v2';
import { refuseParameters } from '../common/errors.ts';

const LIMITS: Readonly<Record<string, number>> = {
  'application-load-balancers': 50,
  'condition-values-per-alb-rule': 5,
  'condition-wildcards-per-alb-rule': 5,
  'listeners-per-application-load-balancer': 50,
  'rules-per-application-load-balancer': 100,
  'target-groups': 3000,
  'target-groups-per-action-on-application-load-balancer': 5,
  'target-groups-per-application-load-balancer': 100,
  'targets-per-application-load-balancer': 1000,
  'targets-per-target-group': 1000,
};

export function describeAccountLimits(
  input: elb.DescribeAccountLimitsInput,
): elb.DescribeAccountLimitsOutput {
  refuseParameters('DescribeAccountLimits', input, ['Marker']);
  return { Limits: Object.entries(LIMITS).map(([Name, max]) => ({ Name, Max: String(max) })) };
}
