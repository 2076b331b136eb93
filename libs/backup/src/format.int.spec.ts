import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { zstdDecompressSync } from 'node:zlib';
import { Decrypter, Encrypter } from 'age-encryption';
import * as fc from 'fast-check';
import { extract, pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgeKeyPair, createAgeKeyPair, decryptWith, encryptTo } from './age.js';
import { archiveOf, type ArchivedFile } from './archive.fixture.js';
import { checkArchive, openArchive, openCompressed, type StoredArchive, writeArchive } from './format.js';
import { openLocalStore } from './open-store.js';
import type { BackupStore } from './store.js';

const never = new AbortController().signal;
const MB = 1024 * 1024;
let folder: string;
let store: BackupStore;
let keys: AgeKeyPair;
let made = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wb-format-'));
  store = openLocalStore(folder, 0);
  keys = await createAgeKeyPair();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const write = async (tar: Readable): Promise<StoredArchive> => {
  const key = `ten/agt/${(made += 1)}.age`;
  const { bytes, sha256 } = await writeArchive(store, key, tar, keys.recipient, never);
  return { key, bytes, sha256, identities: [keys.identity] };
};

async function filesOf(tar: Readable): Promise<ArchivedFile[]> {
  const entries = extract();
  tar.on('error', (error) => entries.destroy(error)).pipe(entries);
  const files: ArchivedFile[] = [];
  for await (const entry of entries) {
    const data = await buffer(Readable.from(entry));
    if (entry.header.name !== 'manifest.json') files.push({ path: entry.header.name, data });
  }
  return files;
}

const FILES: readonly ArchivedFile[] = [
  { path: 'agent.db', data: randomBytes(300_000) },
  { path: 'workspace/notes/ü.md', data: Buffer.from('a note') },
  { path: 'empty', data: Buffer.alloc(0) },
];

describe('a backup', () => {
  it('comes back byte for byte, whatever is in it', async () => {
    const path = fc.stringMatching(/^[a-z][a-zäü .]{0,20}(\/[a-z][\w-]{0,20}){0,3}$/);
    const file = fc.record({ path, data: fc.uint8Array({ maxLength: 200_000 }) });
    const files = fc.uniqueArray(file, { maxLength: 6, selector: (one) => one.path });
    const clean = (one: ArchivedFile) => one.path !== 'manifest.json' && !one.path.split('/').includes('');
    await fc.assert(
      fc.asyncProperty(files, async (wanted) => {
        const given = wanted.filter(clean);
        const { stream, whole } = await openArchive(store, await write(archiveOf(given)), never);
        const back = await filesOf(stream);
        expect(back.map(({ path: name }) => name)).toEqual(given.map(({ path: name }) => name));
        for (const [at, { data }] of back.entries()) expect(Buffer.from(given[at]!.data).equals(data)).toBe(true);
        expect((await whole).files).toHaveLength(given.length);
      }),
      { numRuns: 60 },
    );
  });

  it('is an ordinary age file of an ordinary zstd file of an ordinary tar file', async () => {
    const { key } = await write(archiveOf(FILES));
    const decrypter = new Decrypter();
    decrypter.addIdentity(keys.identity);
    const tar = zstdDecompressSync(await decrypter.decrypt(await readFile(join(folder, key))));
    expect((await filesOf(Readable.from([tar]))).map(({ path }) => path)).toEqual(FILES.map(({ path }) => path));
  });

  it('can be taken home as tar.zst', async () => {
    const stored = await write(archiveOf(FILES));
    const tar = zstdDecompressSync(await buffer(await openCompressed(store, stored, never)));
    expect(await filesOf(Readable.from([tar]))).toHaveLength(FILES.length);
  });

  it.each([
    ['all of it waits', 3_000, (home: PassThrough) => home.writableEnded],
    ['more is to come', 3_000_000, (home: PassThrough) => home.readableLength > 0],
  ])('closes when it is called off before it was read, and %s', async (_, size, isReady) => {
    const stored = await write(archiveOf([{ path: 'a', data: randomBytes(size) }]));
    const stop = new AbortController();
    const home = await openCompressed(store, stored, stop.signal);
    const closed = new Promise((resolve) => home.once('close', resolve));
    while (!isReady(home as PassThrough)) await new Promise((resolve) => setImmediate(resolve));
    stop.abort(new Error('gone'));
    await closed;
    expect(home.destroyed).toBe(true);
  });

  it('opens with any of several keys, and with no other', async () => {
    const stored = await write(archiveOf(FILES));
    const other = await createAgeKeyPair();
    const both = { ...stored, identities: [other.identity, keys.identity] };
    expect((await checkArchive(store, both, never)).files).toHaveLength(3);
    const wrong = checkArchive(store, { ...stored, identities: [other.identity] }, never);
    await expect(wrong).rejects.toMatchObject({ code: 'backup-damaged', message: /cannot be decrypted/ });
  });

  it('hides what is in it', async () => {
    const { key } = await write(archiveOf([{ path: 'secret-name', data: Buffer.from('secret-text'.repeat(500)) }]));
    const object = (await readFile(join(folder, key))).toString('latin1');
    expect(object).not.toMatch(/secret|manifest|agt_test/);
  });

  it('needs a bounded amount of memory, however large it is', { timeout: 120_000 }, async () => {
    const size = 300 * MB;
    const block = randomBytes(MB);
    // Allocated before the baseline: what only the first use costs is not growth.
    await checkArchive(store, await write(archiveOf(FILES)), never);
    const watch = watchMemory();
    const stored = await write(largeArchive(size, block));
    const grownWriting = watch.grown();
    const { files } = await checkArchive(store, stored, never);
    expect(files[0]!.size).toBe(size);
    // Buffers that wait for the collector come and go by tens of megabytes; what is held up grows with the archive.
    expect([grownWriting, watch.grown()].map((bytes) => bytes < 128 * MB)).toEqual([true, true]);
    watch.stop();
    await rm(join(folder, stored.key));
  });
});

