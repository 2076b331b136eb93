import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MemberClaims, SignInResult, TokenView } from '#libs/contracts';
import { delay } from '#libs/kernel';
import { createMemberTokenVerifier } from '#libs/tokens';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { IdentityModule } from '../identity/identity.module.js';
import { SessionsService } from '../identity/sessions.service.js';
import { UsersService } from '../identity/users.service.js';
import { MemberTokens } from '../identity/member-tokens.js';
import { TokensModule } from './tokens.module.js';
import { TokensService } from './tokens.service.js';

let test: TestApp;
let acme: { tenantId: string; key: string };
let other: { tenantId: string; key: string };
let mia: { memberId: string; workspaceId: string; agentId: string };

const call = (method: 'GET' | 'POST', url: string, bearer?: string, payload?: object) =>
  test.app.inject({
    method,
    url,
    headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
    ...(payload ? { payload } : {}),
  });
const issue = (body: object, key = acme.key) => call('POST', '/v1/tokens', key, body);
const exchange = (tenantId: string, code: string) =>
  call('POST', '/internal/sign-in/exchange', 'test-proxy-credential', { tenantId, code });
const verify = async (token: string): Promise<MemberClaims> => {
  const jwks = (await call('GET', '/.well-known/jwks.json')).json<{ keys: Record<string, unknown>[] }>();
  return createMemberTokenVerifier(test.config.url, jwks).verify(token, test.clock.now());
};
const linkCode = async (externalId: string): Promise<string> => {
  const answer = await call('POST', `/v1/members/${externalId}/sign-in-links`, acme.key, {});
  return answer.json<{ url: string }>().url.split('#code=')[1]!;
};

beforeAll(async () => {
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, TokensModule]);
  acme = await test.seedTenant('acme', ['tokens:write']);
  other = await test.seedTenant('other', ['tokens:write']);
  mia = await test.seedMember(acme.tenantId, 'wp-1');
});
afterAll(() => test.close());

