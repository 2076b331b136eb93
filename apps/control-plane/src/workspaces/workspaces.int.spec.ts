import { Database } from '#libs/database';
import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { IdentityModule } from '../identity/identity.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { eraseFromWorkspaces } from './workspace-erasure.js';
import { MAX_OPEN_INVITATIONS } from './workspace-invitations.service.js';
import { MAX_MEMBERS } from './workspace-members.service.js';
import { WorkspacesModule } from './workspaces.module.js';

interface Person {
  readonly externalId: string;
  readonly memberId: string;
  readonly workspaceId: string;
  readonly token: string;
}

let test: TestApp;
let tenant: { tenantId: string; key: string };
let other: { tenantId: string; key: string };
let count = 0;

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
const call = (method: Method, url: string, key: string, payload?: object, headers: Record<string, string> = {}) =>
  test.app.inject({
    method,
    url,
    headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...headers },
    ...(payload ? { payload } : {}),
  });
type Answer = Awaited<ReturnType<typeof call>>;
const codeOf = (answer: Answer) => [answer.statusCode, answer.json<{ code?: string }>().code];
const tokenOf = async (externalId: string, key = tenant.key): Promise<string> => {
  const answer = await call('POST', '/v1/tokens', key, { member: externalId, surface: 'web' });
  expect(answer.statusCode).toBe(201);
  return answer.json<{ token: string }>().token;
};

async function person(of = tenant): Promise<Person> {
  count += 1;
  test.clock.advance(1); // ids and lists are in the order of time
  const externalId = `p-${count}`;
  const { memberId, workspaceId } = await test.seedMember(of.tenantId, externalId);
  await test.database.query('UPDATE members SET email = $2, name = $3 WHERE id = $1', [
    memberId,
    `${externalId}@example.com`,
    `Person ${count}`,
  ]);
  return { externalId, memberId, workspaceId, token: await tokenOf(externalId, of.key) };
}

/** The role is given by the tenant. */
const put = async (workspaceId: string, memberId: string, role: string): Promise<void> => {
  test.clock.advance(1);
  const answer = await call('PUT', `/v1/workspaces/${workspaceId}/members/${memberId}`, tenant.key, { role });
  expect(answer.statusCode).toBe(204);
};
const rolesOf = async (workspaceId: string): Promise<Record<string, string>> => {
  const rows = await test.database.query<{ member_id: string; role: string }>(
    'SELECT member_id, role FROM workspace_roles WHERE workspace_id = $1',
    [workspaceId],
  );
  return Object.fromEntries(rows.map((row) => [row.member_id, row.role]));
};
const invite = async (
  workspaceId: string,
  body: object = { role: 'member' },
): Promise<{ id: string; code: string }> => {
  const answer = await call('POST', `/v1/workspaces/${workspaceId}/invitations`, tenant.key, body);
  expect(answer.statusCode).toBe(201);
  return answer.json<{ id: string; code: string }>();
};
const actionsOf = async (workspaceId: string): Promise<string[]> => {
  const rows = await test.database.query<{ action: string }>(
    'SELECT action FROM audit_entries WHERE resource_id = $1 ORDER BY seq',
    [workspaceId],
  );
  return rows.map(({ action }) => action);
};

let owner: Person;

beforeAll(async () => {
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, TokensModule, WorkspacesModule], {
    environment: { WIREBOT_REQUESTS_PER_MINUTE: '100000' },
  });
  tenant = await test.seedTenant('acme');
  other = await test.seedTenant('other');
});
afterAll(() => test.close());
beforeEach(async () => {
  test.clock.advance(2_000); // tokens are dated to the second, and revocations end those of the second before
  owner = await person();
});

