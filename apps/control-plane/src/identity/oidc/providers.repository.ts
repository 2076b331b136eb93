import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';

export type ProviderRow = Prisma.IdentityProviderGetPayload<object>;

/** Identity providers of the installation; they belong to no tenant. */
@Injectable()
export class ProvidersRepository {
  constructor(private readonly database: Database) {}

  list(where: { readonly enabled?: boolean } = {}): Promise<ProviderRow[]> {
    return this.database.system((tx) =>
      tx.identityProvider.findMany({ where, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] }),
    );
  }

  async findEnabled(key: string): Promise<ProviderRow | undefined> {
    const row = await this.database.system((tx) => tx.identityProvider.findUnique({ where: { key } }));
    return row?.enabled === true ? row : undefined;
  }

  async find(id: string): Promise<ProviderRow | undefined> {
    return (await this.database.system((tx) => tx.identityProvider.findUnique({ where: { id } }))) ?? undefined;
  }

  /** Locks the row until the commit, so that a change is based on what it says then. */
  async lock(tx: Tx, id: string): Promise<ProviderRow | undefined> {
    await tx.$queryRaw`SELECT id FROM identity_providers WHERE id = ${id} FOR UPDATE`;
    return (await tx.identityProvider.findUnique({ where: { id } })) ?? undefined;
  }
}
