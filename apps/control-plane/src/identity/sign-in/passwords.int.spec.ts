import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditActions, expectAtMost, PASSWORD, seedUser, TestConsole } from '../testing/console.fixture.js';
import { type SignInTest, startSignInTest } from '../testing/sign-in.fixture.js';

const NEW = 'three green parrots';
let fixture: SignInTest;
const browser = () => new TestConsole(fixture.test);
const signedIn = async (email: string, password = PASSWORD): Promise<TestConsole> => {
  const someone = browser();
  expect((await someone.signIn(email, password)).status).toBe(201);
  return someone;
};
const ask = (email: string) => browser().call('POST', '/v1/session/password-reset', { email });
const complete = (token: string, password: string) =>
  browser().call('POST', '/v1/session/password-reset/complete', { token, password });
const resetToken = async (email: string): Promise<string> => {
  expect((await ask(email)).status).toBe(202);
  await expect.poll(() => fixture.smtp.tokenFor(email, 'password-reset')).toBeDefined();
  return fixture.smtp.tokenFor(email, 'password-reset')!;
};
const noticesFor = (email: string) =>
  fixture.smtp.mails.filter(({ to, content }) => to.includes(email) && content.includes('Your password was changed'));

beforeAll(async () => {
  fixture = await startSignInTest();
});
afterAll(() => fixture.close());

