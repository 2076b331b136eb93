import { Injectable, Logger } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { Counters } from '#libs/queue';
import { AuditLog } from '../audit/audit-log.js';
import { isWithin } from './address-list.js';
import { mintKey, parseKey, type ParsedKey } from './api-key.js';
import { ApiKeyInvalid, ScopeInvalid, TenantSuspended } from './identity.errors.js';
import { type Principal, SCOPE_PATTERN } from './principal.js';
import { sameSecret, sha256 } from './secrets.js';

/** Compared with when the prefix is unknown, so that both cases take the same time. */
const NO_HASH = sha256('no such key');
/** `last_used_at` is written at most this often per key, in milliseconds. */
const TOUCH_EVERY_MS = 60_000;
/** A right key that is refused because of its address gets one audit line in this time; the log has every attempt. */
const REFUSAL_WINDOW_SECONDS = 600;

export interface NewApiKey {
  /** Null: an operator's key. */
  readonly tenantId: string | null;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAt?: Date;
  /** Operators only: the tenant that tenant routes act on. */
  readonly defaultTenantId?: string;
  /** Who made it, as the audit log names people; it then gets a line there. */
  readonly createdBy?: string;
}

/** A key's row with the state of its tenant. */
interface KeyRow {
  readonly id: string;
  readonly tenantId: string | null;
  readonly secretHash: string;
  readonly scopes: string[];
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
  readonly defaultTenantId: string | null;
  readonly readOnly: boolean;
  readonly allowedIps: string[];
  readonly tenantStatus: string | null;
  readonly suspendedReason: string | null;
}

type Refusal = 'unknown' | 'wrong-secret' | 'wrong-kind' | 'revoked' | 'expired' | 'address' | 'tenant-closed';

/**
 * Recognises API keys: `wbt_<prefix>_<secret>` of a tenant, `wbo_…` of an operator. Only a hash is stored. Keys are made,
 * rotated and revoked in `api-keys/`.
 */
@Injectable()
export class ApiKeysService {
  readonly #logger = new Logger('api-keys');

  constructor(
    private readonly database: Database,
    private readonly counters: Counters,
    private readonly audit: AuditLog,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** For an installation's own set-up, where nobody is there whose rights would bound the key's. Returned this once. */
  async issue(input: NewApiKey): Promise<{ readonly id: string; readonly key: string }> {
    if (input.scopes.length === 0 || input.scopes.some((scope) => !SCOPE_PATTERN.test(scope))) throw new ScopeInvalid();
    const id = this.ids.next('apiKey');
    const { key, prefix, secretHash } = mintKey(input.tenantId === null ? 'operator' : 'tenant');
    const { tenantId, name, scopes, expiresAt = null, createdBy = null } = input;
    const defaultTenantId = tenantId === null ? (input.defaultTenantId ?? null) : null;
    const data = { id, tenantId, prefix, secretHash, scopes: [...scopes], name, expiresAt, defaultTenantId, createdBy };
    await this.database.system(async (tx) => {
      await tx.apiKey.create({ data, select: { id: true } });
      if (createdBy === null) return;
      const line = { tenantId, actor: createdBy, action: 'key.create', resource: 'api-key', resourceId: id };
      await this.audit.record(tx, { ...line, data: { scopes: [...scopes] } });
    });
    return { id, key };
  }

  /**
   * Who a key belongs to, in one round trip. Throws ApiKeyInvalid, the same for every reason; TenantSuspended only for
   * a key that would be right otherwise.
   */
  async authenticate(key: string | undefined, address?: string): Promise<Principal> {
    const parsed = parseKey(key);
    if (!parsed) throw new ApiKeyInvalid();
    const row = await this.#find(parsed.prefix);
    const now = this.clock.now();
    const refusal = refusalOf(parsed, row, now, address);
    if (refusal !== undefined || !row) return this.#refuse(refusal ?? 'unknown', row, address);
    if (row.tenantStatus === 'suspended') throw new TenantSuspended(row.suspendedReason);
    if (now.getTime() - (row.lastUsedAt?.getTime() ?? 0) > TOUCH_EVERY_MS) await this.#touch(row.id, now);
    return principalOf(row);
  }

  async #find(prefix: string): Promise<KeyRow | undefined> {
    const [row] = await this.database.once(
      (client) => client.$queryRaw<KeyRow[]>`
        SELECT k.id, k.tenant_id AS "tenantId", k.secret_hash AS "secretHash", k.scopes, k.expires_at AS "expiresAt",
          k.revoked_at AS "revokedAt", k.last_used_at AS "lastUsedAt", k.default_tenant_id AS "defaultTenantId",
          k.read_only AS "readOnly", k.allowed_ips AS "allowedIps",
          t.status AS "tenantStatus", t.suspended_reason AS "suspendedReason"
        FROM api_keys k LEFT JOIN tenants t ON t.id = k.tenant_id
        WHERE k.prefix = ${prefix}`,
    );
    return row;
  }

