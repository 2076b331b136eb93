import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { ChangeNotifier } from '#libs/queue';
import { generateSigningKey, type SigningKey } from '#libs/tokens';
import { ROUTES_CHANNEL } from '../routing/route-publisher.js';
import { Vault } from '../secrets/vault.js';
import { type KeyRecord, SigningKeysRepository } from './signing-keys.repository.js';

const sealContext = (kid: string): string => `signing-key/${kid}`;

export interface FreshKey {
  readonly key: SigningKey;
  readonly sealed: Uint8Array<ArrayBuffer>;
}

/** The keys that member tokens are signed and verified with. The first one is made when it is first needed. */
@Injectable()
export class SigningKeysService {
  /** Opened private keys, by id. Which of them signs is asked every time, so that a withdrawn key signs nothing more anywhere. */
  readonly #opened = new Map<string, Promise<SigningKey>>();

  constructor(
    private readonly database: Database,
    private readonly keys: SigningKeysRepository,
    private readonly vault: Vault,
    private readonly notifier: ChangeNotifier,
    private readonly clock: Clock,
  ) {}

  /** The key that signs now. */
  async current(): Promise<SigningKey> {
    const record = await this.database.system((tx) => this.keys.current(tx));
    return this.#open(record ?? (await this.#first()));
  }

  /** Every key that a valid token may carry or will carry soon. */
  async jwks(): Promise<{ readonly keys: readonly Record<string, unknown>[] }> {
    await this.current(); // the set is never empty
    const rows = await this.database.system((tx) => this.keys.published(tx));
    return { keys: rows.map((row) => row.publicJwk as Record<string, unknown>) };
  }

  /** A key of nobody yet. Before the transaction that stores it: sealing asks the database itself. */
  async generate(): Promise<FreshKey> {
    const key = await generateSigningKey();
    const { sealed } = await this.vault.seal(null, JSON.stringify(key.privateJwk), sealContext(key.kid));
    return { key, sealed };
  }

  /** To be called after the commit of every change of the key set. */
  async announce(): Promise<void> {
    this.#opened.clear();
    await this.notifier.publish(ROUTES_CHANNEL);
  }

  /** Under a lock, so that processes agree on one. */
  async #first(): Promise<KeyRecord> {
    const fresh = await this.generate();
    const record = await this.database.system((tx) => this.#storeFirst(tx, fresh));
    await this.announce();
    return record;
  }

  async #storeFirst(tx: Tx, { key, sealed }: FreshKey): Promise<KeyRecord> {
    await this.keys.lock(tx);
    const other = await this.keys.current(tx);
    if (other) return other;
    await this.keys.add(tx, key, sealed, this.clock.now());
    await this.keys.renderGateways(tx);
    return (await this.keys.current(tx))!;
  }

  #open({ kid, publicJwk, privateJwkEncrypted }: KeyRecord): Promise<SigningKey> {
    const known = this.#opened.get(kid);
    if (known) return known;
    const opening = this.vault
      .open(privateJwkEncrypted, sealContext(kid))
      .then((plain) => ({ kid, publicJwk, privateJwk: JSON.parse(plain.toString()) as SigningKey['privateJwk'] }));
    this.#opened.set(kid, opening);
    opening.catch(() => this.#opened.delete(kid));
    return opening;
  }
}
