import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { TOKEN_LIFE } from '../tokens/token-limits.js';

/**
 * Ends the older tokens of many members at once, in the transaction of what lowered them. Their own module's service does
 * it one by one and with a line each; here the one line about the cause stands for all.
 */
@Injectable()
export class TrustRevocations {
  constructor(
    private readonly clock: Clock,
    private readonly ids: Ids,
  ) {}

  async revoke(tx: Tx, tenantId: string, memberIds: readonly string[]): Promise<void> {
    if (memberIds.length === 0) return;
    const createdAt = this.clock.now();
    const issuedBefore = await this.#border(tx, tenantId, createdAt);
    const until = new Date(createdAt.getTime() + TOKEN_LIFE.revocation * 1_000);
    const ids = memberIds.map(() => this.ids.next('audit'));
    await tx.$executeRaw`
      INSERT INTO revocations (id, tenant_id, member_id, issued_before, until, created_at)
      SELECT r.id, ${tenantId}, r.member, ${issuedBefore}, ${until}, ${createdAt}
      FROM unnest(${ids}::text[], ${[...memberIds]}::text[]) AS r (id, member)`;
  }

  /** Tokens issued right after a revocation are dated to the second it ends in: this one must be later than any of them. */
  async #border(tx: Tx, tenantId: string, now: Date): Promise<Date> {
    const last = await tx.revocation.aggregate({ where: { tenantId, jti: null }, _max: { issuedBefore: true } });
    const reissued = Math.ceil((last._max.issuedBefore?.getTime() ?? 0) / 1_000) * 1_000;
    return new Date(Math.max(now.getTime(), reissued + 1));
  }
}
