import type { QuotaAmount, QuotaGrant } from '#libs/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LEASE_GRACE_SECONDS, LEASE_SECONDS } from './quota-leases.service.js';
import { type Member, UsageLab } from './testing/usage-lab.js';
import { UsageUpkeep } from './usage-upkeep.js';

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

const tokens = (amount: number): QuotaAmount => ({ tokens: amount, micros: 0 });
const ask = async (...asks: ReturnType<UsageLab['ask']>[]): Promise<QuotaGrant[]> => [
  ...(await lab.lease({ asks })).grants,
];
const one = async (amount: number, member = mia): Promise<QuotaGrant> => (await ask(lab.ask(member, amount)))[0]!;

describe('quota leases', () => {
  it('are for proxies only, and are checked', async () => {
    const call = { broker: 'b', boot: 'b', asks: [], renew: [], returns: [], forgetFormer: false };
    expect((await lab.post('/internal/quota/leases', call, acme.key)).statusCode).toBe(401);
    const wrong = { ...call, asks: [{ ...lab.ask(mia, 1), need: { tokens: 1.5, micros: -1 } }] };
    const answer = await lab.post('/internal/quota/leases', wrong);
    expect(answer.json<{ errors: { field: string }[] }>().errors.map((error) => error.field)).toEqual([
      'asks.0.need.tokens',
      'asks.0.need.micros',
    ]);
  });

  it('never promise more than a limit leaves, to however many brokers ask at once', async () => {
    await lab.limitTier(acme.tenantId, { tokensPerDay: 1_000 });
    const asks = Array.from({ length: 40 }, (_, i) => lab.lease({ broker: `brk_${i % 5}`, asks: [lab.ask(mia, 90)] }));
    const grants = (await Promise.all(asks)).flatMap((answer) => answer.grants);
    expect(grants.filter((grant) => grant.status === 'granted')).toHaveLength(11);
    expect(await lab.counter(mia.memberId)).toMatchObject({ used: 0, leased: 990 });
    expect(await lab.differences()).toEqual([]);
  });

  it('hold a tenant’s limit over all of its members, and the member’s own beside it', async () => {
    await lab.limitTenant(acme.tenantId, { tokensPerDay: 500 });
    await lab.limitTier(acme.tenantId, { tokensPerDay: 300 });
    const members = await Promise.all(
      Array.from({ length: 10 }, (_, i) => lab.test.seedMember(acme.tenantId, `member-${i}`)),
    );
    const grants = await Promise.all(members.map((member) => one(100, member)));
    expect(grants.filter((grant) => grant.status === 'granted')).toHaveLength(5);
    expect(grants.find((grant) => grant.status === 'refused')).toMatchObject({
      refusal: 'reserved',
      limitedBy: { scope: 'tenant', unit: 'tokens', limit: 500, leased: 500 },
    });
    expect((await one(301)).limitedBy).toMatchObject({ scope: 'member', limit: 300 });
  });

  it('hold limits on cost, and leave free what has no limit', async () => {
    await lab.limitTier(acme.tenantId, { costPerDayUsd: 0.001 });
    const amount = { tokens: 1_000_000, micros: 600 };
    const asks = [0, 1].map(() => lab.ask(mia, 0, { atLeast: amount, need: amount }));
    expect((await ask(...asks)).map(({ status, limitedBy }) => [status, limitedBy?.unit])).toEqual([
      ['granted', undefined],
      ['refused', 'micros'],
    ]);
  });

  it('turn into use with the report of a call, exactly once', async () => {
    await lab.limitTier(acme.tenantId, { tokensPerDay: 1_000 });
    const grant = await one(400);
    const call = lab.record(acme.tenantId, mia, { leaseId: grant.leaseId, inputTokens: 100, outputTokens: 50 });
    await Promise.all([lab.report(call), lab.report(call), lab.report(call)]);
    expect(await lab.counter(mia.memberId)).toMatchObject({ used: 150, leased: 250 });
    expect(await lab.counter(acme.tenantId)).toMatchObject({ used: 150, leased: 250 });
    expect((await one(600)).status).toBe('granted');
    expect((await one(1)).refusal).toBe('reserved');
    expect(await lab.differences()).toEqual([]);
  });

  it('are not granted twice when an answer got lost', async () => {
    await lab.limitTier(acme.tenantId, { tokensPerDay: 1_000 });
    const first = lab.ask(mia, 300);
    expect((await ask(first))[0]!.granted.tokens).toBe(300);
    expect((await ask(first))[0]!.granted.tokens).toBe(300);
    const more = { ...first, granted: tokens(300), atLeast: tokens(100), need: tokens(200) };
    expect((await ask(more))[0]!.granted.tokens).toBe(500);
    expect((await ask(more))[0]!.granted.tokens).toBe(500);
    expect(await lab.counter(mia.memberId)).toMatchObject({ leased: 500 });
  });

  it('come back once, however often it is told', async () => {
    await lab.limitTier(acme.tenantId, { tokensPerDay: 1_000 });
    const { leaseId } = await one(900);
    const returns = [{ leaseId, returned: tokens(500) }];
    await Promise.all([1, 2, 3].map(() => lab.lease({ returns })));
    await lab.lease({ returns: [{ leaseId, returned: tokens(200) }] });
    expect(await lab.counter(mia.memberId)).toMatchObject({ leased: 400 });
    expect(await lab.differences()).toEqual([]);
  });

  it('are sparing in advance: a part of what is left, and nothing when it is little', async () => {
    await lab.limitTier(acme.tenantId, { tokensPerDay: 1_000 });
    const greedy = { need: tokens(100), ahead: tokens(10_000) };
    const [first] = await ask(lab.ask(mia, 100, greedy));
    expect(first).toMatchObject({ granted: tokens(100 + 225), scarce: false });
    const [second] = await ask(lab.ask(mia, 100, { ...greedy, need: tokens(500) }));
    expect(second).toMatchObject({ granted: tokens(500), scarce: true });
  });

  it('say whether anything can come back today', async () => {
    await lab.limitTier(acme.tenantId, { tokensPerDay: 100 });
    await lab.report(lab.record(acme.tenantId, mia, { inputTokens: 60, outputTokens: 0 }));
    await one(30);
    expect(await one(20)).toMatchObject({ refusal: 'reserved', scarce: true });
    expect(await one(50)).toMatchObject({ refusal: 'exhausted', limitedBy: { used: 60, leased: 30, limit: 100 } });
    const sql = `SELECT type, data->>'used' AS used FROM outbox WHERE tenant_id = $1 AND topic = 'usage'`;
    expect(await lab.test.database.query(sql, [acme.tenantId])).toEqual([{ type: 'quota.exhausted', used: '60' }]);
  });

  it('know strangers, other days and leases that are gone', async () => {
    const stranger = { ...mia, agentId: 'agt_nobody' };
    expect((await one(10, stranger)).status).toBe('unknown');
    expect((await ask(lab.ask(mia, 10, { day: '2020-01-01' })))[0]!.status).toBe('unknown');
    expect((await ask(lab.ask(mia, 10, { granted: tokens(5) })))[0]!.status).toBe('gone');
    const { leaseId } = await one(10);
    expect((await lab.lease({ renew: [leaseId, 'lse_gone'] })).gone).toEqual(['lse_gone']);
    expect((await lab.lease({ renew: [leaseId], broker: 'brk_thief' })).gone).toEqual([leaseId]);
  });

  it('follow the limits that are stored now, not those of a route', async () => {
    await lab.limitTier(acme.tenantId, { tokensPerDay: 100 });
    expect((await one(200)).status).toBe('refused');
    await lab.limitTier(acme.tenantId, { tokensPerDay: 300 });
    expect((await one(200)).status).toBe('granted');
  });
});

