import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { ChangeNotifier } from '#libs/queue';
import { AuditLog } from '../audit/audit-log.js';
import { MemberNotFound } from '../members/members.errors.js';
import { ROUTES_CHANNEL } from '../routing/route-publisher.js';
import { type Revoked, RevocationsRepository } from './revocations.repository.js';

export interface RevocationCaller {
  readonly tenantId: string;
  readonly actor: string;
  readonly requestId?: string | undefined;
}

/**
 * Ends tokens before their time. Proxies learn of it through the route feed, which is told at once and looks by itself
 * every second, and end the sockets and streams of what was revoked.
 */
@Injectable()
export class RevocationsService {
  constructor(
    private readonly database: Database,
    private readonly revocations: RevocationsRepository,
    private readonly audit: AuditLog,
    private readonly notifier: ChangeNotifier,
    private readonly clock: Clock,
  ) {}

  async revokeToken(caller: RevocationCaller, jti: string): Promise<void> {
    await this.#inTenant(caller, (tx) => this.#record(tx, caller, { jti }, ['token', jti]));
  }

  /** Ends every token of the member that was issued before now. Throws MemberNotFound. */
  async revokeMember(caller: RevocationCaller, externalId: string): Promise<void> {
    await this.#inTenant(caller, async (tx) => {
      const where = { tenantId_externalId: { tenantId: caller.tenantId, externalId } };
      const member = await tx.member.findUnique({ where, select: { id: true } });
      if (!member) throw new MemberNotFound();
      await this.revokeMemberIn(tx, caller, member.id);
    });
  }

  /** The same in a transaction of the caller's, who calls `announce` after its commit. */
  async revokeMemberIn(tx: Tx, caller: RevocationCaller, memberId: string): Promise<void> {
    const issuedBefore = this.#borderAfter(await this.revocations.borderOf(tx, caller.tenantId, memberId));
    await this.#record(tx, caller, { memberId, issuedBefore }, ['member', memberId]);
  }

  /** Ends every token of every member that was issued before now. */
  async revokeEveryone(caller: RevocationCaller): Promise<void> {
    await this.#inTenant(caller, (tx) => this.revokeEveryoneIn(tx, caller));
  }

  /** The same in a transaction of the caller's, who calls `announce` after its commit. */
  async revokeEveryoneIn(tx: Tx, caller: RevocationCaller): Promise<void> {
    const issuedBefore = this.#borderAfter(await this.revocations.latestBorder(tx, caller.tenantId));
    await this.#record(tx, caller, { issuedBefore }, ['tenant', caller.tenantId]);
  }

  /** The member leaves a session: its token ends. Twice is once. */
  async signOut(tenantId: string, token: { readonly jti: string; readonly memberId: string }): Promise<void> {
    const caller = { tenantId, actor: `member:${token.memberId}` };
    await this.#inTenant(caller, async (tx) => {
      const { jti } = token;
      // A tenant that was erased meanwhile has no token left to end.
      if ((await tx.tenant.count({ where: { id: tenantId } })) === 0) return;
      if (await this.revocations.isRevoked(tx, tenantId, jti)) return;
      await this.#record(tx, caller, { jti }, ['token', jti], 'token.sign-out');
    });
  }

  async announce(): Promise<void> {
    await this.notifier.publish(ROUTES_CHANNEL);
  }

  async #inTenant(caller: RevocationCaller, work: (tx: Tx) => Promise<void>): Promise<void> {
    await this.database.tenant(caller.tenantId, work);
    await this.announce();
  }

  /** Tokens issued right after the last revocation are dated to the second it ends in: this one must be later than them. */
  #borderAfter(last: Date | null): Date {
    const reissued = Math.ceil((last?.getTime() ?? 0) / 1_000) * 1_000;
    return new Date(Math.max(this.clock.now().getTime(), reissued + 1));
  }

  async #record(
    tx: Tx,
    caller: RevocationCaller,
    revoked: Revoked,
    [resource, resourceId]: readonly [string, string],
    action = 'token.revoke',
  ): Promise<void> {
    const { tenantId, actor, requestId } = caller;
    await this.revocations.add(tx, tenantId, revoked);
    await this.audit.record(tx, { tenantId, actor, requestId, action, resource, resourceId, data: {} });
  }
}