describe('a workspace, for its tenant', () => {
  it('is listed, by member too, read and changed with If-Match', async () => {
    const guest = await person();
    await put(owner.workspaceId, guest.memberId, 'guest');
    const listed = await call('GET', `/v1/workspaces?member=${guest.externalId}`, tenant.key);
    const ids = listed.json<{ items: { id: string; ownerId: string }[] }>().items;
    expect(ids.map(({ id, ownerId }) => [id, ownerId])).toEqual([
      [owner.workspaceId, owner.memberId],
      [guest.workspaceId, guest.memberId],
    ]);
    const read = await call('GET', `/v1/workspaces/${owner.workspaceId}`, tenant.key);
    expect(read.json()).toMatchObject({ id: owner.workspaceId, name: 'Main', stage: 'idea', role: null });
    const etag = String(read.headers['etag']);
    const change = (headers: Record<string, string>) =>
      call('PATCH', `/v1/workspaces/${owner.workspaceId}`, tenant.key, { name: 'Shop', stage: 'launch' }, headers);
    const changed = await change({ 'if-match': etag });
    expect(changed.json()).toMatchObject({ name: 'Shop', stage: 'launch' });
    expect(changed.headers['etag']).not.toBe(etag);
    expect((await change({ 'if-match': etag })).statusCode).toBe(412);
    const again = await change({});
    expect([again.statusCode, again.headers['etag']]).toEqual([200, changed.headers['etag']]);
    expect(await actionsOf(owner.workspaceId)).toEqual(['workspace.set-role', 'workspace.update']);
    expect(JSON.stringify(await test.database.query('SELECT * FROM audit_entries'))).not.toContain('Shop');
  });

  it('tells the agent of a new name: its configuration is compiled again', async () => {
    const generation = async () =>
      (
        await test.database.query<{ generation: string }>('SELECT generation FROM agents WHERE workspace_id = $1', [
          owner.workspaceId,
        ])
      )[0]!.generation;
    const before = await generation();
    await call('PATCH', `/v1/workspaces/${owner.workspaceId}`, tenant.key, { stage: 'growth' });
    expect(Number(await generation())).toBe(Number(before) + 1);
  });

  it('of another tenant is not there, nor are its members and invitations', async () => {
    const { id } = await invite(owner.workspaceId);
    const base = `/v1/workspaces/${owner.workspaceId}`;
    for (const [method, url, body] of [
      ['GET', base],
      ['PATCH', base, { name: 'x' }],
      ['GET', `${base}/members`],
      ['PUT', `${base}/members/${owner.memberId}`, { role: 'guest' }],
      ['DELETE', `${base}/members/${owner.memberId}`],
      ['GET', `${base}/invitations`],
      ['POST', `${base}/invitations`, { role: 'member' }],
      ['DELETE', `${base}/invitations/${id}`],
    ] as const) {
      const answer = await call(method, url, other.key, body);
      expect([method, url, ...codeOf(answer)]).toEqual([method, url, 404, 'workspace-not-found']);
    }
    expect(codeOf(await call('GET', `/v1/workspaces?member=${owner.externalId}`, other.key))).toEqual([
      404,
      'member-not-found',
    ]);
  });

  it('needs workspaces:read or workspaces:write, and somebody who is known', async () => {
    const { key } = await test.app
      .get(ApiKeysService)
      .issue({ tenantId: tenant.tenantId, name: 'x', scopes: ['members:read'] });
    const base = `/v1/workspaces/${owner.workspaceId}`;
    for (const [method, url, body] of [
      ['GET', '/v1/workspaces'],
      ['GET', base],
      ['PATCH', base, { name: 'x' }],
      ['GET', `${base}/members`],
      ['PUT', `${base}/members/${owner.memberId}`, { role: 'guest' }],
      ['DELETE', `${base}/members/${owner.memberId}`],
      ['GET', `${base}/invitations`],
      ['POST', `${base}/invitations`, { role: 'member' }],
      ['DELETE', `${base}/invitations/inv_1`],
      ['POST', '/v1/invitations/accept', { code: `wbi_${'x'.repeat(43)}`, member: 'x' }],
    ] as const) {
      expect([method, url, ...codeOf(await call(method, url, key, body))]).toEqual([method, url, 403, 'scope-missing']);
      expect((await call(method, url, 'nothing', body)).statusCode).toBe(401);
    }
  });

  it.each([
    ['PATCH', '', { stage: 'ipo' }],
    ['PATCH', '', { name: '' }],
    ['PATCH', '', { name: null }],
    ['PATCH', '', { owner: 'me' }],
    ['PUT', '/members/mem_1', { role: 'king' }],
    ['POST', '/invitations', { role: 'owner' }],
    ['POST', '/invitations', {}],
    ['POST', '/invitations', { role: 'member', email: 'nobody' }],
  ] as const)('refuses %s %s %j', async (method, path, body) => {
    const answer = await call(method, `/v1/workspaces/${owner.workspaceId}${path}`, tenant.key, body);
    expect(codeOf(answer)).toEqual([400, 'request-invalid']);
  });
});

