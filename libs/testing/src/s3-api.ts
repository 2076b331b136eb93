import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { refusalOf, type S3Login } from './s3-signature.js';

/** How one request goes wrong. `cut`: the connection breaks after so many bytes of the answer. `silent`: no answer ever. */
export type S3Fault =
  { readonly status: number; readonly code: string } | { readonly cut: number } | { readonly silent: true };

/** What a request wants: `PutObject`, `UploadPart`, ... */
export type S3Operation =
  | 'PutObject'
  | 'GetObject'
  | 'HeadObject'
  | 'DeleteObject'
  | 'ListObjectsV2'
  | 'ListObjectVersions'
  | 'CreateMultipartUpload'
  | 'UploadPart'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'ListMultipartUploads';

/** One state of an object in a bucket that keeps them; without data it says that it was deleted. */
interface Version {
  readonly id: string;
  readonly key: string;
  readonly data: Buffer | undefined;
}

interface Uploading {
  readonly key: string;
  readonly parts: Map<number, Buffer>;
  readonly at: Date;
}

interface Call {
  readonly request: IncomingMessage;
  readonly reply: ServerResponse;
  readonly body: Buffer;
  readonly key: string;
  readonly query: URLSearchParams;
}

/** Keys in one page of a list: few, so that clients have to ask for the next one. */
const PAGE = 3;
const MIN_PART = 5 * 1024 * 1024;
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('base64');
const etagOf = (data: Buffer): string => `"${createHash('md5').update(data).digest('hex')}"`;
const escape = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');

/** An S3 service in memory for one bucket: its wire format with Signature Version 4, checksums, parts and refusals. */
export class S3Api {
  readonly login: S3Login = { accessKeyId: 'AKIATEST', secretAccessKey: randomUUID(), region: 'eu-test-1' };
  readonly bucket = 'backups';
  readonly objects = new Map<string, { readonly data: Buffer; readonly at: Date }>();
  readonly uploads = new Map<string, Uploading>();
  /** Every state that is kept, oldest first; undefined: the bucket keeps none. */
  versions: Version[] | undefined;
  /** Every request so far. */
  readonly calls: S3Operation[] = [];
  readonly #server: Server;
  readonly #faults: { operation: S3Operation; fault: S3Fault; times: number }[] = [];

