import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, type Prisma } from '#libs/database';
import { AuditLog } from '../../audit/audit-log.js';
import { IdentityNotFound } from './oidc.errors.js';
import { WaysToSignIn } from './ways-to-sign-in.js';

export interface IdentityView {
  readonly id: string;
  readonly provider: { readonly key: string; readonly name: string; readonly enabled: boolean };
  /** The account's address when it was linked. */
  readonly email: string | null;
  readonly createdAt: string;
}

type Row = Prisma.UserIdentityGetPayload<{ include: { provider: true } }>;

/** Subjects may be long and are nobody's business: addresses carry this instead. */
const idOf = ({ providerId, subject }: Pick<Row, 'providerId' | 'subject'>): string =>
  createHash('sha256').update(`${providerId}/${subject}`).digest('base64url').slice(0, 22);

/** A user's own accounts at identity providers. */
@Injectable()
export class IdentitiesService {
  constructor(
    private readonly database: Database,
    private readonly ways: WaysToSignIn,
    private readonly audit: AuditLog,
  ) {}

  async list(userId: string): Promise<IdentityView[]> {
    const query = { where: { userId }, orderBy: { createdAt: 'asc' }, include: { provider: true } } as const;
    const rows = await this.database.system((tx) => tx.userIdentity.findMany(query));
    return rows.map((row) => {
      const { key, name, enabled } = row.provider;
      const provider = { key, name, enabled };
      return { id: idOf(row), provider, email: row.email, createdAt: row.createdAt.toISOString() };
    });
  }

  /** Throws IdentityNotFound or LastWayToSignIn. */
  async remove(userId: string, id: string): Promise<void> {
    await this.ways.remove(userId, async (tx) => {
      const rows = await tx.userIdentity.findMany({ where: { userId }, include: { provider: true } });
      const row = rows.find((candidate) => idOf(candidate) === id);
      if (!row) throw new IdentityNotFound();
      const { providerId, subject } = row;
      await tx.userIdentity.delete({ where: { providerId_subject: { providerId, subject } } });
      const line = { tenantId: null, actor: `user:${userId}`, resource: 'user', resourceId: userId };
      await this.audit.record(tx, { ...line, action: 'identity.unlink', data: { provider: row.provider.key } });
    });
  }
}
