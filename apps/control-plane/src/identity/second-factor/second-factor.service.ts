import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { Vault } from '../../secrets/vault.js';
import { SignInLimits } from '../sign-in/sign-in-limits.js';
import { RecoveryCodes } from './recovery-codes.js';
import { newTotpSecret, totpStep } from './totp-codes.js';

export type SecondFactor = 'totp' | 'recovery-code';

/** Apps show `123 456`, and so people type it. */
const withoutGaps = (code: string): string => code.replace(/[\s-]/g, '');

const totpContext = (userId: string): string => `totp/${userId}`;

/** Checks codes. Each works once: of parallel calls with one code, one succeeds. */
@Injectable()
export class SecondFactorService {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly limits: SignInLimits,
    private readonly codes: RecoveryCodes,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  async isOn(userId: string): Promise<boolean> {
    const where = { userId, confirmedAt: { not: null } };
    return (await this.database.system((tx) => tx.userTotp.count({ where }))) > 0;
  }

  /** A secret for an authenticator app, and what of it is stored. */
  async newSecret(userId: string): Promise<{ readonly secret: string; readonly sealed: Uint8Array<ArrayBuffer> }> {
    const secret = newTotpSecret();
    return { secret, sealed: (await this.vault.seal(null, secret, totpContext(userId))).sealed };
  }

  /** The time step of a right code, which is not used up; counts the try. Throws TooManyAttempts. */
  async stepOf(userId: string, sealed: Uint8Array, code: string): Promise<number | undefined> {
    await this.limits.consume('codes', userId, userId);
    return this.#stepOf(userId, sealed, withoutGaps(code));
  }

  /** Uses a code up and tells what it was; undefined when it is wrong. Throws TooManyAttempts. */
  async use(userId: string, typed: string): Promise<SecondFactor | undefined> {
    await this.limits.consume('codes', userId, userId);
    const code = withoutGaps(typed);
    if (/^\d{6}$/.test(code)) return (await this.#useTotp(userId, code)) ? 'totp' : undefined;
    return (await this.#useRecovery(userId, code)) ? 'recovery-code' : undefined;
  }

  async #useTotp(userId: string, code: string): Promise<boolean> {
    const row = await this.database.system((tx) => tx.userTotp.findUnique({ where: { userId } }));
    if (!row?.confirmedAt) return false;
    const step = await this.#stepOf(userId, row.secretSealed, code);
    if (step === undefined) return false;
    const where = { userId, confirmedAt: { not: null }, lastStep: { lt: step } };
    const { count } = await this.database.system((tx) => tx.userTotp.updateMany({ where, data: { lastStep: step } }));
    return count === 1;
  }

  async #stepOf(userId: string, sealed: Uint8Array, code: string): Promise<number | undefined> {
    const secret = await this.vault.open(sealed, totpContext(userId));
    return totpStep(secret.toString(), code, this.clock.now());
  }

  async #useRecovery(userId: string, code: string): Promise<boolean> {
    const hash = this.codes.hash(userId, code);
    return this.database.system(async (tx) => {
      const [left] = await tx.$queryRaw<{ left: number }[]>`
        UPDATE user_totp SET recovery_hashes = array_remove(recovery_hashes, ${hash})
        WHERE user_id = ${userId} AND confirmed_at IS NOT NULL AND ${hash} = ANY(recovery_hashes)
        RETURNING cardinality(recovery_hashes) AS left`;
      if (!left) return false;
      const line = { tenantId: null, actor: `user:${userId}`, action: 'recovery-code.use', resource: 'user' };
      await this.audit.record(tx, { ...line, resourceId: userId, data: { left: left.left } });
      return true;
    });
  }
}
