/**
 * The published records on disk: written by the region, read by the edge. One SQLite file in the run directory; when it
 * is lost, the region publishes everything again. Removed keys stay as tombstones for a while, so that the edge reads
 * only what changed since it last looked.
 */
import { randomInt } from 'node:crypto';
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { PublishedRecord } from '@holdfast/region/drivers/edge.ts';

/** How far a reader has read. `epoch` tells one life of the file from the next. */
export interface StorePosition {
  readonly epoch: number;
  readonly version: number;
}

/** What changed since a position; `whole` when the position is too old, and `put` is then all there is. */
export interface StoreChanges {
  readonly position: StorePosition;
  readonly whole: boolean;
  readonly put: ReadonlyMap<string, PublishedRecord>;
  readonly removed: readonly string[];
}

export interface EdgeStore {
  /** Writes one step in one transaction; returns where the file stands after it. Unchanged records cost nothing. */
  publish(put: ReadonlyMap<string, PublishedRecord>, removed: readonly string[]): StorePosition;
  keys(): string[];
  changesSince(position: StorePosition | undefined): StoreChanges;
  /** Differs from the last call's value when another connection has written. */
  dataVersion(): number;
  close(): void;
}

/** Tombstones are swept each time the version passes a multiple of this. */
const SWEEP_EVERY = 2_000;

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 2000;
  CREATE TABLE IF NOT EXISTS record (
    key TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS record_version ON record (version);
  CREATE TABLE IF NOT EXISTS position (
    one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, version INTEGER NOT NULL, swept INTEGER NOT NULL
  );
`;

function openDatabase(path: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true });
  // User data may hold secrets: SQLite gives the files beside it the same mode.
  closeSync(openSync(path, 'a', 0o600));
  const database = new DatabaseSync(path);
  try {
    database.exec(SCHEMA);
    database
      .prepare('INSERT INTO position VALUES (1, ?, 0, 0) ON CONFLICT DO NOTHING')
      .run(randomInt(1, 2 ** 47));
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Opens or makes the file. One that is no database any more is replaced by an empty one. */
export function openEdgeStore(path: string): EdgeStore {
  try {
    return edgeStore(openDatabase(path));
  } catch (error) {
    // SQLITE_CORRUPT and SQLITE_NOTADB.
    if (![11, 26].includes((error as { errcode?: number }).errcode ?? 0)) throw error;
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
    return edgeStore(openDatabase(path));
  }
}

function edgeStore(database: DatabaseSync): EdgeStore {
  const readPosition = database.prepare('SELECT epoch, version, swept FROM position');
  const writePosition = database.prepare('UPDATE position SET version = ?, swept = ?');
  const putRow = database.prepare(
    `INSERT INTO record VALUES (?1, ?2, ?3) ON CONFLICT (key)
     DO UPDATE SET version = excluded.version, body = excluded.body WHERE body IS NOT excluded.body`,
  );
  const removeRow = database.prepare(
    'UPDATE record SET version = ?, body = NULL WHERE key = ? AND body IS NOT NULL',
  );
  const sweep = database.prepare('DELETE FROM record WHERE body IS NULL');
  const liveKeys = database.prepare('SELECT key FROM record WHERE body IS NOT NULL ORDER BY key');
  const rowsAfter = database.prepare('SELECT key, body FROM record WHERE version > ? ORDER BY version, key');
  const dataVersion = database.prepare('PRAGMA data_version');
  const transaction = <T>(begin: string, work: () => T): T => {
    database.exec(begin);
    try {
      const result = work();
      database.exec('COMMIT');
      return result;
    } catch (error) {
      database.exec('ROLLBACK');
      throw error;
    }
  };
  const position = () => readPosition.get() as unknown as StorePosition & { swept: number };

  return {
    publish: (put, removed) =>
      transaction('BEGIN IMMEDIATE', () => {
        const before = position();
        const version = before.version + 1;
        let changed = 0n;
        for (const key of removed) changed += BigInt(removeRow.run(version, key).changes);
        for (const [key, record] of put)
          changed += BigInt(putRow.run(key, version, JSON.stringify(record)).changes);
        if (changed === 0n) return { epoch: before.epoch, version: before.version };
        const sweeps = version % SWEEP_EVERY === 0;
        if (sweeps) sweep.run();
        writePosition.run(version, sweeps ? version : before.swept);
        return { epoch: before.epoch, version };
      }),
    keys: () => liveKeys.all().map((row) => row.key as string),
    changesSince: (since) =>
      transaction('BEGIN', () => {
        const now = position();
        const whole =
          since === undefined ||
          since.epoch !== now.epoch ||
          since.version > now.version ||
          since.version < now.swept;
        const put = new Map<string, PublishedRecord>();
        const removed: string[] = [];
        for (const row of rowsAfter.all(whole ? 0 : since.version)) {
          if (row.body === null) removed.push(row.key as string);
          else put.set(row.key as string, JSON.parse(row.body as string) as PublishedRecord);
        }
        return { position: { epoch: now.epoch, version: now.version }, whole, put, removed };
      }),
    dataVersion: () => dataVersion.get()?.data_version as number,
    close: () => database.close(),
  };
}
