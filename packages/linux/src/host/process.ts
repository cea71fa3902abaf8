/** What the kernel says about one process of this host. */
import { constants } from 'node:os';
import { readOptional } from './files.ts';

export interface ProcessFacts {
  /** `R`, `S`, `D`, `T` (stopped), `Z` (ended, nobody has asked how) …: proc_pid_stat(5). */
  readonly state: string;
  /** Clock ticks since the host's boot: with the id it names one process for good. */
  readonly startTicks: string;
}

export function readProcess(pid: number): ProcessFacts | undefined {
  const stat = readOptional(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The command's name is in parentheses and may hold anything, so fields are counted from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTicks: fields[19] ?? '' };
}

/** A living process's start time; undefined when there is no such process, or only its remains. */
export function startTicksOf(pid: number): string | undefined {
  const facts = readProcess(pid);
  return facts && !'ZXx'.includes(facts.state) ? facts.startTicks : undefined;
}

export function isAlive(init: { readonly pid: number; readonly startTicks: string }): boolean {
  return startTicksOf(init.pid) === init.startTicks;
}

/** How many files this process may let another open, at most `wanted`: a limit can be handed on, not raised. */
export function openFilesLimit(wanted: number): number {
  const [, , hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(readOptional('/proc/self/limits') ?? '') ?? [];
  return hard === undefined || hard === 'unlimited' ? wanted : Math.min(wanted, Number(hard));
}

/** May this process give a capability to another? In a container of its own it may lack some. */
export function mayGive(capability: number): boolean {
  const bounding = /^CapBnd:\s+([0-9a-f]+)$/m.exec(readOptional('/proc/self/status') ?? '')?.[1] ?? '0';
  return ((BigInt(`0x${bounding}`) >> BigInt(capability)) & 1n) === 1n;
}

/**
 * Will a process act on a signal sent now? To the init of a process namespace the kernel delivers only what it handles
 * or holds back for later; before init has said so, a signal is lost.
 */
export function handlesSignal(pid: number, signal: number): boolean {
  const status = readOptional(`/proc/${pid}/status`) ?? '';
  // Until it becomes the guest's init, it is runc's own process, which catches all signals and drops them.
  if (/^Name:\s+runc/m.test(status)) return false;
  const has = (set: string, wanted: number): boolean => {
    const mask = new RegExp(`^${set}:\\s+([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0';
    return ((BigInt(`0x${mask}`) >> BigInt(wanted - 1)) & 1n) === 1n;
  };
  // tini waits for signals in sigtimedwait(2), during which they do not count as blocked here. That it ignores SIGTTIN
  // is the last thing it does before.
  if (/^Name:\s+tini$/m.test(status)) return has('SigIgn', constants.signals.SIGTTIN);
  return has('SigBlk', signal) || has('SigCgt', signal);
}
