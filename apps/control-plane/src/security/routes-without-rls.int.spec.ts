import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectHidden } from './testing/expect-hidden.js';
import { ENVIRONMENT, RouteCaller } from './testing/route-caller.js';
import { World } from './testing/world.js';

/**
 * Two layers keep tenants apart: the application names the tenant in every query, and the database's policies would stop a
 * query that does not. Here the second is switched off: the first must be enough by itself on every route.
 */
const world = await World.start(ENVIRONMENT, () => undefined);
const caller = await RouteCaller.meet(world);

beforeAll(async () => {
  const tables = await world.database.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity`,
  );
  for (const { name } of tables) await world.database.query(`ALTER TABLE "${name}" DISABLE ROW LEVEL SECURITY`);
});
afterAll(() => world.dispose());

describe('without row-level security', () => {
  it('there is none', async () => {
    expect(await world.database.query(`SELECT relname FROM pg_class WHERE relrowsecurity`)).toEqual([]);
    const [row] = await world.database.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_policies WHERE policyname = 'own_tenant'`,
    );
    expect(row!.count).toBeGreaterThan(25); // what was switched off
  });

  const owned = caller.owned.filter((route) => route.access === 'tenant');

  it.each(owned.map((route) => [route.name, route] as const))(
    '%s hides what is another tenant’s',
    async (_name, route) => {
      expect(await expectHidden(caller, route, caller.cast.other)).toBeGreaterThan(0);
    },
  );

  const theirs = () => [caller.cast.other.tenantId, caller.cast.other.memberId, ...caller.theirs];
  const lists = caller.callable.filter(
    (route) => route.access === 'tenant' && route.method === 'GET' && !route.path.includes(':'),
  );

  it.each(lists.map((route) => [route.name, route] as const))(
    '%s lists nothing of another tenant',
    async (_name, route) => {
      const { status, body } = await caller.send(route, await caller.rightful(route), []);
      expect([200, 404]).toContain(status);
      expect(theirs().filter((name) => body.includes(name))).toEqual([]);
    },
  );
});
