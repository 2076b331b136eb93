import type { ArchiveManifest } from '#libs/contracts';
import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type ExtractEvents } from 'tar-stream';
import { ArchiveInvalid } from '../errors.js';
import { LIMITS } from '../limits.js';
import { DiskFull, StateUnreadable, storageError } from '../store/store.errors.js';
import { MANIFEST } from './archive.export.js';
import { compareWithManifest, type FileEntry, isContained, MOST_MANIFEST, parseManifest } from './archive.manifest.js';
import { becomeClone } from './clone.js';
import { REPLACED, STAGED } from './folders.js';

type Entry = ExtractEvents['entry'][1];

export interface ImportOptions {
  readonly folder: string;
  readonly agentId: string;
  /** Whose archive it is: another agent's for a clone. */
  readonly of: string;
}

/**
 * Puts an archive in a detached agent's place: unpacked beside it, compared with its manifest, then renamed. A crash at any
 * point leaves the old folder or the new one (`restoreFolders` finishes the renaming at the next start).
 */
export async function importArchive({ folder, agentId, of }: ImportOptions, tar: Readable): Promise<ArchiveManifest> {
  const mark = randomBytes(6).toString('hex');
  const staged = join(dirname(folder), `${STAGED}${agentId}.${mark}`);
  try {
    await mkdir(staged, { recursive: true, mode: 0o700 });
    const manifest = await unpack(tar, staged);
    if (manifest.agentId !== of) throw new ArchiveInvalid('it is of another agent');
    if (of !== agentId) becomeClone(staged);
    await replace(folder, staged, join(dirname(folder), `${REPLACED}${agentId}.${mark}`));
    return { ...manifest, agentId };
  } catch (error) {
    await rm(staged, { recursive: true, force: true });
    throw storageError(error);
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
  const entries = extract();
  // Ends the reading below with the same error when the upload breaks off or is too long.
  const upload = pipeline(tar, limited(LIMITS.archive.bytes), entries).catch((error: unknown) => error);
  try {
    return await new Unpacking(staged).run(entries);
  } catch (error) {
    throw refusalOf(error);
  } finally {
    entries.destroy();
    await upload;
  }
}

/** Whatever is wrong with an archive is its sender's; what is wrong with our disk is not. */
function refusalOf(error: unknown): unknown {
  const known = storageError(error);
  if (known instanceof ArchiveInvalid || known instanceof DiskFull || known instanceof StateUnreadable) return known;
  return new ArchiveInvalid('it cannot be read to its end', { cause: error });
}

/** Passes on at most so many bytes, whatever the archive says about itself. */
function limited(bytes: number): Transform {
  let left = bytes;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      left -= chunk.length;
      if (left < 0) done(new ArchiveInvalid('it is too large'));
      else done(null, chunk);
    },
  });
}

class Unpacking {
  readonly #found = new Map<string, FileEntry>();
  #bytes = 0;
  #count = 0;

  constructor(private readonly staged: string) {}

  async run(entries: AsyncIterable<Entry>): Promise<ArchiveManifest> {
    let manifest: ArchiveManifest | undefined;
    for await (const entry of entries) {
      if (manifest) throw new ArchiveInvalid('something follows its manifest');
      manifest = await this.#take(entry);
    }
    if (!manifest) throw new ArchiveInvalid('it has no manifest');
    compareWithManifest(manifest, this.#found);
    return manifest;
  }

  /** Unpacks one entry; returns the manifest when it is that. */
  async #take(entry: Entry): Promise<ArchiveManifest | undefined> {
    const { name, size = 0, type } = entry.header;
    this.#count += 1;
    // Folders count too: each is an entry that somebody has to look at. One more for the manifest.
    if (this.#count > LIMITS.archive.files + 1) throw new ArchiveInvalid('it has too many entries');
    this.#bytes += size;
    if (this.#bytes > LIMITS.archive.bytes) throw new ArchiveInvalid('it is too large');
    if (type === 'directory') return void entry.resume();
    if (type !== 'file') throw new ArchiveInvalid('it holds something that is neither file nor folder');
    if (name === MANIFEST) return parseManifest(await readText(Readable.from(entry), size));
    await this.#unpackFile(Readable.from(entry), name, size);
    return undefined;
  }

  async #unpackFile(entry: Readable, name: string, size: number): Promise<void> {
    if (!isContained(name)) throw new ArchiveInvalid('a path leads out of the folder or is too long');
    if (this.#found.has(name)) throw new ArchiveInvalid('a path appears twice');
    const path = join(this.staged, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const hash = createHash('sha256');
    entry.on('data', (chunk: Buffer) => hash.update(chunk));
    // `wx`: nothing that exists is written through; `flush`: on disk before it is renamed into place.
    await pipeline(entry, createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true }));
    this.#found.set(name, { path: name, size, sha256: hash.digest('hex') });
  }
}

async function readText(entry: Readable, size: number): Promise<string> {
  if (size > MOST_MANIFEST) throw new ArchiveInvalid('its manifest is too large');
  const chunks: Buffer[] = [];
  for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
