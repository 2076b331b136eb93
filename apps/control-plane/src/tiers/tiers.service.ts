import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Ids } from '#libs/kernel';
import { TIER_TEMPLATES, type TierDefinition } from '#libs/trust';
import { columnsOf, contentOf, type TierContent, type TierRow } from './tier-definition.js';

export type TierTemplateKey = keyof typeof TIER_TEMPLATES;

export interface TierView extends TierContent {
  readonly key: string;
  readonly version: number;
  /** Members keep a retired tier; nobody else can get it. */
  readonly retiredAt: string | null;
}

export interface TierTemplateView {
  readonly key: string;
  readonly name: string;
  readonly tiers: readonly TierDefinition[];
}

export const toTierView = (row: TierRow): TierView => ({
  key: row.key,
  ...contentOf(row),
  version: row.version,
  retiredAt: row.retiredAt?.toISOString() ?? null,
});

/** The tenant's tiers, and the ready-made sets to start from. */
@Injectable()
export class TiersService {
  constructor(
    private readonly database: Database,
    private readonly ids: Ids,
  ) {}

  async list(tenantId: string): Promise<TierView[]> {
    const rows = await this.database.tenant(tenantId, (tx) =>
      tx.tier.findMany({ where: { tenantId }, orderBy: [{ rank: 'asc' }, { key: 'asc' }] }),
    );
    return rows.map(toTierView);
  }

  async templates(): Promise<TierTemplateView[]> {
    const rows = await this.database.raw.tierTemplate.findMany({ orderBy: { key: 'asc' } });
    return rows.map(({ key, name, tiers }) => ({ key, name, tiers: tiers as unknown as TierDefinition[] }));
  }

  /** Stores the ready-made templates; they are ours, so a newer version replaces them. Tenants keep their own copies. */
  async seedTemplates(): Promise<void> {
    await this.database.system(async (tx) => {
      for (const [key, template] of Object.entries(TIER_TEMPLATES)) {
        const data = { name: template.name, tiers: template.tiers as unknown as Prisma.InputJsonArray };
        await tx.tierTemplate.upsert({ where: { key }, create: { key, ...data }, update: data });
      }
    });
  }

  /** Gives a tenant its own copies of a template's tiers, of those whose keys it does not have; returns their keys. */
  async copyTemplate(tx: Tx, tenantId: string, key: TierTemplateKey, actor = 'system:template'): Promise<string[]> {
    const template = await tx.tierTemplate.findUniqueOrThrow({ where: { key } });
    const known = await tx.tier.findMany({ where: { tenantId }, select: { key: true } });
    const keys = new Set(known.map((row) => row.key));
    const missing = (template.tiers as unknown as TierDefinition[]).filter((tier) => !keys.has(tier.key));
    for (const { key: own, ...content } of missing) await this.insert(tx, tenantId, own, content, actor);
    return missing.map((tier) => tier.key);
  }

  /** A new tier and its first version. */
  async insert(tx: Tx, tenantId: string, key: string, content: TierContent, actor: string): Promise<TierRow> {
    const row = await tx.tier.create({ data: { ...columnsOf(content), id: this.ids.next('tier'), tenantId, key } });
    await this.keepVersion(tx, row, actor);
    return row;
  }

  /** What a version was stays readable; a version that is kept already is not written again. */
  async keepVersion(tx: Tx, row: TierRow, actor: string): Promise<void> {
    const content = { key: row.key, ...columnsOf(contentOf(row)) };
    const data = { tierId: row.id, tenantId: row.tenantId, version: row.version, content, actor };
    await tx.tierVersion.createMany({ data: [data], skipDuplicates: true });
  }
}
