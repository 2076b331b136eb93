import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { DoctorCheck, type Symptom } from '../check.js';
import { RowRepairs } from '../row-repairs.js';

interface Wrong {
  readonly id: string;
  readonly agents: string[];
}

/** Warm gateways are nobody's. */
@Injectable()
export class WarmCheck extends DoctorCheck {
  readonly name = 'warm-with-identity';
  readonly fine = 'warm gateways are nobody’s';

  constructor(
    private readonly database: Database,
    private readonly repairs: RowRepairs,
  ) {
    super();
  }

  async look(): Promise<Symptom[]> {
    const rows = await this.database.raw.$queryRaw<Wrong[]>`
      SELECT g.id, array_agg(a.id ORDER BY a.id) AS agents FROM gateways g
      JOIN agents a ON g.id IN (a.gateway_id, a.target_gateway_id, a.attached_to)
      WHERE g.pool IS NOT NULL AND g.phase <> 'deleted' GROUP BY g.id ORDER BY g.id LIMIT 100`;
    return rows.map(({ id, agents }) => ({
      severity: 'broken',
      subject: `gateway ${id}`,
      message: `It is in the pool of gateways that belong to nobody, but ${agents.length === 1 ? `the agent ${agents[0]} is` : `${agents.length} agents are`} said to be on it. It could be given to somebody else.`,
      remedy:
        'Let the agents go from it, so that they are placed anew; it was never told of them, so nothing of theirs is there.',
      repair: () => this.#letGo(id),
    }));
  }

  /** Only where the pool's row says that nobody has claimed it: then no agent's folder can be there. */
  async #letGo(id: string): Promise<void> {
    const agents = await this.database.system(async (tx) => {
      const pooled = await tx.$queryRaw<object[]>`
        SELECT 1 FROM gateways WHERE id = ${id} AND pool IS NOT NULL AND claimed_at IS NULL FOR UPDATE`;
      if (pooled.length === 0) return [];
      return tx.$queryRaw<{ id: string }[]>`
        UPDATE agents SET fence = fence + 1, lease_owner = NULL, lease_until = NULL, due_at = now(), failures = 0,
          gateway_id = nullif(gateway_id, ${id}), target_gateway_id = nullif(target_gateway_id, ${id}),
          attached_to = nullif(attached_to, ${id}), generation = generation + 1
        WHERE ${id} IN (gateway_id, target_gateway_id, attached_to) RETURNING id`;
    });
    await Promise.all(agents.map((agent) => this.repairs.lookAgain('agent', agent.id)));
  }
}
