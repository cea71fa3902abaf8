/**
 * Checks (or with --write puts right) the style of all code. Biome's program is taken from the package for this platform
 * itself, so that an installation needs none of the others.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const program = join(root, 'node_modules/@biomejs', `cli-linux-${process.arch}`, 'biome');

if (existsSync(program)) {
  const { status } = spawnSync(program, ['check', ...process.argv.slice(2), '.'], {
    cwd: root,
    stdio: 'inherit',
  });
  process.exit(status ?? 1);
}
console.log(`skipped: style: there is no Biome for ${process.platform} on ${process.arch} here`);
