import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Ids } from '#libs/kernel';
import { ChangeNotifier } from '#libs/queue';
import { AuditLog } from '../audit/audit-log.js';
import { type TierTemplateKey, TiersService } from '../tiers/tiers.service.js';
import { ROUTES_CHANNEL } from '../routing/route-publisher.js';
import { TenantExists } from './tenants.errors.js';
import { type TenantFilter, TenantsRepository } from './tenants.repository.js';
import { type OperatorTenantView, type TenantRow, toTenantView } from './tenant-view.js';

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
    private readonly repository: TenantsRepository,
    private readonly tiers: TiersService,
    private readonly audit: AuditLog,
    private readonly notifier: ChangeNotifier,
    private readonly ids: Ids,
  ) {}

  async findBySlug(slug: string): Promise<{ id: string; slug: string } | undefined> {
    const row = await this.database.system((tx) =>
      tx.tenant.findUnique({ where: { slug }, select: { id: true, slug: true } }),
    );
    return row ?? undefined;
  }

  /** A tenant with its own copy of the tiers; all or nothing. */
  async create(tenant: NewTenant): Promise<{ id: string; slug: string }> {
    const id = this.ids.next('tenant');
    const hosts = tenant.hosts.map((host) => host.toLowerCase());
    await this.database.system(async (tx) => {
      // One at a time: the check and the insert then see the same state, and the answer names the conflict.
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('tenants', 0))`;
      const taken = await tx.tenant.count({
        where: { OR: [{ slug: tenant.slug }, { hosts: { some: { host: { in: hosts } } } }] },
      });
      if (taken > 0) throw new TenantExists();
      await tx.tenant.create({ data: { id, slug: tenant.slug, name: tenant.name, brand: { ...tenant.brand } } });
      for (const host of hosts) await tx.tenantHost.create({ data: { host, tenantId: id } });
      await this.tiers.copyTemplate(tx, id, tenant.template);
      const line = {
        action: 'tenant.create',
        resource: 'tenant',
        resourceId: id,
        data: { slug: tenant.slug, template: tenant.template },
      };
      await this.audit.record(tx, { ...line, tenantId: id, actor: tenant.actor });
    });
    await this.notifier.publish(ROUTES_CHANNEL);
    return { id, slug: tenant.slug };
  }

  /** Throws TenantNotFound. */
  async get(id: string): Promise<{ id: string; slug: string }> {
    const { slug } = await this.row(id);
    return { id, slug };
  }

  /** For operators. Throws TenantNotFound. */
  async row(id: string): Promise<TenantRow> {
    return this.database.system((tx) => this.repository.get(tx, id));
  }

  /** For the tenant's own people. */
  async own(tenantId: string): Promise<TenantRow> {
    return this.database.tenant(tenantId, (tx) => this.repository.get(tx, tenantId));
  }

  async list(filter: TenantFilter): Promise<OperatorTenantView[]> {
    const rows = await this.database.system((tx) => this.repository.list(tx, filter));
    return rows.map((row) => ({ ...toTenantView(row), members: row.members }));
  }
}
