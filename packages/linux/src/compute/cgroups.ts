/**
 * The cgroups of one machine, on hosts with pure cgroup2 and on hybrid ones (v1 controllers beside a cgroup2 mount):
 *
 *     <parent>/<id>/           holds the machine's limits, where its own root cannot reach them
 *     <parent>/<id>/guest/     init and everything below it; the root of the machine's cgroup namespace
 *     <parent>/<id>/launcher/  what starts it (pure cgroup2 only)
 *     <parent>/<id>/console/   what writes down its console
 *
 * Whether a machine lives, freezing and killing are always asked of cgroup2, which can do it without any controller.
 */

import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, foldersOf, readOptional } from '../host/files.ts';
import { readProcess } from '../host/process.ts';
import { eventually } from '../host/turns.ts';
import { cgroupParent, type HostLayout } from '../layout.ts';

export interface CgroupLimits {
  readonly vcpus: number;
  readonly memoryBytes: number;
  readonly processes: number;
}

/** A device node a machine may use: type, major and minor (`*` for all). */
export type DeviceRule = readonly ['c' | 'b', number, number | '*'];

/**
 * null, zero, full, random, urandom, tty, console, ptmx, pseudo-terminals, tun, and loop devices: a machine makes no node
 * itself, and has those of its own volumes alone.
 */
export const machineDevices: readonly DeviceRule[] = [
  ['c', 1, 3],
  ['c', 1, 5],
  ['c', 1, 7],
  ['c', 1, 8],
  ['c', 1, 9],
  ['c', 5, 0],
  ['c', 5, 1],
  ['c', 5, 2],
  ['c', 136, '*'],
  ['c', 10, 200],
  ['b', 7, '*'],
];

/** Where the cgroup file systems of this host are mounted. */
export interface CgroupHost {
  readonly kind: 'cgroup2' | 'hybrid';
  /** The cgroup2 mount. */
  readonly unified: string;
  /** Hybrid: mount points of the v1 controllers, by controller (and by their other mount options). */
  readonly controllers: ReadonlyMap<string, string>;
  /** All mount points: each may hold groups of a machine, because runc puts it into every hierarchy. */
  readonly roots: readonly string[];
}

/** Reads the mounts of this host. Undefined when it has no cgroup2 mount at all, without which we cannot run machines. */
export function findCgroupHost(): CgroupHost | undefined {
  let unified: string | undefined;
  const controllers = new Map<string, string>();
  const roots = new Set<string>();
  for (const line of (readOptional('/proc/self/mounts') ?? '').split('\n')) {
    const [, mountPoint, type, options] = line.split(' ');
    if (!mountPoint || !options) continue;
    if (type === 'cgroup2') unified ??= mountPoint;
    if (type !== 'cgroup') continue;
    roots.add(mountPoint);
    for (const option of options.split(',')) controllers.set(option, mountPoint);
  }
  if (!unified) return undefined;
  return {
    kind: controllers.has('memory') ? 'hybrid' : 'cgroup2',
    unified,
    controllers,
    roots: [unified, ...roots],
  };
}

