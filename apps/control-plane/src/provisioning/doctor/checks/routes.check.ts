import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { RoutePublisher } from '../../../routing/route-publisher.js';
import { RouteRepairs } from '../../../routing/route-repairs.js';
import type { GatewayPhase } from '../../phases.js';
import { DoctorCheck, type Symptom } from '../check.js';
import { RowRepairs } from '../row-repairs.js';

/** A route follows its gateway within moments; one that differs for longer is wrong. */
const SETTLED_SECONDS = 20;
/** While an upgrade is tried on a copy the gateway goes on serving. */
const SERVING: readonly GatewayPhase[] = ['ready', 'rehearsing'];

interface Wrong {
  readonly id: string;
  readonly reason: 'no-agent' | 'no-gateway' | 'other-gateway' | 'other-address' | 'not-ready' | 'asleep' | 'held';
  readonly gateway: string;
  readonly phase: string | null;
}

const WORDS: Record<Wrong['reason'], (row: Wrong) => string> = {
  'no-agent': () => 'Members are routed to an agent that does not exist any more.',
  'no-gateway': ({ gateway }) => `Members are routed to the gateway ${gateway}, which is gone.`,
  'other-gateway': ({ gateway }) => `Members are routed to the gateway ${gateway}, but it is another one that runs it.`,
  'other-address': ({ gateway }) => `Members are routed to an address that the gateway ${gateway} does not have.`,
  'not-ready': ({ gateway, phase }) => `Members are routed to the gateway ${gateway}, which is ${phase}.`,
  asleep: ({ gateway }) =>
    `The route says that the gateway ${gateway} sleeps, but it is awake: every message asks to wake it.`,
  held: ({ gateway }) =>
    `The route is held, but the agent and its gateway ${gateway} are ready: members are told to come again.`,
};

/** Routes lead where the agents are. */
@Injectable()
export class RoutesCheck extends DoctorCheck {
  readonly name = 'wrong-route';
  readonly fine = 'every route leads to a gateway that answers';

  constructor(
    private readonly database: Database,
    private readonly repairs: RowRepairs,
    private readonly routes: RouteRepairs,
    private readonly publisher: RoutePublisher,
  ) {
    super();
  }

  async look(): Promise<Symptom[]> {
    const rows = await this.database.raw.$queryRaw<Wrong[]>`
      SELECT r.agent_id AS id, r.route->>'gatewayId' AS gateway, g.phase, CASE
          WHEN a.id IS NULL OR a.phase = 'deleted' THEN 'no-agent'
          WHEN g.id IS NULL OR g.phase = 'deleted' THEN 'no-gateway'
          WHEN a.phase = 'ready' AND a.attached_to IS DISTINCT FROM g.id THEN 'other-gateway'
          WHEN r.route->>'state' = 'live' AND NOT g.phase = ANY(${[...SERVING]}) THEN 'not-ready'
          WHEN g.phase = 'ready' AND (r.route->'target'->>'host' <> g.address->>'host'
            OR r.route->'target'->>'port' <> g.address->>'port') THEN 'other-address'
          WHEN r.route->>'state' = 'asleep' AND g.phase = 'ready' THEN 'asleep'
          WHEN r.route->>'state' = 'held' AND g.phase = 'ready' AND a.phase = 'ready' AND g.quarantined_at IS NULL THEN 'held'
        END AS reason
      FROM routes r LEFT JOIN agents a ON a.id = r.agent_id LEFT JOIN gateways g ON g.id = r.route->>'gatewayId'
      WHERE r.route IS NOT NULL
        AND (a.id IS NULL OR a.phase = 'deleted' OR a.phase_since < now() - make_interval(secs => ${SETTLED_SECONDS}))
        AND (g.id IS NULL OR g.phase_since < now() - make_interval(secs => ${SETTLED_SECONDS}))
      ORDER BY r.agent_id`;
    return rows
      .filter((row) => row.reason !== null)
      .slice(0, 100)
      .map((row) => this.#symptom(row));
  }

  #symptom(row: Wrong): Symptom {
    const { id, reason } = row;
    const gone = reason === 'no-agent';
    return {
      severity: 'broken',
      subject: `route ${id}`,
      message: WORDS[reason](row),
      remedy: gone ? 'Take the route away.' : 'Publish it anew from where the agent is.',
      repair: () => (gone ? this.#bury(id) : this.repairs.renew(id)),
    };
  }

  async #bury(agentId: string): Promise<void> {
    await this.database.system((tx) => this.routes.bury(tx, agentId));
    await this.publisher.announce();
  }
}
