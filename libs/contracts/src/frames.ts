/** The chat protocol between a client and an agent (`wss://…/ws`, and the SSE form of `POST /chat`). */
export const CHAT_PROTOCOL = 'wirebot.v1';
/** Browsers cannot set headers on a socket: the token travels as a second subprotocol with this prefix. */
export const BEARER_PROTOCOL_PREFIX = 'wirebot.bearer.';

export const CHAT_LIMITS = {
  /** Largest frame before a client has authenticated, in bytes. */
  frameBeforeAuth: 64 * 1024,
  /** Largest frame and HTTP body afterwards, in bytes. */
  frame: 1024 * 1024,
  /** Longest message text, in characters. */
  text: 32_000,
  /** A socket that has not authenticated by then is closed (4401), in milliseconds. */
  connectWithin: 10_000,
  /** Failed authentications an address may have in a minute. */
  failedAuthPerMinute: 10,
  heartbeatSeconds: 25,
} as const;

export interface Attachment {
  readonly name: string;
  readonly mediaType: string;
  /** Base64. */
  readonly data: string;
}

export type ClientFrame =
  | {
      readonly type: 'connect';
      readonly id: string;
      readonly token?: string;
      readonly resume?: { readonly session: string; readonly after: number };
    }
  | {
      readonly type: 'message';
      readonly id: string;
      readonly idempotencyKey: string;
      readonly session?: string;
      readonly text: string;
      readonly attachments?: readonly Attachment[];
    }
  | { readonly type: 'abort'; readonly id: string; readonly task: string }
  | { readonly type: 'heartbeat' };

export interface TokenUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Frames with `seq` are kept per session: `seq` rises by one, so a client can ask for what it missed. */
export type ServerFrame =
  | {
      readonly type: 'connected';
      readonly session: string;
      readonly agent: string;
      readonly trustMode: number;
      readonly heartbeatSeconds: number;
    }
  | {
      readonly type: 'accepted';
      readonly id: string;
      readonly task: string;
      readonly session: string;
      readonly seq: number;
    }
  | {
      readonly type: 'response';
      readonly task: string;
      readonly seq: number;
      readonly delta: string;
      /** The gateway lost the answer halfway and begins it again: forget this task's earlier deltas. `done.text` is the whole answer anyway. */
      readonly reset?: true;
    }
  | {
      readonly type: 'tool';
      readonly task: string;
      readonly seq: number;
      readonly name: string;
      readonly status: 'running' | 'succeeded' | 'failed' | 'denied';
    }
  | {
      readonly type: 'done';
      readonly task: string;
      readonly seq: number;
      readonly text: string;
      readonly usage: TokenUsage;
      /** US dollars; null when the model has no price on record. */
      readonly cost: number | null;
      readonly model: string;
    }
  | {
      readonly type: 'error';
      readonly id?: string;
      readonly task?: string;
      readonly seq?: number;
      readonly code: string;
      readonly message: string;
      readonly retryAfter?: number;
    }
  | { readonly type: 'heartbeat'; readonly at: string }
  | { readonly type: 'draining'; readonly reconnectAfterMs: number };

/** Close codes of the chat socket. */
export const CLOSE = { goingAway: 1001, tooLarge: 1009, unauthenticated: 4401, notFound: 4404, limited: 4429 } as const;

export interface ChatRequest {
  readonly text: string;
  readonly session?: string;
  readonly idempotencyKey?: string;
}

export interface ChatAnswer {
  readonly task: string;
  readonly session: string;
  readonly text: string;
  readonly usage: TokenUsage;
  readonly cost: number | null;
  readonly model: string;
}

export interface SessionView {
  readonly session: string;
  readonly title: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** The highest sequence number so far: what `resume.after` takes to miss nothing from here on. */
  readonly seq: number;
  readonly messages: readonly {
    readonly role: 'user' | 'assistant';
    readonly text: string;
    readonly at: string;
    readonly task: string;
    readonly status: 'pending' | 'processing' | 'completed' | 'failed' | 'aborted';
  }[];
}
