import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nextTurn, virtualClock } from '../src/clock.ts';
import { silentLog } from '../src/log.ts';
import { Engine } from '../src/reconcile/engine.ts';
import type { Reconciler } from '../src/reconcile/reconciler.ts';
import { keyOf, resourceType } from '../src/store/resource.ts';
import { Store } from '../src/store/store.ts';

const things = resourceType<{ wanted: number }, null>('test.thing');

function world(
  reconcile: (id: string) => Promise<{ requeueAfterMs?: number } | undefined>,
  extra: Partial<Reconciler> = {},
) {
  const clock = virtualClock();
  const store = new Store(clock);
  const loop: Reconciler = {
    name: 'test.thing',
    keysFor: (changed) => (changed.kind === 'test.thing' ? [keyOf(changed)] : []),
    reconcile: (key) => reconcile(key.id),
    ...extra,
  };
  const engine = new Engine({ store, clock, log: silentLog, reconcilers: [loop] });
  const want = (id: string, wanted: number) =>
    store.transaction((tx) => {
      const thing = tx.get(things, 'r', id);
      if (thing) tx.update(thing, { spec: { wanted } });
      else tx.create(things, { region: 'r', id, spec: { wanted }, status: null });
    });
  return { clock, store, engine, want, advance: (ms: number) => clock.advance(ms, () => engine.idle()) };
}

describe('the loops', () => {
  test('look at every key at the start, and at a key whenever it changes', async () => {
    const seen: string[] = [];
    const { engine, want } = world(async (id) => void seen.push(id));
    want('a', 1);
    await engine.start();
    await engine.idle();
    assert.deepEqual(seen, ['a']);
    want('b', 1);
    want('a', 2);
    await engine.idle();
    assert.deepEqual(seen.toSorted(), ['a', 'a', 'b']);
    await engine.stop();
  });

  test('never work on one key twice at a time, and look once more when it changed meanwhile', async () => {
    let running = 0;
    let most = 0;
    let runs = 0;
    const waiting: (() => void)[] = [];
    const { engine, want } = world(async () => {
      running += 1;
      runs += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => waiting.push(resolve));
      running -= 1;
    });
    await engine.start();
    for (let n = 0; n < 5; n += 1) want('a', n);
    await nextTurn();
    for (let n = 5; n < 9; n += 1) want('a', n);
    waiting.shift()?.();
    await nextTurn();
    waiting.shift()?.();
    await engine.idle();
    assert.deepEqual({ most, runs }, { most: 1, runs: 2 });
    await engine.stop();
  });

  test('back off from an error, for longer each time, and recover by themselves', async () => {
    const at: number[] = [];
    const { clock, engine, want, advance } = world(async () => {
      at.push(clock.now());
      if (at.length < 4) throw new Error('not yet');
    });
    await engine.start();
    want('a', 1);
    await advance(10_000);
    const waits = at.slice(1).map((time, n) => time - (at[n] ?? 0));
    assert.deepEqual(waits, [100, 200, 400]);
    await engine.stop();
  });

  test('look again when a loop asks for it', async () => {
    const at: number[] = [];
    const { clock, engine, want, advance } = world(async () => {
      at.push(clock.now());
      return at.length < 3 ? { requeueAfterMs: 5_000 } : undefined;
    });
    const startMs = clock.now();
    await engine.start();
    want('a', 1);
    await advance(20_000);
    assert.deepEqual(
      at.map((time) => time - startMs),
      [0, 5_000, 10_000],
    );
    await engine.stop();
  });

  test('find what exists and nobody wants', async () => {
    const seen: string[] = [];
    const orphan = { kind: 'test.thing', region: 'r', id: 'orphan' };
    const { engine } = world(async (id) => void seen.push(id), { found: async () => [orphan] });
    await engine.start();
    await engine.idle();
    assert.deepEqual(seen, ['orphan']);
    await engine.stop();
  });
});
