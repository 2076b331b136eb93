import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delay } from '#libs/kernel';
import { freshDatabase } from '#libs/testing';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { IdentityModule } from '../identity/identity.module.js';
import { WebhookFanout } from './webhook-fanout.js';
import { WebhookSender } from './webhook-sender.js';
import type { DeliveryView, WebhookView } from './webhook-views.js';
import { WebhooksModule } from './webhooks.module.js';

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly path: string;
}
type Answer =
  { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string } | 'cut' | 'hang';

/** A receiver that answers as told, 204 otherwise. */
class Receiver {
  readonly received: Received[] = [];
  answers: Answer[] = [];
  url = '';
  readonly #server: Server = createServer((req, res) => {
    let body = '';
    req.on('data', (part) => (body += part));
    req.on('end', () => {
      this.received.push({ headers: req.headers, body, path: req.url ?? '' });
      const answer = this.answers.shift() ?? { status: 204 };
      if (answer === 'cut') req.socket.destroy();
      else if (answer !== 'hang') res.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const receiver = new Receiver();
let test: TestApp;
let acme: { tenantId: string; key: string };
let other: { tenantId: string; key: string };

const call = (
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  payload?: object,
  key = acme.key,
  headers = {},
) =>
  test.app.inject({
    method,
    url: `/v1/webhooks${path}`,
    headers: { authorization: `Bearer ${key}`, ...headers },
    ...(payload ? { payload } : {}),
  });
const create = async (events: string[] = ['*'], key = acme.key, path = '/in') => {
  const answer = await call('POST', '', { url: `${receiver.url}${path}`, events }, key);
  expect(answer.statusCode).toBe(201);
  return answer.json<WebhookView & { secret: string }>();
};
const emit = (tenantId: string, topic: string, type: string, aggregateId: string, data: object) =>
  test.database.query(`INSERT INTO outbox (tenant_id, topic, aggregate_id, type, data) VALUES ($1, $2, $3, $4, $5)`, [
    tenantId,
    topic,
    aggregateId,
    type,
    data,
  ]);
const announce = () => test.coordination.notifier.publish('outbox');
async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (let i = 0; i < 500; i += 1) {
    const found = await look();
    if (found) return found;
    await delay(10);
  }
  throw new Error('it did not happen in time');
}
const deliveries = async (id: string, query = '') =>
  (await call('GET', `/${id}/deliveries${query}`)).json<{ items: DeliveryView[]; nextCursor: string | null }>();
const finished = (id: string, status: string) =>
  until(async () => (await deliveries(id)).items.find((item) => item.status === status));

beforeAll(async () => {
  await receiver.start();
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, WebhooksModule], {
    environment: { WIREBOT_WEBHOOKS_ALLOW_PRIVATE: 'true', WIREBOT_REQUESTS_PER_MINUTE: '100000' },
  });
  acme = await test.seedTenant('acme', ['webhooks:*']);
  other = await test.seedTenant('other', ['webhooks:*']);
});
beforeEach(async () => {
  await test.database.query('DELETE FROM webhook_endpoints');
  receiver.answers = [];
  receiver.received.length = 0;
});
afterAll(async () => {
  await test.close();
  await receiver.stop();
});