describe('encryption', () => {
  const SIZES = [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000, 1_000_000];

  /** In pieces of no regular size, as streams come. */
  async function* pieces(data: Buffer): AsyncGenerator<Uint8Array> {
    for (let at = 0, size = 1; at < data.length; at += size, size = (size * 7) % 100_003)
      yield data.subarray(at, at + size);
  }

  it.each(SIZES)('of %i bytes is read by the library, and what the library wrote is read here', async (size) => {
    const data = randomBytes(size);
    const decrypter = new Decrypter();
    decrypter.addIdentity(keys.identity);
    const ours = await buffer(encryptTo(keys.recipient)(pieces(data)));
    expect(data.equals(await decrypter.decrypt(ours))).toBe(true);
    const encrypter = new Encrypter();
    encrypter.addRecipient(keys.recipient);
    const theirs = Buffer.from(await encrypter.encrypt(data));
    expect(data.equals(await buffer(decryptWith([keys.identity])(pieces(theirs))))).toBe(true);
  });
});

describe('a damaged backup', () => {
  type Change = (object: Buffer) => Buffer;
  const CHANGES: readonly [string, Change][] = [
    ['cut at its end', (object) => object.subarray(0, -1)],
    ['cut after a whole part', (object) => object.subarray(0, headerLength(object) + 16 + 65_552)],
    ['cut in its header', (object) => object.subarray(0, 40)],
    ['empty', () => Buffer.alloc(0)],
    ['longer', (object) => Buffer.concat([object, Buffer.from('x')])],
    ['flipped in its header', (object) => flip(object, 50)],
    ['flipped in its middle', (object) => flip(object, object.length >> 1)],
    ['flipped in its last byte', (object) => flip(object, object.length - 1)],
    ['put in another order', (object) => swapParts(object)],
    ['all zeros', (object) => Buffer.alloc(object.length)],
  ];

  /** Whether or not the row knows the checksum of what is stored: each guard holds alone. */
  it.each(CHANGES.flatMap(([how, change]) => [[how, 'known', change] as const, [how, 'unknown', change] as const]))(
    'that is %s is refused with its checksum %s',
    async (_, checksum, change) => {
      const stored = await write(archiveOf([{ path: 'agent.db', data: randomBytes(300_000) }]));
      const object = change(await readFile(join(folder, stored.key)));
      await writeFile(join(folder, stored.key), object);
      const meant = checksum === 'known' ? stored : { ...stored, ...measured(object) };
      const { stream, whole } = await openArchive(store, meant, never);
      await expect(buffer(stream)).rejects.toBeInstanceOf(Error);
      await expect(whole).rejects.toMatchObject({ code: 'backup-damaged', retryable: false });
    },
  );

  it('that was swapped for another of the same key is refused', async () => {
    const [one, other] = [await write(archiveOf(FILES)), await write(archiveOf([FILES[1]!]))];
    await writeFile(join(folder, one.key), await readFile(join(folder, other.key)));
    await expect(checkArchive(store, one, never)).rejects.toMatchObject({ code: 'backup-damaged' });
  });

  it('that is gone says so', async () => {
    const stored = await write(archiveOf(FILES));
    await store.delete(stored.key, never);
    await expect(checkArchive(store, stored, never)).rejects.toMatchObject({ code: 'backup-object-missing' });
  });
});

