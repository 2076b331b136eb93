import { Controller, Get, Post } from '@nestjs/common';
import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { ApiKeysService } from './api-keys.service.js';
import { CurrentPrincipal, CurrentTenant, RequireScopes } from './decorators.js';
import { IdentityModule } from './identity.module.js';
import type { Principal } from './principal.js';
import { UsersService } from './users.service.js';

@Controller('v1/members')
class MembersController {
  @Get('me')
  @RequireScopes('members:read')
  me(@CurrentPrincipal() principal: Principal, @CurrentTenant() tenantId: string) {
    return { principal, tenantId };
  }
  @Post()
  @RequireScopes('members:write')
  write() {
    return {};
  }
  @Get('forgotten')
  forgotten() {
    return {};
  }
}

@Controller('v1/admin/things')
class AdminController {
  @Get()
  @RequireScopes('things:read')
  get(@CurrentPrincipal() principal: Principal) {
    return { principal };
  }
  @Post()
  post() {
    return {};
  }
}

@Controller('internal/things')
class InternalController {
  @Get()
  get() {
    return { ok: true };
  }
}

const PASSWORD = 'correct horse battery';
let test: TestApp;
let keys: ApiKeysService;

const call = (
  method: 'GET' | 'POST' | 'DELETE',
  url: string,
  headers: Record<string, string> = {},
  payload?: object,
  remoteAddress = '127.0.0.1',
) =>
  test.app.inject({
    method,
    url,
    remoteAddress,
    headers: { host: 'console.example', ...headers },
    ...(payload ? { payload } : {}),
  });
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const login = (email: string, password: string, headers: Record<string, string> = {}) =>
  call('POST', '/v1/admin/session', headers, { email, password });
const cookieFrom = (answer: { headers: Record<string, unknown> }) =>
  String(answer.headers['set-cookie']).split(';')[0]!;

beforeAll(async () => {
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule], {
    controllers: [MembersController, AdminController, InternalController],
  });
  keys = test.app.get(ApiKeysService);
  await test.app.get(UsersService).ensure('Admin@Example.com', PASSWORD);
});
afterAll(() => test.close());

