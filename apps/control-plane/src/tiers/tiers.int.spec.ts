import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { IdentityModule } from '../identity/identity.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { TierChangesModule } from './tier-changes.module.js';
import type { TierPreview } from './tier-preview.service.js';
import { TiersService, type TierView } from './tiers.service.js';

const LIMITS = {
  messagesPerHour: 50,
  sessions: 3,
  apiCallsPerDay: 100,
  smsPerDay: 10,
  tokensPerDay: 1_000,
  costPerDayUsd: 0.5,
  agents: 1,
};
const RESOURCES = { cpus: 1, memoryMb: 512, pids: 256 };
const BODY = {
  name: 'Founders',
  rank: 5,
  trustCeiling: 2,
  invitedTrustCeiling: null,
  placement: 'shared',
  channels: ['web', 'slack'],
  limits: LIMITS,
  resources: RESOURCES,
};

let test: TestApp;
let other: { tenantId: string; key: string };
let acme: { tenantId: string; key: string };
let n = 0;

type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';
const call = (method: Method, url: string, payload?: object, headers: Record<string, string> = {}, key = acme.key) =>
  test.app.inject({
    method,
    url,
    headers: { authorization: `Bearer ${key}`, ...headers },
    ...(payload ? { payload } : {}),
  });
const tier = async (key = 'wire'): Promise<TierView> => (await call('GET', `/v1/tiers/${key}`)).json<TierView>();
/** The stored tier as a body, with changes. */
const bodyOf = async (changes: object, key = 'wire'): Promise<object> => {
  const { key: _key, version: _version, retiredAt: _retired, ...content } = await tier(key);
  return { ...content, resources: RESOURCES, ...changes };
};
const put = async (changes: object, key = 'wire') => call('PUT', `/v1/tiers/${key}`, await bodyOf(changes, key));
const preview = async (changes: object): Promise<TierPreview> =>
  (await call('POST', '/v1/tiers/wire/preview', await bodyOf(changes))).json<TierPreview>();
const rows = <T extends object>(sql: string, ...values: unknown[]): Promise<T[]> =>
  test.database.query<T>(sql, [acme.tenantId, ...values]);
const one = async (sql: string): Promise<number> => (await rows<{ count: number }>(sql))[0]!.count;
const counts = async () => ({
  transitions: await one('SELECT count(*)::int AS count FROM trust_transitions WHERE tenant_id = $1'),
  revocations: await one('SELECT count(*)::int AS count FROM revocations WHERE tenant_id = $1'),
  operations: await one('SELECT count(*)::int AS count FROM operations WHERE tenant_id = $1'),
  generations: await one('SELECT coalesce(sum(generation), 0)::int AS count FROM agents WHERE tenant_id = $1'),
});
const seedGateway = async (kind: string, agentId: string): Promise<string> => {
  const id = `gw_${kind}_${agentId}`;
  await test.database.query(
    `INSERT INTO hosts (id, name, driver, port_from, port_to) VALUES ('hst_1', 'one', 'process', 1, 9) ON CONFLICT DO NOTHING`,
  );
  await rows(
    `INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, resources, phase, due_at, updated_at)
     VALUES ($2, $1, 'hst_1', $3, 'wirebot', 'i', '{}', 'ready', NULL, now())`,
    id,
    kind,
  );
  await rows('UPDATE agents SET gateway_id = $2, due_at = NULL WHERE tenant_id = $1 AND id = $3', id, agentId);
  return id;
};

beforeAll(async () => {
  const modules = [HttpEdgeModule, IdentityModule, TokensModule, TierChangesModule];
  test = await startTestApp(await freshDatabase(), modules, { environment: { WIREBOT_ROLES: 'api' } });
  await test.app.get(TiersService).seedTemplates();
  other = await test.seedTenant('other', ['tiers:*']);
});
afterAll(() => test.close());
beforeEach(async () => {
  n += 1;
  test.clock.advance(2_000);
  acme = await test.seedTenant(`acme-${n}`, ['tiers:*', 'tokens:write']);
});

