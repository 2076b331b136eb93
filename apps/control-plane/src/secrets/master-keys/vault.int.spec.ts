import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshDatabase, type TestDatabase } from '#libs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MasterKeyRotation } from '../rotation/master-key-rotation.js';
import { SealedUnreadable, VaultRefused, VaultUnavailable } from '../secrets.errors.js';
import { KeyHolder, secretsDirectory } from '../testing/key-holder.fixture.js';
import { VaultTransitServer } from '../testing/vault-transit.fixture.js';
import { FileSource } from './file.source.js';
import { VaultSource } from './vault.source.js';
import { VaultTransitClient } from './vault-transit.client.js';

const server = new VaultTransitServer();
const KEY = randomBytes(32);
const CONTEXT = 'data-key/dek_1';
const times = { attempt: 300, pause: { base: 1, cap: 2 } };
let directory: string;

beforeAll(async () => {
  await server.start();
  directory = secretsDirectory(randomBytes(32));
});
beforeEach(() => {
  server.faults = [];
  server.seen.length = 0;
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true });
});

const config = (over: object = {}) => ({
  address: server.url,
  namespace: 'team',
  mount: 'transit',
  key: 'wirebot',
  token: { value: server.token },
  ...over,
});
const source = (over: object = {}) => new VaultSource(config(over), new VaultTransitClient(config(over), times));
const failureOf = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => new Error('it did not fail'),
    (error: unknown) => error as Error,
  );

describe('a master key in Vault', () => {
  it('wraps and unwraps without ever leaving it, and names its version', async () => {
    const wrapped = await source().wrap(KEY, CONTEXT);
    expect(wrapped.masterId).toMatch(/^vault:transit\/wirebot:v\d+$/);
    expect((await source().unwrap(wrapped, CONTEXT))!.equals(KEY)).toBe(true);
    for (const { headers, method } of server.seen)
      expect([method, headers['x-vault-token'], headers['x-vault-request']]).toEqual(['POST', server.token, 'true']);
  });

  it('refuses a wrapped key in the place of another', async () => {
    const wrapped = await source().wrap(KEY, CONTEXT);
    await expect(source().unwrap(wrapped, 'data-key/dek_2')).rejects.toThrow(SealedUnreadable);
  });

  it("leaves other sources' keys to them", async () => {
    const { wrapped } = await source().wrap(KEY, CONTEXT);
    expect(await source().unwrap({ masterId: 'mk_1', wrapped }, CONTEXT)).toBeUndefined();
    expect(await source().unwrap({ masterId: 'vault:transit/other:v1', wrapped }, CONTEXT)).toBeUndefined();
  });

  it('reads the token from its file every time, because an agent renews it', async () => {
    const file = join(directory, 'vault-token');
    const reader = source({ token: { file } });
    await expect(reader.wrap(KEY, CONTEXT)).rejects.toThrow(/WIREBOT_VAULT_TOKEN_FILE.*cannot be read/);
    writeFileSync(file, 'an expired token');
    await expect(reader.wrap(KEY, CONTEXT)).rejects.toThrow(/holds no token/);
    writeFileSync(file, `${server.token}\n`);
    await expect(reader.wrap(KEY, CONTEXT)).resolves.toMatchObject({ masterId: expect.stringContaining('vault:') });
  });

  it.each([
    ['a cut connection', ['cut', 'cut', 'cut']],
    ['no answer', ['hang']],
    ['a sealed Vault', [{ status: 503, body: '{"errors":["Vault is sealed"]}' }]],
    ['a standby', [{ status: 473 }, { status: 472 }]],
    ['overload', [{ status: 429 }]],
    ['a node that is behind', [{ status: 412 }]],
    ['a gateway in between', [{ status: 502, body: '<html>bad gateway</html>' }]],
    ['an answer that got lost', ['lose-answer']],
  ] as const)('gets over %s', async (_name, faults) => {
    server.faults = [...faults];
    const wrapped = await source().wrap(KEY, CONTEXT);
    server.faults = [...faults];
    expect((await source().unwrap(wrapped, CONTEXT))!.equals(KEY)).toBe(true);
    expect(server.seen).toHaveLength(2 * (faults.length + 1));
  });

  it('gives up after four attempts with what was the matter, and nothing of what was sent', async () => {
    server.faults = Array.from({ length: 4 }, () => ({ status: 503, body: '{"errors":["Vault is sealed"]}' }));
    const failure = await failureOf(source().wrap(KEY, CONTEXT));
    expect(failure).toBeInstanceOf(VaultUnavailable);
    expect(failure.message).toContain('503 (Vault is sealed)');
    expect(server.seen).toHaveLength(4);
    for (const secret of [server.token, KEY.toString('base64')]) expect(failure.message).not.toContain(secret);
  });

  it('gives up when nobody is there', async () => {
    const gone = new VaultTransitServer();
    await gone.start();
    const { url } = gone;
    await gone.stop();
    const failure = await failureOf(source({ address: url }).wrap(KEY, CONTEXT));
    expect(failure).toBeInstanceOf(VaultUnavailable);
    expect(failure.message).toContain('ECONNREFUSED');
  });

  it.each([
    ['another token', { token: { value: 'hvs.wrong' } }, /policy lacks "update" on transit\/encrypt\/wirebot/],
    ['another namespace', { namespace: undefined }, /WIREBOT_VAULT_NAMESPACE/],
    ['another mount', { mount: 'kms' }, /vault secrets enable -path=kms transit/],
    ['another key', { key: 'nothing' }, /vault write -f transit\/keys\/nothing/],
  ])('says what to do about %s, and does not try it again', async (_name, over, text) => {
    const failure = await failureOf(source(over).wrap(KEY, CONTEXT));
    expect([failure.constructor, failure.message]).toEqual([VaultRefused, expect.stringMatching(text)]);
    expect(server.seen).toHaveLength(1);
  });

  it.each([
    ['a redirect', { status: 307, headers: { location: 'https://elsewhere.example/' } }, /redirects/],
    ['what is not JSON', { status: 200, body: '<html>' }, /not JSON/],
    ['too little', { status: 200, body: '{"data":{}}' }, /no ciphertext/],
    ['too much', { status: 200, body: 'x'.repeat(70_000) }, /far too much/],
    ['another ciphertext', { status: 200, body: '{"data":{"ciphertext":"aws:v1:AAAA"}}' }, /cannot be read/],
    ['an unknown refusal', { status: 418, body: '{"errors":["teapot"]}' }, /418 \(teapot\)/],
  ])('is not fooled by %s', async (_name, fault, text) => {
    server.faults = [fault];
    expect((await failureOf(source().wrap(KEY, CONTEXT))).message).toMatch(text);
    expect(server.seen).toHaveLength(1);
  });

  it('refuses a ciphertext that was changed', async () => {
    const wrapped = await source().wrap(KEY, CONTEXT);
    const changed = Uint8Array.from(wrapped.wrapped);
    changed[20] = changed[20] === 65 ? 66 : 65;
    await expect(source().unwrap({ ...wrapped, wrapped: changed }, CONTEXT)).rejects.toThrow(VaultRefused);
  });

  it('is rotated in place: older versions unwrap, and rewrapping shows nothing', async () => {
    const keys = source();
    const wrapped = await keys.wrap(KEY, CONTEXT);
    const id = await keys.rotate();
    expect(id).not.toBe(wrapped.masterId);
    expect((await keys.unwrap(wrapped, CONTEXT))!.equals(KEY)).toBe(true);
    server.seen.length = 0;
    const fresh = (await keys.rewrap(wrapped))!;
    expect(fresh.masterId).toBe(id);
    expect(server.seen.map(({ path }) => path)).toEqual(['/v1/transit/rewrap/wirebot']);
    expect((await keys.unwrap(fresh, CONTEXT))!.equals(KEY)).toBe(true);
    server.faults = ['lose-answer'];
    await expect(keys.rotate()).rejects.toThrow(VaultUnavailable);
  });
});

