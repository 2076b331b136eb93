import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HttpEdgeModule } from '../../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../../http/test-app.fixture.js';
import { IdentityModule } from '../identity.module.js';
import { TestBrowser } from '../oidc/testing/browser.fixture.js';
import { UsersService } from '../users.service.js';
import { PasskeysModule } from './passkeys.module.js';
import { type Faults, SoftAuthenticator } from './testing/authenticator.fixture.js';

const HOME = 'https://console.example.com';
const PASSWORD = 'correct horse battery';
let test: TestApp;
let email: string;
let userId: string;
let browser: TestBrowser;
let authenticator: SoftAuthenticator;

beforeAll(async () => {
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, PasskeysModule], {
    environment: { WIREBOT_CONTROL_PLANE_URL: HOME },
  });
});
afterAll(() => test.close());

let sequence = 0;
beforeEach(async () => {
  sequence += 1;
  email = `user-${sequence}@example.com`;
  userId = (await test.app.get(UsersService).ensure(email, PASSWORD)).id;
  browser = await signedIn(email);
  authenticator = new SoftAuthenticator(HOME);
});

async function signedIn(address: string): Promise<TestBrowser> {
  const one = new TestBrowser(test.app, HOME);
  const { status } = await one.api('POST', '/v1/session', { email: address, password: PASSWORD });
  expect(status).toBe(201);
  return one;
}

type Json = Record<string, unknown>;
const options = async (who: TestBrowser, path = '/v1/session/passkeys/options'): Promise<Json> => {
  const { status, body } = await who.api('POST', path, {});
  expect(status).toBe(200);
  return body as Json;
};
async function register(faults: Faults = {}, name?: string): Promise<{ status: number; body: Json }> {
  const credential = authenticator.create(await options(browser), faults);
  const { status, body } = await browser.api('POST', '/v1/session/passkeys/verify', {
    credential,
    ...(name && { name }),
  });
  return { status, body: body as Json };
}
async function signIn(
  faults: Faults = {},
  device = authenticator,
): Promise<{ status: number; body: Json; who: TestBrowser }> {
  const who = new TestBrowser(test.app, HOME);
  const credential = device.get(await options(who, '/v1/session/passkey/options'), faults);
  const { status, body } = await who.api('POST', '/v1/session/passkey/verify', { credential });
  return { status, body: body as Json, who };
}

