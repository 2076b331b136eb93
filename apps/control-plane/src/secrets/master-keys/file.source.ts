import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MASTER_KEY_PATTERN } from '#libs/config';
import { MasterKeyUnusable } from '../secrets.errors.js';
import { LocalKey } from './local-key.js';
import type { MasterKeySource, WrappedKey } from './master-keys.js';

const CURRENT = 'master-key';
const OLDER = /^master-key\.[\w-]+$/;

/**
 * Keys in files of the secrets directory: `master-key` wraps, every `master-key.<name>` can still unwrap. Files are read
 * again when a key is wrapped or an id is unknown, so a rotation by another process is noticed without being told.
 */
export class FileSource implements MasterKeySource {
  #keys = new Map<string, LocalKey>();

  constructor(private readonly directory: string) {}

  async ids(): Promise<string[]> {
    return [...(await this.#read()).keys()];
  }

  async wrap(plain: Buffer, context: string): Promise<WrappedKey> {
    await this.#read();
    return (await this.#current()).wrap(plain, context);
  }

  async unwrap(key: WrappedKey, context: string): Promise<Buffer | undefined> {
    const known = this.#keys.get(key.masterId) ?? (await this.#read()).get(key.masterId);
    return known?.unwrap(key, context);
  }

  /** Each step leaves a directory that can unwrap everything: a crash in between only leaves the old key in place. */
  async rotate(): Promise<string> {
    return this.promote(await this.prepare());
  }

  /** A key that only unwraps: to be copied to every machine before `promote` makes it the one that wraps. */
  async prepare(): Promise<string> {
    const fresh = new LocalKey(randomBytes(32));
    await this.#write(`${CURRENT}.${fresh.id}`, fresh.bytes);
    return fresh.id;
  }

  /** Makes a key that is here already the one that wraps. */
  async promote(id: string): Promise<string> {
    const wanted = (await this.#read()).get(id);
    if (!wanted) throw new MasterKeyUnusable(`There is no master key ${id} in ${this.directory}.`);
    const before = await this.#current();
    if (before.id === id) return id;
    await this.#write(`${CURRENT}.${before.id}`, before.bytes);
    await this.#write(CURRENT, wanted.bytes);
    return id;
  }

  async bytes(): Promise<Buffer | undefined> {
    const text = await this.#text(CURRENT);
    return text === undefined ? undefined : toKey(CURRENT, text).bytes;
  }

  async #current(): Promise<LocalKey> {
    const bytes = await this.bytes();
    if (!bytes) throw new MasterKeyUnusable(`The file ${CURRENT} is missing in ${this.directory}.`);
    return new LocalKey(bytes);
  }

  async #read(): Promise<Map<string, LocalKey>> {
    const names = (await readdir(this.directory)).filter((name) => OLDER.test(name)).sort();
    const keys = new Map<string, LocalKey>();
    for (const name of [CURRENT, ...names]) {
      const text = await this.#text(name);
      const key = text === undefined ? undefined : toKey(name, text);
      if (key && !keys.has(key.id)) keys.set(key.id, key);
    }
    this.#keys = keys;
    return keys;
  }

  async #text(name: string): Promise<string | undefined> {
    try {
      return (await readFile(join(this.directory, name), 'utf8')).trim();
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new MasterKeyUnusable(`The file ${name} in WIREBOT_SECRETS_DIR cannot be read.`, { cause });
    }
  }

  /** In one step: readers see the whole file or the one before. */
  async #write(name: string, bytes: Buffer): Promise<void> {
    const beside = join(this.directory, `.${name}-${randomBytes(4).toString('hex')}`);
    await writeFile(beside, `${bytes.toString('hex')}\n`, { mode: 0o600, flush: true });
    await rename(beside, join(this.directory, name));
  }
}

function toKey(name: string, text: string): LocalKey {
  if (!MASTER_KEY_PATTERN.test(text))
    throw new MasterKeyUnusable(`The file ${name} in WIREBOT_SECRETS_DIR must hold 64 hex characters.`);
  return new LocalKey(Buffer.from(text, 'hex'));
}
