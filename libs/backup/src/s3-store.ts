import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  type ListObjectsV2CommandOutput,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { Readable } from 'node:stream';
import { BackupError, BackupObjectMissing, BackupStoreRefused, BackupStoreUnreachable } from './errors.js';
import { assertKey, BackupStore, type ByteRange, type StoredObject } from './store.js';

/** Two parts wait or travel at a time: a backup needs no more memory than that, however large it is. */
const PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 2;

export interface S3Options {
  readonly bucket: string;
  readonly region: string;
  /** Undefined: Amazon's own. */
  readonly endpoint: string | undefined;
  /** What every key begins with there; empty or ending in `/`. */
  readonly prefix: string;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly pathStyle: boolean;
  /** Undefined: the SDK finds them (environment, shared files, the machine's role). Secret. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** A connection that says nothing for so long is given up, in milliseconds. */
  readonly silenceMs?: number;
}

/** Any service that speaks S3. Uploads in parts, each with its SHA-256, which the service compares. */
export class S3BackupStore extends BackupStore {
  readonly name = 's3';
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor(options: S3Options) {
    super();
    this.#bucket = options.bucket;
    this.#prefix = options.prefix;
    const silence = options.silenceMs ?? 30_000;
    this.#client = new S3Client({
      region: options.region,
      forcePathStyle: options.pathStyle,
      maxAttempts: 4,
      requestHandler: {
        connectionTimeout: 5_000,
        requestTimeout: silence,
        throwOnRequestTimeout: true,
        socketTimeout: silence,
      },
      ...(options.endpoint ? { endpoint: options.endpoint } : {}),
      ...(options.credentials ? { credentials: options.credentials } : {}),
    });
  }

  async put(key: string, source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const at = this.#at(key);
    const stop = new AbortController();
    const abort = (): void => stop.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    const upload = new Upload({
      client: this.#client,
      params: { ...at, Body: Readable.from(source), ChecksumAlgorithm: 'SHA256' },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_ONCE,
      abortController: stop,
    });
    try {
      await upload.done();
    } catch (error) {
      // The library forgets the parts of an upload that was called off. What this misses, `discardPartial` finds.
      if (upload.uploadId)
        await this.#abandon(at.Key, upload.uploadId, AbortSignal.timeout(5_000)).catch(() => undefined);
      throw this.#translated(error, signal);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async get(key: string, signal: AbortSignal, range?: ByteRange): Promise<Readable> {
    const Range = range ? { Range: `bytes=${range.first}-${range.last}` } : {};
    try {
      const answer = await this.#client.send(new GetObjectCommand({ ...this.#at(key), ...Range }), {
        abortSignal: signal,
      });
      return Readable.from(this.#body(answer.Body as Readable, signal), { objectMode: false });
    } catch (error) {
      throw this.#translated(error, signal);
    }
  }

  async stat(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    try {
      const found = await this.#client.send(new HeadObjectCommand(this.#at(key)), { abortSignal: signal });
      return { key, bytes: found.ContentLength ?? 0, at: found.LastModified ?? new Date(0) };
    } catch (error) {
      const known = this.#translated(error, signal);
      if (known instanceof BackupObjectMissing) return undefined;
      throw known;
    }
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    const at = this.#at(key);
    try {
      const { VersionId } = await this.#client.send(new HeadObjectCommand(at), { abortSignal: signal });
      const versions = VersionId === undefined ? [undefined] : await this.#versions(at, signal);
      for (const id of versions)
        await this.#client.send(new DeleteObjectCommand({ ...at, ...(id ? { VersionId: id } : {}) }), {
          abortSignal: signal,
        });
    } catch (error) {
      const known = this.#translated(error, signal);
      if (!(known instanceof BackupObjectMissing)) throw known;
    }
  }

  /**
   * A bucket that keeps versions keeps what is deleted in it, unless each version is. The present one comes last: as long as it
   * is there the object is listed, and whoever died in the middle begins again.
   */
  async #versions(at: { Bucket: string; Key: string }, signal: AbortSignal): Promise<string[]> {
    const ids: string[] = [];
    let next: Partial<Record<'KeyMarker' | 'VersionIdMarker', string>> | undefined = {};
    while (next) {
      const command: ListObjectVersionsCommand = new ListObjectVersionsCommand({
        Bucket: at.Bucket,
        Prefix: at.Key,
        ...next,
      });
      const page: ListObjectVersionsCommandOutput = await this.#client.send(command, { abortSignal: signal });
      const [markers, versions] = [page.DeleteMarkers ?? [], page.Versions ?? []];
      for (const { Key, VersionId, IsLatest } of [...markers, ...versions])
        if (Key === at.Key && VersionId && !IsLatest) ids.push(VersionId);
        else if (Key === at.Key && VersionId) ids.unshift(VersionId);
      const more = page.IsTruncated === true && page.NextKeyMarker !== undefined;
      next = more ? { KeyMarker: page.NextKeyMarker!, VersionIdMarker: page.NextVersionIdMarker ?? '' } : undefined;
    }
    return ids.toReversed();
  }

  async *list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject> {
    const where = { Bucket: this.#bucket, Prefix: `${this.#prefix}${prefix}` };
    let token: string | undefined;
    do {
      const next = token ? { ContinuationToken: token } : {};
      let page: ListObjectsV2CommandOutput;
      try {
        page = await this.#client.send(new ListObjectsV2Command({ ...where, ...next }), { abortSignal: signal });
      } catch (error) {
        throw this.#translated(error, signal);
      }
      for (const { Key, Size = 0, LastModified = new Date(0) } of page.Contents ?? [])
        if (Key) yield { key: Key.slice(this.#prefix.length), bytes: Size, at: LastModified };
      token = page.NextContinuationToken;
    } while (token);
  }

  async discardPartial(before: Date, signal: AbortSignal): Promise<number> {
    let removed = 0;
    let marker: Partial<Record<'KeyMarker' | 'UploadIdMarker', string>> | undefined = {};
    while (marker) {
      const page: ListMultipartUploadsCommandOutput = await this.#uploads(marker, signal);
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (!Key || !UploadId || !Initiated || Initiated >= before) continue;
        await this.#abandon(Key, UploadId, signal);
        removed += 1;
      }
      const more = page.IsTruncated === true && page.NextKeyMarker !== undefined;
      marker = more ? { KeyMarker: page.NextKeyMarker!, UploadIdMarker: page.NextUploadIdMarker ?? '' } : undefined;
    }
    return removed;
  }

  close(): void {
    this.#client.destroy();
  }

  async #uploads(marker: object, signal: AbortSignal): Promise<ListMultipartUploadsCommandOutput> {
    const where = { Bucket: this.#bucket, Prefix: this.#prefix, ...marker };
    try {
      return await this.#client.send(new ListMultipartUploadsCommand(where), { abortSignal: signal });
    } catch (error) {
      throw this.#translated(error, signal);
    }
  }

  async #abandon(Key: string, UploadId: string, signal: AbortSignal): Promise<void> {
    const upload = { Bucket: this.#bucket, Key, UploadId };
    try {
      await this.#client.send(new AbortMultipartUploadCommand(upload), { abortSignal: signal });
    } catch (error) {
      // Ended by itself meanwhile.
      if (!(this.#translated(error, signal) instanceof BackupObjectMissing)) throw this.#translated(error, signal);
    }
  }

  /** A connection that breaks in the middle is the store's error, not the reader's. */
  async *#body(body: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      yield* body as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw this.#translated(error, signal);
    }
  }

  #at(key: string): { Bucket: string; Key: string } {
    assertKey(this.name, key);
    return { Bucket: this.#bucket, Key: `${this.#prefix}${key}` };
  }

  #translated(cause: unknown, signal: AbortSignal): unknown {
    if (cause instanceof BackupError) return cause;
    if (signal.aborted) return signal.reason;
    const { name = 'Error', code, $metadata } = cause as S3Failure;
    const status = $metadata?.httpStatusCode ?? 0;
    if (MISSING.has(name) || (status === 404 && name !== 'NoSuchBucket')) return new BackupObjectMissing({ cause });
    if (status >= 400 && status < 500 && !PASSING.has(name) && status !== 429)
      return new BackupStoreRefused(this.name, name, { cause });
    // What the source of an upload throws is its own; only what concerns the network and the service is the store's.
    const theirs = status > 0 || NETWORK.test(code ?? '') || NETWORK.test(name) || name === 'TimeoutError';
    return theirs ? new BackupStoreUnreachable(this.name, code ?? name, { cause }) : cause;
  }
}

interface S3Failure {
  readonly name?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const MISSING = new Set(['NoSuchKey', 'NotFound', 'NoSuchUpload']);
/** Refusals that pass by themselves. */
const PASSING = new Set(['RequestTimeout', 'SlowDown', 'RequestTimeTooSkewed', 'BadDigest', 'IncompleteBody']);
const NETWORK = /^(ECONN\w+|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/;