describe('who may ask', () => {
  it.each([
    ['GET', '/v1/tiers', undefined],
    ['GET', '/v1/tiers/founders', undefined],
    ['GET', '/v1/tiers/founders/versions', undefined],
    ['GET', '/v1/tier-templates', undefined],
    ['POST', '/v1/tiers', { ...BODY, key: 'founders-2' }],
    ['PUT', '/v1/tiers/founders', BODY],
    ['DELETE', '/v1/tiers/founders', undefined],
    ['POST', '/v1/tiers/founders/restore', {}],
    ['POST', '/v1/tiers/founders/preview', BODY],
    ['POST', '/v1/tiers/apply-template', { template: 'standalone' }],
  ] as const)('%s %s asks for a key, the scope and the own tenant', async (method, url, body) => {
    await call('POST', '/v1/tiers', { ...BODY, key: 'founders' });
    const keys = test.app.get(ApiKeysService, { strict: false });
    const { tenantId } = acme;
    const none = await keys.issue({ tenantId, name: 'none', scopes: ['members:read'], createdBy: 'test' });
    const reads = await keys.issue({ tenantId, name: 'reads', scopes: ['tiers:read'], createdBy: 'test' });
    expect((await call(method, url, body, {}, 'wb_wrong')).statusCode).toBe(401);
    expect((await call(method, url, body, {}, none.key)).statusCode).toBe(403);
    const reading = method === 'GET' || url.endsWith('/preview');
    expect((await call(method, url, body, {}, reads.key)).statusCode).toBe(reading ? 200 : 403);
    // Where no tier is named there is nothing of another tenant to find: its own list, its own new tier.
    const named = url.includes('founders');
    const seen = (await call(method, url, body, {}, other.key)).statusCode;
    expect(named ? seen : 404).toBe(404);
  });
});

