import type { ArchiveManifest } from '#libs/contracts';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack, type Pack } from 'tar-stream';
import { AgentNotFound } from '../errors.js';
import { LIMITS } from '../limits.js';
import { ArchiveTooLarge, FolderInUse } from './control.errors.js';

export const MANIFEST = 'manifest.json';

/** One file of an archive: its name there, where it is read, and how many bytes of it. */
export interface ArchivedFile {
  readonly path: string;
  readonly from: string;
  readonly size: number;
  readonly mtime: Date;
}

/**
 * A detached agent's folder as a tar stream, the manifest last. The folder must not change meanwhile: the caller holds it.
 * Links and other special files are not the agent's and stay out.
 */
export async function exportArchive(folder: string, agentId: string): Promise<Readable> {
  if (!existsSync(folder)) throw new AgentNotFound();
  foldDatabase(join(folder, 'agent.db'));
  return streamArchive(agentId, await filesOf(folder), async () => undefined);
}

/**
 * After a crash the newest rows may be in the write-ahead log: opening recovers them, a checkpoint folds them in. Whoever reads
 * an older state (a snapshot) keeps it from that, and the archive would lack them; waiting would hold up every other agent.
 */
function foldDatabase(path: string): void {
  if (!existsSync(path)) return;
  const db = new DatabaseSync(path);
  try {
    const { busy } = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
    if (busy !== 0) throw new FolderInUse();
  } finally {
    db.close();
  }
}

/** Sizes are those of now: what grows later is not waited for. */
export async function filesOf(folder: string): Promise<ArchivedFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    // What SQLite keeps beside a database is in the database.
    .filter((path) => !/\.db-(wal|shm|journal)$/.test(path))
    .sort();
  if (paths.length > LIMITS.archive.files) throw new ArchiveTooLarge(`more than ${LIMITS.archive.files} files`);
  const files: ArchivedFile[] = [];
  for (const path of paths) {
    const from = join(folder, path);
    const { size, mtime } = await lstat(from);
    files.push({ path, from, size, mtime });
  }
  if (files.reduce((sum, { size }) => sum + size, 0) > LIMITS.archive.bytes)
    throw new ArchiveTooLarge(`more than ${LIMITS.archive.bytes / 1024 ** 3} GiB`);
  return files;
}

/** `atEnd` runs before the manifest, without which an archive is worth nothing: what it throws spoils the archive. */
export function streamArchive(agentId: string, files: readonly ArchivedFile[], atEnd: () => Promise<void>): Readable {
  const tar = pack();
  write(tar, agentId, files, atEnd).catch((error: unknown) => tar.destroy(error as Error));
  // tar-stream brings streams of its own kind; HTTP wants Node's.
  return Readable.from(tar);
}

async function write(
  tar: Pack,
  agentId: string,
  files: readonly ArchivedFile[],
  atEnd: () => Promise<void>,
): Promise<void> {
  const createdAt = new Date().toISOString();
  const entries: ArchiveManifest['files'][number][] = [];
  for (const file of files) entries.push(await writeFile(tar, file));
  await atEnd();
  const manifest: ArchiveManifest = { agentId, createdAt, files: entries };
  tar.entry({ name: MANIFEST, mode: 0o600 }, JSON.stringify(manifest));
  tar.finalize();
}

/** Exactly as many bytes as announced: of a file that has grown its beginning, and one that has shrunk ends the archive. */
async function writeFile(
  tar: Pack,
  { path, from, size, mtime }: ArchivedFile,
): Promise<ArchiveManifest['files'][number]> {
  const hash = createHash('sha256');
  const entry = tar.entry({ name: path, size, mtime, mode: 0o600 });
  const source = size === 0 ? Readable.from([]) : createReadStream(from, { end: size - 1 });
  source.on('data', (chunk: Buffer) => hash.update(chunk));
  await pipeline(source, entry);
  return { path, size, sha256: hash.digest('hex') };
}
