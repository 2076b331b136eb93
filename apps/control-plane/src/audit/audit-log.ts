import { Injectable } from '@nestjs/common';
import { Prisma, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { currentRequest } from '../http/request-context.js';
import { PlatformKeys } from '../secrets/platform-keys.js';
import { AuditChain, type ChainedLine, type ChainHead, chainOf, NO_HASH } from './audit-chain.js';
import { AuditChainBroken } from './audit.errors.js';
import { originOf } from './origin.js';

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

type StoredHead = ChainHead & { readonly seal: Uint8Array };

/**
 * Who did what, in the same transaction as the change: no change without its line, no line without its change. Each
 * tenant's lines form a chain; whoever appends holds its head until the commit, so call it late in a transaction, and for
 * a tenant before the platform when it is for both.
 */
@Injectable()
export class AuditLog {
  readonly #chain: AuditChain;

  constructor(
    private readonly ids: Ids,
    private readonly clock: Clock,
    keys: PlatformKeys,
  ) {
    this.#chain = new AuditChain(keys);
  }

  async record(tx: Tx, line: AuditLine): Promise<void> {
    const chain = chainOf(line.tenantId);
    const head = await this.#lockHead(tx, chain, line.tenantId);
    const request = currentRequest();
    const chained: ChainedLine = {
      id: this.ids.next('audit'),
      chain,
      seq: head.seq + 1n,
      actor: line.actor,
      action: line.action,
      resource: line.resource,
      resourceId: line.resourceId,
      data: JSON.stringify(line.data),
      origin: JSON.stringify(originOf(line.actor, request?.origin)),
      requestId: line.requestId ?? request?.requestId ?? null,
      at: this.clock.now().toISOString(),
    };
    await this.#append(tx, line.tenantId, chained, this.#chain.hash(head.hash, chained));
  }

  /** The line, the head and the event in one statement: the head is held for one round trip and the commit, no longer. */
  async #append(tx: Tx, tenantId: string | null, line: ChainedLine, hash: Buffer): Promise<void> {
    const { id, chain, seq, actor, action, resource, resourceId, data, origin, requestId, at } = line;
    const bytes = Uint8Array.from(hash);
    const seal = Uint8Array.from(this.#chain.seal(chain, { seq, hash }));
    const event = JSON.stringify({ seq: Number(seq), actor, action, resource, resourceId });
    await tx.$executeRaw`
      WITH line AS (
        INSERT INTO audit_entries
          (id, tenant_id, seq, actor, action, resource, resource_id, data, origin, request_id, at, hash)
        VALUES (${id}, ${tenantId}, ${seq}, ${actor}, ${action}, ${resource}, ${resourceId}, ${data}::jsonb,
          ${origin}::jsonb, ${requestId}, ${at}::timestamptz, ${bytes})
      ), event AS (
        INSERT INTO outbox (tenant_id, topic, aggregate_id, type, data)
        SELECT ${tenantId}::text, 'audit', ${id}, 'recorded', ${event}::jsonb WHERE ${tenantId}::text IS NOT NULL
      )
      UPDATE audit_heads SET seq = ${seq}, hash = ${bytes}, seal = ${seal} WHERE chain = ${chain}`;
  }

  async #lockHead(tx: Tx, chain: string, tenantId: string | null): Promise<ChainHead> {
    const head = (await this.#readHead(tx, chain)) ?? (await this.#begin(tx, chain, tenantId));
    if (!head || !this.#chain.isSealed(chain, head, head.seal)) throw new AuditChainBroken();
    return head;
  }

  async #readHead(tx: Tx, chain: string): Promise<StoredHead | undefined> {
    const [head] = await tx.$queryRaw<StoredHead[]>`
      SELECT seq, hash, seal FROM audit_heads WHERE chain = ${chain} FOR UPDATE`;
    return head;
  }

  /** Undefined when there are lines and no head: a chain does not begin twice. */
  async #begin(tx: Tx, chain: string, tenantId: string | null): Promise<StoredHead | undefined> {
    const own = tenantId === null ? Prisma.sql`tenant_id IS NULL` : Prisma.sql`tenant_id = ${tenantId}`;
    const head = { seq: 0n, hash: Uint8Array.from(NO_HASH) };
    const seal = Uint8Array.from(this.#chain.seal(chain, head));
    await tx.$executeRaw`
      INSERT INTO audit_heads (chain, tenant_id, seq, hash, seal)
      SELECT ${chain}, ${tenantId}::text, 0, ${head.hash}, ${seal}
      WHERE NOT EXISTS (SELECT 1 FROM audit_entries WHERE ${own} AND seq > 0)
      ON CONFLICT (chain) DO NOTHING`;
    return this.#readHead(tx, chain);
  }
}
