import { describe, expect, it } from 'vitest';
import { OutageAllowance } from './outage-allowance.js';

const none = { tokensPerDay: null, costPerDayMicros: null };
const agent = (member: string, tokensPerDay: number | null = 10_000) => ({
  tenantId: 'ten_1',
  memberId: member,
  limits: { tokensPerDay, costPerDayMicros: null },
});
const tokens = (amount: number) => ({ tokens: amount, micros: 0 });

describe('OutageAllowance', () => {
  it('gives a tenth of a member’s day, however many calls ask at once, and counts what was used in the end', () => {
    const allowance = new OutageAllowance();
    const taken = Array.from({ length: 1_000 }, () => allowance.take(agent('mem_1'), none, tokens(100)));
    const given = taken.filter((one) => one !== undefined);
    expect(given).toHaveLength(10);
    given[0]!.settle(tokens(10));
    expect(allowance.take(agent('mem_1'), none, tokens(90))).toMatchObject({ leaseId: null });
    expect(allowance.take(agent('mem_1'), none, tokens(1))).toBeUndefined();
    expect(allowance.take(agent('mem_2'), none, tokens(1_000))).toBeDefined();
  });

  it('keeps to the tenant’s share too, over all of its members', () => {
    const allowance = new OutageAllowance();
    const tenant = { tokensPerDay: 5_000, costPerDayMicros: null };
    expect(allowance.take(agent('mem_1'), tenant, tokens(300))).toBeDefined();
    expect(allowance.take(agent('mem_2', null), tenant, tokens(300))).toBeUndefined();
    expect(allowance.take(agent('mem_2', null), tenant, tokens(200))).toBeDefined();
  });

  it('holds limits on cost', () => {
    const allowance = new OutageAllowance();
    const costly = { ...agent('mem_1'), limits: { tokensPerDay: null, costPerDayMicros: 1_000 } };
    expect(allowance.take(costly, none, { tokens: 1_000_000, micros: 100 })).toBeDefined();
    expect(allowance.take(costly, none, { tokens: 0, micros: 1 })).toBeUndefined();
  });

  it('begins anew with the day, and a call of yesterday changes nothing of today', () => {
    let day = '2026-11-21';
    const allowance = new OutageAllowance(() => day);
    const late = allowance.take(agent('mem_1'), none, tokens(1_000))!;
    day = '2026-11-22';
    expect(allowance.take(agent('mem_1'), none, tokens(1_000))).toBeDefined();
    late.settle(tokens(0));
    expect(allowance.take(agent('mem_1'), none, tokens(1))).toBeUndefined();
  });
});