  private constructor() {
    this.#server = createServer((request, reply) => {
      this.#serve(request, reply).catch((error: unknown) => reply.destroy(error as Error));
    });
  }

  static async start(): Promise<S3Api> {
    const api = new S3Api();
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next `times` requests of this kind go wrong. */
  fail(operation: S3Operation, fault: S3Fault, times = 1): void {
    this.#faults.push({ operation, fault, times });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'http://s3');
    const [, bucket, ...rest] = url.pathname.split('/').map(decodeURIComponent);
    const operation = operationOf(request.method!, url.searchParams, rest.join('/'));
    this.calls.push(operation);
    const body = await buffer(request);
    const fault = this.#nextFault(operation);
    if (fault && 'silent' in fault) return;
    if (fault && 'status' in fault) return refuse(reply, fault.status, fault.code);
    const refusal = refusalOf(request, body, this.login);
    if (refusal) return refuse(reply, 403, refusal);
    if (bucket !== this.bucket) return refuse(reply, 404, 'NoSuchBucket');
    const call = { request, reply, body, key: rest.join('/'), query: url.searchParams };
    if (fault && operation === 'GetObject') return this.#cut(call, fault.cut);
    if (fault) return void request.socket.destroy();
    this.#answer(operation, call);
  }

  #nextFault(operation: S3Operation): S3Fault | undefined {
    const found = this.#faults.find((one) => one.operation === operation && one.times > 0);
    if (found) found.times -= 1;
    return found?.fault;
  }

  #answer(operation: S3Operation, call: Call): void {
    switch (operation) {
      case 'PutObject':
        return this.#put(call);
      case 'GetObject':
      case 'HeadObject':
        return this.#get(call, operation === 'HeadObject');
      case 'DeleteObject':
        return this.#delete(call);
      case 'ListObjectVersions':
        return this.#listVersions(call);
      case 'ListObjectsV2':
        return this.#list(call);
      case 'CreateMultipartUpload':
        return this.#begin(call);
      case 'UploadPart':
        return this.#part(call);
      case 'CompleteMultipartUpload':
        return this.#complete(call);
      case 'AbortMultipartUpload':
        return this.uploads.delete(call.query.get('uploadId')!)
          ? void call.reply.writeHead(204).end()
          : refuse(call.reply, 404, 'NoSuchUpload');
      case 'ListMultipartUploads':
        return this.#listUploads(call);
    }
  }

  #put({ request, reply, body, key }: Call): void {
    if (!checksumFits(request, body)) return refuse(reply, 400, 'BadDigest');
    this.#store(key, body);
    reply.writeHead(200, { etag: etagOf(body), 'x-amz-checksum-sha256': sha256(body) }).end();
  }

  #get({ request, reply, key }: Call, headOnly: boolean): void {
    const found = this.objects.get(key);
    if (!found) return headOnly ? void reply.writeHead(404).end() : refuse(reply, 404, 'NoSuchKey');
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const data = range ? found.data.subarray(Number(range[1]), Number(range[2]) + 1) : found.data;
    reply.writeHead(range ? 206 : 200, {
      'content-length': data.length,
      'last-modified': found.at.toUTCString(),
      etag: etagOf(found.data),
      ...(this.versions ? { 'x-amz-version-id': this.versions.findLast((one) => one.key === key)!.id } : {}),
    });
    reply.end(headOnly ? undefined : data);
  }

  /** Promises all of it and gives a part. */
  #cut({ reply, key }: Call, bytes: number): void {
    const data = this.objects.get(key)!.data;
    reply.writeHead(200, { 'content-length': data.length });
    reply.write(data.subarray(0, bytes), () => reply.destroy());
  }

  #store(key: string, data: Buffer): void {
    this.objects.set(key, { data, at: new Date() });
    this.versions?.push({ id: randomUUID(), key, data });
  }

  #delete({ reply, key, query }: Call): void {
    const id = query.get('versionId');
    if (id !== null) this.versions = this.versions?.filter((one) => one.id !== id);
    else this.versions?.push({ id: randomUUID(), key, data: undefined });
    const now = this.versions?.findLast((one) => one.key === key)?.data;
    if (now) this.objects.set(key, { data: now, at: new Date() });
    else this.objects.delete(key);
    reply.writeHead(204).end();
  }

  #listVersions({ reply, query }: Call): void {
    const after = query.get('version-id-marker');
    const found = (this.versions ?? []).filter(({ key }) => key.startsWith(query.get('prefix') ?? '')).toReversed();
    const from = after ? found.findIndex(({ id }) => id === after) + 1 : 0;
    const page = found.slice(from, from + PAGE);
    const last = page.at(-1);
    const more = from + PAGE < found.length;
    const next = more
      ? `<NextKeyMarker>${escape(last!.key)}</NextKeyMarker><NextVersionIdMarker>${last!.id}</NextVersionIdMarker>`
      : '';
    const rows = page.map(({ id, key, data }) => {
      const kind = data ? 'Version' : 'DeleteMarker';
      const latest = found.find((one) => one.key === key)!.id === id;
      return `<${kind}><Key>${escape(key)}</Key><VersionId>${id}</VersionId><IsLatest>${latest}</IsLatest></${kind}>`;
    });
    xml(reply, 'ListVersionsResult', `<IsTruncated>${more}</IsTruncated>${next}${rows.join('')}`);
  }

  #list({ reply, query }: Call): void {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? '';
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted();
    const page = keys.slice(0, PAGE);
    const more = keys.length > PAGE;
    const contents = page.map((key) => {
      const { data, at } = this.objects.get(key)!;
      return `<Contents><Key>${escape(key)}</Key><Size>${data.length}</Size><LastModified>${at.toISOString()}</LastModified></Contents>`;
    });
    const next = more ? `<NextContinuationToken>${escape(page.at(-1)!)}</NextContinuationToken>` : '';
    xml(reply, 'ListBucketResult', `<IsTruncated>${more}</IsTruncated>${next}${contents.join('')}`);
  }

  #begin({ reply, key }: Call): void {
    const id = randomUUID();
    this.uploads.set(id, { key, parts: new Map(), at: new Date() });
    xml(
      reply,
      'InitiateMultipartUploadResult',
      `<Bucket>${this.bucket}</Bucket><Key>${escape(key)}</Key><UploadId>${id}</UploadId>`,
    );
  }

  #part({ request, reply, body, query }: Call): void {
    const upload = this.uploads.get(query.get('uploadId')!);
    if (!upload) return refuse(reply, 404, 'NoSuchUpload');
    if (!request.headers['x-amz-checksum-sha256'] || !checksumFits(request, body))
      return refuse(reply, 400, 'BadDigest');
    upload.parts.set(Number(query.get('partNumber')), body);
    reply.writeHead(200, { etag: etagOf(body), 'x-amz-checksum-sha256': sha256(body) }).end();
  }

  #complete({ reply, body, key, query }: Call): void {
    const upload = this.uploads.get(query.get('uploadId')!);
    if (!upload || upload.key !== key) return refuse(reply, 404, 'NoSuchUpload');
    const named = [...body.toString().matchAll(/<Part>(.*?)<\/Part>/gs)].map((match) => match[1]!);
    const parts = named.map((part) => upload.parts.get(Number(/<PartNumber>(\d+)</.exec(part)?.[1])));
    const fits = parts.every(
      (data, at) =>
        data !== undefined && named[at]!.includes(sha256(data)) && (at === parts.length - 1 || data.length >= MIN_PART),
    );
    if (!fits || parts.length === 0) return refuse(reply, 400, 'InvalidPart');
    this.#store(key, Buffer.concat(parts as Buffer[]));
    this.uploads.delete(query.get('uploadId')!);
    xml(reply, 'CompleteMultipartUploadResult', `<Key>${escape(key)}</Key><ETag>"x-${parts.length}"</ETag>`);
  }

  #listUploads({ reply, query }: Call): void {
    const found = [...this.uploads].filter(([, { key }]) => key.startsWith(query.get('prefix') ?? ''));
    const rows = found.map(
      ([id, { key, at }]) =>
        `<Upload><Key>${escape(key)}</Key><UploadId>${id}</UploadId><Initiated>${at.toISOString()}</Initiated></Upload>`,
    );
    xml(reply, 'ListMultipartUploadsResult', `<IsTruncated>false</IsTruncated>${rows.join('')}`);
  }
}

function operationOf(method: string, query: URLSearchParams, key: string): S3Operation {
  if (query.has('versions')) return 'ListObjectVersions';
  if (query.has('uploads')) return method === 'POST' ? 'CreateMultipartUpload' : 'ListMultipartUploads';
  if (query.has('uploadId'))
    return method === 'PUT' ? 'UploadPart' : method === 'POST' ? 'CompleteMultipartUpload' : 'AbortMultipartUpload';
  if (method === 'PUT') return 'PutObject';
  if (method === 'HEAD') return 'HeadObject';
  if (method === 'DELETE') return 'DeleteObject';
  return key === '' ? 'ListObjectsV2' : 'GetObject';
}

/** Where a checksum is sent it must be right. */
const checksumFits = (request: IncomingMessage, body: Buffer): boolean =>
  (request.headers['x-amz-checksum-sha256'] ?? sha256(body)) === sha256(body);

function refuse(reply: ServerResponse, status: number, code: string): void {
  reply.writeHead(status, { 'content-type': 'application/xml' });
  reply.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}

function xml(reply: ServerResponse, root: string, inner: string): void {
  reply.writeHead(200, { 'content-type': 'application/xml' });
  reply.end(`<?xml version="1.0"?><${root}>${inner}</${root}>`);
}
