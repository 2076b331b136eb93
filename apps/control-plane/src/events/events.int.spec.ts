import type { AddressInfo } from 'node:net';
import { Client } from 'pg';
import { freshDatabase } from '#libs/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { delay } from '#libs/kernel';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { IdentityModule } from '../identity/identity.module.js';
import { UsersService } from '../identity/users.service.js';
import { useEventSocket } from './event-socket.adapter.js';
import { EventsGateway } from './events.gateway.js';
import { EventsModule } from './events.module.js';

let test: TestApp;
let port: number;
let operatorKey: string;
const sockets: WebSocket[] = [];

type Frame = Record<string, unknown> & { type: string; cursor: string; id: string };

interface Console {
  readonly socket: WebSocket;
  readonly frames: Frame[];
  send(frame: unknown): void;
  /** The frames once there are `count`; rejects after five seconds. */
  take(count: number): Promise<Frame[]>;
}

const connect = (headers: Record<string, string>, path = '/v1/admin/events', autoPong = true): Promise<Console> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers, autoPong });
    sockets.push(socket);
    const frames: Frame[] = [];
    socket.on('message', (data) => frames.push(JSON.parse(String(data)) as Frame));
    socket.on('unexpected-response', (_request, response) => reject(new Error(`refused with ${response.statusCode}`)));
    socket.on('error', reject);
    socket.on('open', () =>
      resolve({
        socket,
        frames,
        send: (frame) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
        take: async (count) => {
          for (let i = 0; i < 500 && frames.length < count; i += 1) await delay(10);
          if (frames.length < count)
            throw new Error(`only ${frames.length} of ${count} frames: ${JSON.stringify(frames)}`);
          return frames.slice(0, count);
        },
      }),
    );
  });
const asOperator = () => connect({ authorization: `Bearer ${operatorKey}` });
const INSERT = `INSERT INTO outbox (tenant_id, topic, aggregate_id, type, data) VALUES ('ten_1', $1, $2, 'changed', '{"n":1}')`;
const append = async (topic: string, id: string, notify = true) => {
  await test.database.query(INSERT, [topic, id]);
  if (notify) await test.coordination.notifier.publish('outbox');
};

beforeAll(async () => {
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, EventsModule], {
    prepare: useEventSocket,
  });
  await test.app.listen(0, '127.0.0.1');
  port = (test.app.getHttpServer().address() as AddressInfo).port;
  operatorKey = (await test.app.get(ApiKeysService).issue({ tenantId: null, name: 'ops', scopes: ['*'] })).key;
});
afterAll(() => test.close());
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.terminate();
});

describe('the upgrade', () => {
  it('is refused without credentials, with a wrong key and with a tenant’s key', async () => {
    const { key } = await test.seedTenant('acme');
    await expect(connect({})).rejects.toThrow('refused with 401');
    await expect(connect({ authorization: `Bearer ${operatorKey}x` })).rejects.toThrow('refused with 401');
    await expect(connect({ cookie: 'wirebot_admin=abc' })).rejects.toThrow('refused with 401');
    await expect(connect({ authorization: `Bearer ${key}` })).rejects.toThrow('refused with 403');
  });

  it('accepts the admin cookie from the console’s own Origin only', async () => {
    await test.app.get(UsersService).ensure('admin@example.com', 'correct horse battery');
    const login = await test.app.inject({
      method: 'POST',
      url: '/v1/admin/session',
      payload: { email: 'admin@example.com', password: 'correct horse battery' },
    });
    const cookie = String(login.headers['set-cookie']).split(';')[0]!;
    await expect(connect({ cookie, origin: 'https://evil.example' })).rejects.toThrow('refused with 403');
    await expect(connect({ cookie })).rejects.toThrow('refused with 403');
    const open = await connect({ cookie, origin: `http://127.0.0.1:${port}` });
    open.send({ type: 'subscribe', topics: ['audit'] });
    expect((await open.take(1))[0]).toMatchObject({ type: 'subscribed' });
  });

  it('exists at its own address only', async () => {
    await expect(connect({ authorization: `Bearer ${operatorKey}` }, '/v1/admin/other')).rejects.toThrow(
      'socket hang up',
    );
  });
});

