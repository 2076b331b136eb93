import { Injectable, type OnModuleInit } from '@nestjs/common';
import { assertLeadership, Database, type Leadership, type Tx } from '#libs/database';
import type { Duty } from '../provisioning/upkeep/duty.js';
import { Upkeep } from '../provisioning/upkeep/upkeep.js';
import { Waker } from '../provisioning/waker.js';

/** Agents that leave one host at the same time: more only compete for its disk. */
const AT_ONCE = 4;
/** A gateway without agents may have been made this moment for one, in seconds. */
const GRACE_SECONDS = 60;
const EMPTY = 'Drained: nothing is on it any more. It can be removed, or uncordoned.';

/** Empties hosts that are being drained, a few agents at a time, and ends what is left without agents on hosts that take nothing new. */
@Injectable()
export class HostDrain implements Duty, OnModuleInit {
  readonly name = 'host-drain';
  readonly everyMs = 2_000;

  constructor(
    private readonly upkeep: Upkeep,
    private readonly database: Database,
    private readonly waker: Waker,
  ) {}

  onModuleInit(): void {
    this.upkeep.register(this);
  }

  async run(lead: Leadership, signal: AbortSignal): Promise<void> {
    const hosts = await this.database.once((client) =>
      client.host.findMany({ where: { state: { in: ['cordoned', 'draining'] } }, select: { id: true, state: true } }),
    );
    for (const host of hosts) {
      signal.throwIfAborted();
      const { agents, gateways } = await this.database.system(async (tx) => {
        await assertLeadership(tx, lead);
        const leaving = host.state === 'draining' ? await this.#leave(tx, host.id) : [];
        const ended = await this.#endEmpty(tx, host.id);
        if (host.state === 'draining') await this.#tellWhenEmpty(tx, host.id);
        return { agents: leaving, gateways: ended };
      });
      await Promise.all(agents.map((id) => this.waker.wake('agent', id)));
      await Promise.all(gateways.map((id) => this.waker.wake('gateway', id)));
    }
  }

  /** Those that rest first: nobody notices. Then whoever has waited longest since its last change. */
  async #leave(tx: Tx, hostId: string): Promise<string[]> {
    const rows = await tx.$queryRaw<{ id: string }[]>`
      UPDATE agents SET leave_gateway_id = gateway_id, wanted_host_id = NULL, due_at = now()
      WHERE id IN (
        SELECT a.id FROM agents a JOIN gateways g ON g.id = a.gateway_id JOIN hosts h ON h.id = g.host_id
        WHERE h.id = ${hostId} AND h.state = 'draining' AND g.phase NOT IN ('lost', 'deleted')
          AND a.leave_gateway_id IS DISTINCT FROM a.gateway_id AND a.target_gateway_id IS NULL
          AND a.desired_state IN ('active', 'inactive') AND a.phase IN ('ready', 'inactive', 'waiting', 'failed')
        ORDER BY a.desired_state DESC, a.phase_since, a.id
        LIMIT greatest(0, ${AT_ONCE} - (
          SELECT count(*) FROM agents b JOIN gateways c ON c.id = b.gateway_id
          WHERE c.host_id = ${hostId} AND b.leave_gateway_id = b.gateway_id)))
      RETURNING id`;
    return rows.map((row) => row.id);
  }

  /** Gateways that nobody has anything to do with; also cells, which otherwise wait for new members. */
  async #endEmpty(tx: Tx, hostId: string): Promise<string[]> {
    const rows = await tx.$queryRaw<{ id: string }[]>`
      UPDATE gateways g SET desired_state = 'deleted', due_at = now()
      WHERE g.host_id = ${hostId} AND g.pool IS NULL AND g.desired_state <> 'deleted' AND g.phase NOT IN ('lost', 'deleted')
        AND g.created_at < now() - make_interval(secs => ${GRACE_SECONDS})
        AND NOT EXISTS (SELECT 1 FROM agents a
          WHERE g.id IN (a.gateway_id, a.target_gateway_id, a.previous_gateway_id, a.attached_to) AND a.phase <> 'deleted')
      RETURNING id`;
    return rows.map((row) => row.id);
  }

  async #tellWhenEmpty(tx: Tx, hostId: string): Promise<void> {
    await tx.$executeRaw`
      UPDATE hosts SET reason = ${EMPTY}
      WHERE id = ${hostId} AND state = 'draining' AND reason IS DISTINCT FROM ${EMPTY}
        AND NOT EXISTS (SELECT 1 FROM gateways WHERE host_id = ${hostId} AND phase <> 'deleted')`;
  }
}