describe('the people in a workspace', () => {
  it('are listed with their roles; other members see names, and guests nobody', async () => {
    const [member, guest] = [await person(), await person()];
    await put(owner.workspaceId, member.memberId, 'member');
    await put(owner.workspaceId, guest.memberId, 'guest');
    const forTenant = await call('GET', `/v1/workspaces/${owner.workspaceId}/members`, tenant.key);
    expect(forTenant.json<{ items: { externalId: string; role: string }[] }>().items).toMatchObject([
      { memberId: owner.memberId, externalId: owner.externalId, role: 'owner' },
      { memberId: member.memberId, externalId: member.externalId, role: 'member' },
      { memberId: guest.memberId, externalId: guest.externalId, role: 'guest' },
    ]);
    const url = `/v1/me/workspaces/${owner.workspaceId}/members`;
    const own = await call('GET', url, member.token);
    expect(own.json<{ items: unknown[] }>().items).toHaveLength(3);
    expect(own.body).not.toContain(guest.externalId);
    expect(own.body).not.toContain('@example.com');
    expect(codeOf(await call('GET', url, guest.token))).toEqual([403, 'workspace-role-forbids']);
    expect(codeOf(await call('GET', url, (await person()).token))).toEqual([404, 'workspace-not-found']);
  });

  it('change by the rules: an admin rules members and guests, and no peer', async () => {
    const [admin, peer, member] = [await person(), await person(), await person()];
    for (const [who, role] of [
      [admin, 'admin'],
      [peer, 'admin'],
      [member, 'member'],
    ] as const)
      await put(owner.workspaceId, who.memberId, role);
    const set = (who: Person, whom: Person, role: string) =>
      call('PUT', `/v1/me/workspaces/${owner.workspaceId}/members/${whom.memberId}`, who.token, { role });
    expect((await set(admin, member, 'guest')).statusCode).toBe(204);
    expect((await set(admin, member, 'member')).statusCode).toBe(204);
    for (const [whom, role] of [
      [member, 'admin'],
      [peer, 'member'],
      [owner, 'member'],
      [member, 'owner'],
      [admin, 'owner'],
    ] as const)
      expect([role, ...codeOf(await set(admin, whom, role))]).toEqual([role, 403, 'workspace-role-forbids']);
    const remove = (who: Person, whom: Person) =>
      call('DELETE', `/v1/me/workspaces/${owner.workspaceId}/members/${whom.memberId}`, who.token);
    expect(codeOf(await remove(admin, peer))).toEqual([403, 'workspace-role-forbids']);
    expect(codeOf(await remove(admin, owner))).toEqual([403, 'workspace-role-forbids']);
    expect((await remove(admin, member)).statusCode).toBe(204);
    expect((await remove(owner, peer)).statusCode).toBe(204);
    expect((await remove(admin, admin)).statusCode).toBe(204); // leaves
    expect(await rolesOf(owner.workspaceId)).toEqual({ [owner.memberId]: 'owner' });
  });

  it('cannot be brought in by members without an invitation', async () => {
    const stranger = await person();
    const url = `/v1/me/workspaces/${owner.workspaceId}/members/${stranger.memberId}`;
    expect(codeOf(await call('PUT', url, owner.token, { role: 'member' }))).toEqual([
      404,
      'workspace-member-not-found',
    ]);
  });

  it('of another tenant, or paused, do not come in', async () => {
    const foreign = await person(other);
    const url = (id: string) => `/v1/workspaces/${owner.workspaceId}/members/${id}`;
    expect(codeOf(await call('PUT', url(foreign.memberId), tenant.key, { role: 'member' }))).toEqual([
      404,
      'workspace-member-not-found',
    ]);
    const paused = await person();
    await test.database.query(`UPDATE members SET status = 'paused' WHERE id = $1`, [paused.memberId]);
    expect(codeOf(await call('PUT', url(paused.memberId), tenant.key, { role: 'member' }))).toEqual([
      409,
      'member-not-active',
    ]);
  });

  it('are bounded in number', async () => {
    await test.database.query(
      `INSERT INTO workspace_roles (workspace_id, member_id, tenant_id, role)
       SELECT $1, 'mem_crowd_' || n, $2, 'guest' FROM generate_series(1, $3::int) n`,
      [owner.workspaceId, tenant.tenantId, MAX_MEMBERS - 1],
    );
    const late = await person();
    const { code } = await invite(owner.workspaceId);
    const answer = await call('POST', '/v1/me/invitations/accept', late.token, { code });
    expect(codeOf(answer)).toEqual([422, 'workspace-full']);
  });

  it('who are removed or demoted lose tokens and open invitations that they could not give any more', async () => {
    const admin = await person();
    await put(owner.workspaceId, admin.memberId, 'admin');
    const made = await call('POST', `/v1/me/workspaces/${owner.workspaceId}/invitations`, admin.token, {
      role: 'guest',
    });
    const { code } = made.json<{ code: string }>();
    await put(owner.workspaceId, admin.memberId, 'member');
    expect(codeOf(await call('GET', '/v1/me', admin.token))).toEqual([401, 'token-revoked']);
    const late = await person();
    expect(codeOf(await call('POST', '/v1/me/invitations/accept', late.token, { code }))).toEqual([
      404,
      'invitation-not-found',
    ]);
    test.clock.advance(2_000);
    const fresh = await tokenOf(admin.externalId);
    expect((await call('GET', '/v1/me', fresh)).statusCode).toBe(200);
  });
});