describe('leases of brokers that are gone', () => {
  const upkeep = () => lab.test.app.get(UsageUpkeep);

  it('come back after expiry and grace, unless they are renewed; late reports count all the same', async () => {
    await lab.limitTier(acme.tenantId, { tokensPerDay: 1_000 });
    const dead = await one(400);
    const alive = await one(300);
    lab.test.clock.advance(LEASE_SECONDS * 1000);
    await lab.lease({ renew: [alive.leaseId] });
    lab.test.clock.advance((LEASE_GRACE_SECONDS - 1) * 1000);
    await upkeep().takeBackExpired();
    expect((await lab.counter(mia.memberId)).leased).toBe(700);
    lab.test.clock.advance(2_000);
    await Promise.all([upkeep().takeBackExpired(), upkeep().takeBackExpired()]);
    expect((await lab.counter(mia.memberId)).leased).toBe(300);
    await lab.report(lab.record(acme.tenantId, mia, { leaseId: dead.leaseId, inputTokens: 400, outputTokens: 0 }));
    expect(await lab.counter(mia.memberId)).toMatchObject({ used: 400, leased: 300 });
    expect(await lab.differences()).toEqual([]);
  });

  it('come back at once when the broker is there again and has reported', async () => {
    await one(400);
    await lab.lease({ broker: 'brk_2', asks: [lab.ask(mia, 50)] });
    await lab.lease({ boot: 'two', asks: [lab.ask(mia, 70)], forgetFormer: true });
    expect((await lab.counter(mia.memberId)).leased).toBe(120);
    expect(await lab.differences()).toEqual([]);
  });
});

describe('grants, reports and returns at once', () => {
  it('neither wait for each other in a circle nor lose a token', async () => {
    await lab.limitTenant(acme.tenantId, { tokensPerDay: 50_000 });
    const members = await Promise.all(
      Array.from({ length: 6 }, (_, i) => lab.test.seedMember(acme.tenantId, `busy-${i}`)),
    );
    const round = async (i: number) => {
      const pair = [members[i % 6]!, members[(i * 5 + 1) % 6]!];
      const asks = pair.map((member) => lab.ask(member, 500));
      const grants = await lab.lease({ broker: `brk_${i % 3}`, asks });
      const records = grants.grants
        .filter((grant) => grant.status === 'granted')
        .map((grant, at) => lab.record(acme.tenantId, pair[at]!, { leaseId: grant.leaseId, inputTokens: 250 }));
      const returns = grants.grants.map(({ leaseId }) => ({ leaseId, returned: tokens(220) })).toReversed();
      await Promise.all([lab.report(...records.toReversed()), lab.lease({ returns }), lab.report(...records)]);
    };
    await Promise.all(Array.from({ length: 30 }, (_, i) => round(i)));
    expect(await lab.differences()).toEqual([]);
    const { used, leased } = await lab.counter(acme.tenantId);
    expect(leased).toBe(0);
    expect(used % 280).toBe(0);
    expect(used).toBeGreaterThan(0);
  });
});

describe('what is old', () => {
  it('goes record by record, while the sums of days stay', async () => {
    const old = new Date(lab.test.clock.now().getTime() - 401 * 86_400_000).toISOString();
    await lab.report(lab.record(acme.tenantId, mia, { at: old }), lab.record(acme.tenantId, mia));
    await lab.test.app.get(UsageUpkeep).purge();
    const count = async (table: string) =>
      (
        await lab.test.database.query<{ count: number }>(`SELECT count(*)::int FROM ${table} WHERE tenant_id = $1`, [
          acme.tenantId,
        ])
      )[0]!.count;
    expect([await count('usage_records'), await count('usage_days'), await count('quota_counters')]).toEqual([1, 2, 2]);
  });
});
