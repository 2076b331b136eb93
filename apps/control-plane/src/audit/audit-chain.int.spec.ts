import { createHash, randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '#libs/database';
import { ManualClock, SortableIds } from '#libs/kernel';
import { freshDatabase, type TestDatabase } from '#libs/testing';
import { PlatformKeys } from '../secrets/platform-keys.js';
import { AuditChainReader } from './audit-chain.reader.js';
import { PLATFORM_CHAIN } from './audit-chain.js';
import { AuditLog } from './audit-log.js';
import { type Anchor, AuditVerifier } from './audit-verifier.js';

const ONE = 'ten_one';
const TWO = 'ten_two';
const clock = new ManualClock(new Date('2026-11-21T10:00:00.001Z'));
const keys = new PlatformKeys(randomBytes(32));
let server: TestDatabase;
let database: Database;
let log: AuditLog;
let verifier: AuditVerifier;

const line = (tenantId: string | null, data: object = {}) => ({
  tenantId,
  actor: 'key:key_1',
  action: 'member.provision',
  resource: 'member',
  resourceId: 'mem_1',
  data: data as never,
});

const record = (tenantId: string | null, data?: object): Promise<void> =>
  tenantId === null
    ? database.system((tx) => log.record(tx, line(tenantId, data)))
    : database.tenant(tenantId, (tx) => log.record(tx, line(tenantId, data)));

async function write(tenantId: string | null, count: number): Promise<void> {
  for (let n = 1; n <= count; n += 1) {
    clock.advance(7);
    await record(tenantId, { n });
  }
}

const verify = (chain: string, anchors: readonly Anchor[] = []) => verifier.verify(chain, { anchors, pageSize: 4 });
/** As the owner of the database: past grants and policies. */
const tamper = (text: string, values?: unknown[]) => server.query(text, values);

beforeAll(async () => {
  server = await freshDatabase();
  database = new Database({ url: server.url });
  log = new AuditLog(new SortableIds(clock), clock, keys);
  verifier = new AuditVerifier(new AuditChainReader(database), keys);
  for (const id of [ONE, TWO])
    await database.system((tx) => tx.tenant.create({ data: { id, slug: id.replace('_', '-'), name: id, brand: {} } }));
});

afterAll(async () => {
  await database.close();
  await server.drop();
});

beforeEach(async () => {
  await server.query('TRUNCATE audit_entries, audit_heads, outbox');
});

describe('the audit log', () => {
  it('chains the lines of each tenant and of the platform apart from each other', async () => {
    for (const tenantId of [ONE, TWO, null]) await write(tenantId, 5);
    for (const chain of [ONE, TWO, PLATFORM_CHAIN])
      expect(await verify(chain)).toMatchObject({ status: 'intact', seq: 5, lines: 5, fault: null });
    expect(await verifier.chains()).toEqual([PLATFORM_CHAIN, ONE, TWO]);
  });

  it('tells consoles of each line of a tenant', async () => {
    await record(ONE, { secretive: true });
    const rows = await server.query(`SELECT tenant_id, topic, type, data FROM outbox`);
    const data = { seq: 1, actor: 'key:key_1', action: 'member.provision', resource: 'member', resourceId: 'mem_1' };
    expect(rows).toEqual([{ tenant_id: ONE, topic: 'audit', type: 'recorded', data }]);
  });

  it('stays gapless with 200 changes of one tenant at once, a third of which are rolled back', async () => {
    const changes = Array.from({ length: 200 }, (_, n) =>
      database.tenant(ONE, async (tx) => {
        await tx.tenant.update({ where: { id: ONE }, data: { name: `n${n}` }, select: { id: true } });
        await log.record(tx, line(ONE, { n }));
        if (n % 3 === 0) throw new Error('rolled back');
      }),
    );
    const results = await Promise.allSettled(changes);
    const kept = results.flatMap((result, n) => (result.status === 'fulfilled' ? [n] : []));
    expect(results.filter((result) => result.status === 'rejected' && result.reason.message !== 'rolled back')).toEqual(
      [],
    );
    expect(kept).toHaveLength(133);
    expect(await verify(ONE)).toMatchObject({ status: 'intact', seq: kept.length });
    const rows = await server.query<{ n: number }>(`SELECT (data->>'n')::int AS n FROM audit_entries`);
    expect(rows.map((row) => row.n).sort((a, b) => a - b)).toEqual(kept);
  });

  it('leaves no line of a change that is rolled back, and continues behind it without a gap', async () => {
    await write(ONE, 2);
    const failing = database.tenant(ONE, async (tx) => {
      await log.record(tx, line(ONE));
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await write(ONE, 1);
    expect(await verify(ONE)).toMatchObject({ status: 'intact', seq: 3 });
  });

  it('verifies while lines are appended', async () => {
    await write(ONE, 20);
    const writing = write(ONE, 30);
    for (let n = 0; n < 5; n += 1) expect((await verify(ONE)).fault).toBeNull();
    await writing;
    expect(await verify(ONE)).toMatchObject({ status: 'intact', seq: 50 });
  });

  it('hashes what JSONB gives back: any keys, text, numbers', async () => {
    const json = fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' });
    await fc.assert(
      fc.asyncProperty(json, async (value) => {
        // PostgreSQL's JSONB has no NUL; nothing else may be lost.
        const data = JSON.parse(JSON.stringify({ value }).replaceAll('\\u0000', '')) as object;
        await record(ONE, data);
        expect((await verify(ONE)).fault).toBeNull();
        await server.query('TRUNCATE audit_entries, audit_heads');
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    [
      'numbers at the edges of a double',
      { n: [5e-324, 1.7976931348623157e308, -0, 0.1, 1e21, 2 ** 53, 123456789.12345679] },
    ],
    [
      'keys in any order, empty, numeric, __proto__',
      JSON.parse('{"z":1,"":2,"10":3,"9":4,"__proto__":{"a":5}}') as object,
    ],
    ['text of every plane', { text: 'ü 漢字 🜁 \u2028 \u007f \\ " \u00e9 e\u0301' }],
    ['dates and undefined, which JSON turns into text and nothing', { at: new Date(5), none: undefined }],
  ])('hashes what JSONB gives back: %s', async (_name, data) => {
    await record(ONE, data);
    expect(await verify(ONE)).toMatchObject({ status: 'intact', seq: 1 });
  });

  it('can be added to by the application’s roles, and nothing else', async () => {
    await write(ONE, 1);
    const denied = async (role: 'app' | 'system', sql: string) => {
      const work = (tx: { $executeRawUnsafe(text: string): Promise<number> }) => tx.$executeRawUnsafe(sql);
      const done = role === 'app' ? database.tenant(ONE, work) : database.system(work);
      await expect(done).rejects.toThrow(/permission denied/);
    };
    for (const role of ['app', 'system'] as const) {
      await denied(role, `UPDATE audit_entries SET actor = 'x'`);
      await denied(role, 'DELETE FROM audit_entries');
      await denied(role, 'TRUNCATE audit_entries');
      await denied(role, 'DELETE FROM audit_heads');
    }
  });

  it('refuses to go on behind a head that it did not write, and does not begin a chain twice', async () => {
    await write(ONE, 3);
    await tamper(`UPDATE audit_heads SET seq = 1 WHERE chain = $1`, [ONE]);
    await expect(record(ONE)).rejects.toMatchObject({ code: 'audit-chain-broken' });
    await tamper(`DELETE FROM audit_heads WHERE chain = $1`, [ONE]);
    await expect(record(ONE)).rejects.toMatchObject({ code: 'audit-chain-broken' });
    expect(await server.query(`SELECT 1 FROM audit_entries`)).toHaveLength(3);
  });
});

/** What somebody who owns the database but has no key may try, with ten lines of each tenant and of the platform. */
const TAMPERING: readonly [
  name: string,
  sql: string | readonly string[],
  seen: { readonly kind: string; readonly seq: number },
  chain?: string,
][] = [
  [
    'an actor is changed',
    `UPDATE audit_entries SET actor = 'x' WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'an action is changed',
    `UPDATE audit_entries SET action = 'x' WHERE tenant_id = '${ONE}' AND seq = 1`,
    { kind: 'changed', seq: 1 },
  ],
  [
    'data is changed',
    `UPDATE audit_entries SET data = '{"n":6}' WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'data is changed beyond a double',
    `UPDATE audit_entries SET data = '{"n":5.00000000000000000001}' WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'data is no object any more',
    `UPDATE audit_entries SET data = 'null' WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'data is a number that JavaScript lacks',
    `UPDATE audit_entries SET data = '1e400' WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'the origin is changed',
    `UPDATE audit_entries SET origin = '{"address":"::1"}' WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'a request id is added',
    `UPDATE audit_entries SET request_id = 'r' WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'the time is changed by a millisecond',
    `UPDATE audit_entries SET at = at + interval '1 ms' WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'the time is infinite',
    `UPDATE audit_entries SET at = 'infinity' WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'the id is changed',
    `UPDATE audit_entries SET id = 'x' WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'a resource id is changed',
    `UPDATE audit_entries SET resource_id = 'x' WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'a hash is changed',
    `UPDATE audit_entries SET hash = '\\x00' WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'the last line is changed',
    `UPDATE audit_entries SET actor = 'x' WHERE tenant_id = '${ONE}' AND seq = 10`,
    { kind: 'changed', seq: 10 },
  ],
  [
    'a line of the platform is changed',
    `UPDATE audit_entries SET actor = 'x' WHERE tenant_id IS NULL AND seq = 2`,
    { kind: 'changed', seq: 2 },
    PLATFORM_CHAIN,
  ],
  [
    'the first line is removed',
    `DELETE FROM audit_entries WHERE tenant_id = '${ONE}' AND seq = 1`,
    { kind: 'missing', seq: 1 },
  ],
  [
    'a line is removed',
    `DELETE FROM audit_entries WHERE tenant_id = '${ONE}' AND seq = 5`,
    { kind: 'missing', seq: 5 },
  ],
  [
    'several are removed',
    `DELETE FROM audit_entries WHERE tenant_id = '${ONE}' AND seq BETWEEN 4 AND 7`,
    { kind: 'missing', seq: 4 },
  ],
  [
    'the last ones are removed',
    `DELETE FROM audit_entries WHERE tenant_id = '${ONE}' AND seq > 8`,
    { kind: 'missing', seq: 9 },
  ],
  ['every line is removed', `DELETE FROM audit_entries WHERE tenant_id = '${ONE}'`, { kind: 'missing', seq: 1 }],
  [
    'a line is removed and the gap is closed',
    [
      `DELETE FROM audit_entries WHERE tenant_id = '${ONE}' AND seq = 5`,
      ...[6, 7, 8, 9, 10].map(
        (n) => `UPDATE audit_entries SET seq = ${n - 1} WHERE tenant_id = '${ONE}' AND seq = ${n}`,
      ),
    ],
    { kind: 'changed', seq: 5 },
  ],
  [
    'the whole chain is removed, head and all',
    [`DELETE FROM audit_entries WHERE tenant_id = '${ONE}'`, `DELETE FROM audit_heads WHERE chain = '${ONE}'`],
    { kind: 'chain-missing', seq: 1 },
  ],
  ['two lines change places', swap(3, 7), { kind: 'moved', seq: 3 }],
  ['two neighbours change places', swap(3, 4), { kind: 'moved', seq: 3 }],
  [
    'a line is inserted behind the head',
    `INSERT INTO audit_entries (id, tenant_id, seq, actor, action, resource, resource_id, data, hash) VALUES ('x', '${ONE}', 11, 'a', 'b', 'c', 'd', '{}', '\\x00')`,
    { kind: 'inserted', seq: 11 },
  ],
  [
    'a line is inserted far behind the head',
    `INSERT INTO audit_entries (id, tenant_id, seq, actor, action, resource, resource_id, data, hash) VALUES ('x', '${ONE}', 99, 'a', 'b', 'c', 'd', '{}', '\\x00')`,
    { kind: 'inserted', seq: 99 },
  ],
  [
    'a line is inserted in the middle',
    [
      ...[10, 9, 8, 7, 6, 5].map(
        (n) => `UPDATE audit_entries SET seq = ${n + 1} WHERE tenant_id = '${ONE}' AND seq = ${n}`,
      ),
      `INSERT INTO audit_entries (id, tenant_id, seq, actor, action, resource, resource_id, data, hash) VALUES ('x', '${ONE}', 5, 'a', 'b', 'c', 'd', '{}', '\\x00')`,
    ],
    { kind: 'changed', seq: 5 },
  ],
  [
    'a line is copied within its position',
    [
      'DROP INDEX audit_entries_tenant_id_seq_key',
      `INSERT INTO audit_entries SELECT 'x' AS id, tenant_id, actor, action, resource, resource_id, data, request_id, at, hash, origin, seq FROM audit_entries WHERE tenant_id = '${ONE}' AND seq = 5`,
    ],
    { kind: 'repeated', seq: 5 },
  ],
  [
    'a line is copied over another',
    `UPDATE audit_entries a SET actor = b.actor, data = b.data, at = b.at, hash = b.hash FROM audit_entries b WHERE a.tenant_id = '${ONE}' AND a.seq = 5 AND b.tenant_id = '${ONE}' AND b.seq = 4`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'a line of another tenant takes the place of one',
    [
      `DELETE FROM audit_entries WHERE tenant_id = '${ONE}' AND seq = 5`,
      `UPDATE audit_entries SET tenant_id = '${ONE}' WHERE tenant_id = '${TWO}' AND seq = 5`,
    ],
    { kind: 'moved', seq: 5 },
  ],
  [
    'a line moves to another tenant, to another position',
    [
      `DELETE FROM audit_entries WHERE tenant_id = '${ONE}' AND seq = 5`,
      `UPDATE audit_entries SET tenant_id = '${ONE}', seq = 5 WHERE tenant_id = '${TWO}' AND seq = 8`,
    ],
    { kind: 'moved', seq: 5 },
  ],
  [
    'a line is gone to another tenant',
    `UPDATE audit_entries SET tenant_id = '${ONE}', seq = 11 WHERE tenant_id = '${TWO}' AND seq = 5`,
    { kind: 'missing', seq: 5 },
    TWO,
  ],
  [
    'a line of the platform becomes a tenant’s',
    [
      `DELETE FROM audit_entries WHERE tenant_id = '${ONE}' AND seq = 5`,
      `UPDATE audit_entries SET tenant_id = '${ONE}' WHERE tenant_id IS NULL AND seq = 5`,
    ],
    { kind: 'moved', seq: 5 },
  ],
  [
    'two tenants change chains',
    [
      `UPDATE audit_entries SET tenant_id = NULL, seq = seq + 100 WHERE tenant_id = '${ONE}'`,
      `UPDATE audit_entries SET tenant_id = '${ONE}' WHERE tenant_id = '${TWO}'`,
    ],
    { kind: 'moved', seq: 1 },
  ],
  [
    'the position of the head is changed',
    `UPDATE audit_heads SET seq = 9 WHERE chain = '${ONE}'`,
    { kind: 'head-forged', seq: 9 },
  ],
  [
    'the hash of the head is changed',
    `UPDATE audit_heads SET hash = '\\x00' WHERE chain = '${ONE}'`,
    { kind: 'head-forged', seq: 10 },
  ],
  [
    'the head is given to another tenant',
    `UPDATE audit_heads SET tenant_id = '${TWO}' WHERE chain = '${ONE}'`,
    { kind: 'head-forged', seq: 10 },
  ],
  [
    'the head of another tenant is put in its place',
    `UPDATE audit_heads a SET seq = b.seq, hash = b.hash, seal = b.seal FROM audit_heads b WHERE a.chain = '${ONE}' AND b.chain = '${TWO}'`,
    { kind: 'head-forged', seq: 10 },
  ],
  ['the head is removed', `DELETE FROM audit_heads WHERE chain = '${ONE}'`, { kind: 'head-missing', seq: 10 }],
];

function swap(one: number, other: number): string[] {
  const move = (from: number, to: number) =>
    `UPDATE audit_entries SET seq = ${to} WHERE tenant_id = '${ONE}' AND seq = ${from}`;
  return [move(one, 1_000), move(other, one), move(1_000, other)];
}

describe('a verification', () => {
  beforeEach(async () => {
    for (const tenantId of [ONE, TWO, null]) await write(tenantId, 10);
  });

  it.each(TAMPERING)('finds that %s', async (_name, sql, seen, chain = ONE) => {
    for (const statement of [sql].flat()) await tamper(statement);
    const report = await verify(chain);
    expect(report).toMatchObject({ status: 'broken', fault: seen });
    expect(report.fault!.detail).toMatch(/\.$/);
    if (sql.includes('DROP INDEX audit_entries_tenant_id_seq_key')) {
      await server.query('TRUNCATE audit_entries');
      await tamper('CREATE UNIQUE INDEX audit_entries_tenant_id_seq_key ON audit_entries (tenant_id, seq)');
    }
  });

  it('says nothing against chains next to a broken one', async () => {
    await tamper(`UPDATE audit_entries SET actor = 'x' WHERE tenant_id = $1`, [ONE]);
    expect((await verify(TWO)).status).toBe('intact');
    expect((await verify(PLATFORM_CHAIN)).status).toBe('intact');
  });

  it('reports the first of several broken places', async () => {
    await tamper(`DELETE FROM audit_entries WHERE tenant_id = $1 AND seq = 8`, [ONE]);
    await tamper(`UPDATE audit_entries SET actor = 'x' WHERE tenant_id = $1 AND seq = 3`, [ONE]);
    expect(await verify(ONE)).toMatchObject({ seq: 2, fault: { kind: 'changed', seq: 3 } });
  });

  it('says where a moved line was written', async () => {
    for (const statement of swap(3, 7)) await tamper(statement);
    expect((await verify(ONE)).fault!.detail).toBe('Line 3 was written as line 7 and moved here.');
  });

  it('finds a head that was set back while its lines stayed', async () => {
    const before = await server.query(`SELECT seq, hash, seal FROM audit_heads WHERE chain = $1`, [ONE]);
    await write(ONE, 2);
    const { seq, hash, seal } = before[0] as { seq: string; hash: Buffer; seal: Buffer };
    await tamper(`UPDATE audit_heads SET seq = $2, hash = $3, seal = $4 WHERE chain = $1`, [ONE, seq, hash, seal]);
    expect(await verify(ONE)).toMatchObject({ status: 'broken', fault: { kind: 'head-set-back', seq: 11 } });
  });

  describe('with an anchor from before', () => {
    /** Puts the chain back to how it was at line 10, perfectly: the attack that only something kept elsewhere shows. */
    const setBack = async (): Promise<Anchor> => {
      const [head] = await server.query(`SELECT seq, hash, seal FROM audit_heads WHERE chain = $1`, [ONE]);
      await write(ONE, 2);
      const { seq, hash } = await verify(ONE);
      await tamper(`DELETE FROM audit_entries WHERE tenant_id = $1 AND seq > 10`, [ONE]);
      const { seq: old, hash: oldHash, seal } = head as { seq: string; hash: Buffer; seal: Buffer };
      await tamper(`UPDATE audit_heads SET seq = $2, hash = $3, seal = $4 WHERE chain = $1`, [ONE, old, oldHash, seal]);
      return { seq: BigInt(seq), hash: hash! };
    };

    it('finds a chain that was set back whole', async () => {
      const anchor = await setBack();
      expect(await verify(ONE)).toMatchObject({ status: 'intact', seq: 10 });
      expect(await verify(ONE, [anchor])).toMatchObject({ status: 'broken', fault: { kind: 'anchor-lost', seq: 11 } });
    });

    it('finds one that was set back and has grown again since', async () => {
      const anchor = await setBack();
      await write(ONE, 5);
      expect((await verify(ONE)).status).toBe('intact');
      expect(await verify(ONE, [anchor])).toMatchObject({ fault: { kind: 'anchor-lost', seq: 12 } });
    });

    it('agrees with one that only grew', async () => {
      const { seq, hash } = await verify(ONE);
      await write(ONE, 5);
      const anchors = [{ seq: BigInt(seq), hash: hash! }];
      expect(await verify(ONE, anchors)).toMatchObject({ status: 'intact', seq: 15 });
    });

    it('finds that the platform’s whole chain is gone, which nothing else would tell', async () => {
      const { seq, hash } = await verify(PLATFORM_CHAIN);
      await tamper('DELETE FROM audit_entries WHERE tenant_id IS NULL');
      await tamper('DELETE FROM audit_heads WHERE tenant_id IS NULL');
      const anchors = [{ seq: BigInt(seq), hash: hash! }];
      expect(await verify(PLATFORM_CHAIN, anchors)).toMatchObject({ fault: { kind: 'anchor-lost', seq: 1 } });
    });
  });

  it('is not fooled by an owner who hashes without the key', async () => {
    const [row] = await server.query<{ hash: Buffer }>(
      `SELECT hash FROM audit_entries WHERE tenant_id = $1 AND seq = 9`,
      [ONE],
    );
    const forged = createHash('sha256').update(row!.hash).update('{}').digest();
    await tamper(`UPDATE audit_entries SET actor = 'x', hash = $2 WHERE tenant_id = $1 AND seq = 10`, [ONE, forged]);
    await tamper(`UPDATE audit_heads SET hash = $2 WHERE chain = $1`, [ONE, forged]);
    expect(await verify(ONE)).toMatchObject({ fault: { kind: 'changed', seq: 10 } });
  });

  it('is of no use with another installation’s key', async () => {
    const other = new AuditVerifier(new AuditChainReader(database), new PlatformKeys(randomBytes(32)));
    expect(await other.verify(ONE)).toMatchObject({ status: 'broken', fault: { kind: 'changed', seq: 1 } });
  });

  it('counts lines from before the chain, which nothing proves', async () => {
    await tamper(
      `INSERT INTO audit_entries (id, tenant_id, seq, actor, action, resource, resource_id, data, hash)
       VALUES ('old', $1, 0, 'a', 'b', 'c', 'd', '{}', '')`,
      [ONE],
    );
    expect(await verify(ONE)).toMatchObject({ status: 'intact', seq: 10, unchained: 1 });
  });

  it('ends when it is told to', async () => {
    const stopped = verifier.verify(ONE, { signal: AbortSignal.abort(new Error('enough')) });
    await expect(stopped).rejects.toThrow('enough');
  });
});