describe('ownership', () => {
  it('is handed over by the owner, who becomes an admin', async () => {
    const admin = await person();
    await put(owner.workspaceId, admin.memberId, 'admin');
    const url = `/v1/me/workspaces/${owner.workspaceId}/members/${admin.memberId}`;
    expect((await call('PUT', url, owner.token, { role: 'owner' })).statusCode).toBe(204);
    expect(await rolesOf(owner.workspaceId)).toEqual({ [owner.memberId]: 'admin', [admin.memberId]: 'owner' });
    expect((await actionsOf(owner.workspaceId)).at(-1)).toBe('workspace.hand-over');
    expect((await call('GET', '/v1/me', owner.token)).statusCode).toBe(200);
    expect((await call('GET', `/v1/workspaces/${owner.workspaceId}`, tenant.key)).json()).toMatchObject({
      ownerId: admin.memberId,
    });
  });

  it('is never given up: the owner does not leave and is not removed or demoted, not by the tenant either', async () => {
    const own = `/members/${owner.memberId}`;
    for (const [url, key] of [
      [`/v1/me/workspaces/${owner.workspaceId}${own}`, owner.token],
      [`/v1/workspaces/${owner.workspaceId}${own}`, tenant.key],
    ] as const) {
      expect(codeOf(await call('DELETE', url, key))).toEqual([409, 'workspace-owner-stays']);
      expect(codeOf(await call('PUT', url, key, { role: 'admin' }))).toEqual([409, 'workspace-owner-stays']);
      expect((await call('PUT', url, key, { role: 'owner' })).statusCode).toBe(204);
    }
    expect(await rolesOf(owner.workspaceId)).toEqual({ [owner.memberId]: 'owner' });
  });

  it('is one at every moment, whatever happens at the same time', async () => {
    const crowd = await Promise.all(Array.from({ length: 4 }, () => person()));
    for (const each of crowd) await put(owner.workspaceId, each.memberId, 'admin');
    const seen: number[] = [];
    const watching = new AbortController();
    const watch = (async () => {
      while (!watching.signal.aborted) {
        const rows = await test.database.query<{ n: number }>(
          `SELECT count(*)::int AS n FROM workspace_roles WHERE workspace_id = $1 AND role = 'owner'`,
          [owner.workspaceId],
        );
        seen.push(rows[0]!.n);
      }
    })();
    const url = (who: Person) => `/v1/workspaces/${owner.workspaceId}/members/${who.memberId}`;
    const everybody = [owner, ...crowd];
    const answers = await Promise.all(
      everybody.flatMap((who) => [
        call('PUT', url(who), tenant.key, { role: 'owner' }),
        call('PUT', url(who), tenant.key, { role: 'member' }),
        call('PUT', url(who), tenant.key, { role: 'owner' }),
      ]),
    );
    watching.abort();
    await watch;
    expect(answers.every(({ statusCode }) => statusCode === 204 || statusCode === 409)).toBe(true);
    expect(new Set(seen)).toEqual(new Set([1]));
    expect(Object.values(await rolesOf(owner.workspaceId)).filter((role) => role === 'owner')).toHaveLength(1);
  });

  it('cannot be doubled in the database either', async () => {
    const second = await person();
    await expect(
      test.database.query(
        `INSERT INTO workspace_roles (workspace_id, member_id, tenant_id, role) VALUES ($1, $2, $3, 'owner')`,
        [owner.workspaceId, second.memberId, tenant.tenantId],
      ),
    ).rejects.toThrow(/workspace_roles_owner_key/);
  });
});

