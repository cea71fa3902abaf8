/** What a machine asks the host for, where nothing of it is real but its record: what is said of processes is Linux's own. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { machinePaths, writeRecord } from '../../packages/linux/src/compute/record.ts';
import { startTicksOf } from '../../packages/linux/src/host/process.ts';
import { hostLayout } from '../../packages/linux/src/layout.ts';
import { serveRequest } from '../../packages/linux/src/volumes/requests.ts';

test('an init that asks before it is written down that it runs is answered as one that does', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'volume-requests-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const layout = hostLayout({
    stateDirectory: join(directory, 'state'),
    runDirectory: join(directory, 'run'),
  });
  const paths = machinePaths(layout, 'i-a');
  const ask = (): Promise<string | undefined> =>
    serveRequest(paths, 'grow', new URLSearchParams({ target: '/' }));
  assert.equal(await ask(), 'the instance does not run');
  const begun = { id: 'i-a', boot: 1, stopAsked: false };
  writeRecord(paths, { ...begun, phase: 'starting' });
  const early = ask();
  const init = { pid: process.pid, startTicks: startTicksOf(process.pid)! };
  writeRecord(paths, { ...begun, phase: 'started', init });
  assert.equal(await early, 'the root is not on a volume');
  writeRecord(paths, { ...begun, phase: 'ended' });
  assert.equal(await ask(), 'the instance does not run');
});
