import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpEdgeModule } from '../../http/http-edge.module.js';
import { startTestApp } from '../../http/test-app.fixture.js';
import { IdentityModule } from '../identity.module.js';
import { auditActions, seedUser, TestConsole } from '../testing/console.fixture.js';
import { type SignInTest, startSignInTest } from '../testing/sign-in.fixture.js';

let fixture: SignInTest;
const browser = (address?: string) => new TestConsole(fixture.test, address === undefined ? {} : { address });
const ask = (email: string, from = browser()) => from.call('POST', '/v1/session/magic-links', { email });
const use = (token: string, by = browser()) => by.call('POST', '/v1/session/magic-link', { token });
/** The token of the mail that comes for the `nth` request. */
const mailed = async (email: string, nth = 1): Promise<string> => {
  await expect.poll(() => fixture.smtp.mails.filter(({ to }) => to.includes(email)).length).toBe(nth);
  return fixture.smtp.tokenFor(email, 'magic')!;
};

beforeAll(async () => {
  fixture = await startSignInTest();
});
afterAll(() => fixture.close());

describe('a magic link', () => {
  it('comes by mail and signs in, also in another browser than the one that asked', async () => {
    const userId = await seedUser(fixture.test, 'link@example.com');
    await fixture.test.database.query('UPDATE users SET email_verified_at = NULL WHERE id = $1', [userId]);
    expect((await ask('Link@Example.com')).status).toBe(202);
    const token = await mailed('link@example.com');
    const other = browser();
    const answer = await use(token, other);
    expect(answer).toMatchObject({ status: 201, body: { status: 'signed-in', user: { email: 'link@example.com' } } });
    expect(answer.headers['cache-control']).toBe('no-store');
    const session = await other.call('GET', '/v1/session');
    expect(session.body).toMatchObject({ user: { id: userId }, isOperator: false, secondFactor: false, tenants: [] });
    const [user] = await fixture.test.database.query<{ email_verified_at: Date }>(
      'SELECT email_verified_at FROM users WHERE id = $1',
      [userId],
    );
    expect(user!.email_verified_at).not.toBeNull();
    const stored = JSON.stringify(await fixture.test.database.query('SELECT * FROM sign_in_attempts, mails'));
    expect(stored).not.toContain(token);
  });

  it('works once', async () => {
    await seedUser(fixture.test, 'once@example.com');
    await ask('once@example.com');
    const token = await mailed('once@example.com');
    expect((await use(token)).status).toBe(201);
    expect(await use(token)).toMatchObject({ status: 401, body: { code: 'link-invalid' } });
  });

  it('used 60 times at once makes exactly one session', async () => {
    const userId = await seedUser(fixture.test, 'parallel@example.com');
    await ask('parallel@example.com');
    const token = await mailed('parallel@example.com');
    const answers = await Promise.all(Array.from({ length: 60 }, () => use(token)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 401]));
    const sessions = await fixture.test.database.query('SELECT id FROM user_sessions WHERE user_id = $1', [userId]);
    expect(sessions).toHaveLength(1);
  });

  it('dies when a newer one is asked for, and after fifteen minutes', async () => {
    await seedUser(fixture.test, 'newer@example.com');
    await ask('newer@example.com');
    const older = await mailed('newer@example.com');
    await ask('newer@example.com');
    const newer = await mailed('newer@example.com', 2);
    expect((await use(older)).body).toMatchObject({ code: 'link-invalid' });
    fixture.test.clock.advance(15 * 60_000);
    expect((await use(newer)).body).toMatchObject({ code: 'link-invalid' });
  });

  it('asked for many times at once leaves one that works', async () => {
    const userId = await seedUser(fixture.test, 'herd@example.com');
    await Promise.all(Array.from({ length: 5 }, () => ask('herd@example.com')));
    const rows = await fixture.test.database.query(
      `SELECT token_hash FROM sign_in_attempts WHERE user_id = $1 AND kind = 'magic-link'`,
      [userId],
    );
    expect(rows).toHaveLength(1);
  });

  it('is no password reset, and the other way round', async () => {
    await seedUser(fixture.test, 'kinds@example.com');
    await ask('kinds@example.com');
    const token = await mailed('kinds@example.com');
    const password = 'three green parrots';
    const answer = await browser().call('POST', '/v1/session/password-reset/complete', { token, password });
    expect(answer).toMatchObject({ status: 401, body: { code: 'link-invalid' } });
    expect((await use(token)).status).toBe(201);
  });

  it('is not for a disabled account', async () => {
    const userId = await seedUser(fixture.test, 'disabled@example.com');
    await ask('disabled@example.com');
    const token = await mailed('disabled@example.com');
    await fixture.test.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
    expect((await use(token)).status).toBe(403);
    expect((await ask('disabled@example.com')).status).toBe(202);
    const [{ count } = { count: 0 }] = await fixture.test.database.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM mails WHERE recipient = 'disabled@example.com'`,
    );
    expect(count).toBe(1);
  });

  it('leaves a line in the audit log for the session', async () => {
    await seedUser(fixture.test, 'audited@example.com');
    await ask('audited@example.com');
    const someone = browser();
    await use(await mailed('audited@example.com'), someone);
    const [session] = await fixture.test.database.query<{ id: string; method: string }>(
      `SELECT s.id, s.method FROM user_sessions s JOIN users u ON u.id = s.user_id WHERE u.email = 'audited@example.com'`,
    );
    expect(session!.method).toBe('magic-link');
    expect(await auditActions(fixture.test, session!.id)).toEqual(['session.start']);
  });
});

describe('asking for a link', () => {
  it('answers an unknown address alike, in similar time, and mails nobody', async () => {
    await seedUser(fixture.test, 'timed@example.com');
    const time = async (email: (i: number) => string) => {
      const times: number[] = [];
      for (let i = 0; i < 9; i += 1) {
        const began = performance.now();
        const answer = await ask(email(i));
        times.push(performance.now() - began);
        expect([answer.status, answer.body]).toEqual([202, {}]);
      }
      return times.toSorted((a, b) => a - b)[4]!;
    };
    await time((i) => `warm-up-${i}@example.com`);
    const [known, unknown] = [await time(() => 'timed@example.com'), await time((i) => `nobody-${i}@example.com`)];
    expect(unknown / known).toBeGreaterThan(0.33);
    expect(unknown / known).toBeLessThan(3);
    expect(fixture.smtp.mails.filter(({ to }) => to.some((address) => address.startsWith('nobody')))).toEqual([]);
    expect(JSON.stringify(await fixture.test.database.query('SELECT * FROM mails'))).not.toContain('nobody-');
  });

  it('mails one address five times in a quarter of an hour, and answers alike after that', async () => {
    await seedUser(fixture.test, 'flooded@example.com');
    for (let i = 0; i < 8; i += 1) expect((await ask('flooded@example.com')).status).toBe(202);
    await expect.poll(() => fixture.smtp.mails.filter(({ to }) => to.includes('flooded@example.com')).length).toBe(5);
    const rows = await fixture.test.database.query(`SELECT id FROM mails WHERE recipient = 'flooded@example.com'`);
    expect(rows).toHaveLength(5);
    // Of those that were mailed the newest still works, whatever order they came in.
    const tokens = fixture.smtp.mails.flatMap(({ to, content }) =>
      to.includes('flooded@example.com') ? [/#magic=([\w-]{43})/.exec(content)![1]!] : [],
    );
    const answers = await Promise.all(tokens.map((token) => use(token)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  });

  it('is refused from an address that asks without end', async () => {
    const from = browser('10.99.0.1');
    const statuses: number[] = [];
    for (let i = 0; i < 52; i += 1) statuses.push((await ask(`spray-${i}@example.com`, from)).status);
    expect(statuses.filter((status) => status === 202)).toHaveLength(50);
    expect(statuses.at(-1)).toBe(429);
  });

  it('needs an address, JSON, and the own Origin', async () => {
    const from = browser();
    expect((await from.call('POST', '/v1/session/magic-links', {})).status).toBe(400);
    expect((await from.call('POST', '/v1/session/magic-links', { email: 'x' })).status).toBe(400);
    expect((await from.call('POST', '/v1/session/magic-link', { token: 'short' })).status).toBe(400);
    for (const url of [
      'magic-links',
      'magic-link',
      'password-reset',
      'password-reset/complete',
      'invitation',
      'second-factor',
    ]) {
      const evil = { origin: 'https://evil.example' };
      expect((await from.call('POST', `/v1/session/${url}`, {}, evil)).body).toMatchObject({ code: 'origin-refused' });
      const site = { 'sec-fetch-site': 'cross-site' };
      expect((await from.call('POST', `/v1/session/${url}`, {}, site)).body).toMatchObject({ code: 'origin-refused' });
      const form = await fixture.test.app.inject({
        method: 'POST',
        url: `/v1/session/${url}`,
        headers: { host: 'console.example', 'content-type': 'application/x-www-form-urlencoded' },
        payload: 'email=a@example.com',
      });
      expect(form.statusCode).toBe(415);
    }
  });

  it('is offered where mail goes out, and says why not where it does not', async () => {
    const offered = await browser().call('GET', '/v1/session/methods');
    expect(offered.body).toMatchObject({ password: true, magicLink: { available: true, reason: null } });
    const without = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule]);
    try {
      const alone = new TestConsole(without);
      const { body } = await alone.call('GET', '/v1/session/methods');
      const reason = expect.stringContaining('WIREBOT_SMTP_URL') as string;
      expect(body).toMatchObject({
        magicLink: { available: false, reason },
        passwordReset: { available: false, reason },
      });
      for (const url of ['magic-links', 'password-reset'])
        expect(await alone.call('POST', `/v1/session/${url}`, { email: 'a@example.com' })).toMatchObject({
          status: 503,
          body: { code: 'mail-not-configured' },
        });
    } finally {
      await without.close();
    }
  });
});
