import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { DoctorCheck, type Symptom } from '../check.js';
import { RowRepairs } from '../row-repairs.js';

/** What a move leaves behind is gone within seconds; later than this it was forgotten. */
const MOVE_SECONDS = 900;

interface Astray {
  readonly id: string;
  readonly reason: 'detached' | 'elsewhere' | 'homeless' | 'left-behind';
  readonly gateway: string | null;
}

const WORDS: Record<Astray['reason'], (gateway: string) => string> = {
  detached: () => 'It counts as ready, but is in no gateway’s configuration.',
  elsewhere: (gateway) => `Its folder is on ${gateway}, but another gateway is told to run it.`,
  homeless: (gateway) => `It counts as ready on ${gateway}, which is gone.`,
  'left-behind': (gateway) => `It has moved, but the copy of its folder on ${gateway} was never removed.`,
};

/** Every agent that counts as ready is where its folder is. */
@Injectable()
export class AgentsCheck extends DoctorCheck {
  readonly name = 'agent-astray';
  readonly fine = 'every agent is attached to the gateway that has its folder';

  constructor(
    private readonly database: Database,
    private readonly repairs: RowRepairs,
  ) {
    super();
  }

  async look(): Promise<Symptom[]> {
    const rows = await this.database.raw.$queryRaw<Astray[]>`
      SELECT a.id, CASE
          WHEN a.gateway_id IS NULL OR g.phase = 'deleted' THEN 'homeless'
          WHEN a.attached_to IS NULL THEN 'detached'
          WHEN a.attached_to <> a.gateway_id THEN 'elsewhere'
          ELSE 'left-behind' END AS reason,
        CASE WHEN a.attached_to = a.gateway_id AND g.phase <> 'deleted' THEN a.previous_gateway_id ELSE a.gateway_id END AS gateway
      FROM agents a LEFT JOIN gateways g ON g.id = a.gateway_id
      WHERE a.phase = 'ready' AND a.target_gateway_id IS NULL AND (a.lease_until IS NULL OR a.lease_until < now())
        AND (a.gateway_id IS NULL OR g.phase = 'deleted' OR a.attached_to IS NULL OR a.attached_to <> a.gateway_id
          OR (a.previous_gateway_id IS NOT NULL AND a.phase_since < now() - make_interval(secs => ${MOVE_SECONDS})))
      ORDER BY a.id LIMIT 100`;
    return rows.map((row) => this.#symptom(row));
  }

  #symptom({ id, reason, gateway }: Astray): Symptom {
    return {
      severity: reason === 'left-behind' ? 'warning' : 'broken',
      subject: `agent ${id}`,
      message: WORDS[reason](gateway ?? 'a gateway'),
      remedy: 'Look at it again now: it is attached where its folder is, and what is left elsewhere is removed.',
      repair: () => (reason === 'left-behind' ? this.repairs.lookAgain('agent', id) : this.repairs.renew(id)),
    };
  }
}
