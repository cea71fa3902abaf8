/**
 * Brings the servers of a running HAProxy to what a node's target groups want. Pure planning; its only memory are
 * HAProxy's own server names and states.
 *
 * AWS's states (target-group-health-checks.html): a new target is `initial`, ONE pass makes it healthy, failures up to
 * the unhealthy threshold make it unhealthy; from then on both thresholds count. HAProxy has one `rise` for a server, so
 * a new target starts as a server of its own kind: `initial`, checked often, `rise 1`. HAProxy itself lets it serve with
 * the first pass, whoever else is alive; it is exchanged for a `steady` server when its state is known.
 */
import type {
  LoadBalancerNodeSpec,
  TargetGroupSpec,
  TargetSpec,
} from '@holdfast/region/drivers/loadbalancer.ts';
import { serverSettings } from './config.ts';
import { backendName, formatServerName, parseServerName, type ServerName, type ServerRole } from './names.ts';
import type { ServerRow } from './runtime.ts';

export interface Plan {
  /** Must all succeed. */
  readonly commands: string[];
  /** Servers that serve no more: they can be deleted once their last request is done. */
  readonly deletions: string[];
}

/** How long a server has been in its state; the caller may know better than HAProxy's whole seconds. */
export type Age = (row: ServerRow) => number;

interface NamedRow extends ServerRow {
  readonly parsed: ServerName;
}

/** A target that has not passed by the time of its last permitted failure is unhealthy. */
const initialPeriodMs = (group: TargetGroupSpec): number =>
  Math.max(1, group.healthCheck.unhealthyThreshold - 1) * group.healthCheck.intervalMs;

class GroupPlan {
  readonly commands: string[] = [];
  readonly deletions: string[] = [];
  readonly #group: TargetGroupSpec;
  readonly #backend: string;
  readonly #rows: readonly NamedRow[];
  readonly #age: Age;
  #serial: number;

  constructor(group: TargetGroupSpec, rows: readonly NamedRow[], age: Age) {
    this.#group = group;
    this.#backend = backendName(group.id);
    this.#rows = rows;
    this.#age = age;
    this.#serial = rows.reduce((most, row) => Math.max(most, row.parsed.serial), 0);
  }

  make(): void {
    const wanted = new Map(this.#group.targets.map((target) => [target.id, target]));
    for (const row of this.#rows) {
      if (!wanted.has(row.parsed.targetId)) this.#cut(row);
      else if (row.maintenance) this.deletions.push(`${this.#backend}/${row.name}`);
    }
    for (const target of this.#group.targets) {
      const live = this.#rows.filter((row) => row.parsed.targetId === target.id && !row.maintenance);
      if (target.draining) this.#drain(live);
      else this.#serve(target, live);
    }
  }

  #serve(target: TargetSpec, live: readonly NamedRow[]): void {
    const usable = live.filter(
      (row) => !row.drain && row.address === target.address && row.port === target.port,
    );
    const newest = (role: ServerRole): NamedRow | undefined =>
      usable.filter((row) => row.parsed.role === role).sort((a, b) => b.parsed.serial - a.parsed.serial)[0];
    let checked = newest('steady') ?? newest('initial');
    const open = newest('open');
    if (!checked) this.#add(target, this.#group.healthCheck.enabled ? 'initial' : 'steady', false);
    else if (checked.parsed.role === 'initial') {
      if (checked.running || this.#age(checked) >= initialPeriodMs(this.#group)) {
        this.#add(target, 'steady', checked.running);
        checked = undefined;
      }
    }
    if (!open) this.#add(target, 'open', true);
    for (const row of live) if (row !== checked && row !== open) this.#retire(row);
  }

  #drain(live: readonly NamedRow[]): void {
    for (const row of live) {
      if (row.parsed.role === 'open') this.#retire(row);
      else if (!row.drain) this.commands.push(`set server ${this.#backend}/${row.name} state drain`);
    }
  }

  /** `up` matters to a checked server only: whether it serves before its first check. */
  #add(target: TargetSpec, role: ServerRole, up: boolean): void {
    const name = formatServerName({ role, serial: ++this.#serial, targetId: target.id });
    const server = `${this.#backend}/${name}`;
    this.commands.push(`add server ${server} ${serverSettings(this.#group, target, role)}`);
    if (role === 'open' || !this.#group.healthCheck.enabled) {
      this.commands.push(`set server ${server} state ready`);
      return;
    }
    // By way of drain: on leaving maintenance HAProxy takes a server for healthy, and a request could slip in.
    this.commands.push(
      `enable health ${server}`,
      `set server ${server} state drain`,
      `set server ${server} health ${up ? 'up' : 'down'}`,
      `set server ${server} state ready`,
    );
  }

  /** No new requests; those under way may finish. */
  #retire(row: NamedRow): void {
    this.commands.push(`set server ${this.#backend}/${row.name} state maint`);
    this.deletions.push(`${this.#backend}/${row.name}`);
  }

  /** The target is deregistered and its time is over: what is still open is cut, and its client gets a 5xx. */
  #cut(row: NamedRow): void {
    if (!row.maintenance) this.commands.push(`set server ${this.#backend}/${row.name} state maint`);
    this.commands.push(`shutdown sessions server ${this.#backend}/${row.name}`);
    this.deletions.push(`${this.#backend}/${row.name}`);
  }
}

export function planTargets(node: LoadBalancerNodeSpec, rows: readonly ServerRow[], age: Age): Plan {
  const plan: Plan = { commands: [], deletions: [] };
  for (const group of node.targetGroups) {
    const name = backendName(group.id);
    const named = rows.flatMap((row) => {
      const parsed = row.backend === name && parseServerName(row.name);
      return parsed ? [{ ...row, parsed }] : [];
    });
    const groupPlan = new GroupPlan(group, named, age);
    groupPlan.make();
    plan.commands.push(...groupPlan.commands);
    plan.deletions.push(...groupPlan.deletions);
  }
  return plan;
}
