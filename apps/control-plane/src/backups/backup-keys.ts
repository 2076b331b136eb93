import { Injectable } from '@nestjs/common';
import { createAgeKeyPair } from '#libs/backup';
import { Database, Prisma } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { Vault } from '../secrets/vault.js';

export interface BackupRecipient {
  readonly id: string;
  readonly recipient: string;
}

const contextOf = (id: string): string => `backup-key/${id}`;
const isTaken = (error: unknown): boolean =>
  error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002';

/**
 * The keys that a tenant's backups are encrypted to: age identities, sealed. One is current; older ones only read. With its
 * keys every backup of a tenant is gone for good, wherever copies of it lie.
 */
@Injectable()
export class BackupKeys {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** What to encrypt to. The first one of a tenant is made when it is needed. */
  async current(tenantId: string): Promise<BackupRecipient> {
    return (await this.#find(tenantId)) ?? (await this.#first(tenantId));
  }

  /** Every key that may open a backup of the tenant, the current one first. Secret. */
  async identities(tenantId: string): Promise<string[]> {
    const rows = await this.database.system((tx) =>
      tx.backupKey.findMany({ where: { tenantId }, orderBy: { createdAt: 'desc' } }),
    );
    return Promise.all(rows.map(async (row) => String(await this.vault.open(row.identitySealed, contextOf(row.id)))));
  }

  /** A new key for what is backed up from now on; the one before stays for reading. */
  async rotate(tenantId: string): Promise<BackupRecipient> {
    const fresh = await this.#make(tenantId);
    await this.database.system(async (tx) => {
      await tx.backupKey.updateMany({ where: { tenantId, retiredAt: null }, data: { retiredAt: this.clock.now() } });
      await tx.backupKey.create({ data: fresh, select: { id: true } });
    });
    return fresh;
  }

  async #first(tenantId: string): Promise<BackupRecipient> {
    const fresh = await this.#make(tenantId);
    try {
      await this.database.system((tx) => tx.backupKey.create({ data: fresh, select: { id: true } }));
      return fresh;
    } catch (error) {
      // Another process made it at the same time: there is one current key, and it is that one.
      const theirs = isTaken(error) ? await this.#find(tenantId) : undefined;
      if (theirs) return theirs;
      throw error;
    }
  }

  async #find(tenantId: string): Promise<BackupRecipient | undefined> {
    const select = { id: true, recipient: true };
    const where = { tenantId, retiredAt: null };
    return (await this.database.system((tx) => tx.backupKey.findFirst({ where, select }))) ?? undefined;
  }

  async #make(tenantId: string) {
    const { recipient, identity } = await createAgeKeyPair();
    const id = this.ids.next('backupKey');
    const { sealed } = await this.vault.seal(tenantId, identity, contextOf(id));
    return { id, tenantId, recipient, identitySealed: sealed, createdAt: this.clock.now() };
  }
}