describe('adding a passkey', () => {
  it('asks for one that names its user by itself and checks who holds it', async () => {
    await register();
    const asked = await options(browser);
    expect(asked).toMatchObject({
      rp: { id: 'console.example.com', name: 'Wirebot' },
      user: { id: Buffer.from(userId).toString('base64url'), name: email },
      challenge: expect.stringMatching(/^[\w-]{43}$/),
      attestation: 'none',
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    });
    expect(asked['excludeCredentials']).toHaveLength(1);
  });

  it('names it after where it is kept, or as its owner says, and lists it without its key', async () => {
    const google = 'ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4';
    expect((await register({ aaguid: google })).body).toMatchObject({ name: 'Google Password Manager' });
    expect((await register({ aaguid: google })).body).toMatchObject({ name: 'Google Password Manager 2' });
    const named = await register({}, '  My laptop ');
    expect(named).toMatchObject({ status: 201, body: { name: 'My laptop', synced: false, lastUsedAt: null } });
    const { body } = await browser.api('GET', '/v1/session/passkeys');
    const { items } = body as { items: Json[] };
    expect(items).toHaveLength(3);
    expect(Object.keys(items[2]!).sort()).toEqual(['createdAt', 'id', 'lastUsedAt', 'name', 'synced']);
  });

  it.each<[string, Faults]>([
    ['another site', { origin: 'https://evil.test' }],
    ['another relying party', { rpId: 'evil.test' }],
    ['nobody in particular', { userVerified: false }],
    ['signing in', { type: 'webauthn.get' }],
  ])('refuses one that was made for %s', async (_, faults) => {
    expect(await register(faults)).toMatchObject({ status: 422, body: { code: 'passkey-not-accepted' } });
  });

  it('takes each challenge once, from the session it was made for, for five minutes, and for nothing else', async () => {
    const verify = (who: TestBrowser, credential: Json) =>
      who.api('POST', '/v1/session/passkeys/verify', { credential });
    const asked = await options(browser);
    const credential = authenticator.create(asked);
    const other = await signedIn(email);
    expect(await verify(other, credential)).toMatchObject({ status: 401, body: { code: 'challenge-over' } });
    expect(await verify(browser, credential)).toMatchObject({ status: 401, body: { code: 'challenge-over' } });
    const forSignIn = await options(browser, '/v1/session/passkey/options');
    const mixed = authenticator.create({ ...asked, challenge: forSignIn['challenge'] });
    expect((await verify(browser, mixed)).body).toMatchObject({ code: 'challenge-over' });
    const late = authenticator.create(await options(browser));
    test.clock.advance(300_000);
    expect((await verify(browser, late)).body).toMatchObject({ code: 'challenge-over' });
    test.clock.advance(-300_000);
    const good = authenticator.create(await options(browser));
    const answers = await Promise.all([verify(browser, good), verify(browser, good), verify(browser, good)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401]);
  });

  it('needs a session, its own origin, and a recent proof', async () => {
    const path = '/v1/session/passkeys/options';
    expect((await new TestBrowser(test.app, HOME).api('POST', path, {})).status).toBe(401);
    expect((await browser.api('POST', path, {}, { origin: 'https://evil.test' })).status).toBe(403);
    test.clock.advance(600_000);
    expect(await browser.api('POST', path, {})).toMatchObject({ status: 403, body: { code: 'recent-proof-required' } });
    test.clock.advance(-600_000);
  });

  it('refuses what is no credential', async () => {
    const verify = (body: object) => browser.api('POST', '/v1/session/passkeys/verify', body);
    for (const body of [{}, { credential: 'x' }, { credential: [], extra: 1 }, { credential: {}, name: '' }])
      expect((await verify(body)).status).toBe(400);
    const broken = [
      {},
      { response: null },
      { response: { clientDataJSON: 7 } },
      { response: { clientDataJSON: 'e30' } },
    ];
    for (const credential of [...broken, { response: { clientDataJSON: Buffer.from('null').toString('base64url') } }])
      expect(await verify({ credential })).toMatchObject({ status: 401, body: { code: 'challenge-over' } });
    const asked = await options(browser);
    const { response, ...rest } = authenticator.create(asked) as { response: Json };
    const half = { ...rest, response: { clientDataJSON: response['clientDataJSON'] } };
    expect(await verify({ credential: half })).toMatchObject({ status: 422, body: { code: 'passkey-not-accepted' } });
  });

  it('stops at twenty', async () => {
    await test.database.query(
      `INSERT INTO passkeys (credential_id, user_id, name, public_key, device_type, backed_up)
       SELECT 'c' || n || $1, $1, 'P' || n, '\\x00', 'singleDevice', false FROM generate_series(1, 20) n`,
      [userId],
    );
    expect(await browser.api('POST', '/v1/session/passkeys/options', {})).toMatchObject({
      status: 422,
      body: { code: 'too-many-passkeys' },
    });
  });
});

