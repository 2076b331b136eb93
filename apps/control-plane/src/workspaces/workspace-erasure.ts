import type { Tx } from '#libs/database';

export interface ErasedMember {
  readonly tenantId: string;
  readonly memberId: string;
  readonly email: string;
  /** The one whose agent goes with the member. */
  readonly workspaceId: string;
}

/**
 * Takes an erased member out of every workspace, in the transaction of the erasure. Nobody is in the member's own workspace
 * any more; one that the member owned but that runs on somebody else's membership goes back to that member.
 */
export async function eraseFromWorkspaces(tx: Tx, erased: ErasedMember): Promise<void> {
  const { tenantId, memberId, workspaceId, email } = erased;
  await tx.workspaceRole.deleteMany({ where: { tenantId, workspaceId } });
  const owned = await tx.workspaceRole.findMany({ where: { tenantId, memberId, role: 'owner' } });
  await tx.workspaceRole.deleteMany({ where: { tenantId, memberId } });
  const orphans = await tx.workspace.findMany({
    where: { tenantId, id: { in: owned.map((row) => row.workspaceId) } },
    select: { id: true, memberId: true },
  });
  for (const orphan of orphans)
    await tx.workspaceRole.upsert({
      where: { workspaceId_memberId: { workspaceId: orphan.id, memberId: orphan.memberId } },
      create: { tenantId, workspaceId: orphan.id, memberId: orphan.memberId, role: 'owner' },
      update: { role: 'owner' },
    });
  await tx.invitation.deleteMany({
    where: {
      tenantId,
      kind: 'workspace',
      OR: [{ workspaceId }, { acceptedBy: memberId }, { email: { equals: email, mode: 'insensitive' } }],
    },
  });
}
