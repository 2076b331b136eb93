import type { ArchiveManifest } from '#libs/contracts';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack, type Pack } from 'tar-stream';
import { AgentNotFound } from '../errors.js';

export const MANIFEST = 'manifest.json';

/**
 * A detached agent's folder as a tar stream, the manifest last. The folder must not change meanwhile: the caller holds it.
 * Links and other special files are not the agent's and stay out.
 */
export async function exportArchive(folder: string, agentId: string): Promise<Readable> {
  if (!existsSync(folder)) throw new AgentNotFound();
  foldDatabase(join(folder, 'agent.db'));
  const tar = pack();
  const paths = await filesOf(folder);
  write(tar, folder, agentId, paths).catch((error: unknown) => tar.destroy(error as Error));
  // tar-stream brings streams of its own kind; HTTP wants Node's.
  return Readable.from(tar);
}

/** After a crash the newest rows may be in the write-ahead log: opening recovers them, closing folds them in. */
function foldDatabase(path: string): void {
  if (!existsSync(path)) return;
  const db = new DatabaseSync(path, { timeout: 5000 });
  try {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
  }
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => !/^agent\.db-(wal|shm)$/.test(path))
    .sort();
}

async function write(tar: Pack, folder: string, agentId: string, paths: readonly string[]): Promise<void> {
  const files: ArchiveManifest['files'][number][] = [];
  for (const path of paths) files.push(await writeFile(tar, folder, path));
  const manifest: ArchiveManifest = { agentId, createdAt: new Date().toISOString(), files };
  tar.entry({ name: MANIFEST, mode: 0o600 }, JSON.stringify(manifest));
  tar.finalize();
}

async function writeFile(tar: Pack, folder: string, path: string): Promise<ArchiveManifest['files'][number]> {
  const { size, mtime } = await stat(join(folder, path));
  const hash = createHash('sha256');
  const entry = tar.entry({ name: path, size, mtime, mode: 0o600 });
  const source = createReadStream(join(folder, path));
  source.on('data', (chunk) => hash.update(chunk));
  await pipeline(source, entry);
  return { path, size, sha256: hash.digest('hex') };
}
