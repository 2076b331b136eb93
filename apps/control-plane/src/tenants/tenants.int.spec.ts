import { ChangeNotifier } from '#libs/queue';
import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { IdentityModule } from '../identity/identity.module.js';
import { SESSION_COOKIE } from '../identity/sign-in/console-cookies.js';
import { SessionsService } from '../identity/sessions.service.js';
import { ROUTES_CHANNEL } from '../routing/route-publisher.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { WorkspacesModule } from '../workspaces/workspaces.module.js';
import { TenantsModule } from './tenants.module.js';

const DAY_MS = 86_400_000;

let test: TestApp;
let operator: string;

type Method = 'GET' | 'POST' | 'PATCH';
const call = (method: Method, url: string, key: string, payload?: object, headers: Record<string, string> = {}) =>
  test.app.inject({
    method,
    url,
    headers: { authorization: `Bearer ${key}`, ...headers },
    ...(payload ? { payload } : {}),
  });
type Answer = Awaited<ReturnType<typeof call>>;
const codeOf = (answer: Answer) => [answer.statusCode, answer.json<{ code?: string }>().code];
const asOperator = (method: Method, id: string, path = '', payload?: object, headers = {}) =>
  call(method, `/v1/admin/tenants/${id}${path}`, operator, payload, headers);

/** Somebody signed in to the console who works for a tenant. */
async function staff(
  tenantId: string,
  role: string,
): Promise<(method: Method, url: string, payload?: object) => Promise<Answer>> {
  const id = `usr_${role}_${tenantId}`;
  await test.database.query('INSERT INTO users (id, email) VALUES ($1, $2)', [id, `${id}@example.com`]);
  await test.database.query('INSERT INTO tenant_staff (tenant_id, user_id, role) VALUES ($1, $2, $3)', [
    tenantId,
    id,
    role,
  ]);
  const { cookie } = await test.app.get(SessionsService).start(id, 'password');
  const headers = { cookie: `${SESSION_COOKIE}=${cookie}`, origin: 'http://console.example', host: 'console.example' };
  return (method, url, payload) => test.app.inject({ method, url, headers, ...(payload ? { payload } : {}) });
}

const lastLine = async (tenantId: string) =>
  (
    await test.database.query<{ action: string; actor: string; data: Record<string, unknown> }>(
      'SELECT action, actor, data FROM audit_entries WHERE tenant_id = $1 ORDER BY seq DESC LIMIT 1',
      [tenantId],
    )
  )[0]!;
const agentOf = async (agentId: string) =>
  (
    await test.database.query<{ desired_state: string; generation: string; due: boolean }>(
      'SELECT desired_state, generation, due_at IS NOT NULL AS due FROM agents WHERE id = $1',
      [agentId],
    )
  )[0]!;

beforeAll(async () => {
  const modules = [HttpEdgeModule, IdentityModule, TenantsModule, TokensModule, WorkspacesModule];
  test = await startTestApp(await freshDatabase(), modules, {
    environment: { WIREBOT_REQUESTS_PER_MINUTE: '100000', WIREBOT_TENANT_ERASE_AFTER_DAYS: '14' },
  });
  operator = (await test.app.get(ApiKeysService).issue({ tenantId: null, name: 'ops', scopes: ['*'] })).key;
});
afterAll(() => test.close());

