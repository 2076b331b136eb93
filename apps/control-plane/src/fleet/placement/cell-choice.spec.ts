import { describe, expect, it } from 'vitest';
import { type Cell, CELL_BOUNDS, chooseCell, type CellWish, overloadOf } from './cell-choice.js';

const now = new Date('2026-11-21T12:00:00Z');
const ago = (milliseconds: number): Date => new Date(now.getTime() - milliseconds);
const load = (eventLoopP99Ms: number, share: number) => ({
  eventLoopP99Ms,
  rssBytes: share * 1_000,
  memoryLimitBytes: 1_000,
});
const cell = (id: string, agents: number, over: Partial<Cell> = {}): Cell => ({
  id,
  agents,
  hostId: 'hst_a',
  load: null,
  loadAt: null,
  ...over,
});
const wish = (over: Partial<CellWish> = {}): CellWish => ({
  size: 10,
  now,
  except: null,
  hostId: null,
  relief: false,
  ...over,
});
const chosen = (cells: Cell[], over?: Partial<CellWish>) => chooseCell(cells, wish(over))?.id;

describe('the choice of a cell', () => {
  it('fills the fullest that has room, and never one beyond its size', () => {
    expect(chosen([cell('a', 2), cell('b', 9), cell('c', 10)])).toBe('b');
    expect(chosen([cell('c', 10)])).toBeUndefined();
  });

  it('takes nobody into a cell whose event loop is late or whose memory runs out', () => {
    const late = cell('late', 5, { load: load(CELL_BOUNDS.eventLoopP99Ms + 1, 0.1), loadAt: now });
    const big = cell('big', 5, { load: load(1, 0.81), loadAt: now });
    const well = cell('well', 1, { load: load(CELL_BOUNDS.eventLoopP99Ms, 0.8), loadAt: now });
    expect(chosen([late, big, well])).toBe('well');
    expect(chosen([late, big])).toBeUndefined();
  });

  it('does not count what it said long ago', () => {
    const late = load(10_000, 0.99);
    expect(overloadOf(late, ago(CELL_BOUNDS.freshMs), now)).toContain('10000 ms');
    expect(overloadOf(late, ago(CELL_BOUNDS.freshMs + 1), now)).toBeUndefined();
    expect(overloadOf(late, null, now)).toBeUndefined();
    expect(chosen([cell('a', 1, { load: late, loadAt: ago(CELL_BOUNDS.freshMs + 1) })])).toBe('a');
  });

  it('says what is too much, in words', () => {
    expect(overloadOf(load(250, 0.1), now, now)).toMatch(/late by 250 ms/);
    expect(overloadOf(load(1, 0.9), now, now)).toMatch(/90 % of its memory/);
  });

  it('leaves a crowded cell for the emptiest other one, on the chosen host when there is one', () => {
    const cells = [cell('here', 1), cell('full', 8), cell('empty', 2), cell('far', 5, { hostId: 'hst_b' })];
    expect(chosen(cells, { except: 'here', relief: true })).toBe('empty');
    expect(chosen(cells, { except: 'here', hostId: 'hst_b' })).toBe('far');
    expect(chosen(cells, { hostId: 'hst_c' })).toBeUndefined();
  });
});
