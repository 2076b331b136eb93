import { randomBytes } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Database, type Leadership, releaseLease, takeLease } from '#libs/database';
import { Outbox } from '../../outbox/outbox.js';
import { LeaseLost } from '../provisioning.errors.js';
import { ResourcesRepository } from '../resources.repository.js';
import type { Duty } from '../upkeep/duty.js';
import { Upkeep } from '../upkeep/upkeep.js';
import { type Pressure, pressureMessage, pressureOf } from './disk-pressure.js';

const CONDITION = 'DiskPressure';
const REASONS: Record<Pressure, string> = {
  full: 'disk-quota-reached',
  high: 'disk-quota-near',
  none: 'disk-has-room',
};
/** Agents looked at in one round, and how long one is held, in seconds. */
const MOST = 500;
const HELD_SECONDS = 15;

interface Measured {
  readonly id: string;
  readonly used: bigint | null;
  readonly limitMb: number | null;
  readonly told: string | null;
}

/** Tells of agents that fill up the disk that their tier allows: on the row, and once as an event. */
@Injectable()
export class DiskWatch implements Duty, OnModuleInit {
  readonly name = 'disk-watch';
  readonly everyMs = 30_000;
  readonly #owner = `disk-watch:${randomBytes(6).toString('hex')}`;

  constructor(
    private readonly upkeep: Upkeep,
    private readonly database: Database,
    private readonly resources: ResourcesRepository,
    private readonly outbox: Outbox,
  ) {}

  onModuleInit(): void {
    this.upkeep.register(this);
  }

  async run(_lead: Leadership, signal: AbortSignal): Promise<void> {
    for (const agent of await this.#measured()) {
      signal.throwIfAborted();
      const now = pressureNow(agent);
      if (REASONS[now] !== (agent.told ?? REASONS.none)) await this.#tell(agent, now);
    }
  }

  /** Agents whose pressure may be another than was said. */
  #measured(): Promise<Measured[]> {
    return this.database.raw.$queryRaw<Measured[]>`
      SELECT a.id, a.disk_bytes AS used, (t.resources->>'diskMb')::int AS "limitMb",
        (SELECT c->>'reason' FROM jsonb_array_elements(a.conditions) c WHERE c->>'type' = ${CONDITION}) AS told
      FROM agents a JOIN members m ON m.id = a.member_id LEFT JOIN tiers t ON t.tenant_id = a.tenant_id AND t.key = m.tier_key
      WHERE a.phase <> 'deleted' AND (a.disk_bytes >= (t.resources->>'diskMb')::bigint * 1048576 * 0.85
        OR a.conditions @> jsonb_build_array(jsonb_build_object('type', ${CONDITION}::text, 'status', true)))
      ORDER BY a.id LIMIT ${MOST}`;
  }

  /** Under the agent's lease, as everything on its row; one that is worked on right now is told of at the next round. */
  async #tell(agent: Measured, pressure: Pressure): Promise<void> {
    const lease = await takeLease(this.database, 'agents', agent.id, this.#owner, HELD_SECONDS);
    if (!lease) return;
    try {
      const row = await this.resources.findAgent(agent.id);
      if (!row) return;
      await this.resources.asAgent(lease, async (tx) => {
        const [used, limit] = bytesOf(agent);
        const message = pressureMessage(pressure, used, limit);
        const condition = { type: CONDITION, status: pressure !== 'none', reason: REASONS[pressure], message };
        await this.resources.changeAgent(tx, row, { condition });
        const data = { reason: REASONS[pressure], usedBytes: used, limitBytes: limit, memberId: row.memberId };
        const event = { tenantId: row.tenantId, topic: 'agents', aggregateId: row.id, type: 'disk-pressure' } as const;
        await this.outbox.append(tx, { ...event, data });
      });
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error;
    } finally {
      // Whatever it waited for it goes on waiting for: a look does no harm.
      await releaseLease(this.database, 'agents', lease, 0);
    }
  }
}

const bytesOf = ({ used, limitMb }: Measured): [number | null, number | null] => [
  used === null ? null : Number(used),
  limitMb === null ? null : limitMb * 1024 * 1024,
];

const pressureNow = (agent: Measured): Pressure =>
  pressureOf(...bytesOf(agent), agent.told !== null && agent.told !== REASONS.none);