describe('POST /v1/tokens', () => {
  it('gives a token that says who, where and how far, and the addresses to use it at', async () => {
    const answer = await issue({ member: 'wp-1', surface: 'web' });
    expect(answer.statusCode).toBe(201);
    expect(answer.headers['cache-control']).toBe('no-store');
    const view = answer.json<TokenView>();
    expect(view.url).toBe(`http://127.0.0.1:4100/t/acme/a/${mia.agentId}`);
    expect(view.wsUrl).toBe(`ws://127.0.0.1:4100/t/acme/a/${mia.agentId}/ws`);
    const claims = await verify(view.token);
    expect(claims).toMatchObject({
      iss: test.config.url,
      sub: mia.memberId,
      tid: acme.tenantId,
      wid: mia.workspaceId,
      trust_mode_max: 1,
      scopes: ['chat'],
      surfaces: ['web'],
      gw: null,
      jti: expect.stringMatching(/^tok_/),
    });
    expect(claims.exp - claims.iat).toBe(900);
    expect(view.expiresAt).toBe(new Date(claims.exp * 1000).toISOString());
  });

  it('takes a shorter life and own scopes', async () => {
    const claims = await verify(
      (await issue({ member: 'wp-1', surface: 'slack', scopes: ['chat'], ttlSeconds: 60 })).json<TokenView>().token,
    );
    expect([claims.exp - claims.iat, claims.surfaces]).toEqual([60, ['slack']]);
  });

  it.each([
    [{ member: 'wp-1', surface: 'web', ttlSeconds: 901 }, 'ttlSeconds'],
    [{ member: 'wp-1', surface: 'web', ttlSeconds: 59 }, 'ttlSeconds'],
    [{ member: 'wp-1', surface: 'fax' }, 'surface'],
    [{ member: '', surface: 'web' }, 'member'],
    [{ member: { not: 'text' }, surface: 'web' }, 'member'],
    [{ surface: 'web' }, 'member'],
    [{ member: 'wp-1', surface: 'web', scopes: ['*'] }, 'scopes'],
    [{ member: 'wp-1', surface: 'web', scopes: ['members:write'] }, 'scopes'],
    [{ member: 'wp-1', surface: 'web', workspace: 'x' }, 'workspace'],
    [{ member: 'wp-1', surface: 'web', visibility: 'secret' }, 'visibility'],
    [{ member: 'wp-1', surface: 'web', trust_mode_max: 3 }, 'trust_mode_max'],
  ])('refuses %j', async (body, field) => {
    const answer = await issue(body);
    const problem = answer.json<{ code: string; errors: { field: string }[] }>();
    expect([answer.statusCode, problem.code]).toEqual([400, 'request-invalid']);
    expect(problem.errors.every((error) => error.field === field)).toBe(true);
  });

  it("refuses a surface that the member's tier does not include", async () => {
    expect((await issue({ member: 'wp-1', surface: 'voice' })).json()).toMatchObject({
      status: 422,
      code: 'surface-not-in-tier',
    });
    expect((await issue({ member: 'wp-1', surface: 'mobile' })).statusCode).toBe(201);
  });

  it("answers another tenant's member like one that does not exist", async () => {
    const unknown = await issue({ member: 'nobody', surface: 'web' });
    const foreign = await issue({ member: 'wp-1', surface: 'web' }, other.key);
    expect(unknown.json()).toMatchObject({ status: 404, code: 'member-not-found' });
    expect({ ...foreign.json<object>(), instance: '' }).toEqual({ ...unknown.json<object>(), instance: '' });
    expect((await call('POST', '/v1/members/wp-1/sign-in-links', other.key, {})).statusCode).toBe(404);
    expect((await call('POST', '/v1/tokens/revoke', other.key, { member: 'wp-1' })).statusCode).toBe(404);
  });

  it('refuses a member that is not active or has no agent', async () => {
    const paused = await test.seedMember(acme.tenantId, 'wp-paused');
    await test.database.query(`UPDATE members SET status = 'paused' WHERE id = $1`, [paused.memberId]);
    const bare = await test.seedMember(acme.tenantId, 'wp-bare');
    await test.database.query(`UPDATE agents SET desired_state = 'inactive' WHERE id = $1`, [bare.agentId]);
    for (const member of ['wp-paused', 'wp-bare'])
      expect((await issue({ member, surface: 'web' })).json()).toMatchObject({
        status: 409,
        code: 'member-not-active',
      });
  });

  it("leads into another member's workspace where the member has a role, a guest with mode 1 at most", async () => {
    const guest = await test.seedMember(acme.tenantId, 'wp-guest');
    const asked = { member: 'wp-guest', surface: 'web', workspace: mia.workspaceId };
    expect((await issue(asked)).json()).toMatchObject({ status: 404, code: 'workspace-not-found' });
    const join = (role: string) =>
      test.database.query(
        `INSERT INTO workspace_roles (workspace_id, member_id, tenant_id, role) VALUES ($1, $2, $3, $4)
         ON CONFLICT (workspace_id, member_id) DO UPDATE SET role = excluded.role`,
        [mia.workspaceId, guest.memberId, acme.tenantId, role],
      );
    await test.database.query(`UPDATE tiers SET trust_ceiling = 2 WHERE tenant_id = $1`, [acme.tenantId]);
    for (const [role, mode] of [
      ['member', 2],
      ['guest', 1],
    ] as const) {
      await join(role);
      const view = (await issue(asked)).json<TokenView>();
      expect(view.url).toContain(mia.agentId);
      const claims = await verify(view.token);
      expect(claims).toMatchObject({ sub: guest.memberId, wid: mia.workspaceId, trust_mode_max: mode });
    }
    await test.database.query(`UPDATE tiers SET trust_ceiling = 1 WHERE tenant_id = $1`, [acme.tenantId]);
    const theirs = await test.seedMember(other.tenantId, 'wp-far');
    const far = { ...asked, workspace: theirs.workspaceId };
    expect((await issue(far)).json()).toMatchObject({ status: 404, code: 'workspace-not-found' });
  });

  it('caps the mode by where the member is: a channel where strangers read along is not a direct message', async () => {
    await test.database.query(`UPDATE tiers SET trust_ceiling = 2 WHERE tenant_id = $1`, [acme.tenantId]);
    const claimsOf = async (body: object) => verify((await issue({ member: 'wp-1', ...body })).json<TokenView>().token);
    expect(await claimsOf({ surface: 'slack' })).toMatchObject({ surfaces: ['slack'], trust_mode_max: 1 });
    expect(await claimsOf({ surface: 'slack', visibility: 'private' })).toMatchObject({
      surfaces: ['slack:private'],
      trust_mode_max: 2,
    });
    expect(await claimsOf({ surface: 'web', visibility: 'public' })).toMatchObject({ trust_mode_max: 0 });
    expect((await issue({ member: 'wp-1', surface: 'mobile', visibility: 'public' })).json()).toMatchObject({
      status: 422,
      code: 'visibility-not-there',
    });
    await test.database.query(`UPDATE tiers SET trust_ceiling = 1 WHERE tenant_id = $1`, [acme.tenantId]);
  });

  it('is refused for a tenant that is suspended or closed', async () => {
    const paused = await test.seedTenant('paused', ['tokens:write']);
    await test.seedMember(paused.tenantId, 'wp-1');
    const tokens = test.app.get(TokensService);
    for (const status of ['suspended', 'closed']) {
      await test.database.query('UPDATE tenants SET status = $1 WHERE id = $2', [status, paused.tenantId]);
      await expect(tokens.issue(paused.tenantId, { member: 'wp-1', surface: 'web' })).rejects.toMatchObject({
        code: 'tenant-suspended',
        kind: 'forbidden',
      });
    }
    await test.database.query(`UPDATE tenants SET status = 'suspended' WHERE id = $1`, [paused.tenantId]);
    expect((await issue({ member: 'wp-1', surface: 'web' }, paused.key)).json()).toMatchObject({
      status: 403,
      code: 'tenant-suspended',
    });
  });

  it('needs the scope tokens:write', async () => {
    const { key } = await test.seedTenant('scopeless', ['members:write']);
    expect((await issue({ member: 'wp-1', surface: 'web' }, key)).json()).toMatchObject({
      status: 403,
      code: 'scope-missing',
    });
  });
});

