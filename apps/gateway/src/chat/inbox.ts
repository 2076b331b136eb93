import type { AgentConfig, TrustMode } from '#libs/contracts';
import type { Clock, Ids } from '#libs/kernel';
import { createHash } from 'node:crypto';
import { IdempotencyKeyReused, MessageLimitReached, SessionLimitReached } from '../errors.js';
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
  readonly member: string;
  readonly trustMode: TrustMode;
}

export interface Accepted {
  readonly task: string;
  readonly session: string;
  readonly seq: number;
  /** The key was known: nothing new was stored. */
  readonly repeated: TaskRecord | undefined;
}

const HOUR = 3_600_000;

/** Takes messages in: whatever it returns is on disk, exactly once per idempotency key. */
export class Inbox {
  constructor(
    private readonly conversations: ConversationsRepository,
    private readonly feed: FrameFeed,
    private readonly agent: () => AgentConfig,
    private readonly clock: Clock,
    private readonly ids: Ids,
  ) {}

  /** Stores message, task and `accepted` frame in one durable transaction, then tells the session's listeners. */
  accept(incoming: Incoming): Accepted {
    const fingerprint = createHash('sha256').update(incoming.text).digest('hex');
    const known = this.conversations.findTaskByKey(incoming.key);
    if (known) return repeat(known, fingerprint, incoming.session);
    const kept = this.conversations.db.transaction('durable', () => this.#store(incoming, fingerprint));
    this.feed.publish(kept);
    return { task: kept.task, session: kept.session, seq: kept.seq, repeated: undefined };
  }

  #store(incoming: Incoming, fingerprint: string): Kept {
    const now = this.clock.now();
    const at = now.toISOString();
    this.#checkRate(now);
    const session = this.#sessionFor(incoming, at);
    const task = this.ids.next('task');
    const kept = this.feed.append(session, task, { type: 'accepted', id: incoming.id, task, session });
    const { key, text, member, trustMode } = incoming;
    this.conversations.createTask({
      task,
      session,
      key,
      fingerprint,
      member,
      trustMode,
      acceptedSeq: kept.seq,
      text,
      at,
    });
    this.conversations.touchSession(session, at);
    return kept;
  }

  #checkRate(now: Date): void {
    const limit = this.agent().limits.messagesPerHour;
    if (limit === null) return;
    const { count, oldest } = this.conversations.countTasksSince(new Date(now.getTime() - HOUR).toISOString());
    if (count < limit) return;
    const free = oldest ? Date.parse(oldest) + HOUR - now.getTime() : HOUR;
    throw new MessageLimitReached(limit, Math.max(1, Math.ceil(free / 1000)));
  }

  #sessionFor({ session, text }: Incoming, at: string): string {
    if (session !== undefined && this.conversations.findSession(session)) return session;
    const limit = this.agent().limits.sessions;
    if (limit !== null && this.conversations.countSessions() >= limit) {
      const latest = this.conversations.listSessions()[0];
      if (session !== undefined || !latest) throw new SessionLimitReached(limit);
      return latest.session;
    }
    const created = session ?? this.ids.next('session');
    this.conversations.createSession(created, titleOf(text), at);
    return created;
  }
}

function repeat(known: TaskRecord, fingerprint: string, session: string | undefined): Accepted {
  if (known.fingerprint !== fingerprint) throw new IdempotencyKeyReused();
  if (session !== undefined && session !== known.session) throw new IdempotencyKeyReused();
  return { task: known.task, session: known.session, seq: known.acceptedSeq, repeated: known };
}

const titleOf = (text: string): string => {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length <= LIMITS.title ? line : `${line.slice(0, LIMITS.title - 1)}…`;
};
