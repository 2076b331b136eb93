import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLocalStore } from './open-store.js';
import { describeBackupStore } from './store.contract.js';

const never = new AbortController().signal;
let folder: string;

describeBackupStore('a local folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'wb-store-'));
  const close = () => rm(root, { recursive: true, force: true });
  return { store: openLocalStore(join(root, 'backups'), 0), large: 3 * 1024 * 1024, close };
});

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

describe('a local folder', () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wb-store-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is readable for its owner alone', async () => {
    const root = join(folder, 'backups');
    await openLocalStore(root, 0).put('ten/agt/object', bytes('x'), never);
    const modes = await Promise.all(
      ['', 'ten', 'ten/agt', 'ten/agt/object'].map(async (path) => (await stat(join(root, path))).mode & 0o777),
    );
    expect(modes).toEqual([0o700, 0o700, 0o700, 0o600]);
  });

  it('refuses when less than the bound would stay free, and leaves nothing', async () => {
    const store = openLocalStore(folder, Number.MAX_SAFE_INTEGER);
    await expect(store.put('a/object', bytes('x'), never)).rejects.toMatchObject({
      code: 'backup-store-full',
      kind: 'storage',
      retryable: true,
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it('removes what a crash left half-written, once it is old', async () => {
    const store = openLocalStore(folder, 0);
    await store.put('a/object', bytes('x'), never);
    await writeFile(join(folder, '.partial', 'left'), 'half');
    expect(await store.discardPartial(new Date(Date.now() - 60_000), never)).toBe(0);
    expect(await store.discardPartial(new Date(Date.now() + 60_000), never)).toBe(1);
    expect(await readdir(join(folder, '.partial'))).toEqual([]);
    expect(await store.stat('a/object', never)).toBeDefined();
  });

  it('says so when it may not write', async () => {
    await writeFile(join(folder, 'file'), '');
    const store = openLocalStore(join(folder, 'file'), 0);
    await expect(store.put('a/object', bytes('x'), never)).rejects.toMatchObject({
      code: 'backup-store-refused',
      retryable: false,
    });
  });
});
