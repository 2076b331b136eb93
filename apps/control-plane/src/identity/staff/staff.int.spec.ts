import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKeysService } from '../api-keys.service.js';
import type { StaffRole } from '../roles.js';
import { type Answer, auditActions, seedUser, TestConsole } from '../testing/console.fixture.js';
import { type SignInTest, startSignInTest } from '../testing/sign-in.fixture.js';

let fixture: SignInTest;
const browser = () => new TestConsole(fixture.test);

interface Tenant {
  readonly tenantId: string;
  readonly key: string;
  /** Signed-in people by role. */
  readonly people: Record<StaffRole, { readonly id: string; readonly console: TestConsole }>;
}
const employ = (tenantId: string, userId: string, role: string) =>
  fixture.test.database.query('INSERT INTO tenant_staff (tenant_id, user_id, role) VALUES ($1, $2, $3)', [
    tenantId,
    userId,
    role,
  ]);
async function seed(slug: string): Promise<Tenant> {
  const { tenantId, key } = await fixture.test.seedTenant(slug);
  const person = async (role: StaffRole) => {
    const id = await seedUser(fixture.test, `${role}@${slug}.example`);
    await employ(tenantId, id, role);
    const console = browser();
    await console.signIn(`${role}@${slug}.example`);
    return { id, console };
  };
  const [owner, admin, support] = [await person('owner'), await person('admin'), await person('support')];
  return { tenantId, key, people: { owner, admin, support, 'read-only': await person('read-only') } };
}
const byKey = (key: string, method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, payload?: object) =>
  browser().call(method, url, payload, { authorization: `Bearer ${key}` });
const roleOf = async (tenantId: string, userId: string): Promise<string | undefined> =>
  (
    await fixture.test.database.query<{ role: string }>(
      'SELECT role FROM tenant_staff WHERE tenant_id = $1 AND user_id = $2',
      [tenantId, userId],
    )
  )[0]?.role;

beforeAll(async () => {
  fixture = await startSignInTest();
});
afterAll(() => fixture.close());

describe('the staff of a tenant', () => {
  it('are listed page by page, of this tenant alone', async () => {
    const [mine] = [await seed('list'), await seed('list-other')];
    const page = await mine.people.owner.console.call('GET', '/v1/staff?limit=3');
    const [items, next] = [page.body['items'] as { email: string }[], page.body['nextCursor'] as string];
    expect(items).toHaveLength(3);
    const rest = await mine.people.owner.console.call('GET', `/v1/staff?limit=3&cursor=${next}`);
    expect(rest.body['nextCursor']).toBeNull();
    const emails = [...items, ...(rest.body['items'] as { email: string }[])].map(({ email }) => email);
    expect(emails.toSorted()).toEqual(['admin', 'owner', 'read-only', 'support'].map((role) => `${role}@list.example`));
    expect((await mine.people.owner.console.call('GET', '/v1/staff?cursor=x')).status).toBe(400);
  });

  it('are seen by who may read them and changed by owners', async () => {
    const { people, key } = await seed('scopes');
    const statuses = async (role: StaffRole) => {
      const { console } = people[role];
      const target = people.support.id;
      const answers: Answer[] = [
        await console.call('GET', '/v1/staff'),
        await console.call('POST', '/v1/staff', { email: 'new@scopes.example', role: 'read-only' }),
        await console.call('PATCH', `/v1/staff/${target}`, { role: 'admin' }),
        await console.call('DELETE', `/v1/staff/${target}`),
      ];
      return answers.map(({ status }) => status);
    };
    expect(await statuses('admin')).toEqual([200, 403, 403, 403]);
    expect(await statuses('read-only')).toEqual([200, 403, 403, 403]);
    expect(await statuses('support')).toEqual([403, 403, 403, 403]);
    expect((await byKey(key, 'GET', '/v1/staff')).status).toBe(200);
    expect((await browser().call('GET', '/v1/staff')).status).toBe(401);
    expect((await byKey('wbt_x', 'GET', '/v1/staff')).status).toBe(401);
  });

  it('get a mail when they are new, and choose how they sign in', async () => {
    const { tenantId, people } = await seed('invite');
    const body = { email: 'New.Person@example.com', name: 'Nia', role: 'support' };
    const added = await people.owner.console.call('POST', '/v1/staff', body);
    expect(added).toMatchObject({
      status: 201,
      body: {
        staff: { email: 'new.person@example.com', name: 'Nia', role: 'support', status: 'invited' },
        invitation: { sent: 'by-mail', url: null },
      },
    });
    const userId = (added.body['staff'] as { userId: string }).userId;
    expect(await auditActions(fixture.test, userId)).toEqual(['staff.add']);
    await expect.poll(() => fixture.smtp.tokenFor('new.person@example.com', 'invitation')).toBeDefined();
    const token = fixture.smtp.tokenFor('new.person@example.com', 'invitation')!;
    const person = browser();
    const accept = (password?: string) =>
      person.call('POST', '/v1/session/invitation', { token, ...(password ? { password } : {}) });
    expect((await accept('password1234')).body).toMatchObject({ code: 'password-too-weak' });
    expect(await accept('three green parrots')).toMatchObject({ status: 201, body: { status: 'signed-in' } });
    expect((await accept()).body).toMatchObject({ code: 'link-invalid' });
    const view = { tenants: [{ id: tenantId, role: 'support' }] };
    expect((await person.call('GET', '/v1/session')).body).toMatchObject(view);
    expect((await browser().signIn('new.person@example.com', 'three green parrots')).status).toBe(201);
    const again = await people.owner.console.call('POST', '/v1/staff', body);
    expect(again).toMatchObject({ status: 409, body: { code: 'staff-exists' } });
  });

  it('who are users already get the role and no invitation', async () => {
    const { people } = await seed('known');
    await seedUser(fixture.test, 'elsewhere@example.com');
    const body = { email: 'elsewhere@example.com', name: 'Changed', role: 'owner' };
    const added = await people.owner.console.call('POST', '/v1/staff', body);
    expect(added.body).toMatchObject({ staff: { name: null, status: 'active' }, invitation: null });
  });

  it('who are added twice at once work there once', async () => {
    const { people, tenantId } = await seed('twice');
    const add = () => people.owner.console.call('POST', '/v1/staff', { email: 'twin@example.com', role: 'support' });
    const statuses = (await Promise.all(Array.from({ length: 6 }, add))).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([201, 409, 409, 409, 409, 409]);
    const rows = await fixture.test.database.query(
      `SELECT 1 FROM tenant_staff s JOIN users u ON u.id = s.user_id WHERE s.tenant_id = $1 AND u.email = 'twin@example.com'`,
      [tenantId],
    );
    expect(rows).toHaveLength(1);
  });

  it('of another tenant are not found', async () => {
    const [mine, other] = [await seed('mine'), await seed('other')];
    const { console } = mine.people.owner;
    const url = `/v1/staff/${other.people.support.id}`;
    expect(await console.call('PATCH', url, { role: 'admin' })).toMatchObject({
      status: 404,
      body: { code: 'staff-not-found' },
    });
    expect((await console.call('DELETE', url)).status).toBe(404);
    expect(await roleOf(other.tenantId, other.people.support.id)).toBe('support');
    const named = await console.call('GET', '/v1/staff', undefined, { 'wirebot-tenant': other.tenantId });
    expect(named.body).toMatchObject({ code: 'tenant-required' });
  });

  it('are asked for with what is missing or wrong named', async () => {
    const { people } = await seed('bad-input');
    const { console } = people.owner;
    for (const body of [
      {},
      { email: 'x', role: 'admin' },
      { email: 'a@example.com', role: 'emperor' },
      { email: 'a@example.com', role: 'admin', more: 1 },
    ])
      expect((await console.call('POST', '/v1/staff', body)).body).toMatchObject({ code: 'request-invalid' });
    expect((await console.call('PATCH', `/v1/staff/${people.admin.id}`, { role: 'x' })).status).toBe(400);
  });
});

