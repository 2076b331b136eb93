import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AEAD_OVERHEAD, decrypt, encrypt } from './aead.js';
import { DataKeys } from './data-keys.js';
import { SealedUnreadable } from './secrets.errors.js';

const VERSION = 2;
const CONTEXT_BYTES = 32;

/** What a data key encrypted; store both, so that keys can be rotated by finding what is under the old one. */
export interface Sealed {
  readonly sealed: Uint8Array<ArrayBuffer>;
  readonly dataKeyId: string;
}

interface Parts {
  readonly dataKeyId: string;
  /** SHA-256 of the context that the value was sealed for. */
  readonly context: Buffer;
  readonly body: Buffer;
}

const digest = (context: string): Buffer => createHash('sha256').update(context).digest();

/**
 * Values under data keys. The hash of the context stands in the value and is authenticated with it: it must be that of the
 * context given at opening, and a rotation can encrypt again without knowing what the context was.
 *
 * Layout: version (1 byte), length of the data key's id (1), id, SHA-256 of the context (32), nonce (12), tag (16), ciphertext.
 */
@Injectable()
export class Envelope {
  constructor(private readonly dataKeys: DataKeys) {}

  async seal(tenantId: string | null, plain: string | Uint8Array, context: string): Promise<Sealed> {
    return this.#sealed(tenantId, plain, digest(context));
  }

  /** Throws SealedUnreadable when it was changed, sealed for another context, or its key is gone. */
  async open(sealed: Uint8Array, context: string): Promise<Buffer> {
    const parts = parse(sealed);
    if (!parts.context.equals(digest(context))) throw new SealedUnreadable();
    return this.#opened(parts);
  }

  /** The same value, for the same context, under the tenant's current data key. */
  async reseal(tenantId: string | null, sealed: Uint8Array): Promise<Sealed> {
    const parts = parse(sealed);
    const plain = await this.#opened(parts);
    try {
      return await this.#sealed(tenantId, plain, parts.context);
    } finally {
      plain.fill(0);
    }
  }

  async #opened(parts: Parts): Promise<Buffer> {
    return decrypt(await this.dataKeys.get(parts.dataKeyId), parts.body, boundTo(parts.dataKeyId, parts.context));
  }

  async #sealed(tenantId: string | null, plain: string | Uint8Array, context: Buffer): Promise<Sealed> {
    const { id, key } = await this.dataKeys.current(tenantId);
    const header = Buffer.concat([Buffer.of(VERSION, id.length), Buffer.from(id), context]);
    const bytes = Buffer.concat([header, encrypt(key, plain, boundTo(id, context))]);
    return { sealed: Uint8Array.from(bytes), dataKeyId: id };
  }
}

const boundTo = (dataKeyId: string, context: Buffer): Buffer => Buffer.concat([Buffer.from(`${dataKeyId}/`), context]);

function parse(sealed: Uint8Array): Parts {
  const bytes = Buffer.from(sealed);
  const idEnd = 2 + (bytes[1] ?? 0);
  const bodyAt = idEnd + CONTEXT_BYTES;
  if (bytes[0] !== VERSION || bytes.length < bodyAt + AEAD_OVERHEAD) throw new SealedUnreadable();
  return {
    dataKeyId: bytes.toString('utf8', 2, idEnd),
    context: bytes.subarray(idEnd, bodyAt),
    body: bytes.subarray(bodyAt),
  };
}
