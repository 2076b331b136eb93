import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TestBrowser } from './testing/browser.fixture.js';
import { HOME, OidcWorld } from './testing/oidc-world.fixture.js';
import { CLIENT, startOpenIdProvider, type TestProvider } from './testing/openid-provider.fixture.js';

let world: OidcWorld;
let provider: TestProvider;
let acme: { id: string };
let other: { id: string };

const START = '/v1/session/oidc/acme/start';
const callbackOf = (key: string) => `${HOME}/v1/session/oidc/${key}/callback`;

beforeAll(async () => {
  world = await OidcWorld.start();
  provider = await startOpenIdProvider([callbackOf('acme'), callbackOf('other')]);
  const common = { name: 'Acme', issuer: provider.issuer, ...CLIENT };
  acme = await world.offer({ ...common, key: 'acme', allowedDomains: ['Acme.test'] });
  other = await world.offer({ ...common, key: 'other' });
});
afterAll(async () => {
  await provider.close();
  await world.close();
});

let sequence = 0;
/** An account at the provider, whose owner sits at the keyboard. */
function person(claims: Record<string, unknown> = {}): string {
  sequence += 1;
  const id = `person-${sequence}`;
  provider.accounts.set(id, { email: `${id}@acme.test`, email_verified: true, name: `Person ${sequence}`, ...claims });
  provider.person = id;
  return id;
}
/** Goes to the provider and comes back to the call-back address without opening it. */
async function untilCallback(browser: TestBrowser, start = START): Promise<URL> {
  let address = new URL(start, HOME).href;
  do {
    const { location } = await browser.visit(address);
    if (location === undefined) throw new Error(`no redirect from ${address}`);
    address = new URL(location, address).href;
  } while (!address.includes('/callback?') && !address.includes('/admin/'));
  return new URL(address);
}
const errorOf = (address: string | undefined): string | null =>
  new URLSearchParams(new URL(address ?? '', HOME).hash.slice(1)).get('error');
const finish = async (browser: TestBrowser, start = START): Promise<string> =>
  (await browser.navigate((await untilCallback(browser, start)).href)).at(-1)!;

