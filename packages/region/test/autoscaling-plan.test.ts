/** The planner by itself: cases, and what must hold for any group in any state. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type GroupAction,
  type GroupView,
  IMPAIRED_FOR_MS,
  type InstanceView,
  planGroup,
  type ZoneView,
} from '../src/services/autoscaling/plan.ts';
import { chooseToTerminate } from '../src/services/autoscaling/termination-policy.ts';

const NOW = Date.UTC(2026, 0, 5, 9);
const ZONES: ZoneView[] = [{ zone: 'a' }, { zone: 'b' }];

const group = (parts: Partial<GroupView> = {}): GroupView => ({
  maxSize: 10,
  desiredCapacity: 2,
  healthCheckType: 'EC2',
  gracePeriodMs: 0,
  terminationPolicies: ['Default'],
  suspended: new Set(),
  deleting: false,
  ...parts,
});

const instance = (id: string, parts: Partial<InstanceView> = {}): InstanceView => ({
  id,
  zone: 'a',
  launchedAt: NOW - 600_000,
  launchRank: 1,
  lifecycle: 'InService',
  rebalancing: false,
  protectedFromScaleIn: false,
  inServiceAt: NOW - 590_000,
  ec2: 'running',
  targetUnhealthy: false,
  reportedUnhealthy: false,
  ...parts,
});

const told = (actions: readonly GroupAction[]): string[] =>
  actions.map((one) =>
    one.kind === 'launch' ? `launch ${one.zone} ${one.reason}` : `${one.kind} ${one.id}`,
  );
const plan = (view: GroupView, instances: InstanceView[], zones = ZONES, now = NOW) =>
  planGroup(view, instances, zones, now);

describe('planGroup', () => {
  it('spreads launches over the zones', () => {
    const { actions } = plan(group({ desiredCapacity: 3 }), [instance('i-1')]);
    assert.deepEqual(told(actions), ['launch b difference', 'launch a difference']);
  });

  it('ends and replaces what does not run, in one step, also within the grace period', () => {
    const dead = instance('i-1', { ec2: 'ended', inServiceAt: NOW });
    const { actions } = plan(group({ gracePeriodMs: 300_000 }), [dead, instance('i-2', { zone: 'b' })]);
    assert.deepEqual(told(actions), ['mark-unhealthy i-1', 'terminate i-1', 'launch a replacement']);
  });

  it('hears of a load balancer only when told to, and after the grace period', () => {
    const sick = instance('i-1', { targetUnhealthy: true, inServiceAt: NOW - 10_000 });
    const others = [instance('i-2', { zone: 'b' })];
    assert.deepEqual(plan(group(), [sick, ...others]).actions, []);
    const view = group({ healthCheckType: 'ELB', gracePeriodMs: 30_000 });
    const early = plan(view, [sick, ...others]);
    assert.deepEqual(early.actions, []);
    assert.equal(early.lookAgainAt, NOW + 20_000);
    const late = plan(view, [sick, ...others], ZONES, NOW + 20_000);
    assert.deepEqual(told(late.actions), ['mark-unhealthy i-1', 'terminate i-1', 'launch a replacement']);
  });

  it('gives an impaired instance a few minutes', () => {
    const sick = instance('i-1', { impairedSince: NOW });
    const view = group({ desiredCapacity: 1 });
    assert.equal(plan(view, [sick]).lookAgainAt, NOW + IMPAIRED_FOR_MS);
    const { actions } = plan(view, [sick], ZONES, NOW + IMPAIRED_FOR_MS);
    assert.ok(told(actions).includes('terminate i-1'));
  });

  it('gives up one ill but running instance at a time', () => {
    const all = ['i-1', 'i-2', 'i-3'].map((id) => instance(id, { targetUnhealthy: true }));
    const view = group({ desiredCapacity: 3, healthCheckType: 'ELB' });
    const ends = plan(view, all).actions.filter((one) => one.kind === 'terminate');
    assert.equal(ends.length, 1);
    const [first, ...rest] = all as [InstanceView, InstanceView, InstanceView];
    const meanwhile = [
      { ...first, lifecycle: 'Terminating' as const },
      ...rest,
      instance('i-4', { lifecycle: 'Pending' }),
    ];
    assert.ok(plan(view, meanwhile).actions.every((one) => one.kind !== 'terminate'));
  });

  it('does nothing that is suspended', () => {
    const suspended = new Set(['Launch', 'Terminate', 'HealthCheck']);
    assert.deepEqual(plan(group({ suspended }), [instance('i-1', { ec2: 'ended' })]).actions, []);
    assert.deepEqual(plan(group({ suspended, desiredCapacity: 0 }), [instance('i-1')]).actions, []);
  });

  it('leaves protected instances alone when it shrinks', () => {
    const all = [
      instance('i-1', { protectedFromScaleIn: true }),
      instance('i-2', { protectedFromScaleIn: true }),
    ];
    assert.deepEqual(plan(group({ desiredCapacity: 0 }), all).actions, []);
    assert.equal(plan(group({ desiredCapacity: 0, deleting: true }), all).actions.length, 2);
  });

  it('balances by launching first, one above the maximum if need be', () => {
    const all = [instance('i-1'), instance('i-2')];
    const view = group({ maxSize: 2 });
    assert.deepEqual(told(plan(view, all).actions), ['launch b rebalance']);
    const coming = instance('i-3', { zone: 'b', lifecycle: 'Pending', rebalancing: true });
    assert.deepEqual(plan(view, [...all, coming]).actions, []);
    const there = { ...coming, lifecycle: 'InService' as const };
    assert.deepEqual(told(plan(view, [...all, there]).actions), ['terminate i-1']);
  });

  it('does not try a zone without capacity, and looks again when it may', () => {
    const zones = [{ zone: 'a', closedUntil: NOW + 60_000 }, { zone: 'b' }];
    const { actions, lookAgainAt } = plan(group(), [], zones);
    assert.deepEqual(told(actions), ['launch b difference', 'launch b difference']);
    assert.equal(lookAgainAt, NOW + 60_000);
  });
});

describe('termination policies', () => {
  const candidate = (id: string, zone: string, launchRank: number, ageMs: number) => ({
    id,
    zone,
    launchRank,
    launchedAt: NOW - ageMs,
  });
  const chosen = (policy: string, all: ReturnType<typeof candidate>[]): string | undefined =>
    chooseToTerminate(all, all, [policy], 1, NOW)[0]?.id;

  it('thin out the biggest zone first, whatever the policy', () => {
    const all = [candidate('old', 'a', 1, 9e6), candidate('b1', 'b', 2, 8e6), candidate('b2', 'b', 2, 7e6)];
    assert.equal(chosen('OldestInstance', all), 'b1');
    assert.equal(chosen('NewestInstance', all), 'b2');
  });

  it('by default take the oldest template, then the one closest to its next hour', () => {
    const minute = 60_000;
    const all = [
      candidate('new', 'a', 2, 59 * minute),
      candidate('old-10', 'a', 1, 10 * minute),
      candidate('old-50', 'a', 1, 50 * minute),
    ];
    assert.equal(chosen('Default', all), 'old-50');
  });
});

describe('any group', () => {
  const zoneNames = fc.subarray(['a', 'b', 'c'], { minLength: 1 });
  const scenario = fc.record({
    zones: zoneNames,
    desired: fc.nat(8),
    spare: fc.nat(3),
    closed: fc.subarray(['a', 'b', 'c']),
    instances: fc.array(
      fc.record({
        zone: fc.constantFrom('a', 'b', 'c'),
        lifecycle: fc.constantFrom('Pending' as const, 'InService' as const, 'Terminating' as const),
        ec2: fc.constantFrom('running' as const, 'running' as const, 'running' as const, 'ended' as const),
        targetUnhealthy: fc.boolean(),
        age: fc.nat(7_200_000),
      }),
      { maxLength: 10 },
    ),
  });

  /** Carries out a plan as the world would; every instance comes up, every ill one is well afterwards. */
  function apply(
    instances: InstanceView[],
    actions: readonly GroupAction[],
    next: () => string,
  ): InstanceView[] {
    let left = instances;
    for (const action of actions) {
      if (action.kind === 'terminate') left = left.filter((one) => one.id !== action.id);
      if (action.kind === 'launch') {
        const rebalancing = action.reason === 'rebalance';
        left = [
          ...left,
          instance(next(), {
            zone: action.zone,
            lifecycle: 'Pending',
            ec2: 'pending',
            rebalancing,
            inServiceAt: undefined,
          }),
        ];
      }
    }
    return left;
  }

  it('comes to its desired capacity, balanced, never above what it may be', () => {
    fc.assert(
      fc.property(scenario, ({ zones, desired, spare, closed, instances }) => {
        const view = group({ desiredCapacity: desired, maxSize: desired + spare, healthCheckType: 'ELB' });
        const open = zones.filter((zone) => !closed.includes(zone));
        const zoneViews = zones.map((zone) =>
          closed.includes(zone) ? { zone, closedUntil: NOW + 1 } : { zone },
        );
        let number = 0;
        const next = (): string => `i-new-${number++}`;
        let world = instances.map(({ age, ...one }, at) =>
          instance(`i-${at}`, { ...one, launchedAt: NOW - age }),
        );
        const limit = view.maxSize + Math.max(1, Math.floor(view.maxSize / 10));
        for (let pass = 0; pass < 60; pass += 1) {
          const before = world.filter((one) => one.lifecycle !== 'Terminating').length;
          const { actions } = planGroup(view, world, zoneViews, NOW);
          world = apply(world, actions, next);
          const counted = world.filter((one) => one.lifecycle !== 'Terminating').length;
          const launched = actions.some((one) => one.kind === 'launch');
          if (launched) assert.ok(counted <= Math.max(limit, before), `${counted} of ${view.maxSize}`);
          // The world moves on: what ends is gone, what starts is there.
          world = world
            .filter((one) => one.lifecycle !== 'Terminating')
            .map((one) =>
              one.lifecycle === 'Pending' && one.ec2 !== 'ended'
                ? { ...one, lifecycle: 'InService' as const, ec2: 'running' as const, inServiceAt: NOW }
                : one,
            );
          if (actions.length === 0 && pass > 0) break;
        }
        const reachable = open.length > 0;
        if (!reachable) return;
        assert.equal(world.length, desired);
        assert.ok(world.every((one) => one.ec2 === 'running' && !one.targetUnhealthy));
        const held = open.map((zone) => world.filter((one) => one.zone === zone).length);
        const overall = zones.map((zone) => world.filter((one) => one.zone === zone).length);
        assert.ok(Math.max(...overall) - Math.min(...held) <= 1, `${overall} with ${closed} closed`);
        assert.ok(world.every((one) => zones.includes(one.zone)));
        assert.deepEqual(planGroup(view, world, zoneViews, NOW).actions, [], 'a fixed point');
      }),
      { seed: 7, numRuns: 400 },
    );
  });
});
