/**
 * What the region needs of whatever holds its disks: volumes, which are block devices, and snapshots of them. Every call is
 * idempotent and safe to repeat after a crash at any moment. Putting a volume into a machine is the compute driver's.
 */

/** What is on a volume before anybody has written to it. */
export type VolumeOrigin =
  /** Nothing: every byte is zero. */
  | { readonly kind: 'empty' }
  /** A file system for the root of a machine, in which nothing was changed yet: see `MachineSpec.layers`. */
  | { readonly kind: 'root' }
  | { readonly kind: 'snapshot'; readonly snapshotId: string };

/** One volume as wanted. */
export interface VolumeSpec {
  /** `vol-…`, or the name of an instance store's. Letters, digits and hyphens. */
  readonly id: string;
  /** A volume grows when this does, also while a machine has it; it never shrinks. A multiple of 1 MiB. */
  readonly sizeBytes: number;
  readonly origin: VolumeOrigin;
}

/** One volume as found. */
export interface VolumeStatus {
  readonly id: string;
  readonly sizeBytes: number;
}

/** One snapshot as found. */
export interface SnapshotStatus {
  readonly id: string;
  /** Of the volume when it was taken. */
  readonly volumeSizeBytes: number;
  /** What of it is not empty. */
  readonly dataBytes: number;
}

export interface VolumeDriver {
  /**
   * Makes the volume, or lets it grow. Throws when its snapshot does not exist; a volume that is there already does not
   * ask for it any more.
   */
  ensure(volume: VolumeSpec): Promise<VolumeStatus>;

  /** Removes a volume that no machine has. Already gone is success; one that a machine has is an error that may pass. */
  remove(id: string): Promise<void>;

  /** All volumes that exist. */
  list(): Promise<VolumeStatus[]>;

  /**
   * Takes a snapshot of one volume at this moment, also while a machine writes to it: what was written to the block device
   * before the call is in it, what is written after it has returned is not. On disk when this resolves. A snapshot of that
   * id that is there already is left as it is.
   */
  snapshot(volumeId: string, snapshotId: string): Promise<SnapshotStatus>;

  /** Removes a snapshot; volumes made from it are not touched. Already gone is success. */
  removeSnapshot(id: string): Promise<void>;

  /** All snapshots that exist. */
  listSnapshots(): Promise<SnapshotStatus[]>;
}
