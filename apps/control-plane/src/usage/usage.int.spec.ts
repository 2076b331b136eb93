import type { MemberUsageView, TokenView, UsageView } from '#libs/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { type Member, UsageLab } from './testing/usage-lab.js';

let lab: UsageLab;
let acme: { tenantId: string; key: string };
let other: { tenantId: string; key: string };
let operator: string;
let noScope: string;
let mia: Member;
let leo: Member;
let yesterday: string;

const issue = async (tenantId: string | null, scopes: string[]) =>
  (await lab.test.app.get(ApiKeysService, { strict: false }).issue({ tenantId, name: 'k', scopes })).key;

beforeAll(async () => {
  lab = await UsageLab.start();
  acme = await lab.test.seedTenant('acme');
  other = await lab.test.seedTenant('other');
  operator = await issue(null, ['*']);
  noScope = await issue(acme.tenantId, ['members:read']);
  mia = await lab.test.seedMember(acme.tenantId, '=mia');
  leo = await lab.test.seedMember(acme.tenantId, 'leo');
  const zoe = await lab.test.seedMember(other.tenantId, 'zoe');
  yesterday = new Date(lab.test.clock.now().getTime() - 86_400_000).toISOString().slice(0, 10);
  const at = `${yesterday}T10:00:00.000Z`;
  await lab.limitTier(acme.tenantId, { tokensPerDay: 1_000, costPerDayUsd: 1 });
  await lab.report(
    lab.record(acme.tenantId, mia, { at, taskId: 'tsk_1' }),
    lab.record(acme.tenantId, mia, { taskId: 'tsk_2' }),
    lab.record(acme.tenantId, mia, { taskId: 'tsk_2', model: 'claude-y', provider: 'openai', tierKey: 'gold' }),
    lab.record(acme.tenantId, leo, { taskId: 'tsk_3', costMicros: null }),
    lab.record(other.tenantId, zoe, { taskId: 'tsk_4' }),
  );
});
afterAll(() => lab.close());

const usage = async (query: string, key = acme.key): Promise<UsageView> =>
  (await lab.get(`/v1/usage?${query}`, key)).json<UsageView>();
const calls = (view: UsageView) => view.items.map(({ key, name, calls }) => [key, name, calls]);

describe('GET /v1/usage', () => {
  it('sums by day, member, workspace, tier and model, of the own tenant only', async () => {
    expect(calls(await usage('groupBy=day'))).toEqual([
      [yesterday, null, 1],
      [lab.today, null, 3],
    ]);
    expect(calls(await usage('groupBy=member'))).toEqual(
      [
        [mia.memberId, '=mia', 3],
        [leo.memberId, 'leo', 1],
      ].toSorted((a, b) => (a[0]! < b[0]! ? -1 : 1)),
    );
    expect((await usage('groupBy=workspace')).items.map(({ name }) => name)).toEqual(['Main', 'Main']);
    expect(calls(await usage('groupBy=tier'))).toEqual([
      ['gold', null, 1],
      ['wire', null, 3],
    ]);
    expect(calls(await usage('groupBy=model'))).toEqual([
      ['anthropic/claude-x', null, 3],
      ['openai/claude-y', null, 1],
    ]);
    expect((await usage('groupBy=day')).totals).toEqual({
      calls: 4,
      messages: 3,
      inputTokens: 280,
      outputTokens: 120,
      cachedTokens: 20,
      costMicros: 1_320,
      unpricedCalls: 1,
      estimatedCalls: 0,
    });
  });

  it('takes a range of days, both included, and pages', async () => {
    expect((await usage(`from=${yesterday}&to=${yesterday}`)).totals.calls).toBe(1);
    const first = await usage('groupBy=model&limit=1');
    const second = await usage(`groupBy=model&limit=1&cursor=${first.nextCursor}`);
    expect([calls(first), calls(second), second.nextCursor]).toEqual([
      [['anthropic/claude-x', null, 3]],
      [['openai/claude-y', null, 1]],
      null,
    ]);
    expect(second.totals.calls).toBe(4);
  });

  it.each([
    ['from=2026-02-30', 'from'],
    ['from=yesterday', 'from'],
    ['from=2026-02-02&to=2026-02-01', 'from'],
    ['from=2020-01-01&to=2026-02-01', 'from'],
    ['to=2026-1-1', 'to'],
    ['groupBy=colour', 'groupBy'],
    ['cursor=abc', 'cursor'],
    ['limit=0', 'limit'],
  ])('refuses %s and names the field', async (query, field) => {
    const answer = await lab.get(`/v1/usage?${query}`, acme.key);
    expect([answer.statusCode, answer.json<{ errors: { field: string }[] }>().errors[0]!.field]).toEqual([400, field]);
  });

  it('asks for a key and its scope, as every route of usage does', async () => {
    for (const url of ['/v1/usage', '/v1/usage/today', '/v1/usage/export', '/v1/members/leo/usage']) {
      expect([url, (await lab.get(url, undefined)).statusCode]).toEqual([url, 401]);
      expect([url, (await lab.get(url, noScope)).statusCode]).toEqual([url, 403]);
    }
  });
});

