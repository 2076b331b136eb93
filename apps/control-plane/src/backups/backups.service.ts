import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { deadline } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { BackupArchives } from './backup-archives.js';
import { BackupStores } from './backup-stores.js';
import { assertNobodyElses, type BackupSubject, holdSubject, subjectOf } from './backup-subjects.js';
import { type BackupView, toBackupView } from './backup-view.js';
import { BackupInUse, BackupLimitReached, BackupNotFound, BackupNotReady, NothingToBackUp } from './backups.errors.js';
import type { BackupRow } from './backup-rows.js';
import { DownloadPlaces } from './download-places.js';
import { BackupsRepository } from './backups.repository.js';

/** Backups of a member that were asked for and are kept. */
const MOST_MANUAL = 20;
/** Longest time for one archive, in milliseconds: a reader that takes next to nothing is cut. */
const DOWNLOAD_LIMIT = 3_600_000;

export interface BackupCaller {
  readonly tenantId: string;
  readonly actor: string;
}

/** Whose backups: a member by the tenant's name, or by id. */
export type BackupOwner = { readonly externalId: string } | { readonly memberId: string };

/** A member's backups, for its tenant and for itself. Workers make and delete them. */
@Injectable()
export class BackupsService {
  readonly #places = new DownloadPlaces();

  constructor(
    private readonly database: Database,
    private readonly backups: BackupsRepository,
    private readonly archives: BackupArchives,
    private readonly stores: BackupStores,
    private readonly audit: AuditLog,
  ) {}

  /** Newest first. Throws MemberNotFound. */
  async list(tenantId: string, owner: BackupOwner, after: string | undefined, limit: number): Promise<BackupView[]> {
    return this.database.tenant(tenantId, async (tx) => {
      const { memberId } = await subjectOf(tx, tenantId, owner);
      const rows = await tx.backup.findMany({
        where: { tenantId, memberId, status: { not: 'deleting' }, ...(after ? { id: { lt: after } } : {}) },
        orderBy: { id: 'desc' },
        take: limit,
      });
      return rows.map(toBackupView);
    });
  }

  async get(tenantId: string, owner: BackupOwner, id: string): Promise<BackupView> {
    return this.database.tenant(tenantId, async (tx) => toBackupView(await this.#row(tx, tenantId, owner, id)));
  }

  /** Asks for a backup now; one that is under way already is that one. Throws NothingToBackUp, BackupLimitReached. */
  async request(caller: BackupCaller, owner: BackupOwner, keepDays: number | undefined): Promise<BackupView> {
    const { tenantId } = caller;
    return this.database.tenant(tenantId, async (tx) => {
      const subject = await holdSubject(tx, tenantId, owner);
      if (!subject.settled) throw new NothingToBackUp();
      const { agentId, memberId } = subject;
      const mine = { tenantId, agentId, kind: 'manual' };
      const open = await tx.backup.findFirst({ where: { ...mine, status: { in: ['pending', 'running'] } } });
      if (open) return toBackupView(open);
      const kept = await tx.backup.count({ where: { ...mine, status: { in: ['succeeded', 'failed'] } } });
      if (kept >= MOST_MANUAL) throw new BackupLimitReached(MOST_MANUAL);
      const row = await this.backups.insert(tx, { ...this.#whose(tenantId, subject), kind: 'manual', keepDays });
      await this.#record(tx, caller, 'backup.create', row.id, { agentId, memberId });
      return toBackupView(row);
    });
  }

  /** Gives a backup up: gone from lists at once, its object within a minute. Throws BackupNotFound, BackupInUse. */
  async remove(caller: BackupCaller, owner: BackupOwner, id: string): Promise<void> {
    await this.database.tenant(caller.tenantId, async (tx) => {
      await holdSubject(tx, caller.tenantId, owner);
      const row = await this.#row(tx, caller.tenantId, owner, id);
      if ((await tx.agent.count({ where: { tenantId: caller.tenantId, restoreBackupId: id } })) > 0)
        throw new BackupInUse();
      const count = await this.backups.giveUp(tx, { id, tenantId: caller.tenantId });
      if (count > 0) await this.#record(tx, caller, 'backup.delete', id, { agentId: row.agentId });
    });
  }

  /** All of it in clear, as `.tar.zst`: whoever may do this reads what the member wrote. `begin` is called once it is sure. */
  async download(caller: BackupCaller, owner: BackupOwner, id: string, begin: () => AbortSignal): Promise<Readable> {
    let release: (() => void) | undefined;
    try {
      const row = await this.database.tenant(caller.tenantId, async (tx) => {
        const found = await this.#mine(tx, caller.tenantId, owner, id);
        release?.(); // the transaction may be run again
        release = this.#places.take(found.memberId);
        await this.#record(tx, caller, 'backup.download', id, { agentId: found.agentId });
        return found;
      });
      const archive = await this.archives.openCompressed(row, deadline(DOWNLOAD_LIMIT, begin()));
      return archive.once('close', () => release?.());
    } catch (error) {
      release?.();
      throw error;
    }
  }

  /** One that may be taken home. */
  async #mine(tx: Tx, tenantId: string, owner: BackupOwner, id: string): Promise<BackupRow> {
    const found = await this.#row(tx, tenantId, owner, id);
    if (found.status !== 'succeeded') throw new BackupNotReady(found.status);
    if ('memberId' in owner) await assertNobodyElses(tx, tenantId, await subjectOf(tx, tenantId, owner));
    return found;
  }

  #whose(tenantId: string, { agentId, memberId, gatewayId }: BackupSubject) {
    return { tenantId, agentId, memberId, gatewayId, store: this.stores.current };
  }

  async #row(tx: Tx, tenantId: string, owner: BackupOwner, id: string): Promise<BackupRow> {
    const { memberId } = await subjectOf(tx, tenantId, owner);
    const row = await this.backups.find(tx, tenantId, id);
    if (!row || row.memberId !== memberId || row.status === 'deleting') throw new BackupNotFound();
    return row;
  }

  async #record(tx: Tx, caller: BackupCaller, action: string, id: string, data: Record<string, string>): Promise<void> {
    await this.audit.record(tx, { ...caller, action, resource: 'backup', resourceId: id, data });
  }
}
