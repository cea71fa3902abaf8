/** What the status checks say next. Pure. */
import type { TimeMs } from '../../../clock.ts';
import type { InstanceStatus } from '../records.ts';

type Checks = InstanceStatus['checks'];

/** AWS checks every minute. */
export const CHECK_EVERY_MS = 60_000;
/** A boot is looked at more often until it is well, so that nobody waits a minute for what took a second. */
const WHILE_INITIALIZING_MS = 1_000;
/** A boot may take this long before not answering counts. */
const BOOT_GRACE_MS = 120_000;

export interface ChecksView {
  readonly checks: Checks;
  readonly reachable: boolean;
  readonly hostIsWell: boolean;
  readonly bootedAt: TimeMs;
  readonly now: TimeMs;
}

/** When the first of the checks that fail began to fail. */
export function impairedSince({ systemImpairedSince, instanceImpairedSince }: Checks): TimeMs | undefined {
  const since = [systemImpairedSince, instanceImpairedSince].filter((at) => at !== undefined);
  return since.length === 0 ? undefined : Math.min(...since);
}

export function planChecks(view: ChecksView): { readonly checks: Checks; readonly requeueAfterMs: number } {
  const { checks, reachable, hostIsWell, now } = view;
  const stillBooting = now - view.bootedAt < BOOT_GRACE_MS;
  const system = hostIsWell ? 'ok' : 'impaired';
  // Nothing on a failed host is reached, whatever the machine that stands for it still answers.
  const well = reachable && hostIsWell;
  const instance = well
    ? 'ok'
    : checks.instance === 'initializing' && stillBooting && hostIsWell
      ? 'initializing'
      : 'impaired';
  const systemImpairedSince = system === 'impaired' ? (checks.systemImpairedSince ?? now) : undefined;
  const instanceImpairedSince = instance === 'impaired' ? (checks.instanceImpairedSince ?? now) : undefined;
  return {
    checks: {
      system,
      instance,
      ...(systemImpairedSince !== undefined && { systemImpairedSince }),
      ...(instanceImpairedSince !== undefined && { instanceImpairedSince }),
    },
    requeueAfterMs: instance === 'initializing' ? WHILE_INITIALIZING_MS : CHECK_EVERY_MS,
  };
}
