/** Telling the edge of a region from whatever else may have got its process id. */
import { readFileSync } from 'node:fs';
import { startTicksOf } from '../host/process.ts';
import type { HostLayout } from '../layout.ts';
import { edgeFiles } from './files.ts';

export interface EdgeIdentity {
  readonly pid: number;
  /** Clock ticks from the machine's boot to the process's start: proc(5), field 22 of stat. */
  readonly startTime: string;
}

/** The edge's exit code when another one of its region is alive. */
export const EXIT_ALREADY_RUNNING = 17;

/** The edge of this region that runs now; undefined when none does. */
export function runningEdge(layout: HostLayout): EdgeIdentity | undefined {
  let identity: EdgeIdentity;
  try {
    identity = JSON.parse(readFileSync(edgeFiles(layout).pid, 'utf8')) as EdgeIdentity;
    if (!Number.isInteger(identity.pid) || startTicksOf(identity.pid) !== identity.startTime)
      return undefined;
    // After a restart of the machine another process may have both numbers.
    const commandLine = readFileSync(`/proc/${identity.pid}/cmdline`, 'utf8').split('\0');
    const ofThisRegion = commandLine.some((word) => word.includes(JSON.stringify(layout.runDirectory)));
    return commandLine.includes('--layout') && ofThisRegion ? identity : undefined;
  } catch {
    return undefined;
  }
}
