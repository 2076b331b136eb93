import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProviderHttp } from './provider-http.js';
import { type CrookedProvider, sign, startCrookedProvider } from './testing/crooked-provider.fixture.js';
import { startGitHub, type GitHubDouble } from './testing/github.fixture.js';
import { HOME, OidcWorld } from './testing/oidc-world.fixture.js';

const CLIENT = { clientId: 'wirebot', clientSecret: 'a-secret-of-the-client' } as const;
let world: OidcWorld;
let crooked: CrookedProvider;
let gitHub: GitHubDouble;

beforeAll(async () => {
  world = await OidcWorld.start();
  [crooked, gitHub] = await Promise.all([startCrookedProvider(), startGitHub(CLIENT)]);
  const allowedDomains = ['acme.test'];
  await world.offer({ key: 'crooked', name: 'Crooked', issuer: crooked.issuer, ...CLIENT, allowedDomains });
  await world.offer({ preset: 'github', issuer: gitHub.issuer, ...CLIENT, allowedDomains });
});
afterAll(async () => {
  await Promise.all([crooked.close(), gitHub.close()]);
  await world.close();
});

async function outcome(key: string, origin?: string): Promise<string> {
  const browser = world.browser();
  if (origin) browser.aliases.set(origin, crooked.issuer);
  const end = (await browser.navigate(`/v1/session/oidc/${key}/start`)).at(-1)!;
  const error = new URLSearchParams(new URL(end).hash.slice(1)).get('error');
  const who = await world.whoIs(browser);
  expect(error === null).toBe(who !== undefined);
  return error ?? who!;
}

describe('an ID token', () => {
  beforeEach(() => {
    crooked.idToken = (honest) => sign(honest, crooked.key);
  });

  it('signs in when everything is right', async () => expect(await outcome('crooked')).toBe('mia@acme.test'));

  const hour = Math.floor(Date.now() / 1_000) + 3_600;
  it.each<[string, CrookedProvider['idToken']]>([
    ['without a signature (alg none)', async (honest) => new UnsecuredJWT(honest).encode()],
    [
      'signed with the client’s secret (HS256)',
      (honest) => sign(honest, new TextEncoder().encode(CLIENT.clientSecret), 'HS256'),
    ],
    ['signed with another key', async (honest) => sign(honest, (await generateKeyPair('RS256')).privateKey)],
    [
      'with a changed body',
      async (honest) => {
        const [head, , tail] = (await sign(honest, crooked.key)).split('.');
        return [head, Buffer.from(JSON.stringify({ ...honest, sub: 'ceo' })).toString('base64url'), tail].join('.');
      },
    ],
    [
      'that brings its own key',
      async (honest) => {
        const { privateKey } = await generateKeyPair('RS256');
        return new SignJWT(honest).setProtectedHeader({ alg: 'RS256', jku: 'https://evil.test/jwks' }).sign(privateKey);
      },
    ],
    ['with another nonce', (honest) => sign({ ...honest, nonce: 'another' }, crooked.key)],
    ['without a nonce', (honest) => sign({ ...honest, nonce: undefined }, crooked.key)],
    ['of another issuer', (honest) => sign({ ...honest, iss: 'https://accounts.google.com' }, crooked.key)],
    ['for another client', (honest) => sign({ ...honest, aud: 'another' }, crooked.key)],
    ['for several clients', (honest) => sign({ ...honest, aud: ['wirebot', 'another'] }, crooked.key)],
    ['that has expired', (honest) => sign({ ...honest, exp: hour - 7_200, iat: hour - 7_300 }, crooked.key)],
    ['that is not valid yet', (honest) => sign({ ...honest, nbf: hour }, crooked.key)],
    ['without a subject', (honest) => sign({ ...honest, sub: undefined }, crooked.key)],
    ['that is missing', async () => undefined],
    ['that is no token', async () => 'abc'],
  ])('is refused %s', async (_, idToken) => {
    crooked.idToken = idToken;
    expect(await outcome('crooked')).toBe('provider-answer-refused');
  });

  it('leaves the reason in the log and the token out of it', () => {
    const lines = world.test.logs.filter((line) => line['msg'] === 'answer of an identity provider refused');
    expect(lines.length).toBeGreaterThan(10);
    expect(JSON.stringify(lines)).not.toMatch(/eyJ|acme\.test/);
  });
});

