import type { GatewayStatus } from '#libs/contracts';
import { describe, expect, it } from 'vitest';
import { statusChanges } from './status-record.js';

const NOW = new Date('2026-05-01T12:00:00Z');
const MIB = 1024 * 1024;
const load = (eventLoopP99Ms: number, rssMib: number) => ({
  eventLoopP99Ms,
  rssBytes: rssMib * MIB,
  memoryLimitBytes: 512 * MIB,
});
const status = (over: Partial<GatewayStatus> = {}): GatewayStatus => ({
  gatewayId: 'gw_1',
  state: 'ready',
  generation: 1,
  fence: 1,
  version: '1',
  idleSince: '2026-05-01T11:00:00.000Z',
  busy: [],
  nextJobAt: null,
  load: load(5, 60),
  agents: [],
  ...over,
});
const row = {
  idleSince: new Date('2026-05-01T11:00:00.000Z'),
  nextJobAt: null,
  load: load(5, 60),
  loadAt: new Date('2026-05-01T09:00:00Z'),
};
const changes = (over: Partial<GatewayStatus>) => statusChanges(row, status(over), NOW);

describe('what is written of a status', () => {
  it('is nothing for an idle gateway on which nothing has changed, however long', () => {
    expect(changes({})).toBeUndefined();
    expect(changes({ idleSince: '2026-05-01T11:00:00.999Z', load: load(20, 70) })).toBeUndefined();
  });

  it('is that it became busy, idle again, or has another job', () => {
    expect(changes({ idleSince: null, load: row.load })).toEqual({
      idleSince: null,
      load: row.load,
      loadAt: NOW,
    });
    expect(changes({ idleSince: '2026-05-01T11:00:01.000Z' })).toEqual({
      idleSince: new Date('2026-05-01T11:00:01.000Z'),
    });
    expect(changes({ nextJobAt: '2026-05-01T13:00:00.000Z' })).toEqual({
      nextJobAt: new Date('2026-05-01T13:00:00.000Z'),
    });
  });

  it('is a load that differs by much, and the first one', () => {
    expect(changes({ load: load(5, 76) })).toEqual({ load: load(5, 76), loadAt: NOW });
    expect(changes({ load: load(25, 60) })).toEqual({ load: load(25, 60), loadAt: NOW });
    expect(statusChanges({ ...row, load: null, loadAt: null }, status(), NOW)).toMatchObject({ loadAt: NOW });
  });

  it('is the load of a gateway that works once a minute', () => {
    const working = { ...row, idleSince: null, loadAt: new Date(NOW.getTime() - 59_000) };
    expect(statusChanges(working, status({ idleSince: null }), NOW)).toBeUndefined();
    const later = { ...working, loadAt: new Date(NOW.getTime() - 60_000) };
    expect(statusChanges(later, status({ idleSince: null }), NOW)).toMatchObject({ loadAt: NOW });
  });
});
