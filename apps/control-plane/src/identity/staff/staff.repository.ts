import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';

const WITH_USER = {
  tenant: { select: { name: true } },
  user: { select: { email: true, name: true, passwordHash: true, emailVerifiedAt: true, disabledAt: true } },
} as const;
export type StaffRow = Prisma.TenantStaffGetPayload<{ include: typeof WITH_USER }>;

/** Who works for a tenant. In system transactions: the table of users belongs to no tenant. */
@Injectable()
export class StaffRepository {
  /** Everything that changes who the owners are goes one after the other. */
  async lock(tx: Tx, tenantId: string): Promise<void> {
    await tx.$queryRaw`SELECT id FROM tenants WHERE id = ${tenantId} FOR NO KEY UPDATE`;
  }

  async find(tx: Tx, tenantId: string, userId: string): Promise<StaffRow | null> {
    return tx.tenantStaff.findUnique({ where: { tenantId_userId: { tenantId, userId } }, include: WITH_USER });
  }

  async list(tx: Tx, tenantId: string, after: string | undefined, take: number): Promise<StaffRow[]> {
    const where = { tenantId, ...(after === undefined ? {} : { userId: { gt: after } }) };
    return tx.tenantStaff.findMany({ where, include: WITH_USER, orderBy: { userId: 'asc' }, take });
  }

  /** False when the user works there already. */
  async add(tx: Tx, tenantId: string, userId: string, role: string, createdAt: Date): Promise<boolean> {
    const data = { tenantId, userId, role, createdAt };
    return (await tx.tenantStaff.createMany({ data, skipDuplicates: true })).count === 1;
  }

  async setRole(tx: Tx, tenantId: string, userId: string, role: string): Promise<void> {
    await tx.tenantStaff.updateMany({ where: { tenantId, userId }, data: { role } });
  }

  async remove(tx: Tx, tenantId: string, userId: string): Promise<void> {
    await tx.tenantStaff.deleteMany({ where: { tenantId, userId } });
  }

  /** False for operators, and for who works for another tenant too. */
  async worksHereAlone(tx: Tx, tenantId: string, userId: string): Promise<boolean> {
    const elsewhere = [{ platformRole: 'operator' }, { staff: { some: { tenantId: { not: tenantId } } } }];
    return (await tx.user.count({ where: { id: userId, OR: elsewhere } })) === 0;
  }

  async ownersBeside(tx: Tx, tenantId: string, userId: string): Promise<number> {
    return tx.tenantStaff.count({
      where: { tenantId, role: 'owner', userId: { not: userId }, user: { disabledAt: null } },
    });
  }
}
