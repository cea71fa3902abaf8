/** Instance states as the API shows them: what is wanted shows at once, before the loop has begun to bring it about. */
import type { Instance, InstanceStateName, InstanceStatus } from '../records.ts';

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html */
export const stateCodes: Readonly<Record<InstanceStateName, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

/** Did it end by itself (shut down from inside, killed), without the API having started it again since? */
export const hasEnded = ({ spec, status }: Pick<Instance, 'spec' | 'status'>): boolean =>
  status.endedBoot !== undefined && status.endedBoot >= spec.boot;

/** Is it to be terminated: by the API, or because it ended by itself and its shutdown behaviour says so? */
export const isToTerminate = ({ spec, status }: Pick<Instance, 'spec' | 'status'>): boolean =>
  spec.wanted === 'terminated' || status.state === 'shutting-down' || status.state === 'terminated';

/** The state to show: an acknowledged call shows in the very next answer, though its loop has not run yet. */
export function stateOf(instance: Pick<Instance, 'spec' | 'status'>): InstanceStateName {
  const { spec, status } = instance;
  if (status.state === 'terminated') return 'terminated';
  if (isToTerminate(instance)) return 'shutting-down';
  if (spec.wanted === 'stopped') return status.state === 'stopped' ? 'stopped' : 'stopping';
  if (hasEnded(instance)) return status.state;
  return status.state === 'stopped' || status.state === 'stopping' ? 'pending' : status.state;
}

/** As `InstanceState` of the API. */
export const shownState = (name: InstanceStateName): { Code: number; Name: InstanceStateName } => ({
  Code: stateCodes[name],
  Name: name,
});

/** Does it hold a place on its host? */
export const holdsCapacity = (instance: Pick<Instance, 'spec' | 'status'>): boolean => {
  const state = stateOf(instance);
  return state === 'pending' || state === 'running' || state === 'stopping';
};

export const newStatus: InstanceStatus = {
  state: 'pending',
  guestBoots: 0,
  checks: { system: 'initializing', instance: 'initializing' },
};

export const PENDING_REASON = { code: 'pending', message: 'pending' } as const;

export const USER_SHUTDOWN = {
  code: 'Client.UserInitiatedShutdown',
  message: 'Client.UserInitiatedShutdown: User initiated shutdown',
} as const;

export const GUEST_SHUTDOWN = {
  code: 'Client.InstanceInitiatedShutdown',
  message: 'Client.InstanceInitiatedShutdown: Instance initiated shutdown',
} as const;

export const internalError = (what: string): { code: string; message: string } => ({
  code: 'Server.InternalError',
  message: `Server.InternalError: ${what}`,
});

/** `User initiated (2026-01-05 09:00:00 GMT)` */
export const userInitiated = (nowMs: number): string =>
  `User initiated (${new Date(nowMs).toISOString().slice(0, 19).replace('T', ' ')} GMT)`;
