/**
 * Image layers: folders that are stacked under a machine's own disk. Base layers lie in the cache, for all regions of
 * this host; those of imported images in the region's state. A layer folder that exists is whole: it is made under another name.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../host/command.ts';
import { entriesOf, removeTree, syncDirectory } from '../host/files.ts';
import type { HostLayout } from '../layout.ts';

const temporaryPrefix = '.new-';

function checkedId(layer: string): string {
  if (!/^[a-z0-9][a-z0-9.-]{0,126}$/.test(layer))
    throw new Error(`layer id ${JSON.stringify(layer)} is not valid`);
  return layer;
}

const importedDirectory = (layout: HostLayout): string => join(layout.stateDirectory, 'layers');
export const baseLayerPath = (layout: HostLayout, layer: string): string =>
  join(layout.cacheDirectory, 'layers', checkedId(layer));
export const importedLayerPath = (layout: HostLayout, layer: string): string =>
  join(importedDirectory(layout), checkedId(layer));

/** The folder of a layer; undefined when there is none of that id. */
export function findLayer(layout: HostLayout, layer: string): string | undefined {
  return [importedLayerPath(layout, layer), baseLayerPath(layout, layer)].find((path) => existsSync(path));
}

/**
 * Makes the folder `path` by `fill`, which gets an empty folder beside it. Either all of it is there in the end or
 * nothing. When somebody else was quicker, theirs stays.
 */
export async function makeWhole(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const parent = join(path, '..');
  mkdirSync(parent, { recursive: true, mode: 0o755 });
  const temporary = join(parent, `${temporaryPrefix}${process.pid}-${randomBytes(6).toString('hex')}`);
  try {
    mkdirSync(temporary, { mode: 0o755 });
    await fill(temporary);
    // Whole on disk before it has its name, and nothing left that a new region's own writes would have to wait for.
    await runCommand(['sync', '--file-system', temporary]);
    await rename(temporary, path).catch((error: unknown) => {
      if (!existsSync(path)) throw error;
    });
    syncDirectory(parent);
  } finally {
    await removeTree(temporary);
  }
}

/** Removes what imports by processes that are gone have left half-made. */
export async function removeUnfinishedLayers(layout: HostLayout): Promise<void> {
  for (const name of entriesOf(importedDirectory(layout))) {
    const [, maker] = /^\.new-(\d+)-/.exec(name) ?? [];
    if (maker && !existsSync(`/proc/${maker}`)) await removeTree(join(importedDirectory(layout), name));
  }
}

/** Space on disk that a folder takes, in bytes. */
export async function treeSizeBytes(path: string): Promise<number> {
  const [size] = (await runCommand(['du', '--summarize', '--block-size=1', path])).split('\t');
  return Number(size);
}
