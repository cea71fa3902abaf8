import type { Resource, ResourceKey } from '../store/resource.ts';

export interface ReconcileResult {
  /** Look again after this much region time even if nothing changes. */
  readonly requeueAfterMs?: number;
}

/**
 * One control loop. It is level-triggered: `reconcile` reads wanted and observed state, decides, acts through idempotent
 * drivers and writes `status`; it is right from any starting state, after any crash, with any event lost.
 */
export interface Reconciler {
  /** Service and resource, such as `autoscaling.group`. */
  readonly name: string;
  /** Which keys of this loop a changed (or removed) resource concerns: ids only, never the event's contents. */
  keysFor(changed: Resource): Iterable<ResourceKey>;
  /** Keys of what really exists in the drivers, so that what nobody wants any more is found after a restart. */
  found?(): Promise<Iterable<ResourceKey>>;
  /** Starts watching the drivers; `wake` names a key that may differ. Returns the way to stop. */
  watch?(wake: (key: ResourceKey) => void): () => void;
  /** Makes one key's world as wanted. An exception is logged and tried again with back-off. */
  reconcile(key: ResourceKey): Promise<ReconcileResult | undefined>;
}
