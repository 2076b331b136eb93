import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TokenView } from '#libs/contracts';
import { decodeJwt } from 'jose';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { IdentityModule } from '../identity/identity.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import type { MemberTrustView } from './member-trust.service.js';
import { TrustChangesModule } from './trust-changes.module.js';
import { TrustSignals } from './trust-signals.js';
import { TrustUpkeep } from './trust-upkeep.js';

const DAY = 86_400_000;
let test: TestApp;
let acme: { tenantId: string; key: string };
let other: { tenantId: string; key: string };
let reader: string;
let n = 0;
let mia: { externalId: string; memberId: string; agentId: string };

type Method = 'GET' | 'POST' | 'DELETE';
const call = (method: Method, url: string, payload?: object, bearer: string | undefined = acme.key) =>
  test.app.inject({
    method,
    url,
    headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
    ...(payload ? { payload } : {}),
  });
const trustOf = async (externalId = mia.externalId): Promise<MemberTrustView> =>
  (await call('GET', `/v1/members/${externalId}/trust`)).json<MemberTrustView>();
const tokenOf = async (): Promise<string> => {
  const answer = await call('POST', '/v1/tokens', { member: mia.externalId, surface: 'web' });
  return answer.json<TokenView>().token;
};
const modeOfToken = (token: string): unknown => decodeJwt(token)['trust_mode_max'];
const invite = async (body: object = { mode: 2 }) =>
  call('POST', `/v1/members/${mia.externalId}/trust-invitations`, body);
const codeOf = async (): Promise<string> => (await invite()).json<{ code: string }>().code;
const accept = (code: string, member = mia.externalId, key = acme.key) =>
  call('POST', '/v1/trust-invitations/accept', { code, member }, key);
const count = async (table: string, where = 'member_id = $1'): Promise<number> => {
  const sql = `SELECT count(*)::int AS count FROM ${table} WHERE ${where}`;
  return (await test.database.query<{ count: number }>(sql, [mia.memberId]))[0]!.count;
};
const agent = async () =>
  (
    await test.database.query<{ generation: string; due_at: Date | null }>(
      'SELECT generation, due_at FROM agents WHERE id = $1',
      [mia.agentId],
    )
  )[0]!;
const auditActions = async (): Promise<string[]> => {
  const sql = 'SELECT action FROM audit_entries WHERE resource_id = $1 ORDER BY seq';
  return (await test.database.query<{ action: string }>(sql, [mia.memberId])).map((row) => row.action);
};

beforeAll(async () => {
  const modules = [HttpEdgeModule, IdentityModule, TokensModule, TrustChangesModule];
  test = await startTestApp(await freshDatabase(), modules, { environment: { WIREBOT_ROLES: 'api' } });
  acme = await test.seedTenant('acme', ['trust:*', 'tokens:write']);
  other = await test.seedTenant('other', ['trust:*']);
  await test.database.query('UPDATE tiers SET invited_trust_ceiling = 2');
  const keys = test.app.get(ApiKeysService, { strict: false });
  const issued = await keys.issue({
    tenantId: acme.tenantId,
    name: 'reader',
    scopes: ['trust:read'],
    createdBy: 'test',
  });
  reader = issued.key;
});
afterAll(() => test.close());
beforeEach(async () => {
  n += 1;
  const externalId = `wp-${n}`;
  mia = { externalId, ...(await test.seedMember(acme.tenantId, externalId)) };
});

