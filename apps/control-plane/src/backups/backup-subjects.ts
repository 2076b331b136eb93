import type { Tx } from '#libs/database';
import { BackupShared } from './backups.errors.js';
import { MemberNotFound } from '../members/members.errors.js';

/** The agent that a member's backups are of. */
export interface BackupSubject {
  readonly agentId: string;
  readonly memberId: string;
  readonly workspaceId: string;
  readonly gatewayId: string | null;
  readonly desiredState: string;
  /** Its folder exists: it has been attached once where it is. */
  readonly settled: boolean;
  readonly restoring: boolean;
}

type Named = { readonly externalId: string } | { readonly memberId: string };

/** Throws MemberNotFound. */
export async function subjectOf(tx: Tx, tenantId: string, named: Named): Promise<BackupSubject> {
  const by = 'memberId' in named ? { id: named.memberId } : { externalId: named.externalId };
  const where = { tenantId, member: { ...by, status: { not: 'erased' } } };
  const agent = await tx.agent.findFirst({ where, orderBy: { id: 'asc' } });
  if (!agent) throw new MemberNotFound();
  const { id: agentId, memberId, workspaceId, gatewayId, desiredState } = agent;
  return {
    agentId,
    memberId,
    workspaceId,
    gatewayId,
    desiredState,
    settled: gatewayId !== null && agent.attachedGeneration !== null,
    restoring: agent.restoreBackupId !== null,
  };
}

/** The same, holding the agent's row until the transaction ends: what was decided about it stays true. */
export async function holdSubject(tx: Tx, tenantId: string, named: Named): Promise<BackupSubject> {
  const { agentId } = await subjectOf(tx, tenantId, named);
  await tx.$queryRaw`SELECT 1 FROM agents WHERE id = ${agentId} FOR NO KEY UPDATE`;
  return subjectOf(tx, tenantId, named);
}

/**
 * A whole archive holds what everybody said to the agent, and nobody reads another's conversation by role: a member takes
 * it home only when no one else ever had a place in the workspace. Throws BackupShared.
 */
export async function assertNobodyElses(tx: Tx, tenantId: string, subject: BackupSubject): Promise<void> {
  const { workspaceId, memberId } = subject;
  const others = await tx.workspaceRole.count({ where: { tenantId, workspaceId, memberId: { not: memberId } } });
  if (others > 0 || (await wasShared(tx, tenantId, workspaceId))) throw new BackupShared();
}

/** What is written of a workspace when somebody besides its member comes or goes. */
const COMINGS = [
  'workspace.set-role',
  'workspace.join',
  'workspace.hand-over',
  'workspace.remove-member',
  'workspace.leave',
];

/** Roles and invitations go with those who had them; the audit trail stays. */
async function wasShared(tx: Tx, tenantId: string, workspaceId: string): Promise<boolean> {
  const named = { tenantId, resource: 'workspace', resourceId: workspaceId, action: { in: COMINGS } };
  const line = await tx.auditEntry.findFirst({ where: named, select: { id: true } });
  return line !== null;
}
