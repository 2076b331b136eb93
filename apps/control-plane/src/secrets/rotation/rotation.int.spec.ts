import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshDatabase, type TestDatabase } from '#libs/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileSource } from '../master-keys/file.source.js';
import { SecretBox } from '../secret-box.js';
import { secretContext } from '../secret-rules.js';
import { MasterKeyMissing } from '../secrets.errors.js';
import { KeyHolder, secretsDirectory } from '../testing/key-holder.fixture.js';
import { DataKeyRotation } from './data-key-rotation.js';
import { MasterKeyRotation } from './master-key-rotation.js';
import { SEALED_COLUMNS } from './sealed-columns.js';
import { SealedRowsRepository } from './sealed-rows.repository.js';

const TENANTS = ['ten_a', 'ten_b', 'ten_c'];
let database: TestDatabase;
let directory: string;
let holders: KeyHolder[];

beforeEach(async () => {
  database = await freshDatabase();
  directory = secretsDirectory(randomBytes(32));
  holders = [];
});
afterEach(async () => {
  await Promise.all(holders.map((holder) => holder.close()));
  await database.drop();
  rmSync(directory, { recursive: true });
});

function start(source: ConstructorParameters<typeof KeyHolder>[1] = directory): KeyHolder {
  const holder = new KeyHolder(database.url, source, new FileSource(directory));
  holders.push(holder);
  return holder;
}
const masterRotation = (holder: KeyHolder) => new MasterKeyRotation(holder.database, holder.masterKeys);
const dataRotation = (holder: KeyHolder) =>
  new DataKeyRotation(
    holder.database,
    holder.dataKeys,
    holder.vault,
    new SealedRowsRepository(holder.database),
    holder.clock,
  );
const masterIds = async () =>
  (await database.query<{ id: string }>('SELECT DISTINCT master_id AS id FROM data_keys')).map((row) => row.id);
const context = (tenantId: string, name: string) =>
  secretContext({ tenantId, memberId: null, purpose: 'gateway', name });

async function store(holder: KeyHolder, tenantId: string, name: string, value: string): Promise<void> {
  const { sealed, dataKeyId } = await holder.vault.seal(tenantId, value, context(tenantId, name));
  await database.query(
    `INSERT INTO secrets (id, tenant_id, purpose, name, sealed, data_key_id, created_by, updated_at)
     VALUES ($1, $2, 'gateway', $3, $4, $5, 'test', now())
     ON CONFLICT (id) DO UPDATE SET sealed = $4, data_key_id = $5, version = secrets.version + 1`,
    [`sec_${tenantId}_${name}`, tenantId, name, Buffer.from(sealed), dataKeyId],
  );
}

async function read(holder: KeyHolder, tenantId: string, name: string): Promise<string> {
  const [row] = await database.query<{ sealed: Buffer }>('SELECT sealed FROM secrets WHERE id = $1', [
    `sec_${tenantId}_${name}`,
  ]);
  return (await holder.vault.open(row!.sealed, context(tenantId, name))).toString();
}

/** An abort signal that lets so many batches begin. */
const afterBatches = (count: number): AbortSignal => {
  let left = count;
  return {
    throwIfAborted: () => {
      left -= 1;
      if (left < 0) throw new Error('killed in the middle');
    },
  } as AbortSignal;
};

