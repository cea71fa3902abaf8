/** `holdfast exec`, `ssh` and `logs` where there is nothing to get into: one line says why, and nothing is left behind. */
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { hostLayout } from '../../packages/linux/src/layout.ts';
import { run, startRegion, stateDirectoryOf, type TestRegion } from '../support/region.ts';

const attempts = [
  ['exec', 'web', '--', 'true'],
  ['ssh', 'web'],
  ['logs', 'web'],
] as const;

test('a prefix that none can be is a mistake on the command line', async () => {
  for (const prefix of ['toolong', 'A1', '1a', 'x']) {
    const { code, stderr } = await run(process.execPath, [
      ...['packages/holdfast/src/main.ts', 'status', '--prefix', prefix],
    ]);
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`^holdfast: the prefix ${prefix}: a lower-case letter and [^\\n]*\\n$`));
  }
});

test('without a region no instance runs, and looking for one makes nothing', async (t) => {
  const prefix = 'hcy';
  const stateDirectory = stateDirectoryOf(prefix);
  t.after(() => rmSync(stateDirectory, { recursive: true, force: true }));
  const env = { HOLDFAST_PREFIX: prefix, HOLDFAST_STATE_DIRECTORY: stateDirectory };
  const asRoot = process.getuid?.() === 0;
  for (const [command, , ...rest] of attempts) {
    const args = ['packages/holdfast/src/main.ts', command, 'i-0123456789abcdef0', ...rest];
    const { code, stderr } = await run(process.execPath, args, { env });
    assert.equal(code, 1, stderr);
    const words = command === 'logs' ? 'there is no console of i-.*' : 'the instance i-.* does not run';
    assert.match(stderr, new RegExp(`^holdfast: ${asRoot ? words : 'only root gets into .*'}\n$`));
  }
  for (const path of [
    stateDirectory,
    hostLayout({ prefix }).runDirectory,
    `/run/holdfast-sysctl/fs.inotify.max_user_instances/for-${prefix}`,
  ])
    assert(!existsSync(path), path);
});

describe('instances that are simulated', { timeout: 120_000 }, () => {
  let region: TestRegion;
  before(async () => {
    region = await startRegion({ prefix: 'hcz', driver: 'sim' });
  });
  after(() => region?.down());

  test('have nothing inside', async () => {
    for (const args of attempts) {
      const { code, stderr } = await region.holdfast(...args);
      assert.equal(code, 1, args[0]);
      assert.match(stderr, /^holdfast: the instances of this region are simulated: [^\n]*\n$/);
    }
  });
});
