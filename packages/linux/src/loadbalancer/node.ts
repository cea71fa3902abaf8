/**
 * One node of a load balancer: its folder, its process, its targets. Nothing is remembered here that could not be read
 * from the folder and from the process, except how long a target has been initial.
 */

import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  LoadBalancerNodeSpec,
  NodeCounters,
  TargetObservation,
} from '@holdfast/region/drivers/loadbalancer.ts';
import {
  type ConfigOptions,
  type ConfiguredServer,
  renderConfig,
  serverSettings,
  socketPath,
  stateFilePath,
} from './config.ts';
import { backendName, parseServerName } from './names.ts';
import { addCounters, countResponses, observeTargets } from './observation.ts';
import { configPath, findProcess, killProcesses, processesBelow, standsIn, startProcess } from './process.ts';
import { NodeDead, parseServers, parseStatistics, query, run, type ServerRow } from './runtime.ts';
import { planTargets } from './targets.ts';

/** What changes of a node's servers without a new configuration stands outside of this. */
const fingerprint = (text: string): string =>
  `# configuration ${createHash('sha256').update(text).digest('hex')}\n`;

async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

export class BalancerNode {
  readonly id: string;
  readonly #directory: string;
  readonly #socket: string;
  readonly #options: ConfigOptions;
  readonly #now: () => number;
  /** When a server was first seen in its state, more exactly than HAProxy's whole seconds. */
  readonly #since = new Map<string, { running: boolean; atMs: number }>();
  #spec: LoadBalancerNodeSpec | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #busy = 0;

  constructor(id: string, options: ConfigOptions, now: () => number) {
    this.id = id;
    this.#directory = options.directory;
    this.#options = options;
    this.#socket = socketPath(options.directory);
    this.#now = now;
  }