describe('a tier', () => {
  it('is made with every default, read, changed with its version and kept in all its versions', async () => {
    const made = await call('POST', '/v1/tiers', { ...BODY, key: 'founders' });
    expect(made.statusCode).toBe(201);
    expect(made.json<TierView>()).toEqual({
      ...BODY,
      resources: { ...BODY.resources, diskMb: null },
      key: 'founders',
      runtime: 'wirebot',
      modules: [],
      idlePolicy: { suspendAfterSeconds: null, stopAfterSeconds: null },
      backups: { everyHours: null, keepDays: 7 },
      prices: [],
      version: 1,
      retiredAt: null,
    });
    const got = await call('GET', '/v1/tiers/founders');
    const etag = got.headers['etag'] as string;
    expect(etag).toBe(made.headers['etag']);
    const prices = [{ currency: 'EUR', amount: 2900, interval: 'month' }];
    const changed = await call('PUT', '/v1/tiers/founders', { ...BODY, prices }, { 'if-match': etag });
    expect(changed.json<TierView>()).toMatchObject({ version: 2, prices });
    const stale = await call('PUT', '/v1/tiers/founders', { ...BODY, name: 'Late' }, { 'if-match': etag });
    expect([stale.statusCode, (await tier('founders')).name]).toEqual([412, 'Founders']);
    const versions = (await call('GET', '/v1/tiers/founders/versions')).json<{
      items: { version: number; content: TierView }[];
    }>();
    expect(versions.items.map((row) => [row.version, row.content.prices])).toEqual([
      [2, prices],
      [1, []],
    ]);
    const page = (await call('GET', '/v1/tiers/founders/versions?limit=1')).json<{ nextCursor: string }>();
    const next = (await call('GET', `/v1/tiers/founders/versions?limit=1&cursor=${page.nextCursor}`)).json();
    expect(next).toMatchObject({ items: [{ version: 1 }], nextCursor: null });
  });

  it('stays what it is when the same is put again, however it is spelled', async () => {
    const body = { ...BODY, idlePolicy: { suspendAfterSeconds: 600 } };
    await call('POST', '/v1/tiers', { ...body, key: 'founders' });
    const limits = Object.fromEntries(Object.entries(LIMITS).toReversed());
    const again = await call('PUT', '/v1/tiers/founders', { ...body, limits, modules: [], runtime: 'wirebot' });
    expect(again.json<TierView>().version).toBe(1);
  });

  it('of before, without a stored version, keeps what it was at the first change', async () => {
    expect((await put({ name: 'Wire 2' })).statusCode).toBe(200);
    const versions = (await call('GET', '/v1/tiers/wire/versions')).json<{ items: { content: TierView }[] }>();
    expect(versions.items.map((row) => row.content.name)).toEqual(['Wire 2', 'Wire']);
  });

  it('is made once by many at the same time, and changed once per version', async () => {
    const made = await Promise.all([1, 2, 3, 4].map(() => call('POST', '/v1/tiers', { ...BODY, key: 'founders' })));
    expect(made.map((answer) => answer.statusCode).sort()).toEqual([201, 409, 409, 409]);
    const etag = (await call('GET', '/v1/tiers/founders')).headers['etag'] as string;
    const changed = await Promise.all(
      [1, 2, 3, 4].map((rank) => call('PUT', '/v1/tiers/founders', { ...BODY, rank }, { 'if-match': etag })),
    );
    expect(changed.map((answer) => answer.statusCode).sort()).toEqual([200, 412, 412, 412]);
  });

  it.each([
    [{ name: '' }, 'name'],
    [{ rank: 1001 }, 'rank'],
    [{ rank: 0.5 }, 'rank'],
    [{ trustCeiling: 4 }, 'trustCeiling'],
    [{ invitedTrustCeiling: '2' }, 'invitedTrustCeiling'],
    [{ placement: 'cloud' }, 'placement'],
    [{ runtime: 'other' }, 'runtime'],
    [{ channels: [] }, 'channels'],
    [{ channels: ['web', 'fax'] }, 'channels'],
    [{ channels: ['web', 'web'] }, 'channels'],
    [{ limits: { ...LIMITS, tokensPerDay: -1 } }, 'limits.tokensPerDay'],
    [{ limits: { ...LIMITS, agents: 0 } }, 'limits.agents'],
    [{ limits: { ...LIMITS, costPerDayUsd: 0.1234567 } }, 'limits.costPerDayUsd'],
    [{ limits: { messagesPerHour: 5 } }, 'limits.sessions'],
    [{ limits: { ...LIMITS, wishes: 3 } }, 'limits.wishes'],
    [{ resources: { ...RESOURCES, memoryMb: 64 } }, 'resources.memoryMb'],
    [{ modules: ['Not Kebab'] }, 'modules'],
    [{ idlePolicy: { suspendAfterSeconds: 1 } }, 'idlePolicy.suspendAfterSeconds'],
    [{ prices: [{ currency: 'eur', amount: 1, interval: 'month' }] }, 'prices.0.currency'],
    [{ prices: [{ currency: 'EUR', amount: 1.5, interval: 'month' }] }, 'prices.0.amount'],
    [{ version: 7 }, 'version'],
  ])('with %j is refused by name', async (changes, field) => {
    const answer = await call('POST', '/v1/tiers', { ...BODY, key: 'founders', ...changes });
    const problem = answer.json<{ status: number; errors: { field: string }[] }>();
    expect(problem.status).toBe(400);
    expect(problem.errors.map((error) => error.field)).toContain(field);
  });

  it.each([
    [{ trustCeiling: 3 }, ['trustCeiling']],
    [{ invitedTrustCeiling: 3 }, ['invitedTrustCeiling']],
    [{ trustCeiling: 2, invitedTrustCeiling: 1 }, ['invitedTrustCeiling']],
    [{ trustCeiling: 3, invitedTrustCeiling: 1 }, ['trustCeiling', 'invitedTrustCeiling']],
  ])('with %j breaks a rule', async (changes, fields) => {
    for (const [method, url] of [
      ['POST', '/v1/tiers'],
      ['PUT', '/v1/tiers/wire'],
      ['POST', '/v1/tiers/wire/preview'],
    ] as const) {
      const body = { ...BODY, ...changes, ...(url === '/v1/tiers' ? { key: 'founders' } : {}) };
      const problem = (await call(method, url, body)).json<{
        status: number;
        code: string;
        errors: { field: string }[];
      }>();
      expect([problem.status, problem.code]).toEqual([422, 'tier-rule-broken']);
      expect(problem.errors.map((error) => error.field)).toEqual(fields);
    }
    expect((await tier()).version).toBe(1);
  });

  it('is retired and offered again, but never the last one', async () => {
    expect((await call('DELETE', '/v1/tiers/wire')).json()).toMatchObject({ status: 409, code: 'tier-is-last' });
    await call('POST', '/v1/tiers', { ...BODY, key: 'founders' });
    expect((await call('DELETE', '/v1/tiers/wire')).statusCode).toBe(204);
    expect((await call('DELETE', '/v1/tiers/wire')).statusCode).toBe(204);
    expect((await tier()).retiredAt).toBe(test.clock.now().toISOString());
    expect((await call('DELETE', '/v1/tiers/founders')).statusCode).toBe(409);
    expect((await call('POST', '/v1/tiers/wire/restore', {})).json<TierView>().retiredAt).toBeNull();
    const actions = await rows<{ action: string }>(
      `SELECT action FROM audit_entries WHERE tenant_id = $1 ORDER BY seq`,
    );
    expect(actions.map((row) => row.action)).toEqual(['tier.create', 'tier.retire', 'tier.restore']);
  });
});

