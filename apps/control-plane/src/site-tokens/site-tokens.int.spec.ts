import { randomBytes } from 'node:crypto';
import { freshDatabase, hs256, part, publicSpellings, rs256 } from '#libs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MemberClaims, TokenView } from '#libs/contracts';
import { createMemberTokenVerifier } from '#libs/tokens';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { IdentityModule } from '../identity/identity.module.js';
import { SigningKeysService } from '../tokens/signing-keys.service.js';
import type { IssuerView } from './shared-secret-issuers.service.js';
import { SiteTokensModule } from './site-tokens.module.js';

let test: TestApp;
let acme: { tenantId: string; key: string };
let other: { tenantId: string; key: string };
let mia: { memberId: string; workspaceId: string; agentId: string };
let secret: string;

const ISSUER = '/v1/shared-secret-issuer';
const header = { typ: 'JWT', alg: 'HS256' };
let address = 0;
/** Each from an address of its own, but for the tests of the limit. */
const call = (
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  url: string,
  bearer?: string,
  payload?: object,
  headers: Record<string, string> = {},
  remoteAddress = `203.0.113.${(address += 1) % 250}`,
) =>
  test.app.inject({
    method,
    url,
    remoteAddress,
    headers: { ...headers, ...(bearer ? { authorization: `Bearer ${bearer}` } : {}) },
    ...(payload ? { payload } : {}),
  });
const put = (body: object = {}, key = acme.key, headers: Record<string, string> = {}) =>
  call('PUT', ISSUER, key, body, headers);
const now = () => Math.floor(test.clock.now().getTime() / 1_000);
const claims = (over: Record<string, unknown> = {}) => ({ user_id: 'wp-1', iat: now(), exp: now() + 300, ...over });
const site = (over: Record<string, unknown> = {}, by = secret) => hs256(by, header, claims(over));
const exchange = (token: string, body: object = {}, from?: string) =>
  call('POST', '/v1/tokens/exchange', undefined, { tenant: 'acme', token, ...body }, {}, from);
const asProxy = (token: string, tenantId = acme.tenantId) =>
  call('POST', '/internal/token-exchange', 'test-proxy-credential', { tenantId, token });
const verify = async (token: string): Promise<MemberClaims> => {
  const jwks = (await call('GET', '/.well-known/jwks.json')).json<{ keys: Record<string, unknown>[] }>();
  return createMemberTokenVerifier(test.config.url, jwks).verify(token, test.clock.now());
};
const exchanged = async (token: string, body: object = {}) =>
  verify((await exchange(token, body)).json<TokenView>().token);

beforeAll(async () => {
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, SiteTokensModule]);
  acme = await test.seedTenant('acme', ['tokens:read', 'tokens:write', 'secrets:write']);
  other = await test.seedTenant('other', ['tokens:read', 'tokens:write', 'secrets:write']);
  mia = await test.seedMember(acme.tenantId, 'wp-1');
  await test.database.query('UPDATE tiers SET trust_ceiling = 3');
});
afterAll(() => test.close());
/** A day later, with a secret of its own: nothing of the test before is left. */
beforeEach(async () => {
  test.clock.advance(86_400_000);
  secret = (await put({ rotateSecret: true })).json<IssuerView>().secret!;
});

