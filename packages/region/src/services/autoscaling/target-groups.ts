/** The target groups that a group's instances are in. */
import type * as autoscaling from '@aws-sdk/client-auto-scaling';
import { paginate } from '../common/pagination.ts';
import type { RequestContext } from '../common/service.ts';
import { errors } from './errors.ts';
import { changeableGroup, groupOf, membersOf } from './group.ts';
import { checkTargetGroups } from './group-request.ts';

export function attachLoadBalancerTargetGroups(
  input: autoscaling.AttachLoadBalancerTargetGroupsType,
  context: RequestContext,
): Record<string, never> {
  const group = changeableGroup(context, input.AutoScalingGroupName);
  const added = checkTargetGroups(context, input.TargetGroupARNs ?? []);
  const targetGroupArns = [...new Set([...group.spec.targetGroupArns, ...added])];
  context.tx.update(group, { spec: { ...group.spec, targetGroupArns } });
  return {};
}

export function detachLoadBalancerTargetGroups(
  input: autoscaling.DetachLoadBalancerTargetGroupsType,
  context: RequestContext,
): Record<string, never> {
  const group = changeableGroup(context, input.AutoScalingGroupName);
  const removed = input.TargetGroupARNs ?? [];
  for (const arn of removed) {
    if (!group.spec.targetGroupArns.includes(arn)) {
      throw errors.validation(`Target group ${arn} is not attached to AutoScalingGroup ${group.id}`);
    }
  }
  const targetGroupArns = group.spec.targetGroupArns.filter((arn) => !removed.includes(arn));
  context.tx.update(group, { spec: { ...group.spec, targetGroupArns } });
  return {};
}

/** `Adding` until every instance in service is registered, then `Added`, and `InService` with the first of them. */
export function describeLoadBalancerTargetGroups(
  input: autoscaling.DescribeLoadBalancerTargetGroupsRequest,
  context: RequestContext,
): autoscaling.DescribeLoadBalancerTargetGroupsResponse {
  const group = groupOf(context, input.AutoScalingGroupName);
  const serving = membersOf(context, group.id).filter(({ status }) => status.lifecycle === 'InService');
  const stateOf = (arn: string): string => {
    if (!serving.every(({ status }) => status.registeredWith.includes(arn))) return 'Adding';
    return serving.length === 0 ? 'Added' : 'InService';
  };
  const page = paginate(context, group.spec.targetGroupArns, (arn) => arn, {
    call: `DescribeLoadBalancerTargetGroups ${group.id}`,
    token: input.NextToken,
    limit: input.MaxRecords ?? 100,
    invalid: errors.invalidNextToken,
  });
  const states = page.items.map((arn) => ({ LoadBalancerTargetGroupARN: arn, State: stateOf(arn) }));
  return { LoadBalancerTargetGroups: states, NextToken: page.nextToken };
}
