import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { CeilingChanges, type CeilingOutcome } from './ceiling-changes.js';
import { LONGEST_WINDOW_MINUTES, ruleFor, type SeenSignal, type SignalKind, type SignalRule } from './signal-rules.js';
import { activeCap, type Cap, TrustCaps } from './trust-caps.js';
import { type TrustMemberRow, TrustMembersRepository } from './trust-members.repository.js';

const ACTOR = 'system:trust-signals';

/** Counts suspicious things of members, and holds a member down for a while when there are too many. */
@Injectable()
export class TrustSignals {
  constructor(
    private readonly database: Database,
    private readonly members: TrustMembersRepository,
    private readonly caps: TrustCaps,
    private readonly changes: CeilingChanges,
    private readonly clock: Clock,
    private readonly ids: Ids,
  ) {}

  /**
   * `count` of the kind were seen since the last report. A member that does not exist (any more) is no error: whoever
   * reports cannot know. Returns true when it led to a downgrade.
   */
  async record(tenantId: string, memberId: string, kind: SignalKind, count: number): Promise<boolean> {
    if (count < 1) return false;
    const outcome = await this.database.tenant(tenantId, async (tx) => {
      // Reports of one member follow each other: each sees what the one before did, so they downgrade once.
      const member = await this.members.lock(tx, tenantId, memberId);
      if (!member) return undefined;
      const data = { id: this.ids.next('trustSignal'), tenantId, memberId, kind, count, at: this.clock.now() };
      await tx.trustSignal.create({ data, select: { id: true } });
      return this.#react(tx, member);
    });
    if (outcome) await this.changes.announce(outcome);
    return outcome !== undefined;
  }

  async #react(tx: Tx, member: TrustMemberRow): Promise<CeilingOutcome | undefined> {
    const now = this.clock.now();
    const rule = ruleFor(await this.#recent(tx, member), now);
    if (!rule) return undefined;
    const held = activeCap(member, now);
    if (held && held.mode <= rule.cap) return undefined;
    const caller = { tenantId: member.tenantId, actor: ACTOR };
    return this.caps.apply(tx, caller, member.id, capOf(rule, held, now));
  }

  /** What was seen within the longest window; a downgrade that ended took everything from before with it. */
  async #recent(tx: Tx, { tenantId, id: memberId }: TrustMemberRow): Promise<SeenSignal[]> {
    const since = new Date(this.clock.now().getTime() - LONGEST_WINDOW_MINUTES * 60_000);
    return tx.trustSignal.findMany({
      where: { tenantId, memberId, at: { gt: since } },
      select: { kind: true, count: true, at: true },
    });
  }
}

/** A stricter cap never shortens one that lasts longer: the member would rise when it ends. */
function capOf(rule: SignalRule, held: ReturnType<typeof activeCap>, now: Date): Cap {
  const own = new Date(now.getTime() + rule.hours * 3_600_000);
  const until = !held ? own : held.until === null ? null : held.until > own ? held.until : own;
  return { mode: rule.cap, until, reason: `automatic: ${rule.kind}` };
}