describe('PUT /v1/shared-secret-issuer', () => {
  it('makes a secret, shows it once and keeps it sealed', async () => {
    const answer = await put({}, other.key);
    expect([answer.statusCode, answer.headers['cache-control']]).toEqual([200, 'no-store']);
    const view = answer.json<IssuerView>();
    expect(view).toMatchObject({ enabled: true, issuer: null, audience: null, trustModeMax: 2, previousUntil: null });
    expect(view.secret).toMatch(/^[\w-]{43}$/);
    expect((await put({ trustModeMax: 1 }, other.key)).json()).not.toHaveProperty('secret');
    expect((await call('GET', ISSUER, other.key)).json()).toEqual({
      ...view,
      secret: undefined,
      trustModeMax: 1,
      updatedAt: expect.any(String),
    });
    const rows = await test.database.query<{ secret_sealed: Buffer }>('SELECT * FROM shared_secret_issuers');
    for (const row of rows) expect(row.secret_sealed.toString('latin1')).not.toContain(view.secret);
    expect(JSON.stringify(await test.database.query('SELECT * FROM audit_entries'))).not.toContain(view.secret);
    expect(JSON.stringify(test.logs)).not.toContain(view.secret);
  });

  it('takes a secret of the site’s and never shows it', async () => {
    const given = randomBytes(32).toString('base64');
    const answer = await put({ secret: given });
    expect([answer.statusCode, answer.json()]).toMatchObject([200, { enabled: true }]);
    expect(answer.body).not.toContain(given);
    expect(await exchanged(site({}, given))).toMatchObject({ sub: mia.memberId });
  });

  it.each([
    [{ secret: 'short' }, 400],
    [{ secret: 'x'.repeat(40) }, 422],
    [{ secret: 'abcdefgh'.repeat(5) }, 422],
    [{ secret: 'with spaces in it, and longer than 32' }, 400],
    [{ trustModeMax: 3 }, 400],
    [{ keepPreviousSeconds: -1 }, 400],
    [{ keepPreviousSeconds: 2_592_001 }, 400],
    [{ issuer: '' }, 400],
    [{ unknown: true }, 400],
  ])('refuses %j', async (body, status) => {
    const answer = await put(body);
    expect(answer.statusCode).toBe(status);
    expect(answer.body).not.toContain('secret' in body ? body.secret : '\u0000');
  });

  it('needs both scopes, and a caller', async () => {
    for (const scopes of [['tokens:write'], ['secrets:write'], ['tokens:read']]) {
      const { key } = await test.seedTenant(`scopes-${scopes[0]!.replace(':', '-')}`, scopes);
      expect((await put({}, key)).json()).toMatchObject({ status: 403, code: 'scope-missing' });
      expect((await call('DELETE', ISSUER, key)).statusCode).toBe(403);
    }
    expect((await call('GET', ISSUER)).statusCode).toBe(401);
    expect((await call('PUT', ISSUER, undefined, {})).statusCode).toBe(401);
  });

  it('honours If-Match, and makes one secret when two come first at once', async () => {
    const fresh = await test.seedTenant('fresh', ['*']);
    expect((await call('GET', ISSUER, fresh.key)).json()).toMatchObject({
      status: 404,
      code: 'shared-secret-issuer-not-found',
    });
    const views = (await Promise.all([put({}, fresh.key), put({}, fresh.key)])).map((answer) =>
      answer.json<IssuerView>(),
    );
    expect(views.filter((view) => view.secret !== undefined)).toHaveLength(1);
    const etag = String((await call('GET', ISSUER, fresh.key)).headers['etag']);
    expect((await put({ enabled: false }, fresh.key, { 'if-match': '"other"' })).statusCode).toBe(412);
    expect((await put({ enabled: false }, fresh.key, { 'if-match': etag })).statusCode).toBe(200);
    expect((await call('DELETE', ISSUER, fresh.key, undefined, { 'if-match': etag })).statusCode).toBe(412);
  });
});

describe('the secret before', () => {
  it('is accepted until its time, and not longer', async () => {
    const before = site({ exp: now() + 7_200 });
    const next = (await put({ rotateSecret: true, keepPreviousSeconds: 3_600 })).json<IssuerView>();
    expect(Date.parse(next.previousUntil!) - test.clock.now().getTime()).toBe(3_600_000);
    expect((await exchange(before)).statusCode).toBe(201);
    expect((await exchange(site({}, next.secret))).statusCode).toBe(201);
    test.clock.advance(3_600_001);
    expect((await exchange(before)).json()).toMatchObject({ status: 401, code: 'site-token-invalid' });
    expect((await call('GET', ISSUER, acme.key)).json()).toMatchObject({ previousUntil: null });
  });

  it('that leaked ends at once, with every token of the tenant', async () => {
    const old = (await exchange(site())).json<TokenView>().token;
    const { tid, sub } = await verify(old);
    await put({ rotateSecret: true, keepPreviousSeconds: 0 });
    expect((await exchange(site())).statusCode).toBe(401);
    const rows = await test.database.query<{ member_id: string | null; issued_before: Date }>(
      'SELECT * FROM revocations WHERE tenant_id = $1 AND jti IS NULL ORDER BY id DESC LIMIT 1',
      [tid],
    );
    expect([rows[0]!.member_id, sub]).toEqual([null, mia.memberId]);
    expect(rows[0]!.issued_before.getTime()).toBeGreaterThanOrEqual(test.clock.now().getTime());
  });

  it('and the current one are forgotten with DELETE; other tenants have their own', async () => {
    const token = site();
    expect((await exchange(token)).statusCode).toBe(201);
    expect((await call('DELETE', ISSUER, acme.key)).statusCode).toBe(204);
    expect((await exchange(token)).json()).toMatchObject({ status: 401, code: 'site-token-invalid' });
    expect((await call('DELETE', ISSUER, acme.key)).statusCode).toBe(404);
    expect((await call('GET', ISSUER, other.key)).statusCode).toBe(200);
  });

  it('is of no use while the issuer is switched off', async () => {
    await put({ enabled: false });
    expect((await exchange(site())).json()).toMatchObject({ status: 401, code: 'site-token-invalid' });
    await put({ enabled: true });
    expect((await exchange(site())).statusCode).toBe(201);
  });
});

