/** Suspending and resuming what a group does by itself. */
import type * as autoscaling from '@aws-sdk/client-auto-scaling';
import type { RequestContext } from '../common/service.ts';
import { errors } from './errors.ts';
import { changeableGroup } from './group.ts';

/** https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html */
export const PROCESSES = [
  'AZRebalance',
  'AddToLoadBalancer',
  'AlarmNotification',
  'HealthCheck',
  'InstanceRefresh',
  'Launch',
  'ReplaceUnhealthy',
  'ScheduledActions',
  'Terminate',
] as const;

/** The processes that a request names; all when it names none. */
function processesOf(input: autoscaling.ScalingProcessQuery): readonly string[] {
  const named = input.ScalingProcesses ?? [];
  for (const process of named) {
    if (!(PROCESSES as readonly string[]).includes(process)) {
      throw errors.validation(`Process name ${process} is not valid`);
    }
  }
  return named.length === 0 ? PROCESSES : named;
}

export function suspendProcesses(
  input: autoscaling.ScalingProcessQuery,
  context: RequestContext,
): Record<string, never> {
  const group = changeableGroup(context, input.AutoScalingGroupName);
  const suspended = [...new Set([...group.spec.suspended, ...processesOf(input)])].toSorted();
  context.tx.update(group, { spec: { ...group.spec, suspended } });
  return {};
}

export function resumeProcesses(
  input: autoscaling.ScalingProcessQuery,
  context: RequestContext,
): Record<string, never> {
  const group = changeableGroup(context, input.AutoScalingGroupName);
  const resumed = processesOf(input);
  const suspended = group.spec.suspended.filter((process) => !resumed.includes(process));
  context.tx.update(group, { spec: { ...group.spec, suspended } });
  return {};
}
