/** The compute driver that really runs machines on this host: runc, systemd, overlay layers. Needs root. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { type Clock, systemClock } from '@holdfast/region/clock.ts';
import type { ComputeDriver, MachineSpec, MachineStatus } from '@holdfast/region/drivers/compute.ts';
import { raiseSysctl } from '../host/sysctl.ts';
import { listBaseImages } from '../images/base.ts';
import { capturedLayerPath, listCapturedLayers, treeSizeBytes } from '../images/layers.ts';
import type { HostLayout } from '../layout.ts';
import { type CgroupHost, findCgroupHost, listCgroups, removeCgroupParent } from './cgroups.ts';
import { readConsole, trimConsole } from './console.ts';
import { copyDisk } from './disk.ts';
import { removeTree } from './files.ts';
import { Machine, type MachineHost } from './machine.ts';
import { readProcess } from './process.ts';
import { listMachineFolders } from './record.ts';
import { openRunc } from './runc.ts';
import { watchEnds } from './watch.ts';

export { buildBaseImage, listBaseImages } from '../images/base.ts';
export { missingForCompute } from './doctor.ts';

/** systemd alone takes three inotify instances in each machine. */
const inotifyInstances = 8_192;
/** How often a missed event is looked for. */
const lookEveryMs = 1_000;

export interface LinuxComputeOptions {
  /** What `startedAt` and `end.at` are read from. The host's clock by default. */
  readonly clock?: Clock;
}

