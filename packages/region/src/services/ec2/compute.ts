/** The compute half of EC2: every operation and loop of instances, images, key pairs and launch templates. */
import type { Reconciler } from '../../reconcile/reconciler.ts';
import type { LoopContext, Operation } from '../common/service.ts';
import { describeInstanceStatus, describeInstances } from './instance/describe.ts';
import { instanceLoop } from './instance/loop.ts';
import { rebootInstances, startInstances, stopInstances, terminate } from './instance/power.ts';
import { runInstances } from './instance/run.ts';

export { type LaunchRequest, launchInstances } from './instance/launch.ts';
export { instancesOf, terminateInstances } from './instance/power.ts';
export { stateOf } from './instance/state.ts';
export { type ResolvedTemplate, resolveLaunchTemplate } from './launch-template/launch-template.ts';

export const computeOperations: Readonly<Record<string, Operation>> = {
  DescribeInstanceStatus: describeInstanceStatus,
  DescribeInstances: describeInstances,
  RebootInstances: rebootInstances,
  RunInstances: runInstances,
  StartInstances: startInstances,
  StopInstances: stopInstances,
  TerminateInstances: terminate,
};

export const computeReconcilers = (context: LoopContext): readonly Reconciler[] => [instanceLoop(context)];
