import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { ChangeNotifier } from '#libs/queue';
import { AuditLog } from '../audit/audit-log.js';
import { MembersReader } from './members.reader.js';
import { TOKEN_LIFE } from './token-limits.js';

/** The route feed listens here and hands revocations to the proxies. */
const ROUTES_CHANNEL = 'routes';

export interface RevocationCaller {
  readonly tenantId: string;
  readonly actor: string;
  readonly requestId?: string | undefined;
}

/** Ends tokens before their time. Proxies learn of it through the route feed, within a second. */
@Injectable()
export class RevocationsService {
  constructor(
    private readonly database: Database,
    private readonly members: MembersReader,
    private readonly audit: AuditLog,
    private readonly notifier: ChangeNotifier,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  async revokeToken(caller: RevocationCaller, jti: string): Promise<void> {
    await this.#record(caller, { jti, memberId: null, issuedBefore: null });
  }

  /** Ends every token of the member that was issued before now. Throws MemberNotFound. */
  async revokeMember(caller: RevocationCaller, externalId: string): Promise<void> {
    const { memberId, revokedBefore } = await this.members.revocable(caller.tenantId, externalId);
    // Tokens issued right after the last revocation are dated to the second it ends in: this one must be later than them.
    const reissued = Math.ceil((revokedBefore?.getTime() ?? 0) / 1_000) * 1_000;
    const issuedBefore = new Date(Math.max(this.clock.now().getTime(), reissued + 1));
    await this.#record(caller, { jti: null, memberId, issuedBefore });
  }

  async #record(
    caller: RevocationCaller,
    what: { readonly jti: string | null; readonly memberId: string | null; readonly issuedBefore: Date | null },
  ): Promise<void> {
    const { tenantId, actor, requestId } = caller;
    const now = this.clock.now();
    const until = new Date(now.getTime() + TOKEN_LIFE.revocation * 1_000);
    await this.database.tenant(tenantId, async (tx) => {
      await tx.revocation.create({
        data: { id: this.ids.next('audit'), tenantId, ...what, until, createdAt: now },
        select: { id: true },
      });
      await this.audit.record(tx, {
        tenantId,
        actor,
        requestId,
        action: 'token.revoke',
        resource: what.memberId ? 'member' : 'token',
        resourceId: what.memberId ?? what.jti ?? '',
        data: {},
      });
    });
    await this.notifier.publish(ROUTES_CHANNEL);
  }
}
