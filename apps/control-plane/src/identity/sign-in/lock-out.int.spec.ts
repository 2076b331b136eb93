import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditActions, expectAtMost, PASSWORD, seedUser, TestConsole } from '../testing/console.fixture.js';
import { type SignInTest, startSignInTest } from '../testing/sign-in.fixture.js';

let fixture: SignInTest;
const browser = () => new TestConsole(fixture.test);

beforeAll(async () => {
  fixture = await startSignInTest();
});
afterAll(() => fixture.close());

describe('guessing a password', () => {
  it('is over after ten tries from one address, however many come at once', async () => {
    await seedUser(fixture.test, 'pair@example.com');
    const guesser = browser();
    const tries = Array.from({ length: 40 }, (_, i) => guesser.signIn('pair@example.com', `wrong password ${i}`));
    expectAtMost(10, 'login-invalid', 'too-many-attempts', await Promise.all(tries));
    const last = await guesser.signIn('pair@example.com', PASSWORD);
    expect(last).toMatchObject({ status: 429, body: { code: 'too-many-attempts' } });
    expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
  });

  it('from one address does not lock out others', async () => {
    await seedUser(fixture.test, 'owner@example.com');
    const guesser = browser();
    for (let i = 0; i < 11; i += 1) await guesser.signIn('owner@example.com', 'wrong password');
    expect((await guesser.signIn('owner@example.com')).status).toBe(429);
    expect((await browser().signIn('owner@example.com')).status).toBe(201);
  });

  it('from 200 addresses at once is over after fifty tries, and the owner still signs in', async () => {
    const userId = await seedUser(fixture.test, 'botnet@example.com');
    const known = browser();
    expect((await known.signIn('botnet@example.com')).status).toBe(201);
    const device = new Map([...known.jar].filter(([name]) => name === 'wirebot_device'));
    expect(device.size).toBe(1);
    const tries = Array.from({ length: 200 }, () => browser().signIn('botnet@example.com', 'wrong password'));
    // The owner's own sign-in above came from an unknown browser too.
    expectAtMost(49, 'login-invalid', 'too-many-attempts', await Promise.all(tries));
    // A browser that never was here is a stranger, even with the right password …
    expect((await browser().signIn('botnet@example.com')).status).toBe(429);
    // … one that signed in before is not …
    expect((await new TestConsole(fixture.test, { jar: device }).signIn('botnet@example.com')).status).toBe(201);
    // … and a magic link is another way in.
    const elsewhere = browser();
    await elsewhere.call('POST', '/v1/session/magic-links', { email: 'botnet@example.com' });
    await expect.poll(() => fixture.smtp.tokenFor('botnet@example.com', 'magic')).toBeDefined();
    const token = fixture.smtp.tokenFor('botnet@example.com', 'magic');
    expect((await elsewhere.call('POST', '/v1/session/magic-link', { token })).status).toBe(201);
    expect(await auditActions(fixture.test, userId)).toEqual(['sign-in.lock']);
  });

  it('from one IPv6 network is over after ten tries, whatever address of it they come from', async () => {
    await seedUser(fixture.test, 'v6@example.com');
    const statuses: number[] = [];
    for (let i = 1; i <= 12; i += 1) {
      const guesser = new TestConsole(fixture.test, { address: `2001:db8:1:2::${i.toString(16)}` });
      statuses.push((await guesser.signIn('v6@example.com', 'wrong password')).status);
    }
    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429]);
    const neighbour = new TestConsole(fixture.test, { address: '2001:db8:1:3::1' });
    expect((await neighbour.signIn('v6@example.com')).status).toBe(201);
  });

  it('with the cookie of a known browser has ten tries too, and none for another address', async () => {
    await Promise.all(['mine@example.com', 'theirs@example.com'].map((email) => seedUser(fixture.test, email)));
    const known = browser();
    await known.signIn('mine@example.com');
    const jar = new Map([...known.jar].filter(([name]) => name === 'wirebot_device'));
    const moving = () => new TestConsole(fixture.test, { jar });
    const tries = Array.from({ length: 30 }, () => moving().signIn('mine@example.com', 'wrong password'));
    expectAtMost(10, 'login-invalid', 'too-many-attempts', await Promise.all(tries));
    // For another address, and when it was tampered with, the cookie is worth nothing: strangers' counters apply.
    const forged = new Map([['wirebot_device', `${jar.get('wirebot_device')!.slice(0, -2)}xx`]]);
    const strangers = Array.from({ length: 55 }, (_, i) =>
      new TestConsole(fixture.test, { jar: i % 2 ? jar : forged }).signIn('theirs@example.com', 'wrong password'),
    );
    expectAtMost(50, 'login-invalid', 'too-many-attempts', await Promise.all(strangers));
  });

  it('of unknown addresses is counted and answered like that of known ones', async () => {
    await seedUser(fixture.test, 'known@example.com');
    const answers = async (email: string) => {
      const guesser = browser();
      const seen: unknown[] = [];
      for (let i = 0; i < 12; i += 1) {
        const { status, body } = await guesser.signIn(email, 'wrong password');
        seen.push([status, body['code'], body['detail']]);
      }
      return seen.map((entry) => JSON.stringify(entry).replace(/\d+ seconds/, 'n seconds'));
    };
    expect(await answers('stranger@example.com')).toEqual(await answers('known@example.com'));
  });
});

describe('a disabled account', () => {
  it('looks like a wrong password', async () => {
    const userId = await seedUser(fixture.test, 'off@example.com');
    await fixture.test.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
    expect(await browser().signIn('off@example.com')).toMatchObject({ status: 401, body: { code: 'login-invalid' } });
  });
});
