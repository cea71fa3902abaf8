/** The file that says who runs a region, checked against the process itself: a pid alone may be somebody else's by now. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { startTicksOf } from '@holdfast/linux/host/process.ts';
import type { DriverName, Place } from '../place.ts';

export interface ControlRecord {
  readonly pid: number;
  /** Start time of that process in the kernel's ticks. */
  readonly startTicks: string;
  readonly endpoint: string;
  readonly version: string;
  readonly driver: DriverName;
  readonly speed: number;
  readonly startedAt: string;
  /** The API answers from the beginning; what it wants is brought about once the loops run. */
  readonly loops: 'starting' | 'running';
}

/** What the last control wrote, whether it lives or not. */
export function readControlRecord(place: Place): ControlRecord | undefined {
  try {
    return JSON.parse(readFileSync(place.controlFile, 'utf8')) as ControlRecord;
  } catch {
    return undefined;
  }
}

/** The record of a control that lives. */
export function livingControl(place: Place): ControlRecord | undefined {
  const record = readControlRecord(place);
  return record && startTicksOf(record.pid) === record.startTicks ? record : undefined;
}

export function writeControlRecord(place: Place, record: ControlRecord): void {
  mkdirSync(dirname(place.controlFile), { recursive: true, mode: 0o700 });
  writeFileSync(`${place.controlFile}.new`, `${JSON.stringify(record, undefined, 2)}\n`);
  renameSync(`${place.controlFile}.new`, place.controlFile);
}

export function removeControlRecord(place: Place): void {
  rmSync(place.controlFile, { force: true });
}