describe('POST /v1/tokens/exchange', () => {
  it('gives what POST /v1/tokens gives, to whoever has a good token', async () => {
    const answer = await exchange(site());
    expect([answer.statusCode, answer.headers['cache-control']]).toEqual([201, 'no-store']);
    const view = answer.json<TokenView>();
    expect(view.wsUrl).toBe(`ws://127.0.0.1:4100/t/acme/a/${mia.agentId}/ws`);
    expect(await verify(view.token)).toMatchObject({
      sub: mia.memberId,
      wid: mia.workspaceId,
      tid: acme.tenantId,
      surfaces: ['web'],
      scopes: ['chat'],
      jti: expect.stringMatching(/^tok_[0-9a-z]{26}$/),
    });
  });

  it('never outlives the site’s token, nor its own longest life', async () => {
    const life = async (seconds: number) => {
      const { exp } = await exchanged(site({ exp: now() + seconds }));
      return exp - now();
    };
    expect([await life(120), await life(20_000)]).toEqual([120, 900]);
    const long = (await asProxy(site({ exp: now() + 86_400 }))).json<TokenView>();
    expect((await verify(long.token)).exp - now()).toBe(8 * 3_600);
  });

  it('is never in mode 3, and the site may only say less', async () => {
    await test.database.query(`UPDATE agents SET desired_kind = 'dedicated' WHERE id = $1`, [mia.agentId]);
    const mode = async (over: object) => (await exchanged(site(over as never))).trust_mode_max;
    expect([await mode({}), await mode({ trust_mode: 3 }), await mode({ trust_mode: 0 })]).toEqual([2, 2, 0]);
    expect(await mode({ trust_mode_max: 3 })).toBe(2);
    await put({ trustModeMax: 1 });
    expect([await mode({}), await mode({ trust_mode: 2 })]).toEqual([1, 1]);
    await test.database.query(`UPDATE agents SET desired_kind = 'shared' WHERE id = $1`, [mia.agentId]);
  });

  it('checks issuer and audience where they are configured', async () => {
    await put({ issuer: 'https://club.test', audience: 'wirebot' });
    expect((await exchange(site())).statusCode).toBe(401);
    expect((await exchange(site({ iss: 'https://club.test', aud: 'wirebot' }))).statusCode).toBe(201);
    await put({});
  });

  it('has one answer to a wrong tenant, a tenant without a secret, a wrong secret and a wrong token', async () => {
    await test.seedTenant('none');
    const answers = [
      await exchange(site(), { tenant: 'nobody' }),
      await exchange(site(), { tenant: 'none' }),
      await exchange(site(), { tenant: 'other' }),
      await exchange(site({}, randomBytes(32).toString('hex'))),
      await exchange('nonsense'),
    ].map((answer) => ({ ...answer.json<object>(), instance: '' }));
    expect(answers[0]).toMatchObject({ status: 401, code: 'site-token-invalid' });
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });

  it('refuses forgeries: alg none, RS256, our public key as the secret, keys and extensions in the header', async () => {
    const ours = await test.app.get(SigningKeysService, { strict: false }).current();
    const forged = [
      `${part({ ...header, alg: 'none' })}.${part(claims())}.`,
      rs256({ ...header, alg: 'RS256' }, claims()),
      hs256(secret, { ...header, alg: 'HS512' }, claims(), 'sha512'),
      ...publicSpellings(ours).map(([, spelling]) => hs256(spelling, header, claims())),
      ...[
        { kid: '1' },
        { jwk: { kty: 'oct', k: 'AA' } },
        { jku: 'http://a' },
        { x5u: 'http://a' },
        { crit: ['exp'] },
      ].map((extra) => hs256(secret, { ...header, ...extra }, claims())),
      (await exchange(site())).json<TokenView>().token,
    ];
    for (const token of forged)
      expect((await exchange(token)).json()).toMatchObject({ status: 401, code: 'site-token-invalid' });
  });

  it('says which member or surface is missing only to who has a good token', async () => {
    expect((await exchange(site({ user_id: 'nobody' }))).json()).toMatchObject({
      status: 404,
      code: 'member-not-found',
    });
    expect((await exchange(site(), { surface: 'voice' })).json()).toMatchObject({
      status: 422,
      code: 'surface-not-in-tier',
    });
    expect((await exchange(site({ exp: now() - 1, iat: now() - 60 }))).json()).toMatchObject({
      status: 401,
      code: 'token-expired',
    });
    await test.database.query(`UPDATE tenants SET status = 'suspended' WHERE id = $1`, [acme.tenantId]);
    expect((await exchange(site())).json()).toMatchObject({ status: 403, code: 'tenant-suspended' });
    await test.database.query(`UPDATE tenants SET status = 'active' WHERE id = $1`, [acme.tenantId]);
  });

  it.each([
    { tenant: undefined },
    { tenant: '../x' },
    { surface: 'fax' },
    { token: 1 },
    { token: 'x'.repeat(5_000) },
    { more: 1 },
  ])('refuses the shape of %j', async (body) => {
    expect((await exchange(site(), body)).json()).toMatchObject({ status: 400, code: 'request-invalid' });
  });

  it('limits an address, and no other', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 61; i += 1) statuses.push((await exchange('nonsense', {}, '198.51.100.7')).statusCode);
    expect(statuses.slice(0, 60)).not.toContain(429);
    const last = await exchange('nonsense', {}, '198.51.100.7');
    expect([statuses.at(-1), last.statusCode, Number(last.headers['retry-after'])]).toEqual([
      429,
      429,
      expect.any(Number),
    ]);
    expect((await exchange('nonsense', {}, '198.51.100.8')).statusCode).toBe(401);
  });
});

