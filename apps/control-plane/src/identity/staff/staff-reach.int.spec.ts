import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpEdgeModule } from '../../http/http-edge.module.js';
import { startTestApp } from '../../http/test-app.fixture.js';
import { ApiKeysService } from '../api-keys.service.js';
import { IdentityModule } from '../identity.module.js';
import { PROOF_SECONDS } from '../sign-in/recent-proof.js';
import { SIGN_IN_LIMITS } from '../sign-in/sign-in-limits.js';
import { type Answer, seedUser, TestConsole } from '../testing/console.fixture.js';
import { type SignInTest, startSignInTest } from '../testing/sign-in.fixture.js';
import { StaffModule } from './staff.module.js';

type Method = 'POST' | 'PATCH' | 'DELETE';

let fixture: SignInTest;
const browser = async (email: string): Promise<TestConsole> => {
  const console = new TestConsole(fixture.test);
  await console.signIn(email);
  return console;
};
const keyOf = async (scopes: string[]): Promise<string> =>
  (await fixture.test.app.get(ApiKeysService, { strict: false }).issue({ tenantId: null, name: 'x', scopes })).key;
const byKey = (key: string, method: Method, url: string, payload?: object): Promise<Answer> =>
  new TestConsole(fixture.test).call(method, url, payload, { authorization: `Bearer ${key}` });

async function ownerOf(slug: string): Promise<{ tenantId: string; key: string; owner: TestConsole }> {
  const { tenantId, key } = await fixture.test.seedTenant(slug);
  const id = await seedUser(fixture.test, `owner@${slug}.example`);
  await employ(tenantId, id, 'owner');
  return { tenantId, key, owner: await browser(`owner@${slug}.example`) };
}
const employ = (tenantId: string, userId: string, role: string) =>
  fixture.test.database.query('INSERT INTO tenant_staff (tenant_id, user_id, role) VALUES ($1, $2, $3)', [
    tenantId,
    userId,
    role,
  ]);

beforeAll(async () => {
  fixture = await startSignInTest();
});
afterAll(() => fixture.close());

describe("a tenant's owner", () => {
  it('signs nobody out who is an operator or works elsewhere', async () => {
    const { owner } = await ownerOf('reach');
    const other = await fixture.test.seedTenant('reach-other');
    const operatorId = await seedUser(fixture.test, 'op@reach.example', 'operator');
    const colleagueId = await seedUser(fixture.test, 'colleague@reach.example');
    await employ(other.tenantId, colleagueId, 'admin');
    for (const [email, id] of [
      ['op@reach.example', operatorId],
      ['colleague@reach.example', colleagueId],
    ] as const) {
      const victim = await browser(email);
      expect((await owner.call('POST', '/v1/staff', { email, role: 'support' })).status).toBe(201);
      expect((await owner.call('PATCH', `/v1/staff/${id}`, { role: 'read-only' })).status).toBe(200);
      expect((await owner.call('DELETE', `/v1/staff/${id}`)).status).toBe(204);
      expect(await victim.status()).toBe(200);
    }
  });

  it('invites so many strangers and no more', async () => {
    const { key } = await ownerOf('mailing');
    const [{ tries }] = SIGN_IN_LIMITS.invitations;
    const invite = (name: string) => byKey(key, 'POST', '/v1/staff', { email: `${name}@x.example`, role: 'support' });
    for (let i = 0; i < tries; i += 1) expect((await invite(`stranger-${i}`)).status).toBe(201);
    expect(await invite('one-more')).toMatchObject({ status: 429, body: { code: 'too-many-attempts' } });
    const other = await ownerOf('mailing-other');
    const body = { email: 'elsewhere@x.example', role: 'support' };
    expect((await byKey(other.key, 'POST', '/v1/staff', body)).status).toBe(201);
  });
});

describe('who may do what', () => {
  it('is changed in a console only after a recent proof, and by keys without one', async () => {
    const { key, owner } = await ownerOf('proof');
    const id = await seedUser(fixture.test, 'someone@proof.example');
    await seedUser(fixture.test, 'op@proof.example', 'operator');
    const operator = await browser('op@proof.example');
    fixture.test.clock.advance(PROOF_SECONDS * 1_000 + 1);
    const member = { email: 'someone@proof.example', role: 'support' };
    const calls: [TestConsole, Method, string, object?][] = [
      [owner, 'POST', '/v1/staff', member],
      [owner, 'PATCH', `/v1/staff/${id}`, { role: 'owner' }],
      [owner, 'DELETE', `/v1/staff/${id}`],
      [owner, 'POST', `/v1/staff/${id}/invitation`],
      [operator, 'POST', '/v1/admin/users', { email: 'new@proof.example', platformRole: 'operator' }],
      [operator, 'PATCH', `/v1/admin/users/${id}`, { platformRole: 'operator' }],
      [operator, 'POST', `/v1/admin/users/${id}/invitation`],
    ];
    for (const [console, method, url, body] of calls)
      expect(await console.call(method, url, body)).toMatchObject({
        status: 403,
        body: { code: 'recent-proof-required' },
      });
    expect((await byKey(key, 'POST', '/v1/staff', member)).status).toBe(201);
    expect((await owner.call('POST', '/v1/session/prove', { password: 'correct horse battery' })).status).toBe(200);
    expect((await owner.call('PATCH', `/v1/staff/${id}`, { role: 'owner' })).status).toBe(200);
  });

  it('of operators is nothing that a key for users alone changes', async () => {
    const id = await seedUser(fixture.test, 'op@narrow.example', 'operator');
    await seedUser(fixture.test, 'op2@narrow.example', 'operator');
    const key = await keyOf(['users:read', 'users:write']);
    for (const change of [{ platformRole: null }, { disabled: true }, { name: 'Mallory' }])
      expect((await byKey(key, 'PATCH', `/v1/admin/users/${id}`, change)).body).toMatchObject({
        code: 'role-too-high',
      });
  });
});

describe('a link to hand over', () => {
  it('is shown to who may do everything, never to a narrower key: it opens the account', async () => {
    const test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, StaffModule]);
    try {
      const keys = test.app.get(ApiKeysService, { strict: false });
      const { tenantId } = await test.seedTenant('linkless');
      const { key: full } = await keys.issue({ tenantId: null, name: 'full', scopes: ['*'] });
      const scopes = ['users:*', 'staff:*'];
      const narrow = await keys.issue({ tenantId: null, name: 'narrow', scopes, defaultTenantId: tenantId });
      const call = (key: string, url: string, body?: object) =>
        new TestConsole(test).call('POST', url, body, { authorization: `Bearer ${key}` });
      const made = await call(full, '/v1/admin/users', { email: 'chief@example.com', platformRole: 'operator' });
      const { id } = made.body['user'] as { id: string };
      for (const [url, body] of [
        [`/v1/admin/users/${id}/invitation`, undefined],
        ['/v1/admin/users', { email: 'another@example.com' }],
      ] as const)
        expect(await call(narrow.key, url, body)).toMatchObject({
          status: 503,
          body: { code: 'mail-not-configured' },
        });
      const again = await call(full, `/v1/admin/users/${id}/invitation`);
      expect(again.body).toMatchObject({ invitation: { sent: 'by-link' } });
    } finally {
      await test.close();
    }
  });
});
