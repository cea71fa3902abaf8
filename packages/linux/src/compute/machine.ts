/**
 * One machine on this host, step by step. Every step can be repeated, and each is written down before it is taken, so
 * that whoever comes after a crash finishes it or cleans up. Calls for the same machine must come one after the other.
 */

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '@holdfast/region/clock.ts';
import type { MachineEnd, MachineSpec, MachineStatus } from '@holdfast/region/drivers/compute.ts';
import { readOptional, removeTree } from '../host/files.ts';
import { unmountBelow } from '../host/mounts.ts';
import { handlesSignal, isAlive, readProcess } from '../host/process.ts';
import type { HostLayout } from '../layout.ts';
import { changeVolumes, endVolumes, presentVolumes } from './attached.ts';
import { type CgroupHost, type MachineCgroups, machineCgroups } from './cgroups.ts';
import { openConsole } from './console.ts';
import { makeDevices } from './devices.ts';
import { CannotStart, layerFolders, mountDisk, VolumeInUse } from './disk.ts';
import { hostnameOnDisk } from './identity.ts';
import { ociConfiguration } from './oci.ts';
import {
  type InitProcess,
  type MachinePaths,
  type MachineRecord,
  machinePaths,
  readRecord,
  writeRecord,
} from './record.ts';
import { mountRootVolume } from './root-volume.ts';
import type { Runc } from './runc.ts';

/** As many as systemd allows itself on a small machine, and far from what would hurt this one. */
const processLimit = 4_096;

/** How long a start that a crash interrupted may take to come to rest by itself. */
const startWithinMs = 10_000;

/** What asks an init to power off: SIGRTMIN+4 for systemd, see systemd(1); SIGTERM for the light one. */
const powerOffSignals = { systemd: 38, nano: constants.signals.SIGTERM } as const;

export interface MachineHost {
  readonly layout: HostLayout;
  readonly cgroupHost: CgroupHost;
  readonly runc: Runc;
  readonly clock: Clock;
  /** Called when the machine's `cgroup.events` is there and its boot is about to begin. */
  readonly watchEnd: (id: string, eventsPath: string) => void;
}

export class Machine {
  readonly id: string;
  readonly paths: MachinePaths;
  readonly cgroups: MachineCgroups;
  readonly #host: MachineHost;

  constructor(host: MachineHost, id: string) {
    this.id = id;
    this.#host = host;
    this.paths = machinePaths(host.layout, id);
    this.cgroups = machineCgroups(host.cgroupHost, host.layout, id);
  }

  /** Is there anything of it on this host? */
  exists(): boolean {
    const { state, run } = this.paths;
    return existsSync(state) || existsSync(run) || existsSync(this.cgroups.eventsPath);
  }

  record(): MachineRecord {
    return readRecord(this.paths) ?? { id: this.id, boot: 0, phase: 'none', stopAsked: false };
  }

  isRunning(record = this.record()): boolean {
    // Both are asked: an init that is about to end leaves its cgroup first, which is what wakes who watches it.
    const begun = record.phase === 'started' && record.init !== undefined;
    return begun && isAlive(record.init!) && this.cgroups.populated();
  }

  status(record = this.record()): MachineStatus {
    const { id, boot } = record;
    const started = record.startedAt === undefined ? {} : { startedAt: record.startedAt };
    if (this.isRunning(record)) {
      const volumes = presentVolumes(this.paths).map(({ volumeId, state }) => ({
        volumeId,
        busy: state === 'leaving',
      }));
      return { id, state: 'running', boot, ...started, volumes, initPid: record.init!.pid };
    }
    return { id, state: 'stopped', boot, ...started, ...(record.end ? { end: record.end } : {}) };
  }

  /** Brings the record up to what is found: finishes a start or an end that was under way. */
  async settle(): Promise<MachineRecord> {
    let record = this.record();
    if (record.phase === 'starting') {
      for (const until = performance.now() + startWithinMs; ; await delay(10)) {
        const settled = await this.#finishStart(record);
        if (settled) record = settled;
        else if (performance.now() < until) continue;
        else throw new Error(`machine ${this.id} is still being started`);
        break;
      }
    }
    if (record.phase === 'started' && !this.isRunning(record)) record = await this.#finishEnd(record);
    return record;
  }