describe('rotating the master key', () => {
  it('leaves every value readable, by processes that run already and by ones that start after the old key is gone', async () => {
    const running = start();
    for (const tenant of TENANTS) await store(running, tenant, 'x', `value of ${tenant}`);
    const before = readFileSync(join(directory, 'master-key'), 'utf8').trim();
    const idle = start();
    const tool = start();
    const id = await tool.masterKeys.rotate();
    expect(await masterRotation(tool).rewrap()).toBe(3);
    expect(await masterIds()).toEqual([id]);
    for (const tenant of TENANTS) {
      expect(await read(running, tenant, 'x')).toBe(`value of ${tenant}`);
      expect(await read(idle, tenant, 'x')).toBe(`value of ${tenant}`);
    }
    const older = readdirSync(directory).find((name) => readFileSync(join(directory, name), 'utf8').trim() === before)!;
    expect(older).toMatch(/^master-key\.mk_/);
    unlinkSync(join(directory, older));
    const fresh = start();
    await fresh.check.run();
    expect(await read(fresh, 'ten_a', 'x')).toBe('value of ten_a');
  });

  it('lets a process that runs already wrap new data keys under the new key at once', async () => {
    const running = start();
    await store(running, 'ten_a', 'x', '1');
    const id = await start().masterKeys.rotate();
    await store(running, 'ten_b', 'x', '2');
    const rows = await database.query<{ master_id: string }>(
      `SELECT master_id FROM data_keys WHERE tenant_id = 'ten_b'`,
    );
    expect(rows).toEqual([{ master_id: id }]);
  });

  it('goes on where it was killed, and nothing is unreadable meanwhile', async () => {
    const running = start();
    for (let at = 0; at < 120; at += 1) await running.dataKeys.current(`ten_${at}`);
    await store(running, 'ten_7', 'x', 'seven');
    const tool = start();
    const id = await tool.masterKeys.rotate();
    await expect(masterRotation(tool).rewrap(afterBatches(1))).rejects.toThrow('killed in the middle');
    expect((await masterIds()).length).toBe(2);
    const meanwhile = start();
    await meanwhile.check.run();
    expect(await read(meanwhile, 'ten_7', 'x')).toBe('seven');
    const [one, two] = [start(), start()];
    const counts = await Promise.all([masterRotation(one).rewrap(), masterRotation(two).rewrap()]);
    expect(counts[0]! + counts[1]!).toBe(70);
    expect(await masterIds()).toEqual([id]);
    expect(await read(start(), 'ten_7', 'x')).toBe('seven');
  });

  it('moves to another source the same way', async () => {
    await store(start(), 'ten_a', 'x', 'moved');
    const environment = randomBytes(32);
    const tool = start(environment);
    await tool.check.run();
    expect(await masterRotation(tool).rewrap()).toBe(1);
    rmSync(join(directory, 'master-key'));
    expect(await read(start(environment), 'ten_a', 'x')).toBe('moved');
  });

  it('keeps older keys private, and can be prepared on several machines before the new one counts', async () => {
    const files = new FileSource(directory);
    const before = (await files.ids())[0]!;
    const prepared = await files.prepare();
    expect((await files.ids())[0]).toBe(before);
    expect(await files.promote(prepared)).toBe(prepared);
    expect(await files.promote(prepared)).toBe(prepared);
    expect(await files.ids()).toEqual([prepared, before]);
    for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o077).toBe(0);
    await expect(files.promote('mk_unknown')).rejects.toThrow(/no master key mk_unknown/);
    writeFileSync(join(directory, 'master-key.broken'), 'not a key');
    await expect(files.ids()).rejects.toThrow(/master-key\.broken/);
  });

  it('says what is missing when the old key was taken away before everything was wrapped anew', async () => {
    await store(start(), 'ten_a', 'x', '1');
    const tool = start();
    await tool.masterKeys.rotate();
    for (const name of readdirSync(directory)) if (name !== 'master-key') unlinkSync(join(directory, name));
    const fresh = start();
    await expect(fresh.check.run()).rejects.toThrow(MasterKeyMissing);
    await expect(masterRotation(fresh).rewrap()).rejects.toThrow(MasterKeyMissing);
  });
});

