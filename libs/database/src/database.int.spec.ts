import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, type TestDatabase } from '#libs/testing';
import { Database } from './database.js';
import { dropLeases, dueRows, releaseLease, renewLease, takeLease } from './lease.js';

const ONE = 'ten_one';
const TWO = 'ten_two';

describe('the database', () => {
  let server: TestDatabase;
  let database: Database;

  beforeAll(async () => {
    server = await freshDatabase();
    database = new Database({ url: server.url });
    await database.system(async (tx) => {
      for (const id of [ONE, TWO]) {
        await tx.tenant.create({ data: { id, slug: id.replace('_', '-'), name: id, brand: {} } });
        const member = (n: number) => ({
          id: `mem_${id}_${n}`,
          tenantId: id,
          externalId: `x${n}`,
          email: 'x@example.com',
        });
        await tx.member.createMany({
          data: Array.from({ length: 20 }, (_, n) => ({
            ...member(n),
            tierKey: 'free',
            timeZone: 'UTC',
            locale: 'en',
          })),
        });
      }
    });
  });

  afterAll(async () => {
    await database.close();
    await server.drop();
  });

  it('never mixes tenants, with the same lookups of two of them in one tick', async () => {
    const lookups = Array.from({ length: 20 }, (_, n) => n).flatMap((n) =>
      [ONE, TWO].map((tenant) =>
        database.tenant(tenant, (tx) => tx.member.findUnique({ where: { id: `mem_${ONE}_${n}` } })),
      ),
    );
    const found = await Promise.all(lookups);
    expect(found.filter((_, at) => at % 2 === 0).filter(Boolean)).toHaveLength(20);
    expect(found.filter((_, at) => at % 2 === 1).filter(Boolean)).toEqual([]);
  });

  it('finds nothing without a tenant, and refuses to write into another one’s', async () => {
    expect(await database.tenant('', (tx) => tx.member.count())).toBe(0);
    const intruder = { id: 'mem_intruder', tenantId: TWO, externalId: 'i', email: 'i@example.com', tierKey: 'free' };
    const write = database.tenant(ONE, (tx) =>
      tx.member.create({ data: { ...intruder, timeZone: 'UTC', locale: 'en' } }),
    );
    await expect(write).rejects.toThrow(/row-level security/);
    const changed = await database.tenant(ONE, (tx) =>
      tx.member.updateMany({ where: { tenantId: TWO }, data: { name: 'x' } }),
    );
    expect(changed.count).toBe(0);
  });

  it('keeps users, sessions and signing keys from the role that serves tenants', async () => {
    for (const table of ['users', 'user_sessions', 'signing_keys', 'idempotency_keys']) {
      const read = database.tenant(ONE, (tx) => tx.$queryRawUnsafe(`SELECT 1 FROM ${table}`));
      await expect(read).rejects.toThrow(/permission denied/);
    }
  });

  it('says that the server is away in its own words', async () => {
    const away = new Database({ url: 'postgresql://nobody@127.0.0.1:9/none' });
    await expect(away.system((tx) => tx.tenant.count())).rejects.toMatchObject({ code: 'database-unavailable' });
    await away.close();
  });

  describe('leases', () => {
    const id = 'gw_leased';

    beforeAll(async () => {
      await database.system(async (tx) => {
        await tx.host.create({ data: { id: 'hst_1', name: 'h', driver: 'process', portFrom: 1, portTo: 9 } });
        const gateway = {
          id,
          tenantId: ONE,
          hostId: 'hst_1',
          kind: 'shared',
          runtime: 'wirebot',
          image: 'i',
          resources: {},
        };
        await tx.gateway.create({ data: gateway });
      });
    });

    it('are taken by exactly one of many who want them at once', async () => {
      const takers = Array.from({ length: 10 }, (_, n) => takeLease(database, 'gateways', id, `n${n}`, 30));
      const taken = (await Promise.all(takers)).filter(Boolean);
      expect(taken).toHaveLength(1);
      expect(await dueRows(database, 'gateways', 10)).toEqual([]);
      await releaseLease(database, 'gateways', taken[0]!, null);
    });

    it('fence: after another one took over, the old holder renews nothing and releases nothing', async () => {
      const old = (await takeLease(database, 'gateways', id, 'paused', 30))!;
      await server.query(`UPDATE gateways SET lease_until = now() - interval '1 second' WHERE id = $1`, [id]);
      const next = (await takeLease(database, 'gateways', id, 'other', 30))!;
      expect(next.fence).toBeGreaterThan(old.fence);
      expect(await renewLease(database, 'gateways', old, 30)).toBe(false);
      await releaseLease(database, 'gateways', old, null);
      expect(await takeLease(database, 'gateways', id, 'third', 30)).toBeUndefined();
      expect(await renewLease(database, 'gateways', next, 30)).toBe(true);
      await releaseLease(database, 'gateways', next, null);
    });

    it('do not swallow a wish that comes while they are held', async () => {
      const lease = (await takeLease(database, 'gateways', id, 'n', 30))!;
      await server.query('UPDATE gateways SET due_at = now() WHERE id = $1', [id]);
      expect(await releaseLease(database, 'gateways', lease, null)).toBe(true);
      expect(await dueRows(database, 'gateways', 10)).toEqual([id]);
      const again = (await takeLease(database, 'gateways', id, 'n', 30))!;
      expect(await releaseLease(database, 'gateways', again, null)).toBe(false);
      expect(await dueRows(database, 'gateways', 10)).toEqual([]);
    });

    it('of a process that died are free once it starts again under its name', async () => {
      await takeLease(database, 'gateways', id, 'node-a', 300);
      await dropLeases(database, 'node-b');
      expect(await dueRows(database, 'gateways', 10)).toEqual([]);
      await dropLeases(database, 'node-a');
      expect(await dueRows(database, 'gateways', 10)).toEqual([id]);
    });
  });
});
