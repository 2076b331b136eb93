import type { QuotaAnswer, QuotaCall, QuotaGrant } from '#libs/contracts';
import { startModelApi, type ModelApi } from '#libs/testing';
import Anthropic, { RateLimitError } from '@anthropic-ai/sdk';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { grantAll } from '../../test/control-plane.fixture.js';
import { agentRoute, credentialOf, id, Stack, until } from '../../test/stack.fixture.js';

const stack = new Stack();
let api: ModelApi;
let n = 0;
let agent: string;

beforeAll(async () => {
  api = await startModelApi();
  await stack.start({ ANTHROPIC_API_KEY: 'k', ANTHROPIC_BASE_URL: api.url });
});
afterAll(async () => {
  await stack.stop();
  await api.close();
});

/** A member of its own for every test: what was leased to one says nothing of the next. */
beforeEach(async () => {
  n += 1;
  stack.control.leases = grantAll;
  stack.control.leaseCalls.length = 0;
  agent = `q${n}`;
  const limits = { tokensPerDay: 10_000, costPerDayMicros: null };
  const upsert = [agentRoute(agent, 'acme', 1, { limits })];
  const from = stack.version;
  stack.version += 1;
  stack.control.send({ type: 'delta', from, version: stack.version, agents: { upsert, remove: [] } });
  const known = `wirebot_proxy_agents ${3 + n}`;
  await until(async () => (await (await fetch(`${stack.url}/metrics`)).text()).includes(known));
});

const messages = [{ role: 'user' as const, content: 'hello' }];
const hello = { model: 'claude-haiku-4-5', max_tokens: 100, messages };
const call = (body: object = hello, more: RequestInit = {}) =>
  fetch(`${stack.brokerUrl}/anthropic/v1/messages`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-api-key': credentialOf(id('agt', agent)),
      'anthropic-version': '1',
    },
    body: JSON.stringify(body),
    ...more,
  });
const asks = () => stack.control.leaseCalls.flatMap((one) => one.asks);
const reserved = Math.ceil(JSON.stringify(hello).length / 3) + 100;

/** Grants what is needed as long as it fits into a limit, and nothing in advance. */
const within = (limit: number) => {
  let left = limit;
  return (quota: QuotaCall): QuotaAnswer => ({
    validSeconds: 300,
    gone: [],
    grants: quota.asks.map((ask): QuotaGrant => {
      const least = ask.atLeast.tokens;
      if (least > left) {
        const limitedBy = { scope: 'member', unit: 'tokens', limit, used: limit - left, leased: 0 } as const;
        return {
          leaseId: ask.leaseId,
          status: 'refused',
          granted: ask.granted,
          scarce: true,
          refusal: 'exhausted',
          limitedBy,
        };
      }
      const part = Math.min(left, ask.need.tokens);
      left -= part;
      const granted = { tokens: ask.granted.tokens + part, micros: ask.granted.micros + ask.need.micros };
      return { leaseId: ask.leaseId, status: 'granted', granted, scarce: true, refusal: null, limitedBy: null };
    }),
  });
};

