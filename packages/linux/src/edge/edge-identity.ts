/** Telling the edge of a region from whatever else may have got its process id. */
import { readFileSync } from 'node:fs';
import type { HostLayout } from '../layout.ts';
import { edgeFiles } from './files.ts';

export interface EdgeIdentity {
  readonly pid: number;
  /** Clock ticks from the machine's boot to the process's start: proc(5), field 22 of stat. */
  readonly startTime: string;
}

/** The edge's exit code when another one of its region is alive. */
export const EXIT_ALREADY_RUNNING = 17;

/** When a process was started; undefined when there is none, or only its remains. */
export function processStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the command's name, in parentheses, and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** The edge of this region that runs now; undefined when none does. */
export function runningEdge(layout: HostLayout): EdgeIdentity | undefined {
  let identity: EdgeIdentity;
  try {
    identity = JSON.parse(readFileSync(edgeFiles(layout).pid, 'utf8')) as EdgeIdentity;
    if (!Number.isInteger(identity.pid) || processStartTime(identity.pid) !== identity.startTime)
      return undefined;
    // After a restart of the machine another process may have both numbers.
    const commandLine = readFileSync(`/proc/${identity.pid}/cmdline`, 'utf8').split('\0');
    const ofThisRegion = commandLine.some((word) => word.includes(JSON.stringify(layout.runDirectory)));
    return commandLine.includes('--layout') && ofThisRegion ? identity : undefined;
  } catch {
    return undefined;
  }
}
