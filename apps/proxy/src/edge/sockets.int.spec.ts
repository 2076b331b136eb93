import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { agentRoute, id, Stack, until } from '../../test/stack.fixture.js';

const stack = new Stack();
beforeAll(() => stack.start());
afterAll(() => stack.stop());

const A = id('agt', 'a');
const B = id('agt', 'b');

interface Opened {
  readonly socket: WebSocket;
  readonly next: () => Promise<Buffer>;
}

/** Resolves with an open socket, or rejects with the status of the refused handshake. */
function open(
  path: string,
  protocols: string[] = ['wirebot.v1'],
  headers: Record<string, string> = {},
): Promise<Opened> {
  const socket = new WebSocket(`${stack.url.replace('http', 'ws')}${path}`, protocols, {
    headers,
    maxPayload: 64 * 1024 * 1024,
  });
  const waiting: ((data: Buffer) => void)[] = [];
  const arrived: Buffer[] = [];
  socket.on('message', (data) => {
    const taker = waiting.shift();
    if (taker) taker(data as Buffer);
    else arrived.push(data as Buffer);
  });
  const next = () =>
    new Promise<Buffer>((resolve) => {
      const first = arrived.shift();
      if (first) resolve(first);
      else waiting.push(resolve);
    });
  return new Promise((resolve, reject) => {
    socket.on('open', () => resolve({ socket, next }));
    socket.on('unexpected-response', (_req, res) => reject(new Error(String(res.statusCode))));
    socket.on('error', reject);
  });
}

const closeCode = (socket: WebSocket) => new Promise<number>((resolve) => socket.on('close', resolve));

