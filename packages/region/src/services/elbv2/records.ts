/**
 * What the store holds of Elastic Load Balancing. Ids are ARNs, except for nodes and targets. `spec` is written by API
 * calls only, `status` by the loop named at each.
 */
import type { ListenerAction } from '../../drivers/loadbalancer.ts';
import { type ResourceOf, resourceType } from '../../store/resource.ts';

export interface LoadBalancerSpec {
  readonly name: string;
  readonly scheme: 'internet-facing' | 'internal';
  readonly dnsName: string;
  readonly vpcId: string;
  readonly securityGroupIds: readonly string[];
  /** One for each enabled zone, in the order of the zones. */
  readonly zones: readonly { readonly zone: string; readonly subnetId: string; readonly nodeId: string }[];
  /** Attributes that differ from their defaults. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Written by the loop `elbv2.load-balancer`. */
export interface LoadBalancerStatus {
  readonly state: 'provisioning' | 'active';
}

export const loadBalancers = resourceType<LoadBalancerSpec, LoadBalancerStatus>('elbv2.load-balancer');
export type LoadBalancer = ResourceOf<typeof loadBalancers>;

/** A load balancer's node in one zone; the id names its network namespace, too. */
export interface NodeSpec {
  /** ARN. */
  readonly loadBalancerId: string;
  readonly zone: string;
  readonly subnetId: string;
  readonly interfaceId: string;
  /** Its load balancer is deleted, or left the zone: the loop takes it down, then the record goes. */
  readonly retired: boolean;
}

/** What a node sees of a target, as far as the region remembers it. */
export interface TargetView {
  readonly targetGroupId: string;
  readonly targetId: string;
  readonly state: 'initial' | 'healthy' | 'unhealthy';
  readonly reason?: 'response-code-mismatch' | 'timeout' | 'failed';
  readonly code?: number;
}

/** Written by the loop `elbv2.node`. */
export interface NodeStatus {
  /** It runs, and serves the listeners. */
  readonly serving: boolean;
  readonly targets: readonly TargetView[];
}

export const nodes = resourceType<NodeSpec, NodeStatus>('elbv2.node');
export type Node = ResourceOf<typeof nodes>;

export interface ListenerRecordSpec {
  readonly loadBalancerId: string;
  readonly port: number;
  readonly protocol: 'HTTP';
  readonly defaultAction: ListenerAction;
  /** ARN of the rule that stands for the default action. */
  readonly defaultRuleId: string;
}

export const listeners = resourceType<ListenerRecordSpec, null>('elbv2.listener');
export type Listener = ResourceOf<typeof listeners>;

export interface HealthCheckSettings {
  readonly protocol: 'HTTP';
  /** A port number, or `traffic-port`. */
  readonly port: string;
  readonly path: string;
  readonly intervalS: number;
  readonly timeoutS: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
  readonly matcher: string;
}

export interface TargetGroupRecordSpec {
  readonly name: string;
  readonly targetType: 'instance' | 'ip';
  readonly protocol: 'HTTP';
  readonly port: number;
  readonly vpcId: string;
  readonly healthCheck: HealthCheckSettings;
  /** Attributes that differ from their defaults. */
  readonly attributes: Readonly<Record<string, string>>;
}

export const targetGroups = resourceType<TargetGroupRecordSpec, null>('elbv2.target-group');
export type TargetGroup = ResourceOf<typeof targetGroups>;

/** The owner is its target group; the id is `<target group ARN>#<targetId>:<port>`. */
export interface TargetRecordSpec {
  readonly targetGroupId: string;
  /** Instance id, or IPv4 address. */
  readonly targetId: string;
  readonly port: number;
  /** Region time of its deregistration; it drains from then on. */
  readonly deregisteredAt?: number;
}

export type TargetState = 'initial' | 'healthy' | 'unhealthy' | 'unused' | 'draining';

/** Written by the loop `elbv2.target-group`. */
export interface TargetHealth {
  readonly state: TargetState;
  readonly reason?: string;
  readonly description?: string;
}

export const targets = resourceType<TargetRecordSpec, TargetHealth>('elbv2.target');
export type Target = ResourceOf<typeof targets>;
