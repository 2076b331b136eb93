import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { assertPossible, contentOf, type TierContent } from './tier-definition.js';
import { type TierPlan, TierPlanner } from './tier-plan.js';
import { TierRecords } from './tier-records.js';

const FIRST = 20;
/** Members for whom something is different, and the first of them by the tenant's own ids. */
export interface Affected {
  readonly count: number;
  readonly first: readonly string[];
}

export interface TierPreview {
  readonly changes: readonly string[];
  readonly members: Affected;
  /** Agents that get another configuration, and the gateways they are on. */
  readonly agents: number;
  readonly gateways: number;
  /** Dedicated gateways that start again, because their resources change. */
  readonly restarts: number;
  /** Members whose older tokens end with it. */
  readonly ceilingFalls: Affected;
  readonly ceilingRises: Affected;
  readonly moves: Affected & { readonly to: 'shared' | 'dedicated' | null };
}

/** Says what a change of a tier would do, and to whom. */
@Injectable()
export class TierPreviewService {
  constructor(
    private readonly database: Database,
    private readonly records: TierRecords,
    private readonly planner: TierPlanner,
  ) {}

  /** Throws TierNotFound or TierRuleBroken. */
  async preview(tenantId: string, key: string, content: TierContent): Promise<TierPreview> {
    assertPossible(content);
    return this.database.tenant(tenantId, async (tx) => {
      const row = await this.records.get(tx, tenantId, key);
      const plan = await this.planner.plan(tx, tenantId, key, contentOf(row), content);
      return this.#view(tx, tenantId, plan, content);
    });
  }

  async #view(tx: Tx, tenantId: string, plan: TierPlan, content: TierContent): Promise<TierPreview> {
    const affected = async (ids: readonly string[]): Promise<Affected> => ({
      count: ids.length,
      first: await this.records.externalIds(tx, tenantId, ids.slice(0, FIRST)),
    });
    const gateways = new Set(plan.rerenders.flatMap(({ gatewayId }) => gatewayId ?? []));
    const movers = [...new Set(plan.moves.map(({ memberId }) => memberId))];
    return {
      changes: plan.changes,
      members: await affected(plan.memberIds),
      agents: plan.rerenders.length,
      gateways: gateways.size,
      restarts: plan.restarts.length,
      ceilingFalls: await affected(plan.falls),
      ceilingRises: await affected(plan.rises),
      moves: { ...(await affected(movers)), to: movers.length > 0 ? content.placement : null },
    };
  }
}
