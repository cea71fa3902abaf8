/** A log file that does not grow: when it is full it becomes `.1`, and what was `.1` goes. */
import {
  appendFileSync,
  closeSync,
  constants,
  copyFileSync,
  openSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { causeChain } from '@holdfast/region/log.ts';

const LARGEST_BYTES = 1024 * 1024;

export type EdgeLog = (message: string, cause?: unknown) => void;

/**
 * Logs to a file. The file is copied and cut, not renamed: this process's own stderr leads to it as well. A full disk
 * must not end what serves, so a line that cannot be written is lost.
 */
export function edgeLog(path: string, now: () => Date = () => new Date()): EdgeLog {
  appendFileSync(path, '', { mode: 0o600 });
  return (message, cause) => {
    const line = `${now().toISOString()} ${message}${cause === undefined ? '' : `: ${causeChain(cause)}`}\n`;
    try {
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LARGEST_BYTES) {
        copyFileSync(path, `${path}.1`);
        truncateSync(path);
      }
      // Not made anew: a file that is gone went with its run directory.
      const file = openSync(path, constants.O_WRONLY | constants.O_APPEND);
      writeSync(file, line);
      closeSync(file);
    } catch {
      // See above.
    }
  };
}
