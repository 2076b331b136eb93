import type { AddressInfo } from 'node:net';
import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { useEventSocket } from '../../events/event-socket.adapter.js';
import { EventsModule } from '../../events/events.module.js';
import { HttpEdgeModule } from '../../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../../http/test-app.fixture.js';
import { IdentityModule } from '../identity.module.js';
import { auditActions, PASSWORD, seedUser, TestConsole } from '../testing/console.fixture.js';

const MINUTE = 60_000;
let test: TestApp;
let port: number;
const browser = () => new TestConsole(test);
const signedIn = async (email: string): Promise<TestConsole> => {
  const someone = browser();
  expect((await someone.signIn(email)).status).toBe(201);
  return someone;
};
interface SessionItem {
  readonly id: string;
  readonly current: boolean;
  readonly address: string;
  readonly lastSeenAt: string;
}
const list = async (by: TestConsole): Promise<SessionItem[]> =>
  (await by.call('GET', '/v1/session/sessions')).body['items'] as SessionItem[];

beforeAll(async () => {
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, EventsModule], {
    prepare: useEventSocket,
  });
  await test.app.listen(0, '127.0.0.1');
  port = (test.app.getHttpServer().address() as AddressInfo).port;
});
afterAll(() => test.close());

describe('sessions of a user', () => {
  it('are listed with where they are, the current one flagged', async () => {
    await seedUser(test, 'list@example.com');
    await seedUser(test, 'somebody-else@example.com');
    const [first, second] = [await signedIn('list@example.com'), await signedIn('list@example.com')];
    await signedIn('somebody-else@example.com');
    const items = await list(second);
    expect(items).toHaveLength(2);
    expect(new Set(items.map(({ address }) => address))).toEqual(new Set([first.address, second.address]));
    expect(items.find(({ current }) => current)).toMatchObject({
      address: second.address,
      userAgent: 'test browser',
      method: 'password',
    });
    expect(JSON.stringify(items)).not.toContain(second.jar.get('wirebot_admin'));
    expect((await browser().call('GET', '/v1/session/sessions')).status).toBe(401);
  });

  it('are ended one by one, by their own user alone', async () => {
    await seedUser(test, 'one@example.com');
    await seedUser(test, 'stranger@example.com');
    const [here, there] = [await signedIn('one@example.com'), await signedIn('one@example.com')];
    const stranger = await signedIn('stranger@example.com');
    const id = (await list(there)).find(({ current }) => current)!.id;
    const foreign = await stranger.call('DELETE', `/v1/session/sessions/${id}`);
    expect(foreign).toMatchObject({ status: 404, body: { code: 'session-not-found' } });
    expect(await there.status()).toBe(200);
    expect((await here.call('DELETE', `/v1/session/sessions/${id}`)).status).toBe(204);
    expect([await here.status(), await there.status()]).toEqual([200, 401]);
    expect((await here.call('DELETE', `/v1/session/sessions/${id}`)).status).toBe(404);
    expect(await auditActions(test, id)).toEqual(['session.start', 'session.revoke']);
  });

  it('are ended all but this one', async () => {
    const userId = await seedUser(test, 'others@example.com');
    const [here, there] = [await signedIn('others@example.com'), await signedIn('others@example.com')];
    await signedIn('others@example.com');
    expect((await here.call('DELETE', '/v1/session/sessions')).body).toEqual({ ended: 2 });
    expect([await here.status(), await there.status()]).toEqual([200, 401]);
    expect((await here.call('DELETE', '/v1/session/sessions')).body).toEqual({ ended: 0 });
    expect(await auditActions(test, userId)).toEqual(['session.revoke-others']);
  });

  it('change their id with every sign-in, and the one before ends', async () => {
    await seedUser(test, 'rotate@example.com');
    const here = await signedIn('rotate@example.com');
    const before = here.jar.get('wirebot_admin')!;
    await here.signIn('rotate@example.com');
    expect(here.jar.get('wirebot_admin')).not.toBe(before);
    const old = new TestConsole(test, { jar: new Map([['wirebot_admin', before]]) });
    expect(await old.status()).toBe(401);
    expect(await list(here)).toHaveLength(1);
  });

  it('end with the account', async () => {
    const userId = await seedUser(test, 'disabled@example.com');
    const here = await signedIn('disabled@example.com');
    await test.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
    expect(await here.status()).toBe(401);
  });

  it('leave lines for signing in and out', async () => {
    await seedUser(test, 'audited@example.com');
    const here = await signedIn('audited@example.com');
    const [{ id }] = (await list(here)) as [SessionItem];
    expect((await here.call('DELETE', '/v1/session')).status).toBe(204);
    expect(here.jar.has('wirebot_admin')).toBe(false);
    expect(await auditActions(test, id)).toEqual(['session.start', 'session.end']);
    const [line] = await test.database.query<{ tenant_id: null; origin: object }>(
      'SELECT tenant_id, origin FROM audit_entries WHERE resource_id = $1',
      [id],
    );
    expect(line).toEqual({ tenant_id: null, origin: { address: here.address, userAgent: 'test browser' } });
  });
});

