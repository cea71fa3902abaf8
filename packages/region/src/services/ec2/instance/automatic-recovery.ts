/**
 * The loop `ec2.automatic-recovery`: what AWS calls simplified automatic recovery. Wanted: an instance whose host failed
 * is recovered without anybody asking, unless its maintenance options say otherwise, it cannot be recovered (see
 * `recoveryObstacle`), or its whole zone is in trouble, as which AWS leaves it. Observed: the system status check, hosts
 * and faults. Woken by the instance, whose checks are part of it.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-configuration-recovery.html
 */
import type { Reconciler } from '../../../reconcile/reconciler.ts';
import type { Reader } from '../../../store/store.ts';
import { type LoopContext, loopScope } from '../../common/service.ts';
import { isHostFailed, lostZones } from '../fault/impairment.ts';
import { type Instance, instances } from '../records.ts';
import { wantedBoot } from './plan.ts';
import { recoverInstance, recoveryObstacle } from './recover.ts';

/**
 * How long the system status check has failed when recovery begins. AWS names no figure, but says that an alarm's recover
 * action, which acts within minutes, is the faster way.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/cloudwatch-recovery.html
 */
const AUTOMATIC_RECOVERY_AFTER_MS = 300_000;

/** Since when the system check of the boot that is wanted fails. After a recovery, the old boot's says nothing. */
const failingSince = (instance: Instance): number | undefined => {
  const { checks, machine } = instance.status;
  if (checks.system !== 'impaired' || machine?.boot !== wantedBoot(instance)) return undefined;
  return checks.systemImpairedSince;
};

/** Is it this instance's host alone that failed, and does nobody else see to it already? */
const isToRecover = (reader: Reader, instance: Instance): boolean =>
  instance.spec.autoRecovery !== 'disabled' &&
  instance.spec.recoveryAskedAt === undefined &&
  isHostFailed(reader, instance) &&
  !lostZones(reader, instance.region).has(instance.spec.zone);

export function automaticRecoveryLoop(context: LoopContext): Reconciler {
  const { store, clock, log } = context;
  return {
    name: 'ec2.automatic-recovery',

    keysFor: (changed) =>
      changed.kind === instances.kind && failingSince(changed as Instance) !== undefined ? [changed] : [],

    async reconcile({ region, id }) {
      return store.transaction((tx) => {
        const instance = tx.get(instances, region, id);
        const since = instance && failingSince(instance);
        if (!instance || since === undefined || !isToRecover(tx, instance)) return undefined;
        const leftMs = since + AUTOMATIC_RECOVERY_AFTER_MS - clock.now();
        if (leftMs > 0) return { requeueAfterMs: leftMs };
        const scope = loopScope(context, tx, region);
        if (recoveryObstacle(scope, instance, 'automatic')) return undefined;
        const { outcome } = recoverInstance(scope, id);
        log.info('an instance is recovered by itself', { instance: id, outcome });
        return undefined;
      });
    },
  };
}
