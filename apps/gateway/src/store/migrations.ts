import type { DatabaseSync } from 'node:sqlite';
import { StateDamaged, StateTooNew, storageError } from './store.errors.js';

/**
 * Schema of one agent's database; entry n brings `user_version` n to n + 1. Never edited after it landed.
 * `tasks.n` is the order of acceptance; `frames` holds what `resume` replays, as it was sent.
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE sessions (
     session TEXT PRIMARY KEY, title TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, seq INTEGER NOT NULL DEFAULT 0
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE tasks (
     n INTEGER PRIMARY KEY, task TEXT NOT NULL UNIQUE, session TEXT NOT NULL REFERENCES sessions,
     idempotency_key TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL, member TEXT NOT NULL, trust_mode INTEGER NOT NULL,
     status TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'aborted')),
     attempts INTEGER NOT NULL DEFAULT 0, accepted_seq INTEGER NOT NULL, created_at TEXT NOT NULL, finished_at TEXT,
     model TEXT, input_tokens INTEGER, output_tokens INTEGER, cost REAL,
     error_code TEXT, error_message TEXT, retry_after INTEGER
   ) STRICT;
   CREATE INDEX tasks_open ON tasks (session, n) WHERE status IN ('pending', 'processing');
   CREATE INDEX tasks_session ON tasks (session, n);
   CREATE INDEX tasks_created ON tasks (created_at);
   CREATE TABLE messages (
     task TEXT NOT NULL REFERENCES tasks (task), role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
     text TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (task, role)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE frames (
     session TEXT NOT NULL REFERENCES sessions, seq INTEGER NOT NULL, task TEXT NOT NULL, frame TEXT NOT NULL,
     PRIMARY KEY (session, seq)
   ) STRICT, WITHOUT ROWID;`,
  // Sessions belong to who began them, in the mode and the kind of place they began in. Those of before were kept, so they
  // were no demos; each request's own mode still is what it is.
  `ALTER TABLE sessions ADD COLUMN member TEXT NOT NULL DEFAULT '';
   ALTER TABLE sessions ADD COLUMN mode INTEGER NOT NULL DEFAULT 1;
   ALTER TABLE sessions ADD COLUMN open INTEGER NOT NULL DEFAULT 0;
   UPDATE sessions SET
     member = coalesce((SELECT member FROM tasks WHERE tasks.session = sessions.session ORDER BY n LIMIT 1), ''),
     mode = max(1, coalesce((SELECT trust_mode FROM tasks WHERE tasks.session = sessions.session ORDER BY n LIMIT 1), 1));
   CREATE INDEX sessions_member ON sessions (member, open, updated_at);
   ALTER TABLE tasks ADD COLUMN place TEXT NOT NULL DEFAULT 'web';
   CREATE TABLE policy_decisions (
     n INTEGER PRIMARY KEY, at TEXT NOT NULL, session TEXT, sender TEXT NOT NULL, channel TEXT NOT NULL, tool TEXT NOT NULL,
     mode INTEGER NOT NULL, allowed INTEGER NOT NULL, reason TEXT NOT NULL
   ) STRICT;`,
];

/** Brings a database to the newest schema, each step in one transaction. Throws StateTooNew, StateDamaged. */
export function migrate(db: DatabaseSync): void {
  const { user_version: found } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (found > MIGRATIONS.length) throw new StateTooNew(found, MIGRATIONS.length);
  for (let version = found; version < MIGRATIONS.length; version += 1) {
    step(db, version);
  }
}

/** A step that fails is taken back whole when the caller closes the connection. */
function step(db: DatabaseSync, version: number): void {
  try {
    db.exec(`BEGIN IMMEDIATE; ${MIGRATIONS[version]} PRAGMA user_version = ${version + 1}; COMMIT`);
  } catch (cause) {
    const known = storageError(cause);
    throw known === cause ? new StateDamaged(`it cannot be brought to version ${version + 1}`, { cause }) : known;
  }
}
