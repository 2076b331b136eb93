import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TokenView } from '#libs/contracts';
import { Database } from '#libs/database';
import { createMemberTokenVerifier } from '#libs/tokens';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { MemberTokens } from '../identity/member-tokens.js';
import { IdentityModule } from '../identity/identity.module.js';
import { SecretBox } from '../secrets/secret-box.js';
import { Vault } from '../secrets/vault.js';
import { SigningKeyRotation, type SigningKeyView } from './signing-key-rotation.js';
import { SigningKeysRepository } from './signing-keys.repository.js';
import { SigningKeysService } from './signing-keys.service.js';
import { MembersReader } from './members.reader.js';
import { TokensModule } from './tokens.module.js';
import { TokensService } from './tokens.service.js';

const HOUR = 3_600_000;

let test: TestApp;
let acme: { tenantId: string; key: string };
let operator: string;

const call = async (method: 'GET' | 'POST', url: string, bearer?: string, payload?: object) =>
  test.app.inject({
    method,
    url,
    headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
    ...(payload ? { payload } : {}),
  });
const jwks = async () => (await call('GET', '/.well-known/jwks.json')).json<{ keys: { kid: string }[] }>();
const list = async () =>
  (await call('GET', '/v1/admin/signing-keys', operator)).json<{ items: SigningKeyView[] }>().items;
const rotate = (body: object, bearer = operator) => call('POST', '/v1/admin/signing-keys/rotate', bearer, body);
const issue = async () =>
  (await call('POST', '/v1/tokens', acme.key, { member: 'wp-1', surface: 'web' })).json<TokenView>().token;
const kidOf = (token: string) =>
  (JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { kid: string }).kid;
const verify = async (token: string, keys?: { keys: object[] }) =>
  createMemberTokenVerifier(test.config.url, (keys ?? (await jwks())) as never).verify(token, test.clock.now());
const maintain = () => test.app.get(SigningKeyRotation).maintain();
const services = (count: number) =>
  Array.from({ length: count }, () => {
    const database = new Database({ url: test.database.url, poolSize: 2 });
    const keys = new SigningKeysRepository(test.clock);
    return {
      database,
      service: new SigningKeysService(database, keys, test.app.get(Vault), test.coordination.notifier, test.clock),
    };
  });
const configOf = async (id: string) =>
  (
    await test.database.query<{ config_generation: string }>('SELECT config_generation FROM gateways WHERE id = $1', [
      id,
    ])
  )[0]!.config_generation;

beforeAll(async () => {
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, TokensModule], {
    environment: { WIREBOT_SIGNING_KEY_DAYS: '1' },
  });
  acme = await test.seedTenant('acme', ['tokens:write']);
  await test.seedMember(acme.tenantId, 'wp-1');
  const keys = test.app.get(ApiKeysService, { strict: false });
  operator = (await keys.issue({ tenantId: null, name: 'op', scopes: ['signing-keys:read', 'signing-keys:write'] }))
    .key;
});
afterAll(() => test.close());

describe('signing keys', () => {
  it('are made once, by however many processes at the same time, and stored encrypted', async () => {
    const processes = services(3);
    const kids = (await Promise.all(processes.map(({ service }) => service.current()))).map((key) => key.kid);
    expect(new Set(kids).size).toBe(1);
    const rows = await test.database.query<{ kid: string; private_jwk_encrypted: Buffer }>(
      'SELECT * FROM signing_keys',
    );
    expect(rows.map((row) => row.kid)).toEqual([kids[0]]);
    expect(rows[0]!.private_jwk_encrypted.toString('latin1')).not.toContain('"d"');
    expect(rows[0]!.private_jwk_encrypted[0]).toBe(2);
    await Promise.all(processes.map(({ database }) => database.close()));
  });

  it('are published without their private part', async () => {
    const { keys } = await jwks();
    expect(keys).toHaveLength(1);
    expect(keys[0]).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', kid: expect.any(String) });
    expect(keys[0]).not.toHaveProperty('d');
  });

  it('of before there were data keys still open', async () => {
    const [row] = await test.database.query<{ kid: string; private_jwk_encrypted: Buffer }>(
      'SELECT * FROM signing_keys',
    );
    const context = `signing-key/${row!.kid}`;
    const plain = await test.app.get(Vault).open(row!.private_jwk_encrypted, context);
    const old = test.app.get(SecretBox).seal(plain, context);
    await test.database.query('UPDATE signing_keys SET private_jwk_encrypted = $1', [old]);
    const [{ service, database }] = services(1) as [ReturnType<typeof services>[number]];
    expect(await verify(await issue())).toMatchObject({ iss: test.config.url });
    expect((await service.current()).privateJwk).toHaveProperty('d');
    await database.close();
  });
});

