import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { SESSION_IDLE_SECONDS, SessionsService } from '../sessions.service.js';
import { SessionNotFound } from './sign-in.errors.js';

export interface AccountSessionView {
  readonly id: string;
  /** The one that asks. */
  readonly current: boolean;
  readonly method: string;
  readonly address: string;
  readonly userAgent: string;
  readonly createdAt: string;
  readonly lastSeenAt: string;
  readonly expiresAt: string;
}

/** Where somebody is signed in, and ending that. */
@Injectable()
export class AccountSessionsService {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsService,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Newest first, at most 200; a user has few, because they end by themselves. */
  async list(userId: string, currentId: string): Promise<AccountSessionView[]> {
    const now = this.clock.now();
    const lastSeenAt = { gt: new Date(now.getTime() - SESSION_IDLE_SECONDS * 1_000) };
    const where = { userId, expiresAt: { gt: now }, lastSeenAt };
    const rows = await this.database.system((tx) =>
      tx.userSession.findMany({ where, orderBy: { id: 'desc' }, take: 200 }),
    );
    return rows.map(({ id, method, address, userAgent, createdAt, lastSeenAt, expiresAt }) => ({
      id,
      current: id === currentId,
      method,
      address,
      userAgent,
      createdAt: createdAt.toISOString(),
      lastSeenAt: lastSeenAt.toISOString(),
      expiresAt: expiresAt.toISOString(),
    }));
  }

  /** Throws SessionNotFound, also for a session of somebody else. */
  async revoke(userId: string, id: string): Promise<void> {
    await this.database.system(async (tx) => {
      const { count } = await tx.userSession.deleteMany({ where: { id, userId } });
      if (count === 0) throw new SessionNotFound();
      const line = { tenantId: null, actor: `user:${userId}`, action: 'session.revoke', resource: 'session' };
      await this.audit.record(tx, { ...line, resourceId: id, data: {} });
    });
  }

  async revokeOthers(userId: string, currentId: string): Promise<{ readonly ended: number }> {
    return this.database.system(async (tx) => {
      const ended = await this.sessions.endAll(tx, userId, currentId);
      const line = { tenantId: null, actor: `user:${userId}`, action: 'session.revoke-others', resource: 'user' };
      if (ended > 0) await this.audit.record(tx, { ...line, resourceId: userId, data: { ended } });
      return { ended };
    });
  }
}