describe('who may ask', () => {
  const routes: [Method, string, object | undefined][] = [
    ['GET', '/v1/members/ID/trust', undefined],
    ['POST', '/v1/members/ID/trust/downgrade', { mode: 0, reason: 'spam' }],
    ['POST', '/v1/members/ID/trust/lift', {}],
    ['POST', '/v1/members/ID/trust-invitations', { mode: 2 }],
    ['GET', '/v1/trust-invitations?member=ID', undefined],
    ['POST', '/v1/trust-invitations/accept', { code: `wbi_${'a'.repeat(43)}`, member: 'ID' }],
    ['DELETE', '/v1/trust-invitations/inv_00000000000000000000000000', undefined],
  ];
  const at = (url: string, body: object | undefined) =>
    [
      url.replace('ID', mia.externalId),
      body && (JSON.parse(JSON.stringify(body).replace('"ID"', `"${mia.externalId}"`)) as object),
    ] as const;

  it.each(routes)('%s %s asks for a key, the scope and the own tenant', async (method, url, body) => {
    const [path, payload] = at(url, body);
    expect((await call(method, path, payload, 'wb_wrong')).statusCode).toBe(401);
    expect((await call(method, path, payload, other.key)).statusCode).toBe(404);
    const withReadOnly = await call(method, path, payload, reader);
    expect(withReadOnly.statusCode).toBe(method === 'GET' ? 200 : 403);
    expect(await trustOf()).toMatchObject({ mode: 1, downgrade: null, invitation: null });
  });

  it('a member accepts only with a token of a member', async () => {
    const answer = await call('POST', '/v1/me/trust-invitations/accept', { code: `wbi_${'a'.repeat(43)}` });
    expect(answer.statusCode).toBe(401);
  });
});

describe('GET /v1/members/:externalId/trust', () => {
  it('names every ceiling with its source, and the least of them', async () => {
    await test.database.query('UPDATE tenants SET platform_trust_ceiling = 2 WHERE id = $1', [acme.tenantId]);
    expect(await trustOf()).toEqual({
      member: mia.externalId,
      mode: 1,
      ceilings: [
        { source: 'platform', mode: 2 },
        { source: 'tenant', mode: 3 },
        { source: 'tier', mode: 1 },
        { source: 'placement', mode: 2 },
      ],
      invitation: null,
      downgrade: null,
      limits: { messagesPerHour: 50, sessions: 3, apiCallsPerDay: 100, smsPerDay: 10 },
      transitions: { items: [], nextCursor: null },
    });
    await test.database.query('UPDATE tenants SET platform_trust_ceiling = 3 WHERE id = $1', [acme.tenantId]);
  });

  it('pages the transitions, newest first', async () => {
    for (const mode of [0, 1]) {
      test.clock.advance(1_000);
      await call('POST', `/v1/members/${mia.externalId}/trust/downgrade`, { mode: 0, reason: `r${mode}` });
      test.clock.advance(1_000);
      await call('POST', `/v1/members/${mia.externalId}/trust/lift`, {});
    }
    const url = `/v1/members/${mia.externalId}/trust?limit=3`;
    const first = (await call('GET', url)).json<MemberTrustView>().transitions;
    expect(first.items.map((row) => [row.from, row.to, row.reason])).toEqual([
      [0, 1, 'downgrade-lifted'],
      [1, 0, 'downgraded'],
      [0, 1, 'downgrade-lifted'],
    ]);
    const rest = (await call('GET', `${url}&cursor=${first.nextCursor}`)).json<MemberTrustView>().transitions;
    expect(rest).toMatchObject({ items: [{ from: 1, to: 0 }], nextCursor: null });
    expect((await call('GET', `${url}&cursor=nonsense`)).statusCode).toBe(400);
  });
});

