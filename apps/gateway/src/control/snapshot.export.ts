import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import type { Readable } from 'node:stream';
import { AgentNotFound } from '../errors.js';
import { storageError } from '../store/store.errors.js';
import { type ArchivedFile, filesOf, streamArchive } from './archive.export.js';
import { SnapshotInterrupted } from './control.errors.js';
import { SNAPSHOT } from './folders.js';

/** Pages that are copied at a time, by a thread beside the event loop. */
const PAGES = 256;

export interface Snapshot {
  readonly stream: Readable;
  /** Deletes what was made for it. Call it when the stream has ended, however it did; also more than once. */
  readonly discard: () => Promise<void>;
}

/**
 * An agent's folder as a tar stream while the agent goes on working: each database as of one moment, copied aside first, the
 * other files as they are. When a file vanishes or shrinks, or the folder is replaced, the stream breaks off before its
 * manifest: whoever reads it must ask again.
 */
export async function exportSnapshot(folder: string, agentId: string): Promise<Snapshot> {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (!found) throw new AgentNotFound();
  const aside = join(dirname(folder), `${SNAPSHOT}${agentId}.${randomBytes(6).toString('hex')}`);
  const discard = () => rm(aside, { recursive: true, force: true });
  try {
    await mkdir(aside, { mode: 0o700 });
    const files = await asOfNow(await filesOf(folder), aside);
    const stream = streamArchive(agentId, files, async () => {
      if ((await stat(folder)).ino !== found.ino) throw new SnapshotInterrupted();
    });
    return { stream, discard };
  } catch (error) {
    await discard();
    throw translate(error);
  }
}

/** The same files, databases replaced by copies of their present state. */
async function asOfNow(files: readonly ArchivedFile[], aside: string): Promise<ArchivedFile[]> {
  const stable: ArchivedFile[] = [];
  for (const file of files) {
    if (!file.path.endsWith('.db')) stable.push(file);
    else stable.push(await copyOf(file, join(aside, `${stable.length}.db`)));
  }
  return stable;
}

async function copyOf(file: ArchivedFile, copy: string): Promise<ArchivedFile> {
  await copyDatabase(file.from, copy);
  const { size, mtime } = await stat(copy);
  return { path: file.path, from: copy, size, mtime };
}

/**
 * SQLite's online backup from a connection of its own, inside a read transaction: what the agent writes meanwhile goes into
 * the write-ahead log, neither waits nor makes the copy begin again. Without one, each write would.
 */
async function copyDatabase(from: string, to: string): Promise<void> {
  if (!existsSync(from)) throw new SnapshotInterrupted();
  const db = new DatabaseSync(from, { timeout: 5000 });
  try {
    db.exec('PRAGMA cache_size = -256; BEGIN; SELECT count(*) FROM sqlite_schema');
    await backup(db, to, { rate: PAGES });
    db.exec('COMMIT');
  } finally {
    db.close();
  }
}

function translate(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new SnapshotInterrupted({ cause: error });
  return storageError(error);
}
