import { generateSync } from 'otplib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answer,
  auditActions,
  expectAtMost,
  PASSWORD,
  seedUser,
  TestConsole,
} from '../testing/console.fixture.js';
import { type SignInTest, startSignInTest } from '../testing/sign-in.fixture.js';

let fixture: SignInTest;
const browser = () => new TestConsole(fixture.test);
const codeOf = (secret: string, steps = 0): string =>
  generateSync({ secret, epoch: Math.floor(fixture.test.clock.now().getTime() / 1_000) + steps * 30 });
const nextStep = () => fixture.test.clock.advance(30_000);
const second = (by: TestConsole, code: string) => by.call('POST', '/v1/session/second-factor', { code });
/** A code that is none of those that count now. */
const wrongCodes = (secret: string, count: number): string[] => {
  const right = new Set([-1, 0, 1].map((step) => codeOf(secret, step)));
  const all = Array.from({ length: count + 3 }, (_, i) => String(100_000 + i * 7));
  return all.filter((code) => !right.has(code)).slice(0, count);
};

interface WithTotp {
  readonly userId: string;
  readonly secret: string;
  readonly codes: readonly string[];
  readonly here: TestConsole;
  readonly confirmed: Answer;
}
async function withTotp(email: string, role: 'operator' | null = null): Promise<WithTotp> {
  const userId = await seedUser(fixture.test, email, role);
  const here = browser();
  await here.signIn(email);
  const begun = await here.call('POST', '/v1/session/totp');
  const secret = String(begun.body['secret']);
  const confirmed = await here.call('POST', '/v1/session/totp/confirm', { code: codeOf(secret) });
  expect(confirmed.status).toBe(200);
  nextStep();
  return { userId, secret, codes: confirmed.body['recoveryCodes'] as string[], here, confirmed };
}
/** A browser that has given the password and is asked for a code. */
const waiting = async (email: string): Promise<TestConsole> => {
  const someone = browser();
  expect((await someone.signIn(email)).body).toMatchObject({ status: 'second-factor' });
  return someone;
};

beforeAll(async () => {
  fixture = await startSignInTest({ WIREBOT_REQUIRE_OPERATOR_TOTP: 'true' });
});
afterAll(() => fixture.close());

