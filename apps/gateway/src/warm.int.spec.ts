import { type GatewayStatus, PROBLEM_HEADER } from '#libs/contracts';
import { type ModelApi, startModelApi } from '#libs/testing';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWarmHome, GatewayProcess, removeHomes, replaceSecrets } from './testing/gateway-process.js';
import { Tenant } from './testing/tenant.js';

let api: ModelApi;
let tenant: Tenant;
const processes: GatewayProcess[] = [];

beforeAll(async () => {
  [api, tenant] = await Promise.all([startModelApi(), Tenant.create()]);
});
afterAll(async () => {
  await Promise.all(processes.map((gateway) => gateway.end('SIGKILL')));
  await api.close();
  removeHomes();
});

type WarmHome = ReturnType<typeof createWarmHome>;

async function start<T extends WarmHome>(home: T) {
  const gateway = await GatewayProcess.start(home);
  processes.push(gateway);
  const agent = tenant.agent('claimed');
  const config = tenant.config('gw_warm', api.url, [agent], 3, 8);
  const claim = (credential = home.claimCredential) => gateway.control('POST', '/claim', config, credential);
  const status = async (credential: string) => {
    const response = await gateway.control('GET', '/status', undefined, credential);
    return response.status === 200 ? ((await response.json()) as GatewayStatus) : response.status;
  };
  const chat = async () => {
    const response = await fetch(`${gateway.url}/chat`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await tenant.token(agent)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'hello', idempotencyKey: 'k' }),
    });
    return response.status;
  };
  return { home, gateway, agent, config, claim, status, chat };
}

const warm = () => start(createWarmHome('gw_warm'));
const problemOf = async (response: Response) => [response.status, response.headers.get(PROBLEM_HEADER)];

