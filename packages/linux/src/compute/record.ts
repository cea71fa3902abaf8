/**
 * What the driver remembers of one machine, in `<stateDirectory>/machines/<id>/machine.json`. Written before each step
 * that must not happen twice, so that after a crash the record and what is found on the machine together say how far it got.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TimeMs } from '@holdfast/region/clock.ts';
import type { MachineEnd, MachineSpec } from '@holdfast/region/drivers/compute.ts';
import { entriesOf, readOptional, replaceFile } from '../host/files.ts';
import { isAlive } from '../host/process.ts';
import type { HostLayout } from '../layout.ts';

export interface InitProcess {
  readonly pid: number;
  readonly startTicks: string;
}

export interface MachineRecord {
  readonly id: string;
  /** The latest boot that was begun; 0 when there was none. */
  readonly boot: number;
  /**
   * `starting`: the boot is decided, its init may or may not have begun to run. `started`: it has. `ended`: it has ended,
   * and what it held on the host was given back. `none`: never booted.
   */
  readonly phase: 'none' | 'starting' | 'started' | 'ended';
  /** While `starting`: the boot before, which is the latest again when it turns out that this one never began. */
  readonly previousBoot?: number;
  /** Somebody asked, through this driver, that this boot end. */
  readonly stopAsked: boolean;
  readonly startedAt?: TimeMs;
  /** Init's process id on this host, and its start time in clock ticks since the host's boot, against reused ids. */
  readonly init?: InitProcess;
  /** Which init the latest boot has. */
  readonly kind?: MachineSpec['init'];
  readonly end?: { readonly how: MachineEnd; readonly at: TimeMs; readonly detail: string };
}

/** The places that belong to one machine. */
export interface MachinePaths {
  /** Outlives a reboot of this host. */
  readonly state: string;
  readonly record: string;
  readonly console: string;
  /** Does not outlive a reboot of this host; also runc's bundle. */
  readonly run: string;
  readonly rootfs: string;
  /** Where its root volume is mounted while it runs. */
  readonly rootVolume: string;
  /** What is its /dev. */
  readonly dev: string;
  /** A file system of its own for what is bound into the machine, so that none of the host's is: the next four. */
  readonly shown: string;
  /** What it sees of its block devices: /sys/block, /sys/dev/block. */
  readonly blockView: string;
  readonly blockNumbers: string;
  /** Its /dev/holdfast, where it asks the host for what it cannot do itself. */
  readonly requests: string;
  /** A word in it says how the guest shut down, which writes it itself. */
  readonly endMarker: string;
  /** Which volumes it has. */
  readonly volumes: string;
  readonly runcLog: string;
}

export const isMachineId = (name: string): boolean => /^[a-z0-9][a-z0-9-]{0,62}$/.test(name);

export function machinePaths(layout: HostLayout, id: string): MachinePaths {
  if (!isMachineId(id)) throw new Error(`machine id ${JSON.stringify(id)}: letters, digits and hyphens`);
  const state = join(layout.stateDirectory, 'machines', id);
  const run = join(layout.runDirectory, 'machines', id);
  return {
    state,
    record: join(state, 'machine.json'),
    console: join(state, 'console.log'),
    run,
    rootfs: join(run, 'rootfs'),
    rootVolume: join(run, 'root-volume'),
    dev: join(run, 'dev'),
    shown: join(run, 'shown'),
    blockView: join(run, 'shown', 'block'),
    blockNumbers: join(run, 'shown', 'block-numbers'),
    requests: join(run, 'shown', 'requests'),
    endMarker: join(run, 'shown', 'end'),
    volumes: join(run, 'volumes.json'),
    runcLog: join(run, 'runc.log'),
  };
}

/** Undefined when there is none; a record is written whole or not at all, so one that cannot be read is a fault. */
export function readRecord(paths: MachinePaths): MachineRecord | undefined {
  const text = readOptional(paths.record);
  return text === undefined ? undefined : (JSON.parse(text) as MachineRecord);
}

/**
 * Process id on this host of a running machine's init; undefined when it does not run. Only looks, so that any process
 * may call it beside the one that drives the region.
 */
export function initPidOf(layout: HostLayout, id: string): number | undefined {
  const init = readRecord(machinePaths(layout, id))?.init;
  return init && isAlive(init) ? init.pid : undefined;
}

export function writeRecord(paths: MachinePaths, record: MachineRecord): MachineRecord {
  mkdirSync(paths.state, { recursive: true, mode: 0o700 });
  replaceFile(paths.record, `${JSON.stringify(record, undefined, 2)}\n`);
  return record;
}

/** Ids of machines of which anything is on disk or in the run directory. */
export function listMachineFolders(layout: HostLayout): string[] {
  const ids = [layout.stateDirectory, layout.runDirectory].flatMap((directory) =>
    entriesOf(join(directory, 'machines')),
  );
  return [...new Set(ids)];
}
