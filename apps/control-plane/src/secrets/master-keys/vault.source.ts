import { createHash, timingSafeEqual } from 'node:crypto';
import type { VaultTransitConfig } from '#libs/config';
import { SealedUnreadable } from '../secrets.errors.js';
import type { MasterKeySource, WrappedKey } from './master-keys.js';
import { VaultTransitClient } from './vault-transit.client.js';

const CIPHERTEXT = /^vault:v(\d{1,9}):[A-Za-z0-9+/=_-]+$/;
const digest = (context: string): Buffer => createHash('sha256').update(context).digest();

/**
 * A key in Vault's transit engine, which this process never sees: whoever steals database and disk still needs Vault.
 * What is wrapped begins with a hash of its context; transit's own associated data cannot be rewrapped.
 */
export class VaultSource implements MasterKeySource {
  readonly #prefix: string;
  readonly #client: VaultTransitClient;

  constructor(config: VaultTransitConfig, client = new VaultTransitClient(config)) {
    this.#prefix = `vault:${config.mount}/${config.key}`;
    this.#client = client;
  }

  /** Asks for the version by encrypting nothing: that needs no right to read the key's settings. */
  async ids(): Promise<string[]> {
    return [this.#idOf(await this.#client.encrypt(Buffer.from('wirebot')))];
  }

  async wrap(plain: Buffer, context: string): Promise<WrappedKey> {
    return this.#stored(await this.#client.encrypt(Buffer.concat([digest(context), plain])));
  }

  async unwrap(key: WrappedKey, context: string): Promise<Buffer | undefined> {
    if (!this.#owns(key)) return undefined;
    const plain = await this.#client.decrypt(Buffer.from(key.wrapped).toString('utf8'));
    const bound = digest(context);
    if (plain.length <= bound.length || !timingSafeEqual(plain.subarray(0, bound.length), bound))
      throw new SealedUnreadable();
    return plain.subarray(bound.length);
  }

  async rewrap(key: WrappedKey): Promise<WrappedKey | undefined> {
    if (!this.#owns(key)) return undefined;
    return this.#stored(await this.#client.rewrap(Buffer.from(key.wrapped).toString('utf8')));
  }

  async rotate(): Promise<string> {
    await this.#client.rotate();
    return (await this.ids())[0]!;
  }

  #owns = (key: WrappedKey): boolean => key.masterId.startsWith(`${this.#prefix}:`);

  #stored(ciphertext: string): WrappedKey {
    return { masterId: this.#idOf(ciphertext), wrapped: Uint8Array.from(Buffer.from(ciphertext)) };
  }

  #idOf(ciphertext: string): string {
    const version = CIPHERTEXT.exec(ciphertext)?.[1];
    if (!version) throw new SealedUnreadable();
    return `${this.#prefix}:v${version}`;
  }
}