  /** What is wrong is told to our own people only: it would tell a thief which of several keys still lives. */
  async #refuse(reason: Refusal, row: KeyRow | undefined, address: string | undefined): Promise<never> {
    if (row && reason !== 'wrong-secret') this.#logger.warn({ msg: 'api key refused', key: row.id, reason, address });
    if (row && reason === 'address') await this.#recordMisuse(row);
    throw new ApiKeyInvalid();
  }

  /** Somebody has the whole key and uses it from elsewhere: the one refusal that the key's owner must hear of. */
  async #recordMisuse(row: KeyRow): Promise<void> {
    try {
      const first = await this.counters.consume(`key-refused:${row.id}`, 1, REFUSAL_WINDOW_SECONDS);
      if (!first.allowed) return;
      const line = { action: 'key.refuse', resource: 'api-key', resourceId: row.id, data: { reason: 'address' } };
      const actor = `key:${row.id}`;
      await this.database.system((tx) => this.audit.record(tx, { ...line, tenantId: row.tenantId, actor }));
    } catch (err) {
      // The refusal stands whether or not it could be written down; the warning above is in the log.
      this.#logger.error({ msg: 'refused key not recorded', key: row.id, err });
    }
  }

  async #touch(id: string, now: Date): Promise<void> {
    await this.database.once(
      (client) => client.$executeRaw`UPDATE api_keys SET last_used_at = ${now} WHERE id = ${id}`,
    );
  }
}

/** Undefined: the key is right. The secret is compared first, and always. */
function refusalOf(
  parsed: ParsedKey,
  row: KeyRow | undefined,
  now: Date,
  address: string | undefined,
): Refusal | undefined {
  const matches = sameSecret(row?.secretHash ?? NO_HASH, parsed.secretHash);
  if (!row) return 'unknown';
  if (!matches) return 'wrong-secret';
  if ((parsed.kind === 'tenant') !== (row.tenantId !== null)) return 'wrong-kind';
  if (row.revokedAt !== null) return 'revoked';
  if (row.expiresAt !== null && row.expiresAt <= now) return 'expired';
  if (row.allowedIps.length > 0 && (address === undefined || !isWithin(address, row.allowedIps))) return 'address';
  const open = row.tenantId === null || row.tenantStatus === 'active' || row.tenantStatus === 'suspended';
  return open ? undefined : 'tenant-closed';
}

function principalOf({ id: keyId, tenantId, scopes, readOnly, defaultTenantId }: KeyRow): Principal {
  const restricted = readOnly ? { readOnly } : {};
  if (tenantId !== null) return { kind: 'tenant', tenantId, keyId, scopes, ...restricted };
  return { kind: 'operator', keyId, scopes, ...restricted, ...(defaultTenantId ? { tenantId: defaultTenantId } : {}) };
}
