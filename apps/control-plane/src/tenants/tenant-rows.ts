import { Injectable } from '@nestjs/common';
import { Prisma, type Tx } from '#libs/database';

/** Rows deleted in one transaction at most, so that none takes long and a crash loses little. */
const BATCH = 2_000;

/**
 * Every table that holds rows of a tenant, whoever refers to another first. What stays is not here: the tenant's own
 * row as a tombstone, and its audit chain. Data keys go last of all and are not here either.
 */
const TABLES = [
  'webhook_deliveries',
  'webhook_endpoints',
  'member_exports',
  'invitations',
  'workspace_roles',
  'trust_transitions',
  'trust_signals',
  'quota_leases',
  'quota_counters',
  'usage_records',
  'usage_days',
  'tier_versions',
  'secrets',
  'shared_secret_issuers',
  'mails',
  'sign_in_codes',
  'revocations',
  'backups',
  'backup_keys',
  'operations',
  'outbox',
  'routes',
  'agents',
  'gateways',
  'subscriptions',
  'workspaces',
  'members',
  'tiers',
  'tenant_hosts',
  'api_keys',
] as const;

/** Deletes what a tenant has in the database, in a system transaction. Every call can be repeated. */
@Injectable()
export class TenantRows {
  /** Deletes some rows; resolves false once there are none left. */
  async deleteSome(tx: Tx, tenantId: string): Promise<boolean> {
    if ((await this.#deleteAnswers(tx, tenantId)) > 0) return true;
    if ((await this.#deleteStaff(tx, tenantId)) > 0) return true;
    for (const table of TABLES) if ((await this.#deleteFrom(tx, table, tenantId)) > 0) return true;
    return false;
  }

  /** The rest, with the keys that sealed it: what of it survives in copies can be read by nobody. */
  async deleteLast(tx: Tx, tenantId: string): Promise<void> {
    while (await this.deleteSome(tx, tenantId));
    // An operator's key that was bound to this tenant would otherwise act for any.
    await tx.$executeRaw`UPDATE api_keys SET revoked_at = now() WHERE default_tenant_id = ${tenantId} AND revoked_at IS NULL`;
    await tx.$executeRaw`DELETE FROM data_keys WHERE tenant_id = ${tenantId}`;
  }

  async #deleteFrom(tx: Tx, table: (typeof TABLES)[number], tenantId: string): Promise<number> {
    const name = Prisma.raw(`"${table}"`);
    return tx.$executeRaw`
      DELETE FROM ${name} WHERE ctid IN (SELECT ctid FROM ${name} WHERE tenant_id = ${tenantId} LIMIT ${BATCH})`;
  }

  /** Answers that are kept for repeated requests name members; they are filed under who asked, and for which tenant. */
  async #deleteAnswers(tx: Tx, tenantId: string): Promise<number> {
    return tx.$executeRaw`
      DELETE FROM idempotency_keys WHERE split_part(scope, '@', 2) = ${tenantId} OR scope IN (
        SELECT 'key:' || id FROM api_keys WHERE tenant_id = ${tenantId}
        UNION ALL SELECT 'member:' || id FROM members WHERE tenant_id = ${tenantId}
        UNION ALL SELECT 'user:' || user_id FROM tenant_staff WHERE tenant_id = ${tenantId})`;
  }

  /** Somebody who worked for this tenant alone has no account any more. */
  async #deleteStaff(tx: Tx, tenantId: string): Promise<number> {
    await tx.$executeRaw`DELETE FROM sign_in_attempts WHERE data ->> 'tenantId' = ${tenantId}`;
    const gone = await tx.$queryRaw<{ user_id: string }[]>`
      DELETE FROM tenant_staff WHERE tenant_id = ${tenantId} RETURNING user_id`;
    const ids = gone.map((row) => row.user_id);
    const users = await tx.user.findMany({
      where: { id: { in: ids }, platformRole: null, staff: { none: {} } },
      select: { id: true, email: true },
    });
    await tx.signInAttempt.deleteMany({ where: { userId: { in: users.map((user) => user.id) } } });
    await tx.mail.deleteMany({ where: { recipient: { in: users.map((user) => user.email) } } });
    await tx.user.deleteMany({ where: { id: { in: users.map((user) => user.id) } } });
    return ids.length;
  }
}