describe('a tenant, for itself', () => {
  it('is read and changed with If-Match; the change is audited with old and new values', async () => {
    const { key, keyId, tenantId } = await test.seedTenant('self');
    const read = await call('GET', '/v1/tenant', key);
    expect(read.json()).toEqual({
      id: tenantId,
      slug: 'self',
      name: 'self',
      status: 'active',
      hosts: [],
      brand: { name: 'Acme', accent: '#123456', greeting: 'Hi' },
      timeZone: 'UTC',
      locale: 'en',
      trustCeiling: 3,
      platformTrustCeiling: 3,
      limits: { tokensPerDay: null, costPerDayUsd: null },
      suspension: null,
      closedAt: null,
      eraseAfter: null,
      erasedAt: null,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
    const etag = String(read.headers['etag']);
    const wanted = { name: 'Self', brand: { greeting: 'Welcome' }, timeZone: 'Europe/Berlin', locale: 'de' };
    const changed = await call('PATCH', '/v1/tenant', key, wanted, { 'if-match': etag });
    expect(changed.json()).toMatchObject({
      ...wanted,
      brand: { name: 'Acme', accent: '#123456', greeting: 'Welcome' },
    });
    expect(codeOf(await call('PATCH', '/v1/tenant', key, { name: 'x' }, { 'if-match': etag }))).toEqual([
      412,
      'precondition-failed',
    ]);
    expect(await lastLine(tenantId)).toMatchObject({
      action: 'tenant.update',
      actor: `key:${keyId}`,
      data: { name: { from: 'self', to: 'Self' }, timeZone: { from: 'UTC', to: 'Europe/Berlin' } },
    });
    const same = await call('PATCH', '/v1/tenant', key, wanted);
    expect(same.headers['etag']).toBe(changed.headers['etag']);
  });

  it('is told to the proxies when it changes', async () => {
    const { key } = await test.seedTenant('told');
    let told = 0;
    const stop = await test.app.get(ChangeNotifier).subscribe(
      ROUTES_CHANNEL,
      () => void (told += 1),
      () => undefined,
    );
    await call('PATCH', '/v1/tenant', key, { name: 'Other' });
    await expect.poll(() => told).toBeGreaterThan(0);
    await stop();
  });

  it('with another trust ceiling has every agent that it concerns compiled and published again', async () => {
    const { key, tenantId } = await test.seedTenant('ceiling');
    const { agentId } = await test.seedMember(tenantId, 'wp-1');
    const before = await agentOf(agentId);
    await call('PATCH', '/v1/tenant', key, { name: 'No ceiling' });
    expect(await agentOf(agentId)).toMatchObject({ generation: before.generation });
    await call('PATCH', '/v1/tenant', key, { trustCeiling: 0 });
    expect(await agentOf(agentId)).toMatchObject({ generation: String(Number(before.generation) + 1), due: true });
    await call('PATCH', '/v1/tenant', key, { trustCeiling: 3 });
    await asOperator('PATCH', tenantId, '', { platformTrustCeiling: 0 });
    expect(await agentOf(agentId)).toMatchObject({ generation: String(Number(before.generation) + 3) });
  });

  it('changes nothing at the same time by accident: of two changes of one version one is refused', async () => {
    const { key } = await test.seedTenant('versions');
    const etag = String((await call('GET', '/v1/tenant', key)).headers['etag']);
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((name) => call('PATCH', '/v1/tenant', key, { name }, { 'if-match': etag })),
    );
    expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([200, 412, 412]);
  });

  it.each([
    { trustCeiling: 4 },
    { trustCeiling: '1' },
    { name: '' },
    { name: null },
    { brand: { accent: 'red' } },
    { brand: 'x' },
    { timeZone: 'Mars/Olympus' },
    { limits: { tokensPerDay: 1 } },
    { hosts: ['acme.example'] },
    { platformTrustCeiling: 3 },
    { status: 'active' },
  ])('takes no %j', async (body) => {
    const { key } = await test.seedTenant(`bad-${Math.random().toString(36).slice(2)}`);
    expect(codeOf(await call('PATCH', '/v1/tenant', key, body))).toEqual([400, 'request-invalid']);
  });

  it('needs tenant:read and tenant:write, and somebody who is known', async () => {
    const { key } = await test.seedTenant('scopes', ['members:read']);
    for (const [method, url] of [
      ['GET', '/v1/tenant'],
      ['PATCH', '/v1/tenant'],
      ['POST', '/v1/tenant/close'],
    ] as const) {
      expect(codeOf(await call(method, url, key, method === 'GET' ? undefined : {}))).toEqual([403, 'scope-missing']);
      expect((await call(method, url, 'nothing')).statusCode).toBe(401);
    }
  });

  it('is closed by its owner alone', async () => {
    const { tenantId } = await test.seedTenant('owned');
    for (const role of ['admin', 'support', 'read-only'])
      expect([role, ...codeOf(await (await staff(tenantId, role))('POST', '/v1/tenant/close'))]).toEqual([
        role,
        403,
        'scope-missing',
      ]);
    const owner = await staff(tenantId, 'owner');
    const closed = await owner('POST', '/v1/tenant/close');
    expect(closed.json()).toMatchObject({ status: 'closed', closedAt: test.clock.now().toISOString() });
    expect(await lastLine(tenantId)).toMatchObject({ action: 'tenant.close', actor: `user:usr_owner_${tenantId}` });
    expect((await owner('GET', '/v1/tenant')).json()).toMatchObject({ status: 'closed' });
    expect(codeOf(await owner('PATCH', '/v1/tenant', { name: 'x' }))).toEqual([403, 'tenant-closed']);
  });
});

describe('a tenant, for operators', () => {
  it('is listed, found, read and changed', async () => {
    const { tenantId } = await test.seedTenant('findme');
    await test.seedMember(tenantId, 'wp-1');
    const listed = await call('GET', '/v1/admin/tenants?q=findme&status=active', operator);
    expect(listed.json<{ items: unknown[] }>().items).toMatchObject([{ id: tenantId, members: 1 }]);
    const body = {
      platformTrustCeiling: 1,
      limits: { tokensPerDay: 1_000_000, costPerDayUsd: 12.5 },
      hosts: ['Club.Acme.example', 'club.acme.example'],
    };
    const changed = await asOperator('PATCH', tenantId, '', body);
    expect(changed.json()).toMatchObject({ ...body, hosts: ['club.acme.example'] });
    const partly = await asOperator('PATCH', tenantId, '', { limits: { tokensPerDay: null } });
    expect(partly.json()).toMatchObject({ limits: { tokensPerDay: null, costPerDayUsd: 12.5 } });
    const read = await asOperator('GET', tenantId);
    expect([read.json(), read.headers['etag']]).toEqual([partly.json(), partly.headers['etag']]);
    expect((await asOperator('PATCH', tenantId, '', { hosts: [] })).json()).toMatchObject({ hosts: [] });
    expect(codeOf(await asOperator('GET', 'ten_none'))).toEqual([404, 'tenant-not-found']);
    expect(codeOf(await asOperator('PATCH', 'ten_none', '', {}))).toEqual([404, 'tenant-not-found']);
  });

  it('keeps its hosts: another tenant does not get them, not at the same moment either', async () => {
    const tenants = await Promise.all(['h1', 'h2', 'h3', 'h4'].map((slug) => test.seedTenant(slug)));
    const answers = await Promise.all(
      tenants.map(({ tenantId }) => asOperator('PATCH', tenantId, '', { hosts: ['wanted.example'] })),
    );
    expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([200, 409, 409, 409]);
    const refused = answers.find(({ statusCode }) => statusCode === 409)!;
    expect(refused.json()).toMatchObject({ code: 'host-taken', errors: [{ field: 'hosts' }] });
  });

  it.each([
    { platformTrustCeiling: -1 },
    { limits: { tokensPerDay: -1 } },
    { limits: { tokensPerDay: 1.5 } },
    { limits: { messagesPerDay: 1 } },
    { hosts: ['not a host'] },
    { name: 'x' },
  ])('takes no %j', async (body) => {
    const { tenantId } = await test.seedTenant(`no-${Math.random().toString(36).slice(2)}`);
    expect(codeOf(await asOperator('PATCH', tenantId, '', body))).toEqual([400, 'request-invalid']);
  });

  it('needs tenants:read and tenants:write of an operator', async () => {
    const { tenantId, key } = await test.seedTenant('not-yours');
    const narrow = await test.app.get(ApiKeysService).issue({ tenantId: null, name: 'x', scopes: ['members:*'] });
    for (const [method, path, body] of [
      ['GET', ''],
      ['PATCH', '', {}],
      ['POST', '/suspend', { reason: 'x' }],
      ['POST', '/resume'],
      ['POST', '/close', {}],
      ['POST', '/reopen'],
      ['POST', '/erase'],
    ] as const) {
      const url = `/v1/admin/tenants/${tenantId}${path}`;
      expect([path, ...codeOf(await call(method, url, key, body))]).toEqual([path, 403, 'operator-required']);
      expect([path, ...codeOf(await call(method, url, narrow.key, body))]).toEqual([path, 403, 'scope-missing']);
      expect((await call(method, url, 'nothing', body)).statusCode).toBe(401);
    }
    expect((await call('GET', '/v1/tenant', key)).json()).toMatchObject({ status: 'active' });
  });
});

describe('a suspended tenant', () => {
  it('is refused with the reason by key, as member and for changes by staff, who may still look; then resumes', async () => {
    const { tenantId, key } = await test.seedTenant('suspended');
    await test.seedMember(tenantId, 'wp-1');
    const tokens = await call('POST', '/v1/tokens', key, { member: 'wp-1', surface: 'web' });
    const { token } = tokens.json<{ token: string }>();
    const suspended = await asOperator('POST', tenantId, '/suspend', { reason: 'The invoice of May is open.' });
    expect(suspended.json()).toMatchObject({
      status: 'suspended',
      suspension: { since: test.clock.now().toISOString(), reason: 'The invoice of May is open.' },
    });
    expect(await lastLine(tenantId)).toMatchObject({ action: 'tenant.suspend', data: { before: 'active' } });
    for (const answer of [
      await call('GET', '/v1/tenant', key),
      await call('PATCH', '/v1/tenant', key, { name: 'x' }),
      await call('POST', '/v1/tokens', key, { member: 'wp-1', surface: 'web' }),
      await call('GET', '/v1/me', token),
    ]) {
      expect(codeOf(answer)).toEqual([403, 'tenant-suspended']);
      expect(answer.json<{ detail: string }>().detail).toContain('suspended: The invoice of May is open. Ask');
    }
    const admin = await staff(tenantId, 'admin');
    expect((await admin('GET', '/v1/tenant')).json()).toMatchObject({ status: 'suspended' });
    expect(codeOf(await admin('PATCH', '/v1/tenant', { name: 'x' }))).toEqual([403, 'tenant-suspended']);
    const forOperator = { 'wirebot-tenant': tenantId };
    const body = { member: 'wp-1', surface: 'web' };
    expect(codeOf(await call('POST', '/v1/tokens', operator, body, forOperator))).toEqual([403, 'tenant-suspended']);

    expect((await asOperator('POST', tenantId, '/resume')).json()).toMatchObject({
      status: 'active',
      suspension: null,
    });
    expect((await call('GET', '/v1/tenant', key)).statusCode).toBe(200);
    expect((await call('GET', '/v1/me', token)).statusCode).toBe(200);
  });

  it('whose key is wrong, or used from elsewhere, does not tell that there is such a tenant', async () => {
    const { tenantId, key, keyId } = await test.seedTenant('quiet');
    await test.database.query(`UPDATE api_keys SET allowed_ips = '{203.0.113.0/24}' WHERE id = $1`, [keyId]);
    await asOperator('POST', tenantId, '/suspend', { reason: 'x' });
    expect(codeOf(await call('GET', '/v1/tenant', key))).toEqual([401, 'api-key-invalid']);
    expect(codeOf(await call('GET', '/v1/tenant', `${key.slice(0, -2)}xx`))).toEqual([401, 'api-key-invalid']);
  });

  it('needs a reason', async () => {
    const { tenantId } = await test.seedTenant('reasons');
    for (const body of [{}, { reason: '' }, { reason: 'x'.repeat(501) }])
      expect(codeOf(await asOperator('POST', tenantId, '/suspend', body))).toEqual([400, 'request-invalid']);
  });
});

describe('a closed tenant', () => {
  it('puts its agents away, keeps its data, knows nobody by key, and can be reopened until it is erased', async () => {
    const { tenantId, key } = await test.seedTenant('closed');
    const active = await test.seedMember(tenantId, 'wp-1');
    const paused = await test.seedMember(tenantId, 'wp-2');
    await test.database.query(`UPDATE members SET status = 'paused' WHERE id = $1`, [paused.memberId]);
    await test.database.query(`UPDATE agents SET desired_state = 'inactive' WHERE id = $1`, [paused.agentId]);
    const before = await agentOf(active.agentId);
    const closed = await asOperator('POST', tenantId, '/close', {});
    expect(closed.json()).toMatchObject({
      status: 'closed',
      eraseAfter: new Date(test.clock.now().getTime() + 14 * DAY_MS).toISOString(),
    });
    expect(await agentOf(active.agentId)).toEqual({
      desired_state: 'inactive',
      generation: String(Number(before.generation) + 1),
      due: true,
    });
    expect(codeOf(await call('GET', '/v1/tenant', key))).toEqual([401, 'api-key-invalid']);
    expect((await asOperator('POST', tenantId, '/close', {})).json()).toEqual(closed.json());

    const reopened = await asOperator('POST', tenantId, '/reopen');
    expect(reopened.json()).toMatchObject({ status: 'active', closedAt: null, eraseAfter: null });
    expect(await agentOf(active.agentId)).toMatchObject({ desired_state: 'active', due: true });
    expect(await agentOf(paused.agentId)).toMatchObject({ desired_state: 'inactive' });
    expect((await call('GET', '/v1/tenant', key)).statusCode).toBe(200);
  });

  it('that was suspended is suspended again when it is reopened', async () => {
    const { tenantId } = await test.seedTenant('both');
    await asOperator('POST', tenantId, '/suspend', { reason: 'abuse' });
    await asOperator('POST', tenantId, '/close', { eraseAfterDays: 3 });
    expect((await asOperator('POST', tenantId, '/reopen')).json()).toMatchObject({
      status: 'suspended',
      suspension: { reason: 'abuse' },
    });
  });

  it('moves only along its table', async () => {
    const { tenantId } = await test.seedTenant('table');
    const refused = async (path: string, body?: object) =>
      expect([path, ...codeOf(await asOperator('POST', tenantId, path, body))]).toEqual([
        path,
        409,
        'tenant-state-forbids',
      ]);
    await refused('/erase');
    await asOperator('POST', tenantId, '/close', { eraseAfterDays: 0 });
    await refused('/suspend', { reason: 'x' });
    await refused('/resume');
    expect((await asOperator('POST', tenantId, '/erase')).statusCode).toBe(202);
    expect((await asOperator('POST', tenantId, '/erase')).json()).toMatchObject({ status: 'erasing' });
    for (const path of ['/resume', '/reopen']) await refused(path);
    await refused('/close', {});
    expect(codeOf(await asOperator('PATCH', tenantId, '', { hosts: [] }))).toEqual([409, 'tenant-state-forbids']);
  });

  it('closed and suspended at the same time ends in one state that the log explains', async () => {
    const { tenantId } = await test.seedTenant('race');
    await Promise.all([
      asOperator('POST', tenantId, '/close', {}),
      asOperator('POST', tenantId, '/suspend', { reason: 'x' }),
      asOperator('POST', tenantId, '/close', {}),
    ]);
    const lines = await test.database.query<{ action: string }>(
      `SELECT action FROM audit_entries WHERE tenant_id = $1 AND resource = 'tenant' ORDER BY seq`,
      [tenantId],
    );
    const actions = lines.map(({ action }) => action);
    expect([['tenant.close'], ['tenant.suspend', 'tenant.close']]).toContainEqual(actions);
    expect((await asOperator('GET', tenantId)).json()).toMatchObject({ status: 'closed' });
  });

  it('honours If-Match on every action', async () => {
    const { tenantId } = await test.seedTenant('matched');
    const stale = { 'if-match': '"somebody-elses"' };
    for (const [path, body] of [
      ['/suspend', { reason: 'x' }],
      ['/resume', undefined],
      ['/close', {}],
      ['/reopen', undefined],
      ['/erase', undefined],
    ] as const)
      expect((await asOperator('POST', tenantId, path, body, stale)).statusCode).toBe(412);
    expect((await asOperator('GET', tenantId)).json()).toMatchObject({ status: 'active' });
  });
});
