import { Injectable } from '@nestjs/common';
import type { GatewayLoad, GatewayStatus } from '#libs/contracts';
import { Database, type Lease, type Prisma } from '#libs/database';
import { Clock } from '#libs/kernel';
import { type GatewayRecord, ResourcesRepository } from '../resources.repository.js';

/** Changes below these are noise: an idle gateway costs no writes. */
const NOTICED = { momentMs: 1_000, rssBytes: 16 * 1024 * 1024, delayMs: 20, delayFactor: 2 } as const;
/** A load that is written at all is not older than this on a gateway that works, in milliseconds. */
const LOAD_KEPT_MS = 60_000;
/** Bytes of an agent's folder by which it must have changed to be written. */
const DISK_STEP = 256 * 1024;

/** Keeps on the rows what gateways say of themselves, as far as it has changed enough to matter. */
@Injectable()
export class StatusRecord {
  constructor(
    private readonly database: Database,
    private readonly resources: ResourcesRepository,
    private readonly clock: Clock,
  ) {}

  async keep(gateway: GatewayRecord, status: GatewayStatus, lease: Lease): Promise<void> {
    const data = statusChanges(gateway, status, this.clock.now());
    if (data) await this.resources.asGateway(lease, (tx) => this.resources.changeGateway(tx, gateway, { data }));
    await this.#keepDisks(gateway.id, status);
  }

  /** Apart from the gateway's row, which agents' passes lock after their own. Reads when nothing has changed. */
  async #keepDisks(gatewayId: string, { agents }: GatewayStatus): Promise<void> {
    if (agents.length === 0) return;
    const ids = agents.map((agent) => agent.agentId);
    const bytes = agents.map((agent) => BigInt(agent.diskBytes));
    await this.database.once(
      (client) => client.$executeRaw`
      UPDATE agents a SET disk_bytes = s.bytes
      FROM unnest(${ids}::text[], ${bytes}::bigint[]) AS s (id, bytes)
      WHERE a.id = s.id AND a.attached_to = ${gatewayId}
        AND (a.disk_bytes IS NULL OR abs(a.disk_bytes - s.bytes) >= ${DISK_STEP})`,
    );
  }
}

type Known = Pick<GatewayRecord, 'idleSince' | 'nextJobAt' | 'load' | 'loadAt'>;

/** What of the row has to be written; undefined: nothing. */
export function statusChanges(
  row: Known,
  status: GatewayStatus,
  now: Date,
): Prisma.GatewayUncheckedUpdateInput | undefined {
  const idleSince = momentOf(status.idleSince);
  const nextJobAt = momentOf(status.nextJobAt);
  const changes: Prisma.GatewayUncheckedUpdateInput = {
    ...(isOther(row.idleSince, idleSince) ? { idleSince } : {}),
    ...(isOther(row.nextJobAt, nextJobAt) ? { nextJobAt } : {}),
    ...(hasMoved(row, status, now) ? { load: { ...status.load }, loadAt: now } : {}),
  };
  return Object.keys(changes).length > 0 ? changes : undefined;
}

const momentOf = (text: string | null): Date | null => (text === null ? null : new Date(text));

const isOther = (a: Date | null, b: Date | null): boolean =>
  a && b ? Math.abs(a.getTime() - b.getTime()) >= NOTICED.momentMs : a !== b;

/** A gateway that works is measured anew every minute; an idle one when its load has really changed. */
function hasMoved(row: Known, { load, idleSince }: GatewayStatus, now: Date): boolean {
  const known = row.load as unknown as GatewayLoad | null;
  if (!known || !row.loadAt) return true;
  if (idleSince === null && now.getTime() - row.loadAt.getTime() >= LOAD_KEPT_MS) return true;
  const [low, high] = [known.eventLoopP99Ms, load.eventLoopP99Ms].toSorted((a, b) => a - b) as [number, number];
  const delayed = high - low >= NOTICED.delayMs && high >= low * NOTICED.delayFactor;
  return (
    delayed ||
    Math.abs(known.rssBytes - load.rssBytes) >= NOTICED.rssBytes ||
    known.memoryLimitBytes !== load.memoryLimitBytes
  );
}