describe('an authenticator app', () => {
  it('is set up with a secret and turned on by a first code', async () => {
    const userId = await seedUser(fixture.test, 'setup@example.com');
    const [here, other] = [browser(), browser()];
    await Promise.all([here.signIn('setup@example.com'), other.signIn('setup@example.com')]);
    expect((await here.call('GET', '/v1/session/totp')).body).toMatchObject({ status: 'off' });
    const begun = await here.call('POST', '/v1/session/totp');
    expect(begun).toMatchObject({ status: 201, headers: { 'cache-control': 'no-store' } });
    const { secret, url, qrSvg } = begun.body as Record<string, string>;
    expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    expect(url).toContain(`otpauth://totp/Wirebot:setup%40example.com?`);
    expect(qrSvg).toMatch(/^<svg[^]*<\/svg>\s*$/);
    // Until it is confirmed it counts for nothing.
    expect((await browser().signIn('setup@example.com')).body).toMatchObject({ status: 'signed-in' });
    const wrong = await here.call('POST', '/v1/session/totp/confirm', { code: wrongCodes(secret!, 1)[0] });
    expect(wrong).toMatchObject({ status: 403, body: { code: 'proof-invalid' } });
    const cookieBefore = here.jar.get('wirebot_admin');
    const confirmed = await here.call('POST', '/v1/session/totp/confirm', { code: codeOf(secret!) });
    expect(new Set(confirmed.body['recoveryCodes'] as string[]).size).toBe(10);
    expect(here.jar.get('wirebot_admin')).not.toBe(cookieBefore);
    expect((await here.call('GET', '/v1/session')).body).toMatchObject({ secondFactor: true });
    expect(await other.status()).toBe(401);
    expect((await here.call('GET', '/v1/session/totp')).body).toMatchObject({ status: 'on', recoveryCodesLeft: 10 });
    expect((await here.call('POST', '/v1/session/totp')).body).toMatchObject({ code: 'totp-on' });
    expect(await auditActions(fixture.test, userId)).toEqual(['totp.enable']);
    const stored = JSON.stringify(await fixture.test.database.query('SELECT * FROM user_totp'));
    for (const text of [secret!, ...(confirmed.body['recoveryCodes'] as string[])]) expect(stored).not.toContain(text);
  });

  it('is asked for after the password and after a magic link', async () => {
    const { secret } = await withTotp('asked@example.com');
    const someone = await waiting('asked@example.com');
    expect(someone.jar.has('wirebot_admin')).toBe(false);
    expect(await someone.status()).toBe(401);
    const answer = await second(someone, codeOf(secret));
    expect(answer).toMatchObject({ status: 201, body: { status: 'signed-in', user: { email: 'asked@example.com' } } });
    expect(someone.jar.has('wirebot_second_factor')).toBe(false);
    const [current] = (await someone.call('GET', '/v1/session/sessions')).body['items'] as { method: string }[];
    expect(current!.method).toBe('password+totp');
    const linked = browser();
    await linked.call('POST', '/v1/session/magic-links', { email: 'asked@example.com' });
    await expect.poll(() => fixture.smtp.tokenFor('asked@example.com', 'magic')).toBeDefined();
    const token = fixture.smtp.tokenFor('asked@example.com', 'magic');
    const outcome = await linked.call('POST', '/v1/session/magic-link', { token });
    expect(outcome.body).toMatchObject({ status: 'second-factor', methods: ['totp', 'recovery-code'] });
    nextStep();
    expect((await second(linked, codeOf(secret))).status).toBe(201);
  });

  it('takes the code of the step before and after, and none further away', async () => {
    const { secret } = await withTotp('window@example.com');
    fixture.test.clock.advance(300_000);
    for (const steps of [-2, 2])
      expect((await second(await waiting('window@example.com'), codeOf(secret, steps))).status).toBe(401);
    const gap = codeOf(secret, -1).replace(/^(...)/, '$1 ');
    expect(gap).toHaveLength(7);
    expect((await second(await waiting('window@example.com'), gap)).status).toBe(201);
    for (const steps of [0, 1])
      expect((await second(await waiting('window@example.com'), codeOf(secret, steps))).status).toBe(201);
  });

  it('takes a code once, and none older than it', async () => {
    const { secret } = await withTotp('replay@example.com');
    const code = codeOf(secret);
    const waits = await Promise.all(Array.from({ length: 8 }, () => waiting('replay@example.com')));
    const answers = await Promise.all(waits.map((someone) => second(someone, code)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ body }) => body['code'] === 'code-invalid')).toHaveLength(7);
    const late = await waiting('replay@example.com');
    expect((await second(late, codeOf(secret, -1))).body).toMatchObject({ code: 'code-invalid' });
  });

  it('makes one session of a right code that is sent by the same browser many times at once', async () => {
    const { secret, userId } = await withTotp('double@example.com');
    const someone = await waiting('double@example.com');
    const answers = await Promise.all(Array.from({ length: 5 }, () => second(someone, codeOf(secret))));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    const rows = await fixture.test.database.query(
      `SELECT id FROM user_sessions WHERE user_id = $1 AND method = 'password+totp'`,
      [userId],
    );
    expect(rows).toHaveLength(2); // the one that set it up, and this one
  });
});

describe('guessing a code', () => {
  it('is over after five tries of one sign-in, of 200 at once', async () => {
    const { secret } = await withTotp('brute@example.com');
    const someone = await waiting('brute@example.com');
    const answers = await Promise.all(wrongCodes(secret, 200).map((code) => second(someone, code)));
    expectAtMost(5, 'code-invalid', 'second-factor-expired', answers);
    expect((await second(someone, codeOf(secret))).body).toMatchObject({ code: 'second-factor-expired' });
  });

  it('is over after ten tries of one user, however often they sign in anew', async () => {
    const { secret, userId } = await withTotp('many@example.com');
    const answers: Answer[] = [];
    for (let round = 0; round < 4; round += 1) {
      const someone = await waiting('many@example.com');
      for (const code of wrongCodes(secret, 5)) answers.push(await second(someone, code));
    }
    // One of the ten was the code that confirmed the app.
    expect(answers.filter(({ body }) => body['code'] === 'code-invalid')).toHaveLength(9);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(11);
    expect((await second(await waiting('many@example.com'), codeOf(secret))).status).toBe(429);
    expect(await auditActions(fixture.test, userId)).toEqual(['totp.enable', 'sign-in.lock']);
  });

  it('is over after five minutes, and nothing without the cookie of the first step', async () => {
    const { secret } = await withTotp('slow@example.com');
    const someone = await waiting('slow@example.com');
    fixture.test.clock.advance(5 * 60_000);
    expect((await second(someone, codeOf(secret))).body).toMatchObject({ code: 'second-factor-expired' });
    expect((await second(browser(), codeOf(secret))).body).toMatchObject({ code: 'second-factor-expired' });
    expect((await second(browser(), '1')).status).toBe(400);
  });
});

