import { Controller, Get, Post } from '@nestjs/common';
import { Database } from '#libs/database';
import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { RequireScopes } from '../identity/decorators.js';
import { IdentityModule } from '../identity/identity.module.js';
import { PROOF_SECONDS } from '../identity/sign-in/recent-proof.js';
import { seedUser, TestConsole } from '../identity/testing/console.fixture.js';
import { TenantsModule } from '../tenants/tenants.module.js';
import { ApiKeysModule } from './api-keys.module.js';
import { MAX_ACTIVE_KEYS, type IssuedKey } from './keys.service.js';

@Controller('v1/members')
class MembersController {
  @Get()
  @RequireScopes('members:read')
  read() {
    return { items: [] };
  }
  @Post()
  @RequireScopes('members:write')
  write() {
    return {};
  }
}

let test: TestApp;
let operator: string;

type Method = 'GET' | 'POST' | 'DELETE';
const call = (method: Method, url: string, key: string, payload?: object, remoteAddress = '127.0.0.1') =>
  test.app.inject({
    method,
    url,
    remoteAddress,
    headers: { authorization: `Bearer ${key}` },
    ...(payload ? { payload } : {}),
  });
const codeOf = (answer: { json(): unknown; statusCode: number }) => [
  answer.statusCode,
  (answer.json() as { code?: string }).code,
];
const create = async (maker: string, body: object): Promise<IssuedKey> => {
  const answer = await call('POST', '/v1/keys', maker, { name: 'made', scopes: ['members:read'], ...body });
  expect(answer.statusCode).toBe(201);
  return answer.json<IssuedKey>();
};
const auditOf = (id: string) =>
  test.database.query<{ action: string; actor: string; tenant_id: string | null; data: Record<string, unknown> }>(
    'SELECT action, actor, tenant_id, data FROM audit_entries WHERE resource_id = $1 ORDER BY tenant_id, seq',
    [id],
  );

beforeAll(async () => {
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, TenantsModule, ApiKeysModule], {
    controllers: [MembersController],
    environment: { WIREBOT_REQUESTS_PER_MINUTE: '100000' },
  });
  operator = (await test.app.get(ApiKeysService).issue({ tenantId: null, name: 'ops', scopes: ['*'] })).key;
});
afterAll(() => test.close());

