import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database, type Tx } from '#libs/database';
import { Clock, DomainError, Ids } from '#libs/kernel';
import { Log } from '../../log.js';
import { OperationsRepository } from '../../operations/operations.repository.js';
import { Outbox } from '../../outbox/outbox.js';
import { Vault } from '../../secrets/vault.js';
import { gatherMember } from './member-document.js';

/** How long an export can be fetched, in days. */
const KEPT_DAYS = 7;
/** Put together in one run at most. */
const BATCH = 20;

/** What an export is sealed for. */
export const exportContext = (id: string): string => `member-export/${id}`;

interface Due {
  readonly id: string;
  readonly tenantId: string;
  readonly memberId: string;
  readonly overdue: boolean;
}

/**
 * Puts exports together. The operation's row is held meanwhile, and document and success are written in one transaction: a
 * process that dies leaves it to the next run, and two processes never do the same.
 */
@Injectable()
export class MemberExportRunner {
  constructor(
    private readonly database: Database,
    private readonly operations: OperationsRepository,
    private readonly vault: Vault,
    private readonly outbox: Outbox,
    private readonly config: ControlPlaneConfig,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly logger: Log,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    const due = await this.#due();
    for (const one of due) {
      if (signal.aborted) return;
      await this.#tryOne(one);
    }
    if (due.length > 0) await this.outbox.announce();
    const now = this.clock.now();
    await this.database.system((tx) => tx.memberExport.deleteMany({ where: { expiresAt: { lte: now } } }));
  }

  async #due(): Promise<Due[]> {
    const now = this.clock.now();
    const rows = await this.database.system((tx) => this.operations.openExports(tx, BATCH));
    return rows.flatMap(({ id, tenantId, memberId, deadline }) =>
      memberId === null ? [] : [{ id, tenantId, memberId, overdue: deadline < now }],
    );
  }

  async #tryOne(due: Due): Promise<void> {
    try {
      await this.#export(due);
    } catch (err) {
      const known = err instanceof DomainError && err.kind === 'not-found' ? err : undefined;
      this.logger.warn({ err, operation: due.id }, 'export not put together');
      if (known || due.overdue) await this.#fail(due, known);
    }
  }

  readonly #urlOf = (externalId: string, backupId: string): string =>
    `${this.config.url}/v1/members/${encodeURIComponent(externalId)}/backups/${backupId}/archive`;

  async #awaitsArchive(tx: Tx, operationId: string): Promise<boolean> {
    return (await tx.backup.count({ where: { operationId, status: { in: ['pending', 'running'] } } })) > 0;
  }

  async #export({ id: operationId, tenantId, memberId, overdue }: Due): Promise<void> {
    await this.database.tenant(tenantId, async (tx) => {
      if (!(await this.operations.holdExport(tx, tenantId, operationId))) return;
      // The agents' archives are being made; past the deadline the document comes with those there are.
      if (!overdue && (await this.#awaitsArchive(tx, operationId))) return;
      const now = this.clock.now();
      const document = await gatherMember(tx, tenantId, memberId, now, this.#urlOf);
      const text = JSON.stringify(document, null, 2);
      const id = this.ids.next('memberExport');
      const { sealed } = await this.vault.seal(tenantId, text, exportContext(id));
      const expiresAt = new Date(now.getTime() + KEPT_DAYS * 86_400_000);
      const bytes = Buffer.byteLength(text);
      const data = { id, tenantId, memberId, operationId, sealed, bytes, createdAt: now, expiresAt };
      await tx.memberExport.create({ data, select: { id: true } });
      const result = { url: `${this.config.url}/v1/exports/${id}`, expiresAt: expiresAt.toISOString(), bytes };
      await this.operations.finishExport(tx, tenantId, operationId, { result });
    });
  }

  async #fail({ id, tenantId }: Due, known: DomainError | undefined): Promise<void> {
    const code = known?.code ?? 'export-failed';
    const message = known?.message ?? 'The export could not be put together in time. Ask for it again.';
    await this.database.tenant(tenantId, async (tx) => {
      if (await this.operations.holdExport(tx, tenantId, id))
        await this.operations.finishExport(tx, tenantId, id, { error: { code, message } });
    });
  }
}
