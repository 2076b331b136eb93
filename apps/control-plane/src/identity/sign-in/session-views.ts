import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import type { ConsoleSession, SessionUser } from '../sessions.service.js';

export interface SessionView {
  readonly user: SessionUser;
  readonly isOperator: boolean;
  /** Opened with two factors. */
  readonly secondFactor: boolean;
  readonly tenants: readonly {
    readonly id: string;
    readonly slug: string;
    readonly name: string;
    readonly role: string;
  }[];
  readonly expiresAt: string;
}

/** What a console needs to know about who uses it. */
@Injectable()
export class SessionViews {
  constructor(private readonly database: Database) {}

  async of(session: ConsoleSession): Promise<SessionView> {
    const select = { role: true, tenant: { select: { id: true, slug: true, name: true } } } as const;
    const rows = await this.database.system((tx) =>
      tx.tenantStaff.findMany({ where: { userId: session.user.id }, orderBy: { tenantId: 'asc' }, select }),
    );
    const { user, secondFactor } = session;
    const tenants = rows.map(({ role, tenant: { id, slug, name } }) => ({ id, slug, name, role }));
    return { user, isOperator: user.isOperator, secondFactor, tenants, expiresAt: session.expiresAt.toISOString() };
  }
}