describe('a rotation in peace', () => {
  it('publishes the next key an hour before it signs, and lets the old one verify until its last token has ended', async () => {
    const [old] = await list();
    const gateway = await seedGateway();
    const before = await configOf(gateway);
    const answer = await rotate({});
    expect(answer.statusCode).toBe(200);
    const [next, retiring] = answer.json<{ items: SigningKeyView[] }>().items;
    expect([next!.status, retiring!.status]).toEqual(['published', 'signing']);
    expect(retiring).toMatchObject({ kid: old!.kid, retiredAt: next!.activeFrom });
    expect((await jwks()).keys.map((key) => key.kid).sort()).toEqual([next!.kid, old!.kid].sort());
    expect(Number(await configOf(gateway))).toBe(Number(before) + 1);

    test.clock.advance(HOUR - 1_000);
    const last = await issue();
    expect(kidOf(last)).toBe(old!.kid);
    test.clock.advance(1_000);
    expect(kidOf(await issue())).toBe(next!.kid);
    expect((await list()).map((key) => key.status)).toEqual(['signing', 'retired']);
    expect(await verify(last)).toMatchObject({ tid: acme.tenantId });

    const gone = Date.parse(retiring!.removeAfter!) - Date.parse(retiring!.retiredAt!);
    expect(gone).toBeGreaterThan(8 * HOUR);
    test.clock.advance(gone);
    expect((await jwks()).keys.map((key) => key.kid)).toEqual([next!.kid]);
    const rendered = await configOf(gateway);
    await maintain();
    expect(await test.database.query('SELECT kid FROM signing_keys WHERE kid = $1', [old!.kid])).toEqual([]);
    expect(Number(await configOf(gateway))).toBeGreaterThan(Number(rendered));
  });

  it('asked for twice, or by two at once, is one rotation', async () => {
    const answers = await Promise.all([rotate({}), rotate({}), rotate({ immediately: false })]);
    expect(answers.map((answer) => answer.statusCode)).toEqual([200, 200, 200]);
    expect((await list()).filter((key) => key.status === 'published')).toHaveLength(1);
    const lines = await test.database.query(`SELECT id FROM audit_entries WHERE action = 'signing-key.rotate'`);
    expect(lines).toHaveLength(2);
  });

  it('happens by itself, and no token ever meets a verifier that does not know its key, even one an hour behind', async () => {
    const STEP = 15 * 60_000;
    const history: { at: number; keys: { keys: object[] } }[] = [];
    let live: { token: string; until: number }[] = [];
    const signers = new Set<string>();
    let checks = 0;
    for (let at = 0; at < 3 * 24 * HOUR; at += STEP) {
      await maintain();
      const now = test.clock.now().getTime();
      const { token } = await sessionToken();
      signers.add(kidOf(token));
      live = [...live.filter((one) => one.until > now), { token, until: now + 8 * HOUR }];
      history.push({ at: now, keys: await jwks() });
      const behind = history.find((entry) => entry.at > now - HOUR)!;
      for (const keys of [history.at(-1)!.keys, behind.keys]) {
        const known = keys === behind.keys ? [token] : live.map((one) => one.token);
        await Promise.all(known.map((one) => verify(one, keys)));
        checks += known.length;
      }
      test.clock.advance(STEP);
    }
    expect(signers.size).toBeGreaterThanOrEqual(3);
    expect(checks).toBeGreaterThan(3_000);
    expect((await jwks()).keys.length).toBeLessThanOrEqual(2);
  });

  it('is done by one of several processes that notice at the same time', async () => {
    test.clock.advance(30 * HOUR);
    const count = async () => (await test.database.query('SELECT kid FROM signing_keys')).length;
    await maintain();
    test.clock.advance(30 * HOUR);
    await maintain();
    const before = await count();
    test.clock.advance(24 * HOUR);
    await Promise.all(Array.from({ length: 4 }, maintain));
    expect((await list()).filter((key) => key.status === 'published')).toHaveLength(1);
    expect(await count()).toBeLessThanOrEqual(before + 1);
  });
});

