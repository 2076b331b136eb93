import { byId, icon } from '#libs/browser';
import { CHAT_LIMITS } from '#libs/contracts';

export interface ComposerState {
  /** An answer is on its way: the button stops it. */
  readonly busy: boolean;
  readonly stopping: boolean;
  /** The member may write again at this time. */
  readonly limitedUntil: Date | null;
}

/** The field at the bottom: Enter sends, Shift+Enter breaks the line, Escape stops an answer. */
export class Composer {
  readonly #field = byId<HTMLTextAreaElement>('message');
  readonly #button = byId<HTMLButtonElement>('send');
  #state: ComposerState = { busy: false, stopping: false, limitedUntil: null };

  constructor(
    private readonly onSend: (text: string) => void,
    private readonly onStop: () => void,
  ) {
    this.#field.maxLength = CHAT_LIMITS.text;
    this.#field.addEventListener('input', () => this.#refresh());
    this.#field.addEventListener('keydown', (event) => this.#key(event));
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#state.busy && !event.defaultPrevented) this.onStop();
    });
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.render(this.#state);
  }

  get text(): string {
    return this.#field.value;
  }

  fill(text: string): void {
    this.#field.value = text;
    this.#refresh();
  }

  /** Puts the cursor into the field, except where that would raise an on-screen keyboard unasked. */
  focus(): void {
    if (matchMedia('(pointer: fine)').matches) this.#field.focus();
  }

  render(state: ComposerState): void {
    const redraw = state.busy !== this.#state.busy || this.#button.childElementCount === 0;
    this.#state = state;
    if (redraw) {
      this.#button.replaceChildren(icon(state.busy ? 'stop' : 'send'));
      this.#button.toggleAttribute('data-stop', state.busy);
      this.#button.setAttribute('aria-label', state.busy ? 'Stop the answer' : 'Send');
    }
    this.#refresh();
  }

  #key(event: KeyboardEvent): void {
    // While an input method composes, Enter belongs to it.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!this.#state.busy) this.#submit();
  }

  #submit(): void {
    if (this.#state.busy) return this.onStop();
    const text = this.#field.value.trim();
    if (text === '' || this.#state.limitedUntil) return;
    this.fill('');
    this.onSend(text);
  }

  #refresh(): void {
    const { busy, stopping, limitedUntil } = this.#state;
    const empty = this.#field.value.trim() === '';
    this.#button.disabled = busy ? stopping : empty || limitedUntil !== null;
    byId('hint').textContent = this.#hint(empty);
  }

  #hint(empty: boolean): string {
    if (this.#state.stopping) return 'Stopping';
    if (this.#state.busy)
      return empty
        ? 'Esc stops the answer.'
        : 'Your next message can go out when this answer is finished. Esc stops it.';
    const left = CHAT_LIMITS.text - this.#field.value.length;
    if (left >= 2000 && matchMedia('(pointer: coarse)').matches) return '';
    return left < 2000 ? `${left.toLocaleString()} characters left` : 'Enter sends, Shift and Enter begin a new line.';
  }
}
