/** What Auto Scaling says of itself, and of what no group has yet. */
import type * as autoscaling from '@aws-sdk/client-auto-scaling';
import type { RequestContext } from '../common/service.ts';
import { groupOf } from './group.ts';
import { PROCESSES } from './process.ts';
import { groups, launchConfigurations } from './records.ts';
import { TERMINATION_POLICIES } from './termination-policy.ts';

export const describeAdjustmentTypes = (): autoscaling.DescribeAdjustmentTypesAnswer => ({
  AdjustmentTypes: ['ChangeInCapacity', 'ExactCapacity', 'PercentChangeInCapacity'].map((AdjustmentType) => ({
    AdjustmentType,
  })),
});

export const describeTerminationPolicyTypes = (): autoscaling.DescribeTerminationPolicyTypesAnswer => ({
  TerminationPolicyTypes: [...TERMINATION_POLICIES],
});

export const describeScalingProcessTypes = (): autoscaling.ProcessesType => ({
  Processes: PROCESSES.map((ProcessName) => ({ ProcessName })),
});

/** https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html */
export const describeAccountLimits = (
  _input: object,
  { tx, region }: RequestContext,
): autoscaling.DescribeAccountLimitsAnswer => ({
  MaxNumberOfAutoScalingGroups: 500,
  MaxNumberOfLaunchConfigurations: 200,
  NumberOfAutoScalingGroups: tx.list(groups, region).length,
  NumberOfLaunchConfigurations: tx.list(launchConfigurations, region).length,
});

/** Nothing can put a hook, a policy or a schedule yet, so there is none of them. */
export function describeLifecycleHooks(
  input: autoscaling.DescribeLifecycleHooksType,
  context: RequestContext,
): autoscaling.DescribeLifecycleHooksAnswer {
  groupOf(context, input.AutoScalingGroupName);
  return { LifecycleHooks: [] };
}

function checkNamedGroup(input: { AutoScalingGroupName?: string | undefined }, context: RequestContext) {
  if (input.AutoScalingGroupName !== undefined) groupOf(context, input.AutoScalingGroupName);
}

export function describePolicies(
  input: autoscaling.DescribePoliciesType,
  context: RequestContext,
): autoscaling.PoliciesType {
  checkNamedGroup(input, context);
  return { ScalingPolicies: [] };
}

export function describeScheduledActions(
  input: autoscaling.DescribeScheduledActionsType,
  context: RequestContext,
): autoscaling.ScheduledActionsType {
  checkNamedGroup(input, context);
  return { ScheduledUpdateGroupActions: [] };
}

export function describeNotificationConfigurations(
  input: autoscaling.DescribeNotificationConfigurationsType,
  context: RequestContext,
): autoscaling.DescribeNotificationConfigurationsAnswer {
  for (const AutoScalingGroupName of input.AutoScalingGroupNames ?? []) {
    checkNamedGroup({ AutoScalingGroupName }, context);
  }
  return { NotificationConfigurations: [] };
}

export function describeInstanceRefreshes(
  input: autoscaling.DescribeInstanceRefreshesType,
  context: RequestContext,
): autoscaling.DescribeInstanceRefreshesAnswer {
  groupOf(context, input.AutoScalingGroupName);
  return { InstanceRefreshes: [] };
}

export function describeLoadBalancers(
  input: autoscaling.DescribeLoadBalancersRequest,
  context: RequestContext,
): autoscaling.DescribeLoadBalancersResponse {
  groupOf(context, input.AutoScalingGroupName);
  return { LoadBalancers: [] };
}