describe('a webhook endpoint', () => {
  it('shows its secret once, and keeps it sealed', async () => {
    const { id, secret, ...view } = await create(['member.created']);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(view).toMatchObject({ events: ['member.created'], status: 'active', previousSecretUntil: null });
    const read = await call('GET', `/${id}`);
    expect(read.json()).toEqual({ id, ...view });
    const stored = JSON.stringify(await test.database.query('SELECT * FROM webhook_endpoints'));
    expect(stored).not.toContain(secret.slice(6));
    const audit = await test.database.query<{ data: object }>(`SELECT data FROM audit_entries WHERE resource_id = $1`, [
      id,
    ]);
    expect(JSON.stringify(audit)).not.toContain(secret.slice(6));
    expect(audit).toHaveLength(1);
  });

  it.each([
    [{ url: 'not a url', events: ['*'] }, 422, 'address-not-public'],
    [{ url: 'https://u:p@example.com/', events: ['*'] }, 422, 'address-not-public'],
    [{ url: 'file:///etc/passwd', events: ['*'] }, 422, 'address-not-public'],
    [{ url: 'https://example.com/', events: [] }, 400, 'request-invalid'],
    [{ url: 'https://example.com/', events: ['member.exploded'] }, 400, 'request-invalid'],
    [{ url: 'https://example.com/', events: ['*'], secret: 'mine' }, 400, 'request-invalid'],
    [{ events: ['*'] }, 400, 'request-invalid'],
  ])('refuses %j', async (body, status, code) => {
    expect((await call('POST', '', body)).json()).toMatchObject({ status, code });
  });

  it('changes only as the version says that it was read at', async () => {
    const { id } = await create();
    const { etag } = (await call('GET', `/${id}`)).headers;
    const paused = await call('PATCH', `/${id}`, { status: 'paused' }, acme.key, { 'if-match': etag });
    expect(paused.json()).toMatchObject({ status: 'paused' });
    expect((await call('PATCH', `/${id}`, { status: 'active' }, acme.key, { 'if-match': etag })).statusCode).toBe(412);
  });

  it('is refused by name where a field of a change is null, or a date is no point in time', async () => {
    const { id } = await create();
    for (const field of ['url', 'events', 'status']) {
      const answer = (await call('PATCH', `/${id}`, { [field]: null })).json<{ errors: { field: string }[] }>();
      expect(new Set(answer.errors.map((error) => error.field))).toEqual(new Set([field]));
    }
    expect((await call('PATCH', `/${id}`, { description: null })).json()).toMatchObject({ description: null });
    const replay = await call('POST', `/${id}/replay-failed`, { since: '2026-W01-1' });
    expect(replay.json()).toMatchObject({ status: 400, errors: [{ field: 'since' }] });
  });

  it('is one of at most twenty, however many are made at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => call('POST', '', { url: receiver.url, events: ['*'] })),
    );
    expect(answers.filter((answer) => answer.statusCode === 201)).toHaveLength(20);
    expect(answers.find((answer) => answer.statusCode !== 201)!.json()).toMatchObject({ code: 'too-many-webhooks' });
  });

  it('of another tenant is like one that does not exist', async () => {
    const { id } = await create();
    const [delivery] = [(await call('POST', `/${id}/test`)).json<DeliveryView>()];
    const calls: [Parameters<typeof call>[0], string, object?][] = [
      ['GET', `/${id}`],
      ['PATCH', `/${id}`, { status: 'paused' }],
      ['DELETE', `/${id}`],
      ['POST', `/${id}/rotate-secret`, {}],
      ['POST', `/${id}/test`],
      ['GET', `/${id}/deliveries`],
      ['GET', `/${id}/deliveries/${delivery!.id}`],
      ['POST', `/${id}/deliveries/${delivery!.id}/replay`],
      ['POST', `/${id}/replay-failed`, { since: '2026-01-01T00:00:00Z' }],
    ];
    for (const [method, path, body] of calls)
      expect([path, (await call(method, path, body, other.key)).statusCode]).toEqual([path, 404]);
    expect((await call('GET', '', undefined, other.key)).json()).toEqual({ items: [], nextCursor: null });
    expect((await call('GET', `/${id}`)).json()).toMatchObject({ status: 'active' });
  });
});

