import { Database } from '#libs/database';
import type { OperationView } from '#libs/contracts';
import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpEdgeModule } from '../../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../../http/test-app.fixture.js';
import { ApiKeysService } from '../../identity/api-keys.service.js';
import { IdentityModule } from '../../identity/identity.module.js';
import { OperationsModule } from '../../operations/operations.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { DOCUMENT_FORMAT } from './member-document.js';
import { MemberExportRunner } from './member-export-runner.js';
import { MemberExportRunnerModule } from './member-export-runner.module.js';
import { MemberExportsModule } from './member-exports.module.js';

interface Document {
  readonly format: string;
  readonly member: { readonly id: string; readonly email: string };
  readonly workspaces: readonly { readonly id: string; readonly role: string }[];
  readonly usage: { readonly days: readonly { readonly calls: number }[] };
  readonly audit: { readonly lines: readonly { readonly action: string; readonly by: string }[] };
}

let test: TestApp;
let tenant: { tenantId: string; key: string };
let other: { tenantId: string; key: string };
let mia: { memberId: string; workspaceId: string };

const call = (method: 'GET' | 'POST', url: string, key: string, payload?: object) =>
  test.app.inject({ method, url, headers: { authorization: `Bearer ${key}` }, ...(payload ? { payload } : {}) });
type Answer = Awaited<ReturnType<typeof call>>;
const codeOf = (answer: Answer) => [answer.statusCode, answer.json<{ code?: string }>().code];
const run = () => test.app.get(MemberExportRunner).run(new AbortController().signal);
const request = async (externalId: string): Promise<OperationView> => {
  const answer = await call('POST', `/v1/members/${externalId}/export`, tenant.key);
  expect(answer.statusCode).toBe(202);
  const { operation } = answer.json<{ operation: OperationView }>();
  expect(answer.headers['location']).toBe(`/v1/operations/${operation.id}`);
  return operation;
};
const operation = async (id: string): Promise<OperationView> =>
  (await call('GET', `/v1/operations/${id}`, tenant.key)).json<OperationView>();
const pathOf = (done: OperationView): string => new URL(String(done.result!['url'])).pathname;

beforeAll(async () => {
  const modules = [HttpEdgeModule, IdentityModule, TokensModule, OperationsModule];
  test = await startTestApp(await freshDatabase(), [...modules, MemberExportsModule, MemberExportRunnerModule]);
  tenant = await test.seedTenant('acme');
  other = await test.seedTenant('other');
  mia = await test.seedMember(tenant.tenantId, 'wp-1');
  await test.seedMember(tenant.tenantId, 'wp-2');
  await test.database.query(
    `INSERT INTO usage_days (day, tenant_id, member_id, workspace_id, tier_key, provider, model, calls)
     VALUES ('2026-11-20', $1, $2, $3, 'wire', 'anthropic', 'm', 3), ('2026-11-20', $1, 'mem_other', $3, 'wire', 'anthropic', 'm', 9)`,
    [tenant.tenantId, mia.memberId, mia.workspaceId],
  );
});
afterAll(() => test.close());

