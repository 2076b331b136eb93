import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { SignInResult } from '#libs/contracts';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { MembersReader } from './members.reader.js';
import { TOKEN_LIFE } from './token-limits.js';
import { SignInCodeInvalid } from './tokens.errors.js';
import { TokensService } from './tokens.service.js';

const hashOf = (code: string): string => createHash('sha256').update(code).digest('hex');

export interface SignInLink {
  readonly url: string;
  readonly expiresAt: string;
}

/** One-time links into the chat page: the code travels in the fragment, which no server ever sees; only its hash is stored. */
@Injectable()
export class SignInService {
  constructor(
    private readonly database: Database,
    private readonly members: MembersReader,
    private readonly tokens: TokensService,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
  ) {}

  /** Throws MemberNotFound or MemberNotActive. */
  async createLink(tenantId: string, externalId: string): Promise<SignInLink> {
    const { memberId, slug, revokedBefore } = await this.members.byExternalId(tenantId, externalId);
    const code = randomBytes(32).toString('base64url');
    const now = this.clock.now();
    // Revocations that follow each other reach ahead of the clock: as a token, a code is dated to the last one's end.
    const createdAt = revokedBefore && revokedBefore > now ? revokedBefore : now;
    const expiresAt = new Date(now.getTime() + TOKEN_LIFE.signInCode * 1_000);
    await this.database.tenant(tenantId, (tx) =>
      tx.signInCode.create({
        data: { codeHash: hashOf(code), tenantId, memberId, createdAt, expiresAt },
        select: { tenantId: true },
      }),
    );
    return { url: `${this.config.proxyUrl}/t/${slug}/#code=${code}`, expiresAt: expiresAt.toISOString() };
  }

  /**
   * Throws SignInCodeInvalid, the same for used, expired, unknown, another tenant's, and from before the member's tokens were
   * revoked; MemberNotActive.
   */
  async exchange(tenantId: string, code: string): Promise<SignInResult> {
    const now = this.clock.now();
    // One statement decides: of two exchanges at once exactly one finds the code unused.
    const rows = await this.database.tenant(
      tenantId,
      (tx) => tx.$queryRaw<{ member_id: string; created_at: Date }[]>`
        UPDATE sign_in_codes SET used_at = ${now}
        WHERE code_hash = ${hashOf(code)} AND tenant_id = ${tenantId} AND used_at IS NULL AND expires_at > ${now}
        RETURNING member_id, created_at`,
    );
    const [taken] = rows;
    if (!taken) throw new SignInCodeInvalid();
    const subject = await this.members.byId(tenantId, taken.member_id);
    if (subject.revokedBefore && taken.created_at < subject.revokedBefore) throw new SignInCodeInvalid();
    const signed = await this.tokens.sign(subject);
    return { ...signed, agentId: subject.agentId, memberName: subject.memberName };
  }
}