describe('GET /v1/members/{externalId}/usage', () => {
  it('tells what is left of today', async () => {
    await lab.lease({ asks: [lab.ask(mia, 300)] });
    const view = (await lab.get('/v1/members/=mia/usage', acme.key)).json<MemberUsageView>();
    expect(view).toMatchObject({
      member: { id: mia.memberId, externalId: '=mia', tier: 'wire' },
      today: {
        day: lab.today,
        messages: 1,
        tokens: { limit: 1_000, used: 200, reserved: 300, remaining: 800 },
        costMicros: { limit: 1_000_000, used: 880, reserved: 0, remaining: 999_120 },
      },
      totals: { calls: 3, messages: 2 },
    });
    expect(Date.parse(view.today.resetsAt) - Date.parse(lab.today)).toBe(86_400_000);
    expect(view.days.map(({ key }) => key)).toEqual([yesterday, lab.today]);
  });

  it('is 404 for strangers and other tenants', async () => {
    for (const key of [acme.key, other.key])
      expect((await lab.get('/v1/members/nobody/usage', key)).json()).toMatchObject({ code: 'member-not-found' });
    expect((await lab.get('/v1/members/leo/usage', other.key)).statusCode).toBe(404);
  });
});

describe('GET /v1/me/usage', () => {
  it('shows members their own, with their token', async () => {
    const answer = await lab.post('/v1/tokens', { member: 'leo', surface: 'web' }, acme.key);
    const { token } = answer.json<TokenView>();
    const own = await lab.get('/v1/me/usage', token);
    expect(own.json()).toMatchObject({ member: { externalId: 'leo' }, totals: { calls: 1, unpricedCalls: 1 } });
    expect((await lab.get('/v1/me/usage', undefined)).statusCode).toBe(401);
    expect((await lab.get('/v1/me/usage', acme.key)).statusCode).toBe(401);
    expect((await lab.get('/v1/usage', token)).statusCode).toBe(401);
  });
});

describe('GET /v1/usage/today', () => {
  it('tells where the tenant stands against its own limits', async () => {
    await lab.limitTenant(acme.tenantId, { tokensPerDay: 10_000 });
    expect((await lab.get('/v1/usage/today', acme.key)).json()).toMatchObject({
      messages: 2,
      tokens: { limit: 10_000, used: 300, remaining: 9_700 },
      costMicros: { limit: null, remaining: null },
    });
  });
});

describe('GET /v1/usage/export', () => {
  it('is a table that no spreadsheet runs', async () => {
    const answer = await lab.get('/v1/usage/export', acme.key);
    expect(answer.headers['content-type']).toContain('text/csv');
    expect(answer.headers['content-disposition']).toMatch(/^attachment; filename="usage-.+\.csv"$/);
    const [head, ...rows] = answer.body.trim().split('\n');
    expect(head).toBe(
      'day,externalId,memberId,workspaceId,tier,provider,model,calls,messages,inputTokens,outputTokens,cachedTokens,costMicros,unpricedCalls,estimatedCalls',
    );
    expect(rows).toHaveLength(4);
    expect(rows[0]).toContain(`${yesterday},'=mia,${mia.memberId}`);
  });

  it('is the same as JSON, for more rows than one page holds', async () => {
    const records = Array.from({ length: 1_200 }, (_, i) => lab.record(acme.tenantId, leo, { model: `model-${i}` }));
    for (const at of [0, 400, 800]) await lab.report(...records.slice(at, at + 400));
    const rows = (await lab.get('/v1/usage/export?format=json', acme.key)).json<{ calls: number; model: string }[]>();
    expect(rows).toHaveLength(1_204);
    expect(new Set(rows.map(({ model }) => model)).size).toBe(1_202);
    expect(await lab.get('/v1/usage/export?format=json&from=2020-01-01&to=2020-01-02', acme.key)).toMatchObject({
      body: '[]',
    });
    expect((await lab.get('/v1/usage/export?format=xml', acme.key)).statusCode).toBe(400);
  });
});

describe('GET /v1/admin/usage', () => {
  it('sums by tenant, for operators only', async () => {
    const view = (await lab.get('/v1/admin/usage', operator)).json<UsageView>();
    expect(Object.fromEntries(view.items.map(({ key, name }) => [key, name]))).toEqual({
      [acme.tenantId]: 'acme',
      [other.tenantId]: 'other',
    });
    expect((await lab.get('/v1/admin/usage', acme.key)).statusCode).toBe(403);
    expect((await lab.get('/v1/admin/usage', undefined)).statusCode).toBe(401);
    expect((await lab.get('/v1/admin/usage', await issue(null, ['members:read']))).statusCode).toBe(403);
  });
});

describe('the sums', () => {
  it('equal the records', async () => {
    expect(await lab.differences()).toEqual([]);
  });
});
