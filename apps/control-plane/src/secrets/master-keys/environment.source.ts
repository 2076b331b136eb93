import { MasterKeyUnusable } from '../secrets.errors.js';
import { LocalKey } from './local-key.js';
import type { MasterKeySource, WrappedKey } from './master-keys.js';

/** Keys that the process was started with. */
export class EnvironmentSource implements MasterKeySource {
  readonly #keys: readonly LocalKey[];

  /** @param keys The first one wraps. */
  constructor(keys: readonly Buffer[]) {
    this.#keys = keys.map((bytes) => new LocalKey(bytes));
  }

  ids = async (): Promise<string[]> => this.#keys.map((key) => key.id);

  async wrap(plain: Buffer, context: string): Promise<WrappedKey> {
    return this.#first.wrap(plain, context);
  }

  async unwrap(key: WrappedKey, context: string): Promise<Buffer | undefined> {
    return this.#keys.find((known) => known.id === key.masterId)?.unwrap(key, context);
  }

  async rotate(): Promise<string> {
    throw new MasterKeyUnusable(
      'A master key in the environment is changed where the environment is made: WIREBOT_MASTER_KEY the new one, ' +
        'WIREBOT_MASTER_KEYS_OLDER the one before. Start every process so, then run `secrets rotate-master --rewrap-only`.',
    );
  }

  bytes = async (): Promise<Buffer> => this.#first.bytes;

  get #first(): LocalKey {
    const [first] = this.#keys;
    if (!first) throw new MasterKeyUnusable('WIREBOT_MASTER_KEY is not set.');
    return first;
  }
}
