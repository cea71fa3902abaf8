/**
 * The whole test suite: what runs anywhere first, then, as root, what really runs things on this machine. Arguments name
 * parts of file names: only tests whose path holds one of them run.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

interface Part {
  readonly title: string;
  readonly files: readonly string[];
  /** Test files at the same time. Those with regions of their own, by prefix, mostly wait. */
  readonly concurrency: number;
}

const parts: readonly Part[] = [
  {
    title: 'packages and simulation',
    files: ['packages/*/test/**/*.test.ts', 'test/simulation/**/*.test.ts'],
    concurrency: 2,
  },
  {
    title: 'stock tools and the real thing',
    files: ['test/conformance/**/*.test.ts', 'test/linux/**/*.test.ts'],
    concurrency: 3,
  },
];

/** What takes minutes begins first, so that nothing is waited for alone at the end. */
const takesMinutes = (file: string): boolean => /labs|terraform/.test(file);
const longFirst = (one: string, other: string): number =>
  Number(takesMinutes(other)) - Number(takesMinutes(one)) || one.localeCompare(other);

const run = (command: string, args: readonly string[]): number =>
  spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status ?? 1;

/** As root on Debian the suite installs what the real thing needs; elsewhere those tests say what they miss. */
function prepare(): void {
  if (process.getuid?.() !== 0) return;
  const status = run(process.execPath, ['packages/holdfast/src/main.ts', 'setup']);
  if (status !== 0)
    console.error('Real instances cannot run here; the tests that need them say so and skip.');
}

function runPart(part: Part, names: readonly string[]): number {
  const files = globSync(part.files, { cwd: root })
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
    .sort(longFirst);
  if (files.length === 0) return 0;
  console.log(`\n${part.title}: ${files.length} test files`);
  const reporters = ['spec', './scripts/skipped-reporter.ts'].flatMap((reporter) => [
    `--test-reporter=${reporter}`,
    '--test-reporter-destination=stdout',
  ]);
  return run(process.execPath, [
    '--test',
    ...reporters,
    `--test-concurrency=${part.concurrency}`,
    // A file of labs takes more than four minutes where nothing else is slow.
    '--test-timeout=1800000',
    ...files,
  ]);
}

const names = process.argv.slice(2);
if (names.length === 0) {
  const checked = run('tsc', ['-p', '.']) || run(process.execPath, ['scripts/style.ts']);
  if (checked !== 0) process.exit(checked);
}
prepare();
const failures = parts.filter((part) => runPart(part, names) !== 0);
for (const part of failures) console.error(`failed: ${part.title}`);
process.exit(failures.length === 0 ? 0 : 1);
