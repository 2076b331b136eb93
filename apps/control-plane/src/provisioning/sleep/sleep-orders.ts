import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { GatewayNotFound } from '../../fleet/gateways.errors.js';
import { SLEEPING } from '../phases.js';
import { ResourcesRepository } from '../resources.repository.js';
import { Waker } from '../waker.js';
import { SleepMetrics } from './sleep-metrics.js';
import { GatewayCannotSleep, GatewayCannotWake } from './sleep.errors.js';
import { SleepRepository } from './sleep.repository.js';

type GatewayRow = Prisma.GatewayGetPayload<object>;

/** What operators say about one gateway's sleep; the reconciler does it. */
@Injectable()
export class SleepOrders {
  constructor(
    private readonly database: Database,
    private readonly facts: SleepRepository,
    private readonly resources: ResourcesRepository,
    private readonly audit: AuditLog,
    private readonly waker: Waker,
    private readonly metrics: SleepMetrics,
    private readonly clock: Clock,
  ) {}

  /** As soon as it agrees, whatever its agents' tiers say; a request wakes it as ever. Nothing happens to one that sleeps. */
  async suspend(id: string, actor: string): Promise<void> {
    await this.database.system(async (tx) => {
      const gateway = await this.#hold(tx, id);
      if (SLEEPING.includes(gateway.phase)) return;
      await this.#assertMayRest(tx, gateway);
      const data = { restAskedAt: this.clock.now(), awakeUntil: null, dueAt: this.clock.now() };
      await tx.gateway.update({ where: { id }, data, select: { id: true } });
      await this.#record(tx, gateway, 'gateway.suspend', actor);
    });
    await this.waker.wake('gateway', id);
  }

  async wake(id: string, actor: string): Promise<void> {
    await this.database.system(async (tx) => {
      const gateway = await this.#hold(tx, id);
      if (gateway.desiredState === 'stopped') throw new GatewayCannotWake('stopped');
      if (gateway.phase === 'lost') throw new GatewayCannotWake('lost');
      if (SLEEPING.includes(gateway.phase)) this.metrics.wished('operator');
      await this.resources.wantAwake(tx, gateway);
      await this.#record(tx, gateway, 'gateway.wake', actor);
    });
    await this.waker.wake('gateway', id);
  }

  async #hold(tx: Tx, id: string): Promise<GatewayRow> {
    await tx.$queryRaw`SELECT 1 FROM gateways WHERE id = ${id} FOR UPDATE`;
    const gateway = await tx.gateway.findUnique({ where: { id } });
    if (!gateway || gateway.phase === 'deleted' || gateway.desiredState === 'deleted') throw new GatewayNotFound();
    return gateway;
  }

  async #assertMayRest(tx: Tx, gateway: GatewayRow): Promise<void> {
    if (gateway.pool !== null) throw new GatewayCannotSleep('warm');
    if (gateway.phase !== 'ready' || gateway.desiredState !== 'running') throw new GatewayCannotSleep('not-ready');
    const { engaged } = await this.facts.facts(gateway.id, tx);
    if (engaged) throw new GatewayCannotSleep(engaged);
    if (gateway.idleSince === null) throw new GatewayCannotSleep('busy');
  }

  async #record(tx: Tx, gateway: GatewayRow, action: string, actor: string): Promise<void> {
    const line = { action, resource: 'gateway', resourceId: gateway.id, data: { phase: gateway.phase } };
    await this.audit.record(tx, { ...line, tenantId: gateway.tenantId, actor });
  }
}
