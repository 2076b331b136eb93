import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { assertIfMatch } from '../http/etag.js';
import { decide, type TenantAction, type TenantStatus } from './tenant-states.js';
import { TenantChanges } from './tenant-changes.js';
import { TenantStateForbids } from './tenants.errors.js';
import { TenantsRepository } from './tenants.repository.js';
import { tenantEtag, type TenantRow } from './tenant-view.js';

const DAY_MS = 86_400_000;

export interface LifecycleCall {
  readonly tenantId: string;
  readonly actor: string;
  readonly ifMatch?: string | undefined;
  /** By somebody of the tenant: it runs seeing that tenant alone. */
  readonly own?: boolean;
}

interface Effect {
  readonly data: Prisma.TenantUpdateInput;
  /** For the audit log. */
  readonly detail: Prisma.InputJsonObject;
}

const PAST: Record<TenantAction, string> = {
  suspend: 'suspended',
  resume: 'resumed',
  close: 'closed',
  reopen: 'reopened',
  erase: 'erased',
};

/**
 * The life of a tenant. Every action is one transaction: the status, what follows from it for agents, the audit line and
 * the event. Proxies hear of it at once and refuse a tenant that is not active whatever its agents still do.
 */
@Injectable()
export class TenantLifecycle {
  constructor(
    private readonly database: Database,
    private readonly tenants: TenantsRepository,
    private readonly changes: TenantChanges,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
  ) {}

  /** Nobody is served; everything stays as it is. The tenant's own people may still look. */
  async suspend(call: LifecycleCall, reason: string): Promise<TenantRow> {
    return this.#act(call, 'suspend', async (_tx, before) => {
      const suspendedAt = before.suspendedAt ?? this.clock.now();
      return { data: { status: 'suspended', suspendedAt, suspendedReason: reason }, detail: { reason } };
    });
  }

  async resume(call: LifecycleCall): Promise<TenantRow> {
    return this.#act(call, 'resume', async () => ({
      data: { status: 'active', suspendedAt: null, suspendedReason: null },
      detail: {},
    }));
  }

  /** Agents are put away, data is kept and erased after some days unless somebody reopens it. */
  async close(call: LifecycleCall, eraseAfterDays = this.config.tenantEraseAfterDays): Promise<TenantRow> {
    return this.#act(call, 'close', async (tx, before) => {
      const agents = await this.tenants.restAgents(tx, before.id);
      const closedAt = this.clock.now();
      const eraseAfter = new Date(closedAt.getTime() + eraseAfterDays * DAY_MS);
      const detail = { agents, eraseAfter: eraseAfter.toISOString() };
      return { data: { status: 'closed', closedAt, eraseAfter }, detail };
    });
  }

  /** Back to where it was: a tenant that was suspended when it closed is suspended again. */
  async reopen(call: LifecycleCall): Promise<TenantRow> {
    return this.#act(call, 'reopen', async (tx, before) => {
      const agents = await this.tenants.wakeAgents(tx, before.id);
      const status: TenantStatus = before.suspendedAt ? 'suspended' : 'active';
      return { data: { status, closedAt: null, eraseAfter: null }, detail: { agents } };
    });
  }

  /** A closed tenant is erased now instead of later; there is no way back. */
  async erase(call: LifecycleCall): Promise<TenantRow> {
    return this.#act(call, 'erase', async () => ({
      data: { status: 'erasing', eraseAfter: this.clock.now() },
      detail: { early: true },
    }));
  }

  async #act(
    call: LifecycleCall,
    action: TenantAction,
    effect: (tx: Tx, before: TenantRow) => Promise<Effect>,
  ): Promise<TenantRow> {
    const work = async (tx: Tx): Promise<TenantRow> => {
      const before = await this.tenants.lock(tx, call.tenantId);
      assertIfMatch(call.ifMatch, tenantEtag(before));
      const decision = decide(before.status as TenantStatus, action);
      if (decision === 'refuse') throw new TenantStateForbids(PAST[action], before.status);
      if (decision === 'done') return before;
      const { data, detail } = await effect(tx, before);
      const after = await this.tenants.update(tx, before.id, data);
      await this.changes.record(tx, { tenantId: before.id, actor: call.actor, action, before: before.status, detail });
      return after;
    };
    const row = await (call.own ? this.database.tenant(call.tenantId, work) : this.database.system(work));
    await this.changes.announce();
    return row;
  }
}