describe('a session', () => {
  it('ends after two hours without use, and after twelve in any case', async () => {
    await seedUser(test, 'idle@example.com');
    const [idle, used] = [await signedIn('idle@example.com'), await signedIn('idle@example.com')];
    for (let minutes = 0; minutes < 12 * 60 - 90; minutes += 90) {
      test.clock.advance(90 * MINUTE);
      expect(await used.status()).toBe(200);
    }
    expect(await idle.status()).toBe(401);
    expect(await list(used)).toHaveLength(1);
    test.clock.advance(90 * MINUTE);
    expect(await used.status()).toBe(401);
  });

  it('is marked as seen at most once a minute', async () => {
    await seedUser(test, 'seen@example.com');
    const here = await signedIn('seen@example.com');
    const seen = async () => (await list(here))[0]!.lastSeenAt;
    const first = await seen();
    test.clock.advance(MINUTE - 1);
    expect(await seen()).toBe(first);
    test.clock.advance(1);
    await here.status();
    expect(new Date(await seen()).getTime()).toBe(new Date(first).getTime() + MINUTE);
  });

  it('is known at the older address too', async () => {
    await seedUser(test, 'alias@example.com', 'operator');
    const here = browser();
    const opened = await here.call('POST', '/v1/admin/session', { email: 'alias@example.com', password: PASSWORD });
    expect(opened).toMatchObject({ status: 201, body: { user: { email: 'alias@example.com', isOperator: true } } });
    const view = { user: { email: 'alias@example.com' }, isOperator: true, tenants: [] };
    expect((await here.call('GET', '/v1/admin/session')).body).toMatchObject(view);
    expect((await here.call('DELETE', '/v1/admin/session')).status).toBe(204);
    expect((await here.call('GET', '/v1/admin/session')).status).toBe(401);
  });

  it('says for which tenants and in which role', async () => {
    const userId = await seedUser(test, 'staff@example.com');
    const { tenantId } = await test.seedTenant('club');
    await test.database.query(`INSERT INTO tenant_staff (tenant_id, user_id, role) VALUES ($1, $2, 'support')`, [
      tenantId,
      userId,
    ]);
    const here = await signedIn('staff@example.com');
    const tenants = [{ id: tenantId, slug: 'club', name: 'club', role: 'support' }];
    expect((await here.call('GET', '/v1/session')).body).toMatchObject({ tenants, isOperator: false });
  });
});

describe('the address of a session', () => {
  it('is what a trusted reverse proxy says, and what nobody else says', async () => {
    const behind = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule], {
      environment: { WIREBOT_TRUSTED_PROXIES: '10.9.0.0/16' },
    });
    try {
      await seedUser(behind, 'behind@example.com');
      const seen = async (address: string) => {
        const here = new TestConsole(behind, { address });
        const body = { email: 'behind@example.com', password: PASSWORD };
        await here.call('POST', '/v1/session', body, { 'x-forwarded-for': '192.0.2.66, 203.0.113.9' });
        return (await list(here)).find(({ current }) => current)!.address;
      };
      expect(await seen('10.9.0.1')).toBe('203.0.113.9');
      expect(await seen('198.51.100.1')).toBe('198.51.100.1');
    } finally {
      await behind.close();
    }
  });
});

describe('cookies', () => {
  const attributes = (line: string) => line.split('; ').slice(1);

  it('are bound to the host over https', async () => {
    const secure = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule], {
      environment: { WIREBOT_CONTROL_PLANE_URL: 'https://console.example' },
    });
    try {
      await seedUser(secure, 'secure@example.com');
      const here = new TestConsole(secure);
      const body = { email: 'secure@example.com', password: PASSWORD };
      const { cookies } = await here.call('POST', '/v1/session', body, { origin: 'https://console.example' });
      expect(cookies.map((line) => line.split('=')[0])).toEqual(['__Host-wirebot_admin', '__Host-wirebot_device']);
      for (const line of cookies)
        expect(attributes(line)).toEqual(expect.arrayContaining(['Path=/', 'HttpOnly', 'Secure', 'SameSite=Strict']));
      expect(await here.status()).toBe(200);
      // What a sibling host could plant is not looked at.
      const planted = new TestConsole(secure, {
        jar: new Map([['wirebot_admin', here.jar.get('__Host-wirebot_admin')!]]),
      });
      expect(await planted.status()).toBe(401);
    } finally {
      await secure.close();
    }
  });

  it('keep to the API over plain http', async () => {
    await seedUser(test, 'plain@example.com');
    const { cookies } = await browser().signIn('plain@example.com');
    expect(cookies.map((line) => line.split('=')[0])).toEqual(['wirebot_admin', 'wirebot_device']);
    for (const line of cookies)
      expect(attributes(line)).toEqual(expect.arrayContaining(['Path=/v1', 'HttpOnly', 'SameSite=Strict']));
  });
});

describe('an open event socket', () => {
  const open = (by: TestConsole): Promise<WebSocket> =>
    new Promise((resolve, reject) => {
      const cookie = `wirebot_admin=${by.jar.get('wirebot_admin')}`;
      const headers = { cookie, origin: `http://127.0.0.1:${port}` };
      const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/admin/events`, { headers });
      socket.once('open', () => resolve(socket)).once('error', reject);
    });

  it('closes by itself when its session is ended, and no other does', async () => {
    await seedUser(test, 'socket@example.com', 'operator');
    const [here, there] = [await signedIn('socket@example.com'), await signedIn('socket@example.com')];
    const [stays, goes] = [await open(here), await open(there)];
    const closed = new Promise<number>((resolve) => goes.once('close', resolve));
    await here.call('DELETE', '/v1/session/sessions');
    expect(await closed).toBe(4401);
    expect(stays.readyState).toBe(WebSocket.OPEN);
    stays.terminate();
  });

  it('does not keep its session alive', async () => {
    await seedUser(test, 'quiet@example.com', 'operator');
    const here = await signedIn('quiet@example.com');
    const socket = await open(here);
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    test.clock.advance(90 * MINUTE);
    (await open(here)).terminate();
    test.clock.advance(30 * MINUTE);
    expect(await closed).toBe(4401);
  });
});