  /** One change at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#busy++;
    const done = this.#last.then(work).finally(() => this.#busy--);
    this.#last = done.catch(() => {});
    return done;
  }

  ensure(spec: LoadBalancerNodeSpec): Promise<void> {
    return this.#inTurn(async () => {
      const pid = await this.#livingProcess(spec.namespace);
      if (!pid) await this.#start(spec);
      else if (!(await this.#hasConfiguration(spec))) await this.#reload(spec, pid);
      if (JSON.stringify(spec) !== JSON.stringify(await this.#wanted())) {
        await writeWhole(join(this.#directory, 'node.json'), JSON.stringify(spec));
      }
      this.#spec = spec;
      await this.#applyTargets(spec, await this.#servers());
    });
  }

  remove(): Promise<void> {
    return this.#inTurn(async () => {
      await killProcesses(await processesBelow(this.#directory));
      await rm(this.#directory, { recursive: true, force: true });
      this.#spec = undefined;
      this.#since.clear();
    });
  }

  async running(): Promise<boolean> {
    return (await findProcess(this.#directory)) !== undefined;
  }

  async observe(): Promise<TargetObservation[]> {
    const spec = await this.#wanted();
    if (!spec) throw new Error(`load balancer node ${this.id} does not exist`);
    return observeTargets(spec, parseStatistics(await query(this.#socket, 'show stat -1 4 -1')));
  }

  async counters(): Promise<NodeCounters> {
    const answers = await Promise.all([
      query(this.#socket, 'show stat -1 3 -1'),
      query(this.#socket, 'get var proc.own4xx'),
      query(this.#socket, 'get var proc.own5xx'),
    ]);
    const value = (text: string): number => Number(/value=<(\d+)>/.exec(text)?.[1] ?? 0);
    const current = countResponses(parseStatistics(answers[0]), {
      4: value(answers[1]),
      5: value(answers[2]),
    });
    return addCounters(await this.#earlierCounters(), current);
  }

  /**
   * What the node sees, in a form that differs whenever `observe` would; and what has become due is done meanwhile:
   * initial targets whose state is known, servers whose last request is over. Undefined when the node is dead.
   */
  async look(): Promise<string | undefined> {
    try {
      const rows = await this.#servers();
      const spec = await this.#wanted();
      if (spec && this.#busy === 0)
        await this.#inTurn(async () => this.#applyTargets(spec, await this.#servers()));
      return rows
        .filter((row) => !row.maintenance && parseServerName(row.name)?.role !== 'open')
        .map((row) => `${row.backend}/${row.name} ${row.running} ${row.checkStatus}`)
        .join('\n');
    } catch (error) {
      if (error instanceof NodeDead) return undefined;
      throw error;
    }
  }

  async #wanted(): Promise<LoadBalancerNodeSpec | undefined> {
    if (!this.#spec) {
      const text = await readFile(join(this.#directory, 'node.json'), 'utf8').catch(() => undefined);
      this.#spec = text ? (JSON.parse(text) as LoadBalancerNodeSpec) : undefined;
    }
    return this.#spec;
  }

  async #livingProcess(namespace: string): Promise<number | undefined> {
    const pid = await findProcess(this.#directory);
    return pid && (await standsIn(pid, namespace)) ? pid : undefined;
  }

  async #hasConfiguration(spec: LoadBalancerNodeSpec): Promise<boolean> {
    const { text } = renderConfig(spec, this.#options);
    const current = await readFile(configPath(this.#directory), 'utf8').catch(() => '');
    return current.startsWith(fingerprint(text)) && (await this.#pagesAreCurrent(spec));
  }

  async #pagesAreCurrent(spec: LoadBalancerNodeSpec): Promise<boolean> {
    for (const [name, body] of Object.entries(renderConfig(spec, this.#options).pages)) {
      if ((await readFile(join(this.#directory, name), 'utf8').catch(() => undefined)) !== body) return false;
    }
    return true;
  }

  async #writeConfiguration(spec: LoadBalancerNodeSpec, kept: readonly ConfiguredServer[]): Promise<void> {
    const bare = renderConfig(spec, this.#options);
    const full = renderConfig(spec, this.#options, kept);
    for (const [name, body] of Object.entries(bare.pages)) await writeFile(join(this.#directory, name), body);
    await writeFile(configPath(this.#directory), fingerprint(bare.text) + full.text, { mode: 0o600 });
  }

  async #start(spec: LoadBalancerNodeSpec): Promise<void> {
    await killProcesses(await processesBelow(this.#directory));
    await rm(this.#directory, { recursive: true, force: true });
    await mkdir(join(this.#directory, 'root'), { recursive: true, mode: 0o700 });
    await writeFile(stateFilePath(this.#directory), '1\n');
    await this.#writeConfiguration(spec, []);
    this.#since.clear();
    await startProcess(this.#directory, spec.namespace);
  }

  /** A new process takes over the listening sockets and what is known of the targets; the old one finishes its requests. */
  async #reload(spec: LoadBalancerNodeSpec, pid: number): Promise<void> {
    const before = await readFile(configPath(this.#directory), 'utf8').catch(() => undefined);
    const [head, kept, states] = carryOver(spec, await query(this.#socket, 'show servers state'));
    await writeFile(stateFilePath(this.#directory), [...head, ...states, ''].join('\n'));
    const counters = await this.counters();
    try {
      await this.#writeConfiguration(spec, kept);
      await startProcess(this.#directory, spec.namespace, pid);
    } catch (error) {
      if (before !== undefined) await writeFile(configPath(this.#directory), before, { mode: 0o600 });
      throw error;
    }
    await writeWhole(join(this.#directory, 'counters.json'), JSON.stringify(counters));
  }

  async #earlierCounters(): Promise<NodeCounters> {
    const text = await readFile(join(this.#directory, 'counters.json'), 'utf8').catch(() => undefined);
    return text ? (JSON.parse(text) as NodeCounters) : { requests: 0, responses: {} };
  }

  async #servers(): Promise<ServerRow[]> {
    const rows = parseServers(await query(this.#socket, 'show servers state'));
    const seen = new Set<string>();
    for (const row of rows) {
      const key = `${row.backend}/${row.name}`;
      seen.add(key);
      if (this.#since.get(key)?.running !== row.running) {
        this.#since.set(key, { running: row.running, atMs: this.#now() - row.sinceChangeMs });
      }
    }
    for (const key of this.#since.keys()) if (!seen.has(key)) this.#since.delete(key);
    return rows;
  }

  async #applyTargets(spec: LoadBalancerNodeSpec, rows: readonly ServerRow[]): Promise<void> {
    const age = (row: ServerRow): number =>
      this.#now() - (this.#since.get(`${row.backend}/${row.name}`)?.atMs ?? this.#now());
    const { commands, deletions } = planTargets(spec, rows, age);
    const objections = await run(this.#socket, commands);
    if (objections.length > 0) throw new Error(`load balancer node ${this.id}: ${objections.join('; ')}`);
    // A server that still has a connection refuses; it is asked again at the next look.
    await run(
      this.#socket,
      deletions.map((server) => `del server ${server}`),
    );
  }
}

/** The servers that go on under the new configuration, and HAProxy's state file for them. */
function carryOver(
  spec: LoadBalancerNodeSpec,
  text: string,
): [head: string[], servers: ConfiguredServer[], states: string[]] {
  const head = text.split('\n').slice(0, 2);
  const servers: ConfiguredServer[] = [];
  const states: string[] = [];
  for (const row of parseServers(text)) {
    const group = spec.targetGroups.find((candidate) => backendName(candidate.id) === row.backend);
    const name = parseServerName(row.name);
    const target = group?.targets.find((candidate) => candidate.id === name?.targetId);
    if (!group || !name || !target || row.maintenance) continue;
    if (row.address !== target.address || row.port !== target.port) continue;
    servers.push({
      backend: row.backend,
      name: row.name,
      settings: serverSettings(group, target, name.role),
    });
    const { healthyThreshold, unhealthyThreshold } = group.healthCheck;
    const words = row.line.split(' ');
    const rise = name.role === 'initial' ? 1 : healthyThreshold;
    if (name.role !== 'open') words[12] = String(row.running ? rise + unhealthyThreshold - 1 : 0);
    states.push(words.join(' '));
  }
  return [head, servers, states];
}