describe('what a gateway gives', () => {
  const BAD: readonly [string, () => Readable][] = [
    ['without a manifest', () => archiveOf(FILES, () => undefined)],
    ['with a manifest that is no JSON', () => archiveOf(FILES, () => '{')],
    ['with a manifest of another form', () => archiveOf(FILES, () => ({ files: 3 }))],
    [
      'with a file less than its manifest',
      () => archiveOf(FILES.slice(1), (m) => ({ ...m, files: [...m.files, { path: 'x', size: 0, sha256: '' }] })),
    ],
    [
      'with a changed file',
      () => archiveOf(FILES, (m) => ({ ...m, files: m.files.map((file) => ({ ...file, sha256: '00' })) })),
    ],
    ['with a path that leads out', () => archiveOf([{ path: '../x', data: Buffer.from('x') }])],
    ['with an absolute path', () => archiveOf([{ path: '/etc/passwd', data: Buffer.from('x') }])],
    ['with a path twice', () => archiveOf([FILES[1]!, FILES[1]!])],
    ['with a link', () => linked()],
    ['that breaks off', () => brokenOff()],
    ['that is no tar', () => Readable.from([randomBytes(100_000)])],
    ['that is empty', () => Readable.from([])],
  ];

  it.each(BAD)('%s is not stored', async (_, tar) => {
    const key = `ten/agt/bad-${(made += 1)}`;
    await expect(writeArchive(store, key, tar(), keys.recipient, never)).rejects.toBeInstanceOf(Error);
    expect(await store.stat(key, never)).toBeUndefined();
  });

  it.each<[string, (files: readonly object[]) => readonly unknown[]]>([
    ['lists one file twice and another not at all', ([first, , third]) => [first, first, third]],
    ['lists nothing where a file should be', ([first, second]) => [first, second, null]],
  ])('with a manifest that %s is damaged, and not stored', async (_, say) => {
    const key = `ten/agt/bad-${(made += 1)}`;
    const tar = archiveOf(FILES, (m) => ({ ...m, files: say(m.files) }));
    const refused = { code: 'backup-damaged', retryable: false };
    await expect(writeArchive(store, key, tar, keys.recipient, never)).rejects.toMatchObject(refused);
    expect(await store.stat(key, never)).toBeUndefined();
  });

  it('that goes on for longer than could be read back is not stored', async () => {
    const key = `ten/agt/bad-${(made += 1)}`;
    const writing = writeArchive(store, key, archiveOf(FILES), keys.recipient, never, 100_000);
    await expect(writing).rejects.toThrow('more than an agent may have');
    expect(await store.stat(key, never)).toBeUndefined();
  });

  it('is not waited for once somebody calls it off', async () => {
    const silent = new Readable({ read: () => undefined });
    const stop = new AbortController();
    const writing = writeArchive(store, 'ten/agt/silent', silent, keys.recipient, stop.signal);
    stop.abort(new Error('called off'));
    await expect(writing).rejects.toBeInstanceOf(Error);
    expect([silent.destroyed, await store.stat('ten/agt/silent', never)]).toEqual([true, undefined]);
  });
});

const measured = (object: Buffer) => ({
  bytes: object.length,
  sha256: createHash('sha256').update(object).digest('hex'),
});

function flip(object: Buffer, at: number): Buffer {
  const copy = Buffer.from(object);
  copy[at] = copy[at]! ^ 1;
  return copy;
}

/** age: the header ends with the line that begins with `---`; then 16 bytes, then parts of 64 KiB with 16 bytes each. */
const headerLength = (object: Buffer): number => object.indexOf('\n', object.indexOf('\n--- ') + 1) + 1;

function swapParts(object: Buffer): Buffer {
  const [start, part] = [headerLength(object) + 16, 65_552];
  const [head, first, second] = [
    object.subarray(0, start),
    object.subarray(start, start + part),
    object.subarray(start + part, start + 2 * part),
  ];
  return Buffer.concat([head, second, first, object.subarray(start + 2 * part)]);
}

function linked(): Readable {
  const tar = pack();
  tar.entry({ name: 'link', type: 'symlink', linkname: '/etc/passwd' });
  tar.finalize();
  return Readable.from(tar);
}

async function* endingBadly(): AsyncGenerator<Uint8Array> {
  yield (await buffer(archiveOf(FILES))).subarray(0, 100_000);
  throw new Error('the gateway is gone');
}
const brokenOff = (): Readable => Readable.from(endingBadly());

function largeArchive(size: number, block: Buffer): Readable {
  const tar = pack();
  const digest = createHash('sha256');
  const entry = tar.entry({ name: 'agent.db', size }, () => {
    const files = [{ path: 'agent.db', size, sha256: digest.digest('hex') }];
    tar.entry({ name: 'manifest.json' }, JSON.stringify({ agentId: 'agt_test', createdAt: '', files }));
    tar.finalize();
  });
  async function* blocks(): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < size; sent += block.length) {
      digest.update(block);
      yield block;
    }
  }
  Readable.from(blocks()).pipe(entry as unknown as NodeJS.WritableStream);
  return Readable.from(tar);
}

/** The most that the process has grown since, beyond what it had. */
function watchMemory() {
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let most = 0;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().rss - before)), 20);
  return { grown: () => most, stop: () => clearInterval(timer) };
}
