import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { generateBrokerKey, openProviderKey, ProviderKeyUnreadable, sealProviderKey } from '#libs/broker-keys';
import type { RouteFrame, SealedProviderKey } from '#libs/contracts';
import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { IdentityModule } from '../identity/identity.module.js';
import { RouteFeedService } from '../routing/route-feed.service.js';
import { ProviderKeyReader } from './provider-key.reader.js';
import { SecretsModule } from './secrets.module.js';
import { secretContext } from './secret-rules.js';
import type { SecretView } from './secrets.service.js';
import { Vault } from './vault.js';

const KEY = 'sk-ant-api03-the-key-of-a-business-1a2b';
const broker = await generateBrokerKey();
let test: TestApp;
let acme: { tenantId: string; key: string };
let other: { tenantId: string; key: string };
let reader: { tenantId: string; key: string };
let member: { memberId: string; agentId: string };

type Method = 'GET' | 'PUT' | 'DELETE';
const call = (method: Method, path: string, payload?: object, key = acme.key, headers = {}) =>
  test.app.inject({
    method,
    url: `/v1/secrets${path}`,
    headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...headers },
    ...(payload ? { payload } : {}),
  });
const put = (path: string, value: string, more: object = {}, key = acme.key, headers = {}) =>
  call('PUT', path, { value, ...more }, key, headers);
const stored = async () => JSON.stringify(await test.database.query('SELECT * FROM secrets'));

beforeAll(async () => {
  class FeedModule {}
  Module({ providers: [RouteFeedService, ProviderKeyReader] })(FeedModule);
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, SecretsModule, FeedModule], {
    environment: { WIREBOT_REQUESTS_PER_MINUTE: '100000' },
  });
  acme = await test.seedTenant('acme', ['secrets:*']);
  other = await test.seedTenant('other', ['secrets:*']);
  reader = await test.seedTenant('reader', ['secrets:read']);
  member = await test.seedMember(acme.tenantId, 'wp-1');
  writeFileSync(join(test.config.secretsDir, 'broker-public.json'), JSON.stringify(broker.publicJwk));
});
beforeEach(() => test.database.query(`DELETE FROM secrets WHERE tenant_id IS NOT NULL`));
afterAll(() => test.close());

