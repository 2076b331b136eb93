import { Database, type Tx } from '#libs/database';
import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditLog } from '../audit/audit-log.js';
import { Log } from '../log.js';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { IdentityModule } from '../identity/identity.module.js';
import { TenantErasureModule } from './tenant-erasure.module.js';
import { TenantErasure } from './tenant-erasure.service.js';
import { TenantChanges } from './tenant-changes.js';
import { TenantRows } from './tenant-rows.js';
import { TenantsRepository } from './tenants.repository.js';
import { TenantLifecycle } from './tenant-lifecycle.service.js';
import { TenantsModule } from './tenants.module.js';
import { countOf, fillTable, tenantTables } from './testing/tenant-rows.fixture.js';

/** What is left of an erased tenant besides its tombstone. */
const KEPT = new Set(['audit_entries', 'audit_heads']);
const DAY_MS = 86_400_000;

let test: TestApp;
let erasure: TenantErasure;
let lifecycle: TenantLifecycle;

beforeAll(async () => {
  const modules = [HttpEdgeModule, IdentityModule, TenantsModule, TenantErasureModule];
  test = await startTestApp(await freshDatabase(), modules);
  erasure = test.app.get(TenantErasure);
  lifecycle = test.app.get(TenantLifecycle);
});
afterAll(() => test.close());

/** A tenant with a row in every table that knows tenants, and one member with an agent on a gateway. */
async function fullTenant(slug: string): Promise<{ tenantId: string; agentId: string; gatewayId: string }> {
  const { tenantId } = await test.seedTenant(slug);
  const { agentId } = await test.seedMember(tenantId, 'wp-1');
  const gatewayId = `gw_${slug}`;
  await test.database.query(
    `INSERT INTO hosts (id, name, driver, port_from, port_to) VALUES ('hst_1', 'here', 'process', 1, 2) ON CONFLICT DO NOTHING`,
  );
  await test.database.query(
    `INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, resources, phase, updated_at)
     VALUES ($2, $1, 'hst_1', 'shared', 'wirebot', 'x', '{}', 'ready', now())`,
    [tenantId, gatewayId],
  );
  await test.database.query(`UPDATE agents SET gateway_id = $2, attached_to = $2 WHERE id = $1`, [agentId, gatewayId]);
  for (const table of await tenantTables(test.database))
    if (!KEPT.has(table) && (await countOf(test.database, table, tenantId)) === 0)
      await fillTable(test.database, table, tenantId);
  return { tenantId, agentId, gatewayId };
}

/** What the reconcilers and the duty of backups would do: whatever is unwanted is gone. */
const reconcile = async (): Promise<void> => {
  await test.database.query(
    `UPDATE agents SET phase = 'deleted', gateway_id = NULL, attached_to = NULL, phase_since = $1 WHERE desired_state = 'erased'`,
    [test.clock.now()],
  );
  await test.database.query(`UPDATE gateways SET phase = 'deleted' WHERE desired_state = 'deleted'`);
  await test.database.query(`DELETE FROM backups WHERE status = 'deleting'`);
};

const rowsLeft = async (tenantId: string): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const table of await tenantTables(test.database)) {
    const count = await countOf(test.database, table, tenantId);
    if (count > 0) counts[table] = count;
  }
  return counts;
};

const statusOf = async (id: string): Promise<string> =>
  (await test.database.query<{ status: string }>('SELECT status FROM tenants WHERE id = $1', [id]))[0]!.status;

/** Steps until it waits or is done. */
async function advanceFully(id: string): Promise<string> {
  for (;;) {
    const step = await erasure.advance(id);
    if (step !== 'again') return step;
  }
}

const anotherProcess = (): TenantErasure => {
  const { app } = test;
  const parts = [app.get(TenantRows), app.get(TenantsRepository), app.get(TenantChanges), app.get(AuditLog)] as const;
  return new TenantErasure(app.get(Database), ...parts, test.clock, app.get(Log));
};

const close = (tenantId: string, days: number) => lifecycle.close({ tenantId, actor: 'user:op' }, days);

