import { Injectable } from '@nestjs/common';
import QRCode from 'qrcode';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { SessionsService } from '../sessions.service.js';
import { ProofInvalid, TotpOff, TotpOn } from '../sign-in/sign-in.errors.js';
import { RecoveryCodes } from './recovery-codes.js';
import { SecondFactorService } from './second-factor.service.js';
import { totpUrl } from './totp-codes.js';

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
      const line = { tenantId: null, actor: `user:${userId}`, action: 'totp.enable', resource: 'user' };
      await this.audit.record(tx, { ...line, resourceId: userId, data: {} });
      return fresh;
    });
    return { codes, cookie };
  }
}