describe('a tenant key', () => {
  it('is made, listed, read and revoked, and every change is audited', async () => {
    const { key, keyId, tenantId } = await test.seedTenant('life');
    const made = await create(key, { name: 'Site', scopes: ['members:read', 'members:read'] });
    expect(made).toMatchObject({
      tenantId,
      name: 'Site',
      status: 'active',
      scopes: ['members:read'],
      readOnly: false,
      allowedIps: [],
      expiresAt: null,
      lastUsedAt: null,
      replacedBy: null,
      createdBy: `key:${keyId}`,
    });
    expect(made.key.split('_')[1]).toBe(made.prefix);
    expect((await call('GET', '/v1/members', made.key)).statusCode).toBe(200);
    const one = (await call('GET', `/v1/keys/${made.id}`, key)).json<IssuedKey>();
    expect(one).toMatchObject({ id: made.id, lastUsedAt: test.clock.now().toISOString() });
    expect(one).not.toHaveProperty('key');
    expect(JSON.stringify(one)).not.toMatch(/hash/i);
    const ids = (await call('GET', '/v1/keys', key)).json<{ items: { id: string }[] }>().items.map(({ id }) => id);
    expect(ids.toSorted()).toEqual([keyId, made.id].toSorted());
    expect((await call('DELETE', `/v1/keys/${made.id}`, key)).statusCode).toBe(204);
    expect((await call('DELETE', `/v1/keys/${made.id}`, key)).statusCode).toBe(204);
    expect(codeOf(await call('GET', '/v1/members', made.key))).toEqual([401, 'api-key-invalid']);
    expect((await call('GET', `/v1/keys/${made.id}`, key)).json()).toMatchObject({ status: 'revoked' });
    const lines = await auditOf(made.id);
    expect(lines.map(({ action }) => action)).toEqual(['key.create', 'key.revoke']);
    expect(lines.every((line) => line.tenant_id === tenantId && line.actor === `key:${keyId}`)).toBe(true);
    expect(JSON.stringify(await test.database.query('SELECT * FROM audit_entries'))).not.toContain(
      made.key.slice('wbt_12345678_'.length),
    );
  });

  it('of another tenant is not there', async () => {
    const [mine, theirs] = [await test.seedTenant('mine'), await test.seedTenant('theirs')];
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/rotate'],
    ] as const) {
      const answer = await call(
        method,
        `/v1/keys/${theirs.keyId}${path}`,
        mine.key,
        method === 'POST' ? {} : undefined,
      );
      expect([method, ...codeOf(answer)]).toEqual([method, 404, 'api-key-not-found']);
    }
    const listed = (await call('GET', '/v1/keys', mine.key)).json<{ items: { id: string }[] }>().items;
    expect(listed.map(({ id }) => id)).toEqual([mine.keyId]);
    expect((await call('GET', '/v1/members', theirs.key)).statusCode).toBe(200);
  });

  it('needs keys:read and keys:write for all of this, and somebody who is known', async () => {
    const { key, keyId } = await test.seedTenant('scoped', ['members:read']);
    for (const [method, url] of [
      ['GET', '/v1/keys'],
      ['POST', '/v1/keys'],
      ['GET', `/v1/keys/${keyId}`],
      ['DELETE', `/v1/keys/${keyId}`],
      ['POST', `/v1/keys/${keyId}/rotate`],
    ] as const) {
      const body = method === 'POST' ? { name: 'x', scopes: ['members:read'] } : undefined;
      expect([method, url, ...codeOf(await call(method, url, key, body))]).toEqual([method, url, 403, 'scope-missing']);
      expect((await call(method, url, 'nothing', body)).statusCode).toBe(401);
    }
  });

  it.each([
    [{ scopes: ['members:fly'] }, 'scope-unknown'],
    [{ scopes: ['gateways:read'] }, 'scope-unknown'],
    [{ scopes: ['everything'] }, 'request-invalid'],
    [{ scopes: [] }, 'request-invalid'],
    [{ name: '' }, 'request-invalid'],
    [{ allowedIps: ['10.0.0.0/33'] }, 'address-block-invalid'],
    [{ allowedIps: ['example.com'] }, 'address-block-invalid'],
    [{ expiresAt: 'tomorrow' }, 'request-invalid'],
    [{ expiresAt: '+275760-09-13T00:00:00.000Z' }, 'request-invalid'],
    [{ owner: true }, 'request-invalid'],
  ])('is refused for %j', async (body, code) => {
    const { key } = await test.seedTenant(`bad-${Math.random().toString(36).slice(2)}`);
    const answer = await call('POST', '/v1/keys', key, { name: 'x', scopes: ['members:read'], ...body });
    expect(codeOf(answer)).toEqual([400, code]);
    expect(answer.json<{ errors: unknown[] }>().errors.length).toBeGreaterThan(0);
  });

  it('that would have expired already is refused', async () => {
    const { key } = await test.seedTenant('late');
    const body = { name: 'x', scopes: ['members:read'], expiresAt: test.clock.now().toISOString() };
    expect(codeOf(await call('POST', '/v1/keys', key, body))).toEqual([422, 'key-expiry-invalid']);
  });

  it('expires at its time', async () => {
    const { key } = await test.seedTenant('expiring');
    const expiresAt = new Date(test.clock.now().getTime() + 60_000).toISOString();
    const made = await create(key, { expiresAt });
    test.clock.advance(59_999);
    expect((await call('GET', '/v1/members', made.key)).statusCode).toBe(200);
    test.clock.advance(1);
    expect(codeOf(await call('GET', '/v1/members', made.key))).toEqual([401, 'api-key-invalid']);
    expect((await call('GET', `/v1/keys/${made.id}`, key)).json()).toMatchObject({ status: 'expired' });
  });

  it('that is read-only reads, whatever its scopes', async () => {
    const { key } = await test.seedTenant('reader');
    const made = await create(key, { scopes: ['*'], readOnly: true });
    expect((await call('GET', '/v1/members', made.key)).statusCode).toBe(200);
    expect(codeOf(await call('POST', '/v1/members', made.key, {}))).toEqual([403, 'key-read-only']);
    expect(codeOf(await call('POST', `/v1/keys/${made.id}/rotate`, made.key, {}))).toEqual([403, 'key-read-only']);
  });

  it('never makes one that may do more', async () => {
    const { key, tenantId } = await test.seedTenant('narrow');
    const maker = await create(key, { scopes: ['keys:write', 'members:read'], allowedIps: ['127.0.0.0/8'] });
    for (const wider of [
      { scopes: ['*'] },
      { scopes: ['members:*'] },
      { scopes: ['tokens:write'] },
      { allowedIps: [] },
    ]) {
      const body = { name: 'x', scopes: ['members:read'], ...wider };
      expect(codeOf(await call('POST', '/v1/keys', maker.key, body))).toEqual([403, 'key-exceeds-maker']);
    }
    expect(await create(maker.key, {})).toMatchObject({ allowedIps: ['127.0.0.0/8'], tenantId });
  });

  it('never rotates one that may do more: the successor would be told to it', async () => {
    const { key, keyId } = await test.seedTenant('rotator');
    const maker = await create(key, { scopes: ['keys:write'] });
    const answer = await call('POST', `/v1/keys/${keyId}/rotate`, maker.key, {});
    expect(codeOf(answer)).toEqual([403, 'key-exceeds-maker']);
    expect((await call('GET', '/v1/members', key)).statusCode).toBe(200);
  });

  it('has a limit of how many there are', async () => {
    const { key, tenantId } = await test.seedTenant('many');
    await test.database.query(
      `INSERT INTO api_keys (id, tenant_id, prefix, secret_hash, scopes, name)
       SELECT 'key_many_' || n, $1, 'many' || lpad(n::text, 4, '0'), 'x', ARRAY['members:read'], 'x' FROM generate_series(1, $2::int) n`,
      [tenantId, MAX_ACTIVE_KEYS - 2],
    );
    const answers = await Promise.all(
      [1, 2, 3].map(() => call('POST', '/v1/keys', key, { name: 'x', scopes: ['members:read'] })),
    );
    expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([201, 422, 422]);
  });

  it('is listed in pages, newest first', async () => {
    const { key } = await test.seedTenant('pages');
    const made: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      test.clock.advance(1);
      made.unshift((await create(key, {})).id);
    }
    type Answer = { items: { id: string }[]; nextCursor: string | null };
    const first = (await call('GET', '/v1/keys?limit=2', key)).json<Answer>();
    const second = (await call('GET', `/v1/keys?limit=2&cursor=${first.nextCursor}`, key)).json<Answer>();
    expect([...first.items, ...second.items].map(({ id }) => id).slice(0, 3)).toEqual(made);
    expect(second.nextCursor).toBeNull();
    expect((await call('GET', '/v1/keys?cursor=nonsense', key)).statusCode).toBe(400);
  });
});

