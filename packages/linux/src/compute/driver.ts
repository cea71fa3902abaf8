/** The compute driver that really runs machines on this host: runc, systemd, overlay layers. Needs root. */
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type Clock, systemClock } from '@holdfast/region/clock.ts';
import type {
  BaseImage,
  ComputeDriver,
  MachineSpec,
  MachineStatus,
  MachineUsage,
} from '@holdfast/region/drivers/compute.ts';
import { removeIfEmpty, removeTree } from '../host/files.ts';
import { readProcess } from '../host/process.ts';
import { raiseSysctl } from '../host/sysctl.ts';
import { atMost, inTurns } from '../host/turns.ts';
import { listBaseImages } from '../images/base.ts';
import { listImportedImages } from '../images/import.ts';
import { removeUnfinishedLayers } from '../images/layers.ts';
import type { HostLayout } from '../layout.ts';
import { canTakeOut } from './attached.ts';
import { type CgroupHost, findCgroupHost, listCgroups, removeCgroupParent } from './cgroups.ts';
import { readConsole, trimConsole } from './console.ts';
import { type ExecOptions, execInMachine } from './exec.ts';
import { Machine, type MachineHost } from './machine.ts';
import { isMachineId, listMachineFolders } from './record.ts';
import { openRunc, type Runc } from './runc.ts';
import { watchEnds } from './watch.ts';

/** What a few hundred machines take: systemd alone has three inotify instances and ten watches in each. */
const inotifyLimits = { 'fs.inotify.max_user_instances': 8_192, 'fs.inotify.max_user_watches': 65_536 };
/** How often an end that no event told of is looked for, and a volume that nobody has mounted any more. */
const lookEveryMs = 250;

export interface LinuxComputeOptions {
  /** What `startedAt` and `end.at` are read from. The host's clock by default. */
  readonly clock?: Clock;
}

export interface LinuxCompute extends ComputeDriver {
  /** Runs a command as root in a running machine and resolves with its exit code (128 + signal when killed). */
  exec(id: string, argv: readonly [string, ...string[]], options: ExecOptions): Promise<number>;
  /** The file a machine's console is written to: it only grows. */
  consolePath(id: string): string;
  /** Lets go of everything in this process; machines go on. */
  close(): void;
}

function requireCgroups(): CgroupHost {
  const host = findCgroupHost();
  if (!host) throw new Error('this machine has no cgroup2 mount');
  return host;
}

/** Ids of machines of which anything at all is on this host. */
function machineIds(layout: HostLayout, cgroupHost: CgroupHost, runc: Runc): string[] {
  const names = [...listMachineFolders(layout), ...runc.list(), ...listCgroups(cgroupHost, layout)];
  return [...new Set(names)].filter(isMachineId);
}

/** For a process that does not drive the machines: nobody is told of their ends. */
const onlookerHost = (layout: HostLayout): MachineHost => ({
  layout,
  cgroupHost: requireCgroups(),
  runc: openRunc(layout),
  clock: systemClock(),
  watchEnd: () => undefined,
});

class RuncCompute implements LinuxCompute {
  readonly #layout: HostLayout;
  readonly #host: MachineHost;
  readonly #listeners = new Set<(id: string) => void>();
  readonly #machines = new Map<string, Machine>();
  /** Machines known to run: when one of them no longer does, the listeners are told. */
  readonly #running = new Set<string>();
  /** Machines with a volume that is to be taken out, and is mounted still. */
  readonly #leaving = new Set<string>();
  readonly #ends = watchEnds((id) => this.#look(id));
  readonly #inTurn = inTurns();
  // Each start takes both runc and the guest's systemd a good part of a processor: more at once only slow each other.
  readonly #starting = atMost(2 * availableParallelism());
  readonly #timer: NodeJS.Timeout;

