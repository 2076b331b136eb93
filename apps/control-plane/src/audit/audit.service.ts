import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { type Page, PageQuery, decodeCursor, toPage } from '../http/cursor.js';
import { TenantNotFound } from '../tenants/tenants.errors.js';
import { AuditLog } from './audit-log.js';
import { PLATFORM_CHAIN, tenantOf } from './audit-chain.js';
import { exportStream } from './audit-export.js';
import { type AuditEntryView, type AuditFilter, AuditRepository, placeOf } from './audit.repository.js';
import type { ExportFormat } from './dto/audit-query.dto.js';

/** Whose lines: one tenant's, seen by itself; or what an operator asks for (`tenantId` may be `platform`). */
export type AuditView =
  | { readonly by: 'tenant'; readonly tenantId: string }
  | { readonly by: 'operator'; readonly tenantId?: string | undefined };

export interface AuditExport extends AuditFilter {
  readonly format: ExportFormat;
  readonly actorOfExport: string;
}

const EXPORT_PAGE = 500;
/** A receiver that has not taken everything by then asks again for the rest, with `from`. */
const EXPORT_LIMIT_MS = 10 * 60_000;

@Injectable()
export class AuditService {
  constructor(
    private readonly database: Database,
    private readonly entries: AuditRepository,
    private readonly log: AuditLog,
  ) {}

  async list(view: AuditView, query: AuditFilter & PageQuery): Promise<Page<AuditEntryView>> {
    const [beyond] = decodeCursor(query.cursor, 1) ?? [];
    const page = { order: 'desc', beyond, limit: query.limit + 1 } as const;
    const rows = await this.#read(view, (tx) => this.entries.list(tx, view.tenantId, query, page));
    return toPage(
      rows,
      query.limit,
      (row) => row,
      (row) => [placeOf(view.tenantId, row)],
    );
  }

  /** Oldest first. Taking the log away is itself a line of it. Throws TenantNotFound for an operator who names none. */
  async export(view: AuditView, wanted: AuditExport, gone: AbortSignal): Promise<Readable> {
    const { format, actorOfExport: actor, ...filter } = wanted;
    const owner = view.tenantId === undefined ? null : tenantOf(view.tenantId);
    const about = { resource: 'audit', resourceId: owner ?? PLATFORM_CHAIN, action: 'audit.export' };
    const data = { format, ...Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)) };
    await this.#read(view, async (tx) => {
      if (owner !== null && (await tx.tenant.count({ where: { id: owner } })) === 0) throw new TenantNotFound();
      await this.log.record(tx, { ...about, tenantId: owner, actor, data });
    });
    const signal = AbortSignal.any([gone, AbortSignal.timeout(EXPORT_LIMIT_MS)]);
    return exportStream(this.#pages(view, filter), format, signal);
  }

  async *#pages(view: AuditView, filter: AuditFilter): AsyncGenerator<readonly AuditEntryView[]> {
    let beyond: string | undefined;
    for (;;) {
      const page = { order: 'asc', beyond, limit: EXPORT_PAGE } as const;
      const rows = await this.#read(view, (tx) => this.entries.list(tx, view.tenantId, filter, page));
      if (rows.length > 0) yield rows;
      if (rows.length < EXPORT_PAGE) return;
      beyond = placeOf(view.tenantId, rows.at(-1)!);
    }
  }

  #read<T>(view: AuditView, work: (tx: Tx) => Promise<T>): Promise<T> {
    return view.by === 'tenant' ? this.database.tenant(view.tenantId, work) : this.database.system(work);
  }
}
