import { Injectable } from '@nestjs/common';
import type { SealedProviderKey } from '#libs/contracts';
import { Database } from '#libs/database';
import { Log } from '../log.js';
import { secretContext } from './secret-rules.js';
import { Vault } from './vault.js';

/** Rows that are read and opened at a time. */
const BATCH = 200;
/**
 * In place of a key that cannot be opened now. The broker must know that there is one: with nothing in its place it would
 * make the call with the next key in line, at somebody else's cost.
 */
const UNREADABLE = 'unreadable';

export interface ProviderKeyChanges {
  readonly upsert: readonly SealedProviderKey[];
  readonly remove: readonly string[];
}

interface Head {
  readonly id: string;
  readonly version: number;
}

/** Provider keys for the route feed, as the broker gets them: the outer layer opened, the broker's own still closed. */
@Injectable()
export class ProviderKeyReader {
  readonly #known = new Map<string, SealedProviderKey>();
  #reading: Promise<ProviderKeyChanges> = Promise.resolve({ upsert: [], remove: [] });
  #next: Promise<ProviderKeyChanges> | undefined;
  #loaded = false;

  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly log: Log,
  ) {}

  /** True once everything was read: before that nobody may take what is here for all there is. */
  get loaded(): boolean {
    return this.#loaded;
  }

  list(): SealedProviderKey[] {
    return [...this.#known.values()];
  }

  /** What changed since the last time. One read at a time; all who come meanwhile share the one after it. */
  refresh(): Promise<ProviderKeyChanges> {
    this.#next ??= this.#reading
      .catch(() => undefined) // told to whoever asked for it
      .then(() => {
        this.#next = undefined;
        this.#reading = this.#changes();
        return this.#reading;
      });
    return this.#next;
  }

  async #changes(): Promise<ProviderKeyChanges> {
    const heads = await this.database.system(
      (tx) => tx.$queryRaw<Head[]>`
        SELECT id, version FROM secrets WHERE purpose = 'provider' AND tenant_id IS NOT NULL ORDER BY id`,
    );
    const present = new Set(heads.map((head) => head.id));
    const stale = heads.filter((head) => this.#isStale(head)).map((head) => head.id);
    const upsert: SealedProviderKey[] = [];
    for (let at = 0; at < stale.length; at += BATCH) upsert.push(...(await this.#open(stale.slice(at, at + BATCH))));
    const remove = [...this.#known.keys()].filter((id) => !present.has(id));
    for (const key of upsert) this.#known.set(key.id, key);
    for (const id of remove) this.#known.delete(id);
    this.#loaded = true;
    return { upsert, remove };
  }

  #isStale({ id, version }: Head): boolean {
    const known = this.#known.get(id);
    return known?.version !== version || known.jwe === UNREADABLE;
  }

  async #open(ids: readonly string[]): Promise<SealedProviderKey[]> {
    const rows = await this.database.system((tx) => tx.secret.findMany({ where: { id: { in: [...ids] } } }));
    const keys = await Promise.all(
      rows.map(async ({ id, memberId, version, sealed, ...row }): Promise<SealedProviderKey[]> => {
        const tenantId = row.tenantId!;
        const key = { id, tenantId, memberId, provider: row.name as SealedProviderKey['provider'], version };
        try {
          const context = secretContext({ ...row, memberId });
          return [{ ...key, jwe: (await this.vault.open(sealed, context)).toString() }];
        } catch (err) {
          if (this.#known.get(id)?.version === version) return []; // said before
          this.log.error({ storedKeyId: id, version, err }, 'a provider key cannot be opened for the route feed');
          return [{ ...key, jwe: UNREADABLE }];
        }
      }),
    );
    return keys.flat();
  }
}