describe('signing in with an OpenID provider', () => {
  beforeEach(() => void person());

  it('makes a user of a trusted domain, knows them again, and asks the provider with PKCE, state and nonce', async () => {
    const id = person({ email: 'Grace@Acme.test', name: 'Grace' });
    const browser = world.browser();
    const trail = await browser.navigate(`${START}?returnTo=${encodeURIComponent('/admin/?x=1#security')}`);
    const asked = new URL(trail[1]!).searchParams;
    expect(Object.fromEntries(asked)).toMatchObject({
      response_type: 'code',
      client_id: CLIENT.clientId,
      redirect_uri: callbackOf('acme'),
      scope: 'openid email profile',
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
    });
    expect(trail.at(-1)).toBe(`${HOME}/admin/?x=1#security`);
    expect(await world.whoIs(browser)).toBe('grace@acme.test');
    const again = world.browser();
    provider.accounts.set(id, { email: 'new-name@acme.test', email_verified: false });
    provider.person = id;
    expect(await finish(again)).toBe(`${HOME}/admin/`);
    expect(await world.whoIs(again)).toBe('grace@acme.test');
    const [user] = await world.test.database.query<{ id: string; verified: boolean; password: string | null }>(
      `SELECT id, email_verified_at IS NOT NULL AS verified, password_hash AS password FROM users WHERE email = 'grace@acme.test'`,
    );
    expect(user).toMatchObject({ verified: true, password: null });
    const linked = (await world.audited('identity.link')).filter((line) => line.actor === `user:${user!.id}`);
    expect(linked.map((line) => line.data)).toEqual([{ provider: 'acme', by: 'address' }]);
    expect(JSON.stringify(await world.test.database.query('SELECT data FROM audit_entries'))).not.toContain('grace@');
  });

  it('binds the round trip to the browser by a cookie that scripts and other sites’ calls do not get', async () => {
    const answer = await world.test.app.inject({ method: 'GET', url: START, headers: { host: '127.0.0.1:4101' } });
    const cookie = String(answer.headers['set-cookie']);
    expect(cookie).toMatch(/^wirebot_oidc=[\w-]{43}; Path=\/v1; HttpOnly; SameSite=Lax; Max-Age=600$/);
    expect(answer.headers['cache-control']).toBe('no-store');
    const stored = JSON.stringify(await world.test.database.query('SELECT * FROM sign_in_attempts'));
    for (const secret of [cookie.slice(13, 56), new URL(answer.headers.location!).searchParams.get('state')!])
      expect(stored).not.toContain(secret);
  });

  it('refuses another state and leaves the sign-in open for the right one', async () => {
    const browser = world.browser();
    const callback = await untilCallback(browser);
    for (const state of ['', 'x'.repeat(43), undefined]) {
      const wrong = new URL(callback);
      if (state === undefined) wrong.searchParams.delete('state');
      else wrong.searchParams.set('state', state);
      expect(errorOf((await browser.visit(wrong.href)).location)).toBe('sign-in-expired');
    }
    const twice = new URL(callback);
    twice.searchParams.append('state', 'x');
    expect(errorOf((await browser.visit(twice.href)).location)).toBe('sign-in-expired');
    expect((await browser.visit(callback.href)).location).toBe('/admin/');
  });

  it('refuses a call-back that was opened before', async () => {
    const browser = world.browser();
    const callback = await untilCallback(browser);
    const cookies = new Map(browser.cookies.get('127.0.0.1:4101'));
    expect((await browser.visit(callback.href)).location).toBe('/admin/');
    expect(errorOf((await browser.visit(callback.href)).location)).toBe('sign-in-expired');
    browser.cookies.set('127.0.0.1:4101', cookies); // the round trip's cookie, kept by somebody
    expect(errorOf((await browser.visit(callback.href)).location)).toBe('sign-in-expired');
  });

  it('lets one of several parallel call-backs through', async () => {
    const browser = world.browser();
    const callback = await untilCallback(browser);
    const answers = await Promise.all(Array.from({ length: 5 }, () => browser.visit(callback.href)));
    expect(answers.map(({ location }) => errorOf(location) ?? 'in').sort()).toEqual(
      ['in', ...Array.from({ length: 4 }, () => 'sign-in-expired')].sort(),
    );
  });

  it('refuses a code that was used, in another round trip', async () => {
    const first = world.browser();
    const used = await untilCallback(first);
    await first.visit(used.href);
    const second = world.browser();
    const callback = await untilCallback(second);
    callback.searchParams.set('code', used.searchParams.get('code')!);
    expect(errorOf((await second.visit(callback.href)).location)).toBe('provider-answer-refused');
    expect(await world.whoIs(second)).toBeUndefined();
  });

  it('refuses a code of somebody else’s round trip, which its PKCE challenge and nonce do not fit', async () => {
    const attacker = world.browser();
    const stolen = await untilCallback(attacker);
    const victim = world.browser();
    const callback = await untilCallback(victim);
    callback.searchParams.set('code', stolen.searchParams.get('code')!);
    expect(errorOf((await victim.visit(callback.href)).location)).toBe('provider-answer-refused');
  });

  it('refuses a call-back in a browser that did not begin it: nobody is signed in as somebody else', async () => {
    const attacker = world.browser();
    const callback = await untilCallback(attacker);
    const victim = world.browser();
    expect(errorOf((await victim.visit(callback.href)).location)).toBe('sign-in-expired');
    await untilCallback(victim); // with a cookie of its own
    expect(errorOf((await victim.visit(callback.href)).location)).toBe('sign-in-expired');
    expect(await world.whoIs(victim)).toBeUndefined();
  });

  it('refuses an answer of one provider at the address of another', async () => {
    const browser = world.browser();
    const callback = await untilCallback(browser);
    const mixed = callback.href.replace('/acme/', '/other/');
    expect(errorOf((await browser.visit(mixed)).location)).toBe('sign-in-expired');
  });

  it('refuses an answer that names another issuer, or none where the provider names itself', async () => {
    for (const iss of ['https://evil.test', undefined]) {
      const browser = world.browser();
      const callback = await untilCallback(browser);
      expect(callback.searchParams.get('iss')).toBe(provider.issuer);
      if (iss === undefined) callback.searchParams.delete('iss');
      else callback.searchParams.set('iss', iss);
      expect(errorOf((await browser.visit(callback.href)).location)).toBe('provider-answer-refused');
    }
  });

  it('refuses an answer after ten minutes', async () => {
    const browser = world.browser();
    const callback = await untilCallback(browser);
    world.test.clock.advance(600_000);
    expect(errorOf((await browser.visit(callback.href)).location)).toBe('sign-in-expired');
  });

  it('says so when the person cancelled at the provider', async () => {
    provider.person = undefined;
    expect(errorOf(await finish(world.browser()))).toBe('sign-in-cancelled');
  });

  it('goes on to paths of the console only', async () => {
    for (const evil of [
      'https://evil.test/',
      '//evil.test',
      '/\\evil.test',
      '/v1/session/oidc/acme/link',
      '/admin/../v1/x',
    ])
      expect(await finish(world.browser(), `${START}?returnTo=${encodeURIComponent(evil)}`)).toBe(`${HOME}/admin/`);
  });

  it('asks for the second factor of who has one', async () => {
    const id = person();
    const userId = await world.user(`${id}@acme.test`);
    await world.test.database.query(
      `INSERT INTO user_totp (user_id, secret_sealed, confirmed_at) VALUES ($1, '\\x00', now())`,
      [userId],
    );
    const browser = world.browser();
    expect(await finish(browser)).toBe(`${HOME}/admin/#second-factor=totp%2Crecovery-code`);
    expect(await world.whoIs(browser)).toBeUndefined();
  });

  it('knows no provider that is not there or switched off', async () => {
    expect(errorOf((await world.browser().visit('/v1/session/oidc/nobody/start')).location)).toBe(
      'identity-provider-not-found',
    );
    const browser = world.browser();
    const callback = await untilCallback(browser);
    await world.admin('PATCH', `/${acme.id}`, { enabled: false });
    expect(errorOf((await browser.visit(callback.href)).location)).toBe('identity-provider-not-found');
    expect(errorOf((await browser.visit(START)).location)).toBe('identity-provider-not-found');
    await world.admin('PATCH', `/${acme.id}`, { enabled: true });
  });

  it('offers the providers that are switched on', async () => {
    const { body } = await world.browser().api('GET', '/v1/session/methods');
    expect(body).toMatchObject({
      providers: [
        { key: 'acme', name: 'Acme' },
        { key: 'other', name: 'Acme' },
      ],
    });
  });

  it('lets one network address begin only so many', async () => {
    const start = () =>
      world.test.app.inject({
        method: 'GET',
        url: START,
        remoteAddress: '10.9.8.7',
        headers: { host: '127.0.0.1:4101' },
      });
    const answers = [];
    for (let at = 0; at < 52; at += 1) answers.push(errorOf((await start()).headers.location));
    expect(answers.filter((code) => code === 'too-many-attempts')).toHaveLength(2);
  });
});

