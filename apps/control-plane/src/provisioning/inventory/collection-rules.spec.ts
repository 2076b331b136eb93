import { describe, expect, it } from 'vitest';
import { isSuspicious, type Stray, verdictOn } from './collection-rules.js';
import type { StrayReason } from './comparison.js';

const NOW = new Date('2026-01-10T00:00:00Z');
const PATIENCE = { sightings: 3, graceMs: 3_600_000, keepMs: 7 * 86_400_000 };
const ago = (milliseconds: number): Date => new Date(NOW.getTime() - milliseconds);
const stray = (reason: StrayReason, changes: Partial<Stray> = {}): Stray => ({
  reason,
  state: 'open',
  sightings: 3,
  firstSeen: ago(60_000),
  quarantinedAt: null,
  settled: true,
  confirmed: false,
  ...changes,
});
const on = (it: Stray, suspicious = false) => verdictOn(it, suspicious, PATIENCE, NOW);

describe('what becomes of something that the rows do not explain', () => {
  it('is nothing until it was seen often enough and no transaction of that time can still explain it', () => {
    expect(on(stray('unknown-gateway', { sightings: 2 }))).toBe('wait');
    expect(on(stray('unknown-gateway', { settled: false }))).toBe('wait');
    expect(on(stray('leftover-gateway', { sightings: 1 }))).toBe('wait');
  });

  it('an unknown gateway is stopped first and goes only after its time of grace', () => {
    expect(on(stray('unknown-gateway'))).toBe('quarantine');
    const stopped = { state: 'quarantined', quarantinedAt: ago(3_599_000) };
    expect(on(stray('unknown-gateway', stopped))).toBe('wait');
    expect(on(stray('unknown-gateway', { ...stopped, quarantinedAt: ago(3_600_000) }))).toBe('collect');
  });

  it.each(['orphan-folder', 'leftover-folder', 'kept-copy-left'] as const)('a %s is kept for days', (reason) => {
    expect(on(stray(reason, { firstSeen: ago(6.9 * 86_400_000) }))).toBe('wait');
    expect(on(stray(reason, { firstSeen: ago(7 * 86_400_000) }))).toBe('collect');
  });

  it('what still runs of a gateway whose deletion is in the rows goes at once', () => {
    expect(on(stray('leftover-gateway'))).toBe('collect');
  });

  it('nothing is touched while the rows are to be doubted, unless a person has confirmed it', () => {
    expect(on(stray('unknown-gateway'), true)).toBe('report');
    expect(on(stray('unknown-gateway', { confirmed: true }), true)).toBe('quarantine');
  });

  it('what a person ignores, and what another host has a row of, is only shown', () => {
    expect(on(stray('leftover-gateway', { state: 'ignored' }))).toBe('report');
    expect(on(stray('gateway-on-other-host', { confirmed: true }))).toBe('report');
  });
});

describe('so much that the rows are to be doubted', () => {
  it.each([
    { strays: 0, total: 0, databaseEmpty: true, suspicious: false },
    { strays: 1, total: 1, databaseEmpty: true, suspicious: true },
    { strays: 500, total: 500, databaseEmpty: true, suspicious: true },
    { strays: 3, total: 4, databaseEmpty: false, suspicious: false },
    { strays: 4, total: 30, databaseEmpty: false, suspicious: true },
    { strays: 50, total: 500, databaseEmpty: false, suspicious: false },
    { strays: 51, total: 500, databaseEmpty: false, suspicious: true },
  ])('$strays of $total, database empty: $databaseEmpty -> $suspicious', ({ suspicious, ...bound }) => {
    expect(isSuspicious(bound)).toBe(suspicious);
  });
});
