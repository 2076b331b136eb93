import { type BrokerKey, BrokerKeysInvalid, parsePrivateKeys } from '#libs/broker-keys';
import { readFile, stat } from 'node:fs/promises';

/** An unknown key id makes the file be read again, at most this often (milliseconds). */
const REREAD = 1_000;

/**
 * The broker's own keys: a file that this process alone may read. Without it, tenants' own provider keys cannot be opened
 * and everything else works.
 */
export class BrokerKeyFile {
  #keys: readonly BrokerKey[] = [];
  #readAt = -Infinity;
  #changedAt = -1;

  constructor(
    private readonly path: string,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The current key first. Read again when `wanted` is not among the known ones: it may have been rotated in meanwhile. */
  async keys(wanted?: string): Promise<readonly BrokerKey[]> {
    const known = wanted !== undefined && this.#keys.some((key) => key.kid === wanted);
    if (!known && this.now() - this.#readAt >= REREAD) await this.#read();
    return this.#keys;
  }

  async #read(): Promise<void> {
    this.#readAt = this.now();
    try {
      const { mode, mtimeMs } = await stat(this.path);
      if ((mode & 0o077) !== 0) throw new BrokerKeysInvalid(`${this.path} must have mode 600: others can read it now.`);
      if (mtimeMs === this.#changedAt) return;
      this.#keys = await parsePrivateKeys(await readFile(this.path, 'utf8'));
      this.#changedAt = mtimeMs;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.#keys = [];
      this.#changedAt = -1;
    }
  }
}
