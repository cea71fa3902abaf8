/**
 * Kernel settings of this machine that a region must change while it runs. The value found first is written down before
 * anything is changed, so that `restoreSysctls` gives back exactly what was there, also after a crash in between.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostLayout } from '../layout.ts';

const recordPath = (layout: HostLayout): string => join(layout.runDirectory, 'sysctl.json');

/** Where a setting lives: `net.ipv4.ip_forward` is `/proc/sys/net/ipv4/ip_forward`. */
const settingPath = (key: string): string => {
  if (!/^[a-z0-9_]+(\.[A-Za-z0-9_-]+)+$/.test(key)) throw new Error(`sysctl ${key}: not a setting's name`);
  return join('/proc/sys', ...key.split('.'));
};

function readRecord(layout: HostLayout): Record<string, { found: string; set: string }> {
  try {
    return JSON.parse(readFileSync(recordPath(layout), 'utf8')) as Record<
      string,
      { found: string; set: string }
    >;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

function writeRecord(layout: HostLayout, record: Record<string, { found: string; set: string }>): void {
  mkdirSync(layout.runDirectory, { recursive: true });
  const path = recordPath(layout);
  writeFileSync(`${path}.new`, `${JSON.stringify(record, undefined, 2)}\n`);
  renameSync(`${path}.new`, path);
}

/** The setting's value now, without the line's end. */
export const readSysctl = (key: string): string => readFileSync(settingPath(key), 'utf8').trim();

/**
 * Sets a kernel setting and remembers what was there before this region touched it. Setting what is already there
 * changes and records nothing. Everything here is synchronous, so that two callers in one process cannot interleave.
 */
export function setSysctl(layout: HostLayout, key: string, value: string): void {
  const present = readSysctl(key);
  if (present === value) return;
  const record = readRecord(layout);
  record[key] = { found: record[key]?.found ?? present, set: value };
  writeRecord(layout, record);
  writeFileSync(settingPath(key), value);
}

/** Like `setSysctl` for a number that must be at least `value`: a higher one stays. */
export function raiseSysctl(layout: HostLayout, key: string, value: number): void {
  if (Number(readSysctl(key)) < value) setSysctl(layout, key, String(value));
}

/**
 * Gives back what `setSysctl` changed. A setting that somebody else has changed since is theirs and stays. Nothing
 * recorded is success.
 */
export function restoreSysctls(layout: HostLayout): void {
  for (const [key, { found, set }] of Object.entries(readRecord(layout))) {
    if (readSysctl(key) === set) writeFileSync(settingPath(key), found);
  }
  rmSync(recordPath(layout), { force: true });
}
