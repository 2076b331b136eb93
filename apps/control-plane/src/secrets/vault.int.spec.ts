import { hkdfSync, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { freshDatabase, type TestDatabase } from '#libs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewayCredentials } from './gateway-credentials.js';
import { SecretBox } from './secret-box.js';
import { MasterKeyMissing, PlatformRootMissing, SealedUnreadable } from './secrets.errors.js';
import { KeyHolder, secretsDirectory } from './testing/key-holder.fixture.js';

const masterKey = randomBytes(32);
const SECRET = 'the value that nobody may see';
let database: TestDatabase;
let holder: KeyHolder;
const others: KeyHolder[] = [];
const another = (key: Buffer = masterKey): KeyHolder => {
  const made = new KeyHolder(database.url, key);
  others.push(made);
  return made;
};

beforeAll(async () => {
  database = await freshDatabase();
  holder = new KeyHolder(database.url, masterKey);
});
afterAll(async () => {
  await Promise.all([holder, ...others].map((each) => each.close()));
  await database.drop();
});

const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[at]! ^= 1;
  return copy;
};

describe('the vault', () => {
  it('opens what it sealed, in another process too, and never seals the same to the same bytes', async () => {
    const first = await holder.vault.seal('ten_a', SECRET, 'secret/1');
    const second = await holder.vault.seal('ten_a', SECRET, 'secret/1');
    expect(Buffer.from(first.sealed).equals(Buffer.from(second.sealed))).toBe(false);
    expect(Buffer.from(first.sealed).toString('latin1')).not.toContain(SECRET);
    expect((await another().vault.open(first.sealed, 'secret/1')).toString()).toBe(SECRET);
  });

  it('seals empty, binary and large values', async () => {
    for (const value of [Buffer.alloc(0), Buffer.of(0, 255, 1), randomBytes(1_000_000)]) {
      const { sealed } = await holder.vault.seal('ten_a', value, 'secret/1');
      expect((await holder.vault.open(sealed, 'secret/1')).equals(value)).toBe(true);
    }
  });

  it('gives every tenant and the platform a data key of its own, one each however many processes ask at once', async () => {
    const holders = [holder, another(), another(), another()];
    const sealed = await Promise.all(
      holders.flatMap((each) => [each.vault.seal('ten_b', 'x', 'c'), each.vault.seal(null, 'x', 'c')]),
    );
    const ids = new Set(sealed.map((value) => value.dataKeyId));
    expect(ids.size).toBe(2);
    const rows = await database.query<{ tenant_id: string | null }>(
      `SELECT tenant_id FROM data_keys WHERE tenant_id = 'ten_b' OR tenant_id IS NULL`,
    );
    expect(rows).toHaveLength(2);
  });

  it('seals for everybody who asks while the first key of a tenant is made, and while it is rotated', async () => {
    const one = another();
    const seals = Array.from({ length: 60 }, async (_, at) => {
      for (let turn = 0; turn < at % 12; turn += 1) await database.query('SELECT 1');
      if (at === 30) await one.dataKeys.rotate('ten_rush');
      return one.vault.seal('ten_rush', SECRET, 'c');
    });
    for (const { sealed } of await Promise.all(seals))
      expect((await one.vault.open(sealed, 'c')).toString()).toBe(SECRET);
  });

  it('refuses every value of which one bit was changed, wherever it is', async () => {
    const { sealed } = await holder.vault.seal('ten_a', 'short', 'secret/1');
    for (let at = 0; at < sealed.length; at += 1)
      await expect(holder.vault.open(flipped(sealed, at), 'secret/1'), `byte ${at}`).rejects.toThrow(SealedUnreadable);
  });

  it('refuses every value that was cut short, and one that was extended', async () => {
    const { sealed } = await holder.vault.seal('ten_a', 'short', 'secret/1');
    for (let length = 0; length < sealed.length; length += 1)
      await expect(holder.vault.open(sealed.subarray(0, length), 'secret/1')).rejects.toThrow(SealedUnreadable);
    await expect(holder.vault.open(Buffer.concat([sealed, Buffer.of(0)]), 'secret/1')).rejects.toThrow(
      SealedUnreadable,
    );
  });

  it('refuses a value for another context, also when the context it was sealed for is written into it', async () => {
    const one = await holder.vault.seal('ten_a', SECRET, 'secret/ten_a/1');
    await expect(holder.vault.open(one.sealed, 'secret/ten_b/1')).rejects.toThrow(SealedUnreadable);
    const two = await holder.vault.seal('ten_a', 'x', 'secret/ten_b/1');
    const header = 2 + one.dataKeyId.length;
    const forged = Buffer.from(one.sealed);
    Buffer.from(two.sealed).copy(forged, header, header, header + 32);
    await expect(holder.vault.open(forged, 'secret/ten_b/1')).rejects.toThrow(SealedUnreadable);
  });

  it("refuses one tenant's value under another tenant's key", async () => {
    const [a, b] = await Promise.all([holder.vault.seal('ten_a', SECRET, 'c'), holder.vault.seal('ten_b', 'x', 'c')]);
    const forged = Buffer.from(a.sealed);
    Buffer.from(b.dataKeyId).copy(forged, 2);
    await expect(holder.vault.open(forged, 'c')).rejects.toThrow(SealedUnreadable);
  });

  it('refuses a data key whose row was given the wrapped bytes of another, or that is gone', async () => {
    const { sealed, dataKeyId } = await holder.vault.seal('ten_c', SECRET, 'c');
    const other = await holder.vault.seal('ten_d', SECRET, 'c');
    await database.query('UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE id = $1) WHERE id = $2', [
      other.dataKeyId,
      dataKeyId,
    ]);
    await expect(another().vault.open(sealed, 'c')).rejects.toThrow(SealedUnreadable);
    await database.query('DELETE FROM data_keys WHERE id = $1', [dataKeyId]);
    await expect(another().vault.open(sealed, 'c')).rejects.toThrow(SealedUnreadable);
    expect((await holder.vault.open(other.sealed, 'c')).toString()).toBe(SECRET);
  });

  it('says which master key is missing and what to do, and what starts with the wrong one does not start', async () => {
    await holder.vault.seal('ten_a', SECRET, 'c');
    const wrong = another(randomBytes(32));
    const [row] = await database.query<{ master_id: string }>('SELECT DISTINCT master_id FROM data_keys');
    const failure = await wrong.check.run().catch((error: unknown) => error as Error);
    expect(failure).toBeInstanceOf(MasterKeyMissing);
    expect((failure as Error).message).toContain(row!.master_id);
    expect((failure as Error).message).toContain('WIREBOT_SECRETS_DIR');
    expect((failure as Error).message).not.toContain(masterKey.toString('hex'));
    await holder.check.run();
  });

  it('still opens what was sealed before there were data keys', async () => {
    const old = new SecretBox(Buffer.alloc(32, 7)).seal(SECRET, 'signing-key/1');
    expect((await holder.vault.open(old, 'signing-key/1')).toString()).toBe(SECRET);
    await expect(holder.vault.open(old, 'signing-key/2')).rejects.toThrow(SealedUnreadable);
    const moved = await holder.vault.reseal(null, old, 'signing-key/1');
    expect((await another().vault.open(moved.sealed, 'signing-key/1')).toString()).toBe(SECRET);
  });

  it('keeps wrapped and plain data keys out of reach of the role that serves tenants', async () => {
    await holder.vault.seal('ten_a', SECRET, 'c');
    await expect(holder.database.tenant('ten_a', (tx) => tx.dataKey.findMany())).rejects.toThrow(/permission denied/);
    await expect(holder.database.tenant('ten_a', (tx) => tx.$queryRaw`SELECT sealed FROM secrets`)).rejects.toThrow(
      /permission denied/,
    );
  });
});

