import { h } from '#libs/browser';
import { busy, noteLine, problemLine } from '../form.js';

/** One part of the Security page: loads by itself, and says by itself what went wrong. */
export class Section {
  readonly element: HTMLElement;
  readonly #body = h('div', {}, h('p', { class: 'empty' }, 'Loading…'));
  readonly #heading: HTMLElement;
  readonly #problem = problemLine();
  readonly #note = noteLine();

  constructor(
    id: string,
    title: string,
    lead: string,
    private readonly content: (section: Section) => Promise<readonly Node[]>,
  ) {
    this.#heading = h('h2', { id: `h-${id}`, tabindex: -1 }, title);
    const parts = [this.#heading, h('p', { class: 'lead' }, lead), this.#body, this.#note, this.#problem];
    this.element = h('section', { 'aria-labelledby': `h-${id}` }, ...parts);
  }

  async refresh(): Promise<void> {
    await busy(this.element, this.#problem, async () => this.#body.replaceChildren(...(await this.content(this))));
  }

  /** Shows something else in its place, until the next refresh. */
  show(...nodes: Node[]): void {
    this.#body.replaceChildren(...nodes);
    const first = this.#body.querySelector<HTMLElement>('input') ?? this.#heading;
    first.focus({ preventScroll: true });
  }

  say(problem: string): void {
    this.#problem.textContent = problem;
  }

  /** Runs a change, then shows what is there now. */
  async run(change: () => Promise<void>, note = ''): Promise<void> {
    await busy(this.element, this.#problem, () => this.attempt(change, note));
  }

  /** Runs something that shows by itself what comes next. */
  async stay(run: () => Promise<void>): Promise<void> {
    this.#note.textContent = '';
    await busy(this.element, this.#problem, run);
  }

  /** As `run`, for a form, which says by itself what went wrong. */
  async attempt(change: () => Promise<void>, note = ''): Promise<void> {
    this.#note.textContent = '';
    await change();
    this.#body.replaceChildren(...(await this.content(this)));
    this.#note.textContent = note;
    // What had the focus is gone; whoever uses the keyboard goes on from here.
    if (document.activeElement === document.body) this.#heading.focus({ preventScroll: true });
  }
}

const FORMAT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
export const time = (at: string): HTMLElement => h('time', { datetime: at }, FORMAT.format(new Date(at)));

/** A row of a list: what it is, a line about it, and what can be done with it. */
export const row = (title: Node | string, about: readonly (Node | string)[], ...actions: Node[]): HTMLElement =>
  h(
    'li',
    {},
    h('div', { class: 'what' }, h('div', {}, title), h('p', { class: 'sub' }, ...about)),
    h('div', { class: 'actions' }, ...actions),
  );

export const list = (label: string, rows: readonly Node[], empty: string): Node =>
  rows.length === 0 ? h('p', { class: 'empty' }, empty) : h('ul', { class: 'rows', 'aria-label': label }, ...rows);
