import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { virtualClock } from '../src/clock.ts';
import { resourceType } from '../src/store/resource.ts';
import { Store } from '../src/store/store.ts';

const boxes = resourceType<{ size: number }, { full: boolean }>('test.box');
const box = (id: string, size = 1) => ({ region: 'r', id, spec: { size }, status: { full: false } });

describe('the store', () => {
  test('a transaction sees its own writes, and nobody else does before it ends', () => {
    const store = new Store(virtualClock());
    store.transaction((tx) => {
      tx.create(boxes, box('a'));
      assert.equal(tx.get(boxes, 'r', 'a')?.spec.size, 1);
      assert.equal(tx.list(boxes, 'r').length, 1);
      assert.equal(store.get(boxes, 'r', 'a'), undefined);
    });
    assert.equal(store.get(boxes, 'r', 'a')?.spec.size, 1);
  });

  test('an exception undoes the whole transaction', () => {
    const store = new Store(virtualClock());
    assert.throws(() =>
      store.transaction((tx) => {
        tx.create(boxes, box('a'));
        throw new Error('no');
      }),
    );
    assert.deepEqual(store.all(), []);
    assert.equal(store.sequence, 0);
  });

  test('what was acknowledged is there after a restart, in the same order', () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-store-'));
    try {
      const file = join(folder, 'store.db');
      const before = new Store(virtualClock(), file);
      for (const id of ['c', 'a', 'b']) before.transaction((tx) => tx.create(boxes, box(id)));
      before.transaction((tx) => {
        const a = tx.get(boxes, 'r', 'a');
        assert(a);
        tx.update(a, { status: { full: true }, tags: { Name: 'first' } });
        tx.remove({ kind: 'test.box', region: 'r', id: 'b' });
      });
      const left = before.all();
      const { sequence } = before;
      // No close: a killed process does not close either.
      const after = new Store(virtualClock(), file);
      assert.deepEqual(after.all(), left);
      assert.deepEqual(
        after.list(boxes, 'r').map((one) => one.id),
        ['c', 'a'],
      );
      assert.equal(after.sequence, sequence);
      after.close();
      before.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('writing what is there already is no change', () => {
    const store = new Store(virtualClock());
    const made = store.transaction((tx) => tx.create(boxes, box('a')));
    let told = 0;
    store.onCommit(() => {
      told += 1;
    });
    store.transaction((tx) => tx.update(made, { spec: { size: 1 } }));
    assert.equal(told, 0);
    store.transaction((tx) => tx.update(made, { spec: { size: 2 } }));
    assert.equal(told, 1);
  });

  test('what was read cannot be changed behind the back of the store', () => {
    const store = new Store(virtualClock());
    const made = store.transaction((tx) => tx.create(boxes, box('a')));
    assert.throws(() => {
      (made.spec as { size: number }).size = 9;
    }, TypeError);
  });

  test('an update of a stale copy keeps what was written since', () => {
    const store = new Store(virtualClock());
    const stale = store.transaction((tx) => tx.create(boxes, box('a')));
    store.transaction((tx) => tx.update(stale, { status: { full: true } }));
    store.transaction((tx) => tx.update(stale, { spec: { size: 5 } }));
    const now = store.get(boxes, 'r', 'a');
    assert.deepEqual([now?.spec, now?.status], [{ size: 5 }, { full: true }]);
  });
});
