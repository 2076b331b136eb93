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
import { WaysToSignIn } from './ways-to-sign-in.js';

type Provider = Pick<ProviderRow, 'id' | 'key' | 'name' | 'allowedDomains'>;

/** Which user an account at a provider signs in. */
@Injectable()
export class AccountsService {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsService,
    private readonly ways: WaysToSignIn,
    private readonly audit: AuditLog,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** Throws EmailUnverified, AccountUnknown, LinkRequired or AccountDisabled. */
  async userFor(provider: Provider, identity: ProvedIdentity): Promise<string> {
    const owner = await this.database.system((tx) => ownerOf(tx, provider, identity));
    if (owner !== undefined) return owner;
    const found = await this.database.system((tx) => userOfAddress(tx, identity));
    const what = decide(identity, provider.allowedDomains, found);
    if (found?.disabled) throw new AccountDisabled();
    if (found && what === 'link') return this.#add(provider, identity, found.id, 'address');
    const made = await this.#create(provider, identity);
    // Somebody else became the user of this address meanwhile: what is so now decides.
    return made ?? this.userFor(provider, identity);
  }

  /** Links an account to whoever began the round trip. Throws IdentityTaken, or SessionRequired when they signed out since. */
  async link(
    provider: Provider,
    identity: ProvedIdentity,
    by: { readonly userId: string; readonly sessionId: string },
  ): Promise<void> {
    const alive = await this.sessions.alive([by.sessionId]);
    if (!alive.has(by.sessionId)) throw new SessionRequired();
    const owner = await this.database.system((tx) => ownerOf(tx, provider, identity));
    if (owner !== by.userId) await this.#add(provider, identity, by.userId, 'user');
  }

  /** Throws IdentityTaken when it is another user's by now. */
  async #add(provider: Provider, identity: ProvedIdentity, userId: string, by: 'address' | 'user'): Promise<string> {
    return this.ways.add(userId, `An account at ${provider.name} that was linked just now`, async (tx) => {
      await lockLinking(tx);
      const owner = await ownerOf(tx, provider, identity);
      if (owner !== undefined && owner !== userId) throw new IdentityTaken();
      if (owner === undefined) {
        await this.#link(tx, provider, identity, userId);
        await this.#record(tx, userId, 'identity.link', { provider: provider.key, by });
      }
      return userId;
    });
  }

  /** A new user; undefined when there is one by now, or the account is somebody's. */
  async #create(provider: Provider, identity: ProvedIdentity): Promise<string | undefined> {
    return this.database.system(async (tx) => {
      await lockLinking(tx);
      if (await userOfAddress(tx, identity)) return undefined;
      const now = this.clock.now();
      const { email, name } = identity;
      const data = { id: this.ids.next('user'), email: email!, name, emailVerifiedAt: now, createdAt: now };
      const { id } = await tx.user.create({ data, select: { id: true } });
      await this.#link(tx, provider, identity, id);
      await this.#record(tx, id, 'user.create', { provider: provider.key });
      await this.#record(tx, id, 'identity.link', { provider: provider.key, by: 'address' });
      return id;
    });
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

async function userOfAddress(
  tx: Tx,
  { email }: ProvedIdentity,
): Promise<{ readonly id: string; readonly emailVerified: boolean; readonly disabled: boolean } | undefined> {
  const select = { id: true, emailVerifiedAt: true, disabledAt: true } as const;
  const user = await tx.user.findUnique({ where: { email: email ?? '' }, select });
  if (!user) return undefined;
  return { id: user.id, emailVerified: user.emailVerifiedAt !== null, disabled: user.disabledAt !== null };
}
