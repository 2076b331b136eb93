import { describe, expect, it } from 'vitest';
import { type BalancedCell, type BalanceRules, idlest, planBalance } from './balance-plan.js';

const now = new Date('2026-11-21T12:00:00Z');
const LATE = { load: { eventLoopP99Ms: 900, rssBytes: 1, memoryLimitBytes: 10 }, loadAt: now };
const cell = (id: string, agents: number, over: Partial<BalancedCell> = {}): BalancedCell => ({
  id,
  agents,
  hostId: 'hst_a',
  tenantId: 'ten_a',
  moving: 0,
  load: null,
  loadAt: null,
  ...over,
});
const rules = (over: Partial<BalanceRules> = {}): BalanceRules => ({ size: 10, now, merge: false, ...over });
const plan = (cells: BalancedCell[], over?: Partial<BalanceRules>) =>
  planBalance(cells, rules(over)).map(({ cell: { id }, most, reason }) => [id, most, reason]);
const agent = (agentId: string, activeTasks: number, sockets: number, diskBytes = 0) => ({
  agentId,
  activeTasks,
  sockets,
  diskBytes,
  open: true,
  fault: null,
});

describe('the balance of cells', () => {
  it('gives few of a crowded one away, and never more than half', () => {
    expect(plan([cell('a', 9, LATE), cell('b', 3)])).toEqual([['a', 2, 'overloaded']]);
    expect(plan([cell('a', 3, LATE)])).toEqual([['a', 1, 'overloaded']]);
  });

  it('leaves one alone that is alone, that is well, or where agents come or go already', () => {
    expect(plan([cell('a', 1, LATE), cell('b', 9), cell('c', 9, { ...LATE, moving: 1 })])).toEqual([]);
  });

  it('goes by no load that is old', () => {
    expect(plan([cell('a', 9, { ...LATE, loadAt: new Date(now.getTime() - 3_600_000) })])).toEqual([]);
  });

  it('merges a nearly empty cell into others only when that is wanted, and they have room to spare', () => {
    const cells = [cell('a', 1), cell('b', 5), cell('c', 0)];
    expect(plan(cells)).toEqual([]);
    expect(plan(cells, { merge: true })).toEqual([['a', 2, 'nearly-empty']]);
    expect(plan([cell('a', 2), cell('b', 7)], { merge: true })).toEqual([]);
    expect(plan([cell('a', 3), cell('b', 4)], { merge: true })).toEqual([]);
    expect(plan([cell('a', 1), cell('b', 5, { moving: 1 })], { merge: true })).toEqual([]);
  });

  it('never merges into another tenant’s cell, nor while one is crowded', () => {
    expect(plan([cell('a', 1), cell('b', 5, { tenantId: 'ten_b' })], { merge: true })).toEqual([]);
    expect(plan([cell('a', 1), cell('b', 5, LATE), cell('c', 5)], { merge: true })).toEqual([['b', 2, 'overloaded']]);
  });

  it('chooses whom it disturbs least, and nobody who is being answered', () => {
    const agents = [agent('busy', 1, 0), agent('open', 0, 2), agent('big', 0, 0, 9), agent('small', 0, 0, 1)];
    expect(idlest(agents, 2)).toEqual(['small', 'big']);
    expect(idlest(agents, 9)).toEqual(['small', 'big', 'open']);
  });
});
