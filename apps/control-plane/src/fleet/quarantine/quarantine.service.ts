import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { Outbox } from '../../outbox/outbox.js';
import { Waker } from '../../provisioning/waker.js';
import { RoutePublisher } from '../../routing/route-publisher.js';
import { GatewayNotFound, GatewayNotHeld, GatewayNotToBeHeld } from '../gateways.errors.js';

type GatewayRow = Prisma.GatewayGetPayload<object>;

export interface QuarantineView {
  readonly id: string;
  readonly phase: string;
  /** Null: it is not quarantined. */
  readonly quarantinedAt: string | null;
}

/** A released gateway is not put to sleep again before somebody could use it, in milliseconds. */
const AWAKE_MS = 60_000;

/** Takes a gateway out of service by a person's decision, and gives it back. The reconciler does what that means. */
@Injectable()
export class QuarantineService {
  constructor(
    private readonly database: Database,
    private readonly routes: RoutePublisher,
    private readonly audit: AuditLog,
    private readonly outbox: Outbox,
    private readonly waker: Waker,
    private readonly clock: Clock,
  ) {}

  /** Twice is once. Throws GatewayNotFound or GatewayNotToBeHeld. */
  async begin(id: string, actor: string): Promise<QuarantineView> {
    return this.#change(id, async (tx, gateway) => {
      if (gateway.quarantinedAt) return gateway;
      if (gateway.pool !== null || gateway.desiredState === 'deleted')
        throw new GatewayNotToBeHeld(gateway.pool !== null);
      const now = this.clock.now();
      const data = { quarantinedAt: now, dueAt: now };
      const after = await tx.gateway.update({ where: { id }, data });
      await this.routes.hold(tx, id);
      await this.#tell(tx, after, 'quarantine', actor);
      return after;
    });
  }

  /** Throws GatewayNotFound or GatewayNotHeld. */
  async release(id: string, actor: string): Promise<QuarantineView> {
    return this.#change(id, async (tx, gateway) => {
      if (!gateway.quarantinedAt) throw new GatewayNotHeld();
      const now = this.clock.now();
      const awakeUntil = new Date(now.getTime() + AWAKE_MS);
      const after = await tx.gateway.update({ where: { id }, data: { quarantinedAt: null, awakeUntil, dueAt: now } });
      await this.routes.unhold(tx, id, gateway.phase === 'ready' ? 'live' : 'asleep');
      await this.#tell(tx, after, 'release', actor);
      return after;
    });
  }

  async #change(id: string, work: (tx: Tx, gateway: GatewayRow) => Promise<GatewayRow>): Promise<QuarantineView> {
    const row = await this.database.system(async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM gateways WHERE id = ${id} FOR UPDATE`;
      const gateway = await tx.gateway.findUnique({ where: { id } });
      if (!gateway || gateway.phase === 'deleted') throw new GatewayNotFound();
      return work(tx, gateway);
    });
    await Promise.all([this.routes.announce(), this.outbox.announce(), this.waker.wake('gateway', id)]);
    return { id, phase: row.phase, quarantinedAt: row.quarantinedAt?.toISOString() ?? null };
  }

  async #tell(
    tx: Tx,
    { id, tenantId, phase }: GatewayRow,
    verb: 'quarantine' | 'release',
    actor: string,
  ): Promise<void> {
    if (tenantId)
      await this.outbox.append(tx, { tenantId, topic: 'gateways', aggregateId: id, type: verb, data: { phase } });
    const line = { action: `gateway.${verb}`, resource: 'gateway', resourceId: id, data: { phase } };
    await this.audit.record(tx, { ...line, tenantId, actor });
  }
}
