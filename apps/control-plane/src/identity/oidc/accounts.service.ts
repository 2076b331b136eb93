import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { SessionRequired } from '../identity.errors.js';
import { SessionsService } from '../sessions.service.js';
import { AccountDisabled } from '../sign-in/sign-in.errors.js';
import { decide } from './linking-rules.js';
import { IdentityTaken } from './oidc.errors.js';
import type { ProvedIdentity } from './proved-identity.js';
import type { ProviderRow } from './providers.repository.js';

type Provider = Pick<ProviderRow, 'id' | 'key' | 'allowedDomains'>;

/** Which user an account at a provider signs in. */
@Injectable()
export class AccountsService {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsService,
    private readonly audit: AuditLog,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** Throws EmailUnverified, AccountUnknown, LinkRequired or AccountDisabled. */
  async userFor(provider: Provider, identity: ProvedIdentity): Promise<string> {
    const known = await this.database.system((tx) => ownerOf(tx, provider, identity));
    if (known !== undefined) return known;
    return this.database.system(async (tx) => {
      await lockLinking(tx);
      const other = await ownerOf(tx, provider, identity);
      if (other !== undefined) return other;
      const where = { email: identity.email ?? '' };
      const select = { id: true, emailVerifiedAt: true, disabledAt: true } as const;
      const user = await tx.user.findUnique({ where, select });
      const found = user ? { emailVerified: user.emailVerifiedAt !== null } : undefined;
      const made = decide(identity, provider.allowedDomains, found) === 'create';
      if (user?.disabledAt) throw new AccountDisabled();
      const userId = user?.id ?? (await this.#create(tx, identity));
      await this.#link(tx, provider, identity, userId);
      if (made) await this.#record(tx, userId, 'user.create', { provider: provider.key });
      await this.#record(tx, userId, 'identity.link', { provider: provider.key, by: 'address' });
      return userId;
    });
  }

  /** Links an account to whoever began the round trip. Throws IdentityTaken, or SessionRequired when they signed out since. */
  async link(
    provider: Provider,
    identity: ProvedIdentity,
    by: { readonly userId: string; readonly sessionId: string },
  ): Promise<void> {
    const alive = await this.sessions.alive([by.sessionId]);
    if (!alive.has(by.sessionId)) throw new SessionRequired();
    await this.database.system(async (tx) => {
      await lockLinking(tx);
      const owner = await ownerOf(tx, provider, identity);
      if (owner === by.userId) return;
      if (owner !== undefined) throw new IdentityTaken();
      await this.#link(tx, provider, identity, by.userId);
      await this.#record(tx, by.userId, 'identity.link', { provider: provider.key, by: 'user' });
    });
  }

  async #create(tx: Tx, { email, name }: ProvedIdentity): Promise<string> {
    const now = this.clock.now();
    const data = { id: this.ids.next('user'), email: email!, name, emailVerifiedAt: now, createdAt: now };
    return (await tx.user.create({ data, select: { id: true } })).id;
  }

  async #link(tx: Tx, provider: Provider, { subject, email }: ProvedIdentity, userId: string): Promise<void> {
    const data = { providerId: provider.id, subject, userId, email, createdAt: this.clock.now() };
    await tx.userIdentity.create({ data, select: { userId: true } });
  }

  async #record(tx: Tx, userId: string, action: string, data: Prisma.InputJsonObject): Promise<void> {
    const line = { tenantId: null, actor: `user:${userId}`, resource: 'user', resourceId: userId };
    await this.audit.record(tx, { ...line, action, data });
  }
}

async function ownerOf(tx: Tx, provider: Provider, { subject }: ProvedIdentity): Promise<string | undefined> {
  const where = { providerId_subject: { providerId: provider.id, subject } };
  return (await tx.userIdentity.findUnique({ where, select: { userId: true } }))?.userId;
}

/** First sign-ins one at a time: two of the same person must not make two users. */
async function lockLinking(tx: Tx): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('wirebot/identity-linking', 0))`;
}
