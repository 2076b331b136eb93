import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { SealedUnreadable, SecretBox } from './secret-box.js';

const VERSION = 2;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** What a data key encrypted; store both, so that keys can be rotated by finding what is under the old one. */
export interface Sealed {
  readonly sealed: Uint8Array<ArrayBuffer>;
  readonly dataKeyId: string;
}

/**
 * Envelope encryption at rest: AES-256-GCM under a data key of the tenant (`null`: of the platform), which is itself
 * wrapped by the master key. `context` says what is sealed (`secret/<id>`) and must be the same when it is opened, so that
 * a sealed value cannot be moved to another row.
 *
 * Layout: version (1 byte), length of the data key's id (1), id, nonce (12), tag (16), ciphertext.
 */
@Injectable()
export class Vault {
  readonly #keys = new Map<string, Promise<Buffer>>();

  constructor(
    private readonly database: Database,
    private readonly box: SecretBox,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  async seal(tenantId: string | null, plain: string | Uint8Array, context: string): Promise<Sealed> {
    const dataKeyId = await this.#currentKey(tenantId);
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', await this.#key(dataKeyId), iv).setAAD(Buffer.from(context));
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    const id = Buffer.from(dataKeyId);
    const bytes = Buffer.concat([Buffer.of(VERSION, id.length), id, iv, cipher.getAuthTag(), body]);
    return { sealed: Uint8Array.from(bytes), dataKeyId };
  }

  /** Throws SealedUnreadable when it was changed, sealed for another context, or its keys are gone. */
  async open(sealed: Uint8Array, context: string): Promise<Buffer> {
    const bytes = Buffer.from(sealed);
    if (bytes[0] === 1) return this.box.open(sealed, context); // from before there were data keys
    const bodyAt = 2 + (bytes[1] ?? 0) + IV_BYTES + TAG_BYTES;
    if (bytes[0] !== VERSION || bytes.length < bodyAt) throw new SealedUnreadable();
    const ivAt = 2 + bytes[1]!;
    const key = await this.#key(bytes.toString('utf8', 2, ivAt));
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(ivAt, ivAt + IV_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(ivAt + IV_BYTES, bodyAt));
      return Buffer.concat([decipher.update(bytes.subarray(bodyAt)), decipher.final()]);
    } catch (cause) {
      throw new SealedUnreadable({ cause });
    }
  }

  async #currentKey(tenantId: string | null): Promise<string> {
    return this.database.system(async (tx) => {
      const find = () =>
        tx.dataKey.findFirst({ where: { tenantId, retiredAt: null }, orderBy: { id: 'desc' }, select: { id: true } });
      const known = await find();
      if (known) return known.id;
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext(${`wirebot/data-key/${tenantId ?? ''}`}))`;
      const other = await find();
      if (other) return other.id;
      const id = this.ids.next('dataKey');
      const wrapped = Uint8Array.from(this.box.seal(randomBytes(32), `data-key/${id}`));
      const data = { id, tenantId, wrapped, masterId: 'master', createdAt: this.clock.now() };
      await tx.dataKey.create({ data, select: { id: true } });
      return id;
    });
  }

  #key(id: string): Promise<Buffer> {
    const known = this.#keys.get(id);
    if (known) return known;
    const loading = this.#load(id);
    this.#keys.set(id, loading);
    loading.catch(() => this.#keys.delete(id));
    return loading;
  }

  async #load(id: string): Promise<Buffer> {
    const row = await this.database.system((tx) => tx.dataKey.findUnique({ where: { id }, select: { wrapped: true } }));
    if (!row) throw new SealedUnreadable();
    return this.box.open(row.wrapped, `data-key/${id}`);
  }
}
