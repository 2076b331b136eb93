import { CLOSE, type GatewayStatus, type SessionView } from '#libs/contracts';
import { type ModelApi, startModelApi } from '#libs/testing';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChatClient } from './testing/chat-client.js';
import {
  createHome,
  GatewayExited,
  type GatewayHome,
  GatewayProcess,
  giveAgentCredential,
  removeHomes,
} from './testing/gateway-process.js';
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

const start = async (home: GatewayHome) => {
  const gateway = await GatewayProcess.start(home);
  processes.push(gateway);
  return gateway;
};

async function begin(name: string) {
  const home = createHome('gw_crash');
  const agent = tenant.agent(name);
  giveAgentCredential(home, agent.agentId, 'x');
  const gateway = await start(home);
  expect((await gateway.control('PUT', '/config', tenant.config('gw_crash', api.url, [agent]))).status).toBe(200);
  const token = await tenant.token(agent);
  const connect = (to: GatewayProcess, resume?: { session: string; after: number }) =>
    ChatClient.connect(`${to.wsUrl}/ws`, token, resume);
  const history = async (from: GatewayProcess, session: string) => {
    const response = await fetch(`${from.url}/session/${session}`, { headers: { authorization: `Bearer ${token}` } });
    return (await response.json()) as SessionView;
  };
  return { home, gateway, agent, token, connect, history };
}

describe('kill -9', () => {
  it('in the middle of an answer: the next process answers once, and a resuming client sees one consistent text', async () => {
    const { home, gateway, connect, history } = await begin('killed');
    const client = await connect(gateway);
    client.say('[[words 60]] [[chunk-delay 30]]', 'k1');
    client.say('and this', 'k2');
    await client.waitFor('response', 5);
    await gateway.end('SIGKILL');
    await client.waitForClose();
    const after = client.seqs().at(-1)!;
    const next = await start(home);
    const resumed = await connect(next, { session: client.session, after });
    await resumed.waitFor('done', 2);
    const [first, second] = resumed.of('done');
    const joined = [...client.seqs(), ...resumed.seqs()];
    expect(joined).toEqual(joined.map((_, index) => index + 1));
    expect(resumed.of('response').filter((frame) => frame.reset)).toHaveLength(1);
    expect(resumed.shown(first!.task)).toBe(first!.text);
    expect(second!.text).toBe('Answer to "and this" (message 3).');
    const view = await history(next, client.session);
    expect(view.messages.map((message) => [message.role, message.status])).toEqual([
      ['user', 'completed'],
      ['assistant', 'completed'],
      ['user', 'completed'],
      ['assistant', 'completed'],
    ]);
    resumed.say('and this', 'k2');
    await resumed.waitFor('done', 3);
    expect(api.requests.filter((request) => request.lastUserText === 'and this')).toHaveLength(1);
  });

  it('right after accepted: the message is answered although nobody asks again', async () => {
    const { home, gateway, connect, history } = await begin('early');
    const client = await connect(gateway);
    client.say('[[first-delay 5000]]', 'k1');
    await client.waitFor('accepted');
    await gateway.end('SIGKILL');
    api.enqueue({ text: 'the second attempt' });
    const next = await start(home);
    await expect.poll(async () => (await history(next, client.session)).messages[1]?.text).toBe('the second attempt');
  });

  it('keeps configuration, sessions and repeated keys', async () => {
    const { home, gateway, connect } = await begin('kept');
    const client = await connect(gateway);
    client.say('hello', 'k1');
    const done = await client.waitFor('done');
    await gateway.end('SIGKILL');
    const next = await start(home);
    const again = await connect(next, { session: client.session, after: 0 });
    again.say('hello', 'k1');
    await again.waitFor('done', 2);
    expect(again.of('done')).toEqual([done, done]);
    expect(api.requests.filter((request) => request.lastUserText === 'hello')).toHaveLength(1);
  });
});

describe('a detach that does not wait', () => {
  it('puts the running answer back, and an attach later begins it again, once', async () => {
    const { gateway, agent, connect, history } = await begin('put-back');
    const client = await connect(gateway);
    client.say('[[words 15]] [[chunk-delay 40]]', 'k1');
    await client.waitFor('response', 3);
    const apply = (generation: number, agents: (typeof agent)[]) =>
      gateway.control('PUT', '/config?drainMs=0', tenant.config('gw_crash', api.url, agents, generation));
    expect((await apply(2, [])).status).toBe(200);
    expect(await client.waitForClose()).toBe(CLOSE.goingAway);
    expect(client.of('error')).toEqual([]);
    await expect.poll(() => api.requests.at(-1)!.aborted).toBe(true);
    expect((await apply(3, [agent])).status).toBe(200);
    const resumed = await connect(gateway, { session: client.session, after: client.seqs().at(-1)! });
    const done = await resumed.waitFor('done');
    expect(resumed.shown(done.task)).toBe(done.text);
    expect((await history(gateway, client.session)).messages.map((message) => message.status)).toEqual([
      'completed',
      'completed',
    ]);
  });
});

