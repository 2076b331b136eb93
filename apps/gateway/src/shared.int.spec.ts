import { type GatewayConfig, type GatewayStatus, PROBLEM_HEADER } from '#libs/contracts';
import { type ModelApi, startModelApi } from '#libs/testing';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMITS } from './limits.js';
import { ChatClient } from './testing/chat-client.js';
import { createHome, GatewayProcess, giveAgentCredential, removeHomes } from './testing/gateway-process.js';
import { Tenant } from './testing/tenant.js';

type Agent = ReturnType<Tenant['agent']>;

let api: ModelApi;
let tenant: Tenant;
let gateway: GatewayProcess;
let agents: Agent[];
let generation = 0;

beforeAll(async () => {
  [api, tenant] = await Promise.all([startModelApi(), Tenant.create()]);
  const home = createHome('gw_shared');
  agents = Array.from({ length: 20 }, (_, index) => tenant.agent(`n${index}`));
  for (const agent of agents) giveAgentCredential(home, agent.agentId, 'x');
  const broken = join(home.stateDir, 'agents', agents[19]!.agentId);
  mkdirSync(broken, { recursive: true });
  writeFileSync(join(broken, 'agent.db'), 'this is no database '.repeat(100));
  // Where its folder belongs there is a file: it cannot even be made.
  writeFileSync(join(home.stateDir, 'agents', agents[18]!.agentId), '');
  gateway = await GatewayProcess.start(home);
  await apply(agents);
});
afterAll(async () => {
  await gateway.end('SIGKILL');
  await api.close();
  removeHomes();
});

const apply = async (wanted: Agent[], changes: Partial<GatewayConfig> = {}) => {
  const config = { ...tenant.config('gw_shared', api.url, wanted, (generation += 1)), ...changes };
  expect((await gateway.control('PUT', '/config?drainMs=0', config)).status).toBe(200);
};
const status = async () => (await (await gateway.control('GET', '/status')).json()) as GatewayStatus;
const say = async (agent: Agent, text: string, key = text) => {
  const response = await fetch(`${gateway.url}/a/${agent.agentId}/chat`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await tenant.token(agent)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ text, idempotencyKey: key.replaceAll(' ', '-') }),
  });
  return [response.status, response.headers.get(PROBLEM_HEADER)];
};
const connect = async (agent: Agent) => ChatClient.connect(`${gateway.wsUrl}/ws`, await tenant.token(agent));

describe('in a gateway of many', () => {
  it('an agent whose database or folder is broken says so, and all others answer', async () => {
    const answers = await Promise.all(agents.map((agent) => say(agent, 'hello')));
    expect(answers.slice(0, 18)).toEqual(Array.from({ length: 18 }, () => [200, null]));
    expect(answers[19]).toEqual([503, 'state-damaged']);
    expect(answers[18]).toEqual([503, 'state-unreadable']);
    const faults = (await status()).agents.map((agent) => agent.fault !== null);
    expect(faults).toEqual(agents.map((_, index) => index >= 18));
  });

  it('a flood for one agent lets the others in', async () => {
    const [flooded, quiet] = [agents[0]!, agents[1]!];
    const clients = await Promise.all(Array.from({ length: 10 }, () => connect(flooded)));
    for (const [index, client] of clients.entries())
      for (let n = 0; n < 400; n += 1) client.say('[[first-delay 60000]]', `flood-${index}-${n}`);
    await clients[9]!.waitFor('accepted');
    expect(await say(quiet, 'in between')).toEqual([200, null]);
    const handled = clients.reduce((sum, client) => sum + client.of('accepted').length + client.of('error').length, 0);
    expect(handled).toBeLessThan(3_000);
    // The rest of the flood: what is over the limit is refused with a reason, in order.
    const settled = () => clients.every((client) => client.of('accepted').length + client.of('error').length >= 400);
    await expect.poll(settled, { timeout: 50_000 }).toBe(true);
    expect(clients.reduce((sum, client) => sum + client.of('accepted').length, 0)).toBe(LIMITS.openTasks);
    const codes = new Set(clients.flatMap((client) => client.of('error').map((frame) => frame.code)));
    expect([...codes]).toEqual(['agent-overloaded']);
    for (const client of clients) client.close();
    await apply(agents.slice(1));
  });

  it('clients of one agent that do not read are cut before they cost the others memory', async () => {
    const [agent, quiet] = [agents[2]!, agents[3]!];
    const speaker = await connect(agent);
    const readers = await Promise.all(
      Array.from({ length: 12 }, async () =>
        ChatClient.connect(`${gateway.wsUrl}/ws`, await tenant.token(agent), { session: speaker.session, after: 0 }),
      ),
    );
    for (const reader of readers) reader.socket.pause();
    const text = 'x'.repeat(30_000);
    for (let n = 0; n < 120; n += 1) {
      api.enqueue({ text });
      speaker.say(`${n}`, `long-${n}`);
      await speaker.waitFor('done', n + 1);
    }
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(Number(/slow_consumers_total (\d+)/.exec(metrics)![1])).toBeGreaterThan(0);
    expect(await say(quiet, 'still here')).toEqual([200, null]);
    for (const client of [speaker, ...readers]) client.close();
  });
});

describe('the disk of an agent', () => {
  it('ends new messages at its limit, lets running ones end, and deletes nothing', async () => {
    const agent = agents[4]!;
    const full: Agent = { ...agent, diskBytes: 1_000 };
    const others = agents.slice(5, 8);
    const client = await connect(agent);
    client.say('[[first-delay 400]] begun before', 'k1');
    await client.waitFor('accepted');
    await apply([full, ...others]);
    client.say('one too many', 'k2');
    expect((await client.waitFor('error')).code).toBe('disk-quota-reached');
    expect(await say(agent, 'over http')).toEqual([507, 'disk-quota-reached']);
    expect((await client.waitFor('done')).text).toContain('begun before');
    expect(await say(agent, 'hello')).toEqual([200, null]);
    expect(await say(others[0]!, 'not full')).toEqual([200, null]);
    const { diskBytes } = (await status()).agents[0]!;
    expect(diskBytes).toBeGreaterThan(1_000);
    await apply([{ ...full, diskBytes: diskBytes * 2 }, ...others]);
    expect(await say(agent, 'room again')).toEqual([200, null]);
    client.close();
  });
});

describe('a rehearsal', () => {
  it('opens and looks through every database, and neither answers nor runs anything', async () => {
    const [agent, broken] = [agents[9]!, agents[19]!];
    await apply([agent, broken]);
    const client = await connect(agent);
    const asked = () => api.requests.filter(({ lastUserText }) => lastUserText.endsWith('unanswered'));
    client.say('[[first-delay 60000]] unanswered', 'open');
    await expect.poll(asked).toHaveLength(1);
    await apply([]);
    await apply([agent, broken], { rehearsal: true });
    await expect.poll(async () => (await status()).busy).toEqual([]);
    const { state, agents: seen } = await status();
    expect([state, ...seen.map((entry) => entry.fault === null)]).toEqual(['ready', true, false]);
    expect((await fetch(`${gateway.url}/ready`)).status).toBe(200);
    expect(await say(agent, 'nobody answers')).toEqual([503, 'gateway-rehearsing']);
    expect(asked()).toHaveLength(1);
    client.close();
  });
});
