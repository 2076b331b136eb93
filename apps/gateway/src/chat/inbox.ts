import type { AgentConfig, RequestLimits } from '#libs/contracts';
import type { Clock, Ids } from '#libs/kernel';
import { decide, placeClaim } from '#libs/trust';
import { createHash } from 'node:crypto';
import { scopeOf, type Visitor } from '../agents/visitor.js';
import {
  AgentOverloaded,
  IdempotencyKeyReused,
  MessageLimitReached,
  SessionLimitReached,
  SessionNotFound,
} from '../errors.js';
import { MESSAGE_WINDOW_SECONDS, type RateState } from '../http/rate-limit.headers.js';
import { LIMITS } from '../limits.js';
import type { ConversationsRepository, TaskRecord } from '../store/conversations.repository.js';
import type { FrameFeed, Kept } from './frame-feed.js';

/** A message that passed every check of shape. */
export interface Incoming {
  /** What `accepted` names: the client's frame, or the idempotency key over HTTP. */
  readonly id: string;
  readonly key: string;
  /** Undefined: a new session, or the latest one when no further session is allowed. */
  readonly session: string | undefined;
  readonly text: string;
  readonly visitor: Visitor;
}

export interface Accepted {
  readonly task: string;
  readonly session: string;
  readonly seq: number;
  /** The key was known: nothing new was stored. */
  readonly repeated: TaskRecord | undefined;
  /** Undefined: no limit holds. */
  readonly rate: RateState | undefined;
}

export interface InboxParts {
  readonly conversations: ConversationsRepository;
  readonly feed: FrameFeed;
  readonly agent: () => AgentConfig;
  readonly limits: () => RequestLimits;
  /** Throws when there is no room for another message. */
  readonly checkSpace: () => void;
  readonly clock: Clock;
  readonly ids: Ids;
}

const WINDOW = MESSAGE_WINDOW_SECONDS * 1000;

/** Takes messages in: whatever it returns is stored, exactly once per idempotency key. */
export class Inbox {
  constructor(private readonly parts: InboxParts) {}

  /** Stores message, task and `accepted` frame in one durable transaction, then tells the session's listeners. */
  accept(incoming: Incoming): Accepted {
    const { conversations, feed } = this.parts;
    const fingerprint = createHash('sha256').update(incoming.text).digest('hex');
    const known = conversations.findTaskByKey(incoming.key);
    if (known) return { ...this.#repeat(known, fingerprint, incoming), rate: this.#rate(this.parts.clock.now()) };
    this.parts.checkSpace();
    const { kept, rate } = conversations.db.transaction('durable', () => this.#store(incoming, fingerprint));
    feed.publish(kept);
    return { task: kept.task, session: kept.session, seq: kept.seq, repeated: undefined, rate };
  }

  /** Whatever limits is counted in the transaction that adds to it: no number of senders at once gets past it. */
  #store(incoming: Incoming, fingerprint: string): { kept: Kept; rate: RateState | undefined } {
    const { conversations, feed, ids, clock } = this.parts;
    const now = clock.now();
    const at = now.toISOString();
    if (conversations.countOpenTasks() >= LIMITS.openTasks) throw new AgentOverloaded(LIMITS.openTasks);
    const rate = this.#rate(now);
    if (rate && rate.remaining === 0) throw new MessageLimitReached(rate);
    const { session, mode } = this.#sessionFor(incoming, at);
    const task = ids.next('task');
    const kept = feed.append(session, task, { type: 'accepted', id: incoming.id, task, session });
    const { key, text, visitor } = incoming;
    conversations.createTask({
      task,
      session,
      key,
      fingerprint,
      member: visitor.member,
      trustMode: mode,
      place: placeClaim(visitor.place),
      acceptedSeq: kept.seq,
      text,
      at,
    });
    conversations.touchSession(session, at);
    return { kept, rate: rate && { ...rate, remaining: rate.remaining - 1 } };
  }

  #rate(now: Date): RateState | undefined {
    const limit = this.parts.limits().messagesPerHour;
    if (limit === null) return undefined;
    const since = new Date(now.getTime() - WINDOW).toISOString();
    const { count, oldest } = this.parts.conversations.countTasksSince(since);
    const free = oldest ? Date.parse(oldest) + WINDOW - now.getTime() : WINDOW;
    return { limit, remaining: Math.max(0, limit - count), resetSeconds: Math.max(1, Math.ceil(free / 1000)) };
  }

  #sessionFor({ session, text, visitor }: Incoming, at: string): { session: string; mode: number } {
    const { conversations, ids } = this.parts;
    const scope = scopeOf(visitor);
    if (session !== undefined && conversations.findSession(scope, session)) return this.#entered(session, visitor);
    // Somebody else's, or one that began where others read along or do not: as good as not there.
    if (session !== undefined && conversations.sessionMode(session) !== undefined) throw new SessionNotFound();
    const limit = this.parts.limits().sessions;
    if (limit !== null && conversations.countSessions(scope) >= limit) {
      const latest = conversations.latestSession(scope);
      if (session !== undefined || !latest) throw new SessionLimitReached(limit);
      return this.#entered(latest, visitor);
    }
    const created = session ?? ids.next('session');
    conversations.createSession({ session: created, title: titleOf(text), at, mode: visitor.trustMode, ...scope });
    return { session: created, mode: visitor.trustMode };
  }

  /** A session that began in a lower mode stays there. */
  #entered(session: string, { tokenMode, place }: Visitor): { session: string; mode: number } {
    const sessionMode = this.parts.conversations.sessionMode(session);
    const { mode } = decide({ profile: this.parts.agent().trust, tokenMode, ...place, sessionMode });
    return { session, mode };
  }

  #repeat(known: TaskRecord, fingerprint: string, { session, visitor }: Incoming): Omit<Accepted, 'rate'> {
    if (!this.parts.conversations.findSession(scopeOf(visitor), known.session)) throw new IdempotencyKeyReused();
    if (known.fingerprint !== fingerprint) throw new IdempotencyKeyReused();
    if (session !== undefined && session !== known.session) throw new IdempotencyKeyReused();
    return { task: known.task, session: known.session, seq: known.acceptedSeq, repeated: known };
  }
}

const titleOf = (text: string): string => {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length <= LIMITS.title ? line : `${line.slice(0, LIMITS.title - 1)}…`;
};
