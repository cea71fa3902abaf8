/**
 * The loop `ec2.instance-status`. Wanted: of each running instance, every minute, whether it can be reached and whether
 * what it lives on is well. Observed: its interface answers its router and its init runs (the instance check); its logical
 * host has not failed (the system check). Woken by the instance, by its host, and by the minute.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-system-instance-status-check.html
 *
 * It writes `checks` in the status of the loop `ec2.instance`, and nothing else there.
 */
import type { Reconciler } from '../../../reconcile/reconciler.ts';
import type { LoopContext } from '../../common/service.ts';
import { interfacesOfEndpoint } from '../network/index.ts';
import { hosts, type Instance, instances } from '../records.ts';
import { wantedBoot } from './plan.ts';
import { planChecks } from './plan-checks.ts';
import { stateOf } from './state.ts';

export function instanceStatusLoop({ store, drivers, clock }: LoopContext): Reconciler {
  const isReachable = async ({ region, id, spec }: Instance): Promise<boolean> => {
    const primary = interfacesOfEndpoint(store, region, id)[0];
    if (!primary || !(await drivers.compute.responds(id))) return false;
    return drivers.network.probe(spec.vpcId, primary.id);
  };

  return {
    name: 'ec2.instance-status',

    keysFor(changed) {
      if (changed.kind === instances.kind) return [changed];
      if (changed.kind !== hosts.kind) return [];
      return store.list(instances, changed.region).filter(({ spec }) => spec.hostId === changed.id);
    },

    async reconcile(key) {
      const before = store.get(instances, key.region, key.id);
      if (!before || !isInItsBoot(before)) return undefined;
      const reachable = await isReachable(before);
      return store.transaction((tx) => {
        const current = tx.get(instances, key.region, key.id);
        // What was found belongs to another boot by now: the change that began it has named this key again.
        if (!current || !isInItsBoot(current)) return undefined;
        if (current.status.machine?.boot !== before.status.machine?.boot) return undefined;
        const hostIsWell = !tx.get(hosts, key.region, current.spec.hostId)?.spec.failed;
        const { checks, requeueAfterMs } = planChecks({
          checks: current.status.checks,
          reachable,
          hostIsWell,
          bootedAt: current.status.machine?.startedAt ?? clock.now(),
          now: clock.now(),
        });
        tx.update(current, { status: { ...current.status, checks } });
        return { requeueAfterMs };
      });
    },
  };
}

/** Between two boots there is nothing to check, and the loop `ec2.instance` says `initializing`. */
const isInItsBoot = (instance: Instance): boolean => {
  const { machine } = instance.status;
  return (
    stateOf(instance) === 'running' && machine?.state === 'running' && machine.boot === wantedBoot(instance)
  );
};