describe('POST /v1/tokens/revoke', () => {
  it('records what is revoked until nothing of it can be valid, and tells the route feed', async () => {
    const notices: string[] = [];
    const leave = await test.coordination.notifier.subscribe('routes', (payload) => notices.push(payload));
    const { jti } = await verify((await issue({ member: 'wp-1', surface: 'web' })).json<TokenView>().token);
    expect((await call('POST', '/v1/tokens/revoke', acme.key, { jti })).statusCode).toBe(204);
    expect((await call('POST', '/v1/tokens/revoke', acme.key, { member: 'wp-1' })).statusCode).toBe(204);
    const rows = await test.database.query<{ jti: string; member_id: string; issued_before: Date; until: Date }>(
      'SELECT * FROM revocations ORDER BY jti NULLS LAST',
    );
    expect(rows).toMatchObject([{ jti }, { jti: null, member_id: mia.memberId }]);
    expect(rows[0]!.until.getTime()).toBeGreaterThan(test.clock.now().getTime() + 8 * 3_600_000);
    for (let i = 0; notices.length < 2 && i < 100; i += 1) await delay(10);
    expect(notices).toHaveLength(2);
    await leave();
    const audit = await test.database.query(`SELECT * FROM audit_entries WHERE action = 'token.revoke'`);
    expect(audit).toHaveLength(2);
  });

  it('ends every token from before it and spares those from after it, even within one second', async () => {
    const token = async () => verify((await issue({ member: 'wp-1', surface: 'web' })).json<TokenView>().token);
    const latest = async () => {
      const [row] = await test.database.query<{ at: Date }>('SELECT max(issued_before) AS at FROM revocations');
      return row!.at.getTime();
    };
    for (let round = 0; round < 3; round += 1) {
      const before = await token();
      await call('POST', '/v1/tokens/revoke', acme.key, { member: 'wp-1' });
      expect(before.iat * 1000).toBeLessThan(await latest());
      expect((await token()).iat * 1000).toBeGreaterThanOrEqual(await latest());
    }
  });

  it('ends every token of the tenant, and of no other', async () => {
    const theirs = await test.seedMember(other.tenantId, 'wp-2');
    const mine = (await issue({ member: 'wp-1', surface: 'web' })).json<TokenView>().token;
    const foreign = (await issue({ member: 'wp-2', surface: 'web' }, other.key)).json<TokenView>().token;
    expect((await call('POST', '/v1/tokens/revoke', acme.key, { all: true })).statusCode).toBe(204);
    const guard = test.app.get(MemberTokens, { strict: false });
    await expect(guard.verify(mine)).rejects.toMatchObject({ code: 'token-revoked' });
    expect(await guard.verify(foreign)).toMatchObject({ sub: theirs.memberId });
    const again = (await issue({ member: 'wp-1', surface: 'web' })).json<TokenView>().token;
    expect(await guard.verify(again)).toMatchObject({ sub: mia.memberId });
  });

  it('of one tenant does nothing to a token of another, even by its id', async () => {
    const { token } = (await issue({ member: 'wp-1', surface: 'web' })).json<TokenView>();
    const { jti } = await verify(token);
    expect((await call('POST', '/v1/tokens/revoke', other.key, { jti })).statusCode).toBe(204);
    expect(await test.app.get(MemberTokens, { strict: false }).verify(token)).toMatchObject({ jti });
  });

  it('at sign-out ends the one token, once, in the name of the member, and only for proxies', async () => {
    const token = (await issue({ member: 'wp-1', surface: 'web' })).json<TokenView>().token;
    const { jti } = await verify(token);
    const body = { tenantId: acme.tenantId, memberId: mia.memberId, jti };
    const leave = (bearer: string) => call('POST', '/internal/sign-in/sign-out', bearer, body);
    expect((await leave(acme.key)).statusCode).toBe(401);
    const answers = await Promise.all([leave('test-proxy-credential'), leave('test-proxy-credential')]);
    expect(answers.map((answer) => answer.statusCode)).toEqual([204, 204]);
    await leave('test-proxy-credential');
    await expect(test.app.get(MemberTokens, { strict: false }).verify(token)).rejects.toMatchObject({
      code: 'token-revoked',
    });
    const lines = await test.database.query<{ actor: string }>(
      `SELECT actor FROM audit_entries WHERE action = 'token.sign-out'`,
    );
    expect(lines.length).toBeLessThanOrEqual(2);
    expect(lines[0]).toEqual({ actor: `member:${mia.memberId}` });
    const gone = { ...body, tenantId: `ten_${'0'.repeat(26)}` };
    expect((await call('POST', '/internal/sign-in/sign-out', 'test-proxy-credential', gone)).statusCode).toBe(204);
  });

  it.each([
    [{}],
    [{ jti: 'tok_00000000000000000000000000', member: 'wp-1' }],
    [{ jti: 'x' }],
    [{ all: false }],
    [{ all: 'true' }],
    [{ all: true, member: 'wp-1' }],
  ])('refuses %j', async (body) => {
    expect((await call('POST', '/v1/tokens/revoke', acme.key, body)).json()).toMatchObject({
      status: 400,
      code: 'request-invalid',
    });
  });
});

