/**
 * What every load balancer driver must do. A harness gives a driver, targets that behave as they are told, and a clock:
 * `advance` really waits where traffic is real, and moves a virtual clock where it is not.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type {
  HealthCheckSpec,
  ListenerAction,
  LoadBalancerDriver,
  LoadBalancerNodeSpec,
  TargetGroupSpec,
  TargetObservation,
  TargetSpec,
} from '../../src/drivers/loadbalancer.ts';

/** `down`: nothing listens there; `silent`: it accepts and never answers. */
export type TargetBehaviour = { readonly status: number } | 'down' | 'silent';

export interface LoadBalancerHarness {
  readonly driver: LoadBalancerDriver;
  /** Where a node can stand. */
  readonly namespace: string;
  readonly address: string;
  /** Addresses for targets, by number from 1 to 9. They are down until told otherwise. */
  target(number: number): TargetSpec;
  /** How a target answers a path, or every path without its own. */
  behave(target: TargetSpec, behaviour: TargetBehaviour, path?: string): Promise<void>;
  /** One request to port 80; `target` is the target's id, absent when the balancer itself answered. */
  request(nodeId: string, path?: string): Promise<{ readonly status: number; readonly target?: string }>;
  /** The clock that `advance` moves, in ms from anywhere. */
  now(): number;
  advance(durationMs: number): Promise<void>;
  /** Ends a node's process as the machine would. */
  kill(nodeId: string): Promise<void>;
  close(): Promise<void>;
}

const groupId = 'arn:aws:elasticloadbalancing:us-west-2:000000000000:targetgroup/web/0123456789abcdef';
const otherId = 'arn:aws:elasticloadbalancing:us-west-2:000000000000:targetgroup/other/fedcba9876543210';

/** Intervals are short, because one kind of driver has to wait for them. */
const check: HealthCheckSpec = {
  protocol: 'HTTP',
  path: '/health',
  intervalMs: 200,
  // Whoever answers may be kept waiting by a busy machine.
  timeoutMs: 2_000,
  healthyThreshold: 2,
  unhealthyThreshold: 2,
  matcher: '200',
  enabled: true,
};

/** Far more than any state takes to change at these intervals. */
const patienceMs = 30_000;

function group(targets: readonly TargetSpec[], healthCheck: Partial<HealthCheckSpec> = {}): TargetGroupSpec {
  return {
    id: groupId,
    protocol: 'HTTP',
    algorithm: 'round_robin',
    healthCheck: { ...check, ...healthCheck },
    targets,
  };
}

