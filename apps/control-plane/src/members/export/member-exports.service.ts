import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { OperationView } from '#libs/contracts';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { BackupStores } from '../../backups/backup-stores.js';
import { BackupsRepository } from '../../backups/backups.repository.js';
import { OperationsRepository, toOperationView } from '../../operations/operations.repository.js';
import { Outbox } from '../../outbox/outbox.js';
import { Vault } from '../../secrets/vault.js';
import { MemberNotFound } from '../members.errors.js';
import { gatherMember } from './member-document.js';
import { exportContext } from './member-export-runner.js';
import { ExportNotFound } from './member-exports.errors.js';

/** Time for the agents' archives; an export that is asked for twice meanwhile is one. In seconds. */
const ARCHIVE_SECONDS = 1_200;

interface ExportCaller {
  readonly tenantId: string;
  readonly actor: string;
}

/** Asks for exports of members and hands them out. A worker puts them together. */
@Injectable()
export class MemberExportsService {
  constructor(
    private readonly database: Database,
    private readonly operations: OperationsRepository,
    private readonly audit: AuditLog,
    private readonly outbox: Outbox,
    private readonly vault: Vault,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
    private readonly backups: BackupsRepository,
    private readonly stores: BackupStores,
  ) {}

  /** One at a time per member: asked again meanwhile, it is the same operation. Throws MemberNotFound. */
  async request(caller: ExportCaller, externalId: string): Promise<OperationView> {
    const { tenantId, actor } = caller;
    const operation = await this.database.tenant(tenantId, async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`export:${tenantId}:${externalId}`}, 0))`;
      const where = { tenantId_externalId: { tenantId, externalId } };
      const member = await tx.member.findUnique({ where, select: { id: true, status: true } });
      if (!member || member.status === 'erased') throw new MemberNotFound();
      const open = await this.operations.findOpenExport(tx, tenantId, member.id);
      if (open) return open;
      const deadlineSeconds = Math.max(ARCHIVE_SECONDS, this.config.operationDeadlineSeconds);
      const row = await this.operations.openExport(tx, { tenantId, memberId: member.id, deadlineSeconds });
      await this.#archiveAgents(tx, tenantId, member.id, row.id);
      const line = { tenantId, actor, action: 'member.export', resource: 'member', resourceId: member.id };
      await this.audit.record(tx, { ...line, data: { operation: row.id } });
      return row;
    });
    await this.outbox.announce();
    return toOperationView(operation);
  }

  /** The document, as text. Throws ExportNotFound, also once its time is over. */
  async fetch(caller: ExportCaller, id: string): Promise<string> {
    const { tenantId, actor } = caller;
    const sealed = await this.database.tenant(tenantId, async (tx) => {
      const row = await tx.memberExport.findFirst({ where: { id, tenantId, expiresAt: { gt: this.clock.now() } } });
      if (!row) throw new ExportNotFound();
      const line = { tenantId, actor, action: 'member.export-fetch', resource: 'member', resourceId: row.memberId };
      await this.audit.record(tx, { ...line, data: { export: id } });
      return row.sealed;
    });
    return (await this.vault.open(sealed, exportContext(id))).toString('utf8');
  }

  /** A member's own, at once. Throws MemberNotFound. */
  async own(tenantId: string, memberId: string): Promise<string> {
    return this.database.tenant(tenantId, async (tx) => {
      const urlOf = (_: string, backupId: string) => `${this.config.url}/v1/me/backups/${backupId}/archive`;
      const document = await gatherMember(tx, tenantId, memberId, this.clock.now(), urlOf);
      const line = { tenantId, action: 'member.export', resource: 'member', resourceId: memberId, data: {} };
      await this.audit.record(tx, { ...line, actor: `member:${memberId}` });
      return JSON.stringify(document, null, 2);
    });
  }

  /** What the agents hold is archived anew: an export is as of now. One that has never been spoken to holds nothing. */
  async #archiveAgents(tx: Tx, tenantId: string, memberId: string, operationId: string): Promise<void> {
    const settled = { gatewayId: { not: null }, attachedGeneration: { not: null }, desiredState: { not: 'erased' } };
    const agents = await tx.agent.findMany({ where: { tenantId, memberId, ...settled } });
    for (const { id: agentId, gatewayId } of agents) {
      const whose = { tenantId, memberId, agentId, gatewayId, store: this.stores.current };
      await this.backups.insert(tx, { ...whose, kind: 'export', operationId });
    }
  }
}
