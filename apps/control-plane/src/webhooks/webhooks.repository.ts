import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';

export type EndpointRow = Prisma.WebhookEndpointGetPayload<object>;
export type DeliveryRow = Prisma.WebhookDeliveryGetPayload<object>;

export interface DeliveryFilter {
  readonly endpointId: string;
  readonly status?: string | undefined;
  readonly type?: string | undefined;
  /** Deliveries older than this one. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Endpoints and deliveries of one tenant. */
@Injectable()
export class WebhooksRepository {
  /** One change of a tenant's endpoints at a time, so that the limit holds. */
  async lock(tx: Tx, tenantId: string): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`webhooks/${tenantId}`}, 0))`;
  }

  count(tx: Tx, tenantId: string): Promise<number> {
    return tx.webhookEndpoint.count({ where: { tenantId } });
  }

  list(tx: Tx, tenantId: string): Promise<EndpointRow[]> {
    return tx.webhookEndpoint.findMany({ where: { tenantId }, orderBy: { id: 'asc' } });
  }

  async find(tx: Tx, tenantId: string, id: string): Promise<EndpointRow | undefined> {
    return (await tx.webhookEndpoint.findFirst({ where: { id, tenantId } })) ?? undefined;
  }

  create(
    tx: Tx,
    tenantId: string,
    data: Omit<Prisma.WebhookEndpointUncheckedCreateInput, 'tenantId'>,
  ): Promise<EndpointRow> {
    return tx.webhookEndpoint.create({ data: { ...data, tenantId } });
  }

  update(tx: Tx, tenantId: string, id: string, data: Prisma.WebhookEndpointUpdateInput): Promise<EndpointRow> {
    return tx.webhookEndpoint.update({ where: { id, tenantId }, data });
  }

  async delete(tx: Tx, tenantId: string, id: string): Promise<void> {
    await tx.webhookEndpoint.deleteMany({ where: { id, tenantId } });
  }

  listDeliveries(tx: Tx, tenantId: string, filter: DeliveryFilter): Promise<DeliveryRow[]> {
    const { endpointId, status, type, after, limit } = filter;
    return tx.webhookDelivery.findMany({
      where: {
        tenantId,
        endpointId,
        ...(status ? { status } : {}),
        ...(type ? { type } : {}),
        ...(after ? { id: { lt: after } } : {}),
      },
      orderBy: { id: 'desc' },
      take: limit,
    });
  }

  async findDelivery(tx: Tx, tenantId: string, endpointId: string, id: string): Promise<DeliveryRow | undefined> {
    return (await tx.webhookDelivery.findFirst({ where: { id, tenantId, endpointId } })) ?? undefined;
  }

  /** Due again from the first attempt on; what is under way stays. Returns how many. */
  async replay(
    tx: Tx,
    tenantId: string,
    where: {
      readonly endpointId: string;
      readonly id?: string;
      readonly status?: string;
      readonly createdAt?: { gte: Date };
    },
    now: Date,
  ): Promise<number> {
    const fresh = { status: 'pending', attempts: 0, dueAt: now, finishedAt: null };
    const { count } = await tx.webhookDelivery.updateMany({
      where: { tenantId, ...where, OR: [{ leaseUntil: null }, { leaseUntil: { lt: now } }] },
      data: fresh,
    });
    return count;
  }
}
