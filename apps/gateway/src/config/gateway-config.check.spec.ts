import { describe, expect, it } from 'vitest';
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
  trustModeMax: 0,
  model: { provider: 'offline', name: 'offline', maxOutputTokens: 1 },
  limits: { messagesPerHour: null, sessions: 0 },
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

  it.each([
    [null, ['(body)']],
    [{ ...config, agents: 'x', jwks: {} }, ['jwks.keys', 'agents']],
    [{ ...config, brokerUrl: 'file:///etc' }, ['brokerUrl']],
    [{ ...config, agents: [agent, agent] }, ['agents', 'agents']],
    [{ ...config, agents: [{ ...agent, agentId: '..' }] }, ['agents[0].agentId']],
    [{ ...config, agents: [{ ...agent, model: null, limits: 3 }] }, ['agents[0].model', 'agents[0].limits']],
    [
      { ...config, agents: [{ ...agent, limits: { messagesPerHour: -1, sessions: 1.5 } }] },
      ['agents[0].limits.messagesPerHour', 'agents[0].limits.sessions'],
    ],
  ])('with a fault names the field: case %#', (value, expected) => {
    expect(fields(value)).toEqual(expected);
  });
});
