/**
 * Joins the deltas of one answer: the first goes out at once, later ones at most every `milliseconds`. A model sends a
 * delta per token; a frame per token would be a row, a write and a packet each.
 */
export class DeltaWindow {
  #text = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly milliseconds: number,
    private readonly send: (delta: string) => void,
  ) {}

  push(text: string): void {
    this.#text += text;
    if (!this.#timer) this.#open();
  }

  /** Sends what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sendText();
  }

  /** Forgets what waits. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#text = '';
  }

  #open(): void {
    this.#sendText();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#text) this.#open();
    }, this.milliseconds);
  }

  #sendText(): void {
    const text = this.#text;
    this.#text = '';
    if (text) this.send(text);
  }
}