describe('invitations', () => {
  it('raise the member once accepted, as far as the tier says, and everybody hears of it', async () => {
    const answer = await invite({ mode: 2, expiresInDays: 3 });
    const { code, ...view } = answer.json<{ code: string; id: string; expiresAt: string }>();
    expect(answer.statusCode).toBe(201);
    expect(view).toMatchObject({ member: mia.externalId, mode: 2, state: 'open', acceptedAt: null });
    expect(Date.parse(view.expiresAt) - test.clock.now().getTime()).toBe(3 * DAY);
    const [stored] = await test.database.query<{ row: string }>(
      'SELECT invitations::text AS row FROM invitations WHERE id = $1',
      [view.id],
    );
    expect(stored!.row).not.toContain(code);
    expect((await trustOf()).mode).toBe(1);
    const before = await agent();

    const accepted = await accept(code);
    expect(accepted.statusCode).toBe(200);
    expect(accepted.json<MemberTrustView>()).toMatchObject({
      mode: 2,
      invitation: { mode: 2, counts: true },
      limits: { messagesPerHour: 200 },
      transitions: { items: [{ from: 1, to: 2, reason: 'invitation-accepted', detail: { mode: 2 } }] },
    });
    expect(Number((await agent()).generation)).toBe(Number(before.generation) + 1);
    expect(modeOfToken(await tokenOf())).toBe(2);
    expect(await count('revocations')).toBe(0);
    expect(await auditActions()).toEqual(['trust.invite', 'trust.accept-invitation']);
    const events = await test.database.query<{ data: object }>(
      `SELECT data FROM outbox WHERE topic = 'trust' AND type = 'trust.changed' AND aggregate_id = $1`,
      [mia.memberId],
    );
    expect(events.map((row) => row.data)).toEqual([
      { memberId: mia.memberId, from: 1, to: 2, reason: 'invitation-accepted' },
    ]);
  });

  it('are accepted once, by however many at the same time', async () => {
    const code = await codeOf();
    const answers = await Promise.all(Array.from({ length: 8 }, () => accept(code)));
    expect(answers.map((answer) => answer.statusCode).sort()).toEqual([200, 422, 422, 422, 422, 422, 422, 422]);
    expect(await count('trust_transitions')).toBe(1);
    expect((await accept(code)).json()).toMatchObject({ code: 'trust-invitation-invalid' });
  });

  it('are accepted by the member with their own token, and by nobody else', async () => {
    const code = await codeOf();
    const stranger = await test.seedMember(acme.tenantId, `stranger-${n}`);
    const wrong = await accept(code, `stranger-${n}`);
    expect([wrong.statusCode, wrong.json<{ code: string }>().code]).toEqual([422, 'trust-invitation-invalid']);
    expect(stranger.memberId).not.toBe(mia.memberId);
    const answer = await call('POST', '/v1/me/trust-invitations/accept', { code }, await tokenOf());
    expect(answer.statusCode).toBe(204);
    expect((await trustOf()).mode).toBe(2);
    const [line] = await test.database.query<{ actor: string }>(
      `SELECT actor FROM audit_entries WHERE action = 'trust.accept-invitation' AND resource_id = $1`,
      [mia.memberId],
    );
    expect(line!.actor).toBe(`member:${mia.memberId}`);
  });

  it('end when they expire, are revoked, or a newer one takes their place', async () => {
    const replaced = await codeOf();
    test.clock.advance(1_000);
    const revoked = (await invite()).json<{ id: string; code: string }>();
    expect((await accept(replaced)).statusCode).toBe(422);
    expect((await call('DELETE', `/v1/trust-invitations/${revoked.id}`)).statusCode).toBe(204);
    expect((await accept(revoked.code)).statusCode).toBe(422);
    expect((await call('DELETE', `/v1/trust-invitations/${revoked.id}`)).json()).toMatchObject({
      status: 409,
      code: 'trust-invitation-closed',
    });
    test.clock.advance(1_000);
    const late = await codeOf();
    const listed = (await call('GET', `/v1/trust-invitations?member=${mia.externalId}&limit=2`)).json<{
      items: { state: string }[];
      nextCursor: string | null;
    }>();
    expect(listed.items.map((row) => row.state)).toEqual(['open', 'revoked']);
    expect(listed.nextCursor).not.toBeNull();
    test.clock.advance(14 * DAY);
    expect((await accept(late)).statusCode).toBe(422);
    expect((await trustOf()).mode).toBe(1);
  });

  it.each([
    [{ mode: 3 }, 'mode'],
    [{ mode: 2, expiresInDays: 91 }, 'expiresInDays'],
    [{ mode: 2, expiresInDays: 0 }, 'expiresInDays'],
    [{ mode: 2, code: 'mine' }, 'code'],
    [{}, 'mode'],
  ])('refuse %j', async (body, field) => {
    const problem = (await invite(body)).json<{ status: number; errors: { field: string }[] }>();
    expect([problem.status, problem.errors[0]!.field]).toEqual([400, field]);
  });

  it('are refused where the tier takes none, and count for nothing once it takes none any more', async () => {
    await accept(await codeOf());
    expect((await trustOf()).mode).toBe(2);
    await test.database.query('UPDATE tiers SET invited_trust_ceiling = NULL WHERE tenant_id = $1', [acme.tenantId]);
    expect((await invite()).json()).toMatchObject({ status: 422, code: 'trust-invitation-not-offered' });
    expect(await trustOf()).toMatchObject({ mode: 1, invitation: { mode: 2, counts: false } });
    await test.database.query('UPDATE tiers SET invited_trust_ceiling = 2 WHERE tenant_id = $1', [acme.tenantId]);
  });

  it('lapse when the member stays away, and are renewed for one who does not', async () => {
    await accept(await codeOf());
    const upkeep = test.app.get(TrustUpkeep);
    test.clock.advance(85 * DAY);
    const day = new Date(test.clock.now().getTime() - 2 * DAY).toISOString().slice(0, 10);
    await test.database.query(
      `INSERT INTO usage_days (day, tenant_id, member_id, workspace_id, tier_key, provider, model) VALUES ($1, $2, $3, 'w', 'wire', 'p', 'm')`,
      [day, acme.tenantId, mia.memberId],
    );
    await upkeep.run();
    test.clock.advance(10 * DAY);
    await upkeep.run();
    expect((await trustOf()).mode).toBe(2);
    test.clock.advance(90 * DAY);
    expect((await trustOf()).mode).toBe(1); // the clock decides, before anybody has looked
    await upkeep.run();
    await upkeep.run();
    expect(await trustOf()).toMatchObject({
      mode: 1,
      invitation: null,
      transitions: { items: [{ from: 2, to: 1, reason: 'invitation-lapsed', actor: 'system:trust' }, { to: 2 }] },
    });
    expect(await count('revocations')).toBe(1);
  });
});

