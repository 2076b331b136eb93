import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { OperationView } from '#libs/contracts';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { OperationsRepository, toOperationView } from '../operations/operations.repository.js';
import { Outbox } from '../outbox/outbox.js';
import { Waker } from '../provisioning/waker.js';
import { assertTenantOpen } from '../tenants/tenant-guard.js';
import { BackupStores } from './backup-stores.js';
import { type BackupSubject, holdSubject, subjectOf } from './backup-subjects.js';
import { AgentCannotRestore, BackupNotFound, BackupNotReady } from './backups.errors.js';
import type { BackupCaller } from './backups.service.js';
import type { BackupRow } from './backup-rows.js';
import { BackupsRepository } from './backups.repository.js';

/** A large folder takes its time: a restore is not late before this, in seconds. */
const RESTORE_DEADLINE = 1_800;

export interface RestoreWish {
  /** The member whose backup it is. */
  readonly externalId: string;
  readonly backupId: string;
  /** Another member whose agent becomes a copy; undefined: the same. */
  readonly into?: string | undefined;
  readonly skipBackup?: boolean | undefined;
}

/** Asks for an agent's folder to be replaced by a backup; the reconciler does it. */
@Injectable()
export class RestoresService {
  constructor(
    private readonly database: Database,
    private readonly backups: BackupsRepository,
    private readonly operations: OperationsRepository,
    private readonly audit: AuditLog,
    private readonly outbox: Outbox,
    private readonly waker: Waker,
    private readonly stores: BackupStores,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
  ) {}

  /** Throws MemberNotFound, BackupNotFound, BackupNotReady, AgentCannotRestore. */
  async request(caller: BackupCaller, wish: RestoreWish): Promise<OperationView> {
    const { tenantId } = caller;
    const { operation, agentId } = await this.database.tenant(tenantId, async (tx) => {
      await assertTenantOpen(tx, tenantId);
      const backup = await this.#backup(tx, tenantId, wish);
      const subject = await holdSubject(tx, tenantId, { externalId: wish.into ?? wish.externalId });
      assertRestorable(subject);
      const change = { restoreBackupId: backup.id, generation: { increment: 1n }, dueAt: this.clock.now() };
      const { generation } = await tx.agent.update({ where: { id: subject.agentId }, data: change });
      const row = await this.#open(tx, tenantId, subject, generation);
      if (subject.settled && !wish.skipBackup) await this.#backUpFirst(tx, tenantId, subject, row.id);
      const data = { agentId: subject.agentId, from: backup.agentId, operation: row.id };
      const line = { action: 'backup.restore', resource: 'backup', resourceId: backup.id, data };
      await this.audit.record(tx, { ...caller, ...line });
      return { operation: toOperationView(row), agentId: subject.agentId };
    });
    await this.outbox.announce();
    await this.waker.wake('agent', agentId);
    return operation;
  }

  async #backup(tx: Tx, tenantId: string, wish: RestoreWish): Promise<BackupRow> {
    const { memberId } = await subjectOf(tx, tenantId, { externalId: wish.externalId });
    const backup = await this.backups.find(tx, tenantId, wish.backupId);
    if (!backup || backup.memberId !== memberId) throw new BackupNotFound();
    if (backup.status !== 'succeeded') throw new BackupNotReady(backup.status);
    return backup;
  }

  #open(tx: Tx, tenantId: string, { agentId, memberId }: BackupSubject, generation: bigint) {
    const deadlineSeconds = Math.max(RESTORE_DEADLINE, this.config.operationDeadlineSeconds);
    const wanted = { tenantId, memberId, agentId, kind: 'restore' as const, moves: false };
    return this.operations.open(tx, { ...wanted, generation, deadlineSeconds });
  }

  /** What is there now can be had back, whatever the backup turns out to be. */
  async #backUpFirst(tx: Tx, tenantId: string, subject: BackupSubject, operationId: string): Promise<void> {
    const { agentId, memberId, gatewayId } = subject;
    const whose = { tenantId, agentId, memberId, gatewayId, store: this.stores.current };
    await this.backups.insert(tx, { ...whose, kind: 'pre-restore', operationId });
  }
}

function assertRestorable({ desiredState, restoring }: BackupSubject): void {
  if (desiredState === 'erased') throw new AgentCannotRestore('its member is being erased');
  if (desiredState !== 'active') throw new AgentCannotRestore('it is out of service; resume the member first');
  if (restoring) throw new AgentCannotRestore('it is being restored already; wait for that operation');
}
