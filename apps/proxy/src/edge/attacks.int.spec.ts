import { randomBytes } from 'node:crypto';
import { es256, forgedTokens, hs256, malleated, memberClaims } from '#libs/testing';
import { generateSigningKey } from '#libs/tokens';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { id, ISSUER, Stack, tenantRoute, until } from '../../test/stack.fixture.js';

const stack = new Stack();
let forged: [string, string][];
const claims = (over: Record<string, unknown> = {}) => ({
  ...memberClaims(new Date(), { iss: ISSUER, sub: id('mem', 'a'), tid: id('ten', 'acme'), wid: id('wsp', 'a') }),
  ...over,
});
const get = (path: string, headers: Record<string, string>) => fetch(`${stack.url}${path}`, { headers });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const codeOf = async (answer: Response) => [answer.status, ((await answer.json()) as { code: string }).code];

/** The status of the refused handshake, or the code that the open socket was closed with. */
function socketEnd(path: string, protocols: string[], frame?: object): Promise<number> {
  const socket = new WebSocket(`${stack.url.replace('http', 'ws')}${path}`, ['wirebot.v1', ...protocols]);
  if (frame) socket.on('open', () => socket.send(JSON.stringify(frame)));
  return new Promise((resolve, reject) => {
    socket.on('unexpected-response', (_req, res) => resolve(res.statusCode!));
    socket.on('close', resolve);
    socket.on('error', reject);
  });
}

beforeAll(async () => {
  await stack.start();
  forged = forgedTokens(stack.key, await generateSigningKey(), claims());
});
afterAll(() => stack.stop());

describe.each([false, true])('a forged token at the edge, site tokens %s', (accepts) => {
  beforeAll(async () => {
    const route = tenantRoute('acme', { acceptsSharedSecretTokens: accepts });
    stack.change({ tenants: { upsert: [route], remove: [] } });
    stack.tenants = [route, tenantRoute('other')];
    const good = es256(stack.key, { alg: 'ES256', typ: 'wirebot-member+jwt', kid: stack.key.kid }, claims());
    await until(async () => (await get('/t/acme/sessions', bearer(good))).status === 200);
  });

  it('reaches no gateway: as a header, a cookie, a subprotocol or in a connect frame', async () => {
    const before = stack.gateway.requests.length;
    for (const [name, token] of forged) {
      const agent = `/t/acme/a/${id('agt', 'a')}`;
      const statuses = [
        (await get('/t/acme/sessions', bearer(token))).status,
        (await get(`${agent}/sessions`, bearer(token))).status,
        (await get('/t/acme/sessions', { cookie: `wirebot_session=${token}` })).status,
        (await get('/t/acme/auth/me', { cookie: `wirebot_session=${token}` })).status,
        await socketEnd('/t/acme/ws', [`wirebot.bearer.${token}`]),
      ];
      expect([name, ...statuses]).toEqual([name, 401, 401, 401, 401, 401]);
    }
    expect(stack.gateway.requests).toHaveLength(before);
    const seen: string[] = [];
    for (const [name, token] of forged) {
      const ending = socketEnd(`/t/acme/a/${id('agt', 'a')}/ws`, [], { type: 'connect', id: '1', token });
      for (const socket of stack.gateway.sockets) socket.on('message', (data) => seen.push(String(data)));
      expect([name, await ending]).toEqual([name, 4401]);
    }
    expect(seen).toEqual([]);
  });
});

describe('a good token', () => {
  it("of another tenant is nothing at this tenant's host, nor one of another agent at this agent", async () => {
    const foreign = await stack.token('x', 'other');
    expect(await codeOf(await get('/t/acme/sessions', bearer(foreign)))).toEqual([404, 'agent-not-found']);
    const path = `/t/acme/a/${id('agt', 'b')}/sessions`;
    expect(await codeOf(await get(path, bearer(await stack.token('a'))))).toEqual([404, 'agent-not-found']);
    // The claims of one tenant with the workspace of another.
    const iat = Math.floor(Date.now() / 1000) - 60;
    const mixed = await stack.token('a', 'other', { iat });
    expect(await codeOf(await get('/t/acme/sessions', bearer(mixed)))).toEqual([404, 'agent-not-found']);
    expect(await codeOf(await get('/t/other/sessions', bearer(mixed)))).toEqual([404, 'agent-not-found']);
  });

  it('spelled another way dies with the revocation of the first', async () => {
    const token = await stack.token('a', 'acme', { jti: 'spelled' });
    const twin = malleated(token);
    expect([
      (await get('/t/acme/sessions', bearer(token))).status,
      (await get('/t/acme/sessions', bearer(twin))).status,
    ]).toEqual([200, 200]);
    stack.revoke({ tenantId: id('ten', 'acme'), jti: 'spelled', until: new Date(Date.now() + 60_000).toISOString() });
    await until(async () => (await get('/t/acme/sessions', bearer(token))).status === 401);
    expect(await codeOf(await get('/t/acme/sessions', bearer(twin)))).toEqual([401, 'token-revoked']);
  });
});

