import { connect } from 'node:net';
import type { AgentRoute } from '#libs/contracts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { agentRoute, id, Stack, until } from '../../test/stack.fixture.js';
import { LIMITS } from '../proxy.limits.js';

const stack = new Stack();
const B = id('agt', 'b');

/** What the control plane answers a wish with; undefined: nothing, ever. */
let wakes: { agentId: string }[] = [];
let answer: { status: number; body: unknown } | undefined;

const route = (state: AgentRoute['state'], over: Partial<AgentRoute> = {}) =>
  agentRoute('b', 'acme', stack.gateway.port, { state, ...over });
const tell = (...agents: AgentRoute[]) => {
  stack.agents = [
    ...stack.agents.filter((known) => agents.every(({ agentId }) => agentId !== known.agentId)),
    ...agents,
  ];
  stack.change({ agents: { upsert: agents, remove: [] } });
};
const waiting = async (): Promise<number> => {
  const text = await (await fetch(`${stack.url}/metrics`)).text();
  return Number(/^wirebot_proxy_waiting (\d+)$/m.exec(text)![1]);
};
const expectWaiting = (count: number) => expect.poll(waiting).toBe(count);
const call = async (path = `/t/acme/a/${B}/health`, init: RequestInit & { duplex?: 'half' } = {}) => {
  const token = await stack.token('b');
  return fetch(stack.url + path, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } });
};
const problem = async (response: Response) => {
  const { status, code, reason } = (await response.json()) as { status: number; code: string; reason?: string };
  return [status, code, reason, response.headers.get('retry-after')];
};
const send = (text: string) => call('/t/acme/chat', { method: 'POST', body: text });
const open = async (): Promise<WebSocket> => {
  const headers = { authorization: `Bearer ${await stack.token('b')}` };
  return new WebSocket(`${stack.url.replace('http', 'ws')}/t/acme/ws`, ['wirebot.v1'], { headers });
};
/** What a gateway answers that has agreed to sleep. */
const declines = (code = 'gateway-suspending', status = 503) => {
  const bodies: string[] = [];
  stack.gateway.answer = (req, res) => {
    let body = '';
    req.on('data', (chunk) => (body += chunk));
    req.on('close', () => bodies.push(body));
    res.writeHead(status, { 'x-wirebot-problem': code, connection: 'close' }).end('{}');
  };
  return bodies;
};

beforeAll(async () => {
  await stack.start({ WIREBOT_WAKE_WAIT_SECONDS: '2' });
  stack.control.wake = (body) => {
    wakes.push(body);
    return answer;
  };
});
afterAll(() => stack.stop());
beforeEach(() => {
  wakes = [];
  answer = { status: 202, body: { accepted: true, trouble: null } };
  stack.gateway.requests.length = 0;
  stack.gateway.answer = undefined;
  stack.gateway.declineUpgrades = undefined;
});
afterEach(async () => {
  tell(route('live'));
  await expectWaiting(0);
});

it('sends whoever waits elsewhere when the proxy ends', async () => {
  tell(route('asleep'));
  const response = call();
  await expectWaiting(1);
  await stack.proxy.stop();
  expect((await problem(await response)).slice(0, 2)).toEqual([503, 'agent-waking']);
  await stack.startProxy({ WIREBOT_WAKE_WAIT_SECONDS: '2' });
  const again = call();
  await expectWaiting(1);
  tell(route('live'));
  expect((await again).status).toBe(200);
  await until(async () => (await waiting()) === 0);
});