describe('sockets', () => {
  it('carry frames both ways', async () => {
    const { socket, next } = await open('/t/acme/ws', ['wirebot.v1'], {
      authorization: `Bearer ${await stack.token('a')}`,
    });
    for (const text of ['one', 'two', 'three']) {
      socket.send(text);
      expect(String(await next())).toBe(text);
    }
    socket.close();
  });

  it('carry a large frame unchanged', async () => {
    const { socket, next } = await open('/t/acme/ws', ['wirebot.v1'], {
      authorization: `Bearer ${await stack.token('a')}`,
    });
    const data = Buffer.from(Uint8Array.from({ length: 8 * 1024 * 1024 }, (_, i) => (i * 31) % 251));
    socket.send(data);
    expect(data.equals(await next())).toBe(true);
    socket.close();
  });

  it('take the token from a subprotocol, and pass it on as a header only', async () => {
    const token = await stack.token('a');
    const { socket } = await open(`/t/acme/a/${A}/ws`, ['wirebot.v1', `wirebot.bearer.${token}`]);
    expect(socket.protocol).toBe('wirebot.v1');
    const seen = stack.gateway.requests.at(-1)!;
    expect(seen.headers).toMatchObject({ authorization: `Bearer ${token}`, 'sec-websocket-protocol': 'wirebot.v1' });
    socket.close();
  });

  it("are let through without a token to one agent's /ws, where the gateway asks for it", async () => {
    const { socket } = await open(`/t/acme/a/${A}/ws`);
    expect(stack.gateway.requests.at(-1)!.headers).not.toHaveProperty('authorization');
    socket.close();
  });

  it.each([
    ['without a token where only the token names the agent', '/t/acme/ws', [] as string[], '401'],
    ['without a token on another path', `/t/acme/a/${A}/socket`, [], '401'],
    ['to an agent of another tenant', `/t/other/a/${A}/ws`, [], '404'],
    ['to nobody', '/ws', [], '404'],
    ['with nonsense as a token', `/t/acme/a/${A}/ws`, ['wirebot.bearer.nonsense'], '401'],
  ])('are refused %s', async (_name, path, protocols, status) => {
    await expect(open(path, ['wirebot.v1', ...protocols])).rejects.toThrow(status);
  });

  it('are refused with a token of another agent', async () => {
    const protocols = ['wirebot.v1', `wirebot.bearer.${await stack.token('a')}`];
    await expect(open(`/t/acme/a/${B}/ws`, protocols)).rejects.toThrow('404');
  });

  it('end on one side when the other side ends', async () => {
    const token = await stack.token('a');
    const first = await open('/t/acme/ws', ['wirebot.v1'], { authorization: `Bearer ${token}` });
    const count = stack.gateway.sockets.size;
    first.socket.terminate();
    await until(() => stack.gateway.sockets.size === count - 1);
    const second = await open('/t/acme/ws', ['wirebot.v1'], { authorization: `Bearer ${token}` });
    const code = closeCode(second.socket);
    for (const socket of stack.gateway.sockets) socket.close(4401, 'no token');
    expect(await code).toBe(4401);
  });

  it('never become a road past the checks: bytes after a refused handshake reach nobody', async () => {
    const before = stack.gateway.requests.length;
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(stack.port, '127.0.0.1');
      let text = '';
      socket.on('data', (chunk) => (text += String(chunk)));
      socket.on('close', () => resolve(text));
      socket.write(
        `GET /t/acme/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n` +
          `GET /a/${A}/session/1 HTTP/1.1\r\nHost: h\r\n\r\n`,
      );
    });
    expect(answer).toMatch(/^HTTP\/1.1 401 /);
    expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1);
    expect(stack.gateway.requests).toHaveLength(before);
  });

  it('pass on a refusal of the gateway and close', async () => {
    stack.gateway.declineUpgrades = 404;
    await expect(open(`/t/acme/a/${A}/ws`)).rejects.toThrow('404');
    stack.gateway.declineUpgrades = undefined;
  });

  it('answers an ordinary request that merely offers another protocol', async () => {
    const answer = await fetch(`${stack.url}/t/acme/a/${A}/health`);
    expect(answer.status).toBe(200);
    const text = await new Promise<string>((resolve) => {
      const socket = connect(stack.port, '127.0.0.1');
      socket.on('data', (chunk) => resolve(String(chunk)));
      socket.write(
        `GET /t/acme/a/${A}/health HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
      );
    });
    expect(text).toMatch(/^HTTP\/1.1 200 /);
  });
});

describe('an agent that answers on another gateway now', () => {
  it('leaves no socket on the former one, which may not have been told, and nobody else’s is touched', async () => {
    const headers = { authorization: `Bearer ${await stack.token('a')}` };
    const moving = await open('/t/acme/ws', ['wirebot.v1'], headers);
    const staying = await open('/t/acme/ws', ['wirebot.v1'], { authorization: `Bearer ${await stack.token('b')}` });
    const code = closeCode(moving.socket);
    const at = agentRoute('a', 'acme', stack.gateway.port);
    stack.change({ agents: { upsert: [{ ...at, state: 'held' }], remove: [] } });
    moving.socket.send('still on its way');
    expect(String(await moving.next())).toBe('still on its way');
    stack.change({ agents: { upsert: [{ ...at, gatewayId: id('gw', 'other') }], remove: [] } });
    expect(await code).toBe(1001);
    staying.socket.send('here');
    expect(String(await staying.next())).toBe('here');
    staying.socket.close();
    const again = await open('/t/acme/ws', ['wirebot.v1'], headers);
    again.socket.send('back');
    expect(String(await again.next())).toBe('back');
    again.socket.close();
    stack.change({ agents: { upsert: [at], remove: [] } });
  });
});

describe('draining', () => {
  it('tells sockets to come back elsewhere with 1001, between two frames, and finishes requests in flight', async () => {
    const own = new Stack();
    await own.start();
    const token = await own.token('a');
    const headers = { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${own.url.replace('http', 'ws')}/t/acme/ws`, ['wirebot.v1'], { headers });
    let whole = 0;
    socket.on('message', (data) => (whole += (data as Buffer).length));
    await new Promise((resolve) => socket.on('open', resolve));
    const size = 512 * 1024;
    const chatter = setInterval(() => socket.readyState === WebSocket.OPEN && socket.send(Buffer.alloc(size)), 5);
    let finish: (() => void) | undefined;
    own.gateway.answer = (_req, res) => {
      res.writeHead(200).write('first ');
      finish = () => res.end('last');
    };
    const answer = await fetch(`${own.url}/t/acme/chat`, { method: 'POST', body: '{}', headers });
    const code = closeCode(socket);
    const stopped = own.proxy.stop();
    // A torn frame would make the client close with 1002 or 1006 instead.
    expect(await code).toBe(1001);
    clearInterval(chatter);
    expect(whole % size).toBe(0);
    await expect(fetch(`${own.url}/health`)).rejects.toThrow('fetch failed');
    finish!();
    expect(await answer.text()).toBe('first last');
    await stopped;
    await own.stop();
  }, 30_000);
});
