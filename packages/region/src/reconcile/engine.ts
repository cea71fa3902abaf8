/**
 * Runs the control loops: one keyed queue for each. A key is reconciled by one worker at a time; named again meanwhile, it
 * runs once more afterwards. Errors back off exponentially; every key is looked at again now and then, come what may.
 */
import type { Cancel, Clock } from '../clock.ts';
import { nextTurn } from '../clock.ts';
import type { Log } from '../log.ts';
import { keyText, type ResourceKey } from '../store/resource.ts';
import type { Store } from '../store/store.ts';
import type { Reconciler } from './reconciler.ts';

export interface EngineOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly reconcilers: readonly Reconciler[];
  /** How often every key is looked at without cause. Region time. */
  readonly resyncMs?: number;
  /** Keys of one loop that are worked on at the same time. */
  readonly concurrency?: number;
}

const FIRST_BACK_OFF_MS = 100;
const LONGEST_BACK_OFF_MS = 10_000;

export class Engine {
  readonly #options: EngineOptions;
  readonly #queues: Queue[];
  readonly #stops: (() => void)[] = [];
  #resync: Cancel | undefined;
  #stopped = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#queues = options.reconcilers.map((reconciler) => new Queue(reconciler, options));
  }

  /** Looks at every key once, then goes on by what changes. */
  async start(): Promise<void> {
    const { store } = this.#options;
    this.#stops.push(
      store.onCommit((changes) => {
        for (const { resource } of changes) for (const queue of this.#queues) queue.addFor(resource);
      }),
    );
    for (const queue of this.#queues) this.#stops.push(queue.watch());
    await this.#everything();
    this.#scheduleResync();
  }

  #scheduleResync(): void {
    if (this.#stopped) return;
    this.#resync = this.#options.clock.after(this.#options.resyncMs ?? 60_000, () => {
      void this.#everything().finally(() => this.#scheduleResync());
    });
  }

  async #everything(): Promise<void> {
    const resources = this.#options.store.all();
    for (const queue of this.#queues) for (const resource of resources) queue.addFor(resource);
    await Promise.all(this.#queues.map((queue) => queue.addFound()));
  }

  /** Resolves when no loop has anything to do at this moment; waits for later moments do not count. */
  async idle(): Promise<void> {
    for (;;) {
      await nextTurn();
      const busy = this.#queues.filter((queue) => queue.busy);
      if (busy.length === 0) {
        // What has just ended may still have promise callbacks to run that name new keys.
        await nextTurn();
        if (this.#queues.every((queue) => !queue.busy)) return;
      } else {
        await Promise.race(busy.map((queue) => queue.nextEnd()));
      }
    }
  }

  /** Stops taking up work and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#resync?.();
    for (const stop of this.#stops) stop();
    await Promise.all(this.#queues.map((queue) => queue.stop()));
  }
}

interface Entry {
  readonly key: ResourceKey;
  running: boolean;
  /** Named while it ran: run once more. */
  again: boolean;
  failures: number;
  later: Cancel | undefined;
}

class Queue {
  readonly #reconciler: Reconciler;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #concurrency: number;
  readonly #entries = new Map<string, Entry>();
  readonly #ready: Entry[] = [];
  readonly #ends = new Set<() => void>();
  #running = 0;
  #stopped = false;

  constructor(reconciler: Reconciler, options: EngineOptions) {
    this.#reconciler = reconciler;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#concurrency = options.concurrency ?? 16;
  }

  get busy(): boolean {
    return this.#running > 0 || this.#ready.length > 0;
  }

  nextEnd(): Promise<void> {
    return new Promise((resolve) => this.#ends.add(resolve));
  }

  watch(): () => void {
    return this.#reconciler.watch?.((key) => this.add(key)) ?? (() => {});
  }

  addFor(resource: Parameters<Reconciler['keysFor']>[0]): void {
    for (const key of this.#reconciler.keysFor(resource)) this.add(key);
  }

  async addFound(): Promise<void> {
    try {
      for (const key of (await this.#reconciler.found?.()) ?? []) this.add(key);
    } catch (error) {
      this.#log.error('looking for what exists failed', { loop: this.#reconciler.name, error });
    }
  }

  add(key: ResourceKey): void {
    if (this.#stopped) return;
    const name = keyText(key);
    let entry = this.#entries.get(name);
    if (!entry) {
      entry = { key, running: false, again: false, failures: 0, later: undefined };
      this.#entries.set(name, entry);
    } else if (entry.running) {
      entry.again = true;
      return;
    } else if (entry.later === undefined) {
      return; // It is in the ready list already.
    } else if (entry.failures > 0) {
      return; // It backs off; news do not shorten that, or a failing key that writes status would spin.
    }
    this.#makeReady(entry);
  }

  #makeReady(entry: Entry): void {
    entry.later?.();
    entry.later = undefined;
    this.#ready.push(entry);
    this.#work();
  }

  #work(): void {
    while (!this.#stopped && this.#running < this.#concurrency && this.#ready.length > 0) {
      const entry = this.#ready.shift();
      if (entry) void this.#run(entry);
    }
  }

  async #run(entry: Entry): Promise<void> {
    this.#running += 1;
    entry.running = true;
    entry.again = false;
    let delayMs: number | undefined;
    try {
      delayMs = (await this.#reconciler.reconcile(entry.key))?.requeueAfterMs;
      entry.failures = 0;
    } catch (error) {
      entry.failures += 1;
      delayMs = Math.min(FIRST_BACK_OFF_MS * 2 ** (entry.failures - 1), LONGEST_BACK_OFF_MS);
      this.#log.error('reconcile failed', {
        loop: this.#reconciler.name,
        key: keyText(entry.key),
        retryInMs: delayMs,
        error,
      });
    }
    entry.running = false;
    this.#running -= 1;
    this.#next(entry, delayMs);
    for (const end of this.#ends) end();
    this.#ends.clear();
    this.#work();
  }

  #next(entry: Entry, delayMs: number | undefined): void {
    if (this.#stopped) return;
    if (entry.again && entry.failures === 0) this.#makeReady(entry);
    else if (delayMs !== undefined) entry.later = this.#clock.after(delayMs, () => this.#makeReady(entry));
    else this.#entries.delete(keyText(entry.key));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.length = 0;
    for (const entry of this.#entries.values()) entry.later?.();
    while (this.#running > 0) await this.nextEnd();
  }
}
