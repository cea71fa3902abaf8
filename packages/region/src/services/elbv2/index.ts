/** Elastic Load Balancing v2: Application Load Balancers. Every operation and loop of it. */
import type { Service } from '../common/service.ts';
import {
  describeLoadBalancerAttributes,
  describeTargetGroupAttributes,
  modifyLoadBalancerAttributes,
  modifyTargetGroupAttributes,
} from './attributes.ts';
import { describeAccountLimits } from './limits.ts';
import {
  createListener,
  deleteListener,
  describeListenerAttributes,
  describeListeners,
  describeRules,
  modifyListener,
} from './listener.ts';
import {
  createLoadBalancer,
  deleteLoadBalancer,
  describeCapacityReservation,
  describeLoadBalancers,
  setSecurityGroups,
  setSubnets,
} from './load-balancer.ts';
import { loadBalancerLoop } from './load-balancer-loop.ts';
import { nodeLoop } from './node-loop.ts';
import { addTags, describeTags, removeTags } from './tags.ts';
import { deregisterTargets, describeTargetHealth, registerTargets } from './target.ts';
import {
  createTargetGroup,
  deleteTargetGroup,
  describeTargetGroups,
  modifyTargetGroup,
} from './target-group.ts';
import { targetGroupLoop } from './target-group-loop.ts';

export const elbv2Service: Service = {
  name: 'elbv2',
  operations: {
    AddTags: addTags,
    CreateListener: createListener,
    CreateLoadBalancer: createLoadBalancer,
    CreateTargetGroup: createTargetGroup,
    DeleteListener: deleteListener,
    DeleteLoadBalancer: deleteLoadBalancer,
    DeleteTargetGroup: deleteTargetGroup,
    DeregisterTargets: deregisterTargets,
    DescribeAccountLimits: describeAccountLimits,
    DescribeCapacityReservation: describeCapacityReservation,
    DescribeListenerAttributes: describeListenerAttributes,
    DescribeListeners: describeListeners,
    DescribeLoadBalancerAttributes: describeLoadBalancerAttributes,
    DescribeLoadBalancers: describeLoadBalancers,
    DescribeRules: describeRules,
    DescribeTags: describeTags,
    DescribeTargetGroupAttributes: describeTargetGroupAttributes,
    DescribeTargetGroups: describeTargetGroups,
    DescribeTargetHealth: describeTargetHealth,
    ModifyListener: modifyListener,
    ModifyLoadBalancerAttributes: modifyLoadBalancerAttributes,
    ModifyTargetGroup: modifyTargetGroup,
    ModifyTargetGroupAttributes: modifyTargetGroupAttributes,
    RegisterTargets: registerTargets,
    RemoveTags: removeTags,
    SetSecurityGroups: setSecurityGroups,
    SetSubnets: setSubnets,
  },
  reconcilers: (context) => [nodeLoop(context), targetGroupLoop(context), loadBalancerLoop(context)],
};