describe("a membership site's token", () => {
  const secret = randomBytes(32);
  const header = { typ: 'JWT', alg: 'HS256' };
  let n = 0;
  const site = (over: object = {}) => {
    const iat = Math.floor(Date.now() / 1000);
    return hs256(secret, header, { user_id: 'wp-1', iat, exp: iat + 600, n: (n += 1), ...over });
  };
  let asked: { tenantId: string; token: string }[] = [];

  beforeAll(() => {
    stack.control.tokenExchange = async (body) => {
      asked.push(body);
      return { status: 200, body: { token: await stack.token('a', 'acme', { jti: `x-${body.token.slice(-8)}` }) } };
    };
  });

  it('is exchanged once, however many use it at once, and no gateway sees it', async () => {
    asked = [];
    const token = site();
    const answers = await Promise.all(Array.from({ length: 20 }, () => get('/t/acme/chat', bearer(token))));
    const seen = (await Promise.all(answers.map((answer) => answer.json()))) as { headers: Record<string, string> }[];
    expect(asked).toEqual([{ tenantId: id('ten', 'acme'), token }]);
    for (const { headers } of seen) {
      expect(headers['authorization']).toMatch(/^Bearer ey/);
      expect(headers['authorization']).not.toContain(token);
    }
    await get('/t/acme/chat', bearer(token));
    expect(asked).toHaveLength(1);
  });

  it('works as a subprotocol and in a connect frame, which goes on with our token', async () => {
    const socket = new WebSocket(`${stack.url.replace('http', 'ws')}/t/acme/ws`, [
      'wirebot.v1',
      `wirebot.bearer.${site()}`,
    ]);
    await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
    const token = site();
    const messages: string[] = [];
    socket.on('message', (data) => messages.push(String(data)));
    socket.send(JSON.stringify({ type: 'connect', id: '7', token, resume: { session: 's', after: 3 } }));
    await until(() => messages.length === 1);
    const echoed = JSON.parse(messages[0]!) as { token: string };
    expect(echoed).toMatchObject({ type: 'connect', id: '7', resume: { session: 's', after: 3 } });
    expect(echoed.token).not.toBe(token);
    socket.close();
  });

  it('is nothing at a tenant that accepts none, and nobody is asked', async () => {
    asked = [];
    expect(await codeOf(await get('/t/other/sessions', bearer(site())))).toEqual([401, 'token-invalid']);
    expect(asked).toEqual([]);
  });

  it('that says itself that it has ended, or that was refused a moment ago, is not asked about', async () => {
    asked = [];
    const exp = Math.floor(Date.now() / 1000) - 1;
    expect(await codeOf(await get('/t/acme/sessions', bearer(site({ exp }))))).toEqual([401, 'token-expired']);
    expect(asked).toEqual([]);
    const before = stack.control.tokenExchange;
    let count = 0;
    stack.control.tokenExchange = () => ({ status: 401, body: { code: (count += 1) && 'site-token-invalid' } });
    const bad = site();
    for (let i = 0; i < 3; i += 1)
      expect(await codeOf(await get('/t/acme/sessions', bearer(bad)))).toEqual([401, 'token-invalid']);
    expect(count).toBe(1);
    stack.control.tokenExchange = before;
  });

  it.each([
    [401, 'token-revoked', [401, 'token-revoked']],
    [403, 'tenant-suspended', [403, 'tenant-suspended']],
    [404, 'member-not-found', [404, 'agent-not-found']],
    [401, 'proxy-credential-invalid', [503, 'token-exchange-unavailable']],
    [500, 'internal-error', [503, 'token-exchange-unavailable']],
  ])('that the control plane answers %s %s is answered %j', async (status, code, answered) => {
    const before = stack.control.tokenExchange;
    stack.control.tokenExchange = () => ({ status, body: { code } });
    expect(await codeOf(await get('/t/acme/sessions', bearer(site())))).toEqual(answered);
    stack.control.tokenExchange = before;
  });

  it('goes on while the control plane is down when it was exchanged before; a new one is told when to come back', async () => {
    const [known, fresh] = [site(), site()];
    expect((await get('/t/acme/sessions', bearer(known))).status).toBe(200);
    const { port } = stack.control;
    await stack.control.stop();
    expect((await get('/t/acme/sessions', bearer(known))).status).toBe(200);
    const refused = await get('/t/acme/sessions', bearer(fresh));
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await codeOf(refused)).toEqual([503, 'token-exchange-unavailable']);
    await stack.control.restart(port);
    await until(async () => (await get('/t/acme/sessions', bearer(fresh))).status === 200);
  });

  it('dies with the revocation of what it was exchanged for, on open sockets too', async () => {
    const token = site();
    const socket = new WebSocket(`${stack.url.replace('http', 'ws')}/t/acme/ws`, ['wirebot.v1'], {
      headers: bearer(token),
    });
    await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
    const closed = new Promise((resolve) => socket.on('close', resolve));
    asked = [];
    const until60 = new Date(Date.now() + 60_000).toISOString();
    await until(() => stack.control.feeds.size > 0);
    stack.revoke({ tenantId: id('ten', 'acme'), jti: `x-${token.slice(-8)}`, until: until60 });
    expect(await closed).toBe(4401);
    expect(await codeOf(await get('/t/acme/sessions', bearer(token)))).toEqual([401, 'token-revoked']);
    expect(asked).toEqual([]);
  });
});