export interface ExecOptions {
  /** `inherit` connects the command with this process's own terminal. */
  readonly stdio: 'inherit' | 'ignore';
  /** Ask for a terminal in the machine; by default when this process has one. */
  readonly terminal?: boolean;
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

/** The driver for one region of this host. Raises the host's limit of inotify instances; `restoreSysctls` undoes it. */
export function linuxCompute(layout: HostLayout, options: LinuxComputeOptions = {}): LinuxCompute {
  const cgroupHost = requireCgroups();
  const runc = openRunc(layout);
  raiseSysctl(layout, 'fs.inotify.max_user_instances', inotifyInstances);
  mkdirSync(layout.stateDirectory, { recursive: true });
  const listeners = new Set<(id: string) => void>();
  const machines = new Map<string, Machine>();
  const queues = new Map<string, Promise<unknown>>();
  /** Machines known to run: when one of them no longer does, the listeners are told. */
  const running = new Set<string>();

  const look = (id: string): void => {
    const machine = machineOf(id);
    if (!running.has(id) || machine.isRunning()) return;
    running.delete(id);
    ends.delete(id);
    for (const listener of listeners) listener(id);
  };
  const ends = watchEnds(look);
  const host: MachineHost = {
    layout,
    cgroupHost,
    runc,
    clock: options.clock ?? systemClock(),
    watchEnd: ends.add,
  };
  const machineOf = (id: string): Machine => {
    const machine = machines.get(id) ?? new Machine(host, id);
    machines.set(id, machine);
    return machine;
  };
  const timer = setInterval(() => {
    for (const id of running) {
      look(id);
      if (running.has(id)) void trimConsole(machineOf(id).paths.console).catch(() => undefined);
    }
  }, lookEveryMs).unref();

  /** One thing after the other for each machine. */
  const inTurn = <T>(id: string, work: () => Promise<T>): Promise<T> => {
    const turn = (queues.get(id) ?? Promise.resolve()).then(work, work);
    queues.set(id, turn);
    const done = (): void => {
      if (queues.get(id) === turn) queues.delete(id);
    };
    turn.then(done, done);
    return turn;
  };

  /** Takes note of a machine that runs, so that its end is told. */
  const note = (status: MachineStatus): MachineStatus => {
    if (status.state === 'running') {
      running.add(status.id);
      if (!ends.has(status.id)) ends.add(status.id, machineOf(status.id).cgroups.eventsPath);
    } else {
      running.delete(status.id);
      ends.delete(status.id);
    }
    return status;
  };

  const found = (id: string): Promise<MachineStatus | undefined> =>
    inTurn(id, async () => {
      const machine = machineOf(id);
      if (!machine.exists()) return undefined;
      return note(machine.status(await machine.settle()));
    });

  async function ensure(spec: MachineSpec): Promise<MachineStatus> {
    const machine = machineOf(spec.id);
    await machine.makeDisk(spec);
    let record = await machine.settle();
    const wantsBoot = spec.power === 'on' && record.boot < spec.boot;
    if (machine.isRunning(record) && (spec.power === 'off' || wantsBoot)) {
      record = await machine.stop(spec.shutdownTimeoutMs);
    }
    if (wantsBoot) record = await machine.start(spec);
    return note(machine.status(record));
  }

  return {
    images: async () => listBaseImages(layout),
    ensure: (spec) => inTurn(spec.id, () => ensure(spec)),
    status: found,

    remove: (id) =>
      inTurn(id, async () => {
        running.delete(id);
        ends.delete(id);
        await machineOf(id).remove({ keepDisk: false });
        machines.delete(id);
      }),

    async list() {
      const ids = new Set([
        ...listMachineFolders(layout),
        ...runc.list(),
        ...listCgroups(cgroupHost, layout),
      ]);
      const statuses = await Promise.all([...ids].map(found));
      return statuses.filter((status) => status !== undefined);
    },

    watch(changed) {
      listeners.add(changed);
      return () => void listeners.delete(changed);
    },

    console: async (id) => readConsole(machineOf(id).paths.console),

    async responds(id) {
      const machine = machineOf(id);
      const record = machine.record();
      if (!machine.isRunning(record) || machine.cgroups.frozen()) return false;
      return !'Tt'.includes(readProcess(record.init!.pid)?.state ?? 'T');
    },

    async usage(id) {
      const machine = machineOf(id);
      return machine.isRunning() ? machine.cgroups.usage() : undefined;
    },

    capture: (id, layer) =>
      inTurn(id, async () => {
        const path = capturedLayerPath(layout, layer);
        if (existsSync(path)) return { sizeBytes: await treeSizeBytes(path) };
        const machine = machineOf(id);
        if (!existsSync(machine.paths.upper)) throw new Error(`machine ${id} has no disk`);
        await machine.cgroups.freeze(true);
        try {
          return { sizeBytes: await copyDisk(machine.paths.upper, path) };
        } finally {
          await machine.cgroups.freeze(false);
        }
      }),

    async removeLayer(layer) {
      await removeTree(capturedLayerPath(layout, layer));
    },

    listLayers: async () => listCapturedLayers(layout),

    consolePath: (id) => machineOf(id).paths.console,

    exec(id, [command, ...args], { stdio, terminal }) {
      const machine = machineOf(id);
      if (!machine.isRunning()) return Promise.reject(new Error(`machine ${id} is not running`));
      const wantsTerminal = terminal ?? (stdio === 'inherit' && process.stdin.isTTY && process.stdout.isTTY);
      const script = 'echo 0 > "$0" && exec runc "$@"';
      const flags = wantsTerminal ? ['--tty'] : [];
      const argv = [
        '-c',
        script,
        machine.cgroups.launcherProcs,
        '--root',
        runc.root,
        'exec',
        ...flags,
        id,
        command,
        ...args,
      ];
      return new Promise((resolve, reject) => {
        const child = spawn('/bin/sh', argv, { stdio });
        child.on('error', reject);
        child.on('exit', (code, signal) => resolve(code ?? 128 + (signal === 'SIGKILL' ? 9 : 15)));
      });
    },

    close() {
      clearInterval(timer);
      listeners.clear();
      ends.close();
    },
  };
}

/**
 * Removes everything that machines of this region have on this host: containers, mounts, cgroups. With `keepState`
 * their disks and captured layers stay, and they are found stopped. Nothing there is success.
 */
export async function removeAll(layout: HostLayout, options: { keepState: boolean }): Promise<void> {
  const cgroupHost = requireCgroups();
  const runc = openRunc(layout);
  const host: MachineHost = { layout, cgroupHost, runc, clock: systemClock(), watchEnd: () => undefined };
  const ids = new Set([...listMachineFolders(layout), ...runc.list(), ...listCgroups(cgroupHost, layout)]);
  await Promise.all([...ids].map((id) => new Machine(host, id).remove({ keepDisk: options.keepState })));
  removeCgroupParent(cgroupHost, layout);
  for (const directory of ['machines', 'runc']) await removeTree(`${layout.runDirectory}/${directory}`);
  if (options.keepState) return;
  for (const directory of ['machines', 'layers']) await removeTree(`${layout.stateDirectory}/${directory}`);
}
