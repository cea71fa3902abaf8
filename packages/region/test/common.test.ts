import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom, virtualClock } from '../src/clock.ts';
import { applyFilters, wildcard } from '../src/services/common/filters.ts';
import { onceByToken } from '../src/services/common/idempotency.ts';
import { newId, newUuid } from '../src/services/common/names.ts';
import { paginate } from '../src/services/common/pagination.ts';
import type { Scope } from '../src/services/common/service.ts';
import { defaultSettings } from '../src/settings.ts';
import { Store } from '../src/store/store.ts';

const clock = virtualClock();
const random = seededRandom(7);

function inScope<T>(store: Store, work: (scope: Scope) => T, now = clock.now()): T {
  return store.transaction((tx) => work({ tx, region: 'us-east-1', now, random, settings: defaultSettings }));
}

describe('filters', () => {
  const items = [
    { id: 'i-1', state: 'running', tags: { Name: 'web', env: 'prod' } },
    { id: 'i-2', state: 'stopped', tags: { Name: 'web*' } },
  ];
  const fields = {
    'instance-id': (item: { id: string }) => item.id,
    state: (item: { state: string }) => item.state,
  };
  const found = (Name: string, ...Values: string[]) =>
    applyFilters(items, [{ Name, Values }], { ...fields } as never, (item) => item.tags as never).map(
      (item) => item.id,
    );

  test('values are alternatives and may hold wildcards', () => {
    assert.deepEqual(found('instance-id', 'i-1', 'i-2'), ['i-1', 'i-2']);
    assert.deepEqual(found('state', 'r?nn*'), ['i-1']);
    assert.deepEqual(found('tag:Name', 'web\\*'), ['i-2']);
    assert.deepEqual(found('tag-key', 'env'), ['i-1']);
  });

  test('a filter that the call does not have is refused by name', () => {
    assert.throws(() => found('colour', 'red'), {
      code: 'InvalidParameterValue',
      message: "The filter 'colour' is invalid",
    });
  });

  test('a pattern without wildcards matches exactly itself', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, other) => {
        const pattern = wildcard(text.replace(/[*?\\]/g, '\\$&'));
        assert(pattern.test(text));
        assert.equal(pattern.test(other), other === text);
      }),
    );
  });
});

describe('pages', () => {
  const invalid = () => new Error('bad token');

  test('together give every item once, in order, whatever the limit', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(999)), fc.integer({ min: 1, max: 20 }), (numbers, limit) => {
        const store = new Store(clock);
        const position = (n: number): string => String(n).padStart(4, '0');
        const seen: number[] = [];
        let token: string | undefined;
        const tokens = new Set<string>();
        do {
          const page = inScope(store, (scope) =>
            paginate(scope, numbers, position, { call: 'x', token, limit, invalid }),
          );
          seen.push(...page.items);
          token = page.nextToken;
          assert(token === undefined || !tokens.has(token));
          if (token !== undefined) tokens.add(token);
        } while (token !== undefined);
        assert.deepEqual(
          seen,
          numbers.toSorted((a, b) => a - b),
        );
      }),
    );
  });

  test('a token of another call, an old one and nonsense are refused', () => {
    const store = new Store(clock);
    const page = inScope(store, (scope) =>
      paginate(scope, ['a', 'b'], (x) => x, { call: 'x', limit: 1, invalid }),
    );
    const again = (call: string, token: string | undefined, now = clock.now()) =>
      inScope(
        store,
        (scope) => paginate(scope, ['a', 'b'], (x) => x, { call, token, limit: 1, invalid }),
        now,
      );
    assert.deepEqual(again('x', page.nextToken).items, ['b']);
    assert.throws(() => again('y', page.nextToken), /bad token/);
    assert.throws(() => again('x', 'nonsense'), /bad token/);
    assert.throws(() => again('x', page.nextToken, clock.now() + 3_600_001), /bad token/);
  });
});

describe('client tokens', () => {
  const mismatch = () => new Error('mismatch');
  const call = (store: Store, input: object, now = clock.now()) =>
    inScope(
      store,
      (scope) => onceByToken(scope, { call: 'Run', token: 't', input, mismatch }, () => [newId(scope, 'i')]),
      now,
    );

  test('the same call gives the first result again, for a day', () => {
    const store = new Store(clock);
    const first = call(store, { Count: 1 });
    assert.deepEqual(call(store, { Count: 1 }), first);
    assert.throws(() => call(store, { Count: 2 }), /mismatch/);
    assert.notDeepEqual(call(store, { Count: 2 }, clock.now() + 86_400_001), first);
  });
});

test('ids and UUIDs have the form of AWS’s', () => {
  assert.match(newId({ random }, 'i'), /^i-[0-9a-f]{17}$/);
  assert.match(newUuid({ random }), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
