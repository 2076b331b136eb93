import { Injectable } from '@nestjs/common';
import type { TrustMode } from '#libs/contracts';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { CeilingChanges, type CeilingOutcome } from './ceiling-changes.js';
import { TrustCapLower, TrustNotCapped, TrustUntilPast } from './trust.errors.js';
import { type TrustMemberRow, TrustMembersRepository } from './trust-members.repository.js';

export interface TrustCaller {
  readonly tenantId: string;
  readonly actor: string;
}

export interface Cap {
  readonly mode: TrustMode;
  /** Null: until somebody lifts it. */
  readonly until: Date | null;
  readonly reason: string;
}

/** Holds members below what their tier gives, and lets them go again. */
@Injectable()
export class TrustCaps {
  constructor(
    private readonly database: Database,
    private readonly members: TrustMembersRepository,
    private readonly changes: CeilingChanges,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Throws MemberNotFound, TrustUntilPast or TrustCapLower. */
  async downgrade(caller: TrustCaller, externalId: string, cap: Cap): Promise<void> {
    const now = this.clock.now();
    if (cap.until && cap.until <= now) throw new TrustUntilPast();
    await this.#changed(caller, async (tx) => {
      const member = await this.members.lockByExternalId(tx, caller.tenantId, externalId);
      const held = activeCap(member, now);
      if (held && held.mode < cap.mode) throw new TrustCapLower(held.mode);
      return this.apply(tx, caller, member.id, cap);
    });
  }

  /** Throws MemberNotFound or TrustNotCapped. */
  async lift(caller: TrustCaller, externalId: string): Promise<void> {
    await this.#changed(caller, async (tx) => {
      const member = await this.members.lockByExternalId(tx, caller.tenantId, externalId);
      if (member.trustCap === null) throw new TrustNotCapped();
      return this.#lift(tx, caller, member.id);
    });
  }

  /** Ends a downgrade whose time is over; false when it is not (any more). The row decides, whoever asks. */
  async expire(tenantId: string, memberId: string): Promise<boolean> {
    const caller = { tenantId, actor: 'system:trust' };
    let expired = false;
    await this.#changed(caller, async (tx) => {
      const member = await this.members.lock(tx, tenantId, memberId);
      const over = member?.trustCapUntil && member.trustCapUntil <= this.clock.now();
      if (!member || !over) return undefined;
      expired = true;
      return this.#lift(tx, caller, member.id, member.trustCapUntil ?? undefined);
    });
    return expired;
  }

  /** In the caller's transaction, which holds the member's row; what comes back goes to `CeilingChanges.announce`. */
  async apply(tx: Tx, caller: TrustCaller, memberId: string, cap: Cap): Promise<CeilingOutcome> {
    const { tenantId } = caller;
    const before = await this.changes.before(tx, tenantId, { ids: [memberId] });
    const columns = { trustCap: cap.mode, trustCapUntil: cap.until, trustCapReason: cap.reason };
    await tx.member.update({ where: { id: memberId }, data: columns, select: { id: true } });
    const data = { cap: cap.mode, until: cap.until?.toISOString() ?? null };
    return this.#conclude(tx, caller, memberId, before, 'downgraded', data);
  }

  async #lift(tx: Tx, caller: TrustCaller, memberId: string, lapsedAt?: Date): Promise<CeilingOutcome> {
    // A downgrade that is over counts no longer, so the clock has raised the ceiling before the row says so: what the
    // member was held at until then is where the transition begins.
    const before = lapsedAt
      ? await this.changes.before(tx, caller.tenantId, { ids: [memberId] }, new Date(lapsedAt.getTime() - 1))
      : await this.changes.before(tx, caller.tenantId, { ids: [memberId] });
    const columns = { trustCap: null, trustCapUntil: null, trustCapReason: null };
    await tx.member.update({ where: { id: memberId }, data: columns, select: { id: true } });
    // A new start: what led to it does not lead to it again.
    await tx.trustSignal.deleteMany({ where: { tenantId: caller.tenantId, memberId } });
    const data = { expired: lapsedAt !== undefined };
    return this.#conclude(tx, caller, memberId, before, 'downgrade-lifted', data);
  }

  async #conclude(
    tx: Tx,
    { tenantId, actor }: TrustCaller,
    memberId: string,
    before: Awaited<ReturnType<CeilingChanges['before']>>,
    reason: 'downgraded' | 'downgrade-lifted',
    detail: Prisma.InputJsonObject,
  ): Promise<CeilingOutcome> {
    const outcome = await this.changes.settle(tx, tenantId, before, { reason, actor, detail });
    const [moved] = outcome.transitions;
    const data = { ...detail, from: moved?.from ?? null, to: moved?.to ?? null };
    const action = reason === 'downgraded' ? 'trust.downgrade' : 'trust.lift';
    await this.audit.record(tx, { tenantId, actor, action, resource: 'member', resourceId: memberId, data });
    return outcome;
  }

  async #changed({ tenantId }: TrustCaller, work: (tx: Tx) => Promise<CeilingOutcome | undefined>): Promise<void> {
    const outcome = await this.database.tenant(tenantId, work);
    if (outcome) await this.changes.announce(outcome);
  }
}

/** The downgrade that counts now. */
export function activeCap(
  member: Pick<TrustMemberRow, 'trustCap' | 'trustCapUntil'>,
  now: Date,
): { readonly mode: number; readonly until: Date | null } | undefined {
  const { trustCap: mode, trustCapUntil: until } = member;
  return mode === null || (until && until <= now) ? undefined : { mode, until };
}
