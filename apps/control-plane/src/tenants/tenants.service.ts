import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Ids } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { type TierTemplateKey, TiersService } from '../tiers/tiers.service.js';

export interface NewTenant {
  readonly slug: string;
  readonly name: string;
  readonly hosts: readonly string[];
  readonly brand: { readonly name: string; readonly accent: string; readonly greeting: string };
  readonly template: TierTemplateKey;
  readonly actor: string;
}

@Injectable()
export class TenantsService {
  constructor(
    private readonly database: Database,
    private readonly tiers: TiersService,
    private readonly audit: AuditLog,
    private readonly ids: Ids,
  ) {}

  async findBySlug(slug: string): Promise<{ id: string; slug: string } | undefined> {
    const row = await this.database.system((tx) => tx.tenant.findUnique({ where: { slug }, select: { id: true, slug: true } }));
    return row ?? undefined;
  }

  /** A tenant with its own copy of the tiers; all or nothing. */
  async create(tenant: NewTenant): Promise<{ id: string; slug: string }> {
    const id = this.ids.next('tenant');
    await this.database.system(async (tx) => {
      await tx.tenant.create({ data: { id, slug: tenant.slug, name: tenant.name, brand: { ...tenant.brand } } });
      for (const host of tenant.hosts) await tx.tenantHost.create({ data: { host: host.toLowerCase(), tenantId: id } });
      await this.tiers.copyTemplate(tx, id, tenant.template);
      const line = { action: 'tenant.create', resource: 'tenant', resourceId: id, data: { slug: tenant.slug, template: tenant.template } };
      await this.audit.record(tx, { ...line, tenantId: id, actor: tenant.actor });
    });
    return { id, slug: tenant.slug };
  }
}
