/**
 * The file system on a root volume before anybody has used it: an ext4 that holds the two folders an overlay needs. Made
 * once for each size, then cloned.
 */
import { chmodSync, closeSync, existsSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../host/command.ts';
import { removeTree } from '../host/files.ts';
import type { HostLayout } from '../layout.ts';
import { volumePaths } from './paths.ts';

/** What stands at the top of a root volume. `machine` names the instance that wrote it last. */
export const rootVolumeNames = { upper: 'upper', work: 'work', machine: 'machine' } as const;

// All that is not written to is zero in a sparse file, so nothing has to be zeroed, now or by the kernel later on.
const extended = 'lazy_itable_init=1,lazy_journal_init=1,assume_storage_prezeroed=1,root_owner=0:0';

/** The template for root volumes of one size; made when there is none. Calls for one size must come one by one. */
export async function rootTemplate(layout: HostLayout, sizeBytes: number): Promise<string> {
  const { templates } = volumePaths(layout);
  const path = join(templates, `root-${sizeBytes}`);
  if (existsSync(path)) return path;
  const [temporary, contents] = [`${path}.new`, `${path}.contents`];
  await rm(temporary, { force: true });
  for (const [name, mode] of [
    ['', 0o700],
    [rootVolumeNames.upper, 0o755],
    [rootVolumeNames.work, 0o700],
  ] as const) {
    mkdirSync(join(contents, name), { recursive: true });
    chmodSync(join(contents, name), mode);
  }
  const file = openSync(temporary, 'w', 0o600);
  ftruncateSync(file, sizeBytes);
  closeSync(file);
  await runCommand(['mkfs.ext4', '-q', '-F', '-b', '4096', '-E', extended, '-d', contents, temporary]);
  await removeTree(contents);
  await rename(temporary, path);
  return path;
}