describe('an invitation', () => {
  it('is made, accepted by a member, and works once', async () => {
    const [joins, late] = [await person(), await person()];
    const made = await call('POST', `/v1/me/workspaces/${owner.workspaceId}/invitations`, owner.token, {
      role: 'admin',
    });
    expect(made.statusCode).toBe(201);
    expect(made.headers['cache-control']).toBe('no-store');
    const { code, ...view } = made.json<{ code: string; expiresAt: string }>();
    expect(view).toMatchObject({ role: 'admin', status: 'open', email: null, invitedBy: `member:${owner.memberId}` });
    expect(new Date(view.expiresAt).getTime() - test.clock.now().getTime()).toBe(7 * 86_400_000);
    expect(JSON.stringify(await test.database.query('SELECT * FROM invitations'))).not.toContain(code);
    const accepted = await call('POST', '/v1/me/invitations/accept', joins.token, { code });
    expect(accepted.json()).toEqual({ workspaceId: owner.workspaceId, memberId: joins.memberId, role: 'admin' });
    expect(codeOf(await call('POST', '/v1/me/invitations/accept', late.token, { code }))).toEqual([
      404,
      'invitation-not-found',
    ]);
    const mine = (await call('GET', '/v1/me/workspaces', joins.token)).json<{
      items: { id: string; role: string }[];
    }>();
    expect(mine.items.map(({ id, role }) => [id, role])).toEqual([
      [owner.workspaceId, 'admin'],
      [joins.workspaceId, 'owner'],
    ]);
    const listed = await call('GET', `/v1/workspaces/${owner.workspaceId}/invitations`, tenant.key);
    expect(listed.json<{ items: unknown[] }>().items).toMatchObject([{ status: 'accepted' }]);
    expect(listed.body).not.toContain('wbi_');
    expect(await actionsOf(owner.workspaceId)).toEqual(['workspace.invite', 'workspace.join']);
  });

  it('accepted by many at once lets one in', async () => {
    const crowd = await Promise.all(Array.from({ length: 5 }, () => person()));
    const { code } = await invite(owner.workspaceId);
    const answers = await Promise.all(
      crowd.flatMap((who) => [
        call('POST', '/v1/me/invitations/accept', who.token, { code }),
        call('POST', '/v1/invitations/accept', tenant.key, { code, member: who.externalId }),
      ]),
    );
    expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([200, ...Array<number>(9).fill(404)]);
    expect(Object.keys(await rolesOf(owner.workspaceId))).toHaveLength(2);
  });

  it('is accepted server to server for a member', async () => {
    const joins = await person();
    const { code } = await invite(owner.workspaceId, { role: 'guest' });
    const body = { code, member: joins.externalId };
    expect(codeOf(await call('POST', '/v1/invitations/accept', other.key, body))).toEqual([
      404,
      'invitation-not-found',
    ]);
    const missing = await call('POST', '/v1/invitations/accept', tenant.key, { code, member: 'nobody' });
    expect(codeOf(missing)).toEqual([404, 'invitation-not-found']);
    expect((await call('POST', '/v1/invitations/accept', tenant.key, body)).json()).toMatchObject({ role: 'guest' });
  });

  it('of another tenant is not there for its members', async () => {
    const foreign = await person(other);
    const { code } = await invite(owner.workspaceId);
    expect(codeOf(await call('POST', '/v1/me/invitations/accept', foreign.token, { code }))).toEqual([
      404,
      'invitation-not-found',
    ]);
  });

  it('to an address is for who has it', async () => {
    const [right, wrong] = [await person(), await person()];
    const { code } = await invite(owner.workspaceId, {
      role: 'member',
      email: `${right.externalId.toUpperCase()}@example.com`,
    });
    expect(codeOf(await call('POST', '/v1/me/invitations/accept', wrong.token, { code }))).toEqual([
      404,
      'invitation-not-found',
    ]);
    expect((await call('POST', '/v1/me/invitations/accept', right.token, { code })).statusCode).toBe(200);
  });

  it('ends after seven days', async () => {
    const joins = await person();
    const [first, second] = [await invite(owner.workspaceId), await invite(owner.workspaceId)];
    test.clock.advance(7 * 86_400_000 - 1);
    const accept = (code: string) =>
      call('POST', '/v1/invitations/accept', tenant.key, { code, member: joins.externalId });
    expect((await accept(first.code)).statusCode).toBe(200);
    await call('DELETE', `/v1/workspaces/${owner.workspaceId}/members/${joins.memberId}`, tenant.key);
    test.clock.advance(1);
    expect(codeOf(await accept(second.code))).toEqual([404, 'invitation-not-found']);
    const listed = await call('GET', `/v1/workspaces/${owner.workspaceId}/invitations`, tenant.key);
    const states = listed.json<{ items: { id: string; status: string }[] }>().items;
    expect(states.find(({ id }) => id === second.id)).toMatchObject({ status: 'expired' });
  });

  it('is revoked by who could have made it', async () => {
    const [admin, joins] = [await person(), await person()];
    await put(owner.workspaceId, admin.memberId, 'admin');
    const [toAdmin, toGuest] = [
      await invite(owner.workspaceId, { role: 'admin' }),
      await invite(owner.workspaceId, { role: 'guest' }),
    ];
    const revoke = (id: string, token: string) =>
      call('DELETE', `/v1/me/workspaces/${owner.workspaceId}/invitations/${id}`, token);
    expect(codeOf(await revoke(toAdmin.id, admin.token))).toEqual([403, 'workspace-role-forbids']);
    expect((await revoke(toGuest.id, admin.token)).statusCode).toBe(204);
    expect(codeOf(await revoke(toGuest.id, admin.token))).toEqual([404, 'invitation-not-found']);
    const accept = (code: string) => call('POST', '/v1/me/invitations/accept', joins.token, { code });
    expect((await accept(toGuest.code)).statusCode).toBe(404);
    expect((await accept(toAdmin.code)).statusCode).toBe(200);
  });

  it('is not for who is in already, and stays open then', async () => {
    const [inside, joins] = [await person(), await person()];
    await put(owner.workspaceId, inside.memberId, 'guest');
    const { code } = await invite(owner.workspaceId, { role: 'admin' });
    const accept = (token: string) => call('POST', '/v1/me/invitations/accept', token, { code });
    expect(codeOf(await accept(inside.token))).toEqual([409, 'already-in-workspace']);
    expect((await accept(joins.token)).statusCode).toBe(200);
  });

  it('cannot be made by members and guests, nor to a higher role than one may give', async () => {
    const [admin, member, guest] = [await person(), await person(), await person()];
    await put(owner.workspaceId, admin.memberId, 'admin');
    await put(owner.workspaceId, member.memberId, 'member');
    await put(owner.workspaceId, guest.memberId, 'guest');
    const make = (who: Person, role: string) =>
      call('POST', `/v1/me/workspaces/${owner.workspaceId}/invitations`, who.token, { role });
    for (const [who, role] of [
      [admin, 'admin'],
      [member, 'guest'],
      [guest, 'guest'],
    ] as const)
      expect(codeOf(await make(who, role))).toEqual([403, 'workspace-role-forbids']);
    expect((await make(admin, 'member')).statusCode).toBe(201);
    expect(codeOf(await make(await person(), 'guest'))).toEqual([404, 'workspace-not-found']);
  });

  it('is one of a bounded number that are open', async () => {
    await test.database.query(
      `INSERT INTO invitations (id, tenant_id, kind, code_hash, workspace_id, role, invited_by, expires_at)
       SELECT 'inv_' || $1 || n, $2, 'workspace', $1 || n, $1, 'guest', 'x', $4 FROM generate_series(1, $3::int) n`,
      [owner.workspaceId, tenant.tenantId, MAX_OPEN_INVITATIONS - 1, new Date(test.clock.now().getTime() + 60_000)],
    );
    const url = `/v1/workspaces/${owner.workspaceId}/invitations`;
    const answers = await Promise.all([1, 2, 3].map(() => call('POST', url, tenant.key, { role: 'guest' })));
    expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([201, 422, 422]);
  });
});