describe('an account nobody has signed in with', () => {
  it('signs in the user of its address where the provider is trusted for the domain', async () => {
    const id = person();
    const userId = await world.user(`${id}@acme.test`);
    const browser = world.browser();
    expect(await finish(browser)).toBe(`${HOME}/admin/`);
    expect(await world.whoIs(browser)).toBe(`${id}@acme.test`);
    expect(await world.test.database.query('SELECT user_id FROM user_identities WHERE subject = $1', [id])).toEqual([
      { user_id: userId },
    ]);
  });

  it.each([
    ['with an address that is not verified', { email_verified: false }, 'email-unverified'],
    ['without an address', { email: undefined, email_verified: undefined }, 'email-unverified'],
    ['of a domain that is not trusted', { email: 'mallory@evil.test' }, 'account-unknown'],
  ])('is refused %s', async (_, claims, code) => {
    person(claims);
    const browser = world.browser();
    expect(errorOf(await finish(browser))).toBe(code);
    expect(await world.whoIs(browser)).toBeUndefined();
  });

  it('takes no user over by an address that the provider does not vouch for', async () => {
    await world.user('victim@acme.test');
    person({ email: 'victim@acme.test', email_verified: false });
    expect(errorOf(await finish(world.browser()))).toBe('email-unverified');
  });

  it('takes no user over at a provider that is trusted for no domain', async () => {
    const id = person();
    await world.user(`${id}@acme.test`);
    expect(errorOf(await finish(world.browser(), '/v1/session/oidc/other/start'))).toBe('link-required');
  });

  it('takes no user over whose address was never proved here: it could be one that somebody made in another’s name', async () => {
    const id = person();
    await world.user(`${id}@acme.test`, { emailVerified: false });
    expect(errorOf(await finish(world.browser()))).toBe('link-required');
  });

  it('does not sign in a user who was disabled, linked or not', async () => {
    const id = person();
    const userId = await world.user(`${id}@acme.test`);
    await world.test.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
    expect(errorOf(await finish(world.browser()))).toBe('account-disabled');
    await world.test.database.query('INSERT INTO user_identities (provider_id, subject, user_id) VALUES ($1, $2, $3)', [
      acme.id,
      id,
      userId,
    ]);
    expect(errorOf(await finish(world.browser()))).toBe('account-disabled');
  });

  it('becomes one user when its owner signs in twice at once', async () => {
    const id = person();
    const [a, b] = [world.browser(), world.browser()];
    const callbacks = [await untilCallback(a), await untilCallback(b)];
    await Promise.all([a.visit(callbacks[0]!.href), b.visit(callbacks[1]!.href)]);
    expect(
      await world.test.database.query('SELECT count(*)::int AS n FROM users WHERE email = $1', [`${id}@acme.test`]),
    ).toEqual([{ n: 1 }]);
    expect([await world.whoIs(a), await world.whoIs(b)]).toEqual([`${id}@acme.test`, `${id}@acme.test`]);
  });
});