describe('signing in with a passkey', () => {
  beforeEach(async () => void (await register()));

  it('needs no name and no second factor, and tells nothing about users', async () => {
    await test.database.query(
      `INSERT INTO user_totp (user_id, secret_sealed, confirmed_at) VALUES ($1, '\\x00', now())`,
      [userId],
    );
    const asked = await options(new TestBrowser(test.app, HOME), '/v1/session/passkey/options');
    expect(Object.keys(asked).sort()).toEqual(['challenge', 'rpId', 'timeout', 'userVerification']);
    const { status, body, who } = await signIn();
    expect([status, body]).toMatchObject([201, { status: 'signed-in', user: { email } }]);
    expect((await who.api('GET', '/v1/session')).body).toMatchObject({ user: { email }, secondFactor: true });
    const { body: list } = await who.api('GET', '/v1/session/passkeys');
    expect((list as { items: Json[] }).items[0]).toMatchObject({ lastUsedAt: expect.any(String) });
  });

  it.each<[string, Faults]>([
    ['another site', { origin: 'https://console.example.com.evil.test' }],
    ['http', { origin: 'http://console.example.com' }],
    ['another relying party', { rpId: 'example.com' }],
    ['adding a passkey', { type: 'webauthn.create' }],
  ])('refuses an answer for %s', async (_, faults) => {
    expect(await signIn(faults)).toMatchObject({ status: 401, body: { code: 'passkey-refused' } });
  });

  it('refuses an answer without user verification, of another user, or of nobody', async () => {
    const faults: Faults[] = [
      { userVerified: false },
      { userHandle: Buffer.from('usr_other').toString('base64url') },
      { userHandle: null },
    ];
    for (const fault of faults)
      expect(await signIn(fault)).toMatchObject({ status: 401, body: { code: 'passkey-refused' } });
  });

  it('refuses a signature of another key', async () => {
    expect(await signIn({}, authenticator.forge())).toMatchObject({ status: 401, body: { code: 'passkey-refused' } });
  });

  it('refuses a challenge that is made up, used, or too old', async () => {
    expect((await signIn({ challenge: 'x'.repeat(43) })).body).toMatchObject({ code: 'challenge-over' });
    const who = new TestBrowser(test.app, HOME);
    const credential = authenticator.get(await options(who, '/v1/session/passkey/options'));
    const verify = () => who.api('POST', '/v1/session/passkey/verify', { credential });
    const answers = await Promise.all([verify(), verify(), verify()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401]);
    const late = authenticator.get(await options(who, '/v1/session/passkey/options'));
    test.clock.advance(300_000);
    expect((await who.api('POST', '/v1/session/passkey/verify', { credential: late })).body).toMatchObject({
      code: 'challenge-over',
    });
    test.clock.advance(-300_000);
  });

  it('refuses a passkey whose counter does not rise, and leaves a line about it', async () => {
    expect((await signIn({ counter: 5 })).status).toBe(201);
    for (const counter of [5, 4, 0])
      expect(await signIn({ counter })).toMatchObject({ status: 401, body: { code: 'passkey-cloned' } });
    expect((await signIn({ counter: 6 })).status).toBe(201);
    const lines = await test.database.query(
      `SELECT data FROM audit_entries WHERE action = 'passkey.refuse' AND data->>'userId' = $1 ORDER BY seq`,
      [userId],
    );
    expect(lines[0]).toEqual({ data: { userId, reason: 'counter', stored: 5, given: 5 } });
    expect(lines).toHaveLength(3);
  });

  it('accepts one that does not count', async () => {
    for (const counter of [0, 0]) expect((await signIn({ counter })).status).toBe(201);
  });

  it('refuses one that was removed, by a code that lets the browser forget it', async () => {
    await test.database.query('DELETE FROM passkeys WHERE user_id = $1', [userId]);
    expect(await signIn()).toMatchObject({ status: 401, body: { code: 'passkey-unknown' } });
  });

  it('does not sign in who was disabled', async () => {
    await test.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
    expect(await signIn()).toMatchObject({ status: 403, body: { code: 'account-disabled' } });
  });

  it('is refused to other sites', async () => {
    const who = new TestBrowser(test.app, HOME);
    const evil = { origin: 'https://evil.test' };
    for (const path of ['options', 'verify'])
      expect((await who.api('POST', `/v1/session/passkey/${path}`, { credential: {} }, evil)).status).toBe(403);
  });

  it('proves who is at the keyboard, for changes that want a recent proof', async () => {
    test.clock.advance(700_000);
    const asked = () => options(browser, '/v1/session/passkey/options');
    expect((await browser.api('POST', '/v1/session/passkeys/options', {})).status).toBe(403);
    const credential = authenticator.get(await asked());
    expect(await browser.api('POST', '/v1/session/passkeys/prove', { credential })).toMatchObject({
      status: 200,
      body: { provedUntil: expect.any(String) },
    });
    expect((await browser.api('POST', '/v1/session/passkeys/options', {})).status).toBe(200);
    await test.app.get(UsersService).ensure('another@example.com', PASSWORD);
    const another = await signedIn('another@example.com');
    const foreign = { credential: authenticator.get(await asked()) };
    expect(await another.api('POST', '/v1/session/passkeys/prove', foreign)).toMatchObject({
      status: 401,
      body: { code: 'passkey-refused' },
    });
  });
});