describe('a rotation at once', () => {
  it('ends every key and every token there is, in every process', async () => {
    const [{ service, database }] = services(1) as [ReturnType<typeof services>[number]];
    const elsewhere = await service.current();
    const token = await issue();
    const before = (await list()).map((key) => key.kid);
    const answer = await rotate({ immediately: true });
    const { items } = answer.json<{ items: SigningKeyView[] }>();
    expect(items.map((key) => key.status)).toEqual(['signing']);
    expect(before).not.toContain(items[0]!.kid);
    await expect(verify(token)).rejects.toMatchObject({ code: 'token-invalid' });
    // Another process has the old key in memory, and signs with it no more.
    expect(elsewhere.kid).not.toBe(items[0]!.kid);
    expect((await service.current()).kid).toBe(items[0]!.kid);
    expect(await verify(await issue())).toMatchObject({ tid: acme.tenantId });
    const [line] = await test.database.query<{
      data: { withdrawn: string[] };
      tenant_id: string | null;
      actor: string;
    }>(`SELECT * FROM audit_entries WHERE action = 'signing-key.replace'`);
    expect(line).toMatchObject({
      tenant_id: null,
      actor: expect.stringMatching(/^key:/),
      data: { withdrawn: before.sort() },
    });
    await database.close();
  });

  it('ends a token on /v1/me too', async () => {
    const token = await issue();
    await rotate({ immediately: true });
    await expect(test.app.get(MemberTokens, { strict: false }).verify(token)).rejects.toMatchObject({
      code: 'token-invalid',
    });
  });
});

describe('the routes of signing keys', () => {
  it('are for operators with the scope', async () => {
    const keys = test.app.get(ApiKeysService, { strict: false });
    const reader = (await keys.issue({ tenantId: null, name: 'reader', scopes: ['signing-keys:read'] })).key;
    expect((await call('GET', '/v1/admin/signing-keys')).statusCode).toBe(401);
    expect((await call('GET', '/v1/admin/signing-keys', acme.key)).statusCode).toBe(403);
    expect((await call('GET', '/v1/admin/signing-keys', reader)).statusCode).toBe(200);
    expect((await rotate({}, reader)).json()).toMatchObject({ status: 403, code: 'scope-missing' });
    expect((await rotate({}, acme.key)).statusCode).toBe(403);
  });

  it.each([[{ immediately: 'yes' }], [{ immediately: 1 }], [{ at: 'once' }]])('refuse %j', async (body) => {
    expect((await rotate(body)).json()).toMatchObject({ status: 400, code: 'request-invalid' });
  });

  it('never show a private key', async () => {
    expect(JSON.stringify(await list())).not.toMatch(/"d"|private/);
  });
});

/** A token as the chat page's cookie holds it: the longest-lived kind. */
async function sessionToken(): Promise<{ token: string }> {
  const subject = await test.app.get(MembersReader).byExternalId(acme.tenantId, 'wp-1');
  return test.app.get(TokensService).sign(subject);
}

async function seedGateway(): Promise<string> {
  const id = 'gw_00000000000000000000000001';
  await test.database.query(
    `INSERT INTO hosts (id, name, driver, port_from, port_to) VALUES ('hst_1', 'h', 'process', 21000, 21999)`,
  );
  await test.database.query(
    `INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, port, resources, updated_at)
     VALUES ($1, $2, 'hst_1', 'shared', 'wirebot', 'i', 21000, '{}', now())`,
    [id, acme.tenantId],
  );
  return id;
}
