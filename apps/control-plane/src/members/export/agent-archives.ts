import type { Tx } from '#libs/database';
import type { StoredManifest } from '../../backups/backups.repository.js';

/** Where the archive of a backup is fetched: a tenant's link and a member's own differ. */
export type ArchiveUrl = (externalId: string, backupId: string) => string;

/**
 * A member's agents, each with its newest archive: sessions, memory and files are in there (`.tar.zst`), and fetched by its
 * link. Null: there is none, because nobody ever spoke to it or it could not be made.
 */
export async function agentsOf(
  tx: Tx,
  member: { readonly tenantId: string; readonly id: string; readonly externalId: string },
  urlOf: ArchiveUrl,
): Promise<object[]> {
  const { tenantId, id: memberId, externalId } = member;
  const agents = await tx.agent.findMany({ where: { tenantId, memberId }, orderBy: { id: 'asc' } });
  return Promise.all(
    agents.map(async ({ id, workspaceId, createdAt }) => {
      const where = { tenantId, agentId: id, status: 'succeeded' };
      const backup = await tx.backup.findFirst({ where, orderBy: { createdAt: 'desc' } });
      return { id, workspaceId, createdAt, archive: backup && archiveOf(backup, urlOf(externalId, backup.id)) };
    }),
  );
}

function archiveOf(
  backup: { readonly id: string; readonly createdAt: Date; readonly manifest: unknown },
  url: string,
): object {
  const { files = 0, bytes = 0 } = (backup.manifest ?? {}) as Partial<StoredManifest>;
  return { backup: backup.id, at: backup.createdAt, files, bytes, url };
}