describe('API keys', () => {
  it('tell whose they are and what they may', async () => {
    const { tenantId, key, keyId } = await test.seedTenant('acme', ['members:read']);
    expect(key).toMatch(/^wbt_[0-9a-z]{8}_[\w-]{43}$/);
    expect((await call('GET', '/v1/members/me', bearer(key))).json()).toEqual({
      principal: { kind: 'tenant', tenantId, keyId, scopes: ['members:read'] },
      tenantId,
    });
    const answer = await call('POST', '/v1/members', bearer(key), {});
    expect(answer.json()).toMatchObject({
      status: 403,
      code: 'scope-missing',
      detail: expect.stringContaining('members:write'),
    });
  });

  it('leave no trace of the secret in the database', async () => {
    const { key } = await test.seedTenant('traceless');
    expect(JSON.stringify(await test.database.query('SELECT * FROM api_keys'))).not.toContain(
      key.slice('wbt_12345678_'.length),
    );
  });

  it('are refused alike, whatever is wrong with them', async () => {
    const { key } = await test.seedTenant('refused');
    const expired = await keys.issue({
      tenantId: null,
      name: 'x',
      scopes: ['*'],
      expiresAt: new Date(test.clock.now().getTime() - 1),
    });
    const revoked = await keys.issue({ tenantId: null, name: 'x', scopes: ['*'] });
    await test.database.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [revoked.id]);
    const last = key.at(-5) === 'A' ? 'B' : 'A';
    const wrong = [
      key.slice(0, -5) + last + key.slice(-4),
      key.replace('wbt_', 'wbo_'),
      key.toUpperCase(),
      `${key}x`,
      key.slice(0, 12),
      expired.key,
      revoked.key,
      "' OR 1=1 --",
    ];
    for (const candidate of wrong) {
      const answer = await call('GET', '/v1/members/me', bearer(candidate));
      expect([candidate, answer.statusCode, answer.json<{ code: string }>().code]).toEqual([
        candidate,
        401,
        'api-key-invalid',
      ]);
    }
    for (const header of ['', 'Basic abc', key, 'Bearer', `Bearer ${key} ${key}`])
      expect((await call('GET', '/v1/members/me', header ? { authorization: header } : {})).statusCode).toBe(401);
    expect((await call('GET', '/v1/members/me', bearer(key))).statusCode).toBe(200);
  });

  it('cannot be guessed: an address that keeps trying is told to wait, right keys still pass', async () => {
    const { key } = await test.seedTenant('guessed');
    const guesses = Array.from({ length: 80 }, (_, i) => `wbt_${key.split('_')[1]}_${String(i).padStart(43, 'x')}`);
    const codes = new Map<number, number>();
    for (const guess of guesses) {
      const { statusCode } = await call('GET', '/v1/members/me', bearer(guess), undefined, '10.0.0.66');
      codes.set(statusCode, (codes.get(statusCode) ?? 0) + 1);
    }
    expect(codes.get(200)).toBeUndefined();
    expect(codes.get(429)).toBeGreaterThan(10);
    expect((await call('GET', '/v1/members/me', bearer(key), undefined, '10.0.0.66')).statusCode).toBe(200);
  });

  it('of a tenant do not open the operator API', async () => {
    const { key } = await test.seedTenant('no-operator');
    expect((await call('GET', '/v1/admin/things', bearer(key))).json()).toMatchObject({
      status: 403,
      code: 'operator-required',
    });
  });

  it('of an operator act for the tenant they are bound to, and for none otherwise', async () => {
    const { tenantId } = await test.seedTenant('bound');
    const bound = await keys.issue({ tenantId: null, name: 'wp', scopes: ['members:*'], defaultTenantId: tenantId });
    const free = await keys.issue({ tenantId: null, name: 'ops', scopes: ['*'] });
    expect(bound.key).toMatch(/^wbo_/);
    expect((await call('GET', '/v1/members/me', bearer(bound.key))).json()).toMatchObject({ tenantId });
    expect((await call('GET', '/v1/members/me', bearer(free.key))).json()).toMatchObject({ code: 'tenant-required' });
    expect((await call('GET', '/v1/admin/things', bearer(bound.key))).json()).toMatchObject({ code: 'scope-missing' });
    expect((await call('GET', '/v1/admin/things', bearer(free.key))).statusCode).toBe(200);
  });

  it('of an operator that are bound to a tenant are refused where the call names another', async () => {
    const [{ tenantId }, other] = [await test.seedTenant('bound-here'), await test.seedTenant('bound-elsewhere')];
    const bound = await keys.issue({ tenantId: null, name: 'wp', scopes: ['members:*'], defaultTenantId: tenantId });
    const naming = (id: string) => call('GET', '/v1/members/me', { ...bearer(bound.key), 'wirebot-tenant': id });
    expect((await naming(other.tenantId)).json()).toMatchObject({ status: 403, code: 'tenant-required' });
    expect((await naming(tenantId)).json()).toMatchObject({ tenantId });
  });

  it('open nothing that does not say who may use it', async () => {
    const { key } = await test.seedTenant('forgotten');
    expect((await call('GET', '/v1/members/forgotten', bearer(key))).json()).toMatchObject({
      code: 'access-undeclared',
    });
  });

  it('refuse malformed scopes when they are issued', async () => {
    await expect(keys.issue({ tenantId: null, name: 'x', scopes: ['everything'] })).rejects.toMatchObject({
      code: 'scope-invalid',
    });
  });
});