/** Removes a cgroup and those below it. False while a process is in one of them. */
function removeCgroupTree(path: string): boolean {
  for (const name of foldersOf(path)) if (!removeCgroupTree(join(path, name))) return false;
  try {
    rmdirSync(path);
  } catch (error) {
    if (codeOf(error) === 'EBUSY') return false;
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  return true;
}

const periodUs = 100_000;

export interface MachineCgroups {
  /** What the OCI configuration calls it. */
  readonly ociPath: string;
  /** The file that changes when the machine's last process ends. */
  readonly eventsPath: string;
  /** Makes all groups (those that are there stay) and puts the limits in force. */
  prepare(limits: CgroupLimits): void;
  /** Where what starts the machine must put itself first: its `cgroup.procs`. */
  readonly launcherProcs: string;
  readonly consoleProcs: string;
  /** Is there a process in the guest, or one that is starting it? */
  populated(): boolean;
  frozen(): boolean;
  /** Stops or lets go on everything in the guest; resolves when it is so. */
  freeze(on: boolean): Promise<void>;
  /** Kills every process of the guest and what may be starting it; the console's writer stays. */
  kill(): void;
  /** Waits until nothing is left in the guest, at most so long. False when something is. */
  emptied(withinMs: number): Promise<boolean>;
  /** Waits until the console's writer has nothing left to write, at most so long. */
  consoleIdle(withinMs: number): Promise<boolean>;
  /** CPU time and memory of the guest since its boot; undefined when it has no group. */
  usage(): { cpuNs: number; memoryBytes: number } | undefined;
  /** Removes all groups of this machine, killing what is left in them. */
  remove(): Promise<void>;
}

/** Ids that have a group in this region, in whichever hierarchy. */
export function listCgroups(host: CgroupHost, layout: HostLayout): string[] {
  const ids = new Set<string>();
  for (const root of host.roots) {
    for (const name of foldersOf(join(root, cgroupParent(layout)))) ids.add(name);
  }
  return [...ids];
}

/** Removes the region's own group, once no machine is left in it. */
export function removeCgroupParent(host: CgroupHost, layout: HostLayout): void {
  for (const root of host.roots) {
    try {
      rmdirSync(join(root, cgroupParent(layout)));
    } catch (error) {
      if (!['ENOENT', 'EBUSY', 'ENOTEMPTY'].includes(codeOf(error) ?? '')) throw error;
    }
  }
}

function setLimits(host: CgroupHost, path: string, limits: CgroupLimits): void {
  const quota = Math.round(limits.vcpus * periodUs);
  if (host.kind === 'cgroup2') {
    const group = join(host.unified, path);
    writeFileSync(join(group, 'memory.max'), String(limits.memoryBytes));
    writeFileSync(join(group, 'cpu.max'), `${quota} ${periodUs}`);
    writeFileSync(join(group, 'pids.max'), String(limits.processes));
    return;
  }
  const put = (controller: string, file: string, value: string): void => {
    const root = host.controllers.get(controller);
    if (!root) throw new Error(`this machine has no cgroup controller ${controller}`);
    mkdirSync(join(root, path), { recursive: true });
    writeFileSync(join(root, path, file), value);
  };
  put('memory', 'memory.limit_in_bytes', String(limits.memoryBytes));
  put('cpu', 'cpu.cfs_period_us', String(periodUs));
  put('cpu', 'cpu.cfs_quota_us', String(quota));
  put('pids', 'pids.max', String(limits.processes));
  // A v1 child group has at most its parent's devices, so the guest's root cannot allow itself the host's disks. All may
  // be denied only while no child was made, which is why it is done before the guest's group exists.
  put('devices', 'devices.deny', 'a');
  for (const [type, major, minor] of machineDevices)
    put('devices', 'devices.allow', `${type} ${major}:${minor} rwm`);
  // runc lets every container make device nodes (not open them).
  for (const type of ['b', 'c']) put('devices', 'devices.allow', `${type} *:* m`);
}

/** cgroup2: lets the groups below `path` have limits of their own. */
function delegateControllers(host: CgroupHost, path: string): void {
  if (host.kind === 'cgroup2')
    writeFileSync(join(host.unified, path, 'cgroup.subtree_control'), '+cpu +memory +pids');
}

export function machineCgroups(host: CgroupHost, layout: HostLayout, id: string): MachineCgroups {
  const parent = cgroupParent(layout);
  const path = join(parent, id);
  const unified = join(host.unified, path);
  const guest = join(unified, 'guest');
  const launcher = host.kind === 'cgroup2' ? join(unified, 'launcher') : guest;
  const memoryRoot = host.controllers.get('memory') ?? host.unified;

  /** One word of a group's `cgroup.events`; undefined when there is no such group. */
  const event = (group: string, name: string): string | undefined =>
    new RegExp(`^${name} (\\d)$`, 'm').exec(readOptional(join(group, 'cgroup.events')) ?? '')?.[1];
  const populated = (): boolean => event(guest, 'populated') === '1' || event(launcher, 'populated') === '1';

  const writeIfThere = (file: string, value: string): boolean => {
    try {
      writeFileSync(file, value, { flag: 'r+' });
      return true;
    } catch (error) {
      if (['ENOENT', 'ENODEV'].includes(codeOf(error) ?? '')) return false;
      throw error;
    }
  };

  const kill = (): void => {
    for (const group of new Set([guest, launcher])) {
      // Killed before it is let go: what is frozen dies too, and must not answer anybody once more (a failed host's).
      writeIfThere(join(group, 'cgroup.kill'), '1');
      writeIfThere(join(group, 'cgroup.freeze'), '0');
    }
    const freezer = host.controllers.get('freezer');
    // A group that a v1 freezer holds would not die before it is let go.
    if (freezer) writeIfThere(join(freezer, path, 'guest', 'freezer.state'), 'THAWED');
  };

  return {
    ociPath: `/${path}/guest`,
    eventsPath: join(guest, 'cgroup.events'),
    launcherProcs: join(launcher, 'cgroup.procs'),
    consoleProcs: join(unified, 'console', 'cgroup.procs'),
    populated,
    kill,

    prepare(limits) {
      mkdirSync(unified, { recursive: true });
      for (const group of ['', parent, path]) delegateControllers(host, group);
      setLimits(host, path, limits);
      for (const group of [guest, launcher, join(unified, 'console')]) mkdirSync(group, { recursive: true });
    },

    frozen() {
      const freezer = host.controllers.get('freezer');
      const v1State = freezer && readOptional(join(freezer, path, 'guest', 'freezer.state'));
      return event(guest, 'frozen') === '1' || (v1State ?? 'THAWED').trim() !== 'THAWED';
    },

    async freeze(on) {
      if (!writeIfThere(join(guest, 'cgroup.freeze'), on ? '1' : '0')) return;
      const done = await eventually(() => event(guest, 'frozen') !== (on ? '0' : '1') || !populated(), 5_000);
      if (!done) throw new Error(`machine ${id} did not ${on ? 'freeze' : 'go on'} within 5 s`);
    },

    consoleIdle: (withinMs) =>
      eventually(() => {
        const writers = (readOptional(join(unified, 'console', 'cgroup.procs')) ?? '')
          .split('\n')
          .filter(Boolean);
        // It sleeps only in its wait for more: what was written before init ended is in the log by then.
        return writers.every((pid) => (readProcess(Number(pid))?.state ?? 'Z') !== 'R');
      }, withinMs),

    emptied: (withinMs) => eventually(() => !populated(), withinMs),

    usage() {
      const cpu =
        host.kind === 'cgroup2'
          ? Number(/^usage_usec (\d+)$/m.exec(readOptional(join(guest, 'cpu.stat')) ?? '')?.[1]) * 1_000
          : Number(
              readOptional(join(host.controllers.get('cpuacct') ?? '', path, 'guest', 'cpuacct.usage')) ??
                NaN,
            );
      const memory = join(memoryRoot, path, 'guest');
      const charged = Number(
        readOptional(join(memory, host.kind === 'cgroup2' ? 'memory.current' : 'memory.usage_in_bytes')) ??
          NaN,
      );
      // Pages of files nobody has used lately are given back before anybody feels it: they are not what it needs.
      const idle = Number(
        /^(?:total_)?inactive_file (\d+)$/m.exec(readOptional(join(memory, 'memory.stat')) ?? '')?.[1] ?? 0,
      );
      if (Number.isNaN(cpu) || Number.isNaN(charged)) return undefined;
      return { cpuNs: cpu, memoryBytes: Math.max(0, charged - idle) };
    },

    async remove() {
      kill();
      writeIfThere(join(unified, 'console', 'cgroup.kill'), '1');
      const removed = (): boolean => host.roots.every((root) => removeCgroupTree(join(root, path)));
      if (!(await eventually(removed, 2_000))) throw new Error(`cgroups of machine ${id} are still in use`);
    },
  };
}
