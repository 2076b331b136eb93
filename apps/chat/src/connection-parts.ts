import type { ServerFrame } from '#libs/contracts';

/** All in milliseconds. */
export const TIMES = { open: 12_000, acknowledge: 20_000, limited: 30_000, defaultHeartbeat: 25_000 } as const;

export type ConnectionStatus =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'open' }
  | { readonly kind: 'waiting'; readonly retryAt: number; readonly reason: 'lost' | 'draining' | 'limited' }
  | { readonly kind: 'offline' }
  | { readonly kind: 'closed'; readonly reason: 'signed-out' | 'not-found' | 'stopped' };

/** The part of a browser's WebSocket that is used. */
export interface SocketLike {
  send(data: string): void;
  close(): void;
}

export interface SocketEvents {
  onOpen(): void;
  onMessage(data: unknown): void;
  onClose(code: number): void;
}

/** What the connection needs from its surroundings; tests give their own. */
export interface ConnectionParts {
  openSocket(events: SocketEvents): SocketLike;
  /** A failed upgrade does not say why: this asks whether the sign-in still counts. */
  probe(): Promise<'signed-in' | 'signed-out' | 'unreachable'>;
  isOnline(): boolean;
  now(): number;
  random(): number;
  after(milliseconds: number, run: () => void): () => void;
}

export interface ConnectionListener {
  onStatus(status: ConnectionStatus): void;
  /** Each frame of the session exactly once, in order. */
  onFrame(frame: ServerFrame): void;
  /** The frames missed are not kept any more: the history has to be loaded, then `resumeAt` goes on from there. */
  onStale(session: string): void;
}

/** A frame this page does not understand is skipped: a newer gateway may send more than it knows. */
export function parseFrame(data: string): ServerFrame | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null && 'type' in value ? (value as ServerFrame) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
