import { Injectable } from '@nestjs/common';
import type { RequestLimits, TrustMode } from '#libs/contracts';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { type CeilingSource, compileTrustProfile, type MemberCeilings, type TierLimits } from '#libs/trust';
import { decodeCursor, type Page, toPage } from '../http/cursor.js';
import { activeCap } from './trust-caps.js';
import { type TrustMemberRow, TrustMembersRepository } from './trust-members.repository.js';
import { TrustService } from './trust.service.js';
import { type TransitionRow, TransitionsRepository } from './transitions.repository.js';

export interface TransitionView {
  readonly id: string;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
  readonly detail: unknown;
  readonly actor: string;
  readonly at: string;
}

export interface MemberTrustView {
  readonly member: string;
  /** The effective ceiling: the least of `ceilings`. */
  readonly mode: TrustMode;
  readonly ceilings: readonly { readonly source: CeilingSource; readonly mode: TrustMode }[];
  readonly invitation: { readonly mode: number; readonly until: string | null; readonly counts: boolean } | null;
  readonly downgrade: { readonly mode: number; readonly until: string | null; readonly reason: string | null } | null;
  readonly limits: RequestLimits;
  readonly transitions: Page<TransitionView>;
}

/** Why a member may go how far, and how it came to that. */
@Injectable()
export class MemberTrustService {
  constructor(
    private readonly database: Database,
    private readonly members: TrustMembersRepository,
    private readonly trust: TrustService,
    private readonly transitions: TransitionsRepository,
    private readonly clock: Clock,
  ) {}

  /** Throws MemberNotFound. */
  async get(
    tenantId: string,
    externalId: string,
    page: { readonly cursor?: string | undefined; readonly limit: number },
  ): Promise<MemberTrustView> {
    const [before] = decodeCursor(page.cursor, 1) ?? [];
    return this.database.tenant(tenantId, async (tx) => {
      const member = await this.members.find(tx, tenantId, externalId);
      const placement = await this.members.placement(tx, member.id);
      const ceilings = await this.trust.ceilingsOf(tx, member, placement);
      const tier = await tx.tier.findUnique({ where: { tenantId_key: { tenantId, key: member.tierKey } } });
      const rows = await this.transitions.page(tx, tenantId, member.id, { before, limit: page.limit + 1 });
      const { limits } = compileTrustProfile({
        runtime: 'wirebot',
        ceiling: ceilings.mode,
        tier: tier ? { ...tier, limits: tier.limits as unknown as Partial<TierLimits> } : undefined,
      });
      const transitions = toPage(rows, page.limit, toTransitionView, (row) => [row.id]);
      return { ...this.#view(member, ceilings), limits, transitions };
    });
  }

  #view(
    member: TrustMemberRow,
    { mode, ceilings, invited }: MemberCeilings,
  ): Omit<MemberTrustView, 'limits' | 'transitions'> {
    const held = activeCap(member, this.clock.now());
    const until = member.invitedUntil?.toISOString() ?? null;
    return {
      member: member.externalId,
      mode,
      ceilings,
      invitation: member.invitedTo > 0 ? { mode: member.invitedTo, until, counts: invited } : null,
      downgrade: held
        ? { mode: held.mode, until: held.until?.toISOString() ?? null, reason: member.trustCapReason }
        : null,
    };
  }
}

const toTransitionView = (row: TransitionRow): TransitionView => ({
  id: row.id,
  from: row.fromMode,
  to: row.toMode,
  reason: row.reason,
  detail: row.detail,
  actor: row.actor,
  at: row.at.toISOString(),
});
