import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import type { TrustMode } from '#libs/trust';
import { MemberNotFound } from '../members/members.errors.js';
import { TrustService } from '../trust/trust.service.js';
import type { MemberTrustRow } from '../trust/ceilings.js';
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

const include = {
  tenant: { select: { slug: true, status: true } },
  agents: { where: { desiredState: 'active' }, orderBy: { id: 'asc' }, take: 1 },
} as const;

/** Reads members as tokens need them: within one tenant, active, with an agent. */
@Injectable()
export class MembersReader {
  constructor(
    private readonly database: Database,
    private readonly trust: TrustService,
    private readonly revocations: RevocationsRepository,
  ) {}

  /** Throws MemberNotFound (also for another tenant's member) or MemberNotActive. */
  async byExternalId(tenantId: string, externalId: string): Promise<TokenSubject> {
    return this.database.tenant(tenantId, async (tx) => {
      const where = { tenantId_externalId: { tenantId, externalId } };
      return this.#subject(tx, await tx.member.findUnique({ where, include }));
    });
  }

  async byId(tenantId: string, id: string): Promise<TokenSubject> {
    return this.database.tenant(tenantId, async (tx) =>
      this.#subject(tx, await tx.member.findFirst({ where: { tenantId, id }, include })),
    );
  }

  async #subject(tx: Tx, member: MemberRow | null): Promise<TokenSubject> {
    if (!member) throw new MemberNotFound();
    const { tenantId, tierKey, tenant } = member;
    const agent = member.agents[0];
    if (member.status !== 'active' || tenant.status !== 'active' || !agent) throw new MemberNotActive();
    const tier = await tx.tier.findUnique({ where: { tenantId_key: { tenantId, key: tierKey } } });
    return {
      tenantId,
      slug: tenant.slug,
      memberId: member.id,
      memberName: member.name ?? member.email.split('@')[0] ?? 'there',
      agentId: agent.id,
      workspaceId: agent.workspaceId,
      gatewayId: agent.gatewayId,
      trustModeMax: await this.trust.ceilingOf(tx, member, agent.desiredKind),
      channels: tier?.channels ?? [],
      revokedBefore: await this.revocations.borderOf(tx, tenantId, member.id),
    };
  }
}

interface MemberRow extends MemberTrustRow {
  readonly id: string;
  readonly status: string;
  readonly name: string | null;
  readonly email: string;
  readonly tenant: { readonly slug: string; readonly status: string };
  readonly agents: readonly {
    readonly id: string;
    readonly workspaceId: string;
    readonly gatewayId: string | null;
    readonly desiredKind: string;
  }[];
}
