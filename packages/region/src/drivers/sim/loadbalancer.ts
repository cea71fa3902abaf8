/**
 * Load balancer nodes that exist in memory only. They check their targets on the region's clock and answer requests that
 * a test makes, by the rules of an Application Load Balancer.
 */
import type { Cancel, Clock } from '../../clock.ts';
import type {
  LoadBalancerDriver,
  LoadBalancerNodeSpec,
  NodeCounters,
  TargetGroupSpec,
  TargetObservation,
  TargetSpec,
} from '../loadbalancer.ts';

/** How a target behaves; `down`: nothing listens there, `silent`: it accepts and never answers. */
export type Behaviour = { readonly status: number } | 'down' | 'silent';

/** What a client got, and from whom; `target` is absent when the balancer itself answered. */
export interface Answer {
  readonly status: number;
  readonly target?: string;
}

export interface SimLoadBalancer extends LoadBalancerDriver {
  /** Overrides how a target answers a path, or every path. */
  behave(target: { address: string; port: number }, behaviour: Behaviour | undefined, path?: string): void;
  /** Sends one request to a node. Throws when nobody listens there. */
  request(nodeId: string, port: number, path?: string): Answer;
  /** Ends a node's process. */
  kill(nodeId: string): void;
  spec(nodeId: string): LoadBalancerNodeSpec | undefined;
}

interface Watched {
  group: TargetGroupSpec;
  target: TargetSpec;
  state: 'initial' | 'healthy' | 'unhealthy';
  reason?: 'response-code-mismatch' | 'timeout' | 'failed';
  code?: number;
  passes: number;
  failures: number;
  cancel: Cancel | undefined;
}

interface Node {
  spec: LoadBalancerNodeSpec;
  running: boolean;
  watched: Map<string, Watched>;
  turns: Map<string, number>;
  requests: number;
  responses: Record<string, number>;
}

export function matcherAccepts(matcher: string, status: number): boolean {
  return matcher.split(',').some((part) => {
    const [from = '', to = from] = part.split('-');
    return status >= Number(from) && status <= Number(to);
  });
}