describe('a warm gateway', () => {
  it('knows no tenant, is alive and not ready, and shows its status to who can claim it', async () => {
    const { home, gateway, agent, config, status } = await warm();
    expect(await status(home.claimCredential)).toMatchObject({
      gatewayId: 'gw_warm',
      state: 'warm',
      agents: [],
      fence: 0,
    });
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    const closed = [503, 'gateway-warm'];
    const token = await tenant.token(agent);
    const headers = { authorization: `Bearer ${token}` };
    for (const path of ['/ready', '/sessions', `/a/${agent.agentId}/sessions`]) {
      expect(await problemOf(await fetch(`${gateway.url}${path}`, { headers }))).toEqual(closed);
    }
    const calls: [string, string, unknown?][] = [
      ['PUT', '/config', config],
      ['POST', '/suspend', { fence: 1 }],
      ['POST', '/resume', { fence: 1 }],
      ['GET', '/agents/agt_1/archive'],
      ['DELETE', '/agents/agt_1'],
      ['GET', '/nothing'],
    ];
    for (const [method, path, body] of calls) {
      expect(await problemOf(await gateway.control(method, path, body, home.claimCredential))).toEqual(closed);
      expect(await problemOf(await gateway.control(method, path, body, 'guess'))).toEqual([
        401,
        'control-credential-invalid',
      ]);
    }
    expect(await problemOf(await gateway.control('POST', '/claim', config, 'guess'))).toEqual([
      401,
      'control-credential-invalid',
    ]);
    expect(existsSync(join(home.stateDir, 'gateway.json'))).toBe(false);
  });

  it('is claimed once, by one of many', async () => {
    const { home, claim, chat } = await warm();
    const answers = await Promise.all(Array.from({ length: 5 }, () => claim()));
    const statuses = answers.map((answer) => answer.status).toSorted();
    expect(statuses).toEqual([200, 409, 409, 409, 409]);
    replaceSecrets(home, 'agt_claimed');
    expect(await chat()).toBe(200);
    expect(await problemOf(await claim())).toEqual([409, 'gateway-claimed']);
  });

  it('refuses a wrong configuration and stays warm', async () => {
    const { home, gateway, config, status, claim } = await warm();
    const wrong = [
      { ...config, agents: 'x' },
      { ...config, gatewayId: 'gw_other' },
    ];
    for (const body of wrong) {
      const refused = await gateway.control('POST', '/claim', body, home.claimCredential);
      expect(await problemOf(refused)).toEqual([422, 'config-invalid']);
    }
    expect(await status(home.claimCredential)).toMatchObject({ state: 'warm' });
    expect((await claim()).status).toBe(200);
  });

  it.each(['before', 'after', 'half before'])('takes its secrets %s the claim', async (when) => {
    const { home, claim, status, chat, config, gateway } = await warm();
    if (when === 'before') replaceSecrets(home, 'agt_claimed');
    if (when === 'half before') writeFileSync(join(home.secretsDir, 'control'), home.controlCredential);
    expect((await claim()).status).toBe(200);
    replaceSecrets(home, 'agt_claimed');
    expect(await status(home.controlCredential)).toMatchObject({ state: 'ready', generation: 3, fence: 8 });
    expect(await status(home.claimCredential)).toBe(401);
    expect(await problemOf(await gateway.control('PUT', '/config', config, home.claimCredential))).toEqual([
      401,
      'control-credential-invalid',
    ]);
    expect(await problemOf(await claim())).toEqual([409, 'gateway-claimed']);
    expect(await problemOf(await claim(home.controlCredential))).toEqual([409, 'gateway-claimed']);
    expect(await chat()).toBe(200);
  });

  it('stays claimed after kill -9 and many configurations, with and without its file', async () => {
    const { home, gateway, claim, config } = await warm();
    await claim();
    await gateway.end('SIGKILL');
    const again = await start(home);
    expect(await problemOf(await again.claim())).toEqual([409, 'gateway-claimed']);
    replaceSecrets(home, 'agt_claimed');
    expect((await again.gateway.control('PUT', '/config', { ...config, generation: 4 })).status).toBe(200);
    await again.gateway.end('SIGKILL');
    const third = await start(home);
    expect(await problemOf(await third.claim())).toEqual([409, 'gateway-claimed']);
    expect(await third.status(home.controlCredential)).toMatchObject({ state: 'ready', generation: 4 });
  });

  it('is warm with nothing after a crash before the claim was stored', async () => {
    const { home, gateway } = await warm();
    await gateway.end('SIGKILL');
    mkdirSync(home.stateDir, { recursive: true });
    writeFileSync(join(home.stateDir, 'gateway.json.new'), '{"half":');
    const again = await start(home);
    expect(await again.status(home.claimCredential)).toMatchObject({ state: 'warm', agents: [] });
    expect((await again.claim()).status).toBe(200);
  });

  it('that was started again between its secrets and the claim takes its configuration with the control credential', async () => {
    const { home, gateway } = await warm();
    writeFileSync(join(home.secretsDir, 'control'), home.controlCredential);
    await gateway.end('SIGKILL');
    const half = await start(home);
    expect(await half.status(home.controlCredential)).toMatchObject({ state: 'warm' });
    expect(await problemOf(await half.gateway.control('DELETE', '/agents/agt_1'))).toEqual([503, 'gateway-warm']);
    expect((await half.gateway.control('PUT', '/config', half.config)).status).toBe(200);
    expect(await problemOf(await half.claim())).toEqual([409, 'gateway-claimed']);
    await half.gateway.end('SIGKILL');
    rmSync(join(home.stateDir, 'gateway.json'));
    rmSync(join(home.secretsDir, 'claim'));
    const whole = await start(home);
    expect(await whole.status(home.controlCredential)).toMatchObject({ state: 'unconfigured' });
    expect(await problemOf(await whole.claim(home.controlCredential))).toEqual([409, 'gateway-claimed']);
  });

  it('answers its claim right after a freeze', async () => {
    const { home, gateway, claim, chat } = await warm();
    await gateway.freeze();
    const claimed = claim();
    gateway.thaw();
    expect((await claimed).status).toBe(200);
    replaceSecrets(home, 'agt_claimed');
    expect(await chat()).toBe(200);
  });
});
