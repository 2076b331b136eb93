import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Vault } from '../secrets/vault.js';
import { IdempotencyInProgress, IdempotencyKeyReused } from './http.errors.js';

const DAY_MS = 24 * 3_600_000;
/** A request that has not finished by then died with its process; another one may take over. */
const ABANDONED_AFTER_MS = 60_000;

export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

interface SealedAnswer {
  readonly status: number;
  readonly headers: unknown;
  readonly body: unknown;
}

/** A claim on a key; `since` tells it from a later one that took over. */
export interface Claim {
  readonly scope: string;
  readonly key: string;
  readonly since: Date;
}

const contextOf = (scope: string, key: string): string => `idempotency/${scope}/${key}`;

/**
 * Answers by idempotency key. One caller's claim wins by a single statement; the others get the stored answer or are
 * told to wait. Bodies are sealed: some answers carry tokens. If the process dies after the work and before `finish`,
 * the work is done again after a minute: what the key protects must itself be safe to repeat.
 */
@Injectable()
export class IdempotencyRepository {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly clock: Clock,
  ) {}

  /** A claim to do the work, or the answer of the first request. Throws IdempotencyKeyReused or IdempotencyInProgress. */
  async claim(scope: string, key: string, requestHash: string): Promise<{ claim: Claim } | { answer: StoredAnswer }> {
    const since = this.clock.now();
    const claim = { scope, key, since };
    const fresh = { requestHash, state: 'pending', createdAt: since, expiresAt: new Date(since.getTime() + DAY_MS) };
    const found = await this.database.system<{ claim: Claim } | { stored: SealedAnswer }>(async (tx) => {
      const made = await tx.idempotencyKey.createMany({ data: { scope, key, ...fresh }, skipDuplicates: true });
      if (made.count === 1) return { claim };
      const abandoned = new Date(since.getTime() - ABANDONED_AFTER_MS);
      const taken = await tx.idempotencyKey.updateMany({
        where: {
          scope,
          key,
          OR: [{ expiresAt: { lte: since } }, { state: 'pending', requestHash, createdAt: { lte: abandoned } }],
        },
        data: fresh,
      });
      if (taken.count === 1) return { claim };
      const row = await tx.idempotencyKey.findUnique({ where: { scope_key: { scope, key } } });
      if (row && row.requestHash !== requestHash) throw new IdempotencyKeyReused();
      if (row?.state !== 'done' || row.status === null) throw new IdempotencyInProgress();
      return { stored: { status: row.status, headers: row.headers, body: row.body } };
    });
    return 'claim' in found ? found : { answer: await this.#open(scope, key, found.stored) };
  }

  async finish(claim: Claim, answer: StoredAnswer): Promise<void> {
    const context = contextOf(claim.scope, claim.key);
    const { sealed } = await this.vault.seal(null, JSON.stringify(answer.body ?? null), context);
    await this.database.system((tx) =>
      tx.idempotencyKey.updateMany({
        where: { scope: claim.scope, key: claim.key, createdAt: claim.since, state: 'pending' },
        data: {
          state: 'done',
          status: answer.status,
          headers: { ...answer.headers },
          body: { sealed: Buffer.from(sealed).toString('base64') },
        },
      }),
    );
  }

  /** The work failed in a way that another try may mend: the key is free again. */
  async release(claim: Claim): Promise<void> {
    await this.database.system((tx) =>
      tx.idempotencyKey.deleteMany({
        where: { scope: claim.scope, key: claim.key, createdAt: claim.since, state: 'pending' },
      }),
    );
  }

  /** Deletes what is older than a day; called now and then by the interceptor. */
  async clean(): Promise<number> {
    const where = { expiresAt: { lte: this.clock.now() } };
    return (await this.database.system((tx) => tx.idempotencyKey.deleteMany({ where }))).count;
  }

  async #open(scope: string, key: string, { status, headers, body }: SealedAnswer): Promise<StoredAnswer> {
    const { sealed } = body as { sealed: string };
    const text = (await this.vault.open(Buffer.from(sealed, 'base64'), contextOf(scope, key))).toString();
    return { status, headers: headers as Record<string, string>, body: JSON.parse(text) as unknown };
  }
}
