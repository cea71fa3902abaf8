/**
 * The store: everything the region knows, in memory for reading and in SQLite for keeping. A transaction is synchronous,
 * sees its own writes, and is on disk (WAL, synchronous=FULL) before `transaction` returns: durable before acknowledged.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Clock } from '../clock.ts';
import { keyOf, keyText, type Resource, type ResourceKey, type ResourceType, type Tags } from './resource.ts';

/** A resource as a transaction left it; `removed` when it is gone, then `resource` is its last state. */
export interface Change {
  readonly resource: Resource;
  readonly removed: boolean;
}

/** Reading: the same on the store (what is committed) and inside a transaction (with its own writes). */
export interface Reader {
  get<Spec, Status>(
    type: ResourceType<Spec, Status>,
    region: string,
    id: string,
  ): Resource<Spec, Status> | undefined;
  /** All of a kind in one region, in the order they were made. */
  list<Spec, Status>(type: ResourceType<Spec, Status>, region: string): Resource<Spec, Status>[];
}

export interface NewResource<Spec, Status> {
  readonly region: string;
  readonly id: string;
  readonly owner?: ResourceKey;
  readonly spec: Spec;
  readonly status: Status;
  readonly tags?: Tags;
}

export interface Transaction extends Reader {
  /** Adds a resource. Throws when one of that key exists: ids are made to be unique. */
  create<Spec, Status>(
    type: ResourceType<Spec, Status>,
    made: NewResource<Spec, Status>,
  ): Resource<Spec, Status>;
  /** Replaces parts of a resource. Writing what is already there is no change, and wakes nobody. */
  update<Spec, Status>(
    resource: Resource<Spec, Status>,
    parts: { readonly spec?: Spec; readonly status?: Status; readonly tags?: Tags },
  ): Resource<Spec, Status>;
  /** Removes a resource. Already gone is success. */
  remove(key: ResourceKey): void;
}

type Kind = Map<string, Resource>;

const freezeDeep = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freezeDeep(inner);
  }
  return value;
};

/** Documents are JSON: what JSON drops (undefined members) is dropped before, so that memory and disk never differ. */
const document = <T>(value: T): T => freezeDeep(JSON.parse(JSON.stringify(value)) as T);

const byOrdinal = (a: Resource, b: Resource): number => a.ordinal - b.ordinal;

export class Store implements Reader {
  /** kind/region → id → resource, in the order of their ordinals. */
  readonly #kinds = new Map<string, Kind>();
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();
  readonly #clock: Clock;
  readonly #database: DatabaseSync | undefined;
  readonly #put: StatementSync | undefined;
  readonly #delete: StatementSync | undefined;
  #sequence = 0;
  #inTransaction = false;

