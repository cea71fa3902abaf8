/**
 * The loop `ec2.recovery`. Wanted: an instance whose recovery was asked for and found no host is recovered as soon as
 * one is well, or left alone when its own host is. Observed: hosts and faults. Woken by these, and each minute.
 */
import type { Reconciler } from '../../../reconcile/reconciler.ts';
import { AwsError } from '../../common/errors.ts';
import { type LoopContext, loopScope } from '../../common/service.ts';
import { faults } from '../fault/fault.ts';
import { hosts, type Instance, instances } from '../records.ts';
import { recoverInstance } from './recover.ts';

const TRY_AGAIN_MS = 60_000;

const waits = ({ spec }: Instance): boolean => spec.recoveryAskedAt !== undefined;

export function recoveryLoop(context: LoopContext): Reconciler {
  const { store, log } = context;

  /** It was stopped meanwhile, or has been recovered too often: nobody waits any more. */
  const giveUp = (region: string, id: string): void =>
    store.transaction((tx) => {
      const current = tx.get(instances, region, id);
      if (!current) return;
      const { recoveryAskedAt: _, ...spec } = current.spec;
      tx.update(current, { spec });
    });

  return {
    name: 'ec2.recovery',

    keysFor(changed) {
      if (changed.kind === instances.kind) return waits(changed as Instance) ? [changed] : [];
      if (changed.kind !== hosts.kind && changed.kind !== faults.kind) return [];
      return store.list(instances, changed.region).filter(waits);
    },

    async reconcile({ region, id }) {
      const instance = store.get(instances, region, id);
      if (!instance || !waits(instance)) return undefined;
      try {
        const { outcome } = store.transaction((tx) => recoverInstance(loopScope(context, tx, region), id));
        return outcome === 'waiting' ? { requeueAfterMs: TRY_AGAIN_MS } : undefined;
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        log.info('a recovery is given up', { instance: id, reason: error.message });
        giveUp(region, id);
        return undefined;
      }
    },
  };
}
