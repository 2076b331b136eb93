import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock, DomainError, Ids } from '#libs/kernel';
import { LRUCache } from 'lru-cache';
import { MasterKeys } from './master-keys/master-keys.js';
import { SealedUnreadable } from './secrets.errors.js';

/** Unwrapped keys in memory: this many, each for this long (milliseconds), or longer while the master key is out of reach. */
const CACHE = { max: 5_000, ttl: 10 * 60_000 };
/**
 * Whoever waits for a key gets it, also when it is rotated or crowded out meanwhile: a key that is read is good, and without
 * this the cache would fail its waiters.
 */
const PATIENT = { ignoreFetchAbort: true } as const;
/** How long a process may go on sealing under a key that another one has retired, in milliseconds. */
export const CURRENT_KEY_TTL = 30_000;
const PLATFORM = '';

export interface DataKey {
  readonly id: string;
  readonly key: KeyObject;
}

const contextOf = (id: string): string => `data-key/${id}`;

/** The keys that secrets are encrypted with: one current key a tenant and one of the platform, wrapped by the master key. */
@Injectable()
export class DataKeys {
  readonly #keys = new LRUCache<string, KeyObject>({
    ...CACHE,
    ...PATIENT,
    fetchMethod: (id, known) => this.#reload(id, known),
  });
  readonly #current = new LRUCache<string, string>({
    max: CACHE.max,
    ttl: CURRENT_KEY_TTL,
    ...PATIENT,
    fetchMethod: async (tenant) => (await this.#find(tenant || null)) ?? this.#create(tenant || null),
  });

  constructor(
    private readonly database: Database,
    private readonly masterKeys: MasterKeys,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** What is sealed now is sealed under this one; made when the tenant (`null`: the platform) has none. */
  async current(tenantId: string | null): Promise<DataKey> {
    const id = await this.#current.forceFetch(tenantId ?? PLATFORM);
    return { id, key: await this.get(id) };
  }

  /** Throws SealedUnreadable when the key is gone, MasterKeyMissing when nothing here can unwrap it. */
  async get(id: string): Promise<KeyObject> {
    const key = await this.#keys.fetch(id);
    if (!key) throw new SealedUnreadable();
    return key;
  }

  /** A new current key; the ones before are retired and stay able to open. Returns its id. */
  async rotate(tenantId: string | null): Promise<string> {
    const fresh = await this.#wrapped();
    await this.database.system(async (tx) => {
      await lockTenant(tx, tenantId);
      await tx.dataKey.updateMany({ where: { tenantId, retiredAt: null }, data: { retiredAt: this.clock.now() } });
      await tx.dataKey.create({ data: { ...fresh, tenantId, createdAt: this.clock.now() }, select: { id: true } });
    });
    this.#current.delete(tenantId ?? PLATFORM);
    return fresh.id;
  }

  async #find(tenantId: string | null): Promise<string | undefined> {
    return this.database.system((tx) => currentIn(tx, tenantId));
  }

  /** Wrapped before the lock is taken: a Vault that is slow holds up nobody else. */
  async #create(tenantId: string | null): Promise<string> {
    const fresh = await this.#wrapped();
    return this.database.system(async (tx) => {
      await lockTenant(tx, tenantId);
      const other = await currentIn(tx, tenantId);
      if (other) return other;
      await tx.dataKey.create({ data: { ...fresh, tenantId, createdAt: this.clock.now() }, select: { id: true } });
      return fresh.id;
    });
  }

  async #wrapped(): Promise<{ id: string; wrapped: Uint8Array<ArrayBuffer>; masterId: string }> {
    const id = this.ids.next('dataKey');
    const plain = randomBytes(32);
    const { masterId, wrapped } = await this.masterKeys.wrap(plain, contextOf(id));
    plain.fill(0);
    return { id, wrapped, masterId };
  }

  /** Only a master key that is out of reach leaves the known one in use; one that is gone is gone. */
  async #reload(id: string, known: KeyObject | undefined): Promise<KeyObject | undefined> {
    try {
      return await this.#load(id);
    } catch (error) {
      if (known && error instanceof DomainError && error.kind === 'unavailable') return known;
      throw error;
    }
  }

  async #load(id: string): Promise<KeyObject | undefined> {
    const row = await this.database.system((tx) => tx.dataKey.findUnique({ where: { id } }));
    if (!row) return undefined;
    const plain = await this.masterKeys.unwrap(row, contextOf(id));
    const key = createSecretKey(plain);
    plain.fill(0);
    return key;
  }
}

const lockTenant = (tx: Tx, tenantId: string | null): Promise<unknown> =>
  tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext(${`wirebot/data-key/${tenantId ?? PLATFORM}`}))`;

async function currentIn(tx: Tx, tenantId: string | null): Promise<string | undefined> {
  const row = await tx.dataKey.findFirst({
    where: { tenantId, retiredAt: null },
    orderBy: { id: 'desc' },
    select: { id: true },
  });
  return row?.id;
}
