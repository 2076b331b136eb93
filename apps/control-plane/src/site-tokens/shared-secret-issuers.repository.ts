import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';

export interface IssuerRecord {
  readonly tenantId: string;
  readonly enabled: boolean;
  readonly secretSealed: Uint8Array<ArrayBuffer>;
  readonly previousSealed: Uint8Array<ArrayBuffer> | null;
  readonly previousUntil: Date | null;
  readonly issuer: string | null;
  readonly audience: string | null;
  readonly trustModeMax: number;
  readonly updatedAt: Date;
}

export type IssuerChange = Omit<IssuerRecord, 'tenantId' | 'updatedAt'>;

/** One row per tenant at most. */
@Injectable()
export class SharedSecretIssuersRepository {
  async find(tx: Tx, tenantId: string): Promise<IssuerRecord | undefined> {
    return ((await tx.sharedSecretIssuer.findUnique({ where: { tenantId } })) as IssuerRecord | null) ?? undefined;
  }

  /** Until the transaction ends nobody else changes it, also where there is none yet. */
  async lock(tx: Tx, tenantId: string): Promise<IssuerRecord | undefined> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext(${`wirebot/shared-secret-issuer/${tenantId}`}))`;
    return this.find(tx, tenantId);
  }

  async put(tx: Tx, tenantId: string, change: IssuerChange): Promise<IssuerRecord> {
    const where = { tenantId };
    const create = { tenantId, ...change };
    return (await tx.sharedSecretIssuer.upsert({ where, create, update: change })) as IssuerRecord;
  }

  async remove(tx: Tx, tenantId: string): Promise<boolean> {
    return (await tx.sharedSecretIssuer.deleteMany({ where: { tenantId } })).count > 0;
  }
}