describe('rotation', () => {
  it('gives a successor with the same settings, and the old key works until the overlap ends', async () => {
    const { key, tenantId } = await test.seedTenant('rotation');
    const old = await create(key, { name: 'Site', scopes: ['members:*'], allowedIps: ['127.0.0.1'], readOnly: true });
    const answer = await call('POST', `/v1/keys/${old.id}/rotate`, key, { overlapSeconds: 3_600 });
    expect(answer.statusCode).toBe(201);
    expect(answer.headers['cache-control']).toBe('no-store');
    const fresh = answer.json<IssuedKey>();
    const settings = { name: 'Site', scopes: ['members:*'], allowedIps: ['127.0.0.1/32'], readOnly: true, tenantId };
    expect(fresh).toMatchObject({ ...settings, expiresAt: null, status: 'active' });
    expect(fresh.key).not.toBe(old.key);
    const until = new Date(test.clock.now().getTime() + 3_600_000).toISOString();
    expect((await call('GET', `/v1/keys/${old.id}`, key)).json()).toMatchObject({
      replacedBy: fresh.id,
      expiresAt: until,
    });
    test.clock.advance(3_599_999);
    for (const each of [old, fresh]) expect((await call('GET', '/v1/members', each.key)).statusCode).toBe(200);
    test.clock.advance(1);
    expect(codeOf(await call('GET', '/v1/members', old.key))).toEqual([401, 'api-key-invalid']);
    expect((await call('GET', '/v1/members', fresh.key)).statusCode).toBe(200);
    expect((await auditOf(old.id)).at(-1)).toMatchObject({
      action: 'key.rotate',
      data: { successor: fresh.id, worksUntil: until },
    });
  });

  it('without overlap ends the old key at once; a key may rotate itself', async () => {
    const { key, keyId } = await test.seedTenant('itself');
    const fresh = (await call('POST', `/v1/keys/${keyId}/rotate`, key, {})).json<IssuedKey>();
    expect((await call('GET', '/v1/members', key)).statusCode).toBe(401);
    expect((await call('GET', '/v1/members', fresh.key)).statusCode).toBe(200);
  });

  it('never makes a key live longer', async () => {
    const { key } = await test.seedTenant('longer');
    const expiresAt = new Date(test.clock.now().getTime() + 60_000).toISOString();
    const old = await create(key, { expiresAt });
    const fresh = (await call('POST', `/v1/keys/${old.id}/rotate`, key, { overlapSeconds: 604_800 })).json<IssuedKey>();
    expect(fresh.expiresAt).toBe(expiresAt);
    expect((await call('GET', `/v1/keys/${old.id}`, key)).json()).toMatchObject({ expiresAt });
  });

  it('happens once, whoever asks at the same time', async () => {
    const { key } = await test.seedTenant('race');
    const old = await create(key, {});
    const rotate = () => call('POST', `/v1/keys/${old.id}/rotate`, key, { overlapSeconds: 60 });
    const answers = await Promise.all([rotate(), rotate(), rotate(), rotate()]);
    expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([201, 409, 409, 409]);
    const rows = await test.database.query(
      'SELECT 1 FROM api_keys WHERE name = $1 AND created_by IS NOT NULL AND tenant_id = $2',
      ['made', old.tenantId],
    );
    expect(rows).toHaveLength(2);
  });

  it('of a key that works no more is refused', async () => {
    const { key } = await test.seedTenant('over');
    const revoked = await create(key, {});
    await call('DELETE', `/v1/keys/${revoked.id}`, key);
    expect(codeOf(await call('POST', `/v1/keys/${revoked.id}/rotate`, key, {}))).toEqual([409, 'api-key-not-active']);
  });

  it.each([-1, 604_801, 1.5, '60'])('takes no overlap of %j seconds', async (overlapSeconds) => {
    const { key, keyId } = await test.seedTenant(`overlap-${String(overlapSeconds).replaceAll(/\W/g, 'x')}`);
    const answer = await call('POST', `/v1/keys/${keyId}/rotate`, key, { overlapSeconds });
    expect(codeOf(answer)).toEqual([400, 'request-invalid']);
  });
});