describe('a delivery', () => {
  it('is signed so that any Standard Webhooks library accepts it, and carries type, timestamp and data', async () => {
    const { memberId } = await test.seedMember(acme.tenantId, `wp-${Math.random()}`);
    const { id, secret } = await create(['member.created']);
    await emit(acme.tenantId, 'members', 'provision', memberId, { before: null, tier: 'wire' });
    await announce();
    await finished(id, 'delivered');
    const [{ headers, body }] = receiver.received as [Received];
    const verified = new Webhook(secret).verify(body, headers as Record<string, string>);
    expect(verified).toMatchObject({
      type: 'member.created',
      data: { tier: 'wire', member: { id: memberId, externalId: expect.stringMatching(/^wp-/) } },
    });
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'Wirebot-Webhooks/1' });
    expect(() => new Webhook(secret).verify(`${body} `, headers as Record<string, string>)).toThrow(/signature/i);
  });

  it('goes to endpoints of its tenant that want it, once each', async () => {
    const wanted = await create(['agent.ready']);
    const unwanted = await create(['agent.failed']);
    const foreign = await create(['*'], other.key, '/other');
    await emit(acme.tenantId, 'agents', 'phase', 'agt_1', { phase: 'ready', reason: 'serving' });
    await Promise.all([announce(), ...Array.from({ length: 10 }, () => test.app.get(WebhookFanout).run())]);
    await finished(wanted.id, 'delivered');
    expect((await deliveries(unwanted.id)).items).toEqual([]);
    expect(await test.database.query('SELECT 1 FROM webhook_deliveries WHERE endpoint_id = $1', [foreign.id])).toEqual(
      [],
    );
    expect(receiver.received.map((one) => one.path)).toEqual(['/in']);
  });

  it('is tried again with the same id until it succeeds, and its log tells every attempt', async () => {
    const { id, secret } = await create();
    receiver.answers = [
      { status: 500, body: 'out of order' },
      'cut',
      { status: 302, headers: { location: '/elsewhere' } },
    ];
    await call('POST', `/${id}/test`);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await until(async () => (await deliveries(id)).items[0]?.attempts === attempt);
      expect((await deliveries(id)).items[0]).toMatchObject({ status: 'pending', nextAttemptAt: expect.any(String) });
      test.clock.advance(3_600_000);
      await announce();
    }
    const done = await finished(id, 'delivered');
    expect(done.log).toMatchObject([
      { status: 500, error: 'the receiver answered 500', response: 'out of order' },
      { status: null, error: 'the connection was cut', response: null },
      { status: 302, error: 'the receiver answered 302' },
      { status: 204, error: null },
    ]);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(receiver.received.every(({ path }) => path === '/in')).toBe(true);
    const { headers } = receiver.received.at(-1)!;
    expect(headers['webhook-signature']).toMatch(/^v1,/);
    expect(secret).not.toContain(String(headers['webhook-signature']));
  });

  it('waits as long as the receiver asks', async () => {
    const { id } = await create();
    receiver.answers = [{ status: 503, headers: { 'retry-after': '600' } }];
    await call('POST', `/${id}/test`);
    const waiting = await until(async () => (await deliveries(id)).items.find((item) => item.attempts === 1));
    expect(Date.parse(waiting.nextAttemptAt!) - test.clock.now().getTime()).toBe(600_000);
  });

  it('fails after the last attempt; 410 disables the endpoint at once', async () => {
    const { id } = await create();
    await call('POST', `/${id}/test`);
    await finished(id, 'delivered');
    await test.database.query(
      `UPDATE webhook_deliveries SET status = 'pending', attempts = 9, due_at = now() - interval '1 day', finished_at = null`,
    );
    receiver.answers = [{ status: 500 }];
    await announce();
    await finished(id, 'failed');
    receiver.answers = [{ status: 410 }];
    await call('POST', `/${id}/test`);
    const disabled = await until(async () => {
      const view = (await call('GET', `/${id}`)).json<WebhookView>();
      return view.status === 'disabled' && view;
    });
    expect(disabled.disabledReason).toContain('410');
    expect((await call('POST', `/${id}/test`)).json()).toMatchObject({ code: 'webhook-not-active' });
    expect((await call('PATCH', `/${id}`, { status: 'active' })).json()).toMatchObject({
      status: 'active',
      disabledReason: null,
    });
  });

  it('of a process that died is taken over when its lease ends, and not before', async () => {
    const { id } = await create();
    await call('PATCH', `/${id}`, { status: 'paused' });
    await test.database.query(
      `INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id, type, payload, lease_until, due_at)
       VALUES ('dlv_x', $1, $2, 'evt_x', 'webhook.test', '{}', $3, $4)`,
      [acme.tenantId, id, new Date(test.clock.now().getTime() + 60_000), new Date(0)],
    );
    await call('PATCH', `/${id}`, { status: 'active' });
    await call('POST', `/${id}/test`);
    await finished(id, 'delivered');
    expect(receiver.received).toHaveLength(1);
    test.clock.advance(60_001);
    await announce();
    await until(() => receiver.received.find(({ headers }) => headers['webhook-id'] === 'evt_x'));
  });

  it('can be sent again, alone or with everything that failed', async () => {
    const { id } = await create();
    const first = (await call('POST', `/${id}/test`)).json<DeliveryView>();
    await finished(id, 'delivered');
    expect((await call('POST', `/${id}/deliveries/${first.id}/replay`)).statusCode).toBe(202);
    await until(() => receiver.received.length === 2);
    expect(receiver.received[1]!.headers['webhook-id']).toBe(first.eventId);
    await finished(id, 'delivered');
    await test.database.query(`UPDATE webhook_deliveries SET status = 'failed'`);
    const since = new Date(test.clock.now().getTime() - 3_600_000).toISOString();
    expect((await call('POST', `/${id}/replay-failed`, { since })).json()).toEqual({ replayed: 1 });
    await until(() => receiver.received.length === 3);
    expect((await call('POST', `/${id}/deliveries/dlv_nothing/replay`)).statusCode).toBe(404);
  });

  it('is signed by both secrets while they overlap', async () => {
    const { id, secret } = await create();
    const rotated = await call('POST', `/${id}/rotate-secret`, { overlapSeconds: 3_600 });
    const fresh = rotated.json<{ secret: string }>().secret;
    await call('POST', `/${id}/test`);
    await finished(id, 'delivered');
    const { headers, body } = receiver.received[0]!;
    const sentAt = new Date(Number(headers['webhook-timestamp']) * 1_000);
    const by = (one: string) => new Webhook(one).sign(String(headers['webhook-id']), sentAt, body);
    expect(headers['webhook-signature']).toBe(`${by(fresh)} ${by(secret)}`);
    test.clock.advance(3_600_001);
    const { headers: later, body: text } = await until(async () => {
      if (receiver.received.length < 2) await call('POST', `/${id}/test`);
      return receiver.received[1];
    });
    expect(String(later['webhook-signature']).split(' ')).toHaveLength(1);
    expect(text).toContain('webhook.test');
  });
});

describe('where webhooks may go', () => {
  it('is the internet alone, unless the installation says otherwise: names are checked when they are connected to', async () => {
    const strict = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, WebhooksModule]);
    try {
      const sender = strict.app.get(WebhookSender);
      const secrets = [`whsec_${Buffer.alloc(32, 1).toString('base64')}`];
      for (const url of [
        receiver.url,
        'https://127.0.0.1:1/',
        'https://[::1]/',
        'https://localhost.localdomain/',
        'https://169.254.169.254/',
      ]) {
        const result = await sender.send({ url, eventId: 'evt', body: '{}', secrets }, AbortSignal.timeout(20_000));
        expect([url, result.outcome, result.attempt.status]).toEqual([url, 'failed', null]);
      }
      expect(receiver.received).toEqual([]);
    } finally {
      await strict.close();
    }
  });
});