describe('tokens and links that a person makes at a console', () => {
  it('leave a line each, for they let that person act as the member; those of a site’s key leave none', async () => {
    const user = await test.app
      .get(UsersService, { strict: false })
      .ensure('owner@acme.example', 'correct horse battery');
    await test.database.query('INSERT INTO tenant_staff (tenant_id, user_id, role) VALUES ($1, $2, $3)', [
      acme.tenantId,
      user.id,
      'owner',
    ]);
    const { cookie: value } = await test.app.get(SessionsService, { strict: false }).start(user.id, 'password');
    const headers = {
      cookie: `wirebot_admin=${value}`,
      origin: 'http://console.example',
      host: 'console.example',
    };
    const ask = (url: string, payload: object) => test.app.inject({ method: 'POST', url, headers, payload });
    const lines = () =>
      test.database.query<{ actor: string; action: string; resource_id: string }>(
        `SELECT actor, action, resource_id FROM audit_entries WHERE action IN ('token.issue', 'sign-in-link.create') ORDER BY seq`,
      );
    await issue({ member: 'wp-1', surface: 'web' });
    expect(await lines()).toEqual([]);
    expect((await ask('/v1/tokens', { member: 'wp-1', surface: 'web' })).json()).toMatchObject({
      token: expect.any(String),
    });
    expect((await ask('/v1/members/wp-1/sign-in-links', {})).statusCode).toBe(201);
    expect((await ask('/v1/tokens', { member: 'nobody', surface: 'web' })).statusCode).toBe(404);
    const [actor, resource_id] = [`user:${user.id}`, mia.memberId];
    expect(await lines()).toEqual([
      { actor, action: 'token.issue', resource_id },
      { actor, action: 'sign-in-link.create', resource_id },
    ]);
  });
});

