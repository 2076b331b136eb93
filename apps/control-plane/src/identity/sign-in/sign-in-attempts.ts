import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { randomSecret, sha256 } from '../secrets.js';

export type AttemptKind = 'magic-link' | 'password-reset' | 'staff-invitation' | 'second-factor' | 'oidc' | 'passkey';

export interface NewAttempt {
  readonly kind: AttemptKind;
  /** Null: nobody is known yet, or nobody has this address. */
  readonly userId: string | null;
  readonly data?: Prisma.InputJsonObject;
  readonly seconds: number;
}

export interface Attempt {
  readonly userId: string | null;
  readonly data: Prisma.JsonValue;
}

const TOKEN = /^[\w-]{43}$/;

/** One-time tokens of sign-ins that take more than one step. Only a hash is stored; each is taken by one caller at most. */
@Injectable()
export class SignInAttempts {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  newToken(): { readonly token: string; readonly tokenHash: string } {
    const token = randomSecret();
    return { token, tokenHash: sha256(token) };
  }

  async issue(tx: Tx, input: NewAttempt): Promise<{ readonly token: string; readonly expiresAt: Date }> {
    const { token, tokenHash } = this.newToken();
    return { token, expiresAt: await this.#create(tx, { tokenHash, ...input }) };
  }

  /** For a token of `newToken`: every earlier one of that kind and user dies; parallel calls leave one. */
  async replace(tx: Tx, input: NewAttempt & { readonly tokenHash: string }): Promise<void> {
    const { kind, userId } = input;
    await tx.$queryRaw`SELECT id FROM users WHERE id = ${userId ?? ''} FOR NO KEY UPDATE`;
    await tx.signInAttempt.deleteMany({ where: { kind, userId: userId ?? 'nobody' } });
    await this.#create(tx, input);
  }

  /** What a token stands for, without using it up. */
  async find(kind: AttemptKind, token: string | undefined): Promise<Attempt | undefined> {
    if (!TOKEN.test(token ?? '')) return undefined;
    const where = { tokenHash: sha256(token!), kind, usedAt: null, expiresAt: { gt: this.clock.now() } };
    const select = { userId: true, data: true } as const;
    return (await this.database.system((tx) => tx.signInAttempt.findFirst({ where, select }))) ?? undefined;
  }

  /** Uses a token up: of any number of parallel callers one gets the attempt. */
  async take(tx: Tx, kind: AttemptKind, token: string | undefined): Promise<Attempt | undefined> {
    if (!TOKEN.test(token ?? '')) return undefined;
    const now = this.clock.now();
    const [row] = await tx.signInAttempt.updateManyAndReturn({
      where: { tokenHash: sha256(token!), kind, usedAt: null, expiresAt: { gt: now } },
      data: { usedAt: now },
      select: { userId: true, data: true },
    });
    return row;
  }

  /** Counts one try before it is made; undefined once `most` were made, whatever came of them. */
  async tryOnce(kind: AttemptKind, token: string | undefined, most: number): Promise<Attempt | undefined> {
    if (!TOKEN.test(token ?? '')) return undefined;
    const where = {
      tokenHash: sha256(token!),
      kind,
      usedAt: null,
      expiresAt: { gt: this.clock.now() },
      tries: { lt: most },
    };
    const data = { tries: { increment: 1 } };
    const rows = await this.database.system((tx) =>
      tx.signInAttempt.updateManyAndReturn({ where, data, select: { userId: true, data: true } }),
    );
    return rows[0];
  }

  /** Links that were mailed before something changed that they must not outlive. */
  async dropAll(tx: Tx, userId: string): Promise<void> {
    await tx.signInAttempt.deleteMany({ where: { userId } });
  }

  async #create(tx: Tx, input: NewAttempt & { readonly tokenHash: string }): Promise<Date> {
    const createdAt = this.clock.now();
    const expiresAt = new Date(createdAt.getTime() + input.seconds * 1_000);
    const { kind, userId, tokenHash, data = {} } = input;
    await tx.signInAttempt.create({
      data: { tokenHash, kind, userId, data, createdAt, expiresAt },
      select: { tokenHash: true },
    });
    return expiresAt;
  }
}
