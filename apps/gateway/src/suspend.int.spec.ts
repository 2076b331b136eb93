import { CHAT_PROTOCOL, type GatewayStatus, PROBLEM_HEADER, type SuspendAnswer } from '#libs/contracts';
import { type ModelApi, startModelApi } from '#libs/testing';
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChatClient } from './testing/chat-client.js';
import { createHome, GatewayProcess, giveAgentCredential, removeHomes } from './testing/gateway-process.js';
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

async function begin(name: string) {
  const home = createHome('gw_sleepy');
  const agent = tenant.agent(name);
  giveAgentCredential(home, agent.agentId, 'x');
  const gateway = await GatewayProcess.start(home);
  processes.push(gateway);
  const config = tenant.config('gw_sleepy', api.url, [agent], 1, 5);
  expect((await gateway.control('PUT', '/config', config)).status).toBe(200);
  const token = await tenant.token(agent);
  const status = async () => (await (await gateway.control('GET', '/status')).json()) as GatewayStatus;
  const suspend = (fence = 5) => gateway.control('POST', '/suspend', { fence });
  const resume = (fence = 5) => gateway.control('POST', '/resume', { fence });
  const chat = (text: string) =>
    fetch(`${gateway.url}/chat`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ text, idempotencyKey: text.replaceAll(' ', '-') }),
    });
  await expect.poll(async () => (await status()).busy).toEqual([]);
  return { home, gateway, agent, config, token, status, suspend, resume, chat };
}

const problemOf = async (response: Response) => [response.status, response.headers.get(PROBLEM_HEADER)];
const busyOf = async (response: Response) => {
  const { code, reasons } = (await response.json()) as { code: string; reasons: string[] };
  return [response.status, code, reasons.toSorted()];
};

/** The answer to an upgrade, as it comes over the wire. */
const upgrade = (gateway: GatewayProcess) =>
  new Promise<{ status: number; code: unknown; retryAfter: unknown }>((resolve, reject) => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.from('0123456789abcdef').toString('base64'),
      'sec-websocket-protocol': CHAT_PROTOCOL,
    };
    const call = request(`${gateway.url}/ws`, { headers });
    call.on('response', (response) => {
      response.resume();
      const { statusCode, headers: got } = response;
      resolve({ status: statusCode!, code: got[PROBLEM_HEADER], retryAfter: got['retry-after'] });
    });
    call.on('upgrade', (_response, socket) => {
      socket.destroy();
      resolve({ status: 101, code: undefined, retryAfter: undefined });
    });
    call.on('error', reject);
    call.end();
  });