describe('changing the password', () => {
  it('takes the current one, ends every other session and tells by mail', async () => {
    const userId = await seedUser(fixture.test, 'change@example.com');
    const [here, elsewhere] = [await signedIn('change@example.com'), await signedIn('change@example.com')];
    const body = { currentPassword: PASSWORD, newPassword: NEW };
    expect((await here.call('PUT', '/v1/session/password', body)).status).toBe(204);
    expect([await here.status(), await elsewhere.status()]).toEqual([200, 401]);
    expect((await browser().signIn('change@example.com', PASSWORD)).status).toBe(401);
    expect((await browser().signIn('change@example.com', NEW)).status).toBe(201);
    expect(await auditActions(fixture.test, userId)).toEqual(['password.change']);
    await expect.poll(() => noticesFor('change@example.com').length).toBe(1);
    const log = JSON.stringify(await fixture.test.database.query('SELECT * FROM audit_entries'));
    for (const secret of [PASSWORD, NEW]) expect(log + JSON.stringify(fixture.test.logs)).not.toContain(secret);
  });

  it('does without it after a recent proof, and not after ten minutes', async () => {
    await seedUser(fixture.test, 'proof@example.com');
    const here = await signedIn('proof@example.com');
    fixture.test.clock.advance(10 * 60_000);
    const change = () => here.call('PUT', '/v1/session/password', { newPassword: NEW });
    expect(await change()).toMatchObject({ status: 403, body: { code: 'recent-proof-required' } });
    const wrong = await here.call('POST', '/v1/session/prove', { password: 'wrong password' });
    expect(wrong).toMatchObject({ status: 403, body: { code: 'proof-invalid' } });
    expect((await here.call('POST', '/v1/session/prove', {})).body).toMatchObject({ code: 'proof-missing' });
    expect((await change()).status).toBe(403);
    const proved = await here.call('POST', '/v1/session/prove', { password: PASSWORD });
    const until = new Date(fixture.test.clock.now().getTime() + 600_000).toISOString();
    expect(proved).toMatchObject({ status: 200, body: { provedUntil: until } });
    expect((await change()).status).toBe(204);
  });

  it('is refused with a wrong current one, a weak new one, without a session and from another site', async () => {
    await seedUser(fixture.test, 'refused@example.com');
    const here = await signedIn('refused@example.com');
    const change = (body: object, headers = {}) => here.call('PUT', '/v1/session/password', body, headers);
    const wrong = { currentPassword: 'wrong password', newPassword: NEW };
    expect(await change(wrong)).toMatchObject({ status: 403, body: { code: 'proof-invalid' } });
    for (const newPassword of ['short', 'password1234', 'refused@example.com', 'wirebot2026!'])
      expect(await change({ currentPassword: PASSWORD, newPassword })).toMatchObject({
        status: 422,
        body: { code: 'password-too-weak' },
      });
    expect((await change({ currentPassword: PASSWORD })).status).toBe(400);
    expect((await change({ currentPassword: null, newPassword: NEW })).status).toBe(400);
    for (const proof of [{ password: null }, { code: null }])
      expect((await here.call('POST', '/v1/session/prove', proof)).status).toBe(400);
    const right = { currentPassword: PASSWORD, newPassword: NEW };
    expect((await change(right, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await browser().call('PUT', '/v1/session/password', right)).status).toBe(401);
    expect((await browser().signIn('refused@example.com', PASSWORD)).status).toBe(201);
  });

  it('cannot be used to guess the current one: 200 tries at once are ten', async () => {
    const userId = await seedUser(fixture.test, 'guess@example.com');
    const here = await signedIn('guess@example.com');
    const tries = Array.from({ length: 200 }, (_, i) =>
      here.call('POST', '/v1/session/prove', { password: `wrong password ${i}` }),
    );
    expectAtMost(10, 'proof-invalid', 'too-many-attempts', await Promise.all(tries));
    expect((await here.call('POST', '/v1/session/prove', { password: PASSWORD })).status).toBe(429);
    expect(await auditActions(fixture.test, userId)).toEqual(['sign-in.lock']);
  });

  it('kills links that were mailed before', async () => {
    await seedUser(fixture.test, 'stale@example.com');
    const token = await resetToken('stale@example.com');
    const here = await signedIn('stale@example.com');
    await here.call('PUT', '/v1/session/password', { currentPassword: PASSWORD, newPassword: NEW });
    expect((await complete(token, 'yet another password 7')).body).toMatchObject({ code: 'link-invalid' });
  });
});

describe('a forgotten password', () => {
  it('is set anew with a mailed link, which ends every session', async () => {
    const userId = await seedUser(fixture.test, 'forgot@example.com');
    const before = await signedIn('forgot@example.com');
    const token = await resetToken('forgot@example.com');
    expect((await complete(token, NEW)).status).toBe(204);
    expect(await before.status()).toBe(401);
    expect((await browser().signIn('forgot@example.com', NEW)).status).toBe(201);
    expect((await complete(token, 'yet another password 7')).body).toMatchObject({ code: 'link-invalid' });
    expect(await auditActions(fixture.test, userId)).toEqual(['password.reset']);
    await expect.poll(() => noticesFor('forgot@example.com').length).toBe(1);
  });

  it('keeps its link when the new one is too weak', async () => {
    await seedUser(fixture.test, 'weak@example.com');
    const token = await resetToken('weak@example.com');
    expect((await complete(token, 'password1234')).body).toMatchObject({ code: 'password-too-weak' });
    expect((await complete(token, NEW)).status).toBe(204);
  });

  it('is set once by many who use the link at once', async () => {
    await seedUser(fixture.test, 'race@example.com');
    const token = await resetToken('race@example.com');
    const words = ['alpine', 'border', 'cactus', 'debate', 'ethnic', 'fabric', 'gadget', 'hammer'];
    const passwords = words.map((word) => `${word} umbrella ${word}`);
    const answers = await Promise.all(passwords.map((password) => complete(token, password)));
    const set = answers.flatMap(({ status }, i) => (status === 204 ? [passwords[i]!] : []));
    expect(set).toHaveLength(1);
    expect((await browser().signIn('race@example.com', set[0]!)).status).toBe(201);
  });

  it('leaves no session to who signs in with the old one at that moment', async () => {
    const userId = await seedUser(fixture.test, 'moment@example.com');
    const token = await resetToken('moment@example.com');
    const late = Array.from({ length: 8 }, () => browser());
    const [reset, ...tries] = await Promise.all([
      complete(token, NEW),
      ...late.map((someone) => someone.signIn('moment@example.com', PASSWORD)),
    ]);
    expect(reset.status).toBe(204);
    expect(tries.every(({ status }) => status === 201 || status === 401)).toBe(true);
    const left = await fixture.test.database.query('SELECT id FROM user_sessions WHERE user_id = $1', [userId]);
    expect(left).toEqual([]);
  });

  it('link works for half an hour', async () => {
    await seedUser(fixture.test, 'expired@example.com');
    const token = await resetToken('expired@example.com');
    fixture.test.clock.advance(30 * 60_000);
    expect((await complete(token, NEW)).status).toBe(401);
  });

  it('of an unknown address is answered alike', async () => {
    expect(await ask('unknown@example.com')).toMatchObject({ status: 202, body: {} });
    expect((await ask('not an address')).status).toBe(400);
  });
});
