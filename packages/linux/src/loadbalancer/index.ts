/**
 * The load balancer driver on Linux: one HAProxy for each node, in the node's own network namespace. The process runs,
 * checks and fails over by itself; this driver starts it, changes it and reads it, and takes over what an earlier
 * control process left running.
 */

import { readdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '@holdfast/region/clock.ts';
import type { LoadBalancerDriver } from '@holdfast/region/drivers/loadbalancer.ts';
import type { HostLayout } from '../layout.ts';
import { BalancerNode } from './node.ts';
import { killProcesses, processesBelow } from './process.ts';
import { checkNode } from './spec.ts';

export { missingForLoadBalancer } from './doctor.ts';

export interface LoadBalancerOptions {
  /** How often each node is looked at, 200 ms by default. */
  readonly lookEveryMs?: number;
  /** Threads of each HAProxy; by default two for each processor, at most 8: one waits seldom for the other. */
  readonly threads?: number;
  /** How long connecting to a target may take before the client gets 504; 10 s by default, as AWS has it. */
  readonly connectTimeoutMs?: number;
  /** What `look` failed of a living node, once for each kind; on stderr by default. */
  readonly report?: (error: Error) => void;
  readonly clock?: Clock;
}

const directoryOf = (layout: HostLayout): string => join(layout.runDirectory, 'loadbalancer');

class LinuxLoadBalancer implements LoadBalancerDriver {
  readonly #directory: string;
  readonly #options: LoadBalancerOptions;
  readonly #clock: Clock;
  readonly #nodes = new Map<string, BalancerNode>();
  readonly #views = new Map<string, string | undefined>();
  readonly #watchers = new Set<(id: string) => void>();
  #lastReport = '';
  #closed = false;
  #cancel: () => void = () => {};
  #looking: Promise<void> = Promise.resolve();

  constructor(layout: HostLayout, options: LoadBalancerOptions) {
    this.#directory = directoryOf(layout);
    this.#options = options;
    this.#clock = options.clock ?? systemClock();
    this.#looking = this.#adopt().then(() => this.#lookAgain());
  }

  async ensure(spec: Parameters<LoadBalancerDriver['ensure']>[0]): Promise<void> {
    checkNode(spec);
    await this.#node(spec.id).ensure(spec);
  }

  async remove(id: string): Promise<void> {
    await this.#node(id).remove();
    this.#nodes.delete(id);
    this.#views.delete(id);
  }

  async list(): Promise<{ id: string; running: boolean }[]> {
    await this.#adopt();
    return Promise.all(
      [...this.#nodes.values()].map(async (node) => ({ id: node.id, running: await node.running() })),
    );
  }

  observe(id: string): ReturnType<LoadBalancerDriver['observe']> {
    return this.#node(id).observe();
  }

  counters(id: string): ReturnType<LoadBalancerDriver['counters']> {
    return this.#node(id).counters();
  }

  watch(changed: (id: string) => void): () => void {
    const watcher = (id: string): void => changed(id);
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Stops looking. The nodes go on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#looking;
  }

  #node(id: string): BalancerNode {
    if (!/^[a-z0-9-]{1,40}$/.test(id))
      throw new Error(`load balancer node ${id}: a-z, 0-9 and -, at most 40`);
    let node = this.#nodes.get(id);
    if (!node) {
      const options = {
        directory: join(this.#directory, id),
        threads: this.#options.threads ?? Math.min(8, 2 * availableParallelism()),
        ...(this.#options.connectTimeoutMs === undefined
          ? {}
          : { connectTimeoutMs: this.#options.connectTimeoutMs }),
      };
      node = new BalancerNode(id, options, () => this.#clock.now());
      this.#nodes.set(id, node);
    }
    return node;
  }

  /** Nodes whose folders an earlier control process left. */
  async #adopt(): Promise<void> {
    for (const id of await readdir(this.#directory).catch(() => [])) this.#node(id);
  }

  #lookAgain(): void {
    if (this.#closed) return;
    this.#cancel = this.#clock.after(this.#options.lookEveryMs ?? 200, () => {
      this.#looking = Promise.all([...this.#nodes.values()].map((node) => this.#look(node))).then(() =>
        this.#lookAgain(),
      );
    });
  }

  async #look(node: BalancerNode): Promise<void> {
    try {
      const view = await node.look();
      if (this.#nodes.get(node.id) !== node) return;
      const known = this.#views.has(node.id);
      if (known && this.#views.get(node.id) === view) return;
      this.#views.set(node.id, view);
      if (known || view) for (const changed of this.#watchers) changed(node.id);
    } catch (error) {
      const report =
        this.#options.report ?? ((cause: Error) => console.error(`load balancer: ${cause.message}`));
      const text = `${node.id} ${(error as Error).message}`;
      if (text !== this.#lastReport) report(error as Error);
      this.#lastReport = text;
    }
  }
}

export const linuxLoadBalancer = (
  layout: HostLayout,
  options: LoadBalancerOptions = {},
): LoadBalancerDriver & { close(): Promise<void> } => new LinuxLoadBalancer(layout, options);

/** Ends every node of a region, also those that nobody knows of any more, and removes what was made for them. */
export async function removeAllLoadBalancers(layout: HostLayout): Promise<void> {
  const directory = directoryOf(layout);
  await killProcesses(await processesBelow(directory));
  await rm(directory, { recursive: true, force: true });
}
