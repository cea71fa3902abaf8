/** What to do next for one instance, from what is wanted and what is found. Pure. */
import type { MachineEnd, MachineStatus } from '../../../drivers/compute.ts';
import type { Instance, InstanceStatus } from '../records.ts';
import type { VolumesForBoot } from './machine-volumes.ts';
import { GUEST_SHUTDOWN, hasEnded, internalError, isToTerminate } from './state.ts';

/** An orderly shutdown gets this long until the machine is killed. */
export const SHUTDOWN_TIMEOUT_MS = 30_000;
/** A termination waits less: nothing of the machine is kept. */
export const TERMINATE_TIMEOUT_MS = 5_000;

export interface InstanceView {
  readonly instance: Pick<Instance, 'spec' | 'status'>;
  readonly machine: MachineStatus | undefined;
  /** Is its network, as last written, in force? */
  readonly inForce: boolean;
  /** Does an image wait for its disk to be at rest before the next boot? */
  readonly imaged: boolean;
  /** Are the volumes that it is to have made? */
  readonly volumes: VolumesForBoot;
  /** Has its running machine other volumes than it is to have, and was not told so just now? */
  readonly volumesDiffer: boolean;
  /** Its host has failed: nothing is started there. */
  readonly hostFailed: boolean;
  /** Can its guest shut down in order? Not one that is hung, on a failed host, or left behind on one by a recovery. */
  readonly canShutDown: boolean;
  readonly now: number;
  readonly terminatedVisibleMs: number;
}

export type Step =
  /** All is as wanted. */
  | { readonly kind: 'rest'; readonly requeueAfterMs?: number }
  /** Something else must come first, and names this instance when it is there. */
  | { readonly kind: 'wait'; readonly for: 'network' | 'image' | 'host' | 'volumes' }
  /** `timeoutMs`: what the guest of the boot before gets to shut down. */
  | { readonly kind: 'boot'; readonly boot: number; readonly timeoutMs: number }
  /** The running machine is told what volumes it is to have now. */
  | { readonly kind: 'volumes' }
  | { readonly kind: 'power-off'; readonly timeoutMs: number }
  /** It is off: its public address is given back, and it is `stopped`. */
  | { readonly kind: 'settle' }
  /** The machine, and all that was made for it, goes. */
  | { readonly kind: 'tear-down' }
  /** It was terminated long enough ago: the record goes. */
  | { readonly kind: 'forget' }
  /** The status says something new: look again. */
  | { readonly kind: 'again' };

export interface Plan {
  /** Written before the step is taken. */
  readonly status: Partial<InstanceStatus>;
  readonly step: Step;
}

export const INITIALIZING = { system: 'initializing', instance: 'initializing' } as const;
export const NOT_APPLICABLE = { system: 'not-applicable', instance: 'not-applicable' } as const;

/** The boot that is wanted: those that the API asked for and those that the guest did. */
export const wantedBoot = ({ spec, status }: InstanceView['instance']): number =>
  spec.boot + status.guestBoots;

export function planInstance(view: InstanceView): Plan {
  const { instance, machine } = view;
  const { spec, status } = instance;
  if (status.state === 'terminated') return planTerminated(view);
  if (isToTerminate(instance)) {
    return { status: { state: 'shutting-down', checks: NOT_APPLICABLE }, step: { kind: 'tear-down' } };
  }
  if (spec.wanted === 'stopped') {
    if (machine?.state === 'running') {
      const timeoutMs = spec.force ? 0 : shutdownTimeoutMs(view);
      return {
        status: { state: 'stopping', checks: NOT_APPLICABLE },
        step: { kind: 'power-off', timeoutMs },
      };
    }
    return settled(status);
  }
  if (hasEnded(instance)) return settled(status);
  const boot = wantedBoot(instance);
  if (!machine || machine.boot < boot) return planBoot(view, boot);
  if (machine.state === 'running') {
    const step = { kind: view.volumesDiffer ? 'volumes' : 'rest' } as const;
    return { status: { state: 'running', machine }, step };
  }
  return planEnd(instance, machine);
}