describe('a revocation', () => {
  const revoke = (body: object) => call('POST', '/v1/tokens/revoke', acme.key, body);

  it('of an exchanged token covers every later exchange of the same site token', async () => {
    const token = site();
    const first = await exchanged(token);
    expect((await exchanged(token)).jti).toBe(first.jti);
    await revoke({ jti: first.jti });
    expect((await exchange(token)).json()).toMatchObject({ status: 401, code: 'token-revoked' });
    expect((await asProxy(token)).json()).toMatchObject({ status: 401, code: 'token-revoked' });
    const next = await exchanged(site({ nonce: 1 }));
    expect(next.jti).not.toBe(first.jti);
  });

  it('of a member covers site tokens from before it, and those that do not say when they were made', async () => {
    const [dated, undated] = [site(), site({ iat: undefined })];
    await revoke({ member: 'wp-1' });
    for (const token of [dated, undated])
      expect((await exchange(token)).json()).toMatchObject({ status: 401, code: 'token-revoked' });
    test.clock.advance(2_000);
    expect((await exchange(site())).statusCode).toBe(201);
  });
});

describe('POST /internal/token-exchange', () => {
  it('is for proxies', async () => {
    const body = { tenantId: acme.tenantId, token: site() };
    expect((await call('POST', '/internal/token-exchange', acme.key, body)).statusCode).toBe(401);
    expect((await call('POST', '/internal/token-exchange', undefined, body)).statusCode).toBe(401);
    expect((await asProxy(site())).statusCode).toBe(200);
    expect((await asProxy(site(), other.tenantId)).json()).toMatchObject({ status: 401, code: 'site-token-invalid' });
  });
});