describe('an invitation', () => {
  it('is sent again to who has not come yet, and the link before dies', async () => {
    const { people, key } = await seed('again');
    const { console } = people.owner;
    const added = await console.call('POST', '/v1/staff', { email: 'late@example.com', role: 'support' });
    const url = `/v1/staff/${(added.body['staff'] as { userId: string }).userId}/invitation`;
    const tokens = async (count: number) => {
      const mails = () => fixture.smtp.mails.filter(({ to }) => to.includes('late@example.com'));
      await expect.poll(() => mails().length).toBe(count);
      return mails().map(({ content }) => /#invitation=([\w-]{43})/.exec(content)![1]!);
    };
    const [first] = await tokens(1);
    expect(await console.call('POST', url)).toMatchObject({ status: 202, body: { invitation: { sent: 'by-mail' } } });
    const [, second] = await tokens(2);
    const accept = (token: string) => browser().call('POST', '/v1/session/invitation', { token });
    expect((await accept(first!)).body).toMatchObject({ code: 'link-invalid' });
    expect((await people.admin.console.call('POST', url)).status).toBe(403);
    const other = await seed('again-other');
    expect((await other.people.owner.console.call('POST', url)).status).toBe(404);
    for (let i = 0; i < 4; i += 1) expect((await byKey(key, 'POST', url)).status).toBe(202);
    expect((await byKey(key, 'POST', url)).status).toBe(429);
    expect((await accept(second!)).body).toMatchObject({ code: 'link-invalid' });
    const newest = (await tokens(6)).slice(2);
    const answers = await Promise.all(newest.map((token) => accept(token)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect((await console.call('POST', url)).body).toMatchObject({ code: 'already-joined' });
  });
});

describe('a role', () => {
  it('that is lowered or taken away ends the sessions of who had it', async () => {
    const { people, tenantId } = await seed('lowered');
    const { owner, admin, support } = people;
    const raised = await owner.console.call('PATCH', `/v1/staff/${support.id}`, { role: 'admin' });
    expect(raised).toMatchObject({ status: 200, body: { role: 'admin' } });
    expect(await support.console.status()).toBe(200);
    expect((await owner.console.call('PATCH', `/v1/staff/${admin.id}`, { role: 'read-only' })).status).toBe(200);
    expect(await admin.console.status()).toBe(401);
    expect((await owner.console.call('DELETE', `/v1/staff/${support.id}`)).status).toBe(204);
    expect(await support.console.status()).toBe(401);
    expect(await roleOf(tenantId, support.id)).toBeUndefined();
    expect(await auditActions(fixture.test, support.id)).toEqual(['staff.update', 'staff.remove']);
    const [line] = await fixture.test.database.query<{ tenant_id: string; data: object; actor: string }>(
      `SELECT tenant_id, data, actor FROM audit_entries WHERE resource_id = $1 AND action = 'staff.update'`,
      [admin.id],
    );
    expect(line).toEqual({ tenant_id: tenantId, data: { from: 'admin', to: 'read-only' }, actor: `user:${owner.id}` });
  });

  it('is changed only from the one that was read, when If-Match says so', async () => {
    const { people } = await seed('etag');
    const change = (role: string, ifMatch: string) =>
      people.owner.console.call('PATCH', `/v1/staff/${people.support.id}`, { role }, { 'if-match': ifMatch });
    const { headers } = await people.owner.console.call('PATCH', `/v1/staff/${people.support.id}`, { role: 'support' });
    expect((await change('admin', String(headers['etag']))).status).toBe(200);
    expect((await change('read-only', String(headers['etag']))).status).toBe(412);
  });

  it('is raised by nobody for themselves', async () => {
    const { tenantId } = await fixture.test.seedTenant('self');
    const id = await seedUser(fixture.test, 'op@self.example', 'operator');
    const operator = browser();
    await operator.signIn('op@self.example');
    const call = (method: 'POST' | 'PATCH', url: string, body: object) =>
      operator.call(method, url, body, { 'wirebot-tenant': tenantId });
    const own = await call('POST', '/v1/staff', { email: 'op@self.example', role: 'owner' });
    expect(own).toMatchObject({ status: 403, body: { code: 'own-role' } });
    expect(await roleOf(tenantId, id)).toBeUndefined();
    await employ(tenantId, id, 'support');
    expect((await call('PATCH', `/v1/staff/${id}`, { role: 'owner' })).body).toMatchObject({ code: 'own-role' });
    expect(await roleOf(tenantId, id)).toBe('support');
  });

  it('is given only by who may do all that it may: a narrow key makes no owner and unmakes none', async () => {
    const { tenantId, people } = await seed('narrow');
    const scopes = ['staff:read', 'staff:write'];
    const { key } = await fixture.test.app
      .get(ApiKeysService, { strict: false })
      .issue({ tenantId, name: 'narrow', scopes });
    const body = { email: 'high@example.com', role: 'owner' };
    expect((await byKey(key, 'POST', '/v1/staff', body)).body).toMatchObject({ code: 'role-too-high' });
    const url = `/v1/staff/${people.owner.id}`;
    expect((await byKey(key, 'PATCH', url, { role: 'read-only' })).body).toMatchObject({ code: 'role-too-high' });
    expect((await byKey(key, 'DELETE', url)).body).toMatchObject({ code: 'role-too-high' });
  });
});

describe('the last owner', () => {
  it('stays, whoever tries', async () => {
    const { people, key } = await seed('last');
    const { owner } = people;
    const down = await owner.console.call('PATCH', `/v1/staff/${owner.id}`, { role: 'admin' });
    expect(down).toMatchObject({ status: 409, body: { code: 'last-owner' } });
    expect((await owner.console.call('DELETE', `/v1/staff/${owner.id}`)).body).toMatchObject({ code: 'last-owner' });
    expect((await byKey(key, 'DELETE', `/v1/staff/${owner.id}`)).body).toMatchObject({ code: 'last-owner' });
  });

  it('stays when all owners are removed at once', async () => {
    const { people, tenantId, key } = await seed('race');
    const ids = [people.owner.id];
    for (let i = 0; i < 5; i += 1) {
      const id = await seedUser(fixture.test, `owner-${i}@race.example`);
      await employ(tenantId, id, 'owner');
      ids.push(id);
    }
    const answers = await Promise.all(ids.map((id) => byKey(key, 'DELETE', `/v1/staff/${id}`)));
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(5);
    expect(answers.filter(({ body }) => body['code'] === 'last-owner')).toHaveLength(1);
    const left = await fixture.test.database.query(
      `SELECT 1 FROM tenant_staff WHERE tenant_id = $1 AND role = 'owner'`,
      [tenantId],
    );
    expect(left).toHaveLength(1);
  });

  it('is the last one who can sign in: disabled owners do not count', async () => {
    const { people, tenantId, key } = await seed('asleep');
    const id = await seedUser(fixture.test, 'asleep@asleep.example');
    await employ(tenantId, id, 'owner');
    await fixture.test.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [id]);
    const answer = await byKey(key, 'DELETE', `/v1/staff/${people.owner.id}`);
    expect(answer.body).toMatchObject({ code: 'last-owner' });
  });
});
