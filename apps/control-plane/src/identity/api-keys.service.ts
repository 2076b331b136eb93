import { randomInt } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { ApiKeyInvalid, ApiKeyNotFound, ScopeInvalid } from './identity.errors.js';
import { type Principal, SCOPE_PATTERN } from './principal.js';
import { randomSecret, sameSecret, sha256 } from './secrets.js';

const KEY_PATTERN = /^wb([to])_([0-9a-z]{8})_([\w-]{43})$/;
const PREFIX_ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';
/** Compared with when the prefix is unknown, so that both cases take the same time. */
const NO_HASH = sha256('no such key');
/** `last_used_at` is written at most this often per key, in milliseconds. */
const TOUCH_EVERY_MS = 60_000;

export interface NewApiKey {
  /** Null: an operator's key. */
  readonly tenantId: string | null;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAt?: Date;
  /** Operators only: the tenant that tenant routes act on. */
  readonly defaultTenantId?: string;
}

export interface ApiKeyView {
  readonly id: string;
  readonly tenantId: string | null;
  readonly name: string;
  readonly prefix: string;
  readonly scopes: readonly string[];
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  readonly lastUsedAt: string | null;
  readonly createdAt: string;
}

/** API keys: `wbt_<prefix>_<secret>` of a tenant, `wbo_…` of an operator. Only a hash is stored. */
@Injectable()
export class ApiKeysService {
  constructor(
    private readonly database: Database,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** The key itself is returned this once and never again. */
  async issue(input: NewApiKey): Promise<{ readonly id: string; readonly key: string }> {
    if (input.scopes.length === 0 || input.scopes.some((scope) => !SCOPE_PATTERN.test(scope))) throw new ScopeInvalid();
    const id = this.ids.next('apiKey');
    const prefix = Array.from({ length: 8 }, () => PREFIX_ALPHABET[randomInt(PREFIX_ALPHABET.length)]).join('');
    const key = `wb${input.tenantId === null ? 'o' : 't'}_${prefix}_${randomSecret()}`;
    await this.database.system((tx) =>
      tx.apiKey.create({
        data: {
          id,
          tenantId: input.tenantId,
          prefix,
          secretHash: sha256(key),
          scopes: [...input.scopes],
          name: input.name,
          expiresAt: input.expiresAt ?? null,
          defaultTenantId: input.tenantId === null ? (input.defaultTenantId ?? null) : null,
        },
        select: { id: true },
      }),
    );
    return { id, key };
  }

  /** Who a key belongs to. Throws ApiKeyInvalid, the same for every reason. */
  async authenticate(key: string | undefined, _address?: string): Promise<Principal> {
    const parts = KEY_PATTERN.exec(key ?? '');
    const [whole, kind, prefix] = parts ?? [];
    if (!whole || !prefix) throw new ApiKeyInvalid();
    const row = await this.database.system((tx) => tx.apiKey.findUnique({ where: { prefix } }));
    const matches = sameSecret(row?.secretHash ?? NO_HASH, sha256(whole));
    const now = this.clock.now();
    const usable = row !== null && row.revokedAt === null && (row.expiresAt === null || row.expiresAt > now);
    if (!matches || !usable || (kind === 't') !== (row.tenantId !== null)) throw new ApiKeyInvalid();
    if (now.getTime() - (row.lastUsedAt?.getTime() ?? 0) > TOUCH_EVERY_MS) await this.#touch(row.id, now);
    if (row.tenantId !== null) return { kind: 'tenant', tenantId: row.tenantId, keyId: row.id, scopes: row.scopes };
    const bound = row.defaultTenantId === null ? {} : { tenantId: row.defaultTenantId };
    return { kind: 'operator', keyId: row.id, scopes: row.scopes, ...bound };
  }

  /** Takes effect with the next request. `tenantId` null revokes any key. */
  async revoke(tenantId: string | null, id: string): Promise<void> {
    const where = { id, ...(tenantId === null ? {} : { tenantId }) };
    const now = this.clock.now();
    const count = await this.database.system(async (tx) => {
      await tx.apiKey.updateMany({ where: { ...where, revokedAt: null }, data: { revokedAt: now } });
      return tx.apiKey.count({ where });
    });
    if (count === 0) throw new ApiKeyNotFound();
  }

  /** `tenantId` null lists every key. */
  async list(tenantId: string | null): Promise<ApiKeyView[]> {
    const where = tenantId === null ? {} : { tenantId };
    const rows = await this.database.system((tx) => tx.apiKey.findMany({ where, orderBy: { id: 'desc' }, take: 500 }));
    return rows.map((row) => ({
      id: row.id,
      tenantId: row.tenantId,
      name: row.name,
      prefix: row.prefix,
      scopes: row.scopes,
      expiresAt: row.expiresAt?.toISOString() ?? null,
      revokedAt: row.revokedAt?.toISOString() ?? null,
      lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
      createdAt: row.createdAt.toISOString(),
    }));
  }

  async #touch(id: string, now: Date): Promise<void> {
    await this.database.system((tx) => tx.apiKey.updateMany({ where: { id }, data: { lastUsedAt: now } }));
  }
}