describe('keeping passkeys', () => {
  it('are renamed and removed by their owner only', async () => {
    const { body } = await register();
    const path = `/v1/session/passkeys/${String(body['id'])}`;
    const other = await signedIn((await test.app.get(UsersService).ensure('stranger@example.com', PASSWORD)).email);
    expect((await other.api('PATCH', path, { name: 'x' })).status).toBe(404);
    expect((await other.api('DELETE', path)).status).toBe(404);
    expect((await new TestBrowser(test.app, HOME).api('DELETE', path)).status).toBe(401);
    for (const name of ['', '  ', 'x'.repeat(61)])
      expect((await browser.api('PATCH', path, { name })).status).toBe(400);
    expect((await browser.api('PATCH', path, { name: 'Desk' })).body).toMatchObject({ name: 'Desk' });
    test.clock.advance(600_000);
    expect((await browser.api('DELETE', path)).body).toMatchObject({ code: 'recent-proof-required' });
    test.clock.advance(-600_000);
    expect((await browser.api('DELETE', path)).status).toBe(204);
    expect((await browser.api('DELETE', path)).status).toBe(404);
  });

  it('never lose the last way to sign in, also when the last two are removed at once', async () => {
    const made = [await register(), await register()];
    await test.database.query('UPDATE users SET password_hash = NULL WHERE id = $1', [userId]);
    const answers = await Promise.all(
      made.map(({ body }) => browser.api('DELETE', `/v1/session/passkeys/${String(body['id'])}`)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
    expect(answers.find(({ status }) => status === 409)!.body).toMatchObject({ code: 'last-way-to-sign-in' });
  });

  it('leave lines in the audit log', async () => {
    const { body } = await register();
    await browser.api('DELETE', `/v1/session/passkeys/${String(body['id'])}`);
    const lines = await test.database.query<{ action: string }>(
      `SELECT action FROM audit_entries WHERE resource = 'passkey' AND actor = $1 ORDER BY seq`,
      [`user:${userId}`],
    );
    expect(lines.map(({ action }) => action)).toEqual(['passkey.create', 'passkey.delete']);
  });
});

it('are offered where the installation has a name', async () => {
  expect((await new TestBrowser(test.app, HOME).api('GET', '/v1/session/methods')).body).toMatchObject({
    passkeys: true,
  });
});

it('are not offered, and refused with the reason, where it is addressed by number', async () => {
  const home = 'https://192.0.2.7';
  const numbered = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, PasskeysModule], {
    environment: { WIREBOT_CONTROL_PLANE_URL: home },
  });
  const who = new TestBrowser(numbered.app, home);
  const methods = await who.api('GET', '/v1/session/methods');
  const challenge = await who.api('POST', '/v1/session/passkey/options', {});
  await numbered.close();
  expect(methods.body).toMatchObject({ passkeys: false });
  expect(challenge).toMatchObject({ status: 422, body: { code: 'passkeys-unavailable' } });
});
