import { Injectable } from '@nestjs/common';
import { Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { HostTaken, TenantNotFound } from './tenants.errors.js';
import { TENANT_INCLUDE, type TenantRow } from './tenant-view.js';

export interface TenantFilter {
  readonly status?: string | undefined;
  readonly q?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

const isUniqueViolation = (error: unknown): boolean =>
  error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002';

/** Tenants as rows, in the caller's transaction. */
@Injectable()
export class TenantsRepository {
  constructor(private readonly clock: Clock) {}

  /** Throws TenantNotFound. */
  async get(tx: Tx, id: string): Promise<TenantRow> {
    const row = await tx.tenant.findUnique({ where: { id }, include: TENANT_INCLUDE });
    if (!row) throw new TenantNotFound();
    return row;
  }

  /** The row, held until the transaction ends: changes of one tenant happen one after the other. */
  async lock(tx: Tx, id: string): Promise<TenantRow> {
    await tx.$queryRaw`SELECT 1 FROM tenants WHERE id = ${id} FOR NO KEY UPDATE`;
    return this.get(tx, id);
  }

  async list(tx: Tx, filter: TenantFilter): Promise<(TenantRow & { readonly members: number })[]> {
    const contains = filter.q ? { contains: filter.q, mode: 'insensitive' as const } : undefined;
    const rows = await tx.tenant.findMany({
      where: {
        ...(filter.status ? { status: filter.status } : {}),
        ...(filter.after ? { id: { gt: filter.after } } : {}),
        ...(contains ? { OR: [{ slug: contains }, { name: contains }, { hosts: { some: { host: contains } } }] } : {}),
      },
      include: { ...TENANT_INCLUDE, _count: { select: { members: true } } },
      orderBy: { id: 'asc' },
      take: filter.limit,
    });
    return rows.map(({ _count, ...row }) => ({ ...row, members: _count.members }));
  }

  /** Writes a change and gives the tenant its next version. */
  async update(tx: Tx, id: string, data: Prisma.TenantUpdateInput): Promise<TenantRow> {
    const next = { ...data, version: { increment: 1 }, updatedAt: this.clock.now() };
    return tx.tenant.update({ where: { id }, data: next, include: TENANT_INCLUDE });
  }

  /** In a system transaction: the host may be another tenant's, and one that a tenant loses is free again. */
  async setHosts(tx: Tx, tenantId: string, hosts: readonly string[]): Promise<void> {
    await tx.tenantHost.deleteMany({ where: { tenantId, host: { notIn: [...hosts] } } });
    const taken = await tx.tenantHost.findMany({ where: { host: { in: [...hosts] } } });
    if (taken.some((row) => row.tenantId !== tenantId)) throw new HostTaken();
    const fresh = hosts.filter((host) => !taken.some((row) => row.host === host));
    try {
      await tx.tenantHost.createMany({ data: fresh.map((host) => ({ host, tenantId })) });
    } catch (cause) {
      if (isUniqueViolation(cause)) throw new HostTaken({ cause }); // taken between the look and the write
      throw cause;
    }
  }

  /** Puts every agent away; its folder is kept. */
  async restAgents(tx: Tx, tenantId: string): Promise<number> {
    const data = { desiredState: 'inactive', generation: { increment: 1n }, dueAt: this.clock.now() };
    return (await tx.agent.updateMany({ where: { tenantId, desiredState: 'active' }, data })).count;
  }

  /** Agents of members who are active run again. */
  async wakeAgents(tx: Tx, tenantId: string): Promise<number> {
    const data = { desiredState: 'active', generation: { increment: 1n }, dueAt: this.clock.now(), failures: 0 };
    const where = { tenantId, desiredState: 'inactive', member: { status: 'active' } };
    return (await tx.agent.updateMany({ where, data })).count;
  }
}
