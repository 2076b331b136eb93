import { Injectable } from '@nestjs/common';
import QRCode from 'qrcode';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { SessionsService } from '../sessions.service.js';
import { ProofInvalid, TotpOff, TotpOn } from '../sign-in/sign-in.errors.js';
import { RecoveryCodes } from './recovery-codes.js';
import { SecondFactorService } from './second-factor.service.js';
import { totpUrl } from './totp-codes.js';

export interface TotpView {
  readonly status: 'off' | 'pending' | 'on';
  readonly confirmedAt: string | null;
  readonly recoveryCodesLeft: number;
}

export interface TotpSetup {
  readonly secret: string;
  /** otpauth:// for apps on the same device. */
  readonly url: string;
  /** The same as a QR code: one SVG element. */
  readonly qrSvg: string;
}

/** Setting up an authenticator app: a secret, then a first code that shows that the app has it. */
@Injectable()
export class TotpSetupService {
  constructor(
    private readonly database: Database,
    private readonly factors: SecondFactorService,
    private readonly sessions: SessionsService,
    private readonly codes: RecoveryCodes,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  async get(userId: string): Promise<TotpView> {
    const row = await this.database.system((tx) => tx.userTotp.findUnique({ where: { userId } }));
    const status = !row ? 'off' : row.confirmedAt ? 'on' : 'pending';
    const confirmedAt = row?.confirmedAt?.toISOString() ?? null;
    return { status, confirmedAt, recoveryCodesLeft: row?.recoveryHashes.length ?? 0 };
  }

  /** A new secret that counts for nothing until it is confirmed. Throws TotpOn. */
  async begin(userId: string): Promise<TotpSetup> {
    const { secret, sealed: secretSealed } = await this.factors.newSecret(userId);
    const createdAt = this.clock.now();
    const email = await this.database.system(async (tx) => {
      const made = await tx.userTotp.createMany({ data: { userId, secretSealed, createdAt }, skipDuplicates: true });
      const where = { userId, confirmedAt: null };
      const again = await tx.userTotp.updateMany({ where, data: { secretSealed, createdAt } });
      if (made.count + again.count === 0) throw new TotpOn();
      return (await tx.user.findUniqueOrThrow({ where: { id: userId }, select: { email: true } })).email;
    });
    const url = totpUrl(secret, email);
    return { secret, url, qrSvg: await QRCode.toString(url, { type: 'svg', errorCorrectionLevel: 'M' }) };
  }

  /**
   * Turns it on. This session becomes one of two factors under a new cookie; the user's other sessions end. The recovery
   * codes are returned this once. Throws TotpOff, TotpOn, ProofInvalid or TooManyAttempts.
   */
  async confirm(userId: string, sessionId: string, code: string): Promise<{ codes: string[]; cookie: string }> {
    const row = await this.database.system((tx) => tx.userTotp.findUnique({ where: { userId } }));
    if (!row) throw new TotpOff();
    if (row.confirmedAt) throw new TotpOn();
    const lastStep = await this.factors.stepOf(userId, row.secretSealed, code);
    if (lastStep === undefined) throw new ProofInvalid();
    const { codes, hashes: recoveryHashes } = this.codes.make(userId);
    const data = { confirmedAt: this.clock.now(), lastStep, recoveryHashes };
    const cookie = await this.database.system(async (tx) => {
      const where = { userId, confirmedAt: null, secretSealed: row.secretSealed };
      if ((await tx.userTotp.updateMany({ where, data })).count === 0) throw new TotpOn();
      await this.sessions.endAll(tx, userId, sessionId);
      const fresh = await this.sessions.raise(tx, sessionId, 'totp');
      await this.#record(tx, userId, 'totp.enable');
      return fresh;
    });
    return { codes, cookie };
  }

  /** Turns it off; sessions opened with a code count as opened with one factor from then on. Throws TotpOff. */
  async disable(userId: string): Promise<void> {
    await this.database.system(async (tx) => {
      const { count } = await tx.userTotp.deleteMany({ where: { userId } });
      if (count === 0) throw new TotpOff();
      await this.sessions.lower(tx, userId);
      await this.#record(tx, userId, 'totp.disable');
    });
  }

  /** Ten new ones; what is left of the old ones stops working. Throws TotpOff. */
  async renewRecoveryCodes(userId: string): Promise<string[]> {
    const { codes, hashes: recoveryHashes } = this.codes.make(userId);
    await this.database.system(async (tx) => {
      const where = { userId, confirmedAt: { not: null } };
      if ((await tx.userTotp.updateMany({ where, data: { recoveryHashes } })).count === 0) throw new TotpOff();
      await this.#record(tx, userId, 'recovery-codes.renew');
    });
    return codes;
  }

  async #record(tx: Tx, userId: string, action: string): Promise<void> {
    const line = { tenantId: null, actor: `user:${userId}`, action, resource: 'user', resourceId: userId, data: {} };
    await this.audit.record(tx, line);
  }
}
