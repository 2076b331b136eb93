import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';

export type PasskeyRow = Prisma.PasskeyGetPayload<object>;

/** Credential ids have up to 1,023 bytes; addresses carry this instead. */
export const publicIdOf = (credentialId: string): string =>
  createHash('sha256').update(credentialId).digest('base64url').slice(0, 22);

@Injectable()
export class PasskeysRepository {
  constructor(private readonly database: Database) {}

  list(userId: string, tx?: Tx): Promise<PasskeyRow[]> {
    const query = { where: { userId }, orderBy: { createdAt: 'asc' } } as const;
    return tx ? tx.passkey.findMany(query) : this.database.system((own) => own.passkey.findMany(query));
  }

  async find(credentialId: string): Promise<PasskeyRow | undefined> {
    return (await this.database.system((tx) => tx.passkey.findUnique({ where: { credentialId } }))) ?? undefined;
  }

  /** The user's passkey by its public id; undefined when it is nobody's or another user's. */
  async findOwn(tx: Tx, userId: string, publicId: string): Promise<PasskeyRow | undefined> {
    const rows = await this.list(userId, tx);
    return rows.find((row) => publicIdOf(row.credentialId) === publicId);
  }

  /**
   * Notes a use. False when the counter did not rise: of two authenticators with the same key one is a copy. A counter
   * that stays zero is one that the authenticator does not keep. Atomic, so that parallel sign-ins cannot both pass.
   * Source: WebAuthn level 3, 7.2 step 22.
   */
  async advance(
    credentialId: string,
    use: { readonly counter: number; readonly backedUp: boolean; readonly deviceType: string; readonly at: Date },
  ): Promise<boolean> {
    const counter = BigInt(use.counter);
    const rises = use.counter === 0 ? { counter: 0n } : { counter: { lt: counter } };
    const data = { counter, backedUp: use.backedUp, deviceType: use.deviceType, lastUsedAt: use.at };
    const { count } = await this.database.system((tx) =>
      tx.passkey.updateMany({ where: { credentialId, ...rises }, data }),
    );
    return count === 1;
  }
}
