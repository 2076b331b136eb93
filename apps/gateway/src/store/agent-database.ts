import { type Clock, toProblem } from '#libs/kernel';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { migrate } from './migrations.js';
import { isStateFault, StateDamaged, StateUnreadable, storageError } from './store.errors.js';

const FILE = 'agent.db';

/**
 * One agent's `agent.db`, opened when first used and closed when idle: an agent that nobody talks to costs no memory.
 * Synchronous on purpose: SQLite is in process, a statement takes microseconds, and nothing can come between two of them.
 */
export class AgentDatabase {
  #db: DatabaseSync | undefined;
  #statements = new Map<string, StatementSync>();
  #usedAt = 0;
  #fault: string | null = null;

  /** `folder` null: in memory only, and gone when it is closed. `clock`: one that never jumps. */
  constructor(
    private readonly folder: string | null,
    private readonly clock: Clock,
  ) {}

  /** When it was last used, in milliseconds. */
  get usedAt(): number {
    return this.#usedAt;
  }

  get isOpen(): boolean {
    return this.#db !== undefined;
  }

  /** Why it could not be used the last time it was tried, in a sentence for people; null: it could. */
  get fault(): string | null {
    return this.#fault;
  }

  exists(): boolean {
    return this.isOpen || (this.folder !== null && existsSync(join(this.folder, FILE)));
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#attempt(() => this.#prepare(sql).all(...values) as T[]);
  }

  get<T>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.#attempt(() => this.#prepare(sql).get(...values) as T | undefined);
  }

  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#attempt(() => Number(this.#prepare(sql).run(...values).changes));
  }

  /**
   * One transaction. `durable` waits for the disk (synchronous=FULL): what a client was told as accepted, and how a task
   * ended, survive a power cut. `fast` (NORMAL) survives the death of this process but not always of the machine: enough
   * for deltas, which a rerun of the task replaces, and a disk flush per delta would stall every other answer.
   */
  transaction<T>(kind: 'durable' | 'fast', run: () => T): T {
    return this.#attempt(() => {
      const db = this.#open();
      db.exec(`PRAGMA synchronous = ${kind === 'durable' ? 'FULL' : 'NORMAL'}; BEGIN IMMEDIATE`);
      try {
        const result = run();
        db.exec('COMMIT');
        return result;
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  /** Makes the folder it belongs into; the database itself comes with its first use. */
  prepare(): void {
    this.#attempt(() => {
      if (this.folder !== null) makeFolder(this.folder);
    });
  }

  /**
   * Opens it, brings it to the newest schema and reads every page once. Whatever goes wrong is a fault here, a defect of
   * this version's own migrations too: it is what an upgrade is rehearsed for. Throws it.
   */
  verify(): void {
    try {
      const [row] = this.all<{ integrity_check: string }>('PRAGMA integrity_check(1)');
      if (row?.integrity_check !== 'ok') throw new StateDamaged('its contents are inconsistent');
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'for no reason that was given';
      this.#fault = isStateFault(error) ? toProblem(error).detail : `This version cannot open or migrate it: ${reason}`;
      throw error;
    }
  }

  closeIfIdle(idleMs: number): void {
    if (this.#db && this.clock.now().getTime() - this.#usedAt >= idleMs) this.close();
  }

  /** Remembers what storage could not do, and says it in our words. */
  #attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const known = storageError(error);
      if (isStateFault(known)) this.#fault = toProblem(known).detail;
      throw known;
    }
  }

  /** The last connection to close folds the write-ahead log into the file: afterwards `agent.db` is the whole of it. */
  close(): void {
    this.#statements.clear();
    this.#db?.close();
    this.#db = undefined;
  }

  #open(): DatabaseSync {
    this.#usedAt = this.clock.now().getTime();
    if (this.#db) return this.#db;
    this.prepare();
    const path = this.folder === null ? ':memory:' : join(this.folder, FILE);
    const db = new DatabaseSync(path, { timeout: 5000 });
    try {
      // A small page cache: dozens of agents share one process. -256 means KiB.
      db.exec(
        'PRAGMA journal_mode = WAL; PRAGMA cache_size = -256; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY',
      );
      migrate(db);
    } catch (error) {
      db.close();
      throw error;
    }
    this.#db = db;
    this.#fault = null;
    return db;
  }

  #prepare(sql: string): StatementSync {
    const db = this.#open();
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, (statement = db.prepare(sql)));
    return statement;
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const known = storageError(cause);
    // Also where something else is in its place.
    throw known === cause ? new StateUnreadable({ cause }) : known;
  }
}