  /** Remembers a machine that is wanted, before anything is made for it. */
  note(): void {
    if (!readRecord(this.paths)) writeRecord(this.paths, this.record());
  }

  /** Begins the boot `machine.boot`. The machine must be settled and not running. */
  async start(machine: MachineSpec): Promise<MachineRecord> {
    const { clock, layout } = this.#host;
    if (!existsSync(`/run/netns/${machine.namespace}`)) {
      throw new Error(`network namespace ${machine.namespace} of ${this.id} is not there yet`);
    }
    const before = this.record();
    await this.#giveBack();
    const begun: MachineRecord = {
      id: this.id,
      kind: machine.init,
      boot: machine.boot,
      previousBoot: before.boot,
      phase: 'starting',
      stopAsked: false,
      startedAt: clock.now(),
    };
    try {
      const layers = layerFolders(layout, machine.layers);
      this.cgroups.prepare({
        vcpus: machine.vcpus,
        memoryBytes: machine.memoryBytes,
        processes: processLimit,
      });
      this.#host.watchEnd(this.id, this.cgroups.eventsPath);
      mkdirSync(this.paths.run, { recursive: true, mode: 0o700 });
      const [terminal, hostname] = await Promise.all([
        openConsole(this.paths.console, this.cgroups.consoleProcs),
        this.#mountDisks(machine, layers),
      ]);
      try {
        const configuration = ociConfiguration({
          machine: { ...machine, hostname: hostname ?? machine.hostname },
          paths: this.paths,
          cgroupPath: this.cgroups.ociPath,
          processes: processLimit,
          terminal: terminal.path,
        });
        writeFileSync(`${this.paths.run}/config.json`, JSON.stringify(configuration));
        writeFileSync(this.paths.endMarker, '', { mode: 0o600 });
        writeRecord(this.paths, begun);
        await this.#host.runc.run(this.id, {
          bundle: this.paths.run,
          pidFile: this.#pidFile,
          log: this.paths.runcLog,
          procs: this.cgroups.launcherProcs,
          stdio: terminal.file,
        });
      } finally {
        terminal.close();
      }
    } catch (error) {
      if (error instanceof VolumeInUse) {
        // It may pass: the boot has not begun.
        await this.#giveBack();
        throw error;
      }
      return this.#failStart(begun, error as Error);
    }
    return this.#recordStarted(begun, Number(readFileSync(this.#pidFile, 'utf8')));
  }

  /** Makes its /dev and its disks ready. Returns the name that the machine gave itself in an earlier boot. */
  async #mountDisks(machine: MachineSpec, layers: readonly string[]): Promise<string | undefined> {
    const { layout } = this.#host;
    const volume = machine.volumes?.find(({ role }) => role === 'root');
    if (!volume) throw new CannotStart('it has no root volume');
    await makeDevices(this.paths);
    const disk = await mountRootVolume(layout, this.paths, machine, volume);
    await mountDisk(this.paths, disk, layers);
    await changeVolumes(layout, this.paths, machine);
    return hostnameOnDisk(disk.upper);
  }

  /** Gives a running machine the data volumes that it is to have. */
  async changeVolumes(machine: MachineSpec): Promise<void> {
    await changeVolumes(this.#host.layout, this.paths, machine);
  }

  get #pidFile(): string {
    return `${this.paths.run}/init.pid`;
  }

  async #failStart(begun: MachineRecord, error: Error): Promise<MachineRecord> {
    await this.#giveBack();
    return writeRecord(this.paths, {
      ...begun,
      phase: 'ended',
      end: { how: 'failed', at: this.#host.clock.now(), detail: error.message },
    });
  }

  #recordStarted(begun: MachineRecord, pid: number): MachineRecord {
    const facts = readProcess(pid);
    // An init that is gone already has started none the less: what is left is to finish its end.
    const init = { pid, startTicks: facts?.startTicks ?? 'gone' };
    return writeRecord(this.paths, { ...begun, phase: 'started', init });
  }

  /** After a crash in the middle of a start: how far did it get? Undefined while what was started then is still at it. */
  async #finishStart(begun: MachineRecord): Promise<MachineRecord | undefined> {
    const { runc } = this.#host;
    const state = await runc.state(this.id).catch((error: Error) => error);
    if (state instanceof Error) {
      if (this.cgroups.populated())
        throw new Error(`machine ${this.id} is still being started`, { cause: state });
      return this.#failStart(begun, state);
    }
    if (state?.status === 'running' || state?.status === 'paused')
      return this.#recordStarted(begun, state.pid);
    if (state?.status === 'stopped') return this.#recordStarted(begun, 0);
    if (this.cgroups.populated()) {
      // The runc of that time is at work, or was killed between making the container and starting its init.
      if (state?.status === 'created') await runc.start(this.id).catch(() => undefined);
      return undefined;
    }
    // Its init never ran, so this boot has not begun.
    await this.#giveBack();
    const { startedAt: _, previousBoot = 0, ...rest } = begun;
    return writeRecord(this.paths, {
      ...rest,
      boot: previousBoot,
      phase: previousBoot > 0 ? 'ended' : 'none',
    });
  }

  async #finishEnd(record: MachineRecord): Promise<MachineRecord> {
    // Init is gone, and the kernel takes every process of its namespace along; what holds out is helped.
    if (!(await this.cgroups.emptied(1_000))) this.cgroups.kill();
    const end = { ...this.#howEnded(record), at: this.#host.clock.now() };
    await this.#giveBack();
    return writeRecord(this.paths, { ...record, phase: 'ended', end });
  }

  #howEnded(record: MachineRecord): { how: MachineEnd; detail: string } {
    // Written by the guest, so nothing but the words expected is taken from it.
    const size = statSync(this.paths.endMarker, { throwIfNoEntry: false })?.size ?? 0;
    const word = size > 0 && size < 64 ? readFileSync(this.paths.endMarker, 'utf8').trim() : '';
    if (record.stopAsked) {
      const detail = word ? 'shut down on request' : 'was asked to shut down and had to be killed';
      return { how: 'poweroff', detail };
    }
    if (word === 'reboot' || word === 'kexec') return { how: 'reboot', detail: 'the guest rebooted' };
    if (word === 'poweroff' || word === 'halt') return { how: 'poweroff', detail: `the guest did a ${word}` };
    return { how: 'killed', detail: 'init ended without a shutdown' };
  }

  /** Shuts the machine down in order, and kills it when that takes longer than `timeoutMs`. */
  async stop(timeoutMs: number): Promise<MachineRecord> {
    const record = writeRecord(this.paths, { ...this.record(), stopAsked: true });
    if (timeoutMs > 0 && this.isRunning(record)) {
      const until = performance.now() + timeoutMs;
      await this.cgroups.freeze(false);
      await this.#askToPowerOff(record.init!, powerOffSignals[record.kind ?? 'systemd'], until);
      await this.cgroups.emptied(until - performance.now());
    }
    this.cgroups.kill();
    if (!(await this.cgroups.emptied(10_000))) throw new Error(`machine ${this.id} does not die`);
    return this.settle();
  }

  /** Freezes a running machine, or lets it go on. */
  async hold(frozen: boolean): Promise<void> {
    if (this.isRunning(await this.settle())) await this.cgroups.freeze(frozen);
  }

  /** Waits for an init that has only just begun to listen. */
  async #askToPowerOff(init: InitProcess, signal: number, until: number): Promise<void> {
    while (isAlive(init) && performance.now() < until) {
      if (handlesSignal(init.pid, signal)) {
        process.kill(init.pid, signal);
        return;
      }
      await delay(5);
    }
  }

  /** Gives back everything on the host that a boot holds; the disk, the record and the console's log stay. */
  async #giveBack(): Promise<void> {
    await this.cgroups.consoleIdle(500);
    await this.#host.runc.delete(this.id);
    await this.cgroups.remove();
    await unmountBelow(this.paths.run);
    endVolumes(this.#host.layout, this.paths);
    await removeTree(this.paths.run);
  }

  /** Kills it and gives back what its boot holds; with `keepRecord` it is found stopped. */
  async remove(options: { keepRecord: boolean }): Promise<void> {
    this.cgroups.kill();
    await this.cgroups.emptied(10_000);
    if (options.keepRecord && readOptional(this.paths.record) !== undefined) await this.settle();
    await this.#giveBack();
    if (!options.keepRecord) await removeTree(this.paths.state);
  }
}
