import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { type Announced, CeilingAnnouncer } from './ceiling-announcer.js';
import { CeilingsReader, type MemberCeiling, type MembersOf } from './ceilings.reader.js';
import { type Cause, type Transition, TransitionsRepository } from './transitions.repository.js';
import { TrustRevocations } from './trust-revocations.js';

/** What became of the members' ceilings, for the audit line and for `announce`. */
export interface CeilingOutcome extends Announced {
  readonly transitions: readonly Transition[];
  readonly rose: number;
}

type Changed = Transition & { readonly agentIds: readonly string[] };

/**
 * Whatever changes how far members may go happens between `before` and `settle`, in one transaction. Each member whose
 * ceiling is another one afterwards gets a transition, an event, a gateway and a route that know, and, when it fell, an
 * end of all older tokens (unless the cause keeps them). The audit line is the caller's: it knows what was done.
 */
@Injectable()
export class CeilingChanges {
  constructor(
    private readonly reader: CeilingsReader,
    private readonly transitions: TransitionsRepository,
    private readonly revocations: TrustRevocations,
    private readonly announcer: CeilingAnnouncer,
    private readonly clock: Clock,
  ) {}

  /** The ceilings as they are, or were at a time that ended one. Lock what is going to change first. */
  async before(tx: Tx, tenantId: string, of: MembersOf, at = this.clock.now()): Promise<readonly MemberCeiling[]> {
    return this.reader.read(tx, tenantId, of, at);
  }

  async settle(tx: Tx, tenantId: string, before: readonly MemberCeiling[], cause: Cause): Promise<CeilingOutcome> {
    const changed = await this.#changed(tx, tenantId, before);
    const fallen = changed.filter(({ from, to }) => to < from).map(({ memberId }) => memberId);
    if (changed.length > 0) {
      await this.transitions.add(tx, tenantId, changed, cause);
      await this.#rerender(tx, tenantId, changed);
      if (!cause.keepsTokens) await this.revocations.revoke(tx, tenantId, fallen);
    }
    return {
      transitions: changed.map(({ memberId, from, to }) => ({ memberId, from, to })),
      fell: fallen.length,
      rose: changed.length - fallen.length,
      agentIds: changed.flatMap(({ agentIds }) => agentIds),
    };
  }

  /** After the commit. */
  async announce(outcome: Announced): Promise<void> {
    await this.announcer.announce(outcome);
  }

  async #changed(tx: Tx, tenantId: string, before: readonly MemberCeiling[]): Promise<Changed[]> {
    if (before.length === 0) return [];
    const ids = before.map(({ memberId }) => memberId);
    const rows = await this.reader.read(tx, tenantId, { ids }, this.clock.now());
    const after = new Map(rows.map((row) => [row.memberId, row]));
    return before.flatMap(({ memberId, mode: from }) => {
      const found = after.get(memberId);
      return found && found.mode !== from ? [{ memberId, from, to: found.mode, agentIds: found.agentIds }] : [];
    });
  }

  /**
   * A new generation of an agent makes its gateway's configuration a new one and publishes its route again. Agents that
   * are out of service get what holds then when they come back.
   */
  async #rerender(tx: Tx, tenantId: string, rows: readonly Transition[]): Promise<void> {
    const now = this.clock.now();
    const ids = rows.map(({ memberId }) => memberId);
    await tx.$executeRaw`
      UPDATE agents SET generation = generation + 1, due_at = ${now}, updated_at = ${now}
      WHERE tenant_id = ${tenantId} AND member_id = ANY(${ids}) AND desired_state = 'active'`;
  }
}
