/**
 * The loop `ec2.image`. Wanted: of each pending image the disk captured, once the instance is off where the image waits for
 * that (the loop `ec2.instance` shuts it down, and boots it again when the image is pending no longer). Observed: the
 * machine as the compute driver finds it. Woken by the image and by its instance.
 *
 * Two small ones stand beside it: `ec2.base-image` takes over what images the driver offers, and `ec2.layer` removes
 * captured layers that nothing needs any more.
 */
import type { Reconciler } from '../../../reconcile/reconciler.ts';
import type { ResourceKey } from '../../../store/resource.ts';
import type { LoopContext } from '../../common/service.ts';
import { isToTerminate } from '../instance/state.ts';
import { type Instance, instances } from '../records.ts';
import { snapshots } from '../snapshot/snapshot.ts';
import { baseImages, type ImageRecord, images, recordBaseImages } from './image.ts';

/** A capture that fails for this long is given up, so that the instance comes back. */
const GIVE_UP_AFTER_MS = 300_000;
/** A machine that is still on is looked at again, should nobody say that it is off. */
const LOOK_AGAIN_MS = 5_000;

export function imageLoop(context: LoopContext): Reconciler {
  const { store, drivers, clock } = context;

  const end = (
    key: ResourceKey,
    snapshotId: string,
    failure?: { readonly code: string; readonly message: string },
  ): void =>
    store.transaction((tx) => {
      const snapshot = tx.get(snapshots, key.region, snapshotId);
      if (snapshot) {
        const done = failure
          ? ({ state: 'error', message: failure.message } as const)
          : ({ state: 'completed', completedAt: clock.now() } as const);
        tx.update(snapshot, { status: done });
      }
      const image = tx.get(images, key.region, key.id);
      if (!image) return;
      const status = failure
        ? ({ state: 'failed', reason: failure } as const)
        : ({ state: 'available' } as const);
      tx.update(image, { status });
    });

  return {
    name: 'ec2.image',

    keysFor(changed) {
      if (changed.kind === images.kind) return [changed];
      if (changed.kind !== instances.kind) return [];
      return store
        .list(images, changed.region)
        .filter(({ spec, status }) => spec.instanceId === changed.id && status.state === 'pending');
    },

    async reconcile(key) {
      const image = store.get(images, key.region, key.id);
      if (image?.status.state !== 'pending') return undefined;
      const { snapshotId, instanceId, beforeBoot } = image.spec;
      const instance = store.get(instances, key.region, instanceId);
      const machine = await drivers.compute.status(instanceId);
      if (!instance || isToTerminate(instance) || !machine) {
        const message = `Client.InvalidInstance: The instance ${instanceId} has no disk any more`;
        end(key, snapshotId, { code: 'Client.InvalidInstance', message });
        return undefined;
      }
      if (beforeBoot !== undefined && machine.state === 'running') return { requeueAfterMs: LOOK_AGAIN_MS };
      try {
        await drivers.compute.capture(instanceId, snapshotId);
      } catch (error) {
        if (clock.now() - image.createdAt < GIVE_UP_AFTER_MS) throw error;
        const message = 'Server.InternalError: The disk could not be captured';
        context.log.error('an image is given up', { image: key.id, error });
        end(key, snapshotId, { code: 'Server.InternalError', message });
        return undefined;
      }
      end(key, snapshotId);
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

const LAYER = 'ec2.layer';

/** Layers are known by their snapshot's id, in all regions of the store alike. */
export function layerLoop({ store, drivers }: LoopContext): Reconciler {
  const keysOf = (layers: readonly string[]): ResourceKey[] =>
    layers.filter((layer) => layer.startsWith('snap-')).map((id) => ({ kind: LAYER, region: 'global', id }));

  const isNeeded = (layer: string): boolean =>
    store.everywhere(snapshots).some(({ id }) => id === layer) ||
    store.everywhere(images).some(({ spec }) => spec.layers.includes(layer)) ||
    store
      .everywhere(instances)
      .some(({ spec, status }) => status.state !== 'terminated' && spec.layers.includes(layer));

  return {
    name: LAYER,

    keysFor(changed) {
      if (changed.kind === snapshots.kind) return keysOf([changed.id]);
      if (changed.kind === images.kind) return keysOf((changed as ImageRecord).spec.layers);
      if (changed.kind !== instances.kind) return [];
      const { spec, status } = changed as Instance;
      return status.state === 'terminated' ? keysOf(spec.layers) : [];
    },

    found: async () => keysOf(await drivers.compute.listLayers()),

    async reconcile({ id }) {
      if (!isNeeded(id)) await drivers.compute.removeLayer(id);
      return undefined;
    },
  };
}
