/** Starting, stopping, rebooting and ending instances: what is wanted of them from now on. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { refuseParameters, unsupported } from '../../common/errors.ts';
import type { RequestContext, Scope } from '../../common/service.ts';
import {
  incorrectInstanceState,
  instanceIdMalformed,
  instanceNotFound,
  notStoppable,
  notTerminable,
} from '../compute-errors.ts';
import { missingParameter } from '../errors.ts';
import { assignPublicAddress, interfacesOfEndpoint } from '../network/index.ts';
import { type Instance, instances } from '../records.ts';
import { checkHasRoot } from '../volume/volume.ts';
import { placeOn } from './place.ts';
import { PENDING_REASON, shownState, stateOf, USER_SHUTDOWN, userInitiated } from './state.ts';

/**
 * The instances of these ids, each once, in the order given. Throws `InvalidInstanceID.Malformed`, `.NotFound`, and
 * `MissingParameter` when there is none.
 */
export function instancesOf(scope: Scope, ids: readonly string[] | undefined): Instance[] {
  if (!ids || ids.length === 0) throw missingParameter('InstanceId');
  const wanted = [...new Set(ids)];
  for (const id of wanted) if (!/^i-([0-9a-f]{8}|[0-9a-f]{17})$/.test(id)) throw instanceIdMalformed(id);
  const found = wanted.map((id) => scope.tx.get(instances, scope.region, id));
  const lost = wanted.filter((_, at) => !found[at]);
  if (lost.length > 0) throw instanceNotFound(lost);
  return found.filter((instance) => instance !== undefined);
}

export const instanceOf = (scope: Scope, id: string | undefined): Instance =>
  instancesOf(scope, id ? [id] : [])[0] as Instance;

/** Why an instance ends, as `StateReason` and `StateTransitionReason` show it. */
export interface EndReason {
  readonly code: string;
  readonly message: string;
  /** `User initiated (…)` when absent. */
  readonly transition?: string;
}

/**
 * Wants these instances terminated, whatever their protection says. Those that are on their way already are left as they
 * are. Throws `InvalidInstanceID.*`.
 */
export function terminateInstances(
  scope: Scope,
  ids: readonly string[],
  reason: EndReason = USER_SHUTDOWN,
): Instance[] {
  return instancesOf(scope, ids).map((instance) => {
    const state = stateOf(instance);
    if (state === 'terminated' || state === 'shutting-down') return instance;
    const { code, message, transition = userInitiated(scope.now) } = reason;
    return scope.tx.update(instance, {
      spec: {
        ...instance.spec,
        wanted: 'terminated',
        stateReason: { code, message },
        stateTransitionReason: transition,
      },
    });
  });
}

const change = (before: Instance, after: Instance): ec2.InstanceStateChange => ({
  InstanceId: before.id,
  CurrentState: shownState(stateOf(after)),
  PreviousState: shownState(stateOf(before)),
});

export function terminate(
  input: ec2.TerminateInstancesRequest,
  context: RequestContext,
): ec2.TerminateInstancesResult {
  const before = instancesOf(context, input.InstanceIds);
  const present = before.filter((one) => stateOf(one) !== 'terminated');
  const kept = present.find((one) => one.spec.disableApiTermination);
  if (kept) throw notTerminable(kept.id);
  // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-stop-protection.html: it protects from termination too.
  const held = present.find((one) => one.spec.disableApiStop);
  if (held) throw notTerminable(held.id, 'disableApiStop');
  // Force and SkipOsShutdown only leave out what a termination here hardly waits for.
  const after = terminateInstances(
    context,
    before.map(({ id }) => id),
  );
  return { TerminatingInstances: before.map((one, at) => change(one, after[at] as Instance)) };
}

export function stopInstances(
  input: ec2.StopInstancesRequest,
  context: RequestContext,
): ec2.StopInstancesResult {
  if (input.Hibernate) throw unsupported('hibernation');
  const named = instancesOf(context, input.InstanceIds);
  const kept = named.find((one) => one.spec.disableApiStop && stateOf(one) !== 'terminated');
  if (kept) throw notStoppable(kept.id);
  const stopped = named.map((before) => {
    const state = stateOf(before);
    if (state === 'stopped' || (state === 'stopping' && !input.Force)) return change(before, before);
    if (state === 'terminated' || state === 'shutting-down') {
      throw incorrectInstanceState(
        `This instance '${before.id}' is not in a state from which it can be stopped.`,
      );
    }
    const after = context.tx.update(before, {
      spec: {
        ...before.spec,
        wanted: 'stopped',
        force: input.Force === true || input.SkipOsShutdown === true,
        stateReason: USER_SHUTDOWN,
        stateTransitionReason: userInitiated(context.now),
      },
    });
    return change(before, after);
  });
  return { StoppingInstances: stopped };
}

/** A start is a new boot, with a new public address, on whichever host of the zone has the most room. */
export function startInstances(
  input: ec2.StartInstancesRequest,
  context: RequestContext,
): ec2.StartInstancesResult {
  refuseParameters('StartInstances', input, ['AdditionalInfo']);
  const started = instancesOf(context, input.InstanceIds).map((before) => {
    const state = stateOf(before);
    if (state === 'running' || state === 'pending') return change(before, before);
    if (state !== 'stopped') {
      throw incorrectInstanceState(
        `The instance '${before.id}' is not in a state from which it can be started.`,
      );
    }
    checkHasRoot(context, before);
    for (const { id } of interfacesOfEndpoint(context.tx, context.region, before.id)) {
      assignPublicAddress(context, id);
    }
    const { force: _, stateTransitionReason: __, ...spec } = before.spec;
    const after = context.tx.update(before, {
      spec: {
        ...spec,
        wanted: 'running',
        boot: spec.boot + 1,
        storesOfBoot: spec.boot + 1,
        hostId: placeOn(context, spec.zone, spec),
        launchedAt: context.now,
        stateReason: PENDING_REASON,
      },
    });
    return change(before, after);
  });
  return { StartingInstances: started };
}

/** A reboot is a new boot; the instance's state stays `running`. */
export function rebootInstances(input: ec2.RebootInstancesRequest, context: RequestContext): object {
  for (const instance of instancesOf(context, input.InstanceIds)) {
    const state = stateOf(instance);
    if (state !== 'running' && state !== 'pending') {
      throw incorrectInstanceState(
        `The instance '${instance.id}' is not in a state from which it can be rebooted.`,
      );
    }
    if (state === 'running') {
      context.tx.update(instance, { spec: { ...instance.spec, boot: instance.spec.boot + 1 } });
    }
  }
  return {};
}
