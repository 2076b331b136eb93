import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import type { TrustMode } from '#libs/trust';
import { MemberNotFound } from '../members/members.errors.js';
import { trustCeiling } from '../provisioning/config-compiler.js';
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
  tenant: { select: { slug: true, trustCeiling: true, status: true } },
  agents: { where: { desiredState: 'active' }, orderBy: { id: 'asc' }, take: 1 },
} as const;

/** Reads members as tokens need them: within one tenant, active, with an agent. */
@Injectable()
export class MembersReader {
  constructor(private readonly database: Database) {}

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

  /** Any member, whatever its status, and when its tokens were last revoked. Throws MemberNotFound. */
  async revocable(
    tenantId: string,
    externalId: string,
  ): Promise<{ readonly memberId: string; readonly revokedBefore: Date | null }> {
    const where = { tenantId_externalId: { tenantId, externalId } };
    return this.database.tenant(tenantId, async (tx) => {
      const row = await tx.member.findUnique({ where, select: { id: true } });
      if (!row) throw new MemberNotFound();
      return { memberId: row.id, revokedBefore: await revokedBefore(tx, tenantId, row.id) };
    });
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
      trustModeMax: trustCeiling(tenant.trustCeiling, tier?.trustCeiling ?? 0, agent.desiredKind),
      channels: tier?.channels ?? [],
      revokedBefore: await revokedBefore(tx, tenantId, member.id),
    };
  }
}

async function revokedBefore(tx: Tx, tenantId: string, memberId: string): Promise<Date | null> {
  const latest = await tx.revocation.aggregate({ where: { tenantId, memberId }, _max: { issuedBefore: true } });
  return latest._max.issuedBefore;
}

interface MemberRow {
  readonly id: string;
  readonly tenantId: string;
  readonly tierKey: string;
  readonly status: string;
  readonly name: string | null;
  readonly email: string;
  readonly tenant: { readonly slug: string; readonly trustCeiling: number; readonly status: string };
  readonly agents: readonly {
    readonly id: string;
    readonly workspaceId: string;
    readonly gatewayId: string | null;
    readonly desiredKind: string;
  }[];
}