describe('a provider’s metadata', () => {
  it('cannot send the control plane to private addresses when the issuer is public', async () => {
    const http = world.test.app.get(ProviderHttp).for('https://id.example.com');
    const request = { method: 'GET', headers: {} };
    for (const url of [
      'https://169.254.169.254/latest',
      'https://10.0.0.1/',
      'http://id.example.org/',
      'https://[::1]/',
    ])
      await expect(http(url, request)).rejects.toMatchObject({
        code: 'identity-provider-unreachable',
        cause: { code: 'address-not-public' },
      });
    const inside = world.test.app.get(ProviderHttp).for(crooked.issuer);
    expect((await inside(`${crooked.issuer}/jwks`, request)).status).toBe(200);
  });

  it('cannot name another issuer, nor go on without PKCE', async () => {
    const issuer = { name: 'X', issuer: crooked.issuer, ...CLIENT };
    for (const wrong of [{ issuer: 'https://accounts.google.com' }, { code_challenge_methods_supported: ['plain'] }]) {
      crooked.metadata = (honest) => ({ ...honest, ...wrong });
      const { status, body } = await world.admin('POST', '', { ...issuer, key: 'liar' });
      expect([status, body['code']]).toEqual([422, 'issuer-unusable']);
    }
    crooked.metadata = (honest) => ({ ...honest, padding: 'x'.repeat(600_000) });
    expect((await world.admin('POST', '', { ...issuer, key: 'chatty' })).status).toBe(422);
    crooked.metadata = (honest) => honest;
  });

  it('is asked for once and then remembered', async () => {
    crooked.calls.length = 0;
    await outcome('crooked');
    await outcome('crooked');
    expect(crooked.calls.filter((path) => path.includes('.well-known'))).toEqual([]);
  });

  it('that cannot be had is told as such', async () => {
    const gone = await startCrookedProvider();
    await world.offer({ key: 'gone', name: 'Gone', issuer: gone.issuer, ...CLIENT });
    await gone.close();
    expect(await outcome('gone')).toBe('identity-provider-unreachable');
  });
});

type Send = (url: string, request: unknown, named: boolean) => Promise<Response>;