describe('a member', () => {
  it('sees who it is, by its token', async () => {
    expect((await call('GET', '/v1/me', owner.token)).json()).toEqual({
      id: owner.memberId,
      name: expect.stringContaining('Person'),
      email: `${owner.externalId}@example.com`,
      tier: 'wire',
      status: 'active',
      timeZone: 'UTC',
      locale: 'en',
      workspace: { id: owner.workspaceId, role: 'owner' },
    });
  });

  it('needs its own token on every route of its own', async () => {
    const base = `/v1/me/workspaces/${owner.workspaceId}`;
    for (const [method, url, body] of [
      ['GET', '/v1/me'],
      ['GET', '/v1/me/workspaces'],
      ['GET', base],
      ['PATCH', base, { name: 'x' }],
      ['GET', `${base}/members`],
      ['PUT', `${base}/members/${owner.memberId}`, { role: 'guest' }],
      ['DELETE', `${base}/members/${owner.memberId}`],
      ['GET', `${base}/invitations`],
      ['POST', `${base}/invitations`, { role: 'guest' }],
      ['DELETE', `${base}/invitations/inv_1`],
      ['POST', '/v1/me/invitations/accept', { code: `wbi_${'x'.repeat(43)}` }],
    ] as const) {
      for (const key of ['', 'nothing', tenant.key])
        expect([method, url, (await call(method, url, key, body)).statusCode]).toEqual([method, url, 401]);
    }
  });

  it('reads and changes what its role allows', async () => {
    const member = await person();
    await put(owner.workspaceId, member.memberId, 'member');
    const url = `/v1/me/workspaces/${owner.workspaceId}`;
    expect((await call('GET', url, member.token)).json()).toMatchObject({ role: 'member', ownerId: owner.memberId });
    expect(codeOf(await call('PATCH', url, member.token, { name: 'Mine' }))).toEqual([403, 'workspace-role-forbids']);
    expect((await call('PATCH', url, owner.token, { name: 'Ours' })).json()).toMatchObject({ name: 'Ours' });
    expect(codeOf(await call('GET', url, (await person()).token))).toEqual([404, 'workspace-not-found']);
  });

  it('that is erased is in no workspace any more; one that it owned goes back to whose membership it runs on', async () => {
    const [erased, friend] = [await person(), await person()];
    await put(owner.workspaceId, erased.memberId, 'admin');
    await put(owner.workspaceId, erased.memberId, 'owner');
    await put(erased.workspaceId, friend.memberId, 'member');
    await invite(erased.workspaceId);
    await invite(owner.workspaceId, { role: 'guest', email: `${erased.externalId}@example.com` });
    const { tenantId } = tenant;
    const { memberId, workspaceId } = erased;
    const email = `${erased.externalId}@example.com`;
    await test.app.get(Database).system((tx) => eraseFromWorkspaces(tx, { tenantId, memberId, workspaceId, email }));
    expect(await rolesOf(owner.workspaceId)).toEqual({ [owner.memberId]: 'owner' });
    expect(await rolesOf(workspaceId)).toEqual({});
    const left = await test.database.query('SELECT 1 FROM invitations WHERE workspace_id = $1 OR email = $2', [
      workspaceId,
      email,
    ]);
    expect(left).toEqual([]);
  });
});
