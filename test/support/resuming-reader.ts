import type { ServerFrame, TokenView } from '#libs/contracts';
import { delay } from '#libs/kernel';
import { ChatSocket } from './chat.js';

/** A client as it should be: it goes on where it was whenever its connection ends, and keeps what it was sent. */
export class ResumingReader {
  readonly frames: ServerFrame[] = [];
  #socket: ChatSocket | undefined;
  #taken = 0;
  reconnects = 0;

  constructor(
    private readonly token: TokenView,
    private readonly session: string,
    private readonly after: number,
  ) {}

  async start(): Promise<ChatSocket> {
    this.#socket = await ChatSocket.open(this.token, { session: this.session, after: this.#last });
    this.#taken = 0;
    return this.#socket;
  }

  /** Reads until the answer to `task` is done; reconnects as often as it has to. */
  async read(task: string, limitMs = 60_000): Promise<Extract<ServerFrame, { type: 'done' }>> {
    const end = Date.now() + limitMs;
    for (;;) {
      const done = this.#take().find((frame) => frame.type === 'done' && frame.task === task);
      if (done?.type === 'done') return done;
      if (Date.now() > end) throw new Error(`no answer in time: ${JSON.stringify(this.frames.slice(-5))}`);
      if (this.#socket?.closed) await this.#again();
      else await delay(20);
    }
  }

  get #last(): number {
    return this.frames.reduce((last, frame) => Math.max(last, 'seq' in frame ? (frame.seq ?? 0) : 0), this.after);
  }

  #take(): ServerFrame[] {
    const fresh = this.#socket?.frames.slice(this.#taken) ?? [];
    this.#taken += fresh.length;
    this.frames.push(...fresh);
    return this.frames;
  }

  async #again(): Promise<void> {
    this.#take();
    this.reconnects += 1;
    for (;;) {
      try {
        this.#socket = await ChatSocket.open(this.token, { session: this.session, after: this.#last });
        this.#taken = 0;
        return;
      } catch {
        // Held while it moves: a client waits and asks again.
        await delay(100);
      }
    }
  }
}
