/**
 * Time and chance are arguments everywhere in the region. This file is the one place that touches the machine's own
 * clock, timers and randomness, so that a test can replay a day in a second and a simulation can be repeated by seed.
 */
import { randomBytes, randomInt } from 'node:crypto';

/** A point in time, in milliseconds since 1970-01-01T00:00:00Z of the region's own time. */
export type TimeMs = number;

/** Ends a wait that `Clock.after` began. Calling it twice, or after the wait is over, does nothing. */
export type Cancel = () => void;

export interface Clock {
  /** The region's time now. */
  now(): TimeMs;
  /** Calls `wake` once, `delayMs` of region time from now. A delay of 0 or less means the next turn. */
  after(delayMs: number, wake: () => void): Cancel;
}

/** Randomness that a test can seed. */
export interface Random {
  /** `count` random bytes as lower-case hex, twice as many characters. */
  hex(count: number): string;
  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number;
}

/**
 * The machine's clock, `speed` times as fast. Region time is never earlier than what was told before, so a step back of
 * the machine's clock does not make a loop wait for hours.
 */
export function systemClock(speed = 1): Clock {
  const startedAtMs = Date.now();
  const origin = performance.now();
  return {
    now: () => startedAtMs + (performance.now() - origin) * speed,
    after(delayMs, wake) {
      // Node's timers hold 2^31-1 ms; a longer wait wakes early, and a level-triggered loop just waits again.
      const timer = setTimeout(wake, Math.min(Math.max(0, delayMs) / speed, 2_147_483_647));
      return () => clearTimeout(timer);
    },
  };
}

/** The machine's randomness. */
export const systemRandom: Random = {
  hex: (count) => randomBytes(count).toString('hex'),
  below: (limit) => randomInt(limit),
};

/** A repeatable source of randomness (mulberry32). The same seed gives the same day. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    hex: (count) =>
      Array.from({ length: count }, () =>
        Math.floor(next() * 256)
          .toString(16)
          .padStart(2, '0'),
      ).join(''),
    below: (limit) => Math.floor(next() * limit),
  };
}

/** Lets everything that is already due in the event loop run: promise callbacks and immediates. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A clock that stands still until it is advanced. */
export interface VirtualClock extends Clock {
  /** When the earliest waiter wants to be woken; undefined when nobody waits. */
  nextWakeAt(): TimeMs | undefined;
  /**
   * Moves time on by `durationMs`, waking each waiter at its own moment in order. `settle` is awaited before the first
   * and after each wake, so that what a waiter set off is finished before time goes on.
   */
  advance(durationMs: number, settle?: () => Promise<void>): Promise<void>;
}

export function virtualClock(startMs: TimeMs = Date.UTC(2026, 0, 5, 9, 0, 0)): VirtualClock {
  let nowMs = startMs;
  let order = 0;
  const waiters = new Map<number, { atMs: TimeMs; wake: () => void }>();
  const earliest = (): [number, { atMs: TimeMs; wake: () => void }] | undefined => {
    let found: [number, { atMs: TimeMs; wake: () => void }] | undefined;
    for (const entry of waiters) if (!found || entry[1].atMs < found[1].atMs) found = entry;
    return found;
  };
  return {
    now: () => nowMs,
    after(delayMs, wake) {
      const key = order++;
      waiters.set(key, { atMs: nowMs + Math.max(0, delayMs), wake });
      return () => void waiters.delete(key);
    },
    nextWakeAt: () => earliest()?.[1].atMs,
    async advance(durationMs, settle = nextTurn) {
      const untilMs = nowMs + durationMs;
      await settle();
      for (let due = earliest(); due && due[1].atMs <= untilMs; due = earliest()) {
        waiters.delete(due[0]);
        nowMs = Math.max(nowMs, due[1].atMs);
        due[1].wake();
        await settle();
      }
      nowMs = untilMs;
    },
  };
}
