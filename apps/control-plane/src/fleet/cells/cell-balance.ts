import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { assertLeadership, Database, type Leadership } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { Clock, deadline } from '#libs/kernel';
import { GatewayRuntime } from '#libs/runtimes/core';
import { Log } from '../../log.js';
import { GatewayHost } from '../../provisioning/gateway-host.js';
import type { Duty } from '../../provisioning/upkeep/duty.js';
import { Upkeep } from '../../provisioning/upkeep/upkeep.js';
import { Waker } from '../../provisioning/waker.js';
import { type BalancedCell, idlest, planBalance, type Relief } from './balance-plan.js';

const ASK_LIMIT = 3_000;
/** A cell gives away again only when what went before shows in its load, in milliseconds. */
const CELL_PAUSE = 180_000;
/** An agent that came a short while ago stays: nobody is sent to and fro. In seconds. */
const AGENT_PAUSE_SECONDS = 600;
/** A cell without agents may be waiting for its first one, in seconds. */
const EMPTY_SECONDS = 600;

type Row = BalancedCell & { readonly address: GatewayAddress };

/** Takes agents from shared gateways that have too much to bear, and, when that is wanted, merges those with few. */
@Injectable()
export class CellBalance implements Duty, OnModuleInit {
  readonly name = 'cell-balance';
  readonly everyMs = 30_000;
  /** When a cell gave away last. Another process that takes over only looks a little sooner. */
  readonly #gave = new Map<string, number>();

  constructor(
    private readonly upkeep: Upkeep,
    private readonly database: Database,
    private readonly host: GatewayHost,
    private readonly runtime: GatewayRuntime,
    private readonly config: ControlPlaneConfig,
    private readonly waker: Waker,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.upkeep.register(this);
  }

  async run(lead: Leadership, signal: AbortSignal): Promise<void> {
    const now = this.clock.now();
    for (const [id, at] of this.#gave) if (now.getTime() - at > CELL_PAUSE) this.#gave.delete(id);
    const { sharedCellSize: size, provisioning } = this.config;
    const plan = planBalance(await this.#cells(), { size, now, merge: provisioning.mergeCells });
    // A merge is paced by its moves alone: it goes by places, not by what a load of the last minute says.
    const due = plan.filter(({ cell, reason }) => reason === 'nearly-empty' || !this.#gave.has(cell.id));
    for (const relief of due) await this.#relieve(relief, lead, signal);
    if (provisioning.mergeCells) await this.#endEmpty(lead);
  }

  async #relieve(relief: Relief, lead: Leadership, signal: AbortSignal): Promise<void> {
    const { cell, most, reason, message } = relief;
    const endpoint = this.host.endpoint(cell.id, (cell as Row).address);
    const status = await this.runtime.status(endpoint, deadline(ASK_LIMIT, signal)).catch(() => undefined);
    // One that is too busy to answer is asked again; guessing could take away who is being answered.
    const candidates = status ? idlest(status.agents, status.agents.length) : [];
    if (candidates.length === 0) return;
    const leaving = await this.database.system(async (tx) => {
      await assertLeadership(tx, lead);
      return tx.$queryRaw<{ id: string }[]>`
        UPDATE agents SET leave_gateway_id = gateway_id, due_at = now()
        WHERE id IN (
          SELECT a.id FROM agents a JOIN unnest(${candidates}::text[]) WITH ORDINALITY AS c (id, place) ON c.id = a.id
          WHERE a.gateway_id = ${cell.id} AND a.phase = 'ready' AND a.desired_state = 'active' AND a.target_gateway_id IS NULL
            AND a.leave_gateway_id IS NULL AND a.phase_since < now() - make_interval(secs => ${AGENT_PAUSE_SECONDS})
          ORDER BY c.place LIMIT ${most} FOR UPDATE OF a SKIP LOCKED)
        RETURNING id`;
    });
    if (leaving.length === 0) return;
    this.#gave.set(cell.id, this.clock.now().getTime());
    this.log.info({ gateway: cell.id, agents: leaving.length, reason, message }, 'agents leave a shared gateway');
    await Promise.all(leaving.map(({ id }) => this.waker.wake('agent', id)));
  }

  async #cells(): Promise<Row[]> {
    return this.database.once(
      (client) => client.$queryRaw<Row[]>`
        SELECT g.id, g.tenant_id AS "tenantId", g.host_id AS "hostId", g.load, g.load_at AS "loadAt", g.address,
          count(a.id) FILTER (WHERE a.gateway_id = g.id)::int AS agents,
          count(a.id) FILTER (WHERE a.target_gateway_id IS NOT NULL OR a.leave_gateway_id = g.id OR a.previous_gateway_id = g.id)::int AS moving
        FROM gateways g JOIN hosts h ON h.id = g.host_id
        LEFT JOIN agents a ON a.phase <> 'deleted' AND g.id IN (a.gateway_id, a.target_gateway_id, a.previous_gateway_id)
        WHERE g.kind = 'shared' AND g.phase = 'ready' AND g.desired_state = 'running' AND g.tenant_id IS NOT NULL
          AND h.state = 'active' AND h.silent_since IS NULL AND g.address IS NOT NULL
        GROUP BY g.id`,
    );
  }

  /** What a merge leaves behind. */
  async #endEmpty(lead: Leadership): Promise<void> {
    const ended = await this.database.system(async (tx) => {
      await assertLeadership(tx, lead);
      return tx.$queryRaw<{ id: string }[]>`
        UPDATE gateways g SET desired_state = 'deleted', due_at = now()
        WHERE g.kind = 'shared' AND g.pool IS NULL AND g.phase = 'ready' AND g.desired_state = 'running'
          AND g.phase_since < now() - make_interval(secs => ${EMPTY_SECONDS})
          AND NOT EXISTS (SELECT 1 FROM agents a
            WHERE g.id IN (a.gateway_id, a.target_gateway_id, a.previous_gateway_id, a.attached_to) AND a.phase <> 'deleted')
        RETURNING id`;
    });
    await Promise.all(ended.map(({ id }) => this.waker.wake('gateway', id)));
  }
}