describe('recovery codes', () => {
  it('work once each, however they are typed, and one of 50 at once', async () => {
    const { codes, userId } = await withTotp('recovery@example.com');
    const typed = codes[0]!.toUpperCase().replaceAll('-', ' ');
    expect((await second(await waiting('recovery@example.com'), typed)).status).toBe(201);
    expect((await second(await waiting('recovery@example.com'), codes[0]!)).status).toBe(401);
    const waits = await Promise.all(Array.from({ length: 6 }, () => waiting('recovery@example.com')));
    const answers = await Promise.all(waits.map((someone) => second(someone, codes[1]!)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(await auditActions(fixture.test, userId)).toEqual(['totp.enable', 'recovery-code.use', 'recovery-code.use']);
  });

  it('cannot be guessed: 200 at once are five tries', async () => {
    await withTotp('guess-recovery@example.com');
    const someone = await waiting('guess-recovery@example.com');
    const guesses = Array.from({ length: 200 }, (_, i) => `abcd-efgh-jkmn-${String(2000 + i)}`);
    const answers = await Promise.all(guesses.map((code) => second(someone, code)));
    expectAtMost(5, 'code-invalid', 'second-factor-expired', answers);
  });

  it('are renewed after a recent proof, which takes a code: the password alone will not do', async () => {
    const { codes, here, secret } = await withTotp('renew@example.com');
    fixture.test.clock.advance(10 * 60_000);
    const renew = () => here.call('POST', '/v1/session/recovery-codes');
    expect((await renew()).body).toMatchObject({ code: 'recent-proof-required' });
    const byPassword = await here.call('POST', '/v1/session/prove', { password: PASSWORD });
    expect(byPassword).toMatchObject({ status: 422, body: { code: 'code-required' } });
    expect((await here.call('POST', '/v1/session/prove', { code: codeOf(secret) })).status).toBe(200);
    const renewed = await renew();
    expect(renewed).toMatchObject({ status: 201, headers: { 'cache-control': 'no-store' } });
    expect((await second(await waiting('renew@example.com'), codes[0]!)).status).toBe(401);
    const [fresh] = renewed.body['recoveryCodes'] as string[];
    expect((await second(await waiting('renew@example.com'), fresh!)).status).toBe(201);
  });
});

describe('turning codes off', () => {
  it('needs a recent proof and leaves sessions of one factor', async () => {
    const { here, secret, userId } = await withTotp('disable@example.com');
    fixture.test.clock.advance(10 * 60_000);
    expect((await here.call('DELETE', '/v1/session/totp')).body).toMatchObject({ code: 'recent-proof-required' });
    await here.call('POST', '/v1/session/prove', { code: codeOf(secret) });
    expect((await here.call('DELETE', '/v1/session/totp')).status).toBe(204);
    expect((await here.call('GET', '/v1/session')).body).toMatchObject({ secondFactor: false });
    expect((await here.call('DELETE', '/v1/session/totp')).body).toMatchObject({ code: 'totp-off' });
    expect((await here.call('POST', '/v1/session/recovery-codes')).body).toMatchObject({ code: 'totp-off' });
    expect((await browser().signIn('disable@example.com')).body).toMatchObject({ status: 'signed-in' });
    expect(await auditActions(fixture.test, userId)).toEqual(['totp.enable', 'totp.disable']);
    const told = () => fixture.smtp.mails.filter(({ to }) => to.includes('disable@example.com'));
    await expect.poll(() => told().some(({ content }) => content.includes('turned off'))).toBe(true);
    const stranger = browser();
    for (const [method, url] of [
      ['GET', 'totp'],
      ['POST', 'totp'],
      ['DELETE', 'totp'],
      ['POST', 'recovery-codes'],
    ] as const)
      expect((await stranger.call(method, `/v1/session/${url}`)).status).toBe(401);
  });
});

describe('an operator, where a second factor is demanded', () => {
  it('reaches nothing but the own account until one is set up', async () => {
    await seedUser(fixture.test, 'op@example.com', 'operator');
    const here = browser();
    await here.signIn('op@example.com');
    const users = () => here.call('GET', '/v1/admin/users');
    expect(await users()).toMatchObject({ status: 403, body: { code: 'second-factor-required' } });
    const { tenantId } = await fixture.test.seedTenant('demanding');
    const staff = await here.call('GET', '/v1/staff', undefined, { 'wirebot-tenant': tenantId });
    expect(staff.body).toMatchObject({ code: 'second-factor-required' });
    const secret = String((await here.call('POST', '/v1/session/totp')).body['secret']);
    await here.call('POST', '/v1/session/totp/confirm', { code: codeOf(secret) });
    expect((await users()).status).toBe(200);
    await here.call('DELETE', '/v1/session/totp');
    expect((await users()).status).toBe(403);
  });
});
