import type { ServerFrame } from '#libs/contracts';
import type { ConversationsRepository, KeptFrame } from '../store/conversations.repository.js';

/** A frame with its number, stored; `text` is how it is sent. */
export interface Kept {
  readonly session: string;
  readonly task: string;
  readonly seq: number;
  readonly frame: ServerFrame;
  readonly text: string;
}

export type Listener = (kept: Kept) => void;

/**
 * Numbers, keeps and hands out the frames of an agent's sessions. A frame is stored before anybody sees it, so whatever a
 * client has seen can be replayed. Everything here is synchronous: between a replay and a subscription no frame can slip.
 */
export class FrameFeed {
  readonly #listeners = new Map<string, Set<Listener>>();

  /** `failed`: what becomes of a listener's error. It is the listener's alone, and the frame is stored. */
  constructor(
    private readonly conversations: ConversationsRepository,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** Call inside a transaction, and `publish` what it returns after the commit. */
  append(session: string, task: string, frame: KeptFrame): Kept {
    const seq = this.conversations.nextSeq(session);
    const numbered = { ...frame, seq } as ServerFrame;
    const text = JSON.stringify(numbered);
    this.conversations.keepFrame(session, seq, task, text);
    return { session, task, seq, frame: numbered, text };
  }

  publish(kept: Kept): void {
    for (const listener of this.#listeners.get(kept.session) ?? []) {
      try {
        listener(kept);
      } catch (error) {
        this.failed(error);
      }
    }
  }

  /** From now on; the returned function ends it. */
  subscribe(session: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(session) ?? new Set();
    this.#listeners.set(session, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(session) === listeners) this.#listeners.delete(session);
    };
  }
}
