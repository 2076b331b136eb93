import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { S3Api, type S3Operation } from '#libs/testing';
import { openS3Store } from './open-store.js';
import type { BackupStore } from './store.js';
import { describeBackupStore } from './store.contract.js';

const never = new AbortController().signal;
const LARGE = 20 * 1024 * 1024;

const open = (api: S3Api, other: { secretAccessKey?: string; bucket?: string } = {}): Promise<BackupStore> =>
  openS3Store({
    bucket: other.bucket ?? api.bucket,
    region: api.login.region,
    endpoint: api.endpoint,
    prefix: 'wirebot/',
    pathStyle: true,
    credentials: { ...api.login, ...(other.secretAccessKey ? { secretAccessKey: other.secretAccessKey } : {}) },
    silenceMs: 300,
  });

async function* blocks(data: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += 262_144) yield data.subarray(at, at + 262_144);
}

describeBackupStore('an S3 service', async () => {
  const api = await S3Api.start();
  const store = await open(api);
  const close = async () => {
    store.close();
    await api.close();
  };
  return { store, large: LARGE, close };
});

describe('an S3 service', () => {
  let api: S3Api;
  let store: BackupStore;
  const data = randomBytes(LARGE);
  beforeEach(async () => {
    api = await S3Api.start();
    store = await open(api);
  });
  afterEach(async () => {
    store.close();
    await api.close();
  });
  const put = (): Promise<void> => store.put('a/object', blocks(data), never);

  it('keeps everything under the prefix', async () => {
    await store.put('a/object', blocks(Buffer.from('x')), never);
    expect([...api.objects.keys()]).toEqual(['wirebot/a/object']);
  });

  it('that keeps versions keeps none of what was deleted', async () => {
    api.versions = [];
    const [gone, near] = ['a/object', 'a/object-2'];
    for (let each = 0; each < 5; each += 1) await store.put(gone, blocks(Buffer.from(`said ${each}`)), never);
    await store.put(near, blocks(Buffer.from('of another')), never);
    await store.delete(gone, never);
    expect(api.versions.map(({ key }) => key)).toEqual([`wirebot/${near}`]);
    expect(await store.stat(gone, never)).toBeUndefined();
    expect(await store.stat(near, never)).toBeDefined();
  });

  it('that was in the middle of deleting versions still lists the object', async () => {
    api.versions = [];
    for (let each = 0; each < 4; each += 1) await store.put('a/object', blocks(Buffer.from(`said ${each}`)), never);
    api.fail('DeleteObject', { status: 403, code: 'AccessDenied' }, 1);
    await expect(store.delete('a/object', never)).rejects.toMatchObject({ code: 'backup-store-refused' });
    expect(await store.stat('a/object', never)).toBeDefined();
    await store.delete('a/object', never);
    expect(api.versions).toEqual([]);
  });

  it.each<[S3Operation, number, string]>([
    ['CreateMultipartUpload', 503, 'SlowDown'],
    ['UploadPart', 500, 'InternalError'],
    ['UploadPart', 503, 'ServiceUnavailable'],
    ['CompleteMultipartUpload', 500, 'InternalError'],
  ])('is asked again when %s answers %i once or twice', async (operation, status, code) => {
    api.fail(operation, { status, code }, 2);
    await put();
    expect(api.objects.get('wirebot/a/object')?.data.equals(data)).toBe(true);
  });

  it.each<[S3Operation]>([['CreateMultipartUpload'], ['UploadPart'], ['CompleteMultipartUpload']])(
    'that goes on failing at %s has nothing of the object, and the error can be tried again',
    async (operation) => {
      api.fail(operation, { status: 503, code: 'ServiceUnavailable' }, 100);
      await expect(put()).rejects.toMatchObject({ code: 'backup-store-unreachable', retryable: true });
      expect([api.objects.size, api.uploads.size]).toEqual([0, 0]);
    },
  );

  it('that hangs is given up', async () => {
    api.fail('UploadPart', { silent: true }, 100);
    await expect(put()).rejects.toMatchObject({ code: 'backup-store-unreachable', retryable: true });
    expect(api.objects.size).toBe(0);
  });

  it('that breaks the connection while it is read says so', async () => {
    await put();
    api.fail('GetObject', { cut: 100_000 });
    await expect(buffer(await store.get('a/object', never))).rejects.toMatchObject({
      code: 'backup-store-unreachable',
      retryable: true,
    });
  });

  it('that stops in the middle of an object is given up', async () => {
    await put();
    api.fail('GetObject', { silent: true }, 100);
    await expect(store.get('a/object', never)).rejects.toMatchObject({ code: 'backup-store-unreachable' });
  });

  it('that refuses the credentials or has no such bucket is not asked again', async () => {
    for (const other of [{ secretAccessKey: 'wrong' }, { bucket: 'nobodys' }]) {
      const stranger = await open(api, other);
      const before = api.calls.length;
      await expect(stranger.put('a/object', blocks(Buffer.from('x')), never)).rejects.toMatchObject({
        code: 'backup-store-refused',
        retryable: false,
      });
      expect(api.calls.length).toBe(before + 1);
      stranger.close();
    }
  });

  it('is rid of parts that a crash has left, once they are old', async () => {
    api.uploads.set('left', { key: 'wirebot/a/object', parts: new Map(), at: new Date() });
    api.uploads.set('others', { key: 'elsewhere/object', parts: new Map(), at: new Date() });
    expect(await store.discardPartial(new Date(Date.now() - 60_000), never)).toBe(0);
    expect(await store.discardPartial(new Date(Date.now() + 60_000), never)).toBe(1);
    expect([...api.uploads.keys()]).toEqual(['others']);
  });
});
