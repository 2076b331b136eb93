import type { FieldError } from '#libs/kernel';
import { type EventCursor, parseCursor } from './event-cursor.js';

/** What a console may subscribe to. Each needs the scope `<topic>:read`. */
export const TOPICS = ['operations', 'gateways', 'agents', 'members', 'audit'] as const;

/** Limits of the event socket, in one place. */
export const EVENT_LIMITS = {
  /** Largest frame from a client, in bytes. */
  frame: 16 * 1024,
  /** Rows read at once. */
  batch: 200,
  /** A client that is this many bytes behind is cut off; it comes back with its cursor. */
  backlog: 4 * 1024 * 1024,
  /** Notices can get lost; the outbox is read this often anyway, in milliseconds. */
  poll: 2_000,
  /** Ping, and a look whether the session or key is still good, in milliseconds. */
  heartbeat: 30_000,
  /** A look whether the sessions behind the sockets are still there, in milliseconds. */
  sessions: 3_000,
} as const;

/** Close codes beside the standard ones. */
export const EVENT_CLOSE = { unauthenticated: 4401, slow: 1013 } as const;

export type EventServerFrame =
  | { readonly type: 'subscribed'; readonly cursor: string }
  | {
      readonly type: 'event';
      readonly cursor: string;
      readonly topic: string;
      /** The id of what it is about. */
      readonly id: string;
      readonly tenantId: string;
      /** What happened, such as `operation.step`. */
      readonly event: string;
      readonly data: unknown;
      readonly at: string;
    }
  | {
      readonly type: 'error';
      readonly code: string;
      readonly message: string;
      readonly errors?: readonly FieldError[];
    };

export interface Subscription {
  readonly topics: readonly string[];
  readonly after: EventCursor | undefined;
}

/** The subscription of a frame, or the faults of the frame. */
export function parseSubscribe(text: string): Subscription | { readonly errors: readonly FieldError[] } {
  const frame = parseJson(text);
  if (frame?.['type'] !== 'subscribe') return { errors: [{ field: 'type', message: 'type must be "subscribe"' }] };
  const { topics, after } = frame;
  const known = new Set<unknown>(TOPICS);
  if (!Array.isArray(topics) || topics.length === 0 || topics.some((topic) => !known.has(topic)))
    return { errors: [{ field: 'topics', message: `topics must be a list of ${TOPICS.join(', ')}` }] };
  const cursor = typeof after === 'string' ? parseCursor(after) : undefined;
  if (after !== undefined && !cursor)
    return { errors: [{ field: 'after', message: 'after must be a cursor of this socket' }] };
  return { topics: [...new Set(topics as string[])], after: cursor };
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // reported by the caller like any other frame it does not know
  }
}
