import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Member, UsageLab } from './testing/usage-lab.js';

let lab: UsageLab;
let acme: { tenantId: string; key: string };
let mia: Member;
let n = 0;

beforeAll(async () => {
  lab = await UsageLab.start();
});
afterAll(() => lab.close());
beforeEach(async () => {
  acme = await lab.test.seedTenant(`acme-${(n += 1)}`);
  mia = await lab.test.seedMember(acme.tenantId, 'mia');
});

const events = (type: string) =>
  lab.test.database.query<{ data: Record<string, unknown> }>(
    `SELECT data FROM outbox WHERE tenant_id = $1 AND type = $2 ORDER BY seq`,
    [acme.tenantId, type],
  );

describe('reports of usage', () => {
  it('are for proxies only, and are checked', async () => {
    const batch = { records: [], signals: [] };
    expect((await lab.post('/internal/usage', batch, acme.key)).statusCode).toBe(401);
    expect((await lab.post('/internal/usage', batch, '')).statusCode).toBe(401);
    const wrong = { ...lab.record(acme.tenantId, mia), inputTokens: -1, outcome: 'fine', leaseId: 7 };
    const answer = await lab.post('/internal/usage', { records: [wrong], signals: [] });
    const fields = answer.json<{ errors: { field: string }[] }>().errors.map((error) => error.field);
    expect([answer.statusCode, [...new Set(fields)].toSorted()]).toEqual([
      400,
      ['records.0.inputTokens', 'records.0.leaseId', 'records.0.outcome'],
    ]);
    expect(await lab.counter(mia.memberId)).toMatchObject({ used: 0 });
  });

  it('count a record once, however often and from however many sides it comes', async () => {
    const records = Array.from({ length: 60 }, () => lab.record(acme.tenantId, mia));
    const some = (at: number) => [...records.slice(at, at + 40), ...records.slice(at, at + 3)].toReversed();
    const receipts = await Promise.all([0, 10, 20, 0, 20, 5, 15, 20].map((at) => lab.report(...some(at))));
    expect(receipts.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(60);
    expect(await lab.counter(mia.memberId)).toMatchObject({ used: 6_000, micros: 26_400 });
    expect(await lab.counter(acme.tenantId)).toMatchObject({ used: 6_000 });
    expect(await lab.differences()).toEqual([]);
  });

  it('count a message by the first record of its task, whichever report brings it', async () => {
    const tasks = Array.from({ length: 10 }, (_, i) => `tsk_${i}`);
    const reports = Array.from({ length: 6 }, () => tasks.map((taskId) => lab.record(acme.tenantId, mia, { taskId })));
    await Promise.all(reports.map((records) => lab.report(...records)));
    await lab.report(lab.record(acme.tenantId, mia), lab.record(acme.tenantId, mia, { taskId: 'tsk_3' }));
    expect((await lab.counter(mia.memberId)).messages).toBe(10);
    const other = await lab.test.seedTenant(`other-${n}`);
    const zoe = await lab.test.seedMember(other.tenantId, 'zoe');
    await lab.report(lab.record(other.tenantId, zoe, { taskId: 'tsk_3' }));
    expect((await lab.counter(zoe.memberId)).messages).toBe(1);
    expect(await lab.differences()).toEqual([]);
  });

  it('count on the UTC day on which the call began', async () => {
    const at = `${new Date(lab.test.clock.now().getTime() - 86_400_000).toISOString().slice(0, 10)}T23:59:59.999Z`;
    await lab.report(lab.record(acme.tenantId, mia, { at }));
    expect((await lab.counter(mia.memberId)).used).toBe(0);
    const rows = await lab.test.database.query<{ day: string }>(
      `SELECT to_char(day, 'YYYY-MM-DD') AS day FROM usage_days WHERE tenant_id = $1`,
      [acme.tenantId],
    );
    expect(rows).toEqual([{ day: at.slice(0, 10) }]);
  });

  it('tell calls without a price from free ones, and estimates from counts', async () => {
    await lab.report(
      lab.record(acme.tenantId, mia, { costMicros: null }),
      lab.record(acme.tenantId, mia, { costMicros: 0, keyOwner: 'member', estimated: true, outcome: 'aborted' }),
    );
    const usage = (await lab.get('/v1/usage?groupBy=model', acme.key)).json<{ totals: object }>();
    expect(usage.totals).toMatchObject({ calls: 2, costMicros: 0, unpricedCalls: 1, estimatedCalls: 1 });
  });

  it('hand signals to those who judge them, and none of it fails a report', async () => {
    const signal = { tenantId: acme.tenantId, memberId: mia.memberId, kind: 'quota-probe', count: 3 };
    const nobody = { ...signal, tenantId: 'ten_nobody' };
    const answer = await lab.post('/internal/usage', { records: [], signals: [nobody, signal] });
    expect(answer.statusCode).toBe(200);
    const rows = await lab.test.database.query(`SELECT kind, count FROM trust_signals WHERE member_id = $1`, [
      mia.memberId,
    ]);
    expect(rows).toEqual([{ kind: 'quota-probe', count: 3 }]);
  });
});

describe('alerts', () => {
  it('come once at 80 and once at 100 % of each scope, however many reports cross the line together', async () => {
    await lab.limitTier(acme.tenantId, { tokensPerDay: 1_000 });
    await lab.limitTenant(acme.tenantId, { costPerDayUsd: 0.0044 });
    const one = () => lab.report(lab.record(acme.tenantId, mia));
    await Promise.all(Array.from({ length: 7 }, one));
    expect(await events('quota.warning')).toEqual([]);
    await Promise.all(Array.from({ length: 2 }, one));
    const shared = { day: lab.today };
    expect(
      (await events('quota.warning'))
        .map(({ data }) => data)
        .toSorted((a, b) => (String(a['scope']) < String(b['scope']) ? -1 : 1)),
    ).toEqual([
      { ...shared, scope: 'member', memberId: mia.memberId, unit: 'tokens', limit: 1_000, used: expect.any(Number) },
      { ...shared, scope: 'tenant', unit: 'costMicros', limit: 4_400, used: expect.any(Number) },
    ]);
    await Promise.all(Array.from({ length: 6 }, one));
    expect(await events('quota.warning')).toHaveLength(2);
    expect((await events('quota.exhausted')).map(({ data }) => data['scope']).toSorted()).toEqual(['member', 'tenant']);
  });
});
