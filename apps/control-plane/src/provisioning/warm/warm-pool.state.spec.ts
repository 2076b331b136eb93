import { describe, expect, it } from 'vitest';
import { afterFailure, afterLostClaim, ANEW, mayTry, type WarmPoolState } from './warm-pool.state.js';

const now = new Date('2026-11-21T12:00:00Z');
const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1_000);
const failure = { reason: 'gateway-ended', message: 'It ended with exit code 1. Its log says why.' };

describe('the pool after failures', () => {
  it('waits longer each time before it tries again', () => {
    const first = afterFailure(ANEW, failure, 5, now);
    expect(first).toMatchObject({ failures: 1, stopped: false, nextTryAt: later(5).toISOString() });
    expect(mayTry(first, later(4))).toBe(false);
    expect(mayTry(first, later(5))).toBe(true);
    expect(afterFailure(first, failure, 5, now)).toMatchObject({ failures: 2, nextTryAt: later(10).toISOString() });
    expect(first.note?.message).toContain('exit code 1');
  });

  it('stops after the last one, and says why and what would change it', () => {
    let state: WarmPoolState = ANEW;
    for (let turn = 0; turn < 3; turn += 1) state = { ...state, ...afterFailure(state, failure, 3, now) };
    expect(state).toMatchObject({ failures: 3, stopped: true, nextTryAt: null, note: { reason: 'too-many-failures' } });
    expect(state.note?.message).toMatch(/3 gateways in a row.*until the image or a setting.*exit code 1/);
    expect(mayTry(state, later(1e6))).toBe(false);
    expect(mayTry({ ...state, ...ANEW }, now)).toBe(true);
  });

  it('goes on for ever, in long pauses, while it is the engine that is away', () => {
    let state: WarmPoolState = ANEW;
    const away = { reason: 'engine-unreachable', message: 'The engine does not answer.' };
    for (let turn = 0; turn < 20; turn += 1) state = { ...state, ...afterFailure(state, away, 3, now) };
    expect(state).toMatchObject({ failures: 20, stopped: false, nextTryAt: later(1_800).toISOString() });
  });
});

describe('the pool after claims that were not answered', () => {
  it('is left alone, longer each time', () => {
    const first = afterLostClaim(ANEW, now);
    expect(first).toEqual({ claimFailures: 1, heldUntil: later(60).toISOString() });
    expect(afterLostClaim(first, now).heldUntil).toBe(later(120).toISOString());
    expect(afterLostClaim({ claimFailures: 50 }, now).heldUntil).toBe(later(3_600).toISOString());
  });
});
