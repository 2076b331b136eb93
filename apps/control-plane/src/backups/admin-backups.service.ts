import { Injectable } from '@nestjs/common';
import { BackupError } from '#libs/backup';
import { Database, type Prisma } from '#libs/database';
import { deadline } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { GatewayNotFound } from '../fleet/gateways.errors.js';
import { BackupArchives } from './backup-archives.js';
import { BackupStores } from './backup-stores.js';
import { type AdminBackupView, toAdminBackupView } from './backup-view.js';
import { BackupNotFound, BackupNotReady } from './backups.errors.js';
import { BackupsRepository } from './backups.repository.js';

/** Longest time that one reading may take, in milliseconds. */
const READ_LIMIT = 900_000;

export interface BackupFilter {
  readonly tenantId?: string | undefined;
  readonly agentId?: string | undefined;
  readonly status?: string | undefined;
  readonly kind?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

export interface BackupCheck {
  readonly backup: AdminBackupView;
  readonly good: boolean;
  /** Why it is not. */
  readonly problem: { readonly code: string; readonly message: string } | null;
}

/** What operators do with backups of every tenant. */
@Injectable()
export class AdminBackupsService {
  constructor(
    private readonly database: Database,
    private readonly backups: BackupsRepository,
    private readonly archives: BackupArchives,
    private readonly stores: BackupStores,
    private readonly audit: AuditLog,
  ) {}

  async list({ after, limit, ...wanted }: BackupFilter): Promise<AdminBackupView[]> {
    const { tenantId, agentId, status, kind } = wanted;
    const given = Object.entries({ tenantId, agentId, status, kind }).filter(([, value]) => value !== undefined);
    const where: Prisma.BackupWhereInput = { ...Object.fromEntries(given), ...(after ? { id: { lt: after } } : {}) };
    const query = { where, orderBy: { id: 'desc' as const }, take: limit };
    return (await this.database.system((tx) => tx.backup.findMany(query))).map(toAdminBackupView);
  }

  /** Reads all of it and compares every file with the manifest; what was found is on its row from then on. */
  async verify(id: string, actor: string, signal: AbortSignal): Promise<BackupCheck> {
    const row = await this.backups.findAny(id);
    if (!row) throw new BackupNotFound();
    if (row.status !== 'succeeded') throw new BackupNotReady(row.status);
    const problem = await this.#problemOf(() => this.archives.check(row, deadline(READ_LIMIT, signal)));
    await this.backups.noteVerified(id, problem);
    const data = { good: problem === null, ...(problem ? { problem: problem.code } : {}) };
    const line = { action: 'backup.verify', resource: 'backup', resourceId: id, data };
    await this.database.system((tx) => this.audit.record(tx, { ...line, tenantId: row.tenantId, actor }));
    return { backup: toAdminBackupView((await this.backups.findAny(id)) ?? row), good: problem === null, problem };
  }

  /** Asks for a backup of every agent on a gateway. Those that are under way already are those. */
  async backUpGateway(gatewayId: string, actor: string): Promise<AdminBackupView[]> {
    return this.database.system(async (tx) => {
      const gateway = await tx.gateway.findUnique({
        where: { id: gatewayId },
        include: { agents: { orderBy: { id: 'asc' } } },
      });
      if (!gateway || gateway.phase === 'deleted' || !gateway.tenantId) throw new GatewayNotFound();
      const rows: AdminBackupView[] = [];
      for (const agent of gateway.agents) {
        const whose = { tenantId: agent.tenantId, agentId: agent.id };
        const where = { ...whose, status: { in: ['pending', 'running'] } };
        const wanted = { ...whose, memberId: agent.memberId, gatewayId, store: this.stores.current, keepDays: 14 };
        const open = await tx.backup.findFirst({ where });
        rows.push(toAdminBackupView(open ?? (await this.backups.insert(tx, { ...wanted, kind: 'manual' }))));
      }
      const data = { backups: rows.length };
      const line = { action: 'gateway.backup', resource: 'gateway', resourceId: gatewayId, data };
      await this.audit.record(tx, { ...line, tenantId: gateway.tenantId, actor });
      return rows;
    });
  }

  /** What is wrong with a backup; an unreachable store is no finding, and thrown. */
  async #problemOf(check: () => Promise<unknown>): Promise<BackupCheck['problem']> {
    try {
      await check();
      return null;
    } catch (error) {
      if (!(error instanceof BackupError) || error.retryable) throw error;
      return { code: error.code, message: error.message };
    }
  }
}