describe('SIGTERM', () => {
  it('finishes running answers, refuses new work, says when to come back, and exits 0', async () => {
    const { gateway, connect, token } = await begin('drained');
    const client = await connect(gateway);
    client.say('[[words 20]] [[chunk-delay 40]]', 'k1');
    client.say('waits for the next process', 'k2');
    await client.waitFor('response', 2);
    const ended = gateway.end('SIGTERM');
    expect((await client.waitFor('draining')).reconnectAfterMs).toBeGreaterThan(0);
    const ready = await fetch(`${gateway.url}/ready`);
    expect([ready.status, ((await ready.json()) as { code: string }).code]).toEqual([503, 'gateway-draining']);
    const refused = await fetch(`${gateway.url}/chat`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{"text":"x"}',
    });
    expect(refused.status).toBe(503);
    const done = await client.waitFor('done');
    expect(client.shown(done.task)).toBe(done.text);
    expect(await client.waitForClose()).toBe(CLOSE.goingAway);
    expect(await ended).toBe(0);
    const next = await start(gateway.home);
    const resumed = await connect(next, { session: client.session, after: client.seqs().at(-1)! });
    expect((await resumed.waitFor('done')).text).toBe('Answer to "waits for the next process" (message 3).');
    expect(resumed.of('response').some((frame) => frame.reset)).toBe(false);
  });

  it('ends at once when nothing runs', async () => {
    const { gateway } = await begin('idle');
    const before = performance.now();
    expect(await gateway.end('SIGTERM')).toBe(0);
    expect(performance.now() - before).toBeLessThan(2000);
  });
});

describe('a start', () => {
  const refused = async (home: GatewayHome, environment: Record<string, string> = {}) => {
    const error = await GatewayProcess.start(home, environment).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GatewayExited);
    return error as GatewayExited;
  };

  it('with a missing or wrong variable exits 78 and names it', async () => {
    const error = await refused(createHome('gw_x'), { WIREBOT_PORT: 'abc' });
    expect([error.exitCode, error.logs.at(-1)!['msg']]).toEqual([78, 'WIREBOT_PORT is not a port.']);
    expect((await refused(createHome('gw_x'), { WIREBOT_STATE_DIR: '' })).exitCode).toBe(78);
  });

  it('with a damaged gateway.json exits 78 instead of starting empty', async () => {
    const home = createHome('gw_x');
    mkdirSync(home.stateDir);
    writeFileSync(join(home.stateDir, 'gateway.json'), '{"gatewayId":');
    expect((await refused(home)).exitCode).toBe(78);
  });

  it('with one damaged agent database serves the other agents', async () => {
    const home = createHome('gw_x');
    const [broken, sound] = [tenant.agent('broken'), tenant.agent('sound')];
    for (const agent of [broken, sound]) giveAgentCredential(home, agent.agentId, 'x');
    mkdirSync(join(home.stateDir, 'agents', broken.agentId), { recursive: true });
    writeFileSync(join(home.stateDir, 'agents', broken.agentId, 'agent.db'), 'this is no database '.repeat(100));
    writeFileSync(join(home.stateDir, 'gateway.json'), JSON.stringify(tenant.config('gw_x', api.url, [broken, sound])));
    const gateway = await start(home);
    const client = await ChatClient.connect(`${gateway.wsUrl}/ws`, await tenant.token(sound));
    client.say('hello', 'k');
    await client.waitFor('done');
    client.close();
    const status = (await (await gateway.control('GET', '/status')).json()) as GatewayStatus;
    expect(status.agents.map((agent) => agent.agentId)).toEqual([broken.agentId, sound.agentId]);
    const failing = await fetch(`${gateway.url}/sessions`, {
      headers: { authorization: `Bearer ${await tenant.token(broken)}` },
    });
    expect([failing.status, failing.headers.get('x-wirebot-problem')]).toEqual([503, 'state-damaged']);
    expect(status.agents.map((agent) => agent.fault === null)).toEqual([false, true]);
  });
});
