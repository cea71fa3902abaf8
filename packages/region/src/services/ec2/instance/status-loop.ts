/**
 * The loop `ec2.instance-status`. Wanted: of each running instance, every minute, whether it can be reached and whether
 * what it lives on is well. Observed: its interface answers its router and its init runs (the instance check); its logical
 * host has not failed and its zone is not cut off (the system check). Woken by the minute, and by the instance, whose
 * boots begin a minute anew.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-system-instance-status-check.html
 *
 * It writes `checks` in the status of the loop `ec2.instance`, and nothing else there.
 */
import type { Reconciler } from '../../../reconcile/reconciler.ts';
import type { LoopContext } from '../../common/service.ts';
import { isHostWell } from '../fault/impairment.ts';
import { interfacesOfEndpoint } from '../network/index.ts';
import { type Instance, instances } from '../records.ts';
import { wantedBoot } from './plan.ts';
import { planChecks } from './plan-checks.ts';
import { stateOf } from './state.ts';

export function instanceStatusLoop({ store, drivers, clock }: LoopContext): Reconciler {
  /** When each running instance is looked at next: news of it do not hasten that. */
  const due = new Map<string, { readonly boot: number; readonly at: number }>();

  const isReachable = async ({ region, id, spec }: Instance): Promise<boolean> => {
    const primary = interfacesOfEndpoint(store, region, id)[0];
    if (!primary || !(await drivers.compute.responds(id))) return false;
    return drivers.network.probe(spec.vpcId, primary.id);
  };

  return {
    name: 'ec2.instance-status',

    keysFor: (changed) => (changed.kind === instances.kind ? [changed] : []),

    async reconcile(key) {
      const before = store.get(instances, key.region, key.id);
      if (!before || !isInItsBoot(before)) {
        due.delete(key.id);
        return undefined;
      }
      const boot = wantedBoot(before);
      const next = due.get(key.id);
      if (next?.boot === boot && next.at > clock.now()) return { requeueAfterMs: next.at - clock.now() };
      const reachable = await isReachable(before);
      return store.transaction((tx) => {
        const current = tx.get(instances, key.region, key.id);
        // What was found belongs to another boot by now: the change that began it has named this key again.
        if (!current || !isInItsBoot(current)) return undefined;
        if (wantedBoot(current) !== boot) return undefined;
        const { checks, requeueAfterMs } = planChecks({
          checks: current.status.checks,
          reachable,
          hostIsWell: isHostWell(tx, current),
          bootedAt: current.status.machine?.startedAt ?? clock.now(),
          now: clock.now(),
        });
        tx.update(current, { status: { ...current.status, checks } });
        due.set(key.id, { boot, at: clock.now() + requeueAfterMs });
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