describe('an export', () => {
  it('is put together by a worker and fetched by its link, sealed in between', async () => {
    const opened = await request('wp-1');
    expect(opened).toMatchObject({
      kind: 'export',
      status: 'pending',
      steps: [{ name: 'collect', status: 'pending' }],
    });
    expect(await request('wp-1')).toMatchObject({ id: opened.id });
    await run();
    const done = await operation(opened.id);
    const expiresAt = new Date(test.clock.now().getTime() + 7 * 86_400_000).toISOString();
    expect(done).toMatchObject({ status: 'succeeded', progress: 1, result: { expiresAt, bytes: expect.any(Number) } });
    const stored = await test.database.query<{ sealed: Buffer }>('SELECT sealed FROM member_exports');
    expect(stored).toHaveLength(1);
    expect(stored[0]!.sealed.toString('latin1')).not.toContain('m@example.com');

    const answer = await call('GET', pathOf(done), tenant.key);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-disposition': 'attachment; filename="member-export.json"',
      'cache-control': 'no-store',
    });
    expect(Buffer.byteLength(answer.body)).toBe(done.result!['bytes']);
    const document = answer.json<Document>();
    expect(document).toMatchObject({
      format: DOCUMENT_FORMAT,
      member: { id: mia.memberId, externalId: 'wp-1', email: 'm@example.com', name: 'Mia', tier: 'wire' },
      workspaces: [{ id: mia.workspaceId, role: 'owner', name: 'Main' }],
      usage: { days: [{ day: '2026-11-20', calls: 3 }], truncated: false },
      audit: { lines: [{ action: 'member.export', by: 'key' }], truncated: false },
    });
    const lines = await test.database.query<{ action: string }>(
      'SELECT action FROM audit_entries WHERE tenant_id = $1 AND resource_id = $2 ORDER BY seq',
      [tenant.tenantId, mia.memberId],
    );
    expect(lines.map(({ action }) => action)).toEqual(['member.export', 'member.export-fetch']);
  });

  it('is put together once, whoever works at the same time', async () => {
    const { id } = await request('wp-2');
    await Promise.all([run(), run(), run(), run()]);
    expect(await operation(id)).toMatchObject({ status: 'succeeded' });
    expect(await test.database.query('SELECT 1 FROM member_exports WHERE operation_id = $1', [id])).toHaveLength(1);
  });

  it('survives a process that dies in the middle of it', async () => {
    const { id } = await request('wp-2');
    const database = test.app.get(Database);
    const inTenant = database.tenant.bind(database);
    database.tenant = (tenantId, work) =>
      inTenant(tenantId, async (tx) => {
        await work(tx);
        throw new Error('killed before the commit');
      });
    await run();
    database.tenant = inTenant;
    expect(await operation(id)).toMatchObject({ status: 'pending' });
    await run();
    expect(await operation(id)).toMatchObject({ status: 'succeeded' });
    expect(await test.database.query('SELECT 1 FROM member_exports WHERE operation_id = $1', [id])).toHaveLength(1);
  });

  it('that fails until its deadline says so', async () => {
    const { id } = await request('wp-2');
    await test.database.query(`UPDATE members SET status = 'erased' WHERE tenant_id = $1 AND external_id = 'wp-2'`, [
      tenant.tenantId,
    ]);
    await run();
    expect(await operation(id)).toMatchObject({ status: 'failed', error: { code: 'member-not-found' } });
    await test.database.query(`UPDATE members SET status = 'active' WHERE tenant_id = $1 AND external_id = 'wp-2'`, [
      tenant.tenantId,
    ]);
  });

  it('is gone after seven days', async () => {
    const { id } = await request('wp-2');
    await run();
    const path = pathOf(await operation(id));
    test.clock.advance(7 * 86_400_000 - 1);
    expect((await call('GET', path, tenant.key)).statusCode).toBe(200);
    test.clock.advance(1);
    expect(codeOf(await call('GET', path, tenant.key))).toEqual([404, 'export-not-found']);
    await run();
    expect(await test.database.query('SELECT 1 FROM member_exports WHERE operation_id = $1', [id])).toEqual([]);
  });

  it('of another tenant, or of nobody, is not there', async () => {
    const { id } = await request('wp-1');
    await run();
    const path = pathOf(await operation(id));
    expect(codeOf(await call('GET', path, other.key))).toEqual([404, 'export-not-found']);
    expect(codeOf(await call('GET', '/v1/exports/exp_none', tenant.key))).toEqual([404, 'export-not-found']);
    for (const key of [other.key, tenant.key]) {
      const answer = await call('POST', `/v1/members/${key === tenant.key ? 'nobody' : 'wp-1'}/export`, key);
      expect(codeOf(answer)).toEqual([404, 'member-not-found']);
    }
  });

  it('needs members:write, the document members:read, and somebody who is known', async () => {
    const keys = test.app.get(ApiKeysService);
    const { key } = await keys.issue({ tenantId: tenant.tenantId, name: 'x', scopes: ['tokens:write'] });
    for (const [method, url] of [
      ['POST', '/v1/members/wp-1/export'],
      ['GET', '/v1/exports/exp_1'],
    ] as const) {
      expect(codeOf(await call(method, url, key))).toEqual([403, 'scope-missing']);
      expect((await call(method, url, 'nothing')).statusCode).toBe(401);
    }
    expect((await call('GET', '/v1/me/export', tenant.key)).statusCode).toBe(401);
  });

  it('of oneself is there at once', async () => {
    const tokens = await call('POST', '/v1/tokens', tenant.key, { member: 'wp-1', surface: 'web' });
    const answer = await call('GET', '/v1/me/export', tokens.json<{ token: string }>().token);
    expect(answer.statusCode).toBe(200);
    expect(answer.json<Document>()).toMatchObject({ format: DOCUMENT_FORMAT, member: { id: mia.memberId } });
    expect(answer.body).not.toContain('mem_other');
  });
});