describe("the installation's root", () => {
  it('is random, and the same in every process that starts at the same time', async () => {
    const fresh = await freshDatabase();
    const holders = Array.from({ length: 4 }, () => new KeyHolder(fresh.url, masterKey));
    const roots = await Promise.all(holders.map((each) => each.root.load()));
    expect(new Set(roots.map((root) => root.toString('hex'))).size).toBe(1);
    expect(roots[0]!.equals(masterKey)).toBe(false);
    expect(await fresh.query('SELECT id FROM secrets')).toHaveLength(1);
    await Promise.all(holders.map((each) => each.close()));
    await fresh.drop();
  });

  it('stays the master key of an installation that derived from it, so that its gateways keep their credentials', async () => {
    const old = await freshDatabase();
    const before = `wbg_${Buffer.from(hkdfSync('sha256', masterKey, '', 'wirebot/gateway-control/gw_1', 32)).toString('base64url')}`;
    await old.query(`INSERT INTO signing_keys (kid, public_jwk, private_jwk_encrypted) VALUES ('k1', '{}', '\\x01')`);
    const upgraded = new KeyHolder(old.url, masterKey);
    const root = await upgraded.root.load();
    expect(new GatewayCredentials(root).control('gw_1')).toBe(before);
    // The master key changes; the root does not.
    await old.query('DELETE FROM signing_keys');
    const directory = secretsDirectory(masterKey);
    const rotated = new KeyHolder(old.url, directory);
    await rotated.masterKeys.rotate();
    expect((await rotated.root.load()).equals(root)).toBe(true);
    await Promise.all([upgraded.close(), rotated.close()]);
    rmSync(directory, { recursive: true });
    await old.drop();
  });

  it('is not invented for an installation whose master key is not at hand', async () => {
    const old = await freshDatabase();
    await old.query(`INSERT INTO audit_heads (chain, hash, seal) VALUES ('platform', '', '')`);
    const remote = new KeyHolder(old.url, {
      ids: async () => ['remote'],
      wrap: () => Promise.reject(new Error('not reached')),
      unwrap: async () => undefined,
      rotate: () => Promise.reject(new Error('not reached')),
    });
    await expect(remote.root.load()).rejects.toThrow(PlatformRootMissing);
    await remote.close();
    await old.drop();
  });
});
