import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { assertIfMatch } from '../http/etag.js';
import { CeilingChanges } from '../trust/ceiling-changes.js';
import { TenantChanges } from './tenant-changes.js';
import { TenantStateForbids } from './tenants.errors.js';
import { TenantsRepository } from './tenants.repository.js';
import { brandOf, limitsOf, type TenantBrand, tenantEtag, type TenantLimits, type TenantRow } from './tenant-view.js';

/** What a tenant says about itself. */
export interface OwnSettings {
  readonly name?: string | undefined;
  readonly brand?: Partial<TenantBrand> | undefined;
  readonly timeZone?: string | undefined;
  readonly locale?: string | undefined;
  readonly trustCeiling?: number | undefined;
}

/** What only operators decide. */
export interface PlatformSettings {
  readonly platformTrustCeiling?: number | undefined;
  readonly limits?: Partial<TenantLimits> | undefined;
  /** The whole list. A host decides whose site a request is for, so only an operator, who checked the domain, gives one. */
  readonly hosts?: readonly string[] | undefined;
}

interface Change {
  readonly data: Prisma.TenantUpdateInput;
  readonly hosts?: readonly string[];
}

type Json = Prisma.InputJsonValue;

/** Old and new values of what differs, for the audit log. */
type Differences = Record<string, { readonly from: Json; readonly to: Json }>;

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const given = <T extends object>(values: T): T =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;

@Injectable()
export class TenantSettingsService {
  constructor(
    private readonly database: Database,
    private readonly tenants: TenantsRepository,
    private readonly changes: TenantChanges,
    private readonly ceilings: CeilingChanges,
  ) {}

  /** By the tenant itself: a key or staff. */
  async change(tenantId: string, actor: string, wanted: OwnSettings, ifMatch?: string): Promise<TenantRow> {
    const work = (tx: Tx) =>
      this.#change(tx, tenantId, actor, ifMatch, (row) => {
        const { brand, ...plain } = given(wanted);
        return { data: { ...plain, ...(brand ? { brand: { ...brandOf(row), ...given(brand) } } : {}) } };
      });
    return this.#announced(await this.database.tenant(tenantId, work));
  }

  /** By an operator. */
  async changeAsOperator(id: string, actor: string, wanted: PlatformSettings, ifMatch?: string): Promise<TenantRow> {
    const work = (tx: Tx) =>
      this.#change(tx, id, actor, ifMatch, (row) => {
        const { limits, hosts, ...plain } = given(wanted);
        const data = { ...plain, ...(limits ? { limits: { ...limitsOf(row), ...given(limits) } } : {}) };
        return { data, ...(hosts ? { hosts: [...new Set(hosts.map((host) => host.toLowerCase()))].sort() } : {}) };
      });
    return this.#announced(await this.database.system(work));
  }

  async #change(
    tx: Tx,
    id: string,
    actor: string,
    ifMatch: string | undefined,
    plan: (row: TenantRow) => Change,
  ): Promise<TenantRow> {
    const before = await this.tenants.lock(tx, id);
    assertIfMatch(ifMatch, tenantEtag(before));
    if (before.status === 'erasing' || before.status === 'erased')
      throw new TenantStateForbids('changed', before.status);
    const { data, hosts } = plan(before);
    const differences = differencesOf(before, data, hosts);
    if (Object.keys(differences).length === 0) return before;
    if (differences['hosts'] && hosts) await this.tenants.setHosts(tx, id, hosts);
    const trust = differences['trustCeiling'] ?? differences['platformTrustCeiling'];
    const former = trust ? await this.ceilings.before(tx, id, {}) : [];
    const after = await this.tenants.update(tx, id, data);
    await this.ceilings.settle(tx, id, former, { reason: 'tenant-changed', actor });
    await this.changes.record(tx, {
      tenantId: id,
      actor,
      action: 'update',
      before: before.status,
      detail: differences,
    });
    return after;
  }

  /** After the commit: proxies learn names, hosts, limits and ceilings from the route feed. */
  async #announced(row: TenantRow): Promise<TenantRow> {
    await this.changes.announce();
    return row;
  }
}

function differencesOf(
  row: TenantRow,
  data: Prisma.TenantUpdateInput,
  hosts: readonly string[] | undefined,
): Differences {
  const current: Record<string, unknown> = { ...row, brand: brandOf(row), limits: limitsOf(row) };
  const wanted: Record<string, unknown> = { ...data };
  current['hosts'] = row.hosts.map((entry) => entry.host).sort();
  if (hosts) wanted['hosts'] = hosts;
  const changed = Object.keys(wanted).filter((key) => !same(current[key], wanted[key]));
  return Object.fromEntries(changed.map((key) => [key, { from: current[key] as Json, to: wanted[key] as Json }]));
}