const shutdownTimeoutMs = ({ canShutDown }: InstanceView): number => (canShutDown ? SHUTDOWN_TIMEOUT_MS : 0);

const settled = (status: InstanceStatus): Plan => ({
  status: {},
  step: status.state === 'stopped' ? { kind: 'rest' } : { kind: 'settle' },
});

function planTerminated({ instance, machine, now, terminatedVisibleMs }: InstanceView): Plan {
  if (machine) return { status: {}, step: { kind: 'tear-down' } };
  const leftMs = (instance.status.terminatedAt ?? 0) + terminatedVisibleMs - now;
  return { status: {}, step: leftMs > 0 ? { kind: 'rest', requeueAfterMs: leftMs } : { kind: 'forget' } };
}

/** A boot is due. A reboot leaves the state `running`; every other boot is `pending`. */
function planBoot(view: InstanceView, boot: number): Plan {
  const { instance, machine, inForce, imaged, hostFailed, volumes } = view;
  const state = instance.status.state === 'running' ? 'running' : 'pending';
  const status = { state, checks: INITIALIZING } as const;
  // Its checks go on: there is nothing yet that could be well.
  if (hostFailed) return { status: { state }, step: { kind: 'wait', for: 'host' } };
  if (imaged && machine) {
    if (machine.state === 'stopped') return { status, step: { kind: 'wait', for: 'image' } };
    return { status, step: { kind: 'power-off', timeoutMs: shutdownTimeoutMs(view) } };
  }
  if (volumes.kind === 'failed') return failedBoot(instance, machine?.boot ?? 0, volumes.detail);
  if (volumes.kind === 'waiting') return { status, step: { kind: 'wait', for: 'volumes' } };
  if (!inForce) return { status, step: { kind: 'wait', for: 'network' } };
  return { status, step: { kind: 'boot', boot, timeoutMs: shutdownTimeoutMs(view) } };
}

/** The boot that was wanted has come to its end by itself. */
function planEnd({ spec, status }: InstanceView['instance'], machine: MachineStatus): Plan {
  const how: MachineEnd = machine.end?.how ?? 'killed';
  if (how === 'reboot') {
    return { status: { guestBoots: status.guestBoots + 1, checks: INITIALIZING }, step: { kind: 'again' } };
  }
  if (how === 'failed') {
    const { status: ended, step } = failedBoot({ spec, status }, machine.boot - 1, machine.end?.detail ?? '');
    return { status: { ...ended, machine }, step };
  }
  const ended = { endedBoot: spec.boot, machine, checks: NOT_APPLICABLE };
  const stateReason =
    how === 'poweroff'
      ? GUEST_SHUTDOWN
      : internalError(`The instance's init ended: ${machine.end?.detail ?? ''}`);
  const state = spec.shutdownBehavior === 'terminate' ? 'shutting-down' : 'stopping';
  const stateTransitionReason = how === 'poweroff' ? '' : 'Server.InternalError';
  return { status: { ...ended, state, stateReason, stateTransitionReason }, step: { kind: 'again' } };
}

/**
 * The boot that is wanted cannot be. An instance that never ran (`bootsBefore` 0) has nothing worth keeping; one that ran
 * before keeps its volumes.
 */
function failedBoot({ spec, status }: InstanceView['instance'], bootsBefore: number, detail: string): Plan {
  const never = status.state === 'pending' && bootsBefore === 0;
  return {
    status: {
      endedBoot: spec.boot,
      checks: NOT_APPLICABLE,
      state: never ? 'shutting-down' : 'stopping',
      stateReason: internalError(`Internal error on ${never ? 'launch' : 'start'}: ${detail}`),
      stateTransitionReason: 'Server.InternalError',
    },
    step: { kind: 'again' },
  };
}