describe('a key for some addresses', () => {
  it('works from them, also when they arrive as IPv6', async () => {
    const { key } = await test.seedTenant('addresses');
    const made = await create(key, { allowedIps: ['203.0.113.0/24', '2001:db8::/32'] });
    for (const address of ['203.0.113.9', '::ffff:203.0.113.9', '2001:db8::1'])
      expect((await call('GET', '/v1/members', made.key, undefined, address)).statusCode).toBe(200);
  });

  it('is refused elsewhere like any wrong key; its tenant hears of it once, the log every time', async () => {
    const { key } = await test.seedTenant('elsewhere');
    const made = await create(key, { allowedIps: ['203.0.113.0/24'] });
    const wrong = await call('GET', '/v1/members', `${made.key.slice(0, -2)}xx`, undefined, '198.51.100.7');
    for (let i = 0; i < 3; i += 1) {
      const answer = await call('GET', '/v1/members', made.key, undefined, '198.51.100.7');
      const { instance: _, ...problem } = answer.json<Record<string, unknown>>();
      const { instance: __, ...expected } = wrong.json<Record<string, unknown>>();
      expect([answer.statusCode, problem]).toEqual([401, expected]);
    }
    const refusals = test.logs.filter((line) => line['key'] === made.id && line['reason'] === 'address');
    expect(refusals).toHaveLength(3);
    const lines = await test.database.query<{ action: string; origin: { address: string } }>(
      `SELECT action, origin FROM audit_entries WHERE resource_id = $1 AND action = 'key.refuse'`,
      [made.id],
    );
    expect(lines).toEqual([{ action: 'key.refuse', origin: expect.objectContaining({ address: '198.51.100.7' }) }]);
    expect((await call('GET', `/v1/keys/${made.id}`, key)).json()).toMatchObject({ lastUsedAt: null });
  });
});

