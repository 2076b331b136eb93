import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { AuditLog } from '../audit/audit-log.js';
import { actorOf, type Principal } from '../identity/principal.js';

/**
 * Somebody at a console who makes a token or a sign-in link for a member can then act as that member: that leaves a line
 * before it is handed out. A membership site's key does so at every visit and leaves none.
 */
@Injectable()
export class PersonalIssues {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
  ) {}

  async record(
    principal: Principal,
    tenantId: string,
    externalId: string,
    action: 'token.issue' | 'sign-in-link.create',
  ): Promise<void> {
    if (!('userId' in principal) || principal.userId === undefined) return;
    const actor = actorOf(principal);
    await this.database.tenant(tenantId, async (tx) => {
      const where = { tenantId_externalId: { tenantId, externalId } };
      const member = await tx.member.findUnique({ where, select: { id: true } });
      if (!member) return; // the call itself says that there is no such member
      const line = { action, resource: 'member', resourceId: member.id, data: {} };
      await this.audit.record(tx, { tenantId, actor, ...line });
    });
  }
}
