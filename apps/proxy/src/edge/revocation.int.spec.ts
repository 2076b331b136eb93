import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Revocation } from '#libs/contracts';
import { generateSigningKey } from '#libs/tokens';
import { id, Stack, tenantRoute, until } from '../../test/stack.fixture.js';

const stack = new Stack();
beforeAll(async () => {
  await stack.start();
  stack.gateway.answer = (req, res) => {
    if (!req.url!.endsWith('/chat')) return void res.end('{}');
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('event: accepted\ndata: {}\n\n');
  };
});
afterAll(() => stack.stop());

const until1h = () => new Date(Date.now() + 3_600_000).toISOString();
const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000).toISOString();
const tenantId = id('ten', 'acme');
let count = 0;
const jtiOf = () => `jti-${(count += 1)}`;
const ofToken = (jti: string): Revocation => ({ tenantId, jti, until: until1h() });

class Client {
  readonly messages: string[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data) => this.messages.push(String(data)));
    this.closed = new Promise((resolve) =>
      socket.on('close', (code, reason) => resolve({ code, reason: String(reason) })),
    );
  }
  static open(path: string, token?: string): Promise<Client> {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${stack.url.replace('http', 'ws')}${path}`, ['wirebot.v1'], { headers });
    const client = new Client(socket);
    return new Promise((resolve, reject) => {
      socket.on('open', () => resolve(client));
      socket.on('unexpected-response', (_req, res) => reject(new Error(String(res.statusCode))));
      socket.on('error', reject);
    });
  }
  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }
  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }
  /** Resolves once everything sent before has come back from the (echoing) gateway. */
  async settled(): Promise<void> {
    const mark = `mark-${(count += 1)}`;
    this.socket.send(mark);
    await until(() => this.messages.includes(mark));
  }
}

/** A chat answer that never ends by itself. */
async function stream(token: string): Promise<{ ended: Promise<string> }> {
  const answer = await fetch(`${stack.url}/t/acme/chat`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{}',
  });
  expect(answer.status).toBe(200);
  const read = async () => {
    try {
      return await answer.text();
    } catch (error) {
      return (error as Error).message;
    }
  };
  return { ended: read() };
}

describe('a revocation', () => {
  it.each([
    ['of a token', (jti: string): Revocation => ofToken(jti)],
    [
      'of its member',
      (): Revocation => ({ tenantId, memberId: id('mem', 'a'), issuedBefore: ago(20), until: until1h() }),
    ],
  ])('%s ends its open socket and its running stream, and leaves the others alone', async (_name, entry) => {
    const jti = jtiOf();
    const iat = Math.floor(Date.now() / 1000) - 30;
    const token = await stack.token('a', 'acme', { jti, iat });
    const neighbour = await stack.token('b', 'acme', { jti: jtiOf(), iat });
    const [mine, theirs] = [await Client.open('/t/acme/ws', token), await Client.open('/t/acme/ws', neighbour)];
    const running = await stream(token);
    stack.revoke(entry(jti));
    expect(await mine.closed).toEqual({ code: 4401, reason: 'token-revoked' });
    expect(JSON.parse(mine.messages.at(-1)!)).toMatchObject({ type: 'error', code: 'token-revoked' });
    expect(await running.ended).toBe('terminated');
    await theirs.settled();
    expect(theirs.isOpen).toBe(true);
    await expect(Client.open('/t/acme/ws', token)).rejects.toThrow('401');
    theirs.socket.terminate();
  });

  it('of a whole tenant ends everything of it and nothing of another', async () => {
    const iat = Math.floor(Date.now() / 1000) - 15;
    const foreign = await Client.open('/t/other/ws', await stack.token('x', 'other', { iat, jti: jtiOf() }));
    const own = await Promise.all(
      ['a', 'b'].map(async (name) => Client.open('/t/acme/ws', await stack.token(name, 'acme', { iat, jti: jtiOf() }))),
    );
    stack.revoke({ tenantId, issuedBefore: ago(10), until: until1h() });
    expect(await Promise.all(own.map((client) => client.closed))).toEqual([
      { code: 4401, reason: 'token-revoked' },
      { code: 4401, reason: 'token-revoked' },
    ]);
    await foreign.settled();
    foreign.socket.terminate();
  });

  it('that arrives while a socket is being opened or a request waits for its answer is not missed', async () => {
    const jti = jtiOf();
    const token = await stack.token('a', 'acme', { jti });
    let arrived = false;
    const before = stack.gateway.answer!;
    stack.gateway.answer = () => void (arrived = true);
    const waiting = fetch(`${stack.url}/t/acme/sessions`, { headers: { authorization: `Bearer ${token}` } });
    await until(() => arrived);
    stack.revoke(ofToken(jti));
    const answer = await waiting;
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([401, 'token-revoked']);
    stack.gateway.answer = before;
  });

  it('stops listening to the client at once: what it sends afterwards reaches no gateway', async () => {
    const jti = jtiOf();
    const client = await Client.open('/t/acme/ws', await stack.token('a', 'acme', { jti }));
    const seen: string[] = [];
    for (const socket of stack.gateway.sockets) socket.on('message', (data) => seen.push(String(data)));
    await client.settled();
    stack.revoke(ofToken(jti));
    await until(() => client.messages.some((message) => message.includes('token-revoked')));
    client.socket.send('too late');
    await client.closed;
    expect(seen).not.toContain('too late');
  });
});

describe('a token in a connect frame', () => {
  const path = `/t/acme/a/${id('agt', 'a')}/ws`;

  it('is judged before the gateway sees it', async () => {
    const jti = jtiOf();
    stack.revoke(ofToken(jti));
    const cases: [string, string, number][] = [
      [await stack.token('a', 'acme', { jti }), 'token-revoked', 4401],
      [await stack.token('a', 'acme', { exp: Math.floor(Date.now() / 1000) - 60 }), 'token-expired', 4401],
      ['nonsense', 'token-invalid', 4401],
      [await stack.token('b'), 'agent-not-found', 4404],
      [await stack.token('x', 'other'), 'agent-not-found', 4404],
    ];
    for (const [token, reason, code] of cases) {
      const client = await Client.open(path);
      const seen: string[] = [];
      for (const socket of stack.gateway.sockets) socket.on('message', (data) => seen.push(String(data)));
      client.send({ type: 'connect', id: '1', token });
      client.send({ type: 'message', id: '2', idempotencyKey: 'k', text: 'behind it' });
      expect(await client.closed).toEqual({ code, reason });
      expect(seen.join()).not.toContain('behind it');
      expect(seen.join()).not.toContain(token);
    }
  });

  it('lets the socket live, in order, until it is revoked', async () => {
    const jti = jtiOf();
    const client = await Client.open(path);
    client.send({ type: 'connect', id: '1', token: await stack.token('a', 'acme', { jti }) });
    for (const n of [1, 2, 3]) client.send({ type: 'message', n });
    await client.settled();
    expect(client.messages.slice(0, 4).map((text) => (JSON.parse(text) as { type: string }).type)).toEqual([
      'connect',
      'message',
      'message',
      'message',
    ]);
    stack.revoke(ofToken(jti));
    expect(await client.closed).toEqual({ code: 4401, reason: 'token-revoked' });
  });

  it('takes over from the token before: a socket outlives the first and ends with the second', async () => {
    const [first, second] = [jtiOf(), jtiOf()];
    const client = await Client.open(path, await stack.token('a', 'acme', { jti: first }));
    client.send({ type: 'connect', id: '1', token: await stack.token('a', 'acme', { jti: second }) });
    await client.settled();
    stack.revoke(ofToken(first));
    await client.settled();
    expect(client.isOpen).toBe(true);
    stack.revoke(ofToken(second));
    expect(await client.closed).toMatchObject({ code: 4401 });
  });

  it("of another member never takes over somebody's socket", async () => {
    const guest = await stack.token('b', 'acme', { wid: id('wsp', 'a') });
    const client = await Client.open(path, await stack.token('a', 'acme', { jti: jtiOf() }));
    client.send({ type: 'connect', id: '1', token: guest });
    expect(await client.closed).toEqual({ code: 4404, reason: 'agent-not-found' });
  });
});

describe('what else ends access', () => {
  it('is noticed on open sockets too: the end of the token', async () => {
    const exp = Math.floor(Date.now() / 1000) - 3;
    const client = await Client.open('/t/acme/ws', await stack.token('a', 'acme', { iat: exp - 5, exp, jti: jtiOf() }));
    expect(await client.closed).toEqual({ code: 4401, reason: 'token-expired' });
  });

  it('a suspended tenant', async () => {
    const client = await Client.open('/t/other/ws', await stack.token('x', 'other', { jti: jtiOf() }));
    stack.change({ tenants: { upsert: [tenantRoute('other', { status: 'suspended' })], remove: [] } });
    expect(await client.closed).toEqual({ code: 4401, reason: 'tenant-suspended' });
    stack.change({ tenants: { upsert: [tenantRoute('other')], remove: [] } });
  });

  it('a key that was withdrawn, and not one that was added', async () => {
    const old = stack.key;
    const fresh = await generateSigningKey();
    const both = { keys: [old, fresh].map((key) => key.publicJwk as Record<string, unknown>) };
    const client = await Client.open('/t/acme/ws', await stack.token('b', 'acme', { jti: jtiOf() }));
    stack.change({ jwks: both });
    await client.settled();
    stack.key = fresh;
    const later = await Client.open('/t/acme/ws', await stack.token('b', 'acme', { jti: jtiOf() }));
    stack.change({ jwks: stack.jwks() });
    expect(await client.closed).toEqual({ code: 4401, reason: 'token-invalid' });
    await later.settled();
    later.socket.terminate();
  });

  it('a sign-out ends the sockets of the cookie', async () => {
    const token = await stack.token('b', 'acme', { jti: jtiOf() });
    const client = await Client.open('/t/acme/ws', token);
    const cookie = `wirebot_session=${token}`;
    await fetch(`${stack.url}/t/acme/auth/sign-out`, { method: 'POST', headers: { cookie, origin: stack.url } });
    expect(await client.closed).toEqual({ code: 4401, reason: 'token-revoked' });
  });

  it('leaves nothing behind but a count', async () => {
    await expect.poll(() => stack.gateway.sockets.size).toBe(0);
    const metrics = await (await fetch(`${stack.url}/metrics`)).text();
    for (const reason of ['token-revoked', 'token-expired', 'token-invalid', 'tenant-suspended'])
      expect(metrics).toMatch(new RegExp(`^wirebot_proxy_access_ended_total\\{reason="${reason}"\\} [1-9]`, 'm'));
  });
});
