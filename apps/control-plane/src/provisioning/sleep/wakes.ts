import { Injectable } from '@nestjs/common';
import type { WakeAnswer } from '#libs/contracts';
import { Database } from '#libs/database';
import { RoutePublisher } from '../../routing/route-publisher.js';
import { conditionsOf } from '../conditions.js';
import { SLEEPING } from '../phases.js';
import { AWAKE_SECONDS } from '../resources.repository.js';
import { Waker } from '../waker.js';
import { SleepMetrics, type WakeCause } from './sleep-metrics.js';
import { AgentNotServed } from './sleep.errors.js';

interface WishRow {
  readonly gateway_id: string;
  readonly phase: string;
  readonly failures: number;
  readonly conditions: unknown;
  readonly route_state: string | null;
  /** The wish is new, and the gateway sleeps. */
  readonly stirred: boolean;
}

/** Wishes that an agent be awake: of proxies whose clients wait, of channels that have a message for it. */
@Injectable()
export class Wakes {
  constructor(
    private readonly database: Database,
    private readonly waker: Waker,
    private readonly routes: RoutePublisher,
    private readonly metrics: SleepMetrics,
  ) {}

  /**
   * Resolves as soon as the wish is stored; the gateway then wakes by itself, and its agents' routes become live. It stays
   * awake for a minute, so that what it was woken for arrives. Throws AgentNotServed for an agent that is out of service too:
   * a wish never starts what its tenant has stopped.
   */
  async agent(agentId: string, cause: WakeCause = 'request'): Promise<WakeAnswer> {
    const wish = await this.#wish(agentId);
    if (!wish) throw new AgentNotServed();
    if (wish.stirred) {
      this.metrics.wished(cause);
      await this.waker.wake('gateway', wish.gateway_id);
    }
    if (wish.phase === 'ready' && wish.route_state === 'asleep') await this.#correct(wish.gateway_id);
    const trouble = conditionsOf(wish.conditions).find(({ type, status }) => type === 'Ready' && !status)?.reason;
    return { accepted: true, trouble: wish.failures > 0 ? (trouble ?? null) : null };
  }

  /** One statement, which changes nothing when the same was wished a moment ago: a herd is one wake, through any number of proxies. */
  async #wish(agentId: string): Promise<WishRow | undefined> {
    const rows = await this.database.once(
      (client) => client.$queryRaw<WishRow[]>`
      WITH home AS (
        SELECT g.id, g.phase, g.failures, g.conditions FROM agents a JOIN gateways g ON g.id = a.gateway_id
        WHERE a.id = ${agentId} AND a.desired_state = 'active' AND g.desired_state = 'running'
      ), wished AS (
        UPDATE gateways g SET
          awake_until = greatest(g.awake_until, now() + make_interval(secs => ${AWAKE_SECONDS})),
          rest_asked_at = NULL,
          due_at = CASE WHEN g.phase = ANY (${SLEEPING}) THEN now() ELSE g.due_at END
        FROM home WHERE g.id = home.id
          AND (g.awake_until IS NULL OR g.awake_until < now() + make_interval(secs => ${AWAKE_SECONDS}::double precision / 2))
        RETURNING g.phase
      )
      SELECT (SELECT route->>'state' FROM routes WHERE agent_id = ${agentId}) AS route_state, home.id AS gateway_id, home.phase, home.failures, home.conditions,
        coalesce((SELECT phase = ANY (${SLEEPING}) FROM wished), false) AS stirred
      FROM home`,
    );
    return rows[0];
  }

  /** Whatever left it so: nobody waits at the route of a gateway that is awake. */
  async #correct(gatewayId: string): Promise<void> {
    await this.database.system(async (tx) => {
      const ready = await tx.$queryRaw<object[]>`
        SELECT 1 FROM gateways WHERE id = ${gatewayId} AND phase = 'ready' FOR SHARE`;
      if (ready.length > 0) await this.routes.setAsleep(tx, gatewayId, false);
    });
    await this.routes.announce();
  }
}