describe('rotating data keys', () => {
  it('goes through every sealed column that there is', async () => {
    const found = await database.query<{ table_name: string; column_name: string }>(
      `SELECT table_name, column_name FROM information_schema.columns
       WHERE table_schema = 'public' AND data_type = 'bytea' AND column_name ~ '(^|_)(sealed|encrypted)$'
       ORDER BY 1, 2`,
    );
    const known = SEALED_COLUMNS.map(({ table, column }) => ({ table_name: table, column_name: column }));
    const byName = (a: { table_name: string; column_name: string }, b: typeof a) =>
      `${a.table_name}.${a.column_name}`.localeCompare(`${b.table_name}.${b.column_name}`);
    expect(known.toSorted(byName)).toEqual(found.toSorted(byName));
    for (const { table, key } of SEALED_COLUMNS) {
      const keys = await database.query<{ attname: string }>(
        `SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
         WHERE i.indrelid = $1::regclass AND i.indisprimary`,
        [table],
      );
      expect([table, keys]).toEqual([table, [{ attname: key }]]);
    }
  });

  it('encrypts everything again under the new key, of the same tenant, and deletes the old key in the end', async () => {
    const holder = start();
    for (const tenant of TENANTS) await store(holder, tenant, 'x', `value of ${tenant}`);
    const signing = new SecretBox(Buffer.alloc(32, 7)).seal('private', 'signing-key/k1');
    await database.query(`INSERT INTO signing_keys (kid, public_jwk, private_jwk_encrypted) VALUES ('k1', '{}', $1)`, [
      signing,
    ]);
    const mail = await holder.vault.seal('ten_a', 'a letter', 'mail/1');
    await database.query(
      `INSERT INTO mails (id, tenant_id, recipient, kind, sealed) VALUES ('mail_1', 'ten_a', 'x', 'x', $1), ('mail_2', 'ten_a', 'x', 'x', NULL)`,
      [Buffer.from(mail.sealed)],
    );
    const rotation = dataRotation(holder);
    const fresh = await rotation.renew('ten_a');
    expect(await rotation.reseal()).toEqual({ resealed: 3, unreadable: 0 });
    expect(await rotation.reseal()).toEqual({ resealed: 0, unreadable: 0 });
    const rows = await database.query<{ tenant_id: string; data_key_id: string; version: number }>(
      'SELECT tenant_id, data_key_id, version FROM secrets ORDER BY id',
    );
    expect(rows.map((row) => row.data_key_id === fresh)).toEqual([true, false, false]);
    expect(rows.map((row) => row.version)).toEqual([1, 1, 1]);
    const other = start();
    for (const tenant of TENANTS) expect(await read(other, tenant, 'x')).toBe(`value of ${tenant}`);
    const [moved] = await database.query<{ sealed: Buffer }>(
      `SELECT private_jwk_encrypted AS sealed FROM signing_keys`,
    );
    expect((await other.vault.open(moved!.sealed, 'signing-key/k1')).toString()).toBe('private');
    const [letter] = await database.query<{ sealed: Buffer }>(`SELECT sealed FROM mails WHERE id = 'mail_1'`);
    expect((await other.vault.open(letter!.sealed, 'mail/1')).toString()).toBe('a letter');

    expect(await rotation.deleteUnused()).toBe(0);
    holder.clock.advance(49 * 3_600_000);
    expect(await rotation.deleteUnused()).toBe(1);
    expect(await read(start(), 'ten_a', 'x')).toBe('value of ten_a');
  });

  it('never deletes a key that something is still under', async () => {
    const holder = start();
    await store(holder, 'ten_a', 'x', 'one');
    const rotation = dataRotation(holder);
    await rotation.renew('ten_a');
    holder.clock.advance(49 * 3_600_000);
    expect(await rotation.deleteUnused()).toBe(0);
    expect(await read(start(), 'ten_a', 'x')).toBe('one');
  });

  it('loses no write that happens meanwhile, however often', async () => {
    const writer = start();
    const tool = start();
    const names = Array.from({ length: 30 }, (_, at) => `n${at}`);
    for (const name of names) await store(writer, 'ten_a', name, 'first');
    const written = new Map<string, string>();
    const end = new AbortController();
    const writing = (async () => {
      for (let round = 0; !end.signal.aborted; round += 1) {
        for (const name of names.filter((_, at) => at % 3 === round % 3)) {
          await store(writer, 'ten_a', name, `round ${round}`);
          written.set(name, `round ${round}`);
        }
      }
    })();
    const rotation = dataRotation(tool);
    for (let at = 0; at < 4; at += 1) {
      await rotation.renew('ten_a');
      expect((await rotation.reseal()).unreadable).toBe(0);
    }
    end.abort();
    await writing;
    await rotation.reseal();
    const reader = start();
    for (const name of names) expect(await read(reader, 'ten_a', name)).toBe(written.get(name) ?? 'first');
    const current = await database.query<{ id: string }>(
      `SELECT id FROM data_keys WHERE tenant_id = 'ten_a' AND retired_at IS NULL`,
    );
    expect(current).toHaveLength(1);
    expect(await database.query('SELECT DISTINCT data_key_id AS id FROM secrets')).toEqual(current);
  });

  it('goes on where it was killed, also with two at the same time', async () => {
    const holder = start();
    for (let at = 0; at < 250; at += 1) await store(holder, 'ten_a', `n${at}`, `value ${at}`);
    const rotation = dataRotation(holder);
    await rotation.renew('ten_a');
    await expect(rotation.reseal(afterBatches(1))).rejects.toThrow('killed in the middle');
    expect(await read(start(), 'ten_a', 'n9')).toBe('value 9');
    const results = await Promise.all([dataRotation(start()).reseal(), dataRotation(start()).reseal()]);
    expect(results[0]!.resealed + results[1]!.resealed).toBe(150);
    const reader = start();
    for (let at = 0; at < 250; at += 31) expect(await read(reader, 'ten_a', `n${at}`)).toBe(`value ${at}`);
  });

  it('reports what nothing can open, leaves it as it is, and does everything else', async () => {
    const holder = start();
    await store(holder, 'ten_a', 'good', 'good');
    await store(holder, 'ten_a', 'bad', 'bad');
    await database.query(
      `UPDATE secrets SET sealed = set_byte(sealed, octet_length(sealed) - 1, get_byte(sealed, octet_length(sealed) - 1) # 1) WHERE name = 'bad'`,
    );
    const rotation = dataRotation(holder);
    await rotation.renew('ten_a');
    expect(await rotation.reseal()).toEqual({ resealed: 1, unreadable: 1 });
    holder.clock.advance(49 * 3_600_000);
    expect(await rotation.deleteUnused()).toBe(0);
    expect(await read(start(), 'ten_a', 'good')).toBe('good');
  });
});
