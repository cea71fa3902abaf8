/**
 * Recovery: an instance of a failed host comes back on another host of its zone, as what it was: id, addresses, metadata
 * and disk stay, what was in memory is gone. What the alarm's `recover` action calls.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-recover.html
 */
import { AwsError } from '../../common/errors.ts';
import type { Scope } from '../../common/service.ts';
import { incorrectInstanceState } from '../compute-errors.ts';
import { operationNotPermitted } from '../errors.ts';
import { isHostWell } from '../fault/impairment.ts';
import { instanceTypes } from '../instance-types.ts';
import type { Instance } from '../records.ts';
import { placeOn } from './place.ts';
import { instanceOf } from './power.ts';
import { stateOf } from './state.ts';

/** AWS tries no more often with one instance. */
const RECOVERIES_A_DAY = 3;
const DAY_MS = 86_400_000;

export type Recovery =
  /** It boots on this host. */
  | { readonly outcome: 'recovered'; readonly hostId: string }
  /** No host of its zone is well: tried again until one is. `error` is AWS's for that. */
  | { readonly outcome: 'waiting'; readonly error: AwsError }
  /** What it lives on is well, so that there is nothing to recover from. */
  | { readonly outcome: 'not-needed' };

/** Who asks for a recovery: an alarm's action (or whoever stands for it), or AWS's own automatic recovery. */
export type RecoveryCause = 'alarm' | 'automatic';

/**
 * Of the types with disks of their host, those that an alarm recovers none the less; what was on these disks is gone.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/cloudwatch-recovery.html
 */
const recoveredWithoutDisks = new Set(['m3', 'r3', 'x1', 'x1e', 'x2idn', 'x2iedn']);

/** A whole host, or a type with disks of its host that AWS does not recover. */
function isBoundToHost(type: string, cause: RecoveryCause): boolean {
  const [family = '', size = ''] = type.split('.');
  if (size.startsWith('metal')) return true;
  if (instanceTypes.get(type)?.disks === undefined) return false;
  return cause === 'automatic' || !recoveredWithoutDisks.has(family);
}

const recentRecoveries = ({ spec }: Instance, now: number): number[] =>
  (spec.recoveries ?? []).filter((at) => at > now - DAY_MS);

/** Why the instance cannot be recovered now, in AWS's words, if it cannot. */
export function recoveryObstacle(
  scope: Scope,
  instance: Instance,
  cause: RecoveryCause,
): AwsError | undefined {
  const { id, spec, tags } = instance;
  const state = stateOf(instance);
  if (state !== 'running' && state !== 'pending') {
    return incorrectInstanceState(
      `The instance '${id}' is ${state}: only a running instance can be recovered.`,
    );
  }
  if (isBoundToHost(spec.instanceType, cause)) {
    return operationNotPermitted(
      `An instance of the type ${spec.instanceType} cannot be recovered: '${id}'.`,
    );
  }
  const group = tags['aws:autoscaling:groupName'];
  if (group !== undefined) {
    return operationNotPermitted(
      `The instance '${id}' belongs to the Auto Scaling group '${group}', which replaces it instead of recovering it.`,
    );
  }
  if (recentRecoveries(instance, scope.now).length >= RECOVERIES_A_DAY) {
    return operationNotPermitted(
      `The instance '${id}' was recovered ${RECOVERIES_A_DAY} times within 24 hours, which is as often as is allowed.`,
    );
  }
  return undefined;
}

/** A host for it elsewhere in its zone; AWS's error when there is none. */
function placeAnew(scope: Scope, { id, spec }: Instance): string | AwsError {
  try {
    return placeOn(scope, spec.zone, spec, id);
  } catch (error) {
    if (error instanceof AwsError) return error;
    throw error;
  }
}

/**
 * Recovers an instance, or notes that it is to be as soon as a host of its zone is well. Throws `InvalidInstanceID.*`,
 * `IncorrectInstanceState` for one that does not run, `OperationNotPermitted` for most types with instance store, a
 * member of an Auto Scaling group, and one that was recovered three times within 24 hours.
 */
export function recoverInstance(scope: Scope, id: string): Recovery {
  const instance = instanceOf(scope, id);
  const obstacle = recoveryObstacle(scope, instance, 'alarm');
  if (obstacle) throw obstacle;
  const { recoveryAskedAt, ...spec } = instance.spec;
  if (isHostWell(scope.tx, instance)) {
    if (recoveryAskedAt !== undefined) scope.tx.update(instance, { spec });
    return { outcome: 'not-needed' };
  }
  const hostId = placeAnew(scope, instance);
  if (hostId instanceof AwsError) {
    scope.tx.update(instance, { spec: { ...spec, recoveryAskedAt: recoveryAskedAt ?? scope.now } });
    return { outcome: 'waiting', error: hostId };
  }
  scope.tx.update(instance, {
    spec: {
      ...spec,
      hostId,
      boot: spec.boot + 1,
      storesOfBoot: spec.boot + 1,
      recoveredBoot: spec.boot + 1 + instance.status.guestBoots,
      recoveries: [...recentRecoveries(instance, scope.now), scope.now],
    },
  });
  return { outcome: 'recovered', hostId };
}
