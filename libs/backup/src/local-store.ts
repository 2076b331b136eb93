import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  BackupError,
  BackupObjectMissing,
  BackupStoreFull,
  BackupStoreRefused,
  BackupStoreUnreachable,
} from './errors.js';
import type { Bytes } from './stage.js';
import { assertKey, BackupStore, type ByteRange, type StoredObject } from './store.js';

/** What is being written; on the same file system, so that it can be renamed into place. */
const PARTIAL = '.partial';
const ROOM_EVERY = 64 * 1024 * 1024;
const MB = 1024 * 1024;

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? '';

/** A folder: for one machine, or a network file system that all control planes mount. */
export class LocalBackupStore extends BackupStore {
  readonly name = 'local';
  readonly #root: string;

  constructor(
    root: string,
    /** Bytes that stay free on its file system. */
    private readonly keepFree: number,
  ) {
    super();
    this.#root = resolve(root);
  }

  async put(key: string, source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const path = this.#path(key);
    const partial = join(this.#root, PARTIAL, randomUUID());
    try {
      signal.throwIfAborted();
      await this.#assertRoom();
      await mkdir(dirname(partial), { recursive: true, mode: 0o700 });
      const file = await open(partial, 'wx', 0o600);
      await pipeline(source, (bytes: Bytes) => this.#watched(bytes), file.createWriteStream({ flush: true }), {
        signal,
      });
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      signal.throwIfAborted();
      await rename(partial, path);
      await syncFolder(dirname(path));
    } catch (error) {
      await rm(partial, { force: true }).catch(() => undefined);
      throw signal.aborted ? signal.reason : this.#translated(error);
    }
  }

  async get(key: string, signal: AbortSignal, range?: ByteRange): Promise<Readable> {
    signal.throwIfAborted();
    let file: FileHandle;
    try {
      file = await open(this.#path(key), 'r');
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') throw new BackupObjectMissing({ cause });
      throw this.#translated(cause);
    }
    const part = range ? { start: range.first, end: range.last } : {};
    return file.createReadStream({ highWaterMark: MB, ...part });
  }

  async stat(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    signal.throwIfAborted();
    try {
      const { size, mtime } = await stat(this.#path(key));
      return { key, bytes: size, at: mtime };
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw this.#translated(error);
    }
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const path = this.#path(key);
    try {
      await rm(path, { force: true });
      await syncFolder(dirname(path));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw this.#translated(error);
    }
  }

  async *list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject> {
    for await (const path of this.#files(this.#root)) {
      signal.throwIfAborted();
      const key = relative(this.#root, path);
      if (!key.startsWith(prefix) || key.startsWith(PARTIAL)) continue;
      const found = await this.stat(key, signal);
      if (found) yield found;
    }
  }

  async discardPartial(before: Date, signal: AbortSignal): Promise<number> {
    let removed = 0;
    for await (const path of this.#files(join(this.#root, PARTIAL))) {
      signal.throwIfAborted();
      const found = await stat(path).catch(() => undefined);
      if (!found || found.mtime >= before) continue;
      await rm(path, { force: true });
      removed += 1;
    }
    return removed;
  }

  close(): void {
    // Nothing is open between calls.
  }

  async *#files(folder: string): AsyncIterable<string> {
    let entries;
    try {
      entries = await readdir(folder, { withFileTypes: true });
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return;
      throw this.#translated(error);
    }
    for (const entry of entries) {
      if (entry.isDirectory()) yield* this.#files(join(folder, entry.name));
      else if (entry.isFile()) yield join(folder, entry.name);
    }
  }

  #path(key: string): string {
    assertKey(this.name, key);
    return join(this.#root, key);
  }

  async #free(): Promise<number> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    const { bavail, bsize } = await statfs(this.#root);
    return bavail * bsize;
  }

  async #assertRoom(): Promise<void> {
    const free = await this.#free();
    if (free < this.keepFree) throw new BackupStoreFull(Math.floor(free / MB), Math.ceil(this.keepFree / MB));
  }

  /** Looks again while a large object is written: the bound holds, and others' room is not eaten up to the last byte. */
  async *#watched(source: Bytes): AsyncGenerator<Uint8Array> {
    let since = 0;
    for await (const chunk of source) {
      since += chunk.length;
      if (since >= ROOM_EVERY) {
        since = 0;
        await this.#assertRoom();
      }
      yield chunk;
    }
  }

  #translated(error: unknown): unknown {
    const code = codeOf(error);
    if (error instanceof BackupError || !/^E[A-Z]+$/.test(code)) return error;
    if (code === 'ENOSPC' || code === 'EDQUOT')
      return new BackupStoreFull(0, Math.ceil(this.keepFree / MB), { cause: error });
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST')
      return new BackupStoreRefused(this.name, code, { cause: error });
    return new BackupStoreUnreachable(this.name, code, { cause: error });
  }
}

/** The names in a folder survive a power cut only once the folder itself is on disk. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
