import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { AuditLog } from '../../audit/audit-log.js';
import { SessionsService } from '../sessions.service.js';
import { SecurityNotices } from '../sign-in/security-notices.js';
import { codesChangedMail } from '../sign-in/sign-in-mails.js';
import { TotpOff } from '../sign-in/sign-in.errors.js';
import { RecoveryCodes } from './recovery-codes.js';

export interface TotpView {
  readonly status: 'off' | 'pending' | 'on';
  readonly confirmedAt: string | null;
  readonly recoveryCodesLeft: number;
}

/** An authenticator app that is set up already. */
@Injectable()
export class TotpService {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsService,
    private readonly codes: RecoveryCodes,
    private readonly notices: SecurityNotices,
    private readonly audit: AuditLog,
  ) {}

  async get(userId: string): Promise<TotpView> {
    const row = await this.database.system((tx) => tx.userTotp.findUnique({ where: { userId } }));
    const status = !row ? 'off' : row.confirmedAt ? 'on' : 'pending';
    const confirmedAt = row?.confirmedAt?.toISOString() ?? null;
    return { status, confirmedAt, recoveryCodesLeft: row?.recoveryHashes.length ?? 0 };
  }

  /** Turns it off; sessions opened with a code count as opened with one factor from then on. Throws TotpOff. */
  async disable(userId: string): Promise<void> {
    const where = { id: userId };
    const { email } = await this.database.system((tx) => tx.user.findUniqueOrThrow({ where, select: { email: true } }));
    const notice = await this.notices.prepare(email, codesChangedMail(false));
    await this.database.system(async (tx) => {
      const { count } = await tx.userTotp.deleteMany({ where: { userId } });
      if (count === 0) throw new TotpOff();
      await this.sessions.lower(tx, userId);
      await this.notices.append(tx, notice);
      await this.#record(tx, userId, 'totp.disable');
    });
    await this.notices.announce(notice);
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
