/**
 * Two loops of snapshots. `ec2.snapshot` completes those whose data were taken with their call; those that an image takes
 * are `ec2.image`'s. `ec2.snapshot-data` removes data that no snapshot of any region stands for: at once when the last of
 * them went, and after a while when none was ever there, because data are taken before the snapshot is recorded.
 */
import type { TimeMs } from '../../../clock.ts';
import type { Reconciler } from '../../../reconcile/reconciler.ts';
import type { ResourceKey } from '../../../store/resource.ts';
import type { LoopContext } from '../../common/service.ts';
import { type VolumeRecord, volumes } from '../volume/volume.ts';
import { dataOf, type SnapshotRecord, snapshots } from './snapshot.ts';

export function snapshotLoop({ store, clock }: LoopContext): Reconciler {
  return {
    name: 'ec2.snapshot',

    keysFor: (changed) => (changed.kind === snapshots.kind ? [changed] : []),

    async reconcile(key) {
      store.transaction((tx) => {
        const snapshot = tx.get(snapshots, key.region, key.id);
        if (!snapshot?.spec.taken || snapshot.status.state !== 'pending') return;
        tx.update(snapshot, { status: { state: 'completed', completedAt: clock.now() } });
      });
      return undefined;
    },
  };
}

const DATA = 'ec2.snapshot-data';
/**
 * A call that takes a snapshot records it long before this, however slow the disk. What a killed one left is in nobody's
 * way.
 */
const UNRECORDED_FOR_MS = 600_000;

export function snapshotDataLoop({ store, drivers, clock }: LoopContext): Reconciler {
  /** Data that some snapshot has stood for since this process began. */
  const recorded = new Set<string>();
  /** When data were first found without one. */
  const strange = new Map<string, TimeMs>();

  const keyOfData = (id: string): ResourceKey => ({ kind: DATA, region: 'global', id });

  /** A volume that is still being made of it needs it too. */
  const isNeeded = (id: string): boolean =>
    store.everywhere(snapshots).some((snapshot) => dataOf(snapshot) === id) ||
    store.everywhere(volumes).some(({ spec, status }) => {
      const waits = status.state === 'creating' && spec.wanted === 'present';
      return waits && spec.origin.kind === 'snapshot' && spec.origin.snapshotId === id;
    });

  return {
    name: DATA,

    keysFor(changed) {
      if (changed.kind === snapshots.kind) {
        const dataId = dataOf(changed as SnapshotRecord);
        if (dataId === undefined) return [];
        recorded.add(dataId);
        return [keyOfData(dataId)];
      }
      if (changed.kind !== volumes.kind) return [];
      const { origin } = (changed as VolumeRecord).spec;
      return origin.kind === 'snapshot' ? [keyOfData(origin.snapshotId)] : [];
    },

    found: async () => (await drivers.volumes.listSnapshots()).map(({ id }) => keyOfData(id)),

    async reconcile({ id }) {
      if (isNeeded(id)) {
        strange.delete(id);
        return undefined;
      }
      const since = strange.get(id) ?? clock.now();
      const leftMs = recorded.has(id) ? 0 : since + UNRECORDED_FOR_MS - clock.now();
      if (leftMs > 0) {
        strange.set(id, since);
        return { requeueAfterMs: leftMs };
      }
      await drivers.volumes.removeSnapshot(id);
      strange.delete(id);
      recorded.delete(id);
      return undefined;
    },
  };
}
