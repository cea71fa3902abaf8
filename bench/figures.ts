/** What the benches make of their figures, and how they say them. */
import { readFileSync } from 'node:fs';

/** The upper one of an even number. */
export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** One line of a bench. */
export const report = (what: string, figure: string): void => console.log(`${what.padEnd(62)} ${figure}`);

/** One line of a bench: middle and worst of its rounds, beside the limit for the worst. */
export function reportRounds(what: string, valuesMs: readonly number[], limitMs: number): void {
  const worst = Math.max(...valuesMs);
  const met = worst <= limitMs ? '' : '  MISSED';
  report(
    what,
    `p50 ${median(valuesMs).toFixed(1)} ms, worst of ${valuesMs.length} ${worst.toFixed(1)} ms (limit ${limitMs})${met}`,
  );
}

/** What a process takes of this machine's memory, in MB; what it shares with others is counted in parts. */
export const memoryOf = (pid: number): number =>
  Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1000;
