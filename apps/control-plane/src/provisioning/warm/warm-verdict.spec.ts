import { describe, expect, it } from 'vitest';
import type { PoolRow, WarmPool } from './warm-pool.repository.js';
import { defaultWarmPool } from './warm-pool.settings.js';
import type { WarmPoolState } from './warm-pool.state.js';
import { verdictOf } from './warm-verdict.js';

const now = new Date('2026-11-21T12:00:00Z');
const ago = (seconds: number): Date => new Date(now.getTime() - seconds * 1_000);
const row = (over: Partial<PoolRow>): PoolRow => ({
  id: 'gw',
  hostId: 'a',
  image: 'i',
  memoryMb: 512,
  phase: 'starting',
  createdAt: ago(1),
  desiredState: 'running',
  failures: 0,
  ready: undefined,
  ...over,
});
const verdict = (gateways: PoolRow[], state: WarmPoolState = { subject: 'i#1' }) => {
  const pool: WarmPool = { image: 'i', settings: defaultWarmPool(1), version: 1, state, gateways };
  return verdictOf(pool, 120_000, now);
};
const ended = { type: 'Ready', status: false, reason: 'gateway-ended', message: 'It ended.', at: now.toISOString() };

describe('the verdict over the last fills', () => {
  it('leaves everything as it is while they are on their way, and writes nothing', () => {
    const state = { subject: 'i#1' };
    expect(verdict([row({}), row({ phase: 'warm' })], state)).toEqual({ state, broken: [] });
    expect(verdict([row({})], state).state).toBe(state);
  });

  it.each([
    ['failed', { phase: 'failed', ready: ended }, 'gateway-ended'],
    ['was tried again and again', { failures: 3, ready: ended }, 'gateway-ended'],
    ['is not ready for long', { createdAt: ago(121) }, 'warm-start-timeout'],
  ])('finds one broken that %s', (_what, over, reason) => {
    const { state, broken } = verdict([row(over)]);
    expect(broken).toEqual(['gw']);
    expect(state).toMatchObject({ failures: 1, lastFailure: { reason } });
  });

  it('does not blame what nobody wants any more, what is ready, or what is lost with its host', () => {
    const old = { createdAt: ago(9_999), failures: 9 };
    const rows = [{ desiredState: 'deleted' }, { phase: 'warm' }, { phase: 'deleting' }, { phase: 'lost' }];
    expect(verdict(rows.map((over) => row({ ...old, ...over }))).broken).toEqual([]);
  });

  it('forgets failures when a later one is ready, or when image or settings are others', () => {
    const state = { subject: 'i#1', failures: 2, lastFailure: { ...ended, at: ago(60).toISOString() }, stopped: false };
    expect(verdict([row({ phase: 'warm', createdAt: ago(30) })], state).state).toMatchObject({ failures: 0 });
    expect(verdict([row({ phase: 'warm', createdAt: ago(90) })], state).state).toMatchObject({ failures: 2 });
    expect(verdict([], { ...state, subject: 'older#1', stopped: true }).state).toMatchObject({
      subject: 'i#1',
      failures: 0,
      stopped: false,
    });
  });
});