export function loadBalancerContract(name: string, makeHarness: () => Promise<LoadBalancerHarness>): void {
  describe(`load balancer: ${name}`, () => {
    let harness: LoadBalancerHarness;
    let serial = 0;
    const up: LoadBalancerNodeSpec[] = [];

    before(async () => {
      harness = await makeHarness();
    });
    after(() => harness?.close());

    /** Each test has a node and targets of its own; the node is gone afterwards. */
    function story(title: string, tell: (id: string) => Promise<void>): void {
      it(title, async () => {
        try {
          for (let number = 1; number <= 3; number++) {
            for (const path of ['/health', '/alive'])
              await harness.behave(harness.target(number), { status: 200 }, path);
            await harness.behave(harness.target(number), { status: 200 });
          }
          await tell(`node-${++serial}`);
        } finally {
          for (const node of up.splice(0)) await harness.driver.remove(node.id);
        }
      });
    }

    async function ensure(
      id: string,
      groups: readonly TargetGroupSpec[],
      action?: ListenerAction,
      idleTimeoutMs = 60_000,
    ): Promise<void> {
      const forward: ListenerAction = {
        kind: 'forward',
        targetGroups: groups.map((one) => ({ id: one.id, weight: 1 })),
      };
      const node: LoadBalancerNodeSpec = {
        id,
        namespace: harness.namespace,
        address: harness.address,
        zone: 'us-west-2a',
        idleTimeoutMs,
        listeners: [{ id: 'listener/80', port: 80, protocol: 'HTTP', defaultAction: action ?? forward }],
        targetGroups: groups,
      };
      up.push(node);
      await harness.driver.ensure(node);
    }

    async function look(id: string, target: TargetSpec): Promise<TargetObservation | undefined> {
      return (await harness.driver.observe(id)).find((one) => one.targetId === target.id);
    }

    /** How long it took. */
    async function eventually(what: string, happened: () => Promise<boolean> | boolean): Promise<number> {
      const fromMs = harness.now();
      while (harness.now() - fromMs < patienceMs) {
        if (await happened()) return harness.now() - fromMs;
        await harness.advance(10);
      }
      return assert.fail(`never: ${what}`);
    }

    const becomes = (id: string, target: TargetSpec, state: TargetObservation['state']): Promise<number> =>
      eventually(`${target.id} becomes ${state}`, async () => (await look(id, target))?.state === state);

    async function answers(id: string, count: number, path = '/'): Promise<Record<string, number>> {
      const tally: Record<string, number> = {};
      for (let n = 0; n < count; n++) {
        const { status, target } = await harness.request(id, path);
        const key = target ?? String(status);
        tally[key] = (tally[key] ?? 0) + 1;
      }
      return tally;
    }

    /** Targets take turns, but a change of what is known of them may give one of them a turn more. */
    async function assertShared(id: string, targets: readonly TargetSpec[]): Promise<void> {
      const tally = await answers(id, 6 * targets.length);
      assert.deepEqual(Object.keys(tally).sort(), targets.map((target) => target.id).sort());
      for (const count of Object.values(tally)) assert.ok(count >= 4 && count <= 8, JSON.stringify(tally));
    }

    async function takeDown(target: TargetSpec): Promise<void> {
      for (const path of ['/health', '/alive', undefined]) await harness.behave(target, 'down', path);
    }

    const [one, two] = [() => harness.target(1), () => harness.target(2)];

    story('healthy targets take turns', async (id) => {
      await ensure(id, [group([one(), two()])]);
      await becomes(id, one(), 'healthy');
      await becomes(id, two(), 'healthy');
      await assertShared(id, [one(), two()]);
    });

    story('without a target it is 503', async (id) => {
      await ensure(id, [group([])]);
      assert.deepEqual(await harness.request(id), { status: 503 });
    });

    story('a fixed response and a redirect come from the balancer', async (id) => {
      await ensure(id, [], {
        kind: 'fixed-response',
        status: 418,
        contentType: 'text/plain',
        body: 'short and stout',
      });
      assert.deepEqual(await harness.request(id), { status: 418 });
      const to = {
        protocol: 'HTTPS',
        host: '#{host}',
        port: '443',
        path: '/#{path}',
        query: '#{query}',
      } as const;
      await ensure(id, [], { kind: 'redirect', status: 301, ...to });
      assert.deepEqual(await harness.request(id), { status: 301 });
    });

    story('a target group with weight 0 gets nothing', async (id) => {
      const groups = [group([one()]), { ...group([two()]), id: otherId }];
      const targetGroups = [
        { id: groupId, weight: 0 },
        { id: otherId, weight: 1 },
      ];
      await ensure(id, groups, { kind: 'forward', targetGroups });
      await becomes(id, two(), 'healthy');
      assert.deepEqual(await answers(id, 6), { [two().id]: 6 });
    });

    story('one pass makes a new target healthy, whatever the threshold', async (id) => {
      // Ten of them would take twenty minutes, and the second comes later than anything is waited for.
      await ensure(id, [group([one()], { healthyThreshold: 10, intervalMs: 120_000 })]);
      await becomes(id, one(), 'healthy');
    });

    story('a new target gets nothing before its first pass while another one is healthy', async (id) => {
      await ensure(id, [group([one()])]);
      await becomes(id, one(), 'healthy');
      await harness.behave(two(), { status: 503 }, '/health');
      await ensure(id, [group([one(), two()], { unhealthyThreshold: 10 })]);
      assert.equal((await look(id, two()))?.state, 'initial');
      assert.deepEqual(await answers(id, 6), { [one().id]: 6 });
      await harness.behave(two(), { status: 200 }, '/health');
      await becomes(id, two(), 'healthy');
      await assertShared(id, [one(), two()]);
    });

    story('why a target is unhealthy: code, silence, refusal', async (id) => {
      await harness.behave(one(), { status: 500 }, '/health');
      await harness.behave(two(), 'silent', '/health');
      await takeDown(harness.target(3));
      await ensure(id, [group([one(), two(), harness.target(3)])]);
      for (const number of [1, 2, 3]) await becomes(id, harness.target(number), 'unhealthy');
      await eventually('all reasons are known', async () => {
        const seen = await harness.driver.observe(id);
        return seen.every((observation) => observation.reason !== undefined);
      });
      const of = async (target: TargetSpec): Promise<unknown[]> => {
        const seen = await look(id, target);
        return [seen?.state, seen?.reason, seen?.code];
      };
      assert.deepEqual(await of(one()), ['unhealthy', 'response-code-mismatch', 500]);
      assert.deepEqual(await of(two()), ['unhealthy', 'timeout', undefined]);
      assert.deepEqual(await of(harness.target(3)), ['unhealthy', 'failed', undefined]);
    });

    story('a target that falls ill gets nothing, and comes back after the healthy threshold', async (id) => {
      await ensure(id, [group([one(), two()], { healthyThreshold: 4 })]);
      await becomes(id, one(), 'healthy');
      await becomes(id, two(), 'healthy');
      await harness.behave(one(), { status: 500 }, '/health');
      await becomes(id, one(), 'unhealthy');
      assert.deepEqual(await answers(id, 4), { [two().id]: 4 });
      await harness.behave(one(), { status: 200 }, '/health');
      // Four passes are at least three intervals apart.
      assert.ok((await becomes(id, one(), 'healthy')) > 2 * check.intervalMs);
      await assertShared(id, [one(), two()]);
    });

    story('when no target is healthy all of them get requests', async (id) => {
      for (const target of [one(), two()]) await harness.behave(target, { status: 500 }, '/health');
      await ensure(id, [group([one(), two()])]);
      await becomes(id, one(), 'unhealthy');
      await becomes(id, two(), 'unhealthy');
      await assertShared(id, [one(), two()]);
    });

    story('a target that refuses is 502, one that keeps silent is 504', async (id) => {
      await harness.behave(one(), 'silent', '/slow');
      const groups = [group([one()], { intervalMs: 60_000 })];
      await ensure(id, groups, undefined, 400);
      await becomes(id, one(), 'healthy');
      assert.deepEqual(await harness.request(id, '/slow'), { status: 504 });
      await ensure(id, groups);
      await takeDown(one());
      assert.deepEqual(await harness.request(id), { status: 502 });
    });

    story('the matcher takes lists and ranges, and the check its own path', async (id) => {
      await harness.behave(one(), { status: 204 }, '/alive');
      await harness.behave(two(), { status: 404 }, '/alive');
      await ensure(id, [group([one(), two()], { path: '/alive', matcher: '200-299,301' })]);
      await becomes(id, one(), 'healthy');
      await becomes(id, two(), 'unhealthy');
      await ensure(id, [group([one(), two()], { path: '/alive', matcher: '204,404' })]);
      await becomes(id, two(), 'healthy');
      assert.equal((await look(id, one()))?.state, 'healthy');
    });

    story('without a health check every target serves', async (id) => {
      await harness.behave(one(), { status: 500 }, '/health');
      await ensure(id, [group([one()], { enabled: false })]);
      assert.equal((await look(id, one()))?.state, 'healthy');
      assert.deepEqual(await answers(id, 2), { [one().id]: 2 });
    });

    story('a draining target gets nothing new; without another one it is 503', async (id) => {
      await ensure(id, [group([one(), two()])]);
      await becomes(id, one(), 'healthy');
      await becomes(id, two(), 'healthy');
      await ensure(id, [group([{ ...one(), draining: true }, two()])]);
      assert.deepEqual(await answers(id, 4), { [two().id]: 4 });
      await ensure(id, [group([{ ...one(), draining: true }])]);
      assert.deepEqual(await answers(id, 2), { 503: 2 });
      assert.deepEqual(
        (await harness.driver.observe(id)).map(({ targetId }) => targetId),
        [one().id],
      );
    });

    story('a target that is no longer wanted is gone', async (id) => {
      await ensure(id, [group([one(), two()])]);
      await becomes(id, two(), 'healthy');
      await ensure(id, [group([two()])]);
      assert.deepEqual(
        (await harness.driver.observe(id)).map(({ targetId }) => targetId),
        [two().id],
      );
      assert.deepEqual(await answers(id, 4), { [two().id]: 4 });
    });

    story('ensuring the same again changes nothing', async (id) => {
      await ensure(id, [group([one(), two()], { intervalMs: 5_000 })]);
      await becomes(id, one(), 'healthy');
      await becomes(id, two(), 'healthy');
      for (let n = 0; n < 3; n++) await ensure(id, [group([one(), two()], { intervalMs: 5_000 })]);
      const seen = await harness.driver.observe(id);
      assert.deepEqual(
        seen.map(({ state }) => state),
        ['healthy', 'healthy'],
      );
    });

    story('requests and answers are counted by who made them', async (id) => {
      await harness.behave(one(), { status: 404 }, '/missing');
      await ensure(id, [group([one()], { intervalMs: 60_000 })]);
      await becomes(id, one(), 'healthy');
      await answers(id, 3);
      await answers(id, 2, '/missing');
      await takeDown(one());
      await harness.request(id);
      // An answer may be counted a moment after its client has it.
      await eventually('all requests are counted', async () => {
        const { requests, responses } = await harness.driver.counters(id);
        return requests === 6 && responses.elb5xx === 1;
      });
      const { requests, responses } = await harness.driver.counters(id);
      const { target2xx, target4xx, target5xx = 0, elb5xx } = responses;
      assert.deepEqual(
        { requests, target2xx, target4xx, target5xx, elb5xx },
        {
          requests: 6,
          target2xx: 3,
          target4xx: 2,
          target5xx: 0,
          elb5xx: 1,
        },
      );
    });

    story('watchers hear of a change and of a death; ensure brings a dead node back', async (id) => {
      const heard: string[] = [];
      const stop = harness.driver.watch((changed) => heard.push(changed));
      try {
        await ensure(id, [group([one()])]);
        await becomes(id, one(), 'healthy');
        await eventually('told of the healthy target', () => heard.includes(id));
        await harness.advance(600);
        heard.length = 0;
        await harness.kill(id);
        await eventually('told of the death', () => heard.includes(id));
        assert.deepEqual(await harness.driver.list(), [{ id, running: false }]);
        await assert.rejects(harness.driver.observe(id));
        await ensure(id, [group([one()])]);
        assert.deepEqual(await harness.driver.list(), [{ id, running: true }]);
        await becomes(id, one(), 'healthy');
        assert.deepEqual(await answers(id, 2), { [one().id]: 2 });
      } finally {
        stop();
      }
    });

    story('removing a node ends it, and again is no error', async (id) => {
      await ensure(id, [group([one()])]);
      await harness.driver.remove(id);
      await harness.driver.remove(id);
      assert.deepEqual(await harness.driver.list(), []);
      await assert.rejects(harness.request(id));
    });
  });
}
