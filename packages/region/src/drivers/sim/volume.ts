/** Volumes that exist in memory only: what they hold is one string that a test may write. */
import type { SnapshotStatus, VolumeDriver, VolumeSpec, VolumeStatus } from '../volume.ts';

/** What a test can do to simulated volumes. */
export interface SimVolumes extends VolumeDriver {
  /** Writes to the block device. */
  write(id: string, contents: string): void;
  /** What is on it; undefined when there is no such volume. */
  read(id: string): string | undefined;
  /** From now on a volume, or a snapshot, of this id cannot be made for this reason; undefined: it can again. */
  refuse(id: string, reason: string | undefined): void;
}

interface Disk {
  sizeBytes: number;
  contents: string;
}

export function simVolumes(): SimVolumes {
  const volumes = new Map<string, Disk>();
  const snapshots = new Map<string, Disk>();
  const refused = new Map<string, string>();

  const statusOf = (id: string, { sizeBytes }: Disk): VolumeStatus => ({ id, sizeBytes });
  const snapshotStatusOf = (id: string, { sizeBytes, contents }: Disk): SnapshotStatus => ({
    id,
    volumeSizeBytes: sizeBytes,
    dataBytes: contents.length,
  });
  const found = (disks: Map<string, Disk>, id: string): Disk => {
    const disk = disks.get(id);
    if (!disk) throw new Error(`${id} does not exist`);
    return disk;
  };
  const checkAllowed = (id: string): void => {
    const reason = refused.get(id);
    if (reason !== undefined) throw new Error(reason);
  };
  const make = ({ id, sizeBytes, origin }: VolumeSpec): Disk => {
    const contents = origin.kind === 'snapshot' ? found(snapshots, origin.snapshotId).contents : '';
    const disk = { sizeBytes, contents };
    volumes.set(id, disk);
    return disk;
  };

  return {
    async ensure(spec) {
      checkAllowed(spec.id);
      const disk = volumes.get(spec.id) ?? make(spec);
      disk.sizeBytes = Math.max(disk.sizeBytes, spec.sizeBytes);
      return statusOf(spec.id, disk);
    },

    async remove(id) {
      volumes.delete(id);
    },

    list: async () => [...volumes].map(([id, disk]) => statusOf(id, disk)),

    async snapshot(volumeId, snapshotId) {
      checkAllowed(snapshotId);
      const disk = snapshots.get(snapshotId) ?? { ...found(volumes, volumeId) };
      snapshots.set(snapshotId, disk);
      return snapshotStatusOf(snapshotId, disk);
    },

    async removeSnapshot(id) {
      snapshots.delete(id);
    },

    listSnapshots: async () => [...snapshots].map(([id, disk]) => snapshotStatusOf(id, disk)),

    write(id, contents) {
      found(volumes, id).contents = contents;
    },

    read: (id) => volumes.get(id)?.contents,

    refuse(id, reason) {
      if (reason === undefined) refused.delete(id);
      else refused.set(id, reason);
    },
  };
}
