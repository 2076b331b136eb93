import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { type Announced, CeilingAnnouncer } from './ceiling-announcer.js';
import { CeilingsReader, type MemberCeiling } from './ceilings.reader.js';
import { type Cause, type Transition, TransitionsRepository } from './transitions.repository.js';
import { TrustRevocations } from './trust-revocations.js';

/** What became of the members' ceilings, for the audit line and for `announce`. */
export interface CeilingOutcome extends Announced {
  readonly transitions: readonly Transition[];
  readonly rose: number;
}

type Changed = Transition & { readonly agentIds: readonly string[] };

/** Rows per statement: well below what PostgreSQL takes as parameters. */
const CHUNK = 1_000;

/**
 * Whatever changes how far members may go happens between `before` and `settle`, in one transaction. Each member whose
 * ceiling is another one afterwards gets a transition, an event, a gateway and a route that know, and, when it fell, an
 * end of all older tokens. The audit line is the caller's: it knows what was done.
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
  async before(
    tx: Tx,
    tenantId: string,
    where: Prisma.MemberWhereInput,
    at = this.clock.now(),
  ): Promise<readonly MemberCeiling[]> {
    return this.reader.read(tx, tenantId, where, at);
  }

  async settle(tx: Tx, tenantId: string, before: readonly MemberCeiling[], cause: Cause): Promise<CeilingOutcome> {
    const changed = await this.#changed(tx, tenantId, before);
    for (const rows of chunks(changed)) {
      await this.transitions.add(tx, tenantId, rows, cause);
      await this.#rerender(tx, tenantId, rows);
    }
    const fallen = changed.filter(({ from, to }) => to < from).map(({ memberId }) => memberId);
    for (const ids of chunks(fallen)) await this.revocations.revoke(tx, tenantId, ids);
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
    const after = new Map<string, MemberCeiling>();
    const now = this.clock.now();
    for (const ids of chunks(before.map(({ memberId }) => memberId))) {
      for (const row of await this.reader.read(tx, tenantId, { id: { in: ids } }, now)) after.set(row.memberId, row);
    }
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
    await tx.agent.updateMany({
      where: { tenantId, memberId: { in: rows.map(({ memberId }) => memberId) }, desiredState: 'active' },
      data: { generation: { increment: 1n }, dueAt: this.clock.now() },
    });
  }
}

const chunks = <T>(items: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(items.length / CHUNK) }, (_, index) =>
    items.slice(index * CHUNK, (index + 1) * CHUNK),
  );