describe('quota', () => {
  it('is asked for once and then spent without asking; nobody asks for members without limits', async () => {
    for (let i = 0; i < 5; i += 1) expect((await call()).status).toBe(200);
    const needs = asks().map((ask) => ask.need.tokens);
    expect(needs[0]).toBe(reserved);
    expect(needs.slice(1).every((need) => need === 0)).toBe(true);
    const before = stack.control.leaseCalls.length;
    agent = 'a';
    expect((await call()).status).toBe(200);
    expect(stack.control.leaseCalls).toHaveLength(before);
  });

  it('passes bodies on byte for byte, small ones and those too large to look into', async () => {
    for (const size of [10, 200_000, 1_300_000]) {
      const content = randomBytes(size).toString('hex').slice(0, size);
      const body = { ...hello, messages: [{ role: 'user', content }] };
      expect((await call(body)).status).toBe(200);
      expect(api.requests.at(-1)!.lastUserText).toBe(content);
    }
    const chunked = new ReadableStream({
      start(controller) {
        for (const part of JSON.stringify(hello).match(/.{1,7}/g)!) controller.enqueue(Buffer.from(part));
        controller.close();
      },
    });
    const answer = await call(hello, { body: chunked, duplex: 'half' } as RequestInit);
    expect([answer.status, api.requests.at(-1)!.body]).toEqual([200, hello]);
  });

  it('lets pass exactly as many parallel calls as fit, and those once more that come back', async () => {
    stack.control.leases = within(reserved * 3 + 20);
    api.enqueue(...Array.from({ length: 3 }, () => ({ text: 'x'.repeat(400), firstTokenDelayMs: 150 })));
    const statuses = await Promise.all(Array.from({ length: 8 }, async () => (await call()).status));
    expect(statuses.toSorted()).toEqual([200, 200, 200, 429, 429, 429, 429, 429]);
    // Each took some 15 of input and 100 of output: three times what the input was estimated too high fits nothing more.
    expect((await call()).status).toBe(429);
    expect((await call({ ...hello, max_tokens: 1 })).status).toBe(200);
  });

  it('that is exhausted is a 429 in the format of the provider, until midnight, and is not retried by the SDK', async () => {
    stack.control.leases = within(10);
    const before = api.requests.length;
    const client = new Anthropic({
      apiKey: credentialOf(id('agt', agent)),
      baseURL: `${stack.brokerUrl}/anthropic`,
      maxRetries: 3,
    });
    const error = await client.messages.create(hello).catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(RateLimitError);
    expect(asks()).toHaveLength(1);
    const answer = await call();
    expect(await answer.json()).toEqual({
      type: 'error',
      error: { type: 'rate_limit_error', message: expect.stringMatching(/^quota-exhausted: /) },
    });
    const retry = Number(answer.headers.get('retry-after'));
    const midnight = 86_400 - (Math.floor(Date.now() / 1000) % 86_400);
    expect(Math.abs(retry - midnight)).toBeLessThan(10);
    expect(answer.headers.get('x-should-retry')).toBe('false');
    expect(answer.headers.get('ratelimit-policy')).toBe('"member-tokens";q=10;w=86400');
    expect(answer.headers.get('ratelimit')).toBe(`"member-tokens";r=10;t=${retry}`);
    expect(api.requests).toHaveLength(before);
    // A member that goes on asking costs the control plane nothing, and is noted.
    expect(asks()).toHaveLength(1);
    const probe = { tenantId: id('ten', 'acme'), memberId: id('mem', agent), kind: 'quota-probe' };
    stack.control.leases = grantAll;
    await until(() => stack.control.signals.some((signal) => signal.memberId === probe.memberId), 10_000);
    expect(stack.control.signals).toContainEqual({ ...probe, count: 1 });
  });

  it('is spent as far as it is leased while the control plane is away, and then cannot be told', async () => {
    stack.control.leases = within(reserved * 2);
    const both = await Promise.all([call(), call()]);
    expect(both.map((answer) => answer.status)).toEqual([200, 200]);
    stack.control.leases = () => undefined;
    expect((await call({ ...hello, max_tokens: 50 })).status).toBe(200);
    const answer = await call({ ...hello, max_tokens: 1_000 });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await answer.text()).toContain('quota-unavailable: ');
  });

  it('is set aside with the highest output that was asked for, and settled with what was used', async () => {
    stack.control.leases = within(5_000);
    const answer = await call({ ...hello, max_tokens: 4_000 });
    const { usage } = (await answer.json()) as { usage: { input_tokens: number; output_tokens: number } };
    expect(asks()[0]!.need.tokens).toBeGreaterThan(4_000);
    expect((await call({ ...hello, max_tokens: 4_000 })).status).toBe(200);
    await until(() => asks().length > 1);
    expect(asks()[1]!.need.tokens).toBeLessThan(usage.input_tokens + usage.output_tokens + reserved);
  });

  it('of an agent that goes away before the body is whole is not touched', async () => {
    const before = api.requests.length;
    const own = () => stack.control.records.filter((record) => record.memberId === id('mem', agent));
    const gone = request(`${stack.brokerUrl}/anthropic/v1/messages`, {
      method: 'POST',
      agent: false,
      headers: { 'content-length': '1000', 'x-api-key': credentialOf(id('agt', agent)) },
    });
    await new Promise<void>((resolve) => {
      gone.on('error', () => resolve());
      gone.write('{"model":"m",', () => setTimeout(() => gone.destroy(new Error('gone')), 50));
    });
    expect((await call()).status).toBe(200);
    await until(() => own().length > 0);
    expect([api.requests.length, own().length]).toEqual([before + 1, 1]);
  });
});
