import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { assertIfMatch, etagOf } from '../http/etag.js';
import { MemberNotFound } from '../members/members.errors.js';
import { assertMay, type WorkspaceCaller } from './workspace-caller.js';
import { WorkspaceEvents } from './workspace-events.js';
import type { WorkspaceRole } from './workspace-policy.js';
import { type Standing, type WorkspaceRow, WorkspacesRepository } from './workspaces.repository.js';

export interface WorkspaceView {
  readonly id: string;
  readonly name: string;
  readonly stage: string;
  /** Member id. */
  readonly ownerId: string;
  readonly agentId: string | null;
  /** What the member who asks is there; null for the tenant. */
  readonly role: WorkspaceRole | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface WorkspaceChange {
  readonly name?: string | undefined;
  readonly stage?: 'idea' | 'launch' | 'growth' | undefined;
}

export const workspaceEtag = (view: Pick<WorkspaceView, 'id' | 'updatedAt'>): string => etagOf(view.id, view.updatedAt);

const toView = (row: WorkspaceRow, standing: Standing | undefined): WorkspaceView => ({
  id: row.id,
  name: row.name,
  stage: row.stage,
  ownerId: standing?.ownerId ?? row.memberId,
  agentId: row.agent?.id ?? null,
  role: standing?.role ?? null,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

@Injectable()
export class WorkspacesService {
  constructor(
    private readonly database: Database,
    private readonly workspaces: WorkspacesRepository,
    private readonly events: WorkspaceEvents,
  ) {}

  /** For the tenant: every workspace, or those of one member. Throws MemberNotFound. */
  async list(
    tenantId: string,
    filter: { readonly member?: string | undefined; readonly after?: string | undefined; readonly limit: number },
  ): Promise<WorkspaceView[]> {
    return this.database.tenant(tenantId, async (tx) => {
      const { member, after, limit } = filter;
      const memberId = member === undefined ? undefined : await this.#memberId(tx, tenantId, member);
      return this.#views(tx, tenantId, await this.workspaces.list(tx, tenantId, { memberId, after, limit }), undefined);
    });
  }

  async listOwn(
    caller: WorkspaceCaller,
    filter: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<WorkspaceView[]> {
    const { tenantId, memberId } = caller;
    return this.database.tenant(tenantId, async (tx) =>
      this.#views(tx, tenantId, await this.workspaces.list(tx, tenantId, { ...filter, memberId }), memberId),
    );
  }

  async get(caller: WorkspaceCaller, id: string): Promise<WorkspaceView> {
    return this.database.tenant(caller.tenantId, async (tx) => {
      const row = await this.workspaces.get(tx, caller.tenantId, id);
      assertMay(caller, await this.workspaces.roles(tx, caller.tenantId, id), { do: 'read' });
      return (await this.#views(tx, caller.tenantId, [row], caller.memberId))[0]!;
    });
  }

  async change(caller: WorkspaceCaller, id: string, wanted: WorkspaceChange, ifMatch?: string): Promise<WorkspaceView> {
    const { tenantId, memberId } = caller;
    const view = await this.database.tenant(tenantId, async (tx) => {
      const before = await this.workspaces.lock(tx, tenantId, id);
      assertMay(caller, await this.workspaces.roles(tx, tenantId, id), { do: 'change' });
      assertIfMatch(ifMatch, workspaceEtag({ id, updatedAt: before.updatedAt.toISOString() }));
      const data = { name: wanted.name ?? before.name, stage: wanted.stage ?? before.stage };
      const changed = data.name !== before.name || data.stage !== before.stage;
      const after = changed ? await this.workspaces.change(tx, id, data) : before;
      const [result] = await this.#views(tx, tenantId, [after], memberId);
      // The name is the member's own words: that it changed is enough for the log.
      const detail = { renamed: data.name !== before.name, stage: { from: before.stage, to: data.stage } };
      if (changed) await this.events.record(tx, caller, id, 'update', detail);
      return result!;
    });
    await this.events.announce();
    return view;
  }

  async #views(
    tx: Tx,
    tenantId: string,
    rows: readonly WorkspaceRow[],
    memberId: string | undefined,
  ): Promise<WorkspaceView[]> {
    const ids = rows.map((row) => row.id);
    const standings = await this.workspaces.standings(tx, tenantId, ids, memberId);
    return rows.map((row) => toView(row, standings.get(row.id)));
  }

  async #memberId(tx: Tx, tenantId: string, externalId: string): Promise<string> {
    const where = { tenantId_externalId: { tenantId, externalId } };
    const row = await tx.member.findUnique({ where, select: { id: true } });
    if (!row) throw new MemberNotFound();
    return row.id;
  }
}
