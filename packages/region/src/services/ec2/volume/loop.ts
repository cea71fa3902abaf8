/**
 * The loop `ec2.volume`. Wanted: each volume made, as large as it is to be, or gone. Observed: what the volume driver
 * answers. Woken by the volume and its attachment; and by volumes that exist for no record, which are removed.
 */
import type { Reconciler } from '../../../reconcile/reconciler.ts';
import type { Resource, ResourceKey } from '../../../store/resource.ts';
import type { LoopContext } from '../../common/service.ts';
import { instanceOfStore, isForgottenStore } from './instance-store.ts';
import { modificationState } from './modify.ts';
import { GIB, type VolumeRecord, type VolumeStatus, volumeAttachments, volumes } from './volume.ts';

/** A volume that cannot be made for this long is given up. */
const GIVE_UP_AFTER_MS = 60_000;
/** What AWS does with a volume's data after it has grown, which here is nothing, is shown for this long. */
const OPTIMIZING_MS = 1_000;

export function volumeLoop(context: LoopContext): Reconciler {
  const { store, drivers, clock, log } = context;

  const write = (volume: VolumeRecord, status: Partial<VolumeStatus>): void =>
    store.transaction((tx) => {
      const current = tx.get(volumes, volume.region, volume.id);
      if (current) tx.update(current, { status: { ...current.status, ...status } });
    });

  const ensure = async ({ id, spec }: VolumeRecord): Promise<void> => {
    await drivers.volumes.ensure({ id, sizeBytes: spec.sizeGib * GIB, origin: spec.origin });
  };

  const create = async (volume: VolumeRecord): Promise<void> => {
    try {
      await ensure(volume);
    } catch (error) {
      if (clock.now() - volume.createdAt < GIVE_UP_AFTER_MS) throw error;
      log.error('a volume is given up', { volume: volume.id, error });
      const message = error instanceof Error ? error.message : String(error);
      write(volume, { state: 'error', message });
      return;
    }
    write(volume, { state: 'available' });
  };

  /** Grows it, or says that there is nothing left to do. */
  const modify = async (volume: VolumeRecord): Promise<{ requeueAfterMs: number } | undefined> => {
    const startedAt = volume.spec.modification?.startedAt;
    const state = modificationState(volume);
    if (startedAt === undefined || state === undefined || state === 'completed') return undefined;
    if (state === 'modifying') {
      await ensure(volume);
      write(volume, { modification: { startedAt, state: 'optimizing' } });
      return { requeueAfterMs: OPTIMIZING_MS };
    }
    const leftMs = startedAt + OPTIMIZING_MS - clock.now();
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    write(volume, { modification: { startedAt, state: 'completed', endedAt: clock.now() } });
    return undefined;
  };

  const remove = async (key: ResourceKey): Promise<void> => {
    await drivers.volumes.remove(key.id);
    store.transaction((tx) => tx.remove(key));
  };

  /** Of a volume that has no record under the key that names it. */
  const isStray = (id: string): boolean =>
    instanceOfStore(id) === undefined
      ? !store.everywhere(volumes).some((volume) => volume.id === id)
      : isForgottenStore(store, id);

  return {
    name: 'ec2.volume',

    keysFor(changed: Resource) {
      if (changed.kind === volumes.kind) return [changed];
      if (changed.kind !== volumeAttachments.kind) return [];
      return [{ kind: volumes.kind, region: changed.region, id: changed.id }];
    },

    async found() {
      const existing = await drivers.volumes.list();
      return existing
        .filter(({ id }) => isStray(id))
        .map(({ id }) => ({ kind: volumes.kind, region: 'global', id }));
    },

    async reconcile(key) {
      const volume = store.get(volumes, key.region, key.id);
      if (!volume) {
        // Named when it was found without a record, or when its record went: it may have one by now.
        if (isStray(key.id)) await drivers.volumes.remove(key.id);
        return undefined;
      }
      if (volume.spec.wanted === 'deleted') {
        if (!store.get(volumeAttachments, key.region, key.id)) await remove(key);
        return undefined;
      }
      if (volume.status.state === 'creating') await create(volume);
      return modify(store.get(volumes, key.region, key.id) ?? volume);
    },
  };
}