describe('a sign-in link', () => {
  it('carries its code in the fragment and is exchanged for an eight-hour token', async () => {
    const answer = await call('POST', '/v1/members/wp-1/sign-in-links', acme.key, {});
    expect(answer.statusCode).toBe(201);
    const { url, expiresAt } = answer.json<{ url: string; expiresAt: string }>();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:4100\/t\/acme\/#code=[\w-]{43}$/);
    expect(Date.parse(expiresAt) - test.clock.now().getTime()).toBe(600_000);
    const code = url.split('#code=')[1]!;
    expect(JSON.stringify(await test.database.query('SELECT * FROM sign_in_codes'))).not.toContain(code);
    const result = (await exchange(acme.tenantId, code)).json<SignInResult>();
    expect(result).toMatchObject({ agentId: mia.agentId, memberName: 'Mia' });
    const claims = await verify(result.token);
    expect([claims.exp - claims.iat, claims.surfaces, claims.sub]).toEqual([8 * 3600, ['web'], mia.memberId]);
  });

  it('works once, also when it is used twenty times at once', async () => {
    const code = await linkCode('wp-1');
    const answers = await Promise.all(Array.from({ length: 20 }, () => exchange(acme.tenantId, code)));
    expect(answers.filter((answer) => answer.statusCode === 200)).toHaveLength(1);
    const refused = answers.find((answer) => answer.statusCode !== 200)!;
    expect(refused.json()).toMatchObject({ status: 401, code: 'sign-in-code-invalid' });
  });

  it('dies with the tokens of the member, or of everybody, that are revoked', async () => {
    for (const body of [{ member: 'wp-1' }, { all: true }]) {
      const code = await linkCode('wp-1');
      test.clock.advance(2_000);
      expect((await call('POST', '/v1/tokens/revoke', acme.key, body)).statusCode).toBe(204);
      expect((await exchange(acme.tenantId, code)).json()).toMatchObject({ status: 401, code: 'sign-in-code-invalid' });
      test.clock.advance(2_000);
      expect((await exchange(acme.tenantId, await linkCode('wp-1'))).statusCode).toBe(200);
    }
  });

  it('is of no use elsewhere, later, or without the proxy credential', async () => {
    const code = await linkCode('wp-1');
    expect((await exchange(other.tenantId, code)).json()).toMatchObject({ code: 'sign-in-code-invalid' });
    expect((await exchange(acme.tenantId, `${code}x`)).json()).toMatchObject({ code: 'sign-in-code-invalid' });
    expect(
      (await call('POST', '/internal/sign-in/exchange', acme.key, { tenantId: acme.tenantId, code })).statusCode,
    ).toBe(401);
    test.clock.advance(600_001);
    expect((await exchange(acme.tenantId, code)).json()).toMatchObject({ code: 'sign-in-code-invalid' });
  });
});
