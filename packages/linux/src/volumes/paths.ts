/** Where volumes and snapshots stand on this host: `<stateDirectory>/volumes`, on a file system that clones files. */
import { join } from 'node:path';
import type { HostLayout } from '../layout.ts';

export interface VolumePaths {
  /** Holds all of it; a mount point where the host's own file system cannot clone files. */
  readonly pool: string;
  /** The pool's own file system, when it has one. */
  readonly poolImage: string;
  readonly volumes: string;
  readonly snapshots: string;
  readonly templates: string;
}

export function volumePaths(layout: HostLayout): VolumePaths {
  const pool = join(layout.stateDirectory, 'volumes');
  return {
    pool,
    poolImage: join(layout.stateDirectory, 'volumes.xfs'),
    volumes: join(pool, 'volumes'),
    snapshots: join(pool, 'snapshots'),
    templates: join(pool, 'templates'),
  };
}

export function checkedVolumeId(id: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,126}$/.test(id)) throw new Error(`volume id ${JSON.stringify(id)} is not valid`);
  return id;
}

/** The file that is a volume. */
export const volumeFile = (layout: HostLayout, id: string): string =>
  join(volumePaths(layout).volumes, checkedVolumeId(id));
