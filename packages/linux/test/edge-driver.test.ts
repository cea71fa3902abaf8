import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PublishedRecord } from '@holdfast/region/drivers/edge.ts';
import { edgeContract } from '../../region/test/contracts/edge.ts';
import { type LinuxEdge, linuxEdge } from '../src/edge/edge-driver.ts';
import { openEdgeStore } from '../src/edge/edge-store.ts';
import { hostLayout } from '../src/layout.ts';

function temporaryLayout() {
  const directory = mkdtempSync(join(tmpdir(), 'edge-'));
  const layout = hostLayout({ prefix: 'hfe', stateDirectory: directory, runDirectory: directory });
  return { directory, layout, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

edgeContract('published to a file that no edge reads', async () => {
  const { layout, remove } = temporaryLayout();
  let driver: LinuxEdge = linuxEdge(layout);
  return {
    driver,
    async reopen() {
      driver.close();
      driver = linuxEdge(layout);
      return driver;
    },
    async close() {
      driver.close();
      remove();
    },
  };
});

const record = (address: string): PublishedRecord => ({
  kind: 'name',
  name: 'a.elb.localhost',
  addresses: [address],
  ttlSeconds: 60,
});

test('a reader is told only what changed since it last looked, and everything when that is too long ago', () => {
  const { directory, remove } = temporaryLayout();
  const path = join(directory, 'edge.db');
  const [writer, reader] = [openEdgeStore(path), openEdgeStore(path)];
  try {
    const before = reader.dataVersion();
    writer.publish(
      new Map([
        ['a', record('198.18.0.1')],
        ['b', record('198.18.0.2')],
      ]),
      [],
    );
    assert.notEqual(reader.dataVersion(), before);
    const first = reader.changesSince(undefined);
    assert.equal(first.whole, true);
    assert.deepEqual([...first.put.keys()], ['a', 'b']);

    writer.publish(new Map([['b', record('198.18.0.3')]]), ['a']);
    const second = reader.changesSince(first.position);
    assert.deepEqual(
      [second.whole, [...second.put], second.removed],
      [false, [['b', record('198.18.0.3')]], ['a']],
    );
    assert.equal(writer.publish(new Map([['b', record('198.18.0.3')]]), []).version, second.position.version);

    // Tombstones are swept now and then; a reader from before that starts over.
    for (let step = 0; step < 2_000; step++)
      writer.publish(new Map([['c', record(`198.18.${step >> 8}.${step & 255}`)]]), []);
    const third = reader.changesSince(first.position);
    assert.deepEqual([third.whole, [...third.put.keys()], third.removed], [true, ['b', 'c'], []]);
  } finally {
    writer.close();
    reader.close();
    remove();
  }
});

test('what is published is readable by its owner only, and a broken file is made anew', () => {
  const { directory, remove } = temporaryLayout();
  const path = join(directory, 'edge.db');
  try {
    const store = openEdgeStore(path);
    store.publish(new Map([['a', record('198.18.0.1')]]), []);
    for (const suffix of ['', '-wal', '-shm']) assert.equal(statSync(path + suffix).mode & 0o077, 0, suffix);
    store.close();
    writeFileSync(path, 'this is no database, but it is long enough to be looked at '.repeat(40));
    const anew = openEdgeStore(path);
    assert.deepEqual(anew.keys(), []);
    anew.close();
    assert.equal(readFileSync(path).subarray(0, 6).toString(), 'SQLite');
  } finally {
    remove();
  }
});
