/** Who gets traffic when nodes disagree: the decisions by themselves. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { namedNodes } from '../src/services/elbv2/load-balancer-loop.ts';
import type { Node, Target, TargetView } from '../src/services/elbv2/records.ts';
import { type TargetSituation, targetHealth } from '../src/services/elbv2/target-health.ts';

const GROUP = 'arn:aws:elasticloadbalancing:us-west-2:000000000000:targetgroup/g/0123456789abcdef';
const record = { region: 'us-west-2', tags: {}, createdAt: 0, ordinal: 1, revision: 1 };

const view = (state: TargetView['state'], parts: Partial<TargetView> = {}): TargetView => ({
  targetGroupId: GROUP,
  targetId: 'i-1:80',
  state,
  ...parts,
});
const target = (deregisteredAt?: number): Target => ({
  ...record,
  kind: 'elbv2.target',
  id: `${GROUP}#i-1:80`,
  spec: {
    targetGroupId: GROUP,
    targetId: 'i-1',
    port: 80,
    ...(deregisteredAt !== undefined && { deregisteredAt }),
  },
  status: { state: 'initial' },
});
const situation = (views: TargetView[][], parts: Partial<TargetSituation> = {}): TargetSituation => ({
  target: target(),
  place: { address: '10.0.0.4', zone: 'a', instanceState: 'running' },
  targetType: 'instance',
  deregistrationDelayMs: 300_000,
  now: 1_000_000,
  loadBalancer: { zones: ['a', 'b'], views },
  ...parts,
});
const health = (...given: Parameters<typeof situation>): string | undefined => {
  const { state, reason } = targetHealth(situation(...given)) ?? {};
  return reason === undefined ? state : `${state} ${reason}`;
};

describe('a target', () => {
  it('is healthy when one node says so: another one may be cut off from it', () => {
    assert.equal(health([[view('healthy')], [view('unhealthy', { reason: 'timeout' })]]), 'healthy');
  });

  it('is unhealthy when every node that looks says so, and initial while one still looks', () => {
    const bad = view('unhealthy', { reason: 'response-code-mismatch', code: 500 });
    assert.equal(health([[bad], [view('initial')]]), 'initial Elb.InitialHealthChecking');
    assert.equal(health([[bad], [bad]]), 'unhealthy Target.ResponseCodeMismatch');
    assert.equal(health([[], []]), 'initial Elb.RegistrationInProgress');
  });

  it('is unused in a zone that the load balancer does not serve', () => {
    const place = { address: '10.0.9.4', zone: 'c', instanceState: 'running' as const };
    assert.equal(health([[]], { place }), 'unused Target.NotInUse');
  });

  it('drains until the delay is over, and not a moment longer when its instance is gone', () => {
    const leaving = target(900_000);
    assert.equal(health([[]], { target: leaving }), 'draining Target.DeregistrationInProgress');
    assert.equal(health([[]], { target: leaving, now: 1_200_000 }), undefined);
    const place = { instanceState: 'terminated' as const };
    assert.equal(health([[]], { target: leaving, place }), undefined);
    assert.equal(health([[]], { place }), 'unused Target.InvalidState');
    assert.equal(health([[]], { place: {} }), undefined);
  });
});

describe('a load balancer’s name', () => {
  const node = (id: string, serving: boolean, ...states: TargetView['state'][]): Node => ({
    ...record,
    kind: 'elbv2.node',
    id,
    spec: { loadBalancerId: 'lb', zone: id, subnetId: 's', interfaceId: 'e', retired: false },
    status: { serving, targets: states.map((state) => view(state)) },
  });
  const named = (...all: Node[]): string[] => namedNodes(all).map(({ id }) => id);

  it('leaves out nodes that do not serve, and those that see only sick targets', () => {
    assert.deepEqual(named(node('a', true, 'healthy'), node('b', false, 'healthy')), ['a']);
    assert.deepEqual(named(node('a', true, 'healthy'), node('b', true, 'unhealthy')), ['a']);
    assert.deepEqual(named(node('a', true, 'healthy'), node('b', true, 'initial')), ['a', 'b']);
  });

  it('names all of them when none sees a healthy target', () => {
    assert.deepEqual(named(node('a', true, 'unhealthy'), node('b', true, 'unhealthy')), ['a', 'b']);
  });
});