describe('requests for an agent that sleeps', () => {
  it('wait together, wake it once, and are all answered when it is awake', async () => {
    tell(route('asleep'));
    const answers = Array.from({ length: 60 }, (_, n) => send(`message ${n}`));
    await expectWaiting(60);
    await expect.poll(() => wakes.length).toBeGreaterThan(0);
    expect(stack.gateway.requests).toHaveLength(0);
    tell(route('live'));
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses).toEqual(Array(60).fill(200));
    expect(stack.gateway.requests).toHaveLength(60);
    expect(wakes).toEqual([{ agentId: B }]);
  });

  it('carry their bodies, which were not read meanwhile, to the byte', async () => {
    tell(route('asleep'));
    const body = Buffer.alloc(700_000, 'x');
    const response = call('/t/acme/chat', { method: 'POST', body });
    await expectWaiting(1);
    tell(route('live'));
    expect(await (await response).json()).toMatchObject({ bytes: 700_000 });
  });

  it('go where the agent is then, which may be another gateway', async () => {
    tell(route('asleep', { target: { host: '127.0.0.1', port: 1 } }));
    const response = call();
    await expectWaiting(1);
    tell(route('held'));
    tell(route('live'));
    expect((await response).status).toBe(200);
  });

  it('are answered 503 with the reason when it takes too long', async () => {
    answer = { status: 202, body: { accepted: true, trouble: 'engine-unreachable' } };
    tell(route('asleep'));
    expect(await problem(await call())).toEqual([503, 'agent-waking', 'engine-unreachable', '5']);
    await expectWaiting(0);
  });

  it('are held for no agent more often than the limit allows, and free their places when they leave', async () => {
    tell(route('asleep'));
    const leave = new AbortController();
    const most = LIMITS.waitingPerAgent * LIMITS.waitingUnknownShare; // they show no token
    const held = Array.from({ length: most }, () => call(undefined, { signal: leave.signal }));
    const gone = Promise.allSettled(held);
    await expectWaiting(most);
    expect((await problem(await call())).slice(0, 2)).toEqual([503, 'agent-waking']);
    leave.abort();
    await gone;
    await expectWaiting(0);
    const response = call();
    await expectWaiting(1);
    tell(route('live'));
    expect((await response).status).toBe(200);
  });

  it('go nowhere with a token that was revoked meanwhile', async () => {
    tell(route('asleep'));
    const token = await stack.token('b', 'acme', { jti: 'revoked-as-it-waited' });
    const response = call(undefined, { headers: { authorization: `Bearer ${token}` } });
    await expectWaiting(1);
    const until = new Date(Date.now() + 600_000).toISOString();
    stack.revoke({ tenantId: id('ten', 'acme'), jti: 'revoked-as-it-waited', until });
    tell(route('live'));
    expect((await problem(await response)).slice(0, 2)).toEqual([401, 'token-revoked']);
    expect(stack.gateway.requests).toHaveLength(0);
  });

  it('hear at once that the agent is gone', async () => {
    tell(route('asleep'));
    // A token of this instant might be faster than its agent's route.
    const token = await stack.token('b', 'acme', { iat: Math.floor(Date.now() / 1_000) - 60 });
    const response = call(undefined, { headers: { authorization: `Bearer ${token}` } });
    await expectWaiting(1);
    stack.change({ agents: { upsert: [], remove: [B] } });
    expect((await problem(await response)).slice(0, 2)).toEqual([404, 'agent-not-found']);
  });

  it('ask again while the control plane does not answer', async () => {
    answer = { status: 500, body: {} };
    tell(route('asleep'));
    const response = call();
    await expect.poll(() => wakes.length).toBeGreaterThan(1);
    answer = { status: 202, body: { accepted: true, trouble: null } };
    const before = wakes.length;
    await expect.poll(() => wakes.length).toBeGreaterThan(before);
    tell(route('live'));
    expect((await response).status).toBe(200);
  });

  it('are told to come again when nobody serves the agent just now', async () => {
    answer = { status: 404, body: { code: 'agent-not-found' } };
    tell(route('asleep'));
    expect((await problem(await call())).slice(0, 2)).toEqual([503, 'agent-moving']);
  });
});

