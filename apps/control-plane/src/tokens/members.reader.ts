import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { effectiveMode, type TrustMode } from '#libs/trust';
import { TenantSuspended } from '../identity/identity.errors.js';
import { MemberNotFound } from '../members/members.errors.js';
import { TrustService } from '../trust/trust.service.js';
import type { MemberTrustRow } from '../trust/ceilings.js';
import { WorkspaceAccess } from '../workspaces/workspace-access.js';
import { WorkspaceNotFound } from '../workspaces/workspaces.errors.js';
import { RevocationsRepository } from './revocations.repository.js';
import { MemberNotActive } from './tokens.errors.js';

/** What a token says about a member, and where it leads. */
export interface TokenSubject {
  readonly tenantId: string;
  readonly slug: string;
  readonly memberId: string;
  readonly memberName: string;
  readonly agentId: string;
  readonly workspaceId: string;
  readonly gatewayId: string | null;
  readonly trustModeMax: TrustMode;
  readonly channels: readonly string[];
  /** Tokens from before this are revoked; null when none were. */
  readonly revokedBefore: Date | null;
}

/** A guest sees a workspace, never what only its people may. */
const GUEST_CEILING = 1;

const include = { tenant: { select: { slug: true, status: true, suspendedReason: true } } } as const;
const AGENT = { id: true, workspaceId: true, gatewayId: true, desiredKind: true } as const;

/** Reads members as tokens need them: within one tenant, active, with an agent. */
@Injectable()
export class MembersReader {
  constructor(
    private readonly database: Database,
    private readonly trust: TrustService,
    private readonly workspaces: WorkspaceAccess,
    private readonly revocations: RevocationsRepository,
  ) {}

  /**
   * In the member's own workspace, or in another one where the member has a role. Throws MemberNotFound (also for another
   * tenant's member), WorkspaceNotFound, MemberNotActive or TenantSuspended.
   */
  async byExternalId(tenantId: string, externalId: string, workspaceId?: string): Promise<TokenSubject> {
    return this.database.tenant(tenantId, async (tx) => {
      const where = { tenantId_externalId: { tenantId, externalId } };
      return this.#subject(tx, await tx.member.findUnique({ where, include }), workspaceId);
    });
  }

  async byId(tenantId: string, id: string): Promise<TokenSubject> {
    return this.database.tenant(tenantId, async (tx) =>
      this.#subject(tx, await tx.member.findFirst({ where: { tenantId, id }, include })),
    );
  }

  async #subject(tx: Tx, member: MemberRow | null, workspaceId?: string): Promise<TokenSubject> {
    if (!member) throw new MemberNotFound();
    const { tenantId, tierKey, tenant } = member;
    if (tenant.status !== 'active') throw new TenantSuspended(tenant.suspendedReason ?? `it is ${tenant.status}`);
    const place = await this.#placeOf(tx, member, workspaceId);
    const tier = await tx.tier.findUnique({ where: { tenantId_key: { tenantId, key: tierKey } } });
    const ceiling = await this.trust.ceilingOf(tx, member, place.agent.desiredKind);
    return {
      tenantId,
      slug: tenant.slug,
      memberId: member.id,
      memberName: member.name ?? member.email.split('@')[0] ?? 'there',
      agentId: place.agent.id,
      workspaceId: place.agent.workspaceId,
      gatewayId: place.agent.gatewayId,
      trustModeMax: place.isGuest ? effectiveMode(ceiling, GUEST_CEILING) : ceiling,
      channels: tier?.channels ?? [],
      revokedBefore: await this.revocations.borderOf(tx, tenantId, member.id),
    };
  }

  async #placeOf(tx: Tx, { id, tenantId, status }: MemberRow, workspaceId: string | undefined): Promise<TokenPlace> {
    const role = workspaceId === undefined ? 'owner' : await this.workspaces.roleOf(tx, tenantId, workspaceId, id);
    if (!role) throw new WorkspaceNotFound();
    const whose = workspaceId === undefined ? { memberId: id } : { workspaceId };
    const where = { tenantId, ...whose, desiredState: 'active' };
    const agent = await tx.agent.findFirst({ where, orderBy: { id: 'asc' }, select: AGENT });
    if (status !== 'active' || !agent) throw new MemberNotActive();
    return { agent, isGuest: role === 'guest' };
  }
}

interface TokenPlace {
  readonly agent: {
    readonly id: string;
    readonly workspaceId: string;
    readonly gatewayId: string | null;
    readonly desiredKind: string;
  };
  readonly isGuest: boolean;
}

interface MemberRow extends MemberTrustRow {
  readonly id: string;
  readonly status: string;
  readonly name: string | null;
  readonly email: string;
  readonly tenant: { readonly slug: string; readonly status: string; readonly suspendedReason: string | null };
}