describe('an installation whose master key is in Vault', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.drop());

  it('is moved there from a file, needs Vault from then on, and works on from memory while Vault is away', async () => {
    const before = new KeyHolder(database.url, directory);
    const root = await before.root.load();
    const { sealed } = await before.vault.seal('ten_a', 'value', 'c');
    const moved = new KeyHolder(database.url, source(), new FileSource(directory));
    await moved.check.run();
    expect(await new MasterKeyRotation(moved.database, moved.masterKeys).rewrap()).toBe(2);
    rmSync(join(directory, 'master-key'));

    const after = new KeyHolder(database.url, source(), new FileSource(directory));
    expect((await after.root.load()).equals(root)).toBe(true);
    expect((await after.vault.open(sealed, 'c')).toString()).toBe('value');
    await after.masterKeys.rotate();
    expect(await new MasterKeyRotation(after.database, after.masterKeys).rewrap()).toBe(2);

    server.faults = Array.from({ length: 100 }, () => 'cut' as const);
    expect((await after.vault.open(sealed, 'c')).toString()).toBe('value');
    const late = new KeyHolder(database.url, source());
    await expect(late.check.run()).rejects.toThrow(VaultUnavailable);
    await expect(late.vault.open(sealed, 'c')).rejects.toThrow(VaultUnavailable);
    server.faults = [];
    expect((await late.vault.open(sealed, 'c')).toString()).toBe('value');
    await Promise.all([before, moved, after, late].map((holder) => holder.close()));
  });
});