describe('templates', () => {
  it('are listed, and add only what is missing', async () => {
    const { items } = (await call('GET', '/v1/tier-templates')).json<{ items: { key: string; tiers: TierView[] }[] }>();
    expect(items.map((row) => [row.key, row.tiers.map((one) => one.key)])).toEqual([
      ['network', ['free', 'freewire', 'wire', 'extrawire', 'sovereign']],
      ['standalone', ['free', 'basic', 'standard', 'premium', 'power']],
    ]);
    const apply = (template: string) => call('POST', '/v1/tiers/apply-template', { template });
    expect((await apply('network')).json()).toEqual({ added: ['free', 'freewire', 'extrawire', 'sovereign'] });
    expect((await tier()).name).toBe('Wire');
    expect((await apply('network')).json()).toEqual({ added: [] });
    expect((await apply('standalone')).json()).toEqual({ added: ['basic', 'standard', 'premium', 'power'] });
    expect((await apply('gold')).statusCode).toBe(400);
    const listed = (await call('GET', '/v1/tiers')).json<{ items: TierView[] }>().items;
    expect(listed.map((one) => one.rank)).toEqual(listed.map((one) => one.rank).toSorted((a, b) => a - b));
  });
});

describe('a change of a tier that members have', () => {
  let members: { memberId: string; agentId: string }[];
  beforeEach(async () => {
    members = [];
    for (const name of ['a', 'b', 'c']) {
      test.clock.advance(10);
      members.push(await test.seedMember(acme.tenantId, name));
    }
    await rows(`UPDATE agents SET desired_state = 'inactive' WHERE tenant_id = $1 AND id = $2`, members[2]!.agentId);
    for (const { agentId } of members) await seedGateway('shared', agentId);
  });

  it('is foreseen to the number: what falls, what is rendered again', async () => {
    const seen = await preview({ trustCeiling: 0, name: 'Less' });
    expect(seen).toEqual({
      changes: expect.arrayContaining(['name', 'trustCeiling']) as string[],
      members: { count: 3, first: ['a', 'b', 'c'] },
      agents: 2,
      gateways: 2,
      restarts: 0,
      ceilingFalls: { count: 3, first: ['a', 'b', 'c'] },
      ceilingRises: { count: 0, first: [] },
      moves: { count: 0, first: [], to: null },
    });
    const before = await counts();
    expect(before).toMatchObject({ transitions: 0, revocations: 0 });
    await put({ trustCeiling: 0, name: 'Less' });
    const after = await counts();
    expect(after).toMatchObject({ transitions: 3, revocations: 3, operations: 0 });
    const due = await rows<{ desired_state: string; due: boolean; generation: number }>(
      `SELECT desired_state, due_at IS NOT NULL AS due, generation::int FROM agents WHERE tenant_id = $1 ORDER BY id`,
    );
    expect(due.map((row) => [row.desired_state, row.due, row.generation > 1])).toEqual([
      ['active', true, true],
      ['active', true, true],
      ['inactive', false, false],
    ]);
    const [line] = await rows<{ data: object }>(
      `SELECT data FROM audit_entries WHERE tenant_id = $1 AND action = 'tier.update'`,
    );
    expect(line!.data).toMatchObject({ tier: 'wire', version: 2, members: 3, fell: 3, rose: 0, moves: 0, restarts: 0 });
    const events = await rows<{ data: { from: number; to: number } }>(
      `SELECT data FROM outbox WHERE tenant_id = $1 AND type = 'trust.changed'`,
    );
    expect(events.map(({ data }) => [data.from, data.to])).toEqual([
      [1, 0],
      [1, 0],
      [1, 0],
    ]);
  });

  it('that raises the ceiling raises members, as far as their placement goes, and ends no token', async () => {
    expect(await preview({ trustCeiling: 2 })).toMatchObject({
      ceilingRises: { count: 3 },
      ceilingFalls: { count: 0 },
    });
    await put({ trustCeiling: 2 });
    expect(await counts()).toMatchObject({ transitions: 3, revocations: 0 });
  });

  it('that changes no ceiling changes nobody’s trust, but renders limits and channels again', async () => {
    const before = await counts();
    const limits = { ...LIMITS, messagesPerHour: 7 };
    expect(await preview({ limits })).toMatchObject({
      agents: 2,
      ceilingFalls: { count: 0 },
      ceilingRises: { count: 0 },
    });
    await put({ limits });
    const after = await counts();
    expect(after).toEqual({ ...before, generations: before.generations + 2 });
    await put({ name: 'Only a name' });
    expect(await counts()).toEqual(after);
  });

  it('that changes the placement moves every agent, each with an operation, in batches', async () => {
    for (let i = 0; i < 20; i += 1) await test.seedMember(acme.tenantId, `more-${i}`);
    const change = { placement: 'dedicated', trustCeiling: 3 };
    const seen = await preview(change);
    expect(seen.moves).toMatchObject({ count: 23, to: 'dedicated' });
    expect(seen.moves.first).toHaveLength(20);
    expect(seen.ceilingRises.count).toBe(23);
    await put(change);
    const agents = await rows<{ kind: string; batch: number; ok: boolean }>(
      `SELECT a.desired_kind AS kind, extract(epoch FROM a.due_at - min(a.due_at) OVER ())::int AS batch,
         o.generation = a.generation AND o.kind = 'change-tier' AS ok
       FROM agents a JOIN operations o ON o.agent_id = a.id WHERE a.tenant_id = $1 ORDER BY a.id`,
    );
    expect(agents).toHaveLength(22); // the paused one moves when it comes back
    expect(agents.every((row) => row.kind === 'dedicated' && row.ok)).toBe(true);
    expect(new Set(agents.map((row) => row.batch))).toEqual(new Set([0, 10]));
    const steps = await rows<{ steps: { name: string }[] }>(
      'SELECT steps FROM operations WHERE tenant_id = $1 AND agent_id = $2',
      members[0]!.agentId,
    );
    expect(steps[0]!.steps.map((step) => step.name)).toContain('transfer');
    const events = await rows(`SELECT 1 FROM outbox WHERE tenant_id = $1 AND topic = 'operations' AND type = 'opened'`);
    expect(events).toHaveLength(22);
    const paused = await rows(`SELECT desired_kind FROM agents WHERE tenant_id = $1 AND id = $2`, members[2]!.agentId);
    expect(paused).toEqual([{ desired_kind: 'dedicated' }]);

    // Back again: what was open is replaced.
    test.clock.advance(1_000);
    await put({ placement: 'shared', trustCeiling: 1 });
    const states = await rows<{ status: string; count: number }>(
      `SELECT status, count(*)::int AS count FROM operations WHERE tenant_id = $1 GROUP BY status ORDER BY status`,
    );
    expect(states).toEqual([
      { status: 'cancelled', count: 22 },
      { status: 'pending', count: 22 },
    ]);
  });

  it('that changes resources starts the members’ own gateways again, and no shared one', async () => {
    await put({ placement: 'dedicated' });
    const own = await seedGateway('dedicated', members[0]!.agentId);
    const resources = { cpus: 2, memoryMb: 2048, pids: 512 };
    const change = await bodyOf({ resources });
    expect((await call('POST', '/v1/tiers/wire/preview', { ...change, resources })).json()).toMatchObject({
      restarts: 1,
    });
    await call('PUT', '/v1/tiers/wire', { ...change, resources });
    const gateways = await rows<{ id: string; generation: number; resources: object }>(
      `SELECT id, generation::int, resources FROM gateways WHERE tenant_id = $1 AND generation > 1`,
    );
    expect(gateways).toEqual([{ id: own, generation: 2, resources: { ...resources, diskMb: null } }]);
  });

  it('leaves the same numbers as its preview, for many changes in a row', async () => {
    await rows(`UPDATE members SET invited_to = 2 WHERE tenant_id = $1 AND external_id = 'a'`);
    await rows(`UPDATE members SET trust_cap = 1 WHERE tenant_id = $1 AND external_id = 'b'`);
    const changes = [
      { invitedTrustCeiling: 2 },
      { trustCeiling: 2 },
      { trustCeiling: 0, invitedTrustCeiling: 1 },
      { placement: 'dedicated', trustCeiling: 3, invitedTrustCeiling: null },
      { placement: 'shared', trustCeiling: 1 },
    ];
    for (const change of changes) {
      const seen = await preview(change);
      const before = await counts();
      test.clock.advance(1_000);
      expect((await put(change)).statusCode).toBe(200);
      const after = await counts();
      expect({
        transitions: after.transitions - before.transitions,
        revocations: after.revocations - before.revocations,
        moved: after.operations - before.operations,
      }).toEqual({
        transitions: seen.ceilingFalls.count + seen.ceilingRises.count,
        revocations: seen.ceilingFalls.count,
        moved: seen.moves.count === 0 ? 0 : 2,
      });
    }
  });
});
