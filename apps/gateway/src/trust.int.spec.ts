import { CLOSE, type ChatAnswer, type PolicyView, type SessionView, type TrustMode } from '#libs/contracts';
import { type ModelApi, startModelApi } from '#libs/testing';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ChatClient } from './testing/chat-client.js';
import { createHome, GatewayProcess, giveAgentCredential, removeHomes } from './testing/gateway-process.js';
import { profile, Tenant } from './testing/tenant.js';

type AgentOf = ReturnType<Tenant['agent']>;
type Claims = Parameters<Tenant['token']>[1];

let api: ModelApi;
let tenant: Tenant;
let gateway: GatewayProcess;
let generation = 0;
let agent: AgentOf;

const apply = async (agents: readonly AgentOf[]) => {
  generation += 1;
  const response = await gateway.control('PUT', '/config', tenant.config('gw_trust', api.url, [...agents], generation));
  expect(response.status).toBe(200);
};
/** A fresh agent of that ceiling, alone on the gateway. */
const use = async (ceiling: TrustMode, limits: Parameters<typeof profile>[1] = {}) => {
  agent = tenant.agent(`t${generation + 1}`, { trust: profile(ceiling, limits) });
  giveAgentCredential(gateway.home, agent.agentId, 'x');
  await apply([agent]);
};
const tokenOf = (claims: Claims = {}) => tenant.token(agent, claims);
const call = async (path: string, claims: Claims = {}, body?: object, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}/a/${agent.agentId}${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${await tokenOf(claims)}`, 'content-type': 'application/json', ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
const ask = async (text: string, claims: Claims = {}, session?: string): Promise<ChatAnswer> =>
  (await (await call('/chat', claims, { text, session })).json()) as ChatAnswer;
const policy = async (claims: Claims = {}, session?: string): Promise<PolicyView> =>
  (await (await call(`/policy${session ? `?session=${session}` : ''}`, claims)).json()) as PolicyView;
const sessionsOf = async (claims: Claims = {}): Promise<string[]> => {
  const { items } = (await (await call('/sessions', claims)).json()) as { items: { session: string }[] };
  return items.map((item) => item.session);
};
const codeOf = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code];
const connect = async (claims: Claims = {}, resume?: { session: string; after: number }) =>
  ChatClient.connect(`${gateway.wsUrl}/a/${agent.agentId}/ws`, await tokenOf(claims), resume);
const folder = () => join(gateway.home.stateDir, 'agents', agent.agentId);
const rows = (sql: string): Record<string, unknown>[] => {
  const db = new DatabaseSync(join(folder(), 'agent.db'), { readOnly: true });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
};
const lastPrompt = (): string => JSON.stringify(api.requests.at(-1)!.body['system']);

beforeAll(async () => {
  [api, tenant] = await Promise.all([startModelApi(), Tenant.create()]);
  gateway = await GatewayProcess.start(createHome('gw_trust'));
});
beforeEach(() => use(2));
afterAll(async () => {
  await gateway.end('SIGKILL');
  await api.close();
  removeHomes();
});

describe('the mode of a request', () => {
  it.each([
    [{ trust_mode_max: 3 }, 2],
    [{ trust_mode_max: 1 }, 1],
    [{ surfaces: ['discord'] }, 1],
    [{ surfaces: ['discord:private'] }, 2],
    [{ surfaces: ['web', 'discord'] }, 1],
    [{ surfaces: ['web:public'] }, 0],
  ] as [Claims, number][])('for %j on an agent of ceiling 2 is %i', async (claims, mode) => {
    expect((await policy(claims)).trustMode).toBe(mode);
    const client = await connect(claims);
    expect(client.of('connected')[0]!.trustMode).toBe(mode);
    client.close();
  });

  it.each([
    [[], 'surface_not_in_tier'],
    [['voice'], 'surface_not_in_tier'],
    [['web', 'voice'], 'surface_not_in_tier'],
    [['fax'], 'surface_not_in_tier'],
    [['web:own'], 'surface_not_in_tier'],
  ])('from %j is refused on every path', async (surfaces, reason) => {
    for (const path of ['/policy', '/sessions', '/session/s1']) {
      const answer = await call(path, { surfaces });
      const problem = (await answer.json()) as { status: number; code: string; detail: string };
      expect([problem.status, problem.code]).toEqual([403, 'surface-not-allowed']);
      expect(problem.detail).toContain(reason);
    }
    expect(await codeOf(await call('/chat', { surfaces }, { text: 'hi' }))).toEqual([403, 'surface-not-allowed']);
    const client = await ChatClient.open(`${gateway.wsUrl}/a/${agent.agentId}/ws`, await tokenOf({ surfaces }));
    client.send({ type: 'connect', id: '1' });
    expect(await client.waitFor('error')).toMatchObject({ code: 'surface-not-allowed' });
    expect(await client.waitForClose()).toBe(CLOSE.unauthenticated);
  });

  it('never rises in a session that began lower, however high the next token', async () => {
    const low = await ask('hello', { trust_mode_max: 1 });
    const again = await ask('more', { trust_mode_max: 3 }, low.session);
    expect(again.session).toBe(low.session);
    expect((await policy({ trust_mode_max: 3 }, low.session)).trustMode).toBe(1);
    const client = await connect({ trust_mode_max: 3 }, { session: low.session, after: 0 });
    expect(client.of('connected')[0]!.trustMode).toBe(1);
    client.close();
    const fresh = await ask('new', { trust_mode_max: 3 });
    expect((await policy({ trust_mode_max: 1 }, fresh.session)).trustMode).toBe(1);
    expect((await policy({ trust_mode_max: 3 }, fresh.session)).trustMode).toBe(2);
    expect(rows('SELECT trust_mode FROM tasks ORDER BY n').map((row) => row['trust_mode'])).toEqual([1, 1, 2]);
  });

  it('falls at once for open connections too, when the ceiling does', async () => {
    const client = await connect();
    expect(client.of('connected')[0]!.trustMode).toBe(2);
    await apply([{ ...agent, trust: profile(1) }]);
    await client.waitFor('draining');
    expect(await client.waitForClose()).toBe(CLOSE.goingAway);
    const next = await connect({}, { session: client.session, after: 0 });
    expect(next.of('connected')[0]!.trustMode).toBe(1);
    next.close();
  });

  it('leaves connections alone when a configuration changes something else', async () => {
    const client = await connect();
    await apply([{ ...agent, memberName: 'Somebody' }]);
    client.say('still here', 'k');
    await client.waitFor('done');
    expect(client.of('draining')).toEqual([]);
    client.close();
  });

  it('does not cut an answer that was accepted under the former profile', async () => {
    const answer = call('/chat', {}, { text: '[[words 20]] [[chunk-delay 20]]' });
    await api.waitForRequests(api.requests.length + 1);
    await apply([{ ...agent, trust: profile(1) }]);
    expect((await answer).status).toBe(200);
  });
});

describe('GET /policy', () => {
  const toolsOf = async (claims: Claims) =>
    Object.fromEntries((await policy(claims)).tools.map(({ tool, reason }) => [tool, reason]));

  it('says for every tool and feature whether and why', async () => {
    const view = await policy({ trust_mode_max: 1 });
    expect(view).toMatchObject({ trustMode: 1, surface: 'web', visibility: 'private', ephemeral: false });
    expect(view.features['checklistsAndGoals']).toEqual({ allowed: true, reason: 'allowed' });
    expect(view.features['deepMemory']).toEqual({ allowed: false, reason: 'trust_mode_2_required' });
    expect(await toolsOf({})).toMatchObject({
      'goal.create': 'allowed',
      'web.search': 'allowed',
      'code.execute': 'trust_mode_3_required',
    });
    expect(await toolsOf({ trust_mode_max: 1 })).toMatchObject({
      'goal.create': 'allowed',
      'web.search': 'trust_mode_2_required',
    });
    expect(await toolsOf({ surfaces: ['sms'] })).toMatchObject({
      'goal.create': 'surface_without_checklists_and_goals',
      'calendar.read': 'allowed',
    });
    const open = await policy({ surfaces: ['slack'] });
    expect(open.tools.filter((tool) => tool.allowed)).toEqual([]);
    expect(Object.values(open.features).filter((feature) => feature.allowed)).toEqual([]);
  });

  it('keeps a row of every decision, allowed or not', async () => {
    const { tools } = await policy({ surfaces: ['sms'] });
    const kept = rows('SELECT sender, channel, tool, mode, allowed, reason FROM policy_decisions ORDER BY n');
    expect(kept).toEqual(
      tools.map(({ tool, allowed, reason }) => ({
        sender: agent.memberId,
        channel: 'sms',
        tool,
        mode: 2,
        allowed: allowed ? 1 : 0,
        reason,
      })),
    );
    expect(new Set(kept.map((row) => row['allowed']))).toEqual(new Set([0, 1]));
  });

  it('knows no session of anybody else, and none that is not', async () => {
    const { session } = await ask('mine');
    expect(await codeOf(await call(`/policy?session=${session}`, { sub: 'mem_other' }))).toEqual([
      404,
      'session-not-found',
    ]);
    for (const bad of ['nope', '%2e%2e', 'a&session=b'])
      expect(await codeOf(await call(`/policy?session=${bad}`))).toEqual([404, 'session-not-found']);
    expect(await codeOf(await fetch(`${gateway.url}/a/${agent.agentId}/policy`))).toEqual([401, 'credential-missing']);
  });
});

describe('sessions of a shared workspace', () => {
  const guest = { sub: 'mem_guest' };

  it('are their members’ own: nobody sees, resumes, continues or stops another’s', async () => {
    const mine = await ask('a secret plan');
    expect(await sessionsOf()).toEqual([mine.session]);
    expect(await sessionsOf(guest)).toEqual([]);
    expect(await codeOf(await call(`/session/${mine.session}`, guest))).toEqual([404, 'session-not-found']);
    expect(await codeOf(await call('/chat', guest, { text: 'hi', session: mine.session }))).toEqual([
      404,
      'session-not-found',
    ]);
    const client = await connect(guest);
    client.send({ type: 'abort', id: '9', task: mine.task });
    expect(await client.waitFor('error')).toMatchObject({ code: 'task-not-found' });
    client.send({ type: 'connect', id: 'c', resume: { session: mine.session, after: 1 } });
    expect(await client.waitFor('error', 2)).toMatchObject({ code: 'session-not-found' });
    client.close();
  });

  it('send nobody else’s frames, not even to who follows them from before they were', async () => {
    const session = 'a-name-that-both-know';
    const [listener, owner] = await Promise.all([
      connect(guest, { session, after: 0 }),
      connect({}, { session, after: 0 }),
    ]);
    owner.say('a secret plan', 'k1', session);
    await owner.waitFor('done');
    listener.send({ type: 'heartbeat' });
    await listener.waitFor('heartbeat');
    expect(listener.frames.map((frame) => frame.type)).toEqual(['connected', 'heartbeat']);
    const late = await connect(guest, { session, after: 0 });
    late.send({ type: 'heartbeat' });
    await late.waitFor('heartbeat');
    expect(late.frames.map((frame) => frame.type)).toEqual(['connected', 'heartbeat']);
    for (const client of [listener, owner, late]) client.close();
  });

  it('do not answer to another’s idempotency key', async () => {
    const key = { 'idempotency-key': 'the-same' };
    expect((await call('/chat', {}, { text: 'hi' }, key)).status).toBe(200);
    expect(await codeOf(await call('/chat', guest, { text: 'hi' }, key))).toEqual([409, 'idempotency-key-reused']);
  });

  it('count for their own member only', async () => {
    await use(2, { sessions: 1 });
    const mine = await ask('one');
    expect((await ask('two')).session).toBe(mine.session);
    expect((await ask('guest', guest)).session).not.toBe(mine.session);
  });
});

describe('where strangers read along', () => {
  const open = { surfaces: ['slack'] };

  it('nothing that began in private is seen or continued, and the other way round', async () => {
    const inPrivate = await ask('private words');
    const inPublic = await ask('public words', open);
    expect(await sessionsOf()).toEqual([inPrivate.session]);
    expect(await sessionsOf(open)).toEqual([inPublic.session]);
    expect(await codeOf(await call('/chat', open, { text: 'x', session: inPrivate.session }))).toEqual([
      404,
      'session-not-found',
    ]);
    expect(await codeOf(await call('/chat', {}, { text: 'x', session: inPublic.session }))).toEqual([
      404,
      'session-not-found',
    ]);
    expect(await codeOf(await call(`/session/${inPrivate.session}`, open))).toEqual([404, 'session-not-found']);
  });

  it('the model hears nothing about the member; in a private chat it does', async () => {
    await ask('who am I?', open);
    expect(lastPrompt()).not.toContain(agent.memberName);
    expect(lastPrompt()).not.toContain('Europe/Berlin');
    expect(lastPrompt()).toContain('private chat of Acme Club');
    await ask('who am I?', { surfaces: ['slack:private'] });
    expect(lastPrompt()).toContain(agent.memberName);
  });
});

describe('a demo', () => {
  const demo = { trust_mode_max: 0 as const };
  const everyFile = () => readdirSync(gateway.home.stateDir, { recursive: true, withFileTypes: true });

  it('answers and remembers while it lasts, and leaves nothing on disk', async () => {
    const words = 'a-phrase-that-must-not-be-kept';
    const first = await ask(words, demo);
    const second = await ask('and then?', demo, first.session);
    expect(second.session).toBe(first.session);
    expect(JSON.stringify(api.requests.at(-1)!.body['messages'])).toContain(words);
    expect(lastPrompt()).not.toContain(agent.memberName);
    const view = (await (await call(`/session/${first.session}`, demo)).json()) as SessionView;
    expect(view.messages).toHaveLength(4);
    expect(await policy(demo)).toMatchObject({
      trustMode: 0,
      ephemeral: true,
      limits: { messagesPerHour: 5, sessions: 1 },
    });
    expect(readdirSync(folder())).toEqual([]);
    const files = everyFile().filter((entry) => entry.isFile());
    const kept = files.filter((entry) => readFileSync(join(entry.parentPath, entry.name)).includes(words));
    expect([files.length > 0, kept]).toEqual([true, []]);
    expect(await codeOf(await call(`/session/${first.session}`))).toEqual([404, 'session-not-found']);
  });

  it('streams to a socket and is resumed like any other conversation while it lasts', async () => {
    const client = await connect(demo);
    client.say('hello', 'k');
    const done = await client.waitFor('done');
    const { session } = client;
    client.close();
    const again = await connect(demo, { session, after: 1 });
    expect((await again.waitFor('done')).text).toBe(done.text);
    again.close();
    expect(existsSync(join(folder(), 'agent.db'))).toBe(false);
  });

  it('has its mode’s limits: 5 messages an hour in one session', async () => {
    const answers = [];
    for (let i = 0; i < 6; i += 1) answers.push(await call('/chat', demo, { text: `message ${i}` }));
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200, 429]);
    const sessions = await Promise.all(
      answers.slice(0, 5).map(async (answer) => ((await answer.json()) as ChatAnswer).session),
    );
    expect(new Set(sessions).size).toBe(1);
  });

  it('of strangers is each token’s own', async () => {
    const first = await ask('one', { surfaces: ['web:public'], jti: 'tok_first' });
    const other = { surfaces: ['web:public'], jti: 'tok_second' };
    expect(await sessionsOf(other)).toEqual([]);
    expect(await codeOf(await call(`/session/${first.session}`, other))).toEqual([404, 'session-not-found']);
    expect(await sessionsOf({ surfaces: ['web:public'], jti: 'tok_first' })).toEqual([first.session]);
  });

  it('makes room for the next when there are many', async () => {
    const token = (i: number) => ({ surfaces: ['web:public'], jti: `tok_${i}` });
    for (let i = 0; i < 65; i += 1) await ask('hi', token(i));
    expect(await sessionsOf(token(0))).toEqual([]);
    expect(await sessionsOf(token(64))).toHaveLength(1);
  });
});

describe('limits', () => {
  it('are told with every answer and every refusal, as structured fields', async () => {
    await use(1, { messagesPerHour: 2 });
    const headersOf = (response: Response) =>
      ['ratelimit-policy', 'ratelimit'].map((name) => response.headers.get(name));
    const reset = (text: string | null) => Number(/t=(\d+)$/.exec(text ?? '')?.[1]);
    const first = await call('/chat', {}, { text: 'one' });
    expect(headersOf(first)).toEqual(['"messages";q=2;w=3600', expect.stringMatching(/^"messages";r=1;t=\d+$/)]);
    const streamed = await call('/chat', {}, { text: 'two' }, { accept: 'text/event-stream' });
    expect(headersOf(streamed)[1]).toMatch(/^"messages";r=0;t=\d+$/);
    await streamed.text();
    const refused = await call('/chat', {}, { text: 'three' });
    expect([refused.status, headersOf(refused)[1]]).toEqual([429, expect.stringMatching(/^"messages";r=0;t=\d+$/)]);
    expect(reset(headersOf(refused)[1]!)).toBe(Number(refused.headers.get('retry-after')));
    expect(reset(headersOf(refused)[1]!)).toBeGreaterThan(3_500);
  });

  it('that do not hold are not told', async () => {
    expect((await call('/chat', {}, { text: 'one' })).headers.get('ratelimit')).toBeNull();
  });

  it('of 1,000 messages at once let exactly as many through as there are', async () => {
    await use(1, { messagesPerHour: 50, sessions: 3 });
    const token = await tokenOf();
    const send = (text: string) =>
      fetch(`${gateway.url}/a/${agent.agentId}/chat`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'text/event-stream' },
        body: JSON.stringify({ text }),
      }).then(async (response) => {
        await response.body?.cancel();
        return response.status;
      });
    const statuses = await Promise.all(Array.from({ length: 1_000 }, (_, i) => send(`message ${i}`)));
    const count = (status: number) => statuses.filter((one) => one === status).length;
    expect([count(200), count(429)]).toEqual([50, 950]);
    expect(rows('SELECT count(*) AS tasks FROM tasks')).toEqual([{ tasks: 50 }]);
    expect(rows('SELECT count(*) AS sessions FROM sessions')).toEqual([{ sessions: 3 }]);
  });
});

describe('a state directory of before', () => {
  it('waits for its configuration instead of guessing, and gives sessions to who began them', async () => {
    const home = createHome('gw_trust');
    giveAgentCredential(home, agent.agentId, 'x');
    let older = await GatewayProcess.start(home);
    const config = tenant.config('gw_trust', api.url, [agent]);
    await older.control('PUT', '/config', config);
    await older.end('SIGTERM');
    const stored = JSON.parse(readFileSync(join(home.stateDir, 'gateway.json'), 'utf8')) as typeof config;
    const agents = stored.agents.map(({ trust: _trust, ...rest }) => ({ ...rest, trustModeMax: 2, limits: {} }));
    writeFileSync(join(home.stateDir, 'gateway.json'), JSON.stringify({ ...stored, agents }));
    const db = new DatabaseSync(join(home.stateDir, 'agents', agent.agentId, 'agent.db'));
    db.exec(V1);
    db.close();
    older = await GatewayProcess.start(home);
    expect(((await (await older.control('GET', '/status')).json()) as { state: string }).state).toBe('unconfigured');
    expect((await older.control('PUT', '/config', config)).status).toBe(200);
    const list = async (claims: Claims) => {
      const headers = { authorization: `Bearer ${await tokenOf(claims)}` };
      const answer = await fetch(`${older.url}/a/${agent.agentId}/sessions`, { headers });
      return ((await answer.json()) as { items: { session: string }[] }).items.map((item) => item.session);
    };
    expect(await list({ sub: 'mem_first' })).toEqual(['old']);
    expect(await list({ sub: 'mem_second' })).toEqual([]);
    await older.end('SIGKILL');
  });
});

/** A database as version 1 wrote it: a session that two members had used. */
const V1 = `
  CREATE TABLE sessions (session TEXT PRIMARY KEY, title TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, seq INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
  CREATE TABLE tasks (
    n INTEGER PRIMARY KEY, task TEXT NOT NULL UNIQUE, session TEXT NOT NULL REFERENCES sessions, idempotency_key TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL, member TEXT NOT NULL, trust_mode INTEGER NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    accepted_seq INTEGER NOT NULL, created_at TEXT NOT NULL, finished_at TEXT, model TEXT, input_tokens INTEGER, output_tokens INTEGER,
    cost REAL, error_code TEXT, error_message TEXT, retry_after INTEGER) STRICT;
  CREATE TABLE messages (task TEXT NOT NULL REFERENCES tasks (task), role TEXT NOT NULL, text TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (task, role)) STRICT, WITHOUT ROWID;
  CREATE TABLE frames (session TEXT NOT NULL REFERENCES sessions, seq INTEGER NOT NULL, task TEXT NOT NULL, frame TEXT NOT NULL, PRIMARY KEY (session, seq)) STRICT, WITHOUT ROWID;
  INSERT INTO sessions VALUES ('old', 'Old', '2026-01-01', '2026-01-01', 2);
  INSERT INTO tasks (task, session, idempotency_key, fingerprint, member, trust_mode, status, accepted_seq, created_at)
    VALUES ('t1', 'old', 'k1', 'f', 'mem_first', 1, 'completed', 1, '2026-01-01'), ('t2', 'old', 'k2', 'f', 'mem_second', 1, 'completed', 2, '2026-01-01');
  PRAGMA user_version = 1;
`;
