import type { Tx } from '#libs/database';
import { MemberNotFound } from '../members.errors.js';
import { agentsOf, type ArchiveUrl } from './agent-archives.js';

/** Lines of the audit log in one document, newest first; `truncated` says when there are more. */
const MAX_AUDIT_LINES = 10_000;
/** Days of usage in one document: more than thirteen months of several models. */
const MAX_USAGE_ROWS = 10_000;

export const DOCUMENT_FORMAT = 'wirebot-member-export/1';

/**
 * Everything that the control plane knows of a member, in words that do not depend on how it is stored. Sessions and memory
 * are the agent's own: they are in the archive that the document links to. Throws MemberNotFound.
 */
export async function gatherMember(
  tx: Tx,
  tenantId: string,
  memberId: string,
  now: Date,
  urlOf: ArchiveUrl,
): Promise<object> {
  const member = await tx.member.findFirst({ where: { tenantId, id: memberId, status: { not: 'erased' } } });
  if (!member) throw new MemberNotFound();
  const { id, externalId, email, name, tierKey: tier, status, timeZone, locale, createdAt, updatedAt } = member;
  return {
    format: DOCUMENT_FORMAT,
    exportedAt: now,
    member: { id, externalId, email, name, tier, status, timeZone, locale, createdAt, updatedAt },
    subscriptions: await tx.subscription.findMany({
      where: { tenantId, memberId },
      select: { tierKey: true, status: true, createdAt: true, updatedAt: true },
    }),
    workspaces: await workspacesOf(tx, tenantId, memberId),
    agents: await agentsOf(tx, member, urlOf),
    invitations: await tx.invitation.findMany({
      where: { tenantId, OR: [{ memberId }, { acceptedBy: memberId }, { invitedBy: `member:${memberId}` }] },
      select: {
        kind: true,
        workspaceId: true,
        role: true,
        mode: true,
        createdAt: true,
        expiresAt: true,
        acceptedAt: true,
      },
      orderBy: { id: 'asc' },
    }),
    trust: await tx.trustTransition.findMany({
      where: { tenantId, memberId },
      select: { fromMode: true, toMode: true, reason: true, at: true },
      orderBy: { at: 'asc' },
    }),
    usage: await usageOf(tx, tenantId, memberId),
    audit: await auditOf(tx, tenantId, memberId),
  };
}

async function workspacesOf(tx: Tx, tenantId: string, memberId: string): Promise<object[]> {
  const roles = await tx.workspaceRole.findMany({ where: { tenantId, memberId } });
  const rows = await tx.workspace.findMany({
    where: { tenantId, id: { in: roles.map((row) => row.workspaceId) } },
    orderBy: { id: 'asc' },
  });
  return rows.map(({ id, name, stage, createdAt, updatedAt }) => {
    const place = roles.find((row) => row.workspaceId === id);
    return { id, name, stage, role: place?.role, since: place?.createdAt, createdAt, updatedAt };
  });
}

async function usageOf(tx: Tx, tenantId: string, memberId: string): Promise<object> {
  const rows = await tx.usageDay.findMany({
    where: { tenantId, memberId },
    orderBy: [{ day: 'desc' }, { provider: 'asc' }, { model: 'asc' }],
    take: MAX_USAGE_ROWS + 1,
  });
  const days = rows.slice(0, MAX_USAGE_ROWS).map((row) => ({
    day: row.day.toISOString().slice(0, 10),
    workspaceId: row.workspaceId,
    provider: row.provider,
    model: row.model,
    calls: Number(row.calls),
    messages: Number(row.messages),
    inputTokens: Number(row.inputTokens),
    outputTokens: Number(row.outputTokens),
    cachedTokens: Number(row.cachedTokens),
  }));
  return { days, truncated: rows.length > MAX_USAGE_ROWS };
}

/** What was done to the member and by the member. Of others who did it the kind of caller is told, not who it was. */
async function auditOf(tx: Tx, tenantId: string, memberId: string): Promise<object> {
  const self = `member:${memberId}`;
  const rows = await tx.auditEntry.findMany({
    where: { tenantId, OR: [{ resource: 'member', resourceId: memberId }, { actor: self }] },
    orderBy: { seq: 'desc' },
    take: MAX_AUDIT_LINES + 1,
  });
  const lines = rows.slice(0, MAX_AUDIT_LINES).map((row) => ({
    at: row.at,
    action: row.action,
    by: row.actor === self ? 'you' : row.actor.split(':')[0],
    ...(row.actor === self ? { origin: row.origin } : {}),
  }));
  return { lines, truncated: rows.length > MAX_AUDIT_LINES };
}
