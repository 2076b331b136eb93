import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKeysService } from '../api-keys.service.js';
import { CLIENT, startOpenIdProvider, type TestProvider } from './testing/openid-provider.fixture.js';
import { HOME, OidcWorld } from './testing/oidc-world.fixture.js';

let world: OidcWorld;
let provider: TestProvider;
beforeAll(async () => {
  world = await OidcWorld.start();
  provider = await startOpenIdProvider([`${HOME}/v1/session/oidc/x/callback`]);
});
afterAll(async () => {
  await provider.close();
  await world.close();
});
const own = (key: string) => ({ key, name: 'Own', issuer: provider.issuer, ...CLIENT });

describe('identity providers', () => {
  it('come from a preset, with the address to register and without their secret', async () => {
    const created = await world.admin('POST', '', {
      preset: 'github',
      ...CLIENT,
      allowedDomains: ['Acme.TEST', 'acme.test'],
    });
    expect(created.status).toBe(201);
    expect(created.body).toEqual({
      id: expect.stringMatching(/^idp_/),
      key: 'github',
      name: 'GitHub',
      kind: 'github',
      issuer: 'https://github.com',
      clientId: CLIENT.clientId,
      allowedDomains: ['acme.test'],
      enabled: true,
      callbackUrl: `${HOME}/v1/session/oidc/github/callback`,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
    expect(created.headers['etag']).toMatch(/^"/);
    expect((await world.admin('GET', `/${String(created.body['id'])}`)).body).toEqual(created.body);
    expect((await world.admin('GET', '')).body).toEqual({ items: [created.body], nextCursor: null });
    const stored = await world.test.database.query<{ sealed: Buffer }>(
      'SELECT client_secret_sealed AS sealed FROM identity_providers',
    );
    expect(stored[0]!.sealed.toString()).not.toContain(CLIENT.clientSecret);
    expect(JSON.stringify(await world.audited('identity-provider.create'))).not.toContain(CLIENT.clientSecret);
  });

  it('are any issuer that can be reached, or none', async () => {
    expect((await world.admin('POST', '', own('own'))).status).toBe(201);
    const gone = { ...own('gone'), issuer: 'http://127.0.0.1:9' };
    expect(await world.admin('POST', '', gone)).toMatchObject({ status: 422, body: { code: 'issuer-unusable' } });
    expect((await world.admin('POST', '', { ...gone, enabled: false })).status).toBe(201);
    const [row] = (await world.admin<{ items: { id: string; key: string }[] }>('GET', '')).body.items.filter(
      ({ key }) => key === 'gone',
    );
    expect((await world.admin('PATCH', `/${row!.id}`, { enabled: true })).status).toBe(422);
    expect((await world.admin('PATCH', `/${row!.id}`, { enabled: true, issuer: provider.issuer })).status).toBe(200);
  });

  it('are made and changed by who may do everything: a narrower key could have itself taken for anybody', async () => {
    const keys = world.test.app.get(ApiKeysService, { strict: false });
    const { key } = await keys.issue({ tenantId: null, name: 'narrow', scopes: ['providers:*'] });
    const made = await world.admin('POST', '', own('guarded'));
    const call = (method: 'POST' | 'PATCH', path: string, payload: object) =>
      world.test.app.inject({
        method,
        url: `/v1/admin/identity-providers${path}`,
        headers: { authorization: `Bearer ${key}` },
        payload,
      });
    const answers = [
      await call('POST', '', own('mine')),
      await call('PATCH', `/${String(made.body['id'])}`, { allowedDomains: ['operators.example'] }),
    ];
    expect(answers.map((answer) => [answer.statusCode, answer.json<{ code: string }>().code])).toEqual([
      [403, 'scope-missing'],
      [403, 'scope-missing'],
    ]);
  });

  it('have one key each', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => world.admin('POST', '', own('race'))));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
  });

  it.each([
    ['key', { key: undefined }],
    ['key', { key: 'Not A Key' }],
    ['name', { name: undefined }],
    ['issuer', { issuer: undefined }],
    ['issuer', { issuer: 'http://id.example.com' }],
    ['issuer', { issuer: 'https://user:word@id.example.com' }],
    ['clientId', { clientId: undefined }],
    ['clientSecret', { clientSecret: '' }],
    ['allowedDomains', { allowedDomains: ['not a domain'] }],
    ['preset', { preset: 'myspace' }],
    ['kind', { kind: 'github' }],
  ])('are refused when %s is wrong', async (field, change) => {
    const { status, body } = await world.admin('POST', '', { ...own('wrong'), ...change });
    expect(status).toBe(400);
    expect((body['errors'] as { field: string }[]).map((error) => error.field.split('.')[0])).toContain(field);
    expect(JSON.stringify(body)).not.toContain('word@');
  });

  it('change under If-Match, with the old and new values in the audit log and never a secret', async () => {
    const { id } = await world.offer(own('change'));
    const before = await world.admin('GET', `/${id}`);
    const etag = String(before.headers['etag']);
    const body = { name: 'Renamed', clientSecret: 'another-secret', allowedDomains: ['acme.test'] };
    const changed = await world.admin('PATCH', `/${id}`, body, { 'if-match': etag });
    expect(changed).toMatchObject({ status: 200, body: { name: 'Renamed', issuer: provider.issuer } });
    expect((await world.admin('PATCH', `/${id}`, { name: 'Late' }, { 'if-match': etag })).status).toBe(412);
    const line = (await world.audited('identity-provider.update')).at(-1)!;
    expect(line.data).toEqual({
      name: { from: 'Own', to: 'Renamed' },
      allowedDomains: { from: [], to: ['acme.test'] },
      clientSecret: 'replaced',
    });
    expect((await world.admin('PATCH', `/${id}`, { issuer: 'http://id.example.com' })).status).toBe(400);
  });

  it('lose the accounts that were linked when the issuer becomes another, for there they are other people', async () => {
    const { id } = await world.offer(own('moves'));
    const userId = await world.user('mover@acme.test');
    const second = await startOpenIdProvider([]);
    const link = `INSERT INTO user_identities (provider_id, subject, user_id) VALUES ('${id}', 's', '${userId}')`;
    await world.test.database.query(link);
    await world.admin('PATCH', `/${id}`, { name: 'Same issuer' });
    const count = () => world.test.database.query('SELECT 1 FROM user_identities WHERE provider_id = $1', [id]);
    expect(await count()).toHaveLength(1);
    expect((await world.admin('PATCH', `/${id}`, { issuer: second.issuer })).status).toBe(200);
    expect(await count()).toHaveLength(0);
    await second.close();
  });

  it('can be removed once', async () => {
    const { id } = await world.offer(own('removed'));
    expect((await world.admin('DELETE', `/${id}`)).status).toBe(204);
    for (const method of ['GET', 'PATCH', 'DELETE'] as const)
      expect((await world.admin(method, `/${id}`, method === 'PATCH' ? { name: 'x' } : undefined)).status).toBe(404);
    expect((await world.audited('identity-provider.delete')).at(-1)!.data).toEqual({ key: 'removed', identities: 0 });
  });

  it('are for operators with the scope', async () => {
    const url = '/v1/admin/identity-providers';
    const call = (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, key?: string) =>
      world.test.app.inject({
        method,
        url: `${url}${path}`,
        headers: key ? { authorization: `Bearer ${key}` } : {},
        ...(method === 'POST' ? { payload: own('x') } : method === 'PATCH' ? { payload: {} } : {}),
      });
    const routes = [
      ['GET', ''],
      ['POST', ''],
      ['GET', '/idp_1'],
      ['PATCH', '/idp_1'],
      ['DELETE', '/idp_1'],
    ] as const;
    const tenant = await world.test.seedTenant('curious');
    const reader = await world.test.app
      .get(ApiKeysService)
      .issue({ tenantId: null, name: 'r', scopes: ['providers:read'] });
    const other = await world.test.app
      .get(ApiKeysService)
      .issue({ tenantId: null, name: 'o', scopes: ['members:read'] });
    for (const [method, path] of routes) {
      expect((await call(method, path)).statusCode).toBe(401);
      expect((await call(method, path, tenant.key)).statusCode).toBe(403);
      expect((await call(method, path, other.key)).json<{ code: string }>().code).toBe('scope-missing');
    }
    for (const [method, path] of routes.filter(([verb]) => verb !== 'GET'))
      expect((await call(method, path, reader.key)).statusCode).toBe(403);
    expect((await call('GET', '', reader.key)).statusCode).toBe(200);
  });
});
