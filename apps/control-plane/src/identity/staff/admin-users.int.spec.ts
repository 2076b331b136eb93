import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKeysService } from '../api-keys.service.js';
import { auditActions, seedUser, TestConsole } from '../testing/console.fixture.js';
import { type SignInTest, startSignInTest } from '../testing/sign-in.fixture.js';

let fixture: SignInTest;
let operator: TestConsole;
let operatorId: string;
const browser = () => new TestConsole(fixture.test);
const keyWith = async (scopes: string[]) =>
  (await fixture.test.app.get(ApiKeysService, { strict: false }).issue({ tenantId: null, name: 'k', scopes })).key;
const byKey = (key: string, method: 'GET' | 'POST' | 'PATCH', url: string, payload?: object) =>
  browser().call(method, url, payload, { authorization: `Bearer ${key}` });

beforeAll(async () => {
  fixture = await startSignInTest();
  operatorId = await seedUser(fixture.test, 'op@example.com', 'operator');
  operator = browser();
  await operator.signIn('op@example.com');
});
afterAll(() => fixture.close());

describe('users, for operators', () => {
  it('are listed newest first, with what they can do and without their secrets', async () => {
    fixture.test.clock.advance(1);
    await seedUser(fixture.test, 'first@example.com');
    fixture.test.clock.advance(1);
    await seedUser(fixture.test, 'second@example.com');
    const page = await operator.call('GET', '/v1/admin/users?limit=1');
    expect(page.body['items']).toMatchObject([
      { email: 'second@example.com', hasPassword: true, hasSecondFactor: false },
    ]);
    const next = await operator.call('GET', `/v1/admin/users?limit=1&cursor=${String(page.body['nextCursor'])}`);
    expect(next.body['items']).toMatchObject([{ email: 'first@example.com' }]);
    expect(JSON.stringify([page.body, next.body])).not.toMatch(/argon2|passwordHash/);
  });

  it('are invited by mail, once per address', async () => {
    const body = { email: 'Invited@Example.com', name: 'Ines', platformRole: 'operator' };
    const made = await operator.call('POST', '/v1/admin/users', body);
    const user = { email: 'invited@example.com', name: 'Ines', platformRole: 'operator', hasPassword: false };
    expect(made).toMatchObject({ status: 201, body: { user, invitation: { sent: 'by-mail', url: null } } });
    expect((await operator.call('POST', '/v1/admin/users', body)).body).toMatchObject({ code: 'user-exists' });
    await expect.poll(() => fixture.smtp.tokenFor('invited@example.com', 'invitation')).toBeDefined();
    const token = fixture.smtp.tokenFor('invited@example.com', 'invitation');
    const { id } = made.body['user'] as { id: string };
    const again = () => operator.call('POST', `/v1/admin/users/${id}/invitation`);
    expect((await operator.call('POST', '/v1/admin/users/usr_none/invitation')).status).toBe(404);
    const person = browser();
    const password = 'three green parrots';
    expect((await person.call('POST', '/v1/session/invitation', { token, password })).status).toBe(201);
    expect((await person.call('GET', '/v1/admin/users')).status).toBe(200);
    expect((await again()).body).toMatchObject({ code: 'already-joined' });
  });

  it('are disabled, which ends their sessions and links, and enabled again', async () => {
    const id = await seedUser(fixture.test, 'off@example.com');
    const person = browser();
    await person.signIn('off@example.com');
    await browser().call('POST', '/v1/session/magic-links', { email: 'off@example.com' });
    await expect.poll(() => fixture.smtp.tokenFor('off@example.com', 'magic')).toBeDefined();
    const patch = (body: object) => operator.call('PATCH', `/v1/admin/users/${id}`, body);
    expect((await patch({ disabled: true })).body['disabledAt']).not.toBeNull();
    expect(await person.status()).toBe(401);
    expect((await person.signIn('off@example.com')).status).toBe(401);
    const token = fixture.smtp.tokenFor('off@example.com', 'magic');
    expect((await browser().call('POST', '/v1/session/magic-link', { token })).status).toBe(401);
    expect((await patch({ disabled: false })).body).toMatchObject({ disabledAt: null });
    expect((await browser().signIn('off@example.com')).status).toBe(201);
    expect(await auditActions(fixture.test, id)).toEqual(['user.update', 'user.update']);
  });

  it('lose their sessions with their role', async () => {
    const id = await seedUser(fixture.test, 'demoted@example.com', 'operator');
    const person = browser();
    await person.signIn('demoted@example.com');
    expect((await person.call('GET', '/v1/admin/users')).status).toBe(200);
    const answer = await operator.call('PATCH', `/v1/admin/users/${id}`, { platformRole: null });
    expect(answer).toMatchObject({ status: 200, body: { platformRole: null } });
    expect(await person.status()).toBe(401);
    await person.signIn('demoted@example.com');
    expect((await person.call('GET', '/v1/admin/users')).body).toMatchObject({ code: 'operator-required' });
  });

  it('are changed only from what was read, when If-Match says so', async () => {
    const id = await seedUser(fixture.test, 'etag@example.com');
    const { headers } = await operator.call('GET', `/v1/admin/users/${id}`);
    const rename = (name: string) =>
      operator.call('PATCH', `/v1/admin/users/${id}`, { name }, { 'if-match': String(headers['etag']) });
    expect(await rename('One')).toMatchObject({ status: 200, body: { name: 'One' } });
    expect((await rename('Two')).status).toBe(412);
    const log = JSON.stringify(
      await fixture.test.database.query('SELECT data FROM audit_entries WHERE resource_id = $1', [id]),
    );
    expect(log).toContain('nameChanged');
    expect(log).not.toContain('One');
  });

  it('need operators with the scope', async () => {
    const id = await seedUser(fixture.test, 'nobody@example.com');
    const { key: tenantKey } = await fixture.test.seedTenant('tenant');
    const [reader, writer] = [await keyWith(['users:read']), await keyWith(['users:write'])];
    expect((await byKey(reader, 'GET', '/v1/admin/users')).status).toBe(200);
    for (const [method, url] of [
      ['POST', ''],
      ['PATCH', `/${id}`],
    ] as const)
      expect((await byKey(reader, method, `/v1/admin/users${url}`, {})).body).toMatchObject({ code: 'scope-missing' });
    expect((await byKey(writer, 'GET', `/v1/admin/users/${id}`)).body).toMatchObject({ code: 'scope-missing' });
    expect((await byKey(tenantKey, 'GET', '/v1/admin/users')).body).toMatchObject({ code: 'operator-required' });
    expect((await browser().call('GET', '/v1/admin/users')).status).toBe(401);
    // A narrow key makes nobody who may do everything.
    const raise = await byKey(writer, 'PATCH', `/v1/admin/users/${id}`, { platformRole: 'operator' });
    expect(raise.body).toMatchObject({ code: 'role-too-high' });
    const make = { email: 'made@example.com', platformRole: 'operator' };
    expect((await byKey(writer, 'POST', '/v1/admin/users', make)).body).toMatchObject({ code: 'role-too-high' });
  });

  it('that are not there, and fields that are wrong, are refused', async () => {
    expect((await operator.call('GET', '/v1/admin/users/usr_none')).body).toMatchObject({ code: 'user-not-found' });
    expect((await operator.call('PATCH', '/v1/admin/users/usr_none', { name: 'x' })).status).toBe(404);
    for (const body of [{ disabled: 'yes' }, { platformRole: 'emperor' }, { email: 'new@example.com' }])
      expect((await operator.call('PATCH', `/v1/admin/users/${operatorId}`, body)).status).toBe(400);
    expect((await operator.call('POST', '/v1/admin/users', { email: 'x' })).status).toBe(400);
  });
});

describe('the last operator', () => {
  it('stays, also when all are demoted or disabled at once', async () => {
    await fixture.test.database.query('UPDATE users SET platform_role = NULL WHERE id <> $1', [operatorId]);
    for (const body of [{ platformRole: null }, { disabled: true }])
      expect(await operator.call('PATCH', `/v1/admin/users/${operatorId}`, body)).toMatchObject({
        status: 409,
        body: { code: 'last-operator' },
      });
    const ids = [operatorId];
    for (let i = 0; i < 5; i += 1) ids.push(await seedUser(fixture.test, `op-${i}@example.com`, 'operator'));
    const key = await keyWith(['*']);
    const answers = await Promise.all(
      ids.map((id, i) =>
        byKey(key, 'PATCH', `/v1/admin/users/${id}`, i % 2 ? { disabled: true } : { platformRole: null }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
    expect(answers.filter(({ body }) => body['code'] === 'last-operator')).toHaveLength(1);
    const left = await fixture.test.database.query(
      `SELECT id FROM users WHERE platform_role = 'operator' AND disabled_at IS NULL`,
    );
    expect(left).toHaveLength(1);
  });
});
