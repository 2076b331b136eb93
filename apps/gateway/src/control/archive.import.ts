import type { ArchiveManifest } from '#libs/contracts';
import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { ArchiveInvalid } from '../errors.js';
import { LIMITS } from '../limits.js';
import { MANIFEST } from './archive.export.js';
import { REPLACED, STAGED } from './folders.js';

type FileEntry = ArchiveManifest['files'][number];

/**
 * Puts an archive in a detached agent's place: unpacked beside it, compared with its manifest, then renamed. A crash at any
 * point leaves the old folder or the new one (`restoreFolders` finishes the renaming at the next start).
 */
export async function importArchive(folder: string, agentId: string, tar: Readable): Promise<ArchiveManifest> {
  const mark = randomBytes(6).toString('hex');
  const staged = join(dirname(folder), `${STAGED}${agentId}.${mark}`);
  await mkdir(staged, { recursive: true, mode: 0o700 });
  try {
    const manifest = await unpack(tar, staged);
    if (manifest.agentId !== agentId) throw new ArchiveInvalid('it is of another agent');
    await replace(folder, staged, join(dirname(folder), `${REPLACED}${agentId}.${mark}`));
    return manifest;
  } catch (error) {
    await rm(staged, { recursive: true, force: true });
    throw error;
  }
}

async function replace(folder: string, staged: string, old: string): Promise<void> {
  await syncFolder(staged);
  await rename(folder, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(staged, folder);
  await syncFolder(dirname(folder));
  await rm(old, { recursive: true, force: true });
}

async function unpack(tar: Readable, staged: string): Promise<ArchiveManifest> {
  const found = new Map<string, FileEntry>();
  let manifest: ArchiveManifest | undefined;
  let bytes = 0;
  const entries = extract();
  // Ends the reading below with the same error when the upload breaks off.
  const upload = pipeline(tar, entries).catch((error: unknown) => error);
  try {
    for await (const entry of entries) {
      const { name, size = 0, type } = entry.header;
      if (manifest) throw new ArchiveInvalid('something follows its manifest');
      bytes += size;
      if (bytes > LIMITS.archive.bytes) throw new ArchiveInvalid('it is too large');
      if (found.size >= LIMITS.archive.files) throw new ArchiveInvalid('it has too many files');
      if (type === 'directory') entry.resume();
      else if (type !== 'file') throw new ArchiveInvalid('it holds something that is neither file nor folder');
      else if (name === MANIFEST) manifest = parseManifest(await readText(Readable.from(entry), size));
      else found.set(name, await unpackFile(Readable.from(entry), staged, name, size, found));
    }
  } catch (cause) {
    if (cause instanceof ArchiveInvalid) throw cause;
    throw new ArchiveInvalid('it cannot be read to its end', { cause });
  } finally {
    entries.destroy();
    await upload;
  }
  if (!manifest) throw new ArchiveInvalid('it has no manifest');
  compare(manifest, found);
  return manifest;
}

async function unpackFile(
  entry: Readable,
  staged: string,
  name: string,
  size: number,
  found: ReadonlyMap<string, FileEntry>,
): Promise<FileEntry> {
  if (!isContained(name)) throw new ArchiveInvalid('a path leads out of the folder');
  if (found.has(name)) throw new ArchiveInvalid('a path appears twice');
  const path = join(staged, name);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const hash = createHash('sha256');
  entry.on('data', (chunk: Buffer) => hash.update(chunk));
  // `wx`: nothing that exists is written through; `flush`: on disk before it is renamed into place.
  await pipeline(entry, createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true }));
  return { path: name, size, sha256: hash.digest('hex') };
}

/** A plain relative path; links are refused already, so a path that looks contained is. */
export function isContained(name: string): boolean {
  if (name.length === 0 || name.length > LIMITS.archive.pathLength) return false;
  if (name.startsWith('/') || name.includes('\\') || name.includes('\0')) return false;
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

const MOST_MANIFEST = 32 * 1024 * 1024;

async function readText(entry: Readable, size: number): Promise<string> {
  if (size > MOST_MANIFEST) throw new ArchiveInvalid('its manifest is too large');
  const chunks: Buffer[] = [];
  for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function parseManifest(text: string): ArchiveManifest {
  const manifest = JSON.parse(text) as Partial<ArchiveManifest>;
  if (typeof manifest.agentId !== 'string' || !Array.isArray(manifest.files))
    throw new ArchiveInvalid('its manifest is damaged');
  return manifest as ArchiveManifest;
}

function compare(manifest: ArchiveManifest, found: ReadonlyMap<string, FileEntry>): void {
  if (manifest.files.length !== found.size) throw new ArchiveInvalid('its files are not those of its manifest');
  for (const { path, size, sha256 } of manifest.files) {
    const file = found.get(path);
    if (!file || file.size !== size || file.sha256 !== sha256) {
      throw new ArchiveInvalid('a file differs from its manifest');
    }
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