describe('a subscription', () => {
  it('hears what happens from then on, in its topics, with a cursor', async () => {
    await append('gateways', 'gw_before');
    const open = await asOperator();
    open.send({ type: 'subscribe', topics: ['gateways', 'operations'] });
    await open.take(1);
    await append('gateways', 'gw_1');
    await append('members', 'mem_1');
    await append('operations', 'op_1');
    const frames = await open.take(3);
    expect(frames.map((frame) => frame.id)).toEqual([undefined, 'gw_1', 'op_1']);
    expect(frames[1]).toMatchObject({
      type: 'event',
      topic: 'gateways',
      tenantId: 'ten_1',
      event: 'changed',
      data: { n: 1 },
      cursor: expect.stringMatching(/^\d+\.\d+$/),
      at: expect.stringMatching(/Z$/),
    });
  });

  it('goes on after a cursor and misses nothing that happened in between', async () => {
    const first = await asOperator();
    first.send({ type: 'subscribe', topics: ['gateways'] });
    await first.take(1);
    await append('gateways', 'gw_seen');
    const { cursor } = (await first.take(2))[1]!;
    first.socket.terminate();
    for (let i = 0; i < 450; i += 1) await test.database.query(INSERT, ['gateways', `gw_missed_${i}`]);
    const second = await asOperator();
    second.send({ type: 'subscribe', topics: ['gateways'], after: cursor });
    const frames = await second.take(451);
    expect(frames.slice(1).map((frame) => frame.id)).toEqual(Array.from({ length: 450 }, (_, i) => `gw_missed_${i}`));
  });

  it('misses nothing when transactions commit in another order than they began', async () => {
    const open = await asOperator();
    open.send({ type: 'subscribe', topics: ['audit'] });
    await open.take(1);
    const slow = new Client({ connectionString: test.database.url });
    await slow.connect();
    await slow.query('BEGIN');
    await slow.query(INSERT, ['audit', 'slow']);
    await append('audit', 'fast');
    await delay(100);
    expect(open.frames).toHaveLength(1); // `fast` waits: something older is still running
    await slow.query('COMMIT');
    await slow.end();
    await test.coordination.notifier.publish('outbox');
    expect((await open.take(3)).slice(1).map((frame) => frame.id)).toEqual(['slow', 'fast']);
  });

  it('misses nothing when a lower sequence number commits after a higher one was read', async () => {
    const open = await asOperator();
    open.send({ type: 'subscribe', topics: ['audit'] });
    await open.take(1);
    const [older, newer] = [
      new Client({ connectionString: test.database.url }),
      new Client({ connectionString: test.database.url }),
    ];
    await Promise.all([older.connect(), newer.connect()]);
    // The older transaction takes its id first and its sequence number last.
    await older.query('BEGIN; SELECT pg_current_xact_id()');
    await newer.query('BEGIN');
    await newer.query(INSERT, ['audit', 'lower-seq']);
    await older.query(INSERT, ['audit', 'higher-seq']);
    await older.query('COMMIT');
    await test.coordination.notifier.publish('outbox');
    expect((await open.take(2))[1]!.id).toBe('higher-seq');
    await newer.query('COMMIT');
    await Promise.all([older.end(), newer.end()]);
    await test.coordination.notifier.publish('outbox');
    expect((await open.take(3))[2]!.id).toBe('lower-seq');
  });

  it('hears of events whose notice was lost, within the poll', async () => {
    const open = await asOperator();
    open.send({ type: 'subscribe', topics: ['members'] });
    await open.take(1);
    await append('members', 'mem_unannounced', false);
    expect((await open.take(2))[1]!.id).toBe('mem_unannounced');
  });

  it('needs the scope of each topic', async () => {
    const { key } = await test.app
      .get(ApiKeysService)
      .issue({ tenantId: null, name: 'narrow', scopes: ['gateways:read'] });
    const open = await connect({ authorization: `Bearer ${key}` });
    open.send({ type: 'subscribe', topics: ['gateways', 'audit'] });
    open.send({ type: 'subscribe', topics: ['gateways'] });
    const frames = await open.take(2);
    expect(frames.map((frame) => frame['code'] ?? frame.type)).toEqual(['scope-missing', 'subscribed']);
  });

  it('answers frames it does not understand and stays open', async () => {
    const open = await asOperator();
    for (const frame of [
      '{',
      '{"type":"shutdown"}',
      { type: 'subscribe', topics: ['secrets'] },
      { type: 'subscribe', topics: ['audit'], after: 'x' },
    ])
      open.send(frame);
    open.send({ type: 'subscribe', topics: ['audit'] });
    const frames = await open.take(5);
    expect(frames.slice(0, 4).every((frame) => frame['code'] === 'request-invalid')).toBe(true);
    expect(frames[4]).toMatchObject({ type: 'subscribed' });
  });

  it('ends when a frame is larger than it takes', async () => {
    const open = await asOperator();
    const closed = new Promise<number>((resolve) => open.socket.on('close', resolve));
    open.send('x'.repeat(20_000));
    expect(await closed).toBe(1009);
  });
});

describe('the heartbeat', () => {
  const closeCode = (open: Console) => new Promise<number>((resolve) => open.socket.on('close', resolve));

  it('ends the sockets of a key that was revoked, and no other', async () => {
    const keys = test.app.get(ApiKeysService);
    const { id, key } = await keys.issue({ tenantId: null, name: 'gone', scopes: ['*'] });
    const [gone, stays] = [await connect({ authorization: `Bearer ${key}` }), await asOperator()];
    const closed = closeCode(gone);
    await test.database.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [id]);
    await test.app.get(EventsGateway).heartbeat();
    expect(await closed).toBe(4401);
    expect(stays.socket.readyState).toBe(WebSocket.OPEN);
  });

  it('ends sockets that no longer answer', async () => {
    const [silent, answers] = [
      await connect({ authorization: `Bearer ${operatorKey}` }, undefined, false),
      await asOperator(),
    ];
    const closed = closeCode(silent);
    await test.app.get(EventsGateway).heartbeat();
    await delay(100);
    await test.app.get(EventsGateway).heartbeat();
    expect(await closed).toBe(1006);
    expect(answers.socket.readyState).toBe(WebSocket.OPEN);
  });
});
