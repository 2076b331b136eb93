import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';
import type { Announced } from '../trust/ceiling-announcer.js';
import { CeilingChanges } from '../trust/ceiling-changes.js';
import { columnsOf, contentOf, type TierContent, type TierRow } from './tier-definition.js';
import { BATCH, TierEffects } from './tier-effects.js';
import { TierPlanner } from './tier-plan.js';
import { type TierCaller, TierRecords } from './tier-records.js';
import { TiersService } from './tiers.service.js';

/** Writes a tier's new content and everything that follows from it. */
@Injectable()
export class TierApplication {
  constructor(
    private readonly tiers: TiersService,
    private readonly records: TierRecords,
    private readonly planner: TierPlanner,
    private readonly effects: TierEffects,
    private readonly ceilings: CeilingChanges,
  ) {}

  /** In a transaction that holds the tenant's tiers; what comes back is for `CeilingAnnouncer` after the commit. */
  async apply(
    tx: Tx,
    caller: TierCaller,
    before: TierRow,
    content: TierContent,
  ): Promise<{ row: TierRow; outcome: Announced }> {
    const { tenantId, actor } = caller;
    const { key } = before;
    const plan = await this.planner.plan(tx, tenantId, key, contentOf(before), content);
    if (plan.changes.length === 0) return { row: before, outcome: { fell: 0, agentIds: [] } };
    const ceilings = await this.ceilings.before(tx, tenantId, { tierKey: key });
    await this.tiers.keepVersion(tx, before, 'system:before');
    const row = await this.records.update(tx, before, columnsOf(content));
    await this.tiers.keepVersion(tx, row, actor);
    await this.effects.place(tx, tenantId, plan, content.placement);
    const detail = { tier: key, version: row.version };
    const outcome = await this.ceilings.settle(tx, tenantId, ceilings, { reason: 'tier-changed', actor, detail });
    await this.effects.render(tx, tenantId, plan, content);
    const later = new Set(plan.moves.slice(BATCH).map(({ id }) => id));
    const agentIds = [...outcome.agentIds, ...plan.rerenders.map(({ id }) => id)].filter((id) => !later.has(id));
    const numbers = {
      fell: outcome.fell,
      rose: outcome.rose,
      moves: plan.moves.length,
      restarts: plan.restarts.length,
    };
    const data = { version: row.version, changes: [...plan.changes], members: plan.memberIds.length, ...numbers };
    await this.records.tell(tx, caller, 'tier.update', row, data);
    return { row, outcome: { fell: outcome.fell, agentIds: [...new Set(agentIds)] } };
  }
}
