import { createHmac } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { TokenView } from '#libs/contracts';
import { CHAT_PROTOCOL } from '#libs/contracts';
import { Api } from '../support/api.js';
import { chat, ChatSocket, http } from '../support/chat.js';
import { type Model, startModel } from '../support/model.js';
import { operatorCalls } from '../support/other-tenant.js';
import { parts, TestStack } from '../support/stack.js';

/** What is promised: nothing of a revoked token goes on for longer. */
const BOUND_MS = 5_000;
/** Four times the bound: an answer that ends within it was cut. */
const LONG_ANSWER = '[[words 400]] [[chunk-delay 50]]';

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

function siteToken(secret: string, member: string): string {
  const iat = Math.floor(Date.now() / 1000);
  const input = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ user_id: member, iat, exp: iat + 600 })}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

/** A streamed answer; `ended` is set once nothing more comes. */
async function stream(token: TokenView): Promise<{ ended: boolean; text: string }> {
  const state = { ended: false, text: '' };
  const answer = await fetch(`${token.url}/chat`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token.token}`,
      'content-type': 'application/json',
      accept: 'text/event-stream',
    },
    body: JSON.stringify({ text: LONG_ANSWER }),
  });
  expect(answer.status).toBe(200);
  const read = async () => {
    try {
      for await (const chunk of answer.body!) state.text += Buffer.from(chunk).toString();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // cut off: what is expected
    }
    state.ended = true;
  };
  void read();
  await expect.poll(() => state.text).toContain('event: response');
  return state;
}

/** A socket whose token comes in the connect frame and nowhere else. */
async function bySocketFrame(token: TokenView): Promise<{ code: number | undefined }> {
  const state: { code: number | undefined } = { code: undefined };
  const socket = new WebSocket(token.wsUrl, [CHAT_PROTOCOL]);
  socket.on('close', (code) => (state.code = code));
  const connected = new Promise<void>((resolve, reject) => {
    socket.on('message', (data) => (String(data).includes('"connected"') ? resolve() : undefined));
    socket.on('close', (code) => reject(new Error(`closed with ${code}`)));
    socket.on('error', reject);
  });
  socket.on('open', () => socket.send(JSON.stringify({ type: 'connect', id: '1', token: token.token })));
  await connected;
  return state;
}

describe.skipIf(!parts.redis)('the end of a token', () => {
  let model: Model;
  let stack: TestStack;
  let redis: Redis;
  let api: Api;

  beforeAll(async () => {
    model = await startModel();
    stack = await TestStack.start({ driver: 'process', env: { ...model.env, REDIS_URL: parts.redis! } });
    redis = new Redis(parts.redis!);
    api = new Api(stack.file);
    for (const member of ['ann', 'bob', 'cid', 'dot']) await api.provisioned(member, 'freewire');
  });
  afterAll(async () => {
    await redis.quit();
    await stack.dispose();
    await model.api.close();
  });

  it.each([
    ['its member', 'ann', (): object => ({ member: 'ann' })],
    [
      'itself',
      'cid',
      (token: TokenView): object => {
        const claims = JSON.parse(Buffer.from(token.token.split('.')[1]!, 'base64url').toString()) as { jti: string };
        return { jti: claims.jti };
      },
    ],
  ])(
    'by a revocation of %s reaches open sockets and running answers within the bound, with Redis emptied',
    async (_name, member, body) => {
      const [mine, theirs] = [await api.token(member), await api.token('bob')];
      const [socket, other] = [await ChatSocket.open(mine), await ChatSocket.open(theirs)];
      const framed = await bySocketFrame(mine);
      const answer = await stream(mine);
      await redis.flushall();
      const revoked = api.call('POST', '/v1/tokens/revoke', body(mine));
      await redis.flushall();
      expect((await revoked).status).toBe(204);
      await expect
        .poll(() => [socket.closed?.code, framed.code, answer.ended], { timeout: BOUND_MS })
        .toEqual([4401, 4401, true]);
      expect((await http(mine, 'GET', '/sessions')).status).toBe(401);
      await expect(bySocketFrame(mine)).rejects.toThrow('4401');
      other.message('still here');
      await other.until('done');
      other.close();
      expect((await chat(await api.token(member), 'again')).text).toContain('again');
    },
  );

  it('by the withdrawal of its key reaches everything, and new tokens work at once at the proxy and soon at every gateway', async () => {
    const token = await api.token('ann');
    const socket = await ChatSocket.open(token);
    const { cookie } = await operatorCalls(stack.file);
    const { url } = stack.file.controlPlane;
    const answer = await fetch(`${url}/v1/admin/signing-keys/rotate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: new URL(url).origin, cookie },
      body: JSON.stringify({ immediately: true }),
    });
    expect(answer.status).toBe(200);
    await expect.poll(() => socket.closed?.code, { timeout: BOUND_MS }).toBe(4401);
    expect((await http(token, 'GET', '/sessions')).status).toBe(401);
    const fresh = await api.token('ann');
    await expect.poll(async () => (await http(fresh, 'GET', '/sessions')).status).toBe(200);
  });

  it('that a membership site signed itself comes with the revocation of the member', async () => {
    const { post } = await operatorCalls(stack.file);
    const path = `/v1/admin/tenants/${stack.file.tenant.id}/keys`;
    const scopes = ['tokens:write', 'secrets:write'];
    const { key } = await post<{ key: string }>(path, { name: 'site', scopes });
    const put = await new Api(stack.file, key).call<{ secret: string }>('PUT', '/v1/shared-secret-issuer', {});
    expect(put.status).toBe(200);
    const own = await api.token('dot');
    const token = { ...own, token: siteToken(put.body.secret, 'dot') };
    await expect.poll(async () => (await http(token, 'GET', '/sessions')).status).toBe(200);
    const socket = await ChatSocket.open(token);
    socket.message('hello from the site');
    expect((await socket.until('done')).text).toContain('hello from the site');
    await api.call('POST', '/v1/tokens/revoke', { member: 'dot' });
    await expect.poll(() => socket.closed?.code, { timeout: BOUND_MS }).toBe(4401);
    expect((await http(token, 'GET', '/sessions')).status).toBe(401);
  });
});
