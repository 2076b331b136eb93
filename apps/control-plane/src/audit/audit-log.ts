import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { Clock, DomainError, Ids } from '#libs/kernel';
import canonicalize from 'canonicalize';
import { currentRequest } from '../http/request-context.js';
import { PlatformKeys } from '../secrets/platform-keys.js';

export interface AuditLine {
  /** Null: about the platform, not about one tenant. Write it in a system transaction. */
  readonly tenantId: string | null;
  /** `key:<id>`, `user:<id>`, `member:<id>` or `system:<part>`. */
  readonly actor: string;
  /** `resource.verb`. */
  readonly action: string;
  readonly resource: string;
  readonly resourceId: string;
  /** What changed, by ids; never a secret, never personal data that an erasure would have to find. */
  readonly data: Prisma.InputJsonObject;
  readonly requestId?: string | undefined;
}

/** A line as it is hashed. */
export interface ChainedLine {
  readonly id: string;
  readonly chain: string;
  readonly seq: bigint;
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly resourceId: string;
  readonly data: unknown;
  readonly origin: unknown;
  readonly requestId: string | null;
  readonly at: Date;
}

export const PLATFORM_CHAIN = 'platform';
export const NO_HASH = Buffer.alloc(32);

export class AuditChainBroken extends DomainError {
  readonly code = 'audit-chain-broken';
  readonly kind = 'internal';
  constructor(readonly chain: string) {
    super('The audit log was changed from outside. Nothing was done. Run `wirebot audit verify`.');
  }
}

/** HMAC-SHA-256 over the hash before and every field of the line, in canonical JSON (RFC 8785). */
export function hashLine(key: Buffer, previous: Uint8Array, line: ChainedLine): Buffer {
  const text = canonicalJson({ ...line, seq: String(line.seq), at: line.at.toISOString() });
  return createHmac('sha256', key).update(previous).update(text).digest();
}

function canonicalJson(value: object): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('an audit line that JSON cannot express');
  return text;
}

export const sealHead = (key: Buffer, chain: string, seq: bigint, hash: Uint8Array): Buffer =>
  createHmac('sha256', key).update(`head/${chain}/${seq}/`).update(hash).digest();

/**
 * Who did what, in the same transaction as the change: no change without its line, no line without its change. Each
 * tenant's lines form a chain; whoever appends holds its head until the commit, so call it late in a transaction.
 */
@Injectable()
export class AuditLog {
  readonly #key: Buffer;

  constructor(
    private readonly ids: Ids,
    private readonly clock: Clock,
    keys: PlatformKeys,
  ) {
    this.#key = keys.derive('audit-chain');
  }

  async record(tx: Tx, line: AuditLine): Promise<void> {
    const chain = line.tenantId ?? PLATFORM_CHAIN;
    const head = await this.#lockHead(tx, chain, line.tenantId);
    const request = currentRequest();
    const { tenantId, actor, action, resource, resourceId, data } = line;
    const chained: ChainedLine = {
      id: this.ids.next('audit'),
      chain,
      seq: head.seq + 1n,
      actor,
      action,
      resource,
      resourceId,
      data,
      origin: request?.origin ?? {},
      requestId: line.requestId ?? request?.requestId ?? null,
      at: this.clock.now(),
    };
    const hash = hashLine(this.#key, head.hash, chained);
    const { chain: _, ...fields } = chained;
    const stored = { ...fields, data, origin: { ...request?.origin }, tenantId, hash: Uint8Array.from(hash) };
    await tx.auditEntry.create({ data: stored, select: { id: true } });
    const seal = sealHead(this.#key, chain, chained.seq, hash);
    const next = { seq: chained.seq, hash: Uint8Array.from(hash), seal: Uint8Array.from(seal) };
    await tx.auditHead.update({ where: { chain }, data: next, select: { seq: true } });
  }

  async #lockHead(tx: Tx, chain: string, tenantId: string | null): Promise<{ seq: bigint; hash: Uint8Array }> {
    const seal = Uint8Array.from(sealHead(this.#key, chain, 0n, NO_HASH));
    await tx.$executeRaw`
      INSERT INTO audit_heads (chain, tenant_id, seq, hash, seal) VALUES (${chain}, ${tenantId}, 0, ${Uint8Array.from(NO_HASH)}, ${seal})
      ON CONFLICT (chain) DO NOTHING`;
    const [head] = await tx.$queryRaw<{ seq: bigint; hash: Uint8Array; seal: Uint8Array }[]>`
      SELECT seq, hash, seal FROM audit_heads WHERE chain = ${chain} FOR UPDATE`;
    if (!head || !timingSafeEqual(head.seal, sealHead(this.#key, chain, head.seq, head.hash)))
      throw new AuditChainBroken(chain);
    return head;
  }
}
