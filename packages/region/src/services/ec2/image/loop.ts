/**
 * The loop `ec2.image`. Wanted: each pending image available, with all of its snapshots; those that were not taken with
 * the call are taken once the instance is off, where the image waits for that (the loop `ec2.instance` shuts it down, and
 * boots it again when the image is pending no longer). Observed: the machine as the compute driver finds it. Woken by the
 * image, its snapshots and its instance.
 *
 * A small one stands beside it: `ec2.base-image` takes over what images the compute driver offers.
 */
import type { Reconciler } from '../../../reconcile/reconciler.ts';
import type { ResourceKey } from '../../../store/resource.ts';
import type { LoopContext } from '../../common/service.ts';
import { isToTerminate } from '../instance/state.ts';
import { instances } from '../records.ts';
import { takeSnapshots } from '../snapshot/create.ts';
import { type SnapshotRecord, snapshots } from '../snapshot/snapshot.ts';
import { baseImages, type ImageRecord, images, recordBaseImages } from './image.ts';

/** Snapshots that fail for this long are given up, so that the instance comes back. */
const GIVE_UP_AFTER_MS = 300_000;
/** What an image waits for is looked at again, should nobody say that it is so: a machine that is off, a copy's end. */
const LOOK_AGAIN_MS = 5_000;

interface Failure {
  readonly code: string;
  readonly message: string;
}

export function imageLoop(context: LoopContext): Reconciler {
  const { store, drivers, clock } = context;

  const pendingSnapshots = ({ region, spec }: ImageRecord): SnapshotRecord[] =>
    spec.disks
      .map(({ snapshotId }) => store.get(snapshots, region, snapshotId ?? ''))
      .filter((snapshot) => snapshot !== undefined)
      .filter(({ status }) => status.state === 'pending');

  const end = (key: ResourceKey, failure?: Failure): void =>
    store.transaction((tx) => {
      const image = tx.get(images, key.region, key.id);
      if (!image) return;
      for (const { snapshotId } of image.spec.disks) {
        const snapshot = tx.get(snapshots, key.region, snapshotId ?? '');
        if (!snapshot || snapshot.spec.taken || snapshot.status.state !== 'pending') continue;
        const done = failure
          ? ({ state: 'error', message: failure.message } as const)
          : ({ state: 'completed', completedAt: clock.now() } as const);
        tx.update(snapshot, { status: done });
      }
      const status = failure
        ? ({ state: 'failed', reason: failure } as const)
        : ({ state: 'available' } as const);
      tx.update(image, { status });
    });

  /** Takes what was not taken with the call. Says why that can never be. */
  const take = async (image: ImageRecord): Promise<Failure | 'later' | undefined> => {
    const { instanceId, beforeBoot } = image.spec;
    const pending = pendingSnapshots(image);
    // Copies complete by themselves, and nothing can be launched before they have.
    if (pending.some(({ spec }) => spec.taken)) return 'later';
    if (instanceId === undefined || pending.length === 0) return undefined;
    const existing = new Set((await drivers.volumes.listSnapshots()).map(({ id }) => id));
    const missing = pending.filter(({ id }) => !existing.has(id));
    if (missing.length === 0) return undefined;
    const instance = store.get(instances, image.region, instanceId);
    const machine = await drivers.compute.status(instanceId);
    if (!instance || isToTerminate(instance) || !machine) {
      const message = `Client.InvalidInstance: The instance ${instanceId} has no volumes any more`;
      return { code: 'Client.InvalidInstance', message };
    }
    if (beforeBoot !== undefined && machine.state === 'running') return 'later';
    try {
      const wanted = missing.map(({ id, spec }) => ({ volumeId: spec.volumeId, snapshotId: id }));
      await takeSnapshots(context, image.region, wanted);
      return undefined;
    } catch (error) {
      if (clock.now() - image.createdAt < GIVE_UP_AFTER_MS) throw error;
      context.log.error('an image is given up', { image: image.id, error });
      const message = 'Server.InternalError: A snapshot of a volume could not be taken';
      return { code: 'Server.InternalError', message };
    }
  };

  return {
    name: 'ec2.image',

    keysFor(changed) {
      if (changed.kind === images.kind) return [changed];
      const pending = (): ImageRecord[] =>
        store.list(images, changed.region).filter(({ status }) => status.state === 'pending');
      if (changed.kind === instances.kind) {
        return pending().filter(({ spec }) => spec.instanceId === changed.id);
      }
      if (changed.kind !== snapshots.kind) return [];
      return pending().filter(({ spec }) => spec.disks.some(({ snapshotId }) => snapshotId === changed.id));
    },

    async reconcile(key) {
      const image = store.get(images, key.region, key.id);
      if (image?.status.state !== 'pending') return undefined;
      const outcome = await take(image);
      if (outcome === 'later') return { requeueAfterMs: LOOK_AGAIN_MS };
      end(key, outcome);
      return undefined;
    },
  };
}

/** Woken at the start and now and then, because nobody says when the driver has a new image. */
export function baseImageLoop({ store, drivers }: LoopContext): Reconciler {
  return {
    name: 'ec2.base-image',
    keysFor: () => [],
    found: async () => [{ kind: baseImages.kind, region: 'global', id: 'all' }],
    async reconcile() {
      recordBaseImages(store, await drivers.compute.images());
      return undefined;
    },
  };
}