describe('a gateway that is asked to sleep', () => {
  it('agrees when it is idle, has closed its databases, and lets nobody in until it is woken', async () => {
    const { home, agent, gateway, status, suspend, resume, chat } = await begin('agrees');
    expect((await chat('hello')).status).toBe(200);
    expect((await status()).agents[0]!.open).toBe(true);
    const answer = await suspend();
    expect([answer.status, (await answer.json()) as SuspendAnswer]).toEqual([
      200,
      { suspended: true, nextJobAt: null },
    ]);
    expect((await status()).state).toBe('suspending');
    expect((await status()).agents[0]!.open).toBe(false);
    expect(readdirSync(join(home.stateDir, 'agents', agent.agentId))).toEqual(['agent.db']);
    expect(await problemOf(await chat('too late'))).toEqual([503, 'gateway-suspending']);
    expect(await upgrade(gateway)).toEqual({ status: 503, code: 'gateway-suspending', retryAfter: '2' });
    expect(await problemOf(await fetch(`${gateway.url}/ready`))).toEqual([503, 'gateway-suspending']);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    const woken = (await (await resume()).json()) as GatewayStatus;
    expect([woken.state, woken.busy]).toEqual(['ready', []]);
    expect((await chat('again')).status).toBe(200);
    expect(api.requests.some(({ lastUserText }) => lastUserText === 'too late')).toBe(false);
  });

  it('refuses while somebody is connected, waits for an answer or has not got all of it, and goes on', async () => {
    const { gateway, token, status, suspend } = await begin('busy');
    const client = await ChatClient.connect(`${gateway.wsUrl}/ws`, token);
    expect(await busyOf(await suspend())).toEqual([409, 'gateway-busy', ['socket']]);
    client.say('[[first-delay 300]]', 'k1');
    await client.waitFor('accepted');
    expect(await busyOf(await suspend())).toEqual([409, 'gateway-busy', ['socket', 'task']]);
    const busy = await status();
    expect([busy.state, busy.idleSince, busy.busy.toSorted()]).toEqual(['ready', null, ['socket', 'task']]);
    client.close();
    await expect.poll(async () => (await status()).busy).toEqual(['task']);
    expect(await busyOf(await suspend())).toEqual([409, 'gateway-busy', ['task']]);
    await expect.poll(async () => (await status()).busy).toEqual([]);
    expect((await status()).idleSince).not.toBeNull();
    expect((await suspend()).status).toBe(200);
  });

  it('either answers a message or refuses it, however close it comes', async () => {
    const { suspend, resume, chat } = await begin('race');
    const outcomes = new Set<string>();
    for (let round = 0; round < 25; round += 1) {
      const texts = ['a', 'b', 'c'].map((name) => `race ${round} ${name}`);
      const [first, agreed, ...rest] = await Promise.all([chat(texts[0]!), suspend(), ...texts.slice(1).map(chat)]);
      for (const [index, response] of [first!, ...rest].entries()) {
        const asked = api.requests.filter(({ lastUserText }) => lastUserText === texts[index]).length;
        expect([response!.status, asked]).toEqual(response!.status === 200 ? [200, 1] : [503, 0]);
      }
      outcomes.add(String(agreed.status));
      await resume();
    }
    expect([...outcomes].every((status) => status === '200' || status === '409')).toBe(true);
  });

  it('is not kept awake by who looks after it, nor by strangers', async () => {
    const { gateway, status } = await begin('probed');
    const { idleSince } = await status();
    for (const path of ['/health', '/ready', '/metrics', '/sessions', '/nothing']) await fetch(`${gateway.url}${path}`);
    const later = await status();
    expect(later.busy).toEqual([]);
    expect(Math.abs(Date.parse(later.idleSince!) - Date.parse(idleSince!))).toBeLessThan(50);
  });

  it('obeys nobody who was overtaken, and takes no configuration for work', async () => {
    const { gateway, config, suspend, resume, status } = await begin('fenced');
    const stale = [409, 'stale-fence'];
    expect(await problemOf(await suspend(4))).toEqual(stale);
    expect(await problemOf(await resume(4))).toEqual(stale);
    expect((await suspend(6)).status).toBe(200);
    expect(await problemOf(await resume(5))).toEqual(stale);
    expect(await problemOf(await gateway.control('PUT', '/config', { ...config, generation: 2 }))).toEqual(stale);
    const newer = { ...config, generation: 2, fence: 6 };
    expect((await gateway.control('PUT', '/config', newer)).status).toBe(200);
    expect((await status()).state).toBe('suspending');
    expect((await resume(7)).status).toBe(200);
    expect((await resume(7)).status).toBe(200);
    for (const body of [{}, { fence: 'x' }, { fence: -1 }, []]) {
      expect(await problemOf(await gateway.control('POST', '/suspend', body))).toEqual([400, 'request-invalid']);
    }
  });

  it('begins what a configuration brought meanwhile when it is awake', async () => {
    const { gateway, home, config, suspend, resume, status } = await begin('first');
    const added = tenant.agent('second');
    giveAgentCredential(home, added.agentId, 'x');
    await suspend();
    const both = { ...config, generation: 2, agents: [...config.agents, added] };
    expect((await gateway.control('PUT', '/config', both)).status).toBe(200);
    expect((await status()).agents.map((agent) => agent.open)).toEqual([false, false]);
    await resume();
    const client = await ChatClient.connect(`${gateway.wsUrl}/ws`, await tenant.token(added));
    client.say('hello', 'k');
    await client.waitFor('done');
    client.close();
  });

  it('may be killed in its sleep: nothing was open', async () => {
    const { home, gateway, suspend, chat } = await begin('killed');
    const first = (await (await chat('hello')).json()) as { task: string };
    await suspend();
    await gateway.freeze();
    await gateway.end('SIGKILL');
    const next = await GatewayProcess.start(home);
    processes.push(next);
    const answer = await fetch(`${next.url}/chat`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await tenant.token(tenant.agent('killed'))}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ text: 'hello', idempotencyKey: 'hello' }),
    });
    expect([answer.status, ((await answer.json()) as { task: string }).task]).toEqual([200, first.task]);
  });
});

describe('a frozen process', () => {
  it('is asleep still when it comes back, and takes work once it is told to', async () => {
    const { gateway, status, suspend, resume, chat } = await begin('frozen');
    await suspend();
    await gateway.freeze();
    const waiting = chat('came while it slept');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    gateway.thaw();
    expect(await problemOf(await waiting)).toEqual([503, 'gateway-suspending']);
    expect((await status()).state).toBe('suspending');
    await resume();
    expect((await chat('came while it slept')).status).toBe(200);
  });

  it('keeps the sockets of clients that wrote while nobody read, and what they said', async () => {
    const { gateway, token } = await begin('sockets');
    const connected = await ChatClient.connect(`${gateway.wsUrl}/ws`, token);
    const late = await ChatClient.open(`${gateway.wsUrl}/ws`, token);
    await gateway.freeze();
    connected.say('said into the freeze', 'k1');
    late.send({ type: 'connect', id: 'c' });
    // Longer than a client has for its `connect`: its timer is due when the process comes back.
    await new Promise((resolve) => setTimeout(resolve, 10_500));
    gateway.thaw();
    const { text } = await connected.waitFor('done');
    expect(text).toContain('said into the freeze');
    await late.waitFor('connected');
    expect([connected.closeCode, late.closeCode]).toEqual([undefined, undefined]);
    connected.close();
    late.close();
  });

  it('does not take the freeze for a load', async () => {
    const { gateway, status, chat } = await begin('load');
    await chat('hello');
    await gateway.freeze();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    gateway.thaw();
    const { load } = await status();
    expect(load.eventLoopP99Ms).toBeLessThan(1_500);
    expect(load.rssBytes).toBeGreaterThan(1e7);
    expect(load.memoryLimitBytes).toBeGreaterThan(1e7);
  });
});
