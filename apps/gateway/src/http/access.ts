import type { MemberClaims, TrustMode } from '#libs/contracts';
import { DomainError } from '#libs/kernel';
import type { IncomingMessage } from 'node:http';
import type { Agent } from '../agents/agent.js';
import type { Gateway } from '../agents/gateway.js';
import { ScopeMissing, TooManyFailedAttempts } from '../errors.js';
import type { Metrics } from '../metrics.js';
import { addressOf } from './address.js';
import type { FailedAttempts } from './failed-attempts.js';

/** A token with scopes must have this one; a token without any scope may chat. */
const CHAT_SCOPE = 'chat';

/** Who is talking to which agent, and what they may. */
export interface Access {
  readonly agent: Agent;
  readonly member: string;
  /** The lower of the token's ceiling and the agent's. */
  readonly trustMode: TrustMode;
  /** When the token ends, in milliseconds. */
  readonly expiresAt: number;
}

/** Turns a token into access to one agent, and counts failures per address. */
export class AccessControl {
  constructor(
    private readonly gateway: Gateway,
    private readonly failures: FailedAttempts,
    private readonly metrics: Metrics,
  ) {}

  async authenticate(token: string, agentId: string | undefined, request: IncomingMessage): Promise<Access> {
    let claims: MemberClaims;
    try {
      claims = await this.gateway.verify(token);
    } catch (error) {
      throw this.refuse(error, request);
    }
    const agent = this.gateway.agentOf(claims, agentId);
    if (claims.scopes.length > 0 && !claims.scopes.includes(CHAT_SCOPE)) throw new ScopeMissing(CHAT_SCOPE);
    const trustMode = Math.min(claims.trust_mode_max, agent.config.trustModeMax) as TrustMode;
    return { agent, member: claims.sub, trustMode, expiresAt: claims.exp * 1000 };
  }

  /** Counts a failed authentication; the error to answer with, which is 429 once an address has too many. */
  refuse(error: unknown, request: IncomingMessage): unknown {
    if (!(error instanceof DomainError) || error.kind !== 'unauthenticated') return error;
    this.metrics.add('failed_authentications_total');
    const retryAfter = this.failures.add(addressOf(request));
    return retryAfter === undefined ? error : new TooManyFailedAttempts(retryAfter);
  }
}
