import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { TierRecords } from './tier-records.js';
import { type TierView, toTierView } from './tiers.service.js';

export interface TierVersionView {
  readonly version: number;
  readonly content: unknown;
  readonly actor: string;
  readonly createdAt: string;
}

/** One tier, and what it was. */
@Injectable()
export class TierVersionsService {
  constructor(
    private readonly database: Database,
    private readonly records: TierRecords,
  ) {}

  /** Throws TierNotFound. */
  async get(tenantId: string, key: string): Promise<TierView> {
    return toTierView(await this.database.tenant(tenantId, (tx) => this.records.get(tx, tenantId, key)));
  }

  /** Newest first. Throws TierNotFound. */
  async list(
    tenantId: string,
    key: string,
    page: { readonly before: number | undefined; readonly limit: number },
  ): Promise<TierVersionView[]> {
    const rows = await this.database.tenant(tenantId, async (tx) =>
      this.records.versions(tx, await this.records.get(tx, tenantId, key), page),
    );
    return rows.map(({ version, content, actor, createdAt }) => ({
      version,
      content,
      actor,
      createdAt: createdAt.toISOString(),
    }));
  }
}
