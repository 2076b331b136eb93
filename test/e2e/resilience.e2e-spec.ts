import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { delay } from '#libs/kernel';
import { Api } from '../support/api.js';
import { chat, ChatSocket, http, session } from '../support/chat.js';
import { killGateway, runningGateways } from '../support/gateways.js';
import { type Model, startModel } from '../support/model.js';
import { operatorKey } from '../support/other-tenant.js';
import { drivers, parts, TestStack } from '../support/stack.js';

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // no such process
  }
}

describe.each(drivers)('what survives on the %s driver', (driver) => {
  let model: Model;
  let stack: TestStack;
  let api: Api;

  beforeAll(async () => {
    model = await startModel();
    stack = await TestStack.start({ driver, env: model.env });
    api = new Api(stack.file);
    await api.provisioned('ann', 'freewire');
    await api.provisioned('sol', 'sovereign');
  });

  afterAll(async () => {
    await stack.dispose();
    await model.api.close();
  });

  it('serves existing routes while the control plane stands still', async () => {
    const token = await api.token('ann');
    process.kill(stack.pid('control-plane'), 'SIGSTOP');
    try {
      for (let i = 0; i < 5; i += 1)
        expect((await chat(token, `without a control plane ${i}`)).text).toContain('without');
    } finally {
      process.kill(stack.pid('control-plane'), 'SIGCONT');
    }
  });

  it('serves existing routes from the proxy’s own copy when it starts without a control plane', async () => {
    const token = await api.token('ann');
    await chat(token, 'warm');
    process.kill(stack.pid('control-plane'), 'SIGSTOP');
    try {
      stack.kill('proxy');
      expect((await chat(token, 'a new proxy')).text).toContain('a new proxy');
    } finally {
      process.kill((await stack.reread()).pids['control-plane']!, 'SIGCONT');
    }
  });

  it.each(['ann', 'sol'])(
    'brings the gateway of %s back after kill -9, and answers what it accepted exactly once',
    async (member) => {
      const token = await api.token(member);
      const socket = await ChatSocket.open(token);
      const idempotencyKey = randomUUID();
      socket.message('long [[words 60]] [[chunk-delay 50]]', { idempotencyKey });
      const accepted = await socket.until('accepted');
      await socket.until('response');
      const gatewayId = (await api.call<{ gateway: { id: string } }>('GET', `/v1/members/${member}`)).body.gateway.id;
      await killGateway(stack, gatewayId);
      socket.close();
      const again = await reopen(token, { session: accepted.session, after: accepted.seq });
      const done = await again.until('done', accepted.task);
      expect(done.text).toContain('word59');
      again.close();
      const view = await session(token, accepted.session);
      expect(
        view.messages.filter((message) => message.task === accepted.task && message.role === 'assistant'),
      ).toHaveLength(1);
      const repeated = await chat(token, 'long [[words 60]] [[chunk-delay 50]]', {
        idempotencyKey,
        session: accepted.session,
      });
      expect(repeated.task).toBe(accepted.task);
      expect((await runningGateways(stack)).filter((id) => id === gatewayId)).toHaveLength(1);
    },
  );

  it('ends the control plane in order while a proxy, an operation’s stream and a console are connected', async () => {
    const { controlPlane, tenant } = await stack.reread();
    const id = `op_stream_${Date.now()}`;
    await stack.database.query(
      `INSERT INTO operations (id, tenant_id, kind, steps, generation, deadline)
       VALUES ($1, $2, 'provision', '[]', 0, now() + interval '1 hour')`,
      [id, tenant.id],
    );
    const authorization = `Bearer ${tenant.apiKey}`;
    const stream = await fetch(`${controlPlane.url}/v1/operations/${id}/events`, { headers: { authorization } });
    const ended = stream.text();
    const operator = await operatorKey(stack.file, ['operations:read'], tenant.id);
    const socket = new WebSocket(`${controlPlane.url.replace('http', 'ws')}/v1/admin/events`, {
      headers: { authorization: `Bearer ${operator.key}` },
    });
    await once(socket, 'open');
    const closed = once(socket, 'close');
    const pid = stack.pid('control-plane');
    process.kill(pid, 'SIGTERM');
    await Promise.all([ended, closed]);
    await expect.poll(() => isRunning(pid), { timeout: 10_000 }).toBe(false);
    await stack.database.query('DELETE FROM operations WHERE id = $1', [id]);
    await expect.poll(async () => (await fetch(`${controlPlane.url}/ready`).catch(() => undefined))?.status).toBe(200);
    await stack.reread();
  });

  it('loses no member, route, session or message when everything is stopped and started', async () => {
    const token = await api.token('sol');
    const said = await chat(token, 'before the restart');
    await stack.down();
    expect(await runningGateways(stack)).toEqual([]);
    const at = Date.now();
    await stack.up();
    api = new Api(stack.file);
    expect(Date.now() - at).toBeLessThan(60_000);
    const view = await sessionWhenBack(token, said.session);
    expect(view.messages.map((message) => message.text)).toContain('before the restart');
    expect((await chat(token, 'after', { session: said.session })).session).toBe(said.session);
    expect((await api.call<{ items: unknown[] }>('GET', '/v1/members')).body.items).toHaveLength(2);
  });

  it('starts again after kill -9 of everything', async () => {
    const token = await api.token('ann');
    const said = await chat(token, 'before the crash');
    await stack.killAll();
    await stack.up();
    api = new Api(stack.file);
    const view = await sessionWhenBack(token, said.session);
    expect(view.messages.map((message) => message.text)).toContain('before the crash');
    const ids = await runningGateways(stack);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(2);
  });

  async function sessionWhenBack(token: Parameters<typeof session>[0], id: string) {
    await expect
      .poll(async () => (await http(token, 'GET', `/session/${id}`).catch(() => ({ status: 0 }))).status, {
        timeout: 30_000,
      })
      .toBe(200);
    return session(token, id);
  }

  async function reopen(
    token: Parameters<typeof session>[0],
    resume: { session: string; after: number },
  ): Promise<ChatSocket> {
    const end = Date.now() + 30_000;
    for (;;) {
      try {
        return await ChatSocket.open(token, resume);
      } catch (error) {
        if (Date.now() > end) throw error;
        await delay(100);
      }
    }
  }
});

describe.skipIf(!parts.redis)('Redis', () => {
  it('may be emptied at any moment: operations finish, members and routes stay', async () => {
    const stack = await TestStack.start({ driver: 'process', env: { REDIS_URL: parts.redis! } });
    const redis = new Redis(parts.redis!);
    try {
      const api = new Api(stack.file);
      const changes = [];
      for (const name of ['a', 'b', 'c', 'd']) {
        changes.push((await api.put(name, name === 'd' ? 'sovereign' : 'freewire')).body.operation!);
        await redis.flushall();
      }
      for (const change of changes) expect(await api.finished(change.id)).toMatchObject({ status: 'succeeded' });
      await redis.flushall();
      expect((await chat(await api.token('a'), 'still there?')).text.length).toBeGreaterThan(0);
    } finally {
      await redis.quit();
      await stack.dispose();
    }
  });
});
