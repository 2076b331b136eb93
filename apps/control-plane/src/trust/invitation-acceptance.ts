import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { sha256 } from '../identity/secrets.js';
import { CeilingChanges, type CeilingOutcome } from './ceiling-changes.js';
import type { TrustCaller } from './trust-caps.js';
import { TrustInvitationInvalid } from './trust.errors.js';
import { type TrustMemberRow, TrustMembersRepository } from './trust-members.repository.js';

/** An accepted invitation lapses when its member has not been here for this long. */
export const INACTIVE_DAYS = 90;
/** Who is active is renewed this long before that, so that it never lapses between two looks. */
const RENEW_DAYS = 7;
const DAY = 86_400_000;

const daysFrom = (date: Date, days: number): Date => new Date(date.getTime() + days * DAY);

/** Takes invitations up, once each, and lets them lapse. */
@Injectable()
export class InvitationAcceptance {
  constructor(
    private readonly database: Database,
    private readonly members: TrustMembersRepository,
    private readonly changes: CeilingChanges,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** On the member's behalf, by the tenant. Throws MemberNotFound or TrustInvitationInvalid. */
  async acceptFor(caller: TrustCaller, externalId: string, code: string): Promise<void> {
    await this.#accept(caller, code, (tx) => this.members.lockByExternalId(tx, caller.tenantId, externalId));
  }

  /** By the member. Throws TrustInvitationInvalid. */
  async accept(caller: TrustCaller, memberId: string, code: string): Promise<void> {
    await this.#accept(caller, code, (tx) => this.members.lock(tx, caller.tenantId, memberId));
  }

  /** Renews an invitation whose member is active, or ends it; the row decides, whoever asks. */
  async review(tenantId: string, memberId: string): Promise<'renewed' | 'lapsed' | 'kept'> {
    let result: 'renewed' | 'lapsed' | 'kept' = 'kept';
    const outcome = await this.database.tenant(tenantId, async (tx) => {
      const member = await this.members.lock(tx, tenantId, memberId);
      if (!member?.invitedUntil || member.invitedUntil > daysFrom(this.clock.now(), RENEW_DAYS)) return undefined;
      const until = await this.#activeUntil(tx, member);
      if (until > member.invitedUntil && until > this.clock.now()) {
        result = 'renewed';
        await tx.member.update({ where: { id: memberId }, data: { invitedUntil: until }, select: { id: true } });
        return undefined;
      }
      if (member.invitedUntil > this.clock.now()) return undefined;
      result = 'lapsed';
      return this.#lapse(tx, member, member.invitedUntil);
    });
    if (outcome) await this.changes.announce(outcome);
    return result;
  }

  async #accept(
    caller: TrustCaller,
    code: string,
    memberOf: (tx: Tx) => Promise<TrustMemberRow | undefined>,
  ): Promise<void> {
    const outcome = await this.database.tenant(caller.tenantId, async (tx) => {
      const member = await memberOf(tx);
      if (!member) throw new TrustInvitationInvalid();
      return this.#take(tx, caller, member, code);
    });
    await this.changes.announce(outcome);
  }

  async #take(tx: Tx, caller: TrustCaller, member: TrustMemberRow, code: string): Promise<CeilingOutcome> {
    const { tenantId, actor } = caller;
    const now = this.clock.now();
    const before = await this.changes.before(tx, tenantId, { ids: [member.id] });
    // One statement decides: of two acceptances at once exactly one finds it open.
    const [taken] = await tx.$queryRaw<{ id: string; mode: number }[]>`
      UPDATE invitations SET accepted_at = ${now}, accepted_by = ${actor}
      WHERE code_hash = ${sha256(code)} AND tenant_id = ${tenantId} AND kind = 'trust' AND member_id = ${member.id}
        AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > ${now}
      RETURNING id, mode`;
    if (!taken) throw new TrustInvitationInvalid();
    const invited = { invitedTo: taken.mode, invitedUntil: daysFrom(now, INACTIVE_DAYS) };
    await tx.member.update({ where: { id: member.id }, data: invited, select: { id: true } });
    const detail = { invitation: taken.id, mode: taken.mode };
    return this.#conclude(tx, caller, member.id, { before, reason: 'invitation-accepted', detail });
  }

  async #lapse(tx: Tx, member: TrustMemberRow, lapsedAt: Date): Promise<CeilingOutcome> {
    const { tenantId, id } = member;
    // The clock has taken it away before the row says so: the transition begins at what held until then.
    const before = await this.changes.before(tx, tenantId, { ids: [id] }, new Date(lapsedAt.getTime() - 1));
    await tx.member.update({ where: { id }, data: { invitedTo: 0, invitedUntil: null }, select: { id: true } });
    const detail = { mode: member.invitedTo, inactiveDays: INACTIVE_DAYS };
    const caller = { tenantId, actor: 'system:trust' };
    return this.#conclude(tx, caller, id, { before, reason: 'invitation-lapsed', detail });
  }

  async #conclude(
    tx: Tx,
    { tenantId, actor }: TrustCaller,
    memberId: string,
    change: {
      readonly before: Awaited<ReturnType<CeilingChanges['before']>>;
      readonly reason: 'invitation-accepted' | 'invitation-lapsed';
      readonly detail: Record<string, string | number>;
    },
  ): Promise<CeilingOutcome> {
    const { before, reason, detail } = change;
    const outcome = await this.changes.settle(tx, tenantId, before, { reason, actor, detail });
    const action = reason === 'invitation-accepted' ? 'trust.accept-invitation' : 'trust.invitation-lapse';
    await this.audit.record(tx, { tenantId, actor, action, resource: 'member', resourceId: memberId, data: detail });
    return outcome;
  }

  /** From the last day on which the member used a model. */
  async #activeUntil(tx: Tx, { tenantId, id: memberId }: TrustMemberRow): Promise<Date> {
    const last = await tx.usageDay.aggregate({ where: { tenantId, memberId }, _max: { day: true } });
    return last._max.day ? daysFrom(last._max.day, INACTIVE_DAYS + 1) : new Date(0);
  }
}
