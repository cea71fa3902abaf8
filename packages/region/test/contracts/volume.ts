/** What every volume driver must do, whoever is behind it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { VolumeDriver, VolumeSpec } from '../../src/drivers/volume.ts';

export interface VolumesUnderTest {
  readonly driver: VolumeDriver;
  /** Writes a short text to the beginning of the block device. */
  write(id: string, text: string): Promise<void>;
  /** The text at the beginning of the block device; '' where nobody has written. */
  read(id: string): Promise<string>;
  /** Gives up the driver and opens another one on what is left, as after a restart of the region. */
  reopen?(): Promise<VolumeDriver>;
  dispose(): Promise<void>;
}

const GIB = 2 ** 30;

const empty = (id: string, sizeBytes = GIB): VolumeSpec => ({ id, sizeBytes, origin: { kind: 'empty' } });
const from = (snapshotId: string, id: string, sizeBytes = GIB): VolumeSpec => ({
  id,
  sizeBytes,
  origin: { kind: 'snapshot', snapshotId },
});

/** Runs the suite against drivers that `make` gives, each without volumes and snapshots. */
export function volumeContract(title: string, make: () => Promise<VolumesUnderTest>): void {
  const story = (name: string, tell: (under: VolumesUnderTest) => Promise<void>): void => {
    test(name, async () => {
      const under = await make();
      try {
        await tell(under);
      } finally {
        await under.dispose();
      }
    });
  };

  describe(`volume driver: ${title}`, () => {
    describe('a volume', () => storiesOfVolumes(story));
    describe('a snapshot', () => storiesOfSnapshots(story));
  });
}

type Teller = (name: string, tell: (under: VolumesUnderTest) => Promise<void>) => void;

function storiesOfVolumes(story: Teller): void {
  story('is made once, however often that is said, and is gone when it is removed', async (under) => {
    const { driver, read, write } = under;
    assert.deepEqual(await driver.list(), []);
    assert.deepEqual(await driver.ensure(empty('vol-a')), { id: 'vol-a', sizeBytes: GIB });
    assert.equal(await read('vol-a'), '');
    await write('vol-a', 'kept');
    await Promise.all([driver.ensure(empty('vol-a')), driver.ensure(empty('vol-a'))]);
    assert.equal(await read('vol-a'), 'kept');
    assert.deepEqual(await driver.list(), [{ id: 'vol-a', sizeBytes: GIB }]);
    await driver.remove('vol-a');
    await driver.remove('vol-a');
    assert.deepEqual(await driver.list(), []);
    await driver.ensure(empty('vol-a'));
    assert.equal(await read('vol-a'), '', 'a new one of that name is new');
  });

  story('grows with what is on it, and never shrinks', async ({ driver, read, write }) => {
    await driver.ensure(empty('vol-a'));
    await write('vol-a', 'kept');
    assert.equal((await driver.ensure(empty('vol-a', 3 * GIB))).sizeBytes, 3 * GIB);
    assert.equal((await driver.ensure(empty('vol-a', 2 * GIB))).sizeBytes, 3 * GIB);
    assert.equal(await read('vol-a'), 'kept');
  });

  story('may be the beginning of a root, in any size', async ({ driver }) => {
    for (const gib of [1, 8, 9]) {
      const spec: VolumeSpec = { id: `vol-${gib}`, sizeBytes: gib * GIB, origin: { kind: 'root' } };
      assert.equal((await driver.ensure(spec)).sizeBytes, gib * GIB);
    }
    assert.equal((await driver.list()).length, 3);
  });

  story('has a name of its own, as instance store has', async ({ driver }) => {
    const id = 'i-0123456789abcdef0-ephemeral0-1';
    await driver.ensure(empty(id, 75 * 1000 ** 3 - ((75 * 1000 ** 3) % 2 ** 20)));
    assert.deepEqual(
      (await driver.list()).map((one) => one.id),
      [id],
    );
  });

  story('is known to a driver that comes later', async ({ driver, write, read, reopen }) => {
    if (!reopen) return;
    await driver.ensure(empty('vol-a'));
    await write('vol-a', 'kept');
    await driver.snapshot('vol-a', 'snap-a');
    const next = await reopen();
    assert.deepEqual(await next.list(), [{ id: 'vol-a', sizeBytes: GIB }]);
    assert.deepEqual(
      (await next.listSnapshots()).map(({ id }) => id),
      ['snap-a'],
    );
    await next.ensure(from('snap-a', 'vol-b'));
    assert.equal(await read('vol-b'), 'kept');
  });
}

function storiesOfSnapshots(story: Teller): void {
  story('holds what was written before it, and nothing later', async ({ driver, write, read }) => {
    await driver.ensure(empty('vol-a'));
    await write('vol-a', 'before');
    const taken = await driver.snapshot('vol-a', 'snap-a');
    assert.deepEqual([taken.id, taken.volumeSizeBytes], ['snap-a', GIB]);
    assert.ok(taken.dataBytes > 0 && taken.dataBytes < GIB, `${taken.dataBytes} bytes of data`);
    await write('vol-a', 'after!');
    await driver.snapshot('vol-a', 'snap-a');
    await driver.ensure(from('snap-a', 'vol-b'));
    assert.equal(await read('vol-b'), 'before', 'the second call has left it as it was');
    assert.equal(await read('vol-a'), 'after!');
    assert.deepEqual(await driver.listSnapshots(), [taken]);
  });

  story('and volumes made of it go on without each other', async ({ driver, write, read }) => {
    await driver.ensure(empty('vol-a'));
    await write('vol-a', 'one');
    await driver.snapshot('vol-a', 'snap-a');
    const larger = await driver.ensure(from('snap-a', 'vol-b', 2 * GIB));
    assert.equal(larger.sizeBytes, 2 * GIB);
    await driver.remove('vol-a');
    await driver.removeSnapshot('snap-a');
    await driver.removeSnapshot('snap-a');
    assert.deepEqual(await driver.listSnapshots(), []);
    assert.equal(await read('vol-b'), 'one');
    await write('vol-b', 'two');
    assert.deepEqual(await driver.ensure(from('snap-a', 'vol-b', 2 * GIB)), larger, 'it asks no more for it');
    assert.equal(await read('vol-b'), 'two');
  });

  story('that does not exist makes no volume, and a volume that does not, no snapshot', async (under) => {
    const { driver } = under;
    await assert.rejects(driver.ensure(from('snap-none', 'vol-a')), /snap-none/);
    assert.deepEqual(await driver.list(), []);
    await assert.rejects(driver.snapshot('vol-none', 'snap-a'), /vol-none/);
    assert.deepEqual(await driver.listSnapshots(), []);
  });

  story('is one of many, of many volumes, at the same time', async ({ driver, write, read }) => {
    const numbers = Array.from({ length: 12 }, (_, number) => number);
    await Promise.all(
      numbers.map(async (number) => {
        await driver.ensure(empty(`vol-${number}`));
        await write(`vol-${number}`, `text ${number}`);
        await driver.snapshot(`vol-${number}`, `snap-${number}`);
        await driver.ensure(from(`snap-${number}`, `vol-copy-${number}`));
      }),
    );
    for (const number of numbers) assert.equal(await read(`vol-copy-${number}`), `text ${number}`);
    assert.equal((await driver.list()).length, 24);
    assert.equal((await driver.listSnapshots()).length, 12);
  });
}