it('are made in a console only after a recent proof: a key outlives the session', async () => {
  await seedUser(test, 'keys@example.com', 'operator');
  const console = new TestConsole(test);
  await console.signIn('keys@example.com');
  const body = { name: 'lasting', scopes: ['members:read'] };
  expect((await console.call('POST', '/v1/admin/keys', body)).status).toBe(201);
  test.clock.advance(PROOF_SECONDS * 1_000 + 1);
  expect((await console.call('POST', '/v1/admin/keys', body)).body).toMatchObject({ code: 'recent-proof-required' });
  expect((await console.call('GET', '/v1/admin/keys')).status).toBe(200);
});

describe("an operator's keys", () => {
  it('are made, listed with those of tenants, rotated and revoked', async () => {
    const { tenantId, keyId } = await test.seedTenant('of-operator');
    const body = { name: 'plugin', scopes: ['members:write'], tenantId };
    const made = (await call('POST', '/v1/admin/keys', operator, body)).json<IssuedKey>();
    expect(made).toMatchObject({ tenantId: null, defaultTenantId: tenantId, key: expect.stringMatching(/^wbo_/) });
    const ids: string[] = [];
    type Answer = { items: { id: string }[]; nextCursor: string | null };
    for (let cursor: string | null = ''; cursor !== null;) {
      const url: string = `/v1/admin/keys?limit=200${cursor && `&cursor=${cursor}`}`;
      const page: Answer = (await call('GET', url, operator)).json<Answer>();
      ids.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(ids).toEqual(expect.arrayContaining([made.id, keyId]));
    expect(new Set(ids).size).toBe(ids.length);
    const fresh = (await call('POST', `/v1/admin/keys/${made.id}/rotate`, operator, {})).json<IssuedKey>();
    expect(fresh).toMatchObject({ defaultTenantId: tenantId, tenantId: null });
    expect((await call('POST', '/v1/members', fresh.key, {})).statusCode).toBe(201);
    expect((await call('DELETE', `/v1/admin/keys/${fresh.id}`, operator)).statusCode).toBe(204);
    expect((await call('POST', '/v1/members', fresh.key, {})).statusCode).toBe(401);
    expect((await call('GET', `/v1/admin/keys/${fresh.id}`, operator)).json()).toMatchObject({ status: 'revoked' });
    expect((await auditOf(made.id)).map(({ action, tenant_id }) => [action, tenant_id])).toEqual([
      ['key.create', null],
      ['key.rotate', null],
    ]);
  });

  it('are made for a tenant below the tenant', async () => {
    const { tenantId, key } = await test.seedTenant('below');
    const url = `/v1/admin/tenants/${tenantId}/keys`;
    const made = (await call('POST', url, operator, { name: 'x', scopes: ['members:read'] })).json<IssuedKey>();
    expect(made).toMatchObject({ tenantId, key: expect.stringMatching(/^wbt_/) });
    expect((await call('GET', url, operator)).json<{ items: unknown[] }>().items).toHaveLength(2);
    expect((await auditOf(made.id))[0]).toMatchObject({ action: 'key.create', tenant_id: tenantId });
    expect(codeOf(await call('GET', '/v1/admin/tenants/ten_none/keys', operator))).toEqual([404, 'tenant-not-found']);
    const wrong = await call('POST', url, operator, { name: 'x', scopes: ['gateways:read'] });
    expect(codeOf(wrong)).toEqual([400, 'scope-unknown']);
    for (const path of ['/v1/admin/keys', url]) {
      expect(codeOf(await call('GET', path, key))).toEqual([403, 'operator-required']);
      expect((await call('GET', path, 'nothing')).statusCode).toBe(401);
    }
  });

  it('never make one that may do more', async () => {
    const body = { name: 'keys only', scopes: ['keys:write'] };
    const maker = (await call('POST', '/v1/admin/keys', operator, body)).json<IssuedKey>();
    const answer = await call('POST', '/v1/admin/keys', maker.key, { name: 'x', scopes: ['*'] });
    expect(codeOf(answer)).toEqual([403, 'key-exceeds-maker']);
    const { tenantId, keyId } = await test.seedTenant('keys-only');
    const tenantKey = await call('POST', `/v1/admin/tenants/${tenantId}/keys`, maker.key, { name: 'x', scopes: ['*'] });
    expect(codeOf(tenantKey)).toEqual([403, 'key-exceeds-maker']);
    const rotated = await call('POST', `/v1/admin/keys/${keyId}/rotate`, maker.key, {});
    expect(codeOf(rotated)).toEqual([403, 'key-exceeds-maker']);
    const named = { authorization: `Bearer ${maker.key}`, 'wirebot-tenant': tenantId };
    const payload = { name: 'x', scopes: ['*'] };
    const asTenant = await test.app.inject({ method: 'POST', url: '/v1/keys', headers: named, payload });
    expect(codeOf(asTenant)).toEqual([403, 'key-exceeds-maker']);
  });

  it('that are bound to a tenant make none that reaches further', async () => {
    const [{ tenantId }, other] = [await test.seedTenant('reach'), await test.seedTenant('reach-other')];
    const scopes = ['keys:write', 'members:write'];
    const unbound = (await call('POST', '/v1/admin/keys', operator, { name: 'free', scopes })).json<IssuedKey>();
    const maker = (
      await call('POST', '/v1/admin/keys', operator, { name: 'bound', scopes, tenantId })
    ).json<IssuedKey>();
    const wanted = { name: 'x', scopes: ['members:write'] };
    const make = (url: string, body: object) => call('POST', url, maker.key, body);
    for (const [url, body] of [
      ['/v1/admin/keys', { ...wanted, tenantId: other.tenantId }],
      [`/v1/admin/tenants/${other.tenantId}/keys`, wanted],
      [`/v1/admin/keys/${unbound.id}/rotate`, {}],
    ] as const)
      expect(codeOf(await make(url, body))).toEqual([403, 'key-exceeds-maker']);
    expect((await make('/v1/admin/keys', wanted)).json()).toMatchObject({ defaultTenantId: tenantId });
    expect((await make(`/v1/admin/tenants/${tenantId}/keys`, wanted)).json()).toMatchObject({ tenantId });
  });

  it('are not bound to a tenant that there is not', async () => {
    const body = { name: 'x', scopes: ['members:write'], tenantId: 'ten_none' };
    expect(codeOf(await call('POST', '/v1/admin/keys', operator, body))).toEqual([403, 'tenant-required']);
  });
});

it('is recognised with one statement, and its use written down once a minute', async () => {
  const { key } = await test.seedTenant('one-statement');
  const keys = test.app.get(ApiKeysService);
  const database = test.app.get(Database);
  const [statements, system, tenant] = [
    vi.spyOn(database, 'once'),
    vi.spyOn(database, 'system'),
    vi.spyOn(database, 'tenant'),
  ];
  const countOf = async (): Promise<number> => {
    statements.mockClear();
    await keys.authenticate(key);
    return statements.mock.calls.length;
  };
  expect([await countOf(), await countOf(), await countOf()]).toEqual([2, 1, 1]);
  test.clock.advance(60_001);
  expect([await countOf(), await countOf()]).toEqual([2, 1]);
  expect([system, tenant].map((spy) => spy.mock.calls.length)).toEqual([0, 0]);
  vi.restoreAllMocks();
});
