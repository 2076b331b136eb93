import { afterAll, beforeAll, expect, it } from 'vitest';
import { HOME, OidcWorld } from './testing/oidc-world.fixture.js';
import { CLIENT, startOpenIdProvider, type TestProvider } from './testing/openid-provider.fixture.js';

const MAIL = { WIREBOT_SMTP_URL: 'smtp://127.0.0.1:2525', WIREBOT_MAIL_FROM: 'Wirebot <no-reply@example.com>' };
let world: OidcWorld;
let provider: TestProvider;

beforeAll(async () => {
  world = await OidcWorld.start(MAIL);
  provider = await startOpenIdProvider([`${HOME}/v1/session/oidc/acme/callback`]);
  await world.offer({ key: 'acme', name: 'Acme', issuer: provider.issuer, ...CLIENT, allowedDomains: ['acme.test'] });
});
afterAll(async () => {
  await provider.close();
  await world.close();
});

const notices = async (email: string): Promise<number> => {
  const query = `SELECT 1 FROM mails WHERE recipient = $1 AND kind = 'security-notice'`;
  return (await world.test.database.query(query, [email])).length;
};

it('a user hears by mail of an account that signs them in from now on, once, and a new user does not', async () => {
  provider.accounts.set('new', { email: 'new@acme.test', email_verified: true });
  provider.person = 'new';
  await world.browser().navigate('/v1/session/oidc/acme/start');
  expect(await notices('new@acme.test')).toBe(0);

  await world.user('known@acme.test');
  provider.accounts.set('known', { email: 'known@acme.test', email_verified: true });
  provider.person = 'known';
  await world.browser().navigate('/v1/session/oidc/acme/start');
  await world.browser().navigate('/v1/session/oidc/acme/start');
  expect(await notices('known@acme.test')).toBe(1);

  await world.user('owner@elsewhere.test');
  const browser = await world.signedIn('owner@elsewhere.test');
  provider.accounts.set('private', { email: 'private@home.test', email_verified: false });
  provider.person = 'private';
  await browser.navigate('/v1/session/oidc/acme/link', { 'sec-fetch-site': 'same-origin' });
  expect([await notices('owner@elsewhere.test'), await notices('private@home.test')]).toEqual([1, 0]);
});

it('where mail goes out, a mailed link is a way to sign in that is always left', async () => {
  const browser = await world.signedIn('owner@elsewhere.test');
  await world.test.database.query(`UPDATE users SET password_hash = NULL WHERE email = 'owner@elsewhere.test'`);
  const { body } = await browser.api('GET', '/v1/session/identities');
  const [identity] = (body as { items: { id: string }[] }).items;
  expect((await browser.api('DELETE', `/v1/session/identities/${identity!.id}`)).status).toBe(204);
});
