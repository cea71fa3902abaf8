/**
 * The loop `ec2.fault`. Wanted: no fault of what is not there any more, and none of a boot that is over: a hung instance
 * is well after its next boot, and one whose init was killed is simply stopped. Observed: instances and NAT gateways.
 * Woken by the faults themselves and by what they are about.
 */
import type { Reconciler } from '../../../reconcile/reconciler.ts';
import { keyOf, type Resource } from '../../../store/resource.ts';
import type { Reader } from '../../../store/store.ts';
import type { LoopContext } from '../../common/service.ts';
import { wantedBoot } from '../instance/plan.ts';
import { stateOf } from '../instance/state.ts';
import { instances, natGateways } from '../records.ts';
import { type Fault, faults, faultsOf } from './fault.ts';

function isOver(reader: Reader, { region, spec }: Fault): boolean {
  if (spec.target === 'nat-gateway') {
    return (reader.get(natGateways, region, spec.targetId)?.spec.wanted ?? 'deleted') === 'deleted';
  }
  if (spec.target !== 'instance') return false;
  const instance = reader.get(instances, region, spec.targetId);
  if (!instance || stateOf(instance) === 'terminated') return true;
  if (spec.boot === undefined) return false;
  const { machine } = instance.status;
  // While the next boot is wanted but has not begun, the machine is still in the one that was hit.
  if (wantedBoot(instance) > spec.boot) return (machine?.boot ?? 0) > spec.boot;
  return machine?.boot === spec.boot && machine.state === 'stopped';
}

export function faultLoop({ store }: LoopContext): Reconciler {
  return {
    name: 'ec2.fault',

    keysFor(changed: Resource) {
      const { kind, region, id } = changed;
      if (kind === faults.kind) return [keyOf(changed)];
      if (kind === instances.kind) return faultsOf(store, region, 'instance', id).map(keyOf);
      return kind === natGateways.kind ? faultsOf(store, region, 'nat-gateway', id).map(keyOf) : [];
    },

    async reconcile(key) {
      const fault = store.get(faults, key.region, key.id);
      if (fault && isOver(store, fault)) store.transaction((tx) => tx.remove(fault));
      return undefined;
    },
  };
}