describe('sockets to an agent that sleeps', () => {
  it('wake it and open when it is awake', async () => {
    tell(route('asleep'));
    const socket = await open();
    await expectWaiting(1);
    await expect.poll(() => wakes).toEqual([{ agentId: B }]);
    tell(route('live'));
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.send('hello');
    expect(String(await new Promise((resolve) => socket.once('message', resolve)))).toBe('hello');
    socket.close();
  });

  it('free their places when they leave', async () => {
    tell(route('asleep'));
    const token = await stack.token('b');
    const raw = connect(stack.port, '127.0.0.1');
    raw.write(
      `GET /t/acme/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    );
    await expectWaiting(1);
    raw.end();
    await expectWaiting(0);
    raw.destroy();
  });

  it('are declined when it takes too long', async () => {
    tell(route('asleep'));
    const socket = await open();
    const status = await new Promise((resolve) =>
      socket.once('unexpected-response', (_request, response) => resolve(response.statusCode)),
    );
    expect(status).toBe(503);
    socket.on('error', () => undefined).terminate();
  });
});

describe('a gateway that falls asleep', () => {
  it('declines what came by an older table: it waits, and is sent again, whole, once', async () => {
    const declined = declines();
    const response = send('not to be lost');
    await expectWaiting(1);
    await expect.poll(() => wakes).toEqual([{ agentId: B }]);
    const said: string[] = [];
    stack.gateway.answer = (req, res) => {
      let body = '';
      req.on('data', (chunk) => (body += chunk));
      req.on('end', () => {
        said.push(body);
        res.end('{"ok":true}');
      });
    };
    tell(route('asleep'));
    tell(route('live'));
    expect(await (await response).json()).toEqual({ ok: true });
    expect(said).toEqual(['not to be lost']);
    expect(declined.every((body) => body === '' || body === 'not to be lost')).toBe(true);
  });

  it('is tried again by itself when it stayed awake after all and nobody says so', async () => {
    declines();
    const response = send('still there?');
    await expectWaiting(1);
    stack.gateway.answer = undefined;
    expect(await (await response).json()).toMatchObject({ bytes: 'still there?'.length });
  });

  it('is sent nothing again of which too much is gone: the client is told to come again', async () => {
    stack.gateway.answer = (req, res) => {
      let bytes = 0;
      req.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > 200_000 && !res.headersSent)
          res.writeHead(503, { 'x-wirebot-problem': 'gateway-suspending' }).end();
      });
    };
    const response = await call('/t/acme/chat', { method: 'POST', body: Buffer.alloc(900_000) });
    expect((await problem(response)).slice(0, 2)).toEqual([503, 'agent-waking']);
  });

  it('is woken for what was on its way to it as it was frozen', async () => {
    stack.gateway.answer = () => undefined;
    const leave = new AbortController();
    const response = call(undefined, { signal: leave.signal });
    await expect.poll(() => stack.gateway.requests.length).toBe(1);
    tell(route('asleep'));
    await expect.poll(() => wakes).toEqual([{ agentId: B }]);
    leave.abort();
    await response.catch(() => undefined);
  });

  it('declines a handshake: it waits and is made again', async () => {
    stack.gateway.declineUpgrades = 503;
    const socket = await open();
    await expectWaiting(1);
    stack.gateway.declineUpgrades = undefined;
    tell(route('asleep'));
    tell(route('live'));
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.close();
  });
});

describe('an agent that moves', () => {
  it('shows no error when the move is short', async () => {
    tell(route('held'));
    const response = send('on the move');
    await expectWaiting(1);
    expect(wakes).toEqual([]);
    tell(route('live'));
    expect((await response).status).toBe(200);
  });

  it('is followed when its old gateway does not have it any more', async () => {
    declines('agent-not-found', 404);
    const response = send('where are you?');
    await expectWaiting(1);
    stack.gateway.answer = undefined;
    tell(route('live', { gatewayId: id('gw', 'two') }));
    expect(await (await response).json()).toMatchObject({ bytes: 'where are you?'.length });
    expect(wakes).toEqual([]);
  });
});