describe('the admin session', () => {
  it('opens with e-mail and password and serves the operator API', async () => {
    const answer = await login('admin@example.com', PASSWORD);
    expect(answer.statusCode).toBe(201);
    expect(answer.json()).toMatchObject({ user: { email: 'admin@example.com' } });
    const header = String(answer.headers['set-cookie']);
    for (const part of ['HttpOnly', 'SameSite=Strict', 'Path=/v1', 'Max-Age=43200']) expect(header).toContain(part);
    const cookie = cookieFrom(answer);
    expect((await call('GET', '/v1/admin/session', { cookie })).statusCode).toBe(200);
    expect((await call('GET', '/v1/admin/things', { cookie })).json()).toMatchObject({
      principal: { kind: 'operator', scopes: ['*'] },
    });
    expect(JSON.stringify(await test.database.query('SELECT * FROM user_sessions'))).not.toContain(
      cookie.split('=')[1],
    );
  });

  it('needs the own Origin for a change', async () => {
    const cookie = cookieFrom(await login('admin@example.com', PASSWORD));
    for (const origin of [undefined, 'https://evil.example', 'null', 'http://console.example.evil.example'])
      expect(
        (await call('POST', '/v1/admin/things', { cookie, ...(origin ? { origin } : {}) }, {})).json(),
      ).toMatchObject({
        code: 'origin-refused',
      });
    expect((await call('POST', '/v1/admin/things', { cookie, origin: 'http://console.example' }, {})).statusCode).toBe(
      201,
    );
    expect((await login('admin@example.com', PASSWORD, { origin: 'https://evil.example' })).statusCode).toBe(403);
  });

  it('ends when closed and after twelve hours', async () => {
    const closed = cookieFrom(await login('admin@example.com', PASSWORD));
    const gone = await call('DELETE', '/v1/admin/session', { cookie: closed, origin: 'http://console.example' });
    expect(gone.statusCode).toBe(204);
    expect(String(gone.headers['set-cookie'])).toContain('Max-Age=0');
    expect((await call('GET', '/v1/admin/session', { cookie: closed })).json()).toMatchObject({
      code: 'session-required',
    });
    const old = cookieFrom(await login('admin@example.com', PASSWORD));
    test.clock.advance(12 * 3_600_000 + 1);
    expect((await call('GET', '/v1/admin/things', { cookie: old })).statusCode).toBe(401);
  });

  it('answers an unknown address and a wrong password alike, in similar time', async () => {
    const time = async (email: string, tries: number) => {
      const times: number[] = [];
      for (let i = 0; i < tries; i += 1) {
        const began = performance.now();
        const answer = await login(email, 'wrong password');
        times.push(performance.now() - began);
        expect(answer.json()).toMatchObject({ status: 401, code: 'login-invalid' });
      }
      return times.sort((a, b) => a - b)[Math.floor(tries / 2)]!;
    };
    await time('warm-up@example.com', 1);
    const unknown = await time('nobody@example.com', 5);
    const known = await time('admin@example.com', 5);
    expect(unknown / known).toBeGreaterThan(0.4);
    expect(unknown / known).toBeLessThan(2.5);
  });

  it('is closed to who keeps guessing, even with the right password then', async () => {
    await test.app.get(UsersService).ensure('guessed@example.com', PASSWORD);
    const codes: number[] = [];
    for (let i = 0; i < 12; i += 1) codes.push((await login('guessed@example.com', `wrong ${i}`)).statusCode);
    expect(codes.slice(0, 10).every((code) => code === 401)).toBe(true);
    const answer = await login('guessed@example.com', PASSWORD);
    expect(answer.json()).toMatchObject({ status: 429, code: 'too-many-attempts' });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  });

  it('wants passwords that are worth the name', async () => {
    await expect(test.app.get(UsersService).ensure('x@example.com', 'short')).rejects.toMatchObject({
      code: 'password-too-weak',
    });
  });
});

describe('internal addresses', () => {
  it('open to the proxy credential alone', async () => {
    const { key } = await test.seedTenant('internal');
    expect((await call('GET', '/internal/things', bearer('test-proxy-credential'))).statusCode).toBe(200);
    for (const headers of [{}, bearer(key), bearer('test-proxy-credentia'), bearer('test-proxy-credential-')])
      expect((await call('GET', '/internal/things', headers)).json()).toMatchObject({
        code: 'proxy-credential-invalid',
      });
  });
});