describe('downgrades', () => {
  const downgrade = (body: object) => call('POST', `/v1/members/${mia.externalId}/trust/downgrade`, body);
  const lift = () => call('POST', `/v1/members/${mia.externalId}/trust/lift`, {});

  it('hold the member, end older tokens at once, and are lifted again', async () => {
    const older = await tokenOf();
    const before = await agent();
    const answer = await downgrade({ mode: 0, reason: 'chargeback' });
    expect(answer.json<MemberTrustView>()).toMatchObject({
      mode: 0,
      downgrade: { mode: 0, until: null, reason: 'chargeback' },
      limits: { messagesPerHour: 5, sessions: 1, apiCallsPerDay: 0, smsPerDay: 0 },
      transitions: { items: [{ from: 1, to: 0, reason: 'downgraded' }] },
    });
    const refused = await call('POST', '/v1/me/trust-invitations/accept', { code: `wbi_${'a'.repeat(43)}` }, older);
    expect([refused.statusCode, refused.json<{ code: string }>().code]).toEqual([401, 'token-revoked']);
    expect(Number((await agent()).generation)).toBe(Number(before.generation) + 1);
    expect((await agent()).due_at).not.toBeNull();
    expect(modeOfToken(await tokenOf())).toBe(0);
    expect((await lift()).json<MemberTrustView>()).toMatchObject({ mode: 1, downgrade: null });
    expect(modeOfToken(await tokenOf())).toBe(1);
    expect((await lift()).json()).toMatchObject({ status: 409, code: 'trust-not-capped' });
    const lines = await test.database.query<{ action: string; data: object }>(
      'SELECT action, data FROM audit_entries WHERE resource_id = $1 ORDER BY seq',
      [mia.memberId],
    );
    expect(lines).toEqual([
      { action: 'trust.downgrade', data: { cap: 0, until: null, from: 1, to: 0 } },
      { action: 'trust.lift', data: { expired: false, from: 0, to: 1 } },
    ]);
  });

  it('never raise: one below another is refused until that is lifted', async () => {
    await downgrade({ mode: 0, reason: 'first' });
    expect((await downgrade({ mode: 1, reason: 'second' })).json()).toMatchObject({
      status: 409,
      code: 'trust-cap-lower',
    });
    expect((await trustOf()).mode).toBe(0);
  });

  it('end by themselves: for tokens at that moment, for gateways with the next look', async () => {
    const until = new Date(test.clock.now().getTime() + 3_600_000).toISOString();
    await downgrade({ mode: 0, until, reason: 'an hour' });
    const held = await agent();
    test.clock.advance(3_599_000);
    await test.app.get(TrustUpkeep).run();
    expect(await agent()).toEqual(held);
    test.clock.advance(1_000);
    expect(modeOfToken(await tokenOf())).toBe(1);
    await Promise.all([test.app.get(TrustUpkeep).run(), test.app.get(TrustUpkeep).run()]);
    expect(Number((await agent()).generation)).toBe(Number(held.generation) + 1);
    expect((await trustOf()).transitions.items).toMatchObject([
      { from: 0, to: 1, reason: 'downgrade-lifted', detail: { expired: true }, actor: 'system:trust' },
      { from: 1, to: 0, reason: 'downgraded' },
    ]);
  });

  it.each([
    [{ mode: 3, reason: 'x' }, 'mode'],
    [{ mode: 1 }, 'reason'],
    [{ mode: 1, reason: '' }, 'reason'],
    [{ mode: 1, reason: 'x', until: 'tomorrow' }, 'until'],
  ])('refuse %j', async (body, field) => {
    const problem = (await downgrade(body)).json<{ status: number; errors: { field: string }[] }>();
    expect([problem.status, problem.errors[0]!.field]).toEqual([400, field]);
  });

  it('refuse an end in the past', async () => {
    const problem = (await downgrade({ mode: 1, reason: 'x', until: '2020-01-01T00:00:00Z' })).json();
    expect(problem).toMatchObject({ status: 422, code: 'trust-until-past' });
  });
});

