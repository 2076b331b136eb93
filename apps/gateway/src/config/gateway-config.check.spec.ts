import { describe, expect, it } from 'vitest';
import { profile } from '../testing/tenant.js';
import { checkGatewayConfig } from './gateway-config.check.js';

const agent = {
  agentId: 'agt_1',
  tenantId: 'ten_1',
  workspaceId: 'wsp_1',
  memberId: 'mem_1',
  memberName: 'Ada',
  brand: 'Acme',
  timeZone: 'UTC',
  locale: 'en',
  model: { provider: 'offline', name: 'offline', maxOutputTokens: 1 },
  trust: profile(0),
};
const config = {
  gatewayId: 'gw_1',
  kind: 'shared',
  generation: 0,
  fence: 0,
  issuer: 'i',
  jwks: { keys: [] },
  brokerUrl: null,
  agents: [agent],
};
const OPEN = profile(1).surfaces['discord']!.public!;
const withTrust = (changes: object) => ({ ...config, agents: [{ ...agent, trust: { ...profile(0), ...changes } }] });
const fields = (value: unknown): string[] => {
  try {
    checkGatewayConfig(value);
    return [];
  } catch (error) {
    return (error as { errors: { field: string }[] }).errors.map((entry) => entry.field);
  }
};

describe('a gateway configuration', () => {
  it('is taken when it is right, unknown fields too', () => {
    expect(fields(config)).toEqual([]);
    expect(fields({ ...config, added: { later: true } })).toEqual([]);
  });

  it('may say how much disk an agent may take, or that there is no limit, and whether it is a rehearsal', () => {
    const withDisk = (diskBytes: unknown) => fields({ ...config, agents: [{ ...agent, diskBytes }] });
    expect([withDisk(null), withDisk(5_368_709_120), fields({ ...config, rehearsal: true })]).toEqual([[], [], []]);
    expect([withDisk(-1), withDisk('5 GB')]).toEqual([['agents[0].diskBytes'], ['agents[0].diskBytes']]);
    expect(fields({ ...config, rehearsal: 'yes' })).toEqual(['rehearsal']);
  });

  it.each([
    [null, ['(body)']],
    [{ ...config, agents: 'x', jwks: {} }, ['jwks.keys', 'agents']],
    [{ ...config, brokerUrl: 'file:///etc' }, ['brokerUrl']],
    [{ ...config, agents: [agent, agent] }, ['agents', 'agents']],
    [{ ...config, agents: [{ ...agent, agentId: '..' }] }, ['agents[0].agentId']],
    [{ ...config, agents: [{ ...agent, model: null, trust: 3 }] }, ['agents[0].model', 'agents[0].trust']],
    [
      withTrust({ limits: { ...profile(0).limits, messagesPerHour: -1, sessions: 1.5 } }),
      ['agents[0].trust.limits.messagesPerHour', 'agents[0].trust.limits.sessions'],
    ],
    [withTrust({ runtime: 'other', ceiling: 4 }), ['agents[0].trust.runtime', 'agents[0].trust.ceiling']],
    [withTrust({ surfaces: { fax: {} } }), ['agents[0].trust.surfaces.fax']],
    [withTrust({ surfaces: { web: { secret: OPEN } } }), ['agents[0].trust.surfaces.web.secret']],
    [
      withTrust({ surfaces: { web: { private: { ...OPEN, modeCap: '3', memory: 'all', fullChat: 1 } } } }),
      ['modeCap', 'fullChat', 'memory'].map((name) => `agents[0].trust.surfaces.web.private.${name}`),
    ],
    [
      withTrust({ tools: { 'code.execute': { minimumMode: -1, needs: 'nothing' } } }),
      ['agents[0].trust.tools.code.execute.minimumMode', 'agents[0].trust.tools.code.execute.needs'],
    ],
    [withTrust({ tools: [], surfaces: null }), ['agents[0].trust.surfaces', 'agents[0].trust.tools']],
  ])('with a fault names the field: case %#', (value, expected) => {
    expect(fields(value)).toEqual(expected);
  });
});
