import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distinctKinds, placesNow, planPool, type PoolGateway, type WarmWish } from './warm-plan.js';
import type { WarmKind } from './warm-pool.settings.js';

const kind = (memoryMb: number, cpus = 1): WarmKind => ({ memoryMb, cpus, pids: 256 });
const day = (number: number): Date => new Date(Date.UTC(2026, 10, number));
const gateway = (id: string, over: Partial<PoolGateway> = {}): PoolGateway => ({
  id,
  hostId: 'a',
  image: 'new',
  memoryMb: 512,
  phase: 'warm',
  createdAt: day(20),
  ...over,
});
const wish = (over: Partial<WarmWish> = {}): WarmWish => ({
  size: 1,
  maxPerHost: 4,
  image: 'new',
  kinds: [kind(512)],
  hostIds: ['a'],
  notBefore: day(10),
  ...over,
});
const removed = (pool: PoolGateway[], over?: Partial<WarmWish>) =>
  planPool(wish(over), pool).remove.map(({ id, reason }) => `${id}: ${reason}`);
const missing = (pool: PoolGateway[], over?: Partial<WarmWish>) =>
  planPool(wish(over), pool).missing.map(({ hostId, kind: { memoryMb } }) => `${memoryMb}@${hostId}`);

describe('the plan of the pool', () => {
  it('wants one of each kind on every host before a second of any', () => {
    const over = { size: 2, kinds: [kind(512), kind(1_024)], hostIds: ['a', 'b'] };
    expect(missing([], over)).toEqual(['512@a', '512@b', '1024@a', '1024@b', '512@a', '512@b', '1024@a', '1024@b']);
    expect(missing([gateway('x')], over)).toHaveLength(7);
  });

  it('keeps to the most that a host may hold, important kinds first', () => {
    expect(missing([], { size: 5, maxPerHost: 3, kinds: [kind(512), kind(1_024)] })).toEqual([
      '512@a',
      '1024@a',
      '512@a',
    ]);
    expect(missing([], { maxPerHost: 0 })).toEqual([]);
  });

  it('is content with what there is, also while it is being made', () => {
    const plan = planPool(wish(), [gateway('x', { phase: 'starting' })]);
    expect(plan).toEqual({ remove: [], missing: [] });
  });

  it('replaces what has another image, is too old, or lies on a host that takes nothing', () => {
    const pool = [
      gateway('image', { image: 'old' }),
      gateway('age', { createdAt: day(9) }),
      gateway('host', { hostId: 'gone' }),
    ];
    expect(removed(pool)).toEqual(['image: image-changed', 'age: too-old', 'host: host-leaves']);
    expect(missing(pool)).toEqual(['512@a']);
  });

  it('gives up the oldest of too many, and kinds that nobody wants any more', () => {
    const pool = [gateway('old', { createdAt: day(15) }), gateway('new'), gateway('other', { memoryMb: 4_096 })];
    expect(removed(pool).toSorted()).toEqual(['old: too-many', 'other: too-many']);
    expect(removed(pool, { size: 0 })).toHaveLength(3);
  });

  it('takes kinds of the same memory for one', () => {
    expect(distinctKinds([kind(512, 1), kind(1_024), kind(512, 2)])).toEqual([kind(512, 1), kind(1_024)]);
  });

  it('comes to rest: when it is carried out, the next plan is empty', () => {
    const row = fc.record({
      hostId: fc.constantFrom('a', 'b', 'gone'),
      image: fc.constantFrom('new', 'old'),
      memoryMb: fc.constantFrom(512, 1_024),
      createdAt: fc.constantFrom(day(9), day(15), day(20)),
    });
    const wishes = fc.record({ size: fc.nat(4), maxPerHost: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 12 }), wishes, (rows, over) => {
        const wanted = wish({ ...over, kinds: [kind(512), kind(1_024)], hostIds: ['a', 'b'] });
        const pool = rows.map((values, index) => gateway(`g${index}`, values));
        const { remove, missing: lacking } = planPool(wanted, pool);
        const gone = new Set(remove.map(({ id }) => id));
        const made = lacking.map(({ hostId, kind: { memoryMb } }, index) => gateway(`n${index}`, { hostId, memoryMb }));
        const after = [...pool.filter(({ id }) => !gone.has(id)), ...made];
        expect(planPool(wanted, after)).toEqual({ remove: [], missing: [] });
        for (const host of ['a', 'b'])
          expect(after.filter(({ hostId }) => hostId === host).length).toBeLessThanOrEqual(wanted.maxPerHost);
      }),
    );
  });
});

describe('what is made now', () => {
  const places = [
    { hostId: 'a', kind: kind(512) },
    { hostId: 'b', kind: kind(512) },
  ];
  const now = (...rows: (Partial<PoolGateway> & { desiredState?: string })[]): string[] => {
    const pool = rows.map((row, index) => ({ ...gateway(`g${index}`), desiredState: 'running', ...row }));
    return placesNow(places, pool, ['a', 'b']).map(({ hostId }) => hostId);
  };

  it('is everything while all that is there is ready', () => {
    expect(now({})).toEqual(['a', 'b']);
  });

  it('is nothing while another one is being made', () => {
    expect(now({ phase: 'starting' })).toEqual([]);
  });

  it('waits for one that goes on the same host only', () => {
    expect(now({ phase: 'deleting', desiredState: 'deleted' })).toEqual(['b']);
    expect(now({ desiredState: 'deleted' })).toEqual(['b']);
  });

  it('does not wait for hosts that are away', () => {
    expect(now({ hostId: 'gone', phase: 'creating' })).toEqual(['a', 'b']);
    expect(now({ phase: 'lost' })).toEqual(['a', 'b']);
  });
});
