// What npm's scripts start, on any Node from 20 on: installs the npm packages when they are missing or out of date (a
// pinned Node 24 is one of them), then hands over to Holdfast's command line, or with --test to the tests.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'node_modules', '.holdfast-lock');
const node = join(root, 'node_modules', '.bin', 'node');

function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { stdio: 'inherit', cwd: root, ...options });
  if (error) {
    console.error(`${command}: ${error.message}`);
    process.exit(1);
  }
  return signal ? 1 : status;
}

function installPackages() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.error('Installing the npm packages …');
  const startedAt = performance.now();
  // npm itself must run on the Node that it came with.
  const status = run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (status !== 0) process.exit(status);
  writeFileSync(stamp, wanted);
  // A region makes every change durable before it answers: were this still on its way to the disk, its first minute
  // would wait for it, and the first instance killed would be missed half a second late.
  if (process.platform === 'linux') run('sync', ['--file-system', root]);
  console.error(
    `Installing the npm packages: done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
  );
}

installPackages();
const env = { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}` };
const [first, ...rest] = process.argv.slice(2);
const script =
  first === '--test' ? ['scripts/test.ts', ...rest] : ['packages/holdfast/src/main.ts', first, ...rest];
process.exit(run(node, script, { env }));