/** `answers` says how a target behaves that no test has given a behaviour: as its machine and network would. */
export function simLoadBalancer(
  clock: Clock,
  answers: (node: LoadBalancerNodeSpec, target: TargetSpec) => Behaviour,
): SimLoadBalancer {
  const nodes = new Map<string, Node>();
  const behaviours = new Map<string, Behaviour>();
  const watchers = new Set<(id: string) => void>();
  const changed = (id: string): void => {
    for (const watcher of watchers) watcher(id);
  };

  const behaviourOf = (node: Node, target: TargetSpec, path: string): Behaviour => {
    const place = `${target.address}:${target.port}`;
    return behaviours.get(`${place}${path}`) ?? behaviours.get(place) ?? answers(node.spec, target);
  };

  const check = (node: Node, one: Watched): void => {
    const { healthCheck } = one.group;
    const target = { ...one.target, port: healthCheck.port ?? one.target.port };
    const path = healthCheck.path.split('?')[0] ?? '/';
    const behaviour = behaviourOf(node, target, path);
    const before = `${one.state}${one.reason}${one.code}`;
    delete one.code;
    delete one.reason;
    if (typeof behaviour === 'object' && matcherAccepts(healthCheck.matcher, behaviour.status)) {
      one.passes += 1;
      one.failures = 0;
      if (one.state === 'initial' || one.passes >= healthCheck.healthyThreshold) one.state = 'healthy';
    } else {
      one.failures += 1;
      one.passes = 0;
      if (one.failures >= healthCheck.unhealthyThreshold) one.state = 'unhealthy';
    }
    if (one.state !== 'healthy' && one.failures > 0) {
      one.reason =
        behaviour === 'silent' ? 'timeout' : behaviour === 'down' ? 'failed' : 'response-code-mismatch';
      if (typeof behaviour === 'object') one.code = behaviour.status;
    }
    one.cancel = clock.after(healthCheck.intervalMs, () => check(node, one));
    if (before !== `${one.state}${one.reason}${one.code}`) changed(node.spec.id);
  };

  const watchTargets = (node: Node): void => {
    const wanted = new Map<string, { group: TargetGroupSpec; target: TargetSpec }>();
    for (const group of node.spec.targetGroups) {
      for (const target of group.targets) wanted.set(`${group.id} ${target.id}`, { group, target });
    }
    for (const [key, one] of node.watched) {
      if (wanted.has(key)) continue;
      one.cancel?.();
      node.watched.delete(key);
    }
    for (const [key, { group, target }] of wanted) {
      const known = node.watched.get(key);
      if (known) Object.assign(known, { group, target });
      else {
        const one: Watched = { group, target, state: 'initial', passes: 0, failures: 0, cancel: undefined };
        node.watched.set(key, one);
        if (group.healthCheck.enabled) one.cancel = clock.after(0, () => check(node, one));
        else one.state = 'healthy';
      }
    }
  };

  const stop = (node: Node): void => {
    node.running = false;
    for (const one of node.watched.values()) one.cancel?.();
    node.watched.clear();
  };

  const forward = (node: Node, groupId: string, path: string): Answer => {
    const here = [...node.watched.values()].filter((one) => one.group.id === groupId && !one.target.draining);
    if (here.length === 0) return { status: 503 };
    const healthy = here.filter((one) => one.state === 'healthy');
    // Fail-open: when no target is healthy, all of them get requests.
    const among = healthy.length > 0 ? healthy : here;
    const turn = node.turns.get(groupId) ?? 0;
    node.turns.set(groupId, turn + 1);
    const chosen = among[turn % among.length];
    if (!chosen) return { status: 503 };
    const behaviour = behaviourOf(node, chosen.target, path);
    if (behaviour === 'down') return { status: 502 };
    if (behaviour === 'silent') return { status: 504 };
    return { status: behaviour.status, target: chosen.target.id };
  };

  /** The group whose turn it is by weight, in a fixed rhythm so that a test can count. */
  const chooseGroup = (
    node: Node,
    listener: string,
    groups: readonly { id: string; weight: number }[],
  ): string | undefined => {
    const rhythm = groups.flatMap((group) => Array.from({ length: group.weight }, () => group.id));
    const turn = node.turns.get(listener) ?? 0;
    node.turns.set(listener, turn + 1);
    return rhythm[turn % rhythm.length];
  };

  const live = (id: string): Node => {
    const node = nodes.get(id);
    if (!node?.running) throw new Error(`node ${id} does not run`);
    return node;
  };

  return {
    async ensure(spec) {
      let node = nodes.get(spec.id);
      if (!node) {
        node = { spec, running: true, watched: new Map(), turns: new Map(), requests: 0, responses: {} };
        nodes.set(spec.id, node);
      }
      node.spec = spec;
      node.running = true;
      watchTargets(node);
    },

    async remove(id) {
      const node = nodes.get(id);
      if (node) stop(node);
      nodes.delete(id);
    },

    list: async () => [...nodes.values()].map((node) => ({ id: node.spec.id, running: node.running })),

    async observe(id): Promise<TargetObservation[]> {
      return [...live(id).watched.values()].map((one) => ({
        targetGroupId: one.group.id,
        targetId: one.target.id,
        state: one.state,
        ...(one.reason !== undefined && { reason: one.reason }),
        ...(one.code !== undefined && { code: one.code }),
        activeRequests: 0,
      }));
    },

    async counters(id): Promise<NodeCounters> {
      const { requests, responses } = live(id);
      return { requests, responses: { ...responses } };
    },

    watch(watcher) {
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },

    behave({ address, port }, behaviour, path = '') {
      const place = `${address}:${port}${path}`;
      if (behaviour === undefined) behaviours.delete(place);
      else behaviours.set(place, behaviour);
    },

    request(nodeId, port, path = '/') {
      const node = live(nodeId);
      const listener = node.spec.listeners.find((one) => one.port === port);
      if (!listener) throw new Error(`node ${nodeId} does not listen on ${port}`);
      node.requests += 1;
      const action = listener.defaultAction;
      let answer: Answer;
      if (action.kind === 'fixed-response' || action.kind === 'redirect') answer = { status: action.status };
      else {
        const group = chooseGroup(node, listener.id, action.targetGroups);
        answer = group === undefined ? { status: 503 } : forward(node, group, path);
      }
      const counted = `${answer.target === undefined ? 'elb' : 'target'}${Math.floor(answer.status / 100)}xx`;
      node.responses[counted] = (node.responses[counted] ?? 0) + 1;
      return answer;
    },

    kill(nodeId) {
      stop(live(nodeId));
      changed(nodeId);
    },

    spec: (nodeId) => nodes.get(nodeId)?.spec,
  };
}
