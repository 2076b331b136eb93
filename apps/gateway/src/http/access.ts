import type { MemberClaims } from '#libs/contracts';
import { DomainError } from '#libs/kernel';
import type { IncomingMessage } from 'node:http';
import type { Agent } from '../agents/agent.js';
import type { ChatRoom } from '../agents/chat-room.js';
import type { Gateway } from '../agents/gateway.js';
import { type Visitor, visitorOf } from '../agents/visitor.js';
import { ScopeMissing, TooManyFailedAttempts } from '../errors.js';
import type { Activity } from '../load/activity.js';
import type { Metrics } from '../metrics.js';
import { addressOf } from './address.js';
import type { FailedAttempts } from './failed-attempts.js';

/** A token with scopes must have this one; a token without any scope may chat. */
const CHAT_SCOPE = 'chat';

/** Who is talking to which agent, and what they may. */
export interface Access {
  readonly agent: Agent;
  readonly visitor: Visitor;
  /** Where the visitor's conversations are. */
  readonly room: ChatRoom;
  /** When the token ends, in milliseconds. */
  readonly expiresAt: number;
}

/** Turns a token into access to one agent, and counts failures per address. */
export class AccessControl {
  constructor(
    private readonly gateway: Gateway,
    private readonly failures: FailedAttempts,
    private readonly metrics: Metrics,
    private readonly activity: Activity,
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
    const visitor = visitorOf(claims, agent.config.trust);
    this.activity.used();
    return { agent, visitor, room: agent.roomOf(visitor), expiresAt: claims.exp * 1000 };
  }

  /** Counts a failed authentication; the error to answer with, which is 429 once an address has too many. */
  refuse(error: unknown, request: IncomingMessage): unknown {
    if (!(error instanceof DomainError) || error.kind !== 'unauthenticated') return error;
    this.metrics.add('failed_authentications_total');
    const retryAfter = this.failures.add(addressOf(request));
    return retryAfter === undefined ? error : new TooManyFailedAttempts(retryAfter);
  }
}
