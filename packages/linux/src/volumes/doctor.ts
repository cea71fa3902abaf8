/** What this host lacks for volumes, in words. */
import { existsSync } from 'node:fs';
import { release } from 'node:os';
import { readOptional } from '../host/files.ts';
import { hasCommand, type Missing } from '../host/missing.ts';

const commands: readonly [command: string, debianPackage: string, why: string][] = [
  ['mkfs.ext4', 'e2fsprogs', 'it makes the file systems of root volumes'],
  ['mkfs.xfs', 'xfsprogs', 'it makes the file system on which volumes are cloned'],
];

const fileSystems = ['ext4', 'xfs'] as const;

/** Empty when machines can have volumes here. */
export function missingForVolumes(): Missing[] {
  if (process.platform !== 'linux') return [];
  const missing: Missing[] = commands
    .filter(([what]) => !hasCommand(what))
    .map(([what, debianPackage, why]) => ({ what, why, howToGet: `apt-get install ${debianPackage}` }));
  if (!existsSync('/dev/loop-control'))
    missing.push({ what: 'loop devices', why: 'volumes are files behind them', howToGet: 'modprobe loop' });
  // The kernel loads a module when it is first needed.
  const known = ['/proc/filesystems', `/lib/modules/${release()}/modules.dep`].map(readOptional).join('\n');
  for (const type of fileSystems)
    if (!new RegExp(`\\b${type}(\\.ko\\b.*)?$`, 'm').test(known))
      missing.push({ what: `the file system ${type}`, why: 'volumes have it', howToGet: `modprobe ${type}` });
  return missing;
}
