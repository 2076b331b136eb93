import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Ids } from '#libs/kernel';
import { TIER_TEMPLATES, type TierDefinition } from '#libs/trust';

export type TierTemplateKey = keyof typeof TIER_TEMPLATES;
type TierRow = Prisma.TierGetPayload<object>;

export interface TierView {
  readonly key: string;
  readonly name: string;
  readonly rank: number;
  readonly trustCeiling: number;
  readonly placement: string;
  readonly runtime: string;
  readonly channels: readonly string[];
  readonly limits: unknown;
  readonly resources: unknown;
  readonly version: number;
}

export const toTierView = (row: TierRow): TierView => ({
  key: row.key,
  name: row.name,
  rank: row.rank,
  trustCeiling: row.trustCeiling,
  placement: row.placement,
  runtime: row.runtime,
  channels: row.channels,
  limits: row.limits,
  resources: row.resources,
  version: row.version,
});

const json = (value: object): Prisma.InputJsonObject => value as Prisma.InputJsonObject;

@Injectable()
export class TiersService {
  constructor(
    private readonly database: Database,
    private readonly ids: Ids,
  ) {}

  async list(tenantId: string): Promise<TierView[]> {
    const rows = await this.database.tenant(tenantId, (tx) =>
      tx.tier.findMany({ where: { tenantId }, orderBy: { rank: 'asc' } }),
    );
    return rows.map(toTierView);
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

  /** Gives a new tenant its own copy of a template. */
  async copyTemplate(tx: Tx, tenantId: string, key: TierTemplateKey): Promise<void> {
    const template = await tx.tierTemplate.findUniqueOrThrow({ where: { key } });
    for (const tier of template.tiers as unknown as TierDefinition[]) {
      await tx.tier.create({
        data: {
          ...tier,
          id: this.ids.next('tier'),
          tenantId,
          channels: [...tier.channels],
          limits: json(tier.limits),
          resources: json(tier.resources),
          modules: [...tier.modules],
          idlePolicy: json(tier.idlePolicy),
          prices: json(tier.prices) as unknown as Prisma.InputJsonArray,
        },
      });
    }
  }
}
