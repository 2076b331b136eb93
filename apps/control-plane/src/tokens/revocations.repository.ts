import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { TOKEN_LIFE } from './token-limits.js';

/** Exactly one token, or every token (of a member, of the whole tenant) from before a time. */
export type Revoked =
  | { readonly jti: string }
  | { readonly memberId: string; readonly issuedBefore: Date }
  | { readonly issuedBefore: Date };

/** What was revoked and may still be valid otherwise. */
@Injectable()
export class RevocationsRepository {
  constructor(
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  async add(tx: Tx, tenantId: string, revoked: Revoked): Promise<void> {
    const createdAt = this.clock.now();
    const until = new Date(createdAt.getTime() + TOKEN_LIFE.revocation * 1_000);
    const data = { id: this.ids.next('audit'), tenantId, ...revoked, until, createdAt };
    await tx.revocation.create({ data, select: { id: true } });
  }

  /** Tokens of the member from before this are revoked; null when none were. */
  async borderOf(tx: Tx, tenantId: string, memberId: string): Promise<Date | null> {
    const where = { tenantId, jti: null, OR: [{ memberId }, { memberId: null }] };
    const latest = await tx.revocation.aggregate({ where, _max: { issuedBefore: true } });
    return latest._max.issuedBefore;
  }

  /** The latest border of anybody at the tenant. */
  async latestBorder(tx: Tx, tenantId: string): Promise<Date | null> {
    const latest = await tx.revocation.aggregate({ where: { tenantId, jti: null }, _max: { issuedBefore: true } });
    return latest._max.issuedBefore;
  }

  async isRevoked(tx: Tx, tenantId: string, jti: string): Promise<boolean> {
    return (await tx.revocation.count({ where: { tenantId, jti } })) > 0;
  }
}