  constructor(layout: HostLayout, clock: Clock) {
    this.#layout = layout;
    const cgroupHost = requireCgroups();
    this.#host = {
      layout,
      cgroupHost,
      runc: openRunc(layout),
      clock,
      watchEnd: (...end) => this.#ends.add(...end),
    };
    for (const [key, value] of Object.entries(inotifyLimits)) raiseSysctl(layout, key, value);
    mkdirSync(layout.stateDirectory, { recursive: true });
    this.#timer = setInterval(() => this.#lookAtAll(), lookEveryMs).unref();
  }

  #machine(id: string): Machine {
    const machine = this.#machines.get(id) ?? new Machine(this.#host, id);
    this.#machines.set(id, machine);
    return machine;
  }

  /** Tells the listeners when a machine that ran no longer does. */
  #look(id: string): void {
    if (!this.#running.has(id) || this.#machine(id).isRunning()) return;
    this.#forget(id);
    this.#tell(id);
  }

  #tell(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }

  #lookAtAll(): void {
    for (const id of [...this.#running]) {
      this.#look(id);
      if (this.#leaving.has(id) && canTakeOut(this.#machine(id).paths)) this.#tell(id);
      // A log that could not be shortened now is longer the next time.
      trimConsole(this.#machine(id).paths.console).catch(() => undefined);
    }
  }

  #forget(id: string): void {
    this.#leaving.delete(id);
    this.#running.delete(id);
    this.#ends.delete(id);
  }

  /** Takes note of what is known of a machine, so that an end that comes is told. */
  #note(status: MachineStatus): MachineStatus {
    const { id, state } = status;
    if (state === 'stopped') this.#forget(id);
    else {
      this.#running.add(id);
      if (status.volumes?.some(({ busy }) => busy)) this.#leaving.add(id);
      else this.#leaving.delete(id);
      if (!this.#ends.has(id)) this.#ends.add(id, this.#machine(id).cgroups.eventsPath);
      // Its end may have come before anybody watched.
      setImmediate(() => this.#look(id));
    }
    return status;
  }

  async images(): Promise<BaseImage[]> {
    return [...listBaseImages(this.#layout), ...listImportedImages(this.#layout)];
  }

  ensure(spec: MachineSpec): Promise<MachineStatus> {
    return this.#inTurn(spec.id, async () => {
      const machine = this.#machine(spec.id);
      machine.note();
      let record = await machine.settle();
      const wantsBoot = spec.power === 'on' && record.boot < spec.boot;
      if (machine.isRunning(record) && (spec.power === 'off' || wantsBoot)) {
        record = await machine.stop(spec.shutdownTimeoutMs);
      }
      if (wantsBoot) record = await this.#starting(() => machine.start(spec));
      else if (machine.isRunning(record)) await machine.changeVolumes(spec);
      return this.#note(machine.status(record));
    });
  }

  remove(id: string): Promise<void> {
    return this.#inTurn(id, async () => {
      this.#forget(id);
      await this.#machine(id).remove({ keepRecord: false });
      this.#machines.delete(id);
    });
  }

  async list(): Promise<MachineStatus[]> {
    const { cgroupHost, runc } = this.#host;
    await removeUnfinishedLayers(this.#layout);
    const statuses = await Promise.all(
      machineIds(this.#layout, cgroupHost, runc).map((id) => this.status(id)),
    );
    return statuses.filter((status) => status !== undefined);
  }

  status(id: string): Promise<MachineStatus | undefined> {
    return this.#inTurn(id, async () => {
      const machine = this.#machine(id);
      if (!machine.exists()) return undefined;
      return this.#note(machine.status(await machine.settle()));
    });
  }

  watch(changed: (id: string) => void): () => void {
    const listener = (id: string): void => changed(id);
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async console(id: string): Promise<{ output: Uint8Array; at: number } | undefined> {
    return readConsole(this.#machine(id).paths.console);
  }

  async responds(id: string): Promise<boolean> {
    const machine = this.#machine(id);
    const record = machine.record();
    if (!machine.isRunning(record) || machine.cgroups.frozen()) return false;
    return !'Tt'.includes(readProcess(record.init!.pid)?.state ?? 'T');
  }

  freeze(id: string, frozen: boolean): Promise<void> {
    return this.#inTurn(id, () => this.#machine(id).hold(frozen));
  }

  async crash(id: string, boot: number): Promise<void> {
    const machine = this.#machine(id);
    const record = machine.record();
    // Init's end takes every process of its namespace along, and wakes who watches.
    if (record.boot === boot && machine.isRunning(record)) process.kill(record.init!.pid, 'SIGKILL');
  }

  async usage(id: string): Promise<MachineUsage | undefined> {
    const machine = this.#machine(id);
    return machine.isRunning() ? machine.cgroups.usage() : undefined;
  }

  exec(id: string, argv: readonly [string, ...string[]], options: ExecOptions): Promise<number> {
    return execInMachine(this.#host.runc, this.#machine(id), argv, options);
  }

  consolePath(id: string): string {
    return this.#machine(id).paths.console;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
    this.#ends.close();
  }
}

/** What any process may do with a machine, besides the one that drives it. Changes nothing on this host by itself. */
export interface OneMachine extends Pick<Machine, 'isRunning'> {
  exec(argv: readonly [string, ...string[]], options: ExecOptions): Promise<number>;
  readonly consolePath: string;
}

export function openMachine(layout: HostLayout, id: string): OneMachine {
  const host = onlookerHost(layout);
  const machine = new Machine(host, id);
  return {
    isRunning: () => machine.isRunning(),
    exec: (argv, options) => execInMachine(host.runc, machine, argv, options),
    consolePath: machine.paths.console,
  };
}

/**
 * The driver for one region of this host. Raises the host's inotify limits; `restoreSysctls` undoes it. One process
 * drives a region's machines; for any other there is `openMachine`.
 */
export const linuxCompute = (layout: HostLayout, options: LinuxComputeOptions = {}): LinuxCompute =>
  new RuncCompute(layout, options.clock ?? systemClock());

/**
 * Removes everything that machines of this region have on this host: containers, mounts, cgroups. With `keepState`
 * their records stay, and they are found stopped. Nothing there is success.
 */
export async function removeAll(layout: HostLayout, options: { keepState: boolean }): Promise<void> {
  if (!findCgroupHost()) return;
  const host = onlookerHost(layout);
  const { cgroupHost, runc } = host;
  const ids = machineIds(layout, cgroupHost, runc);
  await Promise.all(ids.map((id) => new Machine(host, id).remove({ keepRecord: options.keepState })));
  removeCgroupParent(cgroupHost, layout);
  for (const directory of ['machines', 'runc']) await removeTree(`${layout.runDirectory}/${directory}`);
  removeIfEmpty(layout.runDirectory);
  if (options.keepState) return;
  for (const directory of ['machines', 'layers', 'images'])
    await removeTree(`${layout.stateDirectory}/${directory}`);
}