describe('suspicious signals', () => {
  const signals = () => test.app.get(TrustSignals);
  const record = (kind: 'foreign-agent' | 'revoked-token', times: number) =>
    signals().record(acme.tenantId, mia.memberId, kind, times);

  it('downgrade once, however many reports come in at the same time', async () => {
    await accept(await codeOf());
    test.clock.advance(1_000);
    const results = await Promise.all(Array.from({ length: 20 }, () => record('foreign-agent', 1)));
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(await trustOf()).toMatchObject({
      mode: 1,
      downgrade: { mode: 1, reason: 'automatic: foreign-agent' },
      transitions: { items: [{ from: 2, to: 1, reason: 'downgraded', actor: 'system:trust-signals' }, {}] },
    });
    expect(await count('revocations')).toBe(1);
  });

  it('below the threshold, or spread over time, change nothing', async () => {
    for (let i = 0; i < 5; i += 1) {
      expect(await record('foreign-agent', 9)).toBe(false);
      test.clock.advance(11 * 60_000);
    }
    expect((await trustOf()).downgrade).toBeNull();
  });

  it('of which there are many more lead further down, and end after a day', async () => {
    expect(await record('foreign-agent', 50)).toBe(true);
    expect(await trustOf()).toMatchObject({ mode: 0, downgrade: { mode: 0 } });
    expect(await record('foreign-agent', 500)).toBe(false);
    test.clock.advance(DAY);
    await test.app.get(TrustUpkeep).run();
    expect(await trustOf()).toMatchObject({ mode: 1, downgrade: null });
    expect(await count('trust_signals')).toBe(0);
  });

  it('are forgiven once somebody lets the member go', async () => {
    await record('foreign-agent', 49);
    test.clock.advance(1_000);
    await call('POST', `/v1/members/${mia.externalId}/trust/lift`, {});
    test.clock.advance(1_000);
    expect(await record('foreign-agent', 5)).toBe(false);
    expect((await trustOf()).downgrade).toBeNull();
  });

  it('never shorten a downgrade that lasts longer', async () => {
    const body = { mode: 1, reason: 'until further notice' };
    await call('POST', `/v1/members/${mia.externalId}/trust/downgrade`, body);
    await record('foreign-agent', 60);
    expect(await trustOf()).toMatchObject({ mode: 0, downgrade: { mode: 0, until: null } });
    test.clock.advance(2 * DAY);
    await test.app.get(TrustUpkeep).run();
    expect((await trustOf()).mode).toBe(0);
  });

  it('of members that are not (any more) or not the tenant’s are nothing', async () => {
    expect(await signals().record(other.tenantId, mia.memberId, 'foreign-agent', 1_000)).toBe(false);
    expect(await signals().record(acme.tenantId, 'mem_none', 'foreign-agent', 1_000)).toBe(false);
    expect((await trustOf()).mode).toBe(1);
  });
});
