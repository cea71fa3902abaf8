/** Ways to make work wait for other work. */
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks again in short steps until `done`, for what the kernel does a moment later and has no event for. False when it is
 * not so within that time.
 */
export async function eventually(done: () => boolean, withinMs: number): Promise<boolean> {
  for (const until = performance.now() + withinMs; !done(); await delay(5))
    if (performance.now() >= until) return false;
  return true;
}

/** Does one thing after the other for each key, in the order of the calls; what fails does not stop the next. */
export function inTurns(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(work, work);
    last.set(key, turn);
    const done = (): void => {
      if (last.get(key) === turn) last.delete(key);
    };
    turn.then(done, done);
    return turn;
  };
}

/** Lets only so many things happen at the same time; the others wait, first come, first served. */
export function atMost(places: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = places;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
