import { CLOSE } from '#libs/contracts';
import { forgedTokens, memberClaims, type ModelApi, startModelApi } from '#libs/testing';
import { generateSigningKey, type SigningKey } from '#libs/tokens';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createHome, GatewayProcess, removeHomes } from './testing/gateway-process.js';
import { ISSUER, Tenant } from './testing/tenant.js';

let api: ModelApi;
let key: SigningKey;
let gateway: GatewayProcess;
let forged: [string, string][];
let address = 0;
/** Failed attempts are counted per address: each is made from one of its own. */
const elsewhere = () => ({ 'x-forwarded-for': `198.51.${(address += 1) >> 8}.${address & 255}` });

beforeAll(async () => {
  let stranger: SigningKey;
  [api, key, stranger] = await Promise.all([startModelApi(), generateSigningKey(), generateSigningKey()]);
  const tenant = Tenant.of(key);
  const agent = tenant.agent('a');
  gateway = await GatewayProcess.start(createHome('gw_attacks'));
  await gateway.control('PUT', '/config', tenant.config('gw_attacks', api.url, [agent]));
  const { tenantId: tid, workspaceId: wid, memberId: sub } = agent;
  forged = forgedTokens(key, stranger, memberClaims(new Date(), { iss: ISSUER, tid, wid, sub }));
});
afterAll(async () => {
  await gateway.end('SIGKILL');
  await api.close();
  removeHomes();
});

/** The code that the socket closes with, when the token is brought that way. */
function closeOf(protocols: string[], connect: object): Promise<number> {
  const socket = new WebSocket(`${gateway.wsUrl}/ws`, ['wirebot.v1', ...protocols], { headers: elsewhere() });
  socket.on('open', () => socket.send(JSON.stringify({ type: 'connect', id: '1', ...connect })));
  socket.on('message', (data) => {
    if (String(data).includes('"connected"')) socket.close(4000);
  });
  return new Promise((resolve, reject) => socket.on('close', resolve).on('error', reject));
}

describe('a token with nothing wrong about it', () => {
  it('is accepted, so that a refusal of the others has its one reason', async () => {
    const token = await Tenant.of(key).token(Tenant.of(key).agent('a'));
    const answer = await fetch(`${gateway.url}/sessions`, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(200);
    expect(await closeOf([`wirebot.bearer.${token}`], {})).toBe(4000);
  });
});

describe('a forged token', () => {
  it('is refused in the header of a request', async () => {
    for (const [name, token] of forged) {
      const headers = { authorization: `Bearer ${token}`, ...elsewhere() };
      const answer = await fetch(`${gateway.url}/sessions`, { headers });
      expect([name, answer.status]).toEqual([name, 401]);
    }
  });

  it('is refused as a subprotocol and in the connect frame', async () => {
    for (const [name, token] of forged) {
      const codes = [await closeOf([`wirebot.bearer.${token}`], {}), await closeOf([], { token })];
      expect([name, ...codes]).toEqual([name, CLOSE.unauthenticated, CLOSE.unauthenticated]);
    }
  });
});

describe('a connect frame', () => {
  it('of more than 64 KiB is refused, because the proxy looks into none of that size', async () => {
    const token = await Tenant.of(key).token(Tenant.of(key).agent('a'));
    const socket = new WebSocket(`${gateway.wsUrl}/ws`, ['wirebot.v1'], { headers: elsewhere() });
    const frames: { type: string; code?: string }[] = [];
    socket.on('message', (data) => frames.push(JSON.parse(String(data)) as { type: string }));
    await new Promise((resolve) => socket.on('open', resolve));
    socket.send(JSON.stringify({ type: 'connect', id: '1', token }));
    await expect.poll(() => frames.map((frame) => frame.type)).toContain('connected');
    socket.send(JSON.stringify({ type: 'connect', id: '2', token, padding: 'x'.repeat(64 * 1024) }));
    await expect.poll(() => frames.at(-1)).toMatchObject({ type: 'error', code: 'frame-invalid' });
    socket.close();
  });
});