describe('linking an account', () => {
  const LINK = '/v1/session/oidc/other/link';
  const SAME_SITE = { 'sec-fetch-site': 'same-origin' };
  let email: string;
  let browser: TestBrowser;
  beforeEach(async () => {
    sequence += 1;
    email = `owner-${sequence}@elsewhere.test`;
    await world.user(email, { emailVerified: false });
    browser = await world.signedIn(email);
  });

  it('lets its owner sign in with it from then on, whatever its address', async () => {
    person({ email: 'private@home.test', email_verified: false });
    expect((await browser.navigate(LINK, SAME_SITE)).at(-1)).toBe(`${HOME}/admin/#security`);
    const elsewhere = world.browser();
    expect(await finish(elsewhere, '/v1/session/oidc/other/start')).toBe(`${HOME}/admin/`);
    expect(await world.whoIs(elsewhere)).toBe(email);
    const { body } = await browser.api('GET', '/v1/session/identities');
    expect(body).toEqual({
      items: [
        {
          id: expect.stringMatching(/^[\w-]{22}$/),
          provider: { key: 'other', name: 'Acme', enabled: true },
          email: 'private@home.test',
          createdAt: expect.any(String),
        },
      ],
      nextCursor: null,
    });
  });

  it('needs a session, a recent proof, and the console itself', async () => {
    expect(errorOf((await world.browser().visit(LINK, SAME_SITE)).location)).toBe('session-required');
    expect(errorOf((await browser.visit(LINK, { 'sec-fetch-site': 'cross-site' })).location)).toBe('origin-refused');
    world.test.clock.advance(600_000);
    expect(errorOf((await browser.visit(LINK, SAME_SITE)).location)).toBe('recent-proof-required');
  });

  it('is for who began it: it ends with their session', async () => {
    const id = person();
    const { location } = await browser.visit(LINK, SAME_SITE);
    const callback = await untilCallback(browser, location);
    await browser.api('DELETE', '/v1/session');
    expect(errorOf((await browser.visit(callback.href)).location)).toBe('session-required');
    expect(await world.test.database.query('SELECT 1 FROM user_identities WHERE subject = $1', [id])).toEqual([]);
  });

  it('is refused when the account is another user’s', async () => {
    person();
    await browser.navigate(LINK, SAME_SITE);
    await world.user('second@elsewhere.test');
    const second = await world.signedIn('second@elsewhere.test');
    expect(errorOf((await second.navigate(LINK, SAME_SITE)).at(-1))).toBe('identity-taken');
  });

  it('is done once when it is done twice', async () => {
    person();
    await browser.navigate(LINK, SAME_SITE);
    expect((await browser.navigate(LINK, SAME_SITE)).at(-1)).toBe(`${HOME}/admin/#security`);
    const { body } = await browser.api('GET', '/v1/session/identities');
    expect((body as { items: unknown[] }).items).toHaveLength(1);
  });

  it('can be undone, but not by others, not without a recent proof, and not when nothing else is left', async () => {
    const id = person();
    await browser.navigate(LINK, SAME_SITE);
    const { body } = await browser.api('GET', '/v1/session/identities');
    const path = `/v1/session/identities/${(body as { items: { id: string }[] }).items[0]!.id}`;
    expect((await world.browser().api('DELETE', path)).status).toBe(401);
    expect((await browser.api('DELETE', path, undefined, { origin: 'https://evil.test' })).status).toBe(403);
    const stranger = await world.signedIn('owner-of-nothing@elsewhere.test').catch(async () => {
      await world.user('owner-of-nothing@elsewhere.test');
      return world.signedIn('owner-of-nothing@elsewhere.test');
    });
    expect((await stranger.api('DELETE', path)).status).toBe(404);
    await world.test.database.query('UPDATE users SET password_hash = NULL WHERE email = $1', [email]);
    const last = await browser.api('DELETE', path);
    expect(last).toMatchObject({ status: 409, body: { code: 'last-way-to-sign-in' } });
    await world.test.database.query(`UPDATE users SET password_hash = 'x' WHERE email = $1`, [email]);
    world.test.clock.advance(600_000);
    expect(await browser.api('DELETE', path)).toMatchObject({ status: 403, body: { code: 'recent-proof-required' } });
    world.test.clock.advance(-600_000);
    expect((await browser.api('DELETE', path)).status).toBe(204);
    expect(await world.test.database.query('SELECT 1 FROM user_identities WHERE subject = $1', [id])).toEqual([]);
    expect((await world.audited('identity.unlink')).at(-1)?.data).toEqual({ provider: 'other' });
  });
});

it('leaves no secret in any log', () => {
  const text = JSON.stringify(world.test.logs);
  expect(text).not.toContain(CLIENT.clientSecret);
  expect(text).not.toMatch(/[?&]code=/);
  expect(other.id).toMatch(/^idp_/);
});
