import type { Tx } from '#libs/database';
import { TenantNotFound, TenantNotServing } from './tenants.errors.js';

/**
 * Before something of a tenant is made or brought back: throws TenantNotServing once it is closed. The share lock keeps a
 * close that comes meanwhile waiting, so that it finds every agent.
 */
export async function assertTenantOpen(tx: Tx, tenantId: string): Promise<void> {
  const [row] = await tx.$queryRaw<{ status: string }[]>`SELECT status FROM tenants WHERE id = ${tenantId} FOR SHARE`;
  if (!row) throw new TenantNotFound();
  if (row.status !== 'active' && row.status !== 'suspended') throw new TenantNotServing(row.status);
}
