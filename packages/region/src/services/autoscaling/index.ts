/** Amazon EC2 Auto Scaling: every operation and loop of it. */
import type { Service } from '../common/service.ts';
import { describeScalingActivities } from './activity.ts';
import * as facts from './facts.ts';
import {
  createAutoScalingGroup,
  deleteAutoScalingGroup,
  describeAutoScalingGroups,
  setDesiredCapacity,
  updateAutoScalingGroup,
} from './group.ts';
import { groupLoop } from './group-loop.ts';
import {
  attachInstances,
  describeAutoScalingInstances,
  detachInstances,
  enterStandby,
  exitStandby,
  setInstanceHealth,
  setInstanceProtection,
  terminateInstanceInAutoScalingGroup,
} from './instance.ts';
import {
  createLaunchConfiguration,
  deleteLaunchConfiguration,
  describeLaunchConfigurations,
} from './launch-configuration.ts';
import { resumeProcesses, suspendProcesses } from './process.ts';
import { createOrUpdateTags, deleteTags, describeTags } from './tags.ts';
import {
  attachLoadBalancerTargetGroups,
  describeLoadBalancerTargetGroups,
  detachLoadBalancerTargetGroups,
} from './target-groups.ts';

export const autoscalingService: Service = {
  name: 'autoscaling',
  operations: {
    AttachInstances: attachInstances,
    AttachLoadBalancerTargetGroups: attachLoadBalancerTargetGroups,
    CreateAutoScalingGroup: createAutoScalingGroup,
    CreateLaunchConfiguration: createLaunchConfiguration,
    CreateOrUpdateTags: createOrUpdateTags,
    DeleteAutoScalingGroup: deleteAutoScalingGroup,
    DeleteLaunchConfiguration: deleteLaunchConfiguration,
    DeleteTags: deleteTags,
    DescribeAccountLimits: facts.describeAccountLimits,
    DescribeAdjustmentTypes: facts.describeAdjustmentTypes,
    DescribeAutoScalingGroups: describeAutoScalingGroups,
    DescribeAutoScalingInstances: describeAutoScalingInstances,
    DescribeInstanceRefreshes: facts.describeInstanceRefreshes,
    DescribeLaunchConfigurations: describeLaunchConfigurations,
    DescribeLifecycleHooks: facts.describeLifecycleHooks,
    DescribeLoadBalancers: facts.describeLoadBalancers,
    DescribeLoadBalancerTargetGroups: describeLoadBalancerTargetGroups,
    DescribeNotificationConfigurations: facts.describeNotificationConfigurations,
    DescribePolicies: facts.describePolicies,
    DescribeScalingActivities: describeScalingActivities,
    DescribeScalingProcessTypes: facts.describeScalingProcessTypes,
    DescribeScheduledActions: facts.describeScheduledActions,
    DescribeTags: describeTags,
    DescribeTerminationPolicyTypes: facts.describeTerminationPolicyTypes,
    DetachInstances: detachInstances,
    DetachLoadBalancerTargetGroups: detachLoadBalancerTargetGroups,
    EnterStandby: enterStandby,
    ExitStandby: exitStandby,
    ResumeProcesses: resumeProcesses,
    SetDesiredCapacity: setDesiredCapacity,
    SetInstanceHealth: setInstanceHealth,
    SetInstanceProtection: setInstanceProtection,
    SuspendProcesses: suspendProcesses,
    TerminateInstanceInAutoScalingGroup: terminateInstanceInAutoScalingGroup,
    UpdateAutoScalingGroup: updateAutoScalingGroup,
  },
  reconcilers: (context) => [groupLoop(context)],
};
