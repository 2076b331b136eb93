import type { ServerFrame } from '#libs/contracts';

/** Where this page stands in a session's numbered frames. */
export class Cursor {
  #healedAt = -1;

  constructor(
    public session: string | null,
    public after: number,
  ) {}

  /**
   * `new`: apply it. `seen`: a resume repeated it. `gap`: frames before it are missing, ask again from `after`.
   * A gap that stays after asking once is accepted, so that a lost frame never turns into a reconnect loop.
   */
  take(frame: ServerFrame): 'new' | 'seen' | 'gap' {
    if (frame.type === 'accepted' && frame.session !== this.session) this.#move(frame.session, frame.seq - 1);
    const seq = 'seq' in frame ? frame.seq : undefined;
    if (seq === undefined) return 'new';
    if (seq <= this.after) return 'seen';
    if (seq > this.after + 1 && this.#healedAt !== this.after) {
      this.#healedAt = this.after;
      return 'gap';
    }
    this.after = seq;
    return 'new';
  }

  /** The server's word on which session this socket serves; a session of its own starts at nought. */
  connectedTo(session: string): void {
    if (session !== this.session) this.#move(session, 0);
  }

  forget(): void {
    this.#move(null, 0);
  }

  #move(session: string | null, after: number): void {
    this.session = session;
    this.after = after;
    this.#healedAt = -1;
  }
}