describe('secrets of a tenant', () => {
  it('are written and never shown again: a hint, a version and times are all there is', async () => {
    const made = await put('/gateway/SHOP_TOKEN', 'a-long-token-of-the-shop-9z8y');
    expect(made.statusCode).toBe(201);
    const shown = made.json<SecretView>();
    expect(shown).toEqual({
      purpose: 'gateway',
      name: 'SHOP_TOKEN',
      member: null,
      hint: '9z8y',
      version: 1,
      createdBy: expect.stringMatching(/^key:key_/),
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
    const again = await put('/gateway/SHOP_TOKEN', 'short');
    expect([again.statusCode, again.json<SecretView>()]).toMatchObject([200, { version: 2, hint: null }]);
    const read = await call('GET', '/gateway/SHOP_TOKEN');
    expect(read.json()).toEqual(again.json());
    const list = await call('GET', '');
    expect(list.json()).toEqual({ items: [again.json()], nextCursor: null });
    expect(`${made.body}${again.body}${read.body}${list.body}`).not.toMatch(/a-long-token|"short"/);
  });

  it('leave their value in no row, no audit line, no answer and no log', async () => {
    await put('/gateway/SHOP_TOKEN', KEY, {}, acme.key, { 'idempotency-key': 'once' });
    await put('/provider/anthropic', KEY);
    const everything = await Promise.all(
      ['secrets', 'audit_entries', 'outbox', 'idempotency_keys', 'data_keys'].map((table) =>
        test.database.query(
          `SELECT t::text, encode(coalesce(convert_to(t::text, 'UTF8'), ''), 'escape') FROM ${table} t`,
        ),
      ),
    );
    const text = JSON.stringify(everything) + JSON.stringify(test.logs);
    for (const form of [KEY, Buffer.from(KEY).toString('hex'), Buffer.from(KEY).toString('base64').slice(4, -4)])
      expect(text).not.toContain(form);
    const audit = await test.database.query<{ action: string; data: object }>(
      `SELECT action, data FROM audit_entries WHERE resource = 'secret' AND tenant_id = $1 ORDER BY seq DESC LIMIT 1`,
      [acme.tenantId],
    );
    expect(audit[0]).toEqual({
      action: 'secret.create',
      data: { purpose: 'provider', name: 'anthropic', memberId: null, version: 1 },
    });
  });

  it('belong to the tenant or to one of its members, each for itself', async () => {
    await put('/gateway/TOKEN', 'value of the tenant');
    const own = await put('/gateway/TOKEN', 'value of the member', { member: 'wp-1' });
    expect([own.statusCode, own.json<SecretView>().member]).toEqual([201, 'wp-1']);
    expect((await call('GET', '?member=wp-1')).json()).toMatchObject({ items: [{ member: 'wp-1' }] });
    expect((await call('GET', '')).json<{ items: [] }>().items).toHaveLength(2);
    expect((await call('DELETE', '/gateway/TOKEN')).statusCode).toBe(204);
    expect((await call('GET', '/gateway/TOKEN?member=wp-1')).statusCode).toBe(200);
    expect((await call('GET', '/gateway/TOKEN')).json()).toMatchObject({ status: 404, code: 'secret-not-found' });
    expect((await put('/gateway/TOKEN', 'x', { member: 'nobody' })).json()).toMatchObject({ code: 'member-not-found' });
  });

  it('are listed in pages', async () => {
    for (const name of ['A', 'B', 'C']) {
      test.clock.advance(5);
      await put(`/gateway/${name}`, 'value');
    }
    await put('/provider/openai', KEY);
    const first = (await call('GET', '?purpose=gateway&limit=2')).json<{ items: SecretView[]; nextCursor: string }>();
    expect(first.items.map((item) => item.name)).toEqual(['A', 'B']);
    const second = (await call('GET', `?purpose=gateway&limit=2&cursor=${first.nextCursor}`)).json<{
      items: SecretView[];
    }>();
    expect(second).toMatchObject({ items: [{ name: 'C' }], nextCursor: null });
  });

  it('carry an entity tag, and a change for an older one is refused', async () => {
    const first = await put('/gateway/TOKEN', 'one');
    const tag = first.headers['etag'] as string;
    expect((await call('GET', '/gateway/TOKEN')).headers['etag']).toBe(tag);
    expect((await put('/gateway/TOKEN', 'two', {}, acme.key, { 'if-match': tag })).statusCode).toBe(200);
    expect((await put('/gateway/TOKEN', 'three', {}, acme.key, { 'if-match': tag })).statusCode).toBe(412);
    expect((await call('DELETE', '/gateway/TOKEN', undefined, acme.key, { 'if-match': tag })).statusCode).toBe(412);
    expect((await call('GET', '/gateway/TOKEN')).json()).toMatchObject({ version: 2 });
  });

  it('count every one of many writes at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, (_, at) => put('/gateway/TOKEN', `value ${at}`)));
    expect(answers.map((answer) => answer.statusCode).sort()).toEqual([200, 200, 200, 200, 200, 200, 200, 201]);
    expect((await call('GET', '/gateway/TOKEN')).json()).toMatchObject({ version: 8 });
  });

  it('are limited in number', async () => {
    await test.database.query(
      `INSERT INTO secrets (id, tenant_id, purpose, name, sealed, data_key_id, created_by, updated_at)
       SELECT 'sec_' || n, $1, 'gateway', 'N' || n, '', '', 'test', now() FROM generate_series(1, 50) n`,
      [acme.tenantId],
    );
    expect((await put('/gateway/ONE_MORE', 'x')).json()).toMatchObject({ status: 422, code: 'secret-limit-reached' });
    expect((await put('/gateway/N7', 'x')).statusCode).toBe(200);
    expect((await put('/gateway/TOKEN', 'x', { member: 'wp-1' })).statusCode).toBe(201);
  });

  it.each([
    ['/provider/mistral', KEY, 400, 'request-invalid'],
    ['/provider/openai', 'short', 400, 'request-invalid'],
    ['/provider/openai', `${KEY} with spaces`, 400, 'request-invalid'],
    ['/provider/openai', `${KEY}\nX-Evil: 1`, 400, 'request-invalid'],
    ['/provider/openai', 'k'.repeat(513), 400, 'request-invalid'],
    ['/gateway/..', 'value', 404, undefined],
    ['/gateway/.hidden', 'value', 400, 'request-invalid'],
    ['/gateway/a%2Fb', 'value', 400, 'request-invalid'],
    ['/gateway/a%00b', 'value', 400, undefined],
    [`/gateway/${'n'.repeat(65)}`, 'value', 400, 'request-invalid'],
    ['/gateway/TOKEN', '', 400, 'request-invalid'],
    ['/gateway/TOKEN', 'nul\0byte', 400, 'request-invalid'],
    ['/gateway/TOKEN', 'é'.repeat(8 * 1024 + 1), 400, 'request-invalid'],
    ['/platform/root', 'value', 404, 'secret-purpose-unknown'],
  ])('refuse what cannot be a secret: %s (%#)', async (path, value, status, code) => {
    const answer = await put(path, value);
    expect(answer.statusCode).toBe(status);
    expect(answer.json<{ code?: string }>().code ?? undefined).toBe(code ?? answer.json<{ code?: string }>().code);
    expect(await test.database.query('SELECT id FROM secrets WHERE tenant_id IS NOT NULL')).toEqual([]);
  });

  it.each([{ value: 7 }, { value: null }, {}, { value: 'x', other: 1 }, { value: 'x', member: '' }])(
    'refuse the body %j',
    async (body) => {
      expect((await call('PUT', '/gateway/TOKEN', body)).json()).toMatchObject({
        status: 400,
        code: 'request-invalid',
      });
    },
  );

  it('are out of reach without a key, without the scope, and from another tenant', async () => {
    await put('/gateway/TOKEN', 'value');
    const id = ['/gateway/TOKEN', ''] as const;
    for (const [method, path] of [
      ['GET', id[1]],
      ['GET', id[0]],
      ['PUT', id[0]],
      ['DELETE', id[0]],
    ] as const) {
      const payload = method === 'PUT' ? { value: 'x' } : undefined;
      expect([method, (await call(method, path, payload, '')).statusCode]).toEqual([method, 401]);
    }
    expect((await call('GET', '/gateway/TOKEN', undefined, reader.key)).statusCode).toBe(404);
    expect((await put('/gateway/TOKEN', 'x', {}, reader.key)).json()).toMatchObject({
      status: 403,
      code: 'scope-missing',
    });
    expect((await call('DELETE', '/gateway/TOKEN', undefined, reader.key)).statusCode).toBe(403);
    expect((await call('DELETE', '/gateway/TOKEN', undefined, other.key)).statusCode).toBe(404);
    expect((await put('/gateway/TOKEN', 'x', { member: 'wp-1' }, other.key)).statusCode).toBe(404);
    expect((await call('GET', '', undefined, other.key)).json()).toEqual({ items: [], nextCursor: null });
    expect((await call('GET', '/gateway/TOKEN')).json()).toMatchObject({ version: 1 });
  });

  it('cannot be opened as those of another tenant, member or name, whoever moves their rows', async () => {
    await put('/gateway/TOKEN', 'value');
    const [row] = await test.database.query<{ sealed: Buffer }>('SELECT sealed FROM secrets WHERE tenant_id = $1', [
      acme.tenantId,
    ]);
    const vault = test.app.get(Vault, { strict: false });
    const place = { tenantId: acme.tenantId, memberId: null, purpose: 'gateway', name: 'TOKEN' };
    expect((await vault.open(row!.sealed, secretContext(place))).toString()).toBe('value');
    for (const moved of [
      { tenantId: other.tenantId },
      { memberId: member.memberId },
      { name: 'OTHER' },
      { purpose: 'provider' },
    ])
      await expect(vault.open(row!.sealed, secretContext({ ...place, ...moved }))).rejects.toThrow(/cannot be read/);
  });
});

describe('own provider keys', () => {
  const connect = async () => {
    const frames: RouteFrame[] = [];
    const feed = test.app.get(RouteFeedService, { strict: false });
    const end = await feed.connect({ send: (frame) => frames.push(frame), end: () => undefined });
    const keys = () => {
      const now = new Map<string, SealedProviderKey>();
      for (const frame of frames) {
        if (frame.type === 'snapshot') for (const key of frame.providerKeys) now.set(key.id, key);
        if (frame.type !== 'delta' || !frame.providerKeys) continue;
        for (const key of frame.providerKeys.upsert) now.set(key.id, key);
        for (const id of frame.providerKeys.remove) now.delete(id);
      }
      return [...now.values()];
    };
    return { keys, end };
  };
  const until = async (holds: () => boolean): Promise<void> => {
    for (let at = 0; at < 500 && !holds(); at += 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(holds()).toBe(true);
  };

  it('reach the broker sealed to it, follow every change, and are gone with their deletion', async () => {
    const feed = await connect();
    await put('/provider/anthropic', KEY);
    await put('/provider/anthropic', `${KEY}-of-mia`, { member: 'wp-1' });
    await until(() => feed.keys().length === 2);
    for (const key of feed.keys()) {
      const { tenantId, memberId, provider, jwe } = key;
      const opened = await openProviderKey([broker], { tenantId, memberId, provider }, jwe);
      expect(opened).toBe(memberId ? `${KEY}-of-mia` : KEY);
      expect(memberId === null || memberId === member.memberId).toBe(true);
    }
    await put('/provider/anthropic', `${KEY}-newer`);
    await until(() => feed.keys().some((key) => key.version === 2));
    await call('DELETE', '/provider/anthropic');
    await until(() => feed.keys().length === 1);
    const late = await connect();
    expect(late.keys()).toEqual(feed.keys());
    late.end();
    feed.end();
  });

  it('cannot be opened with anything that the control plane or its database holds', async () => {
    await put('/provider/openai', KEY);
    const [row] = await test.database.query<{ sealed: Buffer; tenant_id: string }>(
      `SELECT sealed, tenant_id FROM secrets WHERE name = 'openai'`,
    );
    const place = { tenantId: acme.tenantId, memberId: null, purpose: 'provider', name: 'openai' };
    const jwe = (await test.app.get(Vault, { strict: false }).open(row!.sealed, secretContext(place))).toString();
    expect(jwe).not.toContain(KEY);
    const owner = { tenantId: acme.tenantId, memberId: null, provider: 'openai' };
    const held = { kid: broker.kid, publicJwk: broker.publicJwk, privateJwk: broker.publicJwk };
    await expect(openProviderKey([held], owner, jwe)).rejects.toThrow(ProviderKeyUnreadable);
    expect(await openProviderKey([broker], owner, jwe)).toBe(KEY);
    expect(await stored()).not.toContain(KEY);
  });

  it('whose row was changed reach the broker as unreadable, so that nobody else pays', async () => {
    const feed = await connect();
    await put('/provider/openai', KEY);
    await test.database.query(
      `UPDATE secrets SET sealed = set_byte(sealed, 90, get_byte(sealed, 90) # 1), version = 2` +
        ` WHERE tenant_id IS NOT NULL`,
    );
    await test.coordination.notifier.publish('routes');
    await until(() => feed.keys().some((key) => key.version === 2));
    expect(feed.keys()).toMatchObject([{ provider: 'openai', jwe: 'unreadable' }]);
    await put('/provider/openai', KEY);
    await until(() => feed.keys().some((key) => key.version === 3));
    expect(feed.keys()[0]!.jwe).not.toBe('unreadable');
    feed.end();
  });

  it('are refused with what to do while the installation has no broker key, or was given the private one', async () => {
    const file = join(test.config.secretsDir, 'broker-public.json');
    writeFileSync(file, JSON.stringify(broker.privateJwk));
    const wrong = await put('/provider/anthropic', KEY);
    expect(wrong.json()).toMatchObject({ status: 503, code: 'own-keys-unavailable', detail: /private key was given/ });
    expect(wrong.body).not.toContain(broker.privateJwk.d);
    writeFileSync(file, '');
    expect((await put('/provider/anthropic', KEY)).json()).toMatchObject({ status: 503, code: 'own-keys-unavailable' });
    writeFileSync(file, JSON.stringify(broker.publicJwk));
    expect((await put('/provider/anthropic', KEY)).statusCode).toBe(201);
  });

  const internal = (path: string, payload: object, credential = 'test-proxy-credential') =>
    test.app.inject({
      method: 'POST',
      url: `/internal/provider-keys/${path}`,
      headers: { authorization: `Bearer ${credential}` },
      payload,
    });
  const storedId = async (): Promise<string> =>
    (await test.database.query<{ id: string }>(`SELECT id FROM secrets WHERE purpose = 'provider'`))[0]!.id;

  it('that a provider refused become one event an hour and version, whoever tells it', async () => {
    await put('/provider/anthropic', KEY, { member: 'wp-1' });
    const id = await storedId();
    const events = () =>
      test.database.query<{ data: object }>(`SELECT data FROM outbox WHERE type = 'provider-key.refused'`);
    const answers = await Promise.all([1, 2, 3].map(() => internal('refused', { id, version: 1 })));
    expect(answers.map((answer) => answer.statusCode)).toEqual([204, 204, 204]);
    expect((await events()).map((row) => row.data)).toEqual([
      { provider: 'anthropic', version: 1, memberId: member.memberId },
    ]);
    await put('/provider/anthropic', `${KEY}-newer`, { member: 'wp-1' });
    await internal('refused', { id, version: 1 });
    expect(await events()).toHaveLength(1);
    await internal('refused', { id, version: 2 });
    expect(await events()).toHaveLength(2);
    expect((await internal('refused', { id: 'sec_none', version: 1 })).statusCode).toBe(204);
  });

  it('sealed anew by the broker replace exactly what they were made of', async () => {
    await put('/provider/anthropic', KEY);
    const id = await storedId();
    const next = await generateBrokerKey();
    const file = join(test.config.secretsDir, 'broker-public.json');
    const owner = { tenantId: acme.tenantId, memberId: null, provider: 'anthropic' };
    const jwe = await sealProviderKey({ ...next.publicJwk, kid: next.kid }, owner, KEY);
    const early = await internal('reseal', { id, version: 1, jwe });
    expect(early.json()).toMatchObject({ status: 409, code: 'provider-key-changed' });
    writeFileSync(file, JSON.stringify(next.publicJwk));
    const answers = await Promise.all([1, 2].map(() => internal('reseal', { id, version: 1, jwe })));
    expect(answers.map((answer) => answer.statusCode).sort()).toEqual([200, 409]);
    const feed = await connect();
    await until(() => feed.keys().some((key) => key.version === 2));
    expect(await openProviderKey([next], owner, feed.keys()[0]!.jwe)).toBe(KEY);
    feed.end();
    writeFileSync(file, JSON.stringify(broker.publicJwk));
    for (const body of [
      { id, version: 2, jwe: 'nonsense' },
      { id, version: 0, jwe },
      { id, jwe },
    ])
      expect((await internal('reseal', body)).statusCode).toBe(400);
  });

  it('are nobody else’s business but the proxies’', async () => {
    for (const path of ['refused', 'reseal']) {
      expect((await internal(path, { id: 'x', version: 1 }, 'wrong-credential')).statusCode).toBe(401);
      expect((await internal(path, { id: 'x', version: 1 }, acme.key)).statusCode).toBe(401);
    }
  });
});
