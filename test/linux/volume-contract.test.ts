/** Volumes and snapshots that are files of this host. Needs root. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { hostLayout } from '../../packages/linux/src/layout.ts';
import { linuxVolumes, missingForVolumes, removePool } from '../../packages/linux/src/volumes/index.ts';
import { openLoop } from '../../packages/linux/src/volumes/loop.ts';
import { volumeFile, volumePaths } from '../../packages/linux/src/volumes/paths.ts';
import { volumeContract } from '../../packages/region/test/contracts/volume.ts';
import { stateDirectoryOf } from '../support/region.ts';

const missing = missingForVolumes();
const skip = missing.length > 0 && `this machine lacks ${missing.map(({ what }) => what).join(', ')}`;
const stateDirectory = stateDirectoryOf('hvk');
const layout = hostLayout({ prefix: 'hvk', stateDirectory });

const LONGEST_TEXT = 64;

/** At the beginning of the file that stands for the block device. */
function withFile<T>(id: string, act: (file: number) => T): T {
  const file = openSync(volumeFile(layout, id), 'r+');
  try {
    return act(file);
  } finally {
    closeSync(file);
  }
}

describe('volumes on this machine', { skip }, () => {
  const remove = async (): Promise<void> => {
    await removePool(layout, { keepState: false });
    rmSync(stateDirectory, { recursive: true, force: true });
  };
  before(remove);
  after(remove);

  test('what a killed process left half made is gone when the next one begins', async () => {
    const { volumes, snapshots } = volumePaths(layout);
    const driver = linuxVolumes(layout);
    await driver.ensure({ id: 'vol-0a', sizeBytes: 2 ** 20, origin: { kind: 'empty' } });
    for (const path of [join(volumes, 'vol-0b.new'), join(snapshots, 'snap-0a.new')])
      writeFileSync(path, 'half');
    const next = linuxVolumes(layout);
    assert.deepEqual(await next.listSnapshots(), []);
    assert.deepEqual([readdirSync(volumes), readdirSync(snapshots)], [['vol-0a'], []]);
    await next.remove('vol-0a');
  });

  test('volumes go as their devices end, and what is left can be listed at any moment', async () => {
    const driver = linuxVolumes(layout);
    const ids = Array.from({ length: 40 }, (_, n) => `vol-${n}`);
    for (const id of ids) await driver.ensure({ id, sizeBytes: 2 ** 20, origin: { kind: 'empty' } });
    const [used, ...others] = ids.map((id) => openLoop(volumeFile(layout, id), { endsAlone: true }));
    const removed = Promise.allSettled(ids.map((id) => driver.remove(id)));
    for (const loop of others) {
      loop.close();
      await setImmediate();
      assert.ok((await driver.list()).some(({ id }) => id === 'vol-0'));
    }
    const refused = (await removed).filter((result) => result.status === 'rejected');
    used?.close();
    assert.deepEqual(
      refused.map(({ reason }) => reason.message),
      ['the volume vol-0 is in use still'],
    );
    await driver.remove('vol-0');
    assert.deepEqual(await driver.list(), []);
  });

  volumeContract('linux', async () => {
    const driver = linuxVolumes(layout);
    return {
      driver,
      async write(id, text) {
        assert.ok(text.length < LONGEST_TEXT);
        withFile(id, (file) =>
          writeSync(file, Buffer.from(text.padEnd(LONGEST_TEXT, '\0')), 0, LONGEST_TEXT, 0),
        );
      },
      async read(id) {
        const bytes = Buffer.alloc(LONGEST_TEXT);
        withFile(id, (file) => readSync(file, bytes, 0, LONGEST_TEXT, 0));
        return bytes.toString().replace(/\0+$/, '');
      },
      reopen: async () => linuxVolumes(layout),
      async dispose() {
        for (const { id } of await driver.list()) await driver.remove(id);
        for (const { id } of await driver.listSnapshots()) await driver.removeSnapshot(id);
      },
    };
  });
});
