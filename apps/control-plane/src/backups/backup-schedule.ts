import { Injectable } from '@nestjs/common';
import { Prisma, Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';

/** Where an agent stands with its tier's schedule. */
export interface AgentSchedule {
  readonly agentId: string;
  readonly tenantId: string;
  readonly memberId: string;
  readonly gatewayId: string | null;
  readonly everyHours: number;
  readonly keepDays: number;
  /** The last time it was due, and the next one. Each agent has its own minute, told by its id. */
  readonly slot: Date;
  readonly nextSlot: Date;
  /** When the last good backup of any kind was begun. */
  readonly lastAt: Date | null;
  /** Nothing has happened on its gateway since then: there is nothing new to keep. */
  readonly nothingNew: boolean;
}

/** Rows of one round at most; the others come with the next one. */
const BATCH = 200;

/** Which agents are due for a backup by their tier. Reads only: what is due follows from the rows, so nothing has to be remembered. */
@Injectable()
export class BackupSchedule {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Agents whose slot has passed without a backup, and that have something new. */
  async due(limit = BATCH): Promise<AgentSchedule[]> {
    const rows = this.#rows(Prisma.sql`a.desired_state = 'active' AND a.phase = 'ready'`);
    return this.database.raw.$queryRaw<AgentSchedule[]>`
      SELECT * FROM (${rows}) s
      WHERE s."createdAt" < s.slot AND (s."lastAt" IS NULL OR s."lastAt" < s.slot) AND NOT s."nothingNew"
        AND NOT EXISTS (
          SELECT FROM backups b WHERE b.tenant_id = s."tenantId" AND b.agent_id = s."agentId"
            AND (b.status IN ('pending', 'running') OR (b.kind = 'scheduled' AND b.created_at >= s.slot)))
      ORDER BY s.slot LIMIT ${limit}`;
  }

  /** Of one agent; undefined when its tier backs nothing up by itself. */
  async of(tx: Tx, agentId: string): Promise<AgentSchedule | undefined> {
    const [row] = await tx.$queryRaw<AgentSchedule[]>(this.#rows(Prisma.sql`a.id = ${agentId}`));
    return row;
  }

  #rows(where: Prisma.Sql): Prisma.Sql {
    const seconds = this.clock.now().getTime() / 1_000;
    return Prisma.sql`
      SELECT p.*, to_timestamp(p.n * p.period + p.shift) AS slot, to_timestamp((p.n + 1) * p.period + p.shift) AS "nextSlot",
        l.at AS "lastAt", coalesce(p.idle_since <= l.at, false) AS "nothingNew"
      FROM (
        SELECT q.*, floor((${seconds}::float8 - q.shift) / q.period) AS n FROM (
          SELECT a.id AS "agentId", a.tenant_id AS "tenantId", a.member_id AS "memberId", a.gateway_id AS "gatewayId",
            a.created_at AS "createdAt", g.idle_since,
            (t.backups->>'everyHours')::float8 AS "everyHours", coalesce((t.backups->>'keepDays')::float8, 7) AS "keepDays",
            (t.backups->>'everyHours')::float8 * 3600 AS period,
            (hashtextextended(a.id, 0) & 9223372036854775807) % ((t.backups->>'everyHours')::float8 * 3600)::bigint AS shift
          FROM agents a
          JOIN members m ON m.id = a.member_id
          JOIN tiers t ON t.tenant_id = a.tenant_id AND t.key = m.tier_key AND (t.backups->>'everyHours')::float8 > 0
          LEFT JOIN gateways g ON g.id = a.gateway_id
          WHERE ${where}) q) p
      LEFT JOIN LATERAL (
        SELECT max(b.created_at) AS at FROM backups b
        WHERE b.tenant_id = p."tenantId" AND b.agent_id = p."agentId" AND b.status = 'succeeded') l ON true`;
  }
}
