import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { MemberNotFound } from '../members/members.errors.js';
import { WorkspaceAccess } from './workspace-access.js';
import type { WorkspaceRole } from './workspace-policy.js';

/** What a member sees of itself. */
export interface OwnProfile {
  readonly id: string;
  readonly name: string | null;
  readonly email: string;
  readonly tier: string;
  readonly status: string;
  readonly timeZone: string;
  readonly locale: string;
  /** The workspace that the token is for; the role is null when it was taken away since. */
  readonly workspace: { readonly id: string; readonly role: WorkspaceRole | null };
}

@Injectable()
export class OwnProfileService {
  constructor(
    private readonly database: Database,
    private readonly access: WorkspaceAccess,
  ) {}

  /** Throws MemberNotFound. */
  async get(tenantId: string, memberId: string, workspaceId: string): Promise<OwnProfile> {
    return this.database.tenant(tenantId, async (tx) => {
      const row = await tx.member.findFirst({ where: { tenantId, id: memberId, status: { not: 'erased' } } });
      if (!row) throw new MemberNotFound();
      const { id, name, email, tierKey: tier, status, timeZone, locale } = row;
      const role = (await this.access.roleOf(tx, tenantId, workspaceId, memberId)) ?? null;
      return { id, name, email, tier, status, timeZone, locale, workspace: { id: workspaceId, role } };
    });
  }
}
