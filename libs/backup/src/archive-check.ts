import type { ArchiveManifest } from '#libs/contracts';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { extract } from 'tar-stream';
import { BackupDamaged } from './errors.js';
import type { Bytes } from './stage.js';

const MANIFEST = 'manifest.json';
const MOST_MANIFEST = 32 * 1024 * 1024;
const MOST_FILES = 200_000;
const MOST_PATH = 512;

type FileEntry = ArchiveManifest['files'][number];
type Entries = ReturnType<typeof extract>;
type Entry = Entries extends AsyncIterable<infer E> ? E : never;

/**
 * Lets an agent's archive (tar, manifest last) through while it compares every file with the manifest. Its end only passes
 * when all of it is as the manifest says, so nothing downstream ever sees the end of a wrong archive.
 */
export class ArchiveCheck {
  readonly #found = new Map<string, FileEntry>();
  #manifest: ArchiveManifest | undefined;

  /** Once it has ended. */
  get manifest(): ArchiveManifest {
    if (!this.#manifest) throw new BackupDamaged('it has no manifest');
    return this.#manifest;
  }

  async *pass(source: Bytes): AsyncGenerator<Uint8Array> {
    const entries = extract();
    const reading = this.#read(entries);
    reading.catch(() => undefined); // awaited below; not before there is something to read
    try {
      for await (const chunk of source) {
        if (!entries.write(chunk)) await Promise.race([once(entries, 'drain'), reading]);
        yield chunk;
      }
      entries.end(undefined);
      await reading;
    } finally {
      entries.destroy();
    }
  }

  async #read(entries: Entries): Promise<void> {
    try {
      for await (const entry of entries) await this.#look(entry);
    } catch (cause) {
      throw cause instanceof BackupDamaged ? cause : new BackupDamaged('it is not a whole tar archive', { cause });
    }
    compare(this.manifest, this.#found);
  }

  async #look(entry: Entry): Promise<void> {
    const { name, size = 0, type } = entry.header;
    if (this.#manifest) throw new BackupDamaged('something follows its manifest');
    if (type === 'directory') return drain(entry);
    if (type !== 'file') throw new BackupDamaged('it holds something that is neither file nor folder');
    if (name === MANIFEST) {
      this.#manifest = parseManifest(await textOf(entry, size));
      return;
    }
    if (this.#found.size >= MOST_FILES) throw new BackupDamaged('it has too many files');
    if (!isContained(name)) throw new BackupDamaged('a path leads out of the folder');
    if (this.#found.has(name)) throw new BackupDamaged('a path appears twice');
    const hash = createHash('sha256');
    for await (const chunk of entry) hash.update(chunk as Buffer);
    this.#found.set(name, { path: name, size, sha256: hash.digest('hex') });
  }
}

async function drain(entry: Entry): Promise<void> {
  for await (const _ of entry);
}

async function textOf(entry: Entry, size: number): Promise<string> {
  if (size > MOST_MANIFEST) throw new BackupDamaged('its manifest is too large');
  const chunks: Buffer[] = [];
  for await (const chunk of entry) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** A plain relative path; links are refused already, so a path that looks contained is. */
export function isContained(name: string): boolean {
  if (name.length === 0 || name.length > MOST_PATH || name.startsWith('/')) return false;
  if (name.includes('\\') || name.includes('\0')) return false;
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

const isEntry = (entry: unknown): boolean => typeof entry === 'object' && entry !== null;

function parseManifest(text: string): ArchiveManifest {
  try {
    const manifest = JSON.parse(text) as Partial<ArchiveManifest>;
    const { agentId, files } = manifest;
    if (typeof agentId === 'string' && Array.isArray(files) && files.every(isEntry)) return manifest as ArchiveManifest;
  } catch {
    // Reported below, as one kind of damage.
  }
  throw new BackupDamaged('its manifest is damaged');
}

function compare(manifest: ArchiveManifest, found: ReadonlyMap<string, FileEntry>): void {
  if (manifest.files.length !== found.size) throw new BackupDamaged('its files are not those of its manifest');
  const listed = new Set<string>();
  for (const { path, size, sha256 } of manifest.files) {
    const file = found.get(path);
    // Each once: another one would go unlisted, with whatever is in it.
    if (!file || listed.has(path) || file.size !== size || file.sha256 !== sha256)
      throw new BackupDamaged(`the file ${JSON.stringify(path)} differs from its manifest`);
    listed.add(path);
  }
}
