import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import type { SigningKey } from '#libs/tokens';
import { removableAfter } from './signing-key-life.js';

const LOCK = 'wirebot/signing-key';

export interface KeyRecord {
  readonly kid: string;
  readonly publicJwk: SigningKey['publicJwk'];
  readonly privateJwkEncrypted: Uint8Array;
  readonly createdAt: Date;
  readonly activeFrom: Date;
  readonly retiredAt: Date | null;
  readonly removeAfter: Date | null;
}

/** The rows of signing keys. They belong to the installation, not to a tenant: transactions are the system's. */
@Injectable()
export class SigningKeysRepository {
  constructor(private readonly clock: Clock) {}

  /** Until the transaction ends, no other process changes the key set. */
  async lock(tx: Tx): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext(${LOCK}))`;
  }

  /** The key that signs now; undefined before the first one. */
  async current(tx: Tx): Promise<KeyRecord | undefined> {
    const now = this.clock.now();
    const row = await tx.signingKey.findFirst({
      where: {
        activeFrom: { lte: now },
        ...this.#valid(now),
        AND: { OR: [{ retiredAt: null }, { retiredAt: { gt: now } }] },
      },
      orderBy: [{ activeFrom: 'desc' }, { kid: 'asc' }],
    });
    return (row as KeyRecord | null) ?? undefined;
  }

  /** Every key that a valid token may carry or will carry soon, the newest first. */
  async published(tx: Tx): Promise<KeyRecord[]> {
    const orderBy = [{ activeFrom: 'desc' }, { kid: 'asc' }] satisfies Prisma.SigningKeyOrderByWithRelationInput[];
    return (await tx.signingKey.findMany({ where: this.#valid(this.clock.now()), orderBy })) as unknown as KeyRecord[];
  }

  async add(tx: Tx, key: SigningKey, sealed: Uint8Array<ArrayBuffer>, activeFrom: Date): Promise<void> {
    const publicJwk = key.publicJwk as Prisma.InputJsonObject;
    const data = { kid: key.kid, publicJwk, privateJwkEncrypted: sealed, createdAt: this.clock.now(), activeFrom };
    await tx.signingKey.create({ data, select: { kid: true } });
  }

  /** Keys that nobody has retired yet sign until then and verify until nothing they signed can be valid. */
  async retire(tx: Tx, at: Date): Promise<void> {
    await tx.signingKey.updateMany({
      where: { retiredAt: null },
      data: { retiredAt: at, removeAfter: removableAfter(at) },
    });
  }

  /** Every key ends now, and every token of it. Returns their ids. */
  async withdraw(tx: Tx): Promise<string[]> {
    const now = this.clock.now();
    const rows = await tx.signingKey.updateManyAndReturn({
      where: this.#valid(now),
      data: { retiredAt: now, removeAfter: now },
      select: { kid: true },
    });
    return rows.map((row) => row.kid).sort();
  }

  /** Forgets keys whose time is over, with their private part. Returns their ids. */
  async prune(tx: Tx): Promise<string[]> {
    const rows = await tx.$queryRaw<{ kid: string }[]>`
      DELETE FROM signing_keys WHERE remove_after <= ${this.clock.now()} RETURNING kid`;
    return rows.map((row) => row.kid).sort();
  }

  /**
   * Every gateway gets the key set anew: the reconciler's sweep finds what is due within a second. In one order, so that
   * two such statements never wait for each other.
   */
  async renderGateways(tx: Tx): Promise<number> {
    return tx.$executeRaw`
      UPDATE gateways SET config_generation = config_generation + 1, due_at = now()
      WHERE id IN (SELECT id FROM gateways WHERE phase <> 'deleted' AND desired_state <> 'deleted' ORDER BY id FOR UPDATE)`;
  }

  #valid(now: Date): { readonly OR: Prisma.SigningKeyWhereInput[] } {
    return { OR: [{ removeAfter: null }, { removeAfter: { gt: now } }] };
  }
}
