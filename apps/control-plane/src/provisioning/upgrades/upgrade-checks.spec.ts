import { describe, expect, it } from 'vitest';
import type { GatewayStatus } from '#libs/contracts';
import { endOf, faultyIn, isLooking, newFault } from './upgrade-checks.js';

const agent = (agentId: string, fault: string | null = null, activeTasks = 0) => ({
  agentId,
  fault,
  activeTasks,
  open: false,
  sockets: 0,
  diskBytes: 0,
});

const status = (agents: GatewayStatus['agents'], busy: GatewayStatus['busy'] = []): GatewayStatus => ({
  gatewayId: 'gw_1',
  state: 'ready',
  generation: 1,
  fence: 1,
  version: '1',
  idleSince: null,
  busy,
  nextJobAt: null,
  load: { eventLoopP99Ms: 0, rssBytes: 0, memoryLimitBytes: 0 },
  agents,
});

describe('what an upgrade looks at', () => {
  it('blames the new image for an agent that only it cannot open', () => {
    expect(newFault(status([agent('a'), agent('b', 'the database is malformed')]), ['a'])).toMatchObject({
      code: 'agent-faulty',
      message: expect.stringContaining('agent b: the database is malformed') as string,
    });
  });

  it('does not blame it for one that was broken before', () => {
    const broken = status([agent('a'), agent('b', 'malformed')]);
    expect(newFault(broken, faultyIn(broken))).toBeUndefined();
  });

  it('waits while databases are being opened, and not for tasks that run', () => {
    expect(isLooking(status([agent('a')], ['task']))).toBe(true);
    expect(isLooking(status([agent('a', null, 1)], ['task']))).toBe(false);
    expect(isLooking(status([agent('a')], ['socket']))).toBe(false);
  });

  it('says how a process ended', () => {
    expect(endOf({ status: 'stopped', generation: 1, exitCode: 3, oomKilled: false }).message).toContain('exit code 3');
    expect(endOf({ status: 'stopped', generation: 1, exitCode: 137, oomKilled: true }).message).toContain('memory');
    expect(endOf({ status: 'absent' }).message).toContain('not there');
  });
});
