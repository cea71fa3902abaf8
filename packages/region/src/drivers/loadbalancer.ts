/**
 * What the region needs of whatever balances load: one node for each zone of a load balancer, each with its own checks.
 * A node forwards, checks and fails over by itself, also while the region is down.
 */

export interface HealthCheckSpec {
  readonly protocol: 'HTTP' | 'HTTPS';
  /** The target's own port when absent. */
  readonly port?: number;
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Passes in a row that make an unhealthy target healthy. ONE pass makes an initial one healthy. */
  readonly healthyThreshold: number;
  /** Failures in a row that make a target unhealthy. */
  readonly unhealthyThreshold: number;
  /** HTTP codes that pass, in AWS's form: `200`, `200,202`, `200-299`. */
  readonly matcher: string;
  readonly enabled: boolean;
}

export interface TargetSpec {
  /** Unique in its group: `<instance id or address>:<port>`. */
  readonly id: string;
  readonly address: string;
  readonly port: number;
  /** Deregistered: no new request goes there, those under way may finish. The region removes it when the delay is over. */
  readonly draining: boolean;
}

export interface TargetGroupSpec {
  /** The target group's ARN. */
  readonly id: string;
  readonly protocol: 'HTTP' | 'HTTPS';
  readonly algorithm: 'round_robin' | 'least_outstanding_requests';
  readonly healthCheck: HealthCheckSpec;
  readonly targets: readonly TargetSpec[];
}

export type ListenerAction =
  | {
      readonly kind: 'forward';
      readonly targetGroups: readonly { readonly id: string; readonly weight: number }[];
    }
  | {
      readonly kind: 'fixed-response';
      readonly status: number;
      readonly contentType: string;
      readonly body: string;
    }
  | {
      readonly kind: 'redirect';
      readonly status: 301 | 302;
      readonly protocol: string;
      readonly host: string;
      readonly port: string;
      readonly path: string;
      readonly query: string;
    };

export interface ListenerSpec {
  /** The listener's ARN. */
  readonly id: string;
  readonly port: number;
  readonly protocol: 'HTTP';
  readonly defaultAction: ListenerAction;
}

/** One node of a load balancer as wanted. */
export interface LoadBalancerNodeSpec {
  /** Unique on this machine, `[a-z0-9-]`, at most 40 characters. */
  readonly id: string;
  /** Its own network namespace; the network driver makes it and its interface. */
  readonly namespace: string;
  /** Private address the listeners listen on. */
  readonly address: string;
  readonly zone: string;
  readonly idleTimeoutMs: number;
  readonly listeners: readonly ListenerSpec[];
  readonly targetGroups: readonly TargetGroupSpec[];
}

/** What one node sees of one target. */
export interface TargetObservation {
  readonly targetGroupId: string;
  readonly targetId: string;
  /** `initial` until the first check has ended one way or the other by its thresholds. */
  readonly state: 'initial' | 'healthy' | 'unhealthy';
  /** Why not healthy. */
  readonly reason?: 'response-code-mismatch' | 'timeout' | 'failed';
  /** The HTTP code that did not match. */
  readonly code?: number;
  /** Requests under way at this moment. */
  readonly activeRequests: number;
}

/** Totals of one node since it started. */
export interface NodeCounters {
  readonly requests: number;
  /** Responses by who made them and hundred: `target2xx`, `elb5xx`, … */
  readonly responses: Readonly<Record<string, number>>;
}

export interface LoadBalancerDriver {
  /**
   * Makes the node what `node` says without breaking a connection; starts it when it is not running. Resolves when new
   * requests are treated accordingly.
   */
  ensure(node: LoadBalancerNodeSpec): Promise<void>;

  /** Ends the node and removes what was made for it. Already gone is success. */
  remove(id: string): Promise<void>;

  /** Nodes that exist; a dead one has `running: false`. */
  list(): Promise<{ id: string; running: boolean }[]>;

  /** What the node sees of each of its targets. Throws when the node is dead. */
  observe(id: string): Promise<TargetObservation[]>;

  counters(id: string): Promise<NodeCounters>;

  /** Calls `changed` with the id of a node whose view of a target changed, or that died, within 500 ms. */
  watch(changed: (id: string) => void): () => void;
}