describe('rules of known providers', () => {
  afterEach(() => vi.restoreAllMocks());

  /** Serves a provider’s own origin from the double, which speaks in its name. */
  function stand(issuer: string, origin: string): void {
    const http = world.test.app.get(ProviderHttp) as unknown as { send: Send };
    const send = http.send.bind(http);
    vi.spyOn(http, 'send').mockImplementation((url, request, named) => {
      const path = new URL(url).pathname.replace(/^.*\/\.well-known/, '/.well-known');
      return url.startsWith(origin) ? send(`${crooked.issuer}${path}`, request, true) : send(url, request, named);
    });
    crooked.metadata = (honest) => {
      const moved = Object.entries(honest).map(([name, value]) => [
        name,
        String(value).replace(crooked.issuer, origin),
      ]);
      return { ...honest, ...Object.fromEntries(moved.filter(([name]) => /_(endpoint|uri)$/.test(name!))), issuer };
    };
  }
  const tenant = '11111111-2222-3333-4444-555555555555';
  const microsoft = { iss: `https://login.microsoftonline.com/${tenant}/v2.0`, tid: tenant };

  it('Microsoft: every organisation signs its own accounts in, addresses count only when their domain was verified', async () => {
    stand('https://login.microsoftonline.com/{tenantid}/v2.0', 'https://login.microsoftonline.com');
    const allowedDomains = ['acme.test'];
    await world.offer({ preset: 'microsoft', ...CLIENT, allowedDomains });
    crooked.idToken = (honest) => sign({ ...honest, ...microsoft, email: 'ms@acme.test' }, crooked.key);
    expect(await outcome('microsoft', 'https://login.microsoftonline.com')).toBe('email-unverified');
    crooked.idToken = (honest) => sign({ ...honest, ...microsoft, email: 'ms@acme.test', xms_edov: true }, crooked.key);
    expect(await outcome('microsoft', 'https://login.microsoftonline.com')).toBe('ms@acme.test');
    // The same subject in another organisation is somebody else.
    const elsewhere = {
      ...microsoft,
      iss: microsoft.iss.replace('1111-', '1119-'),
      tid: tenant.replace('1111-', '1119-'),
    };
    crooked.idToken = (honest) => sign({ ...honest, ...elsewhere, email: 'x@acme.test' }, crooked.key);
    expect(await outcome('microsoft', 'https://login.microsoftonline.com')).toBe('email-unverified');
    // An organisation cannot sign for another.
    crooked.idToken = (honest) => sign({ ...honest, ...microsoft, tid: elsewhere.tid }, crooked.key);
    expect(await outcome('microsoft', 'https://login.microsoftonline.com')).toBe('provider-answer-refused');
  });

  it('Google: an address of an organisation counts when the account is the organisation’s', async () => {
    stand('https://accounts.google.com', 'https://accounts.google.com');
    await world.offer({ preset: 'google', ...CLIENT, allowedDomains: ['acme.test'] });
    const iss = 'https://accounts.google.com';
    crooked.idToken = (honest) => sign({ ...honest, iss, email: 'g@acme.test' }, crooked.key);
    expect(await outcome('google', 'https://accounts.google.com')).toBe('email-unverified');
    crooked.idToken = (honest) => sign({ ...honest, iss, email: 'g@acme.test', hd: 'acme.test' }, crooked.key);
    expect(await outcome('google', 'https://accounts.google.com')).toBe('g@acme.test');
  });
});

describe('GitHub', () => {
  const emails = (verified: boolean) => [
    { email: 'other@acme.test', primary: false, verified: true, visibility: null },
    { email: 'Hub@acme.test', primary: true, verified, visibility: 'private' },
  ];

  it('signs in by the account’s number and its verified primary address', async () => {
    gitHub.emails = emails(true);
    expect(await outcome('github')).toBe('hub@acme.test');
    expect(
      await world.test.database.query(`SELECT subject FROM user_identities WHERE email = 'hub@acme.test'`),
    ).toEqual([{ subject: '583231' }]);
    gitHub.user = { ...gitHub.user, login: 'renamed' };
    gitHub.emails = [];
    expect(await outcome('github')).toBe('hub@acme.test');
  });

  it('does not believe an address that is not verified, or not the primary one', async () => {
    gitHub.user = { ...gitHub.user, id: 99 };
    for (const rows of [emails(false), emails(true).slice(0, 1), []]) {
      gitHub.emails = rows;
      expect(await outcome('github')).toBe('email-unverified');
    }
  });

  it('refuses an account without a number, a log-in name is none', async () => {
    gitHub.emails = emails(true);
    for (const id of [undefined, '583231', null]) {
      gitHub.user = { ...gitHub.user, id };
      expect(await outcome('github')).toBe('provider-answer-refused');
    }
  });

  it('refuses a code that GitHub does not know', async () => {
    const browser = world.browser();
    const [, authorize] = await browser.navigate('/v1/session/oidc/github/start').then((trail) => trail);
    const state = new URL(authorize!).searchParams.get('state');
    const again = world.browser();
    const start = await again.visit('/v1/session/oidc/github/start');
    const own = new URL(start.location!).searchParams.get('state');
    expect(own).not.toBe(state);
    const { location } = await again.visit(`${HOME}/v1/session/oidc/github/callback?code=made-up&state=${own}`);
    expect(location).toBe('/admin/#error=provider-answer-refused');
  });
});
