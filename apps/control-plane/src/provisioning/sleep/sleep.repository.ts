import { Injectable } from '@nestjs/common';
import type { TierIdlePolicy } from '#libs/trust';
import { Database, type Tx } from '#libs/database';
import type { Engagement, SleepFacts } from './sleep-policy.js';

interface FactsRow {
  readonly kind: string;
  readonly awake_until: Date | null;
  readonly rest_asked_at: Date | null;
  readonly policies: (Partial<TierIdlePolicy> | null)[];
  readonly engaged: Engagement | null;
}

/** Reads what decides over a gateway's sleep, in one statement. */
@Injectable()
export class SleepRepository {
  constructor(private readonly database: Database) {}

  /** Throws when there is no such row. `tx`: as of a transaction that holds it. */
  async facts(gatewayId: string, tx?: Tx): Promise<SleepFacts> {
    const read = (client: Pick<Tx, '$queryRaw'>) => client.$queryRaw<FactsRow[]>`
      SELECT g.kind, g.awake_until, g.rest_asked_at,
        (SELECT coalesce(jsonb_agg(t.idle_policy), '[]') FROM agents a
           JOIN members m ON m.id = a.member_id
           LEFT JOIN tiers t ON t.tenant_id = a.tenant_id AND t.key = m.tier_key
         WHERE a.gateway_id = g.id AND a.desired_state = 'active') AS policies,
        CASE
          WHEN g.target_image IS NOT NULL OR EXISTS (SELECT 1 FROM rollout_targets r WHERE r.gateway_id = g.id AND r.status = 'running')
            THEN 'upgrade'
          WHEN EXISTS (SELECT 1 FROM agents a
            WHERE (a.gateway_id = g.id OR a.target_gateway_id = g.id OR a.previous_gateway_id = g.id OR a.attached_to = g.id)
              AND (a.phase NOT IN ('ready', 'inactive', 'deleted') OR a.target_gateway_id IS NOT NULL OR a.previous_gateway_id IS NOT NULL
                OR a.restore_backup_id IS NOT NULL OR a.leave_gateway_id = g.id OR a.observed_generation < a.generation))
            THEN 'agent-change'
          WHEN EXISTS (SELECT 1 FROM agents a JOIN operations o ON o.agent_id = a.id AND o.status IN ('pending', 'running')
            WHERE a.gateway_id = g.id)
            THEN 'operation'
          WHEN EXISTS (SELECT 1 FROM agents a JOIN backups b ON b.tenant_id = a.tenant_id AND b.agent_id = a.id AND b.status IN ('pending', 'running')
            WHERE a.gateway_id = g.id)
            THEN 'backup'
        END AS engaged
      FROM gateways g WHERE g.id = ${gatewayId}`;
    const row = (await (tx ? read(tx) : this.database.once(read)))[0]!;
    return {
      kind: row.kind,
      policies: row.policies.map((policy) => policy ?? {}),
      awakeUntil: row.awake_until,
      restAskedAt: row.rest_asked_at,
      engaged: row.engaged,
    };
  }
}
