/**
 * Kernel settings of this machine that regions must change while they run. What was there first is written down before
 * anything is changed, and who still needs the change, so that the last region to leave gives back exactly what the
 * first one found, also after a crash in between. All regions of a machine share the record: the settings are one too.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostLayout } from '../layout.ts';

/** One folder for each changed setting: `found`, `set`, and an empty file `for-<prefix>` for each region. */
const recordDirectory = '/run/holdfast-sysctl';

/** Where a setting lives: `net.ipv4.ip_forward` is `/proc/sys/net/ipv4/ip_forward`. */
const settingPath = (key: string): string => {
  if (!/^[a-z0-9_]+(\.[A-Za-z0-9_-]+)+$/.test(key)) throw new Error(`sysctl ${key}: not a setting's name`);
  return join('/proc/sys', ...key.split('.'));
};

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** The setting's value now, without the line's end. */
export const readSysctl = (key: string): string => readFileSync(settingPath(key), 'utf8').trim();

/**
 * Sets a kernel setting for as long as this region needs it. A value that is already there and that no region has set
 * is the machine's own: nothing is changed and nothing recorded.
 */
export function setSysctl(layout: HostLayout, key: string, value: string): void {
  const record = join(recordDirectory, key);
  const present = readSysctl(key);
  const found = readOptional(join(record, 'found'));
  if (found === undefined && present === value) return;
  mkdirSync(record, { recursive: true });
  if (found === undefined) writeFileSync(join(record, 'found'), present);
  writeFileSync(join(record, `for-${layout.prefix}`), '');
  writeFileSync(join(record, 'set'), value);
  if (present !== value) writeFileSync(settingPath(key), value);
}

/** Like `setSysctl` for a number that must be at least `value`: a higher one stays. */
export function raiseSysctl(layout: HostLayout, key: string, value: number): void {
  setSysctl(layout, key, String(Math.max(value, Number(readSysctl(key)))));
}

/**
 * Gives back what this region changed, unless another region still needs it. A setting that somebody else has changed
 * since is theirs and stays. Nothing recorded is success.
 */
export function restoreSysctls(layout: HostLayout): void {
  for (const key of entriesOf(recordDirectory)) {
    const record = join(recordDirectory, key);
    rmSync(join(record, `for-${layout.prefix}`), { force: true });
    if (entriesOf(record).some((name) => name.startsWith('for-'))) continue;
    const found = readOptional(join(record, 'found'));
    if (found !== undefined && readSysctl(key) === readOptional(join(record, 'set'))) {
      writeFileSync(settingPath(key), found);
    }
    rmSync(record, { recursive: true, force: true });
  }
  if (entriesOf(recordDirectory).length === 0) rmSync(recordDirectory, { recursive: true, force: true });
}