  /** Opens the store in `file`, or one that lives in memory only. */
  constructor(clock: Clock, file?: string) {
    this.#clock = clock;
    if (file === undefined) return;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(file);
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS resources (
        kind TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
        PRIMARY KEY (kind, region, id)
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS sequence (only INTEGER PRIMARY KEY CHECK (only = 1), value INTEGER NOT NULL);
    `);
    this.#database = database;
    this.#put = database.prepare(
      'INSERT OR REPLACE INTO resources (kind, region, id, document) VALUES (?, ?, ?, ?)',
    );
    this.#delete = database.prepare('DELETE FROM resources WHERE kind = ? AND region = ? AND id = ?');
    this.#load(database);
  }

  #load(database: DatabaseSync): void {
    const rows = database.prepare('SELECT document FROM resources').all() as { document: string }[];
    const resources = rows.map((row) => freezeDeep(JSON.parse(row.document) as Resource));
    for (const resource of resources.sort(byOrdinal)) this.#kind(resource).set(resource.id, resource);
    const sequence = database.prepare('SELECT value FROM sequence').get() as { value: number } | undefined;
    this.#sequence = sequence?.value ?? 0;
  }

  #kind(key: { kind: string; region: string }): Kind {
    const name = `${key.kind}/${key.region}`;
    let kind = this.#kinds.get(name);
    if (!kind) {
      kind = new Map();
      this.#kinds.set(name, kind);
    }
    return kind;
  }

  /** Number of the last transaction. Grows for ever, also over restarts. */
  get sequence(): number {
    return this.#sequence;
  }

  get<Spec, Status>(
    type: ResourceType<Spec, Status>,
    region: string,
    id: string,
  ): Resource<Spec, Status> | undefined {
    return this.#kinds.get(`${type.kind}/${region}`)?.get(id) as Resource<Spec, Status> | undefined;
  }

  list<Spec, Status>(type: ResourceType<Spec, Status>, region: string): Resource<Spec, Status>[] {
    return [...(this.#kinds.get(`${type.kind}/${region}`)?.values() ?? [])] as Resource<Spec, Status>[];
  }

  /** All of a kind in every region. */
  everywhere<Spec, Status>(type: ResourceType<Spec, Status>): Resource<Spec, Status>[] {
    const kinds = [...this.#kinds].filter(([name]) => name.startsWith(`${type.kind}/`));
    return kinds.flatMap(([, kind]) => [...kind.values()]) as Resource<Spec, Status>[];
  }

  all(): Resource[] {
    return [...this.#kinds.values()].flatMap((kind) => [...kind.values()]);
  }

  /**
   * Runs `work` as one transaction: all of its writes, or, when it throws, none. `work` must not wait for anything.
   * Transactions do not nest. Listeners are told after the commit.
   */
  transaction<T>(work: (transaction: Transaction) => T): T {
    if (this.#inTransaction) throw new Error('a transaction inside a transaction');
    this.#inTransaction = true;
    let changes: Change[];
    let result: T;
    try {
      const open = new OpenTransaction(this, this.#sequence + 1, this.#clock.now());
      result = work(open);
      changes = open.changes();
      this.#commit(changes);
    } finally {
      this.#inTransaction = false;
    }
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes);
    return result;
  }

  #commit(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    this.#persist(changes);
    this.#sequence += 1;
    for (const { resource, removed } of changes) {
      if (removed) this.#kind(resource).delete(resource.id);
      else this.#kind(resource).set(resource.id, resource);
    }
  }

  #persist(changes: readonly Change[]): void {
    const database = this.#database;
    if (!database) return;
    database.exec('BEGIN IMMEDIATE');
    try {
      for (const { resource, removed } of changes) {
        if (removed) this.#delete?.run(resource.kind, resource.region, resource.id);
        else this.#put?.run(resource.kind, resource.region, resource.id, JSON.stringify(resource));
      }
      database.exec(`INSERT OR REPLACE INTO sequence VALUES (1, ${this.#sequence + 1})`);
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }

  /** Calls `listener` after each commit that changed something, in the order of the commits. */
  onCommit(listener: (changes: readonly Change[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
    this.#database?.close();
  }
}

class OpenTransaction implements Transaction {
  readonly #store: Store;
  readonly #number: number;
  readonly #now: number;
  readonly #written = new Map<string, Change>();

  constructor(store: Store, number: number, now: number) {
    this.#store = store;
    this.#number = number;
    this.#now = now;
  }

  changes(): Change[] {
    return [...this.#written.values()];
  }

  get<Spec, Status>(
    type: ResourceType<Spec, Status>,
    region: string,
    id: string,
  ): Resource<Spec, Status> | undefined {
    const written = this.#written.get(keyText({ kind: type.kind, region, id }));
    if (written) return written.removed ? undefined : (written.resource as Resource<Spec, Status>);
    return this.#store.get(type, region, id);
  }

  list<Spec, Status>(type: ResourceType<Spec, Status>, region: string): Resource<Spec, Status>[] {
    const committed = this.#store.list(type, region);
    if (this.#written.size === 0) return committed;
    const seen = new Map(committed.map((resource) => [resource.id, resource as Resource]));
    for (const { resource, removed } of this.#written.values()) {
      if (resource.kind !== type.kind || resource.region !== region) continue;
      if (removed) seen.delete(resource.id);
      else seen.set(resource.id, resource);
    }
    return [...seen.values()] as Resource<Spec, Status>[];
  }

  create<Spec, Status>(
    type: ResourceType<Spec, Status>,
    made: NewResource<Spec, Status>,
  ): Resource<Spec, Status> {
    const key = { kind: type.kind, region: made.region, id: made.id };
    if (this.get(type, made.region, made.id)) throw new Error(`${keyText(key)} exists already`);
    const resource = document({
      ...key,
      ...(made.owner && { owner: keyOf(made.owner) }),
      spec: made.spec,
      status: made.status,
      tags: made.tags ?? {},
      createdAt: this.#now,
      ordinal: this.#number,
      revision: this.#number,
    }) as Resource<Spec, Status>;
    this.#written.set(keyText(key), { resource, removed: false });
    return resource;
  }

  update<Spec, Status>(
    resource: Resource<Spec, Status>,
    parts: { readonly spec?: Spec; readonly status?: Status; readonly tags?: Tags },
  ): Resource<Spec, Status> {
    const current = this.get(resource as ResourceType<Spec, Status>, resource.region, resource.id);
    if (!current) throw new Error(`${keyText(resource)} does not exist`);
    const next = document({ ...current, ...parts });
    if (JSON.stringify(next) === JSON.stringify(current)) return current;
    const written = freezeDeep({ ...next, revision: this.#number });
    this.#written.set(keyText(resource), { resource: written, removed: false });
    return written;
  }

  remove(key: ResourceKey): void {
    const last = this.get({ kind: key.kind }, key.region, key.id) as Resource | undefined;
    if (last) this.#written.set(keyText(key), { resource: last, removed: true });
  }
}
