/**
 * The loop `elbv2.target-group`: the health of a group's targets.
 *
 * Wanted: each target's status says what `targetHealth` makes of it; a drained one is gone. Observed: what the load
 * balancer's nodes see, and the targets' instances. Woken by all of these; a draining target waits for its moment.
 */
import type { Reconciler } from '../../reconcile/reconciler.ts';
import type { LoopContext } from '../common/service.ts';
import { deregistrationDelayMs } from './attributes.ts';
import { concernedGroups } from './interested.ts';
import { loadBalancers, nodes, targetGroups } from './records.ts';
import { targetsOf } from './target.ts';
import { loadBalancerOfGroup } from './target-group.ts';
import { targetHealth } from './target-health.ts';
import { targetPlaces } from './target-place.ts';

export function targetGroupLoop(context: LoopContext): Reconciler {
  const { store, clock } = context;
  return {
    name: 'elbv2.target-group',
    keysFor: (changed) =>
      concernedGroups(store, changed).map((id) => ({
        kind: targetGroups.kind,
        region: changed.region,
        id,
      })),
    async reconcile({ region, id }) {
      const nextAt = store.transaction((tx) => {
        const group = tx.get(targetGroups, region, id);
        if (!group) return undefined;
        const now = clock.now();
        const delayMs = deregistrationDelayMs(group);
        const loadBalancerId = loadBalancerOfGroup(tx, region, id);
        const zones = loadBalancerId && tx.get(loadBalancers, region, loadBalancerId)?.spec.zones;
        const views = tx
          .list(nodes, region)
          .filter(({ spec, status }) => spec.loadBalancerId === loadBalancerId && status.serving)
          .map(({ status }) => status.targets);
        const placeOf = targetPlaces(tx, region);
        let earliest: number | undefined;
        for (const target of targetsOf({ tx, region }, id)) {
          const health = targetHealth({
            target,
            place: placeOf(group, target),
            targetType: group.spec.targetType,
            deregistrationDelayMs: delayMs,
            now,
            ...(zones && { loadBalancer: { zones: zones.map(({ zone }) => zone), views } }),
          });
          if (!health) {
            tx.remove(target);
            continue;
          }
          tx.update(target, { status: health });
          if (target.spec.deregisteredAt === undefined) continue;
          earliest = Math.min(earliest ?? Number.POSITIVE_INFINITY, target.spec.deregisteredAt + delayMs);
        }
        return earliest;
      });
      return nextAt === undefined ? undefined : { requeueAfterMs: Math.max(1, nextAt - clock.now()) };
    },
  };
}