describe('erasing a closed tenant', () => {
  it('begins at its time, waits for agents and gateways, and leaves nothing but the tombstone and the audit chain', async () => {
    const { tenantId, agentId, gatewayId } = await fullTenant('whole');
    const filled = await rowsLeft(tenantId);
    const tables = await tenantTables(test.database);
    expect(Object.keys(filled).toSorted()).toEqual(tables.filter((table) => !KEPT.has(table)));
    await close(tenantId, 30);

    test.clock.advance(30 * DAY_MS - 1);
    await erasure.run(new AbortController().signal);
    expect(await statusOf(tenantId)).toBe('closed');
    test.clock.advance(1);
    expect(await advanceFully(tenantId)).toBe('waiting');
    expect(await statusOf(tenantId)).toBe('erasing');
    const desired = async (table: string, id: string) =>
      (await test.database.query<{ d: string }>(`SELECT desired_state AS d FROM ${table} WHERE id = $1`, [id]))[0]!.d;
    expect([await desired('agents', agentId), await desired('gateways', gatewayId)]).toEqual(['erased', 'running']);
    await reconcile();
    expect(await advanceFully(tenantId)).toBe('waiting');
    expect(await desired('gateways', gatewayId)).toBe('deleted');
    await reconcile();
    expect(await advanceFully(tenantId)).toBe('waiting'); // until the objects of its backups are deleted
    const statuses = await test.database.query('SELECT status FROM backups WHERE tenant_id = $1', [tenantId]);
    expect(statuses).toEqual([{ status: 'deleting' }]);
    expect(await countOf(test.database, 'backup_keys', tenantId)).toBe(1);
    await reconcile();
    expect(await advanceFully(tenantId)).toBe('waiting'); // until every proxy has heard of the withdrawn routes
    expect(await countOf(test.database, 'members', tenantId)).toBeGreaterThan(0);
    test.clock.advance(10_000);
    expect(await advanceFully(tenantId)).toBe('done');

    expect(Object.keys(await rowsLeft(tenantId)).toSorted()).toEqual(['audit_entries', 'audit_heads']);
    const [tombstone] = await test.database.query('SELECT * FROM tenants WHERE id = $1', [tenantId]);
    expect(tombstone).toMatchObject({
      slug: `erased-${tenantId}`,
      name: 'Erased',
      brand: {},
      status: 'erased',
      limits: {},
      suspended_reason: null,
    });
    const lines = await test.database.query<{ action: string }>(
      'SELECT action FROM audit_entries WHERE tenant_id = $1 ORDER BY seq',
      [tenantId],
    );
    expect(lines.map(({ action }) => action)).toEqual(['tenant.close', 'tenant.erase', 'tenant.erased']);
    expect(await erasure.advance(tenantId)).toBe('done');
  });

  it('touches no other tenant', async () => {
    const [gone, stays] = [await fullTenant('gone'), await fullTenant('stays')];
    const before = await rowsLeft(stays.tenantId);
    await close(gone.tenantId, 0);
    for (let i = 0; i < 4; i += 1) {
      await advanceFully(gone.tenantId);
      await test.database.query(`UPDATE agents SET phase = 'deleted' WHERE tenant_id = $1`, [gone.tenantId]);
      await test.database.query(`UPDATE gateways SET phase = 'deleted' WHERE tenant_id = $1`, [gone.tenantId]);
      await test.database.query(`DELETE FROM backups WHERE tenant_id = $1 AND status = 'deleting'`, [gone.tenantId]);
      test.clock.advance(20_000);
    }
    expect(await statusOf(gone.tenantId)).toBe('erased');
    expect(await rowsLeft(stays.tenantId)).toEqual(before);
  });

  it('survives being killed at every statement of every step', async () => {
    const { tenantId } = await fullTenant('killed');
    await close(tenantId, 0);
    const database = test.app.get(Database);
    const system = database.system.bind(database);
    let kills = 0;
    let steps = 0;
    try {
      for (let done = false; !done; steps += 1) {
        for (let at = 1; ; at += 1) {
          const killed = { yes: false };
          database.system = (work) => system((tx) => work(dyingAt(tx, at, killed)));
          // A new process each time: nothing may be remembered but the rows.
          const step = await anotherProcess()
            .advance(tenantId)
            .catch(() => 'killed');
          expect(killed.yes).toBe(step === 'killed');
          if (step === 'killed') {
            kills += 1;
            continue;
          }
          done = step === 'done';
          break;
        }
        database.system = system;
        await reconcile();
        test.clock.advance(10_000);
      }
    } finally {
      database.system = system;
    }
    expect(Object.keys(await rowsLeft(tenantId)).toSorted()).toEqual(['audit_entries', 'audit_heads']);
    expect(await statusOf(tenantId)).toBe('erased');
    expect([kills > 300, steps > 25]).toEqual([true, true]);
  });

  it('is done by one process at a time', async () => {
    const { tenantId } = await fullTenant('two');
    await close(tenantId, 0);
    const steps = await Promise.all(Array.from({ length: 8 }, () => erasure.advance(tenantId)));
    expect(steps.every((step) => step === 'again' || step === 'waiting')).toBe(true);
    const begun = await test.database.query(
      `SELECT 1 FROM audit_entries WHERE tenant_id = $1 AND action = 'tenant.erase'`,
      [tenantId],
    );
    expect(begun).toHaveLength(1);
  });

  it('takes what arrives late for an erased tenant away too', async () => {
    const { tenantId } = await test.seedTenant('late');
    await close(tenantId, 0);
    expect(await advanceFully(tenantId)).toBe('done');
    await fillTable(test.database, 'usage_records', tenantId);
    test.clock.advance(3_600_001);
    await erasure.run(new AbortController().signal);
    expect(await countOf(test.database, 'usage_records', tenantId)).toBe(0);
  });

  it('deletes accounts of people who worked for it alone, and no others', async () => {
    const [gone, stays] = [await test.seedTenant('staffed'), await test.seedTenant('staffed-too')];
    for (const [id, role] of [
      ['usr_only', null],
      ['usr_both', null],
      ['usr_operator', 'operator'],
    ]) {
      await test.database.query('INSERT INTO users (id, email, platform_role) VALUES ($1, $2, $3)', [
        id,
        `${id}@example.com`,
        role,
      ]);
      await test.database.query(`INSERT INTO tenant_staff (tenant_id, user_id, role) VALUES ($1, $2, 'admin')`, [
        gone.tenantId,
        id,
      ]);
    }
    await test.database.query(`INSERT INTO tenant_staff (tenant_id, user_id, role) VALUES ($1, 'usr_both', 'admin')`, [
      stays.tenantId,
    ]);
    await close(gone.tenantId, 0);
    expect(await advanceFully(gone.tenantId)).toBe('done');
    const left = await test.database.query<{ id: string }>(
      `SELECT id FROM users WHERE id IN ('usr_only', 'usr_both', 'usr_operator') ORDER BY id`,
    );
    expect(left.map(({ id }) => id)).toEqual(['usr_both', 'usr_operator']);
  });

  it('forgets what was answered for it, whoever asked, and nothing of others', async () => {
    const [gone, stays] = [await test.seedTenant('answered'), await test.seedTenant('answered-too')];
    const asking = (tenantId: string, key: string) =>
      test.app.inject({
        method: 'PATCH',
        url: '/v1/tenant',
        headers: { authorization: `Bearer ${key}`, 'wirebot-tenant': tenantId, 'idempotency-key': 'said' },
        payload: { name: 'Another name' },
      });
    const keys = test.app.get(ApiKeysService);
    const operator = (await keys.issue({ tenantId: null, name: 'ops', scopes: ['*'] })).key;
    for (const { tenantId } of [gone, stays]) {
      const own = (await keys.issue({ tenantId, name: 'site', scopes: ['*'] })).key;
      for (const key of [own, operator]) expect((await asking(tenantId, key)).statusCode).toBe(200);
    }
    await close(gone.tenantId, 0);
    expect(await advanceFully(gone.tenantId)).toBe('done');
    const left = await test.database.query<{ tenant: string }>(
      `SELECT split_part(scope, '@', 2) AS tenant FROM idempotency_keys WHERE key = 'said'`,
    );
    expect(left.map(({ tenant }) => tenant)).toEqual([stays.tenantId, stays.tenantId]);
  });

  it('ends operator keys that were bound to it, which would otherwise act for any tenant', async () => {
    const { tenantId } = await test.seedTenant('bound');
    await test.database.query(
      `INSERT INTO api_keys (id, prefix, secret_hash, scopes, name, default_tenant_id) VALUES ('key_bound', 'bound000', 'x', '{*}', 'x', $1)`,
      [tenantId],
    );
    await close(tenantId, 0);
    expect(await advanceFully(tenantId)).toBe('done');
    const [key] = await test.database.query<{ revoked_at: Date | null }>(
      `SELECT revoked_at FROM api_keys WHERE id = 'key_bound'`,
    );
    expect(key!.revoked_at).not.toBeNull();
  });

  it('does not come back once it has begun', async () => {
    const { tenantId } = await test.seedTenant('no-return');
    await close(tenantId, 30);
    await lifecycle.erase({ tenantId, actor: 'user:op' });
    await expect(lifecycle.reopen({ tenantId, actor: 'user:op' })).rejects.toMatchObject({
      code: 'tenant-state-forbids',
    });
    expect(await advanceFully(tenantId)).toBe('done');
  });
});

/** A transaction that loses its process at its n-th statement. */
function dyingAt(tx: Tx, statement: number, killed: { yes: boolean }): Tx {
  let left = statement;
  const counted =
    <A extends unknown[], R>(call: (...args: A) => R) =>
    (...args: A): R => {
      left -= 1;
      if (left > 0) return call(...args);
      killed.yes = true;
      throw new Error('killed');
    };
  const wrap = (target: object): object =>
    new Proxy(target, {
      get: (of, name) => {
        const value: unknown = Reflect.get(of, name);
        if (typeof value === 'function') return counted(value.bind(of) as (...args: unknown[]) => unknown);
        return typeof value === 'object' && value !== null ? wrap(value) : value;
      },
    });
  return wrap(tx) as Tx;
}
