import { byId, h, icon } from '#libs/browser';
import { isOpen, type Exchange } from './conversation.js';
import { copyButton, renderMarkdown } from './markdown-dom.js';

export const STARTERS = [
  'What should I focus on today?',
  'Help me plan the coming week',
  'I have an idea and want to test it cheaply',
] as const;

interface Actions {
  readonly onStarter: (text: string) => void;
  readonly onRetry: (exchange: Exchange) => void;
}

interface Row {
  readonly root: HTMLElement;
  readonly question: HTMLElement;
  readonly prose: HTMLElement;
  readonly foot: HTMLElement;
  shown: Exchange | null;
  /** What the foot was drawn from: it is not touched while only the text grows, so that its pulse keeps its rhythm. */
  footState: string;
}

/** Shows the exchanges. A row is redrawn only when its exchange changed, and inside an answer only the blocks that did. */
export class Transcript {
  readonly #root = byId('transcript');
  readonly #scroll = byId('scroll');
  readonly #rows = new Map<string, Row>();
  #stick = true;

  constructor(private readonly actions: Actions) {
    this.#scroll.addEventListener('scroll', () => {
      const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
      this.#stick = scrollHeight - scrollTop - clientHeight < 48;
    });
  }

  showWelcome(greeting: string): void {
    this.#clear();
    const starters = STARTERS.map((text) =>
      h('li', {}, h('button', { type: 'button', onclick: () => this.actions.onStarter(text) }, text)),
    );
    const welcome = h(
      'section',
      { class: 'welcome' },
      h('h2', {}, greeting),
      h('p', {}, 'Write below, or begin with one of these.'),
    );
    welcome.append(h('ul', { class: 'starters', 'aria-label': 'Suggestions' }, ...starters));
    this.#root.append(welcome);
  }

  showLoading(): void {
    this.#clear();
    this.#root.append(
      h(
        'div',
        { class: 'skeleton', role: 'status', 'aria-label': 'Loading the conversation' },
        h('span'),
        h('span'),
        h('span'),
      ),
    );
  }

  showFailure(message: string, retry: () => void): void {
    this.#clear();
    const button = h('button', { type: 'button', class: 'quiet', onclick: retry }, icon('retry'), 'Try again');
    this.#root.append(h('div', { class: 'failed', role: 'alert' }, h('p', {}, message), button));
  }

  render(exchanges: readonly Exchange[], waiting: boolean, limited: boolean): void {
    if (this.#rows.size === 0) this.#clear();
    const keys = new Set(exchanges.map((exchange) => exchange.key));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.root.remove();
      this.#rows.delete(key);
    }
    for (const exchange of exchanges) this.#draw(exchange, waiting, limited);
    if (this.#stick) this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  /** Follows the end again, as after sending. */
  follow(): void {
    this.#stick = true;
  }

  #draw(exchange: Exchange, waiting: boolean, limited: boolean): void {
    const row = this.#rows.get(exchange.key) ?? this.#create(exchange.key);
    const { shown } = row;
    row.shown = exchange;
    row.root.setAttribute('aria-busy', String(isOpen(exchange)));
    if (shown?.question !== exchange.question) {
      row.question.replaceChildren(h('span', { class: 'unseen' }, 'You: '), exchange.question);
      row.question.hidden = exchange.question === '';
    }
    if (shown?.answer !== exchange.answer) renderMarkdown(row.prose, exchange.answer);
    const footState = JSON.stringify([
      exchange.status,
      exchange.tool,
      exchange.error,
      exchange.answer === '',
      waiting,
      limited,
    ]);
    if (row.footState === footState) return;
    row.footState = footState;
    row.foot.replaceChildren(...this.#foot(exchange, row, waiting, limited));
  }

  #foot(exchange: Exchange, row: Row, waiting: boolean, limited: boolean): Node[] {
    switch (exchange.status) {
      case 'sending':
        return [state(waiting ? 'Waiting for the connection' : 'Sending')];
      case 'accepted':
        return [state(exchange.tool ? `Using ${exchange.tool}` : 'Thinking')];
      case 'streaming':
        return exchange.tool ? [state(`Using ${exchange.tool}`)] : [state('Writing')];
      case 'failed':
        return [this.#failure(exchange, limited)];
      case 'aborted':
        return [h('p', { class: 'state' }, 'Stopped'), ...copyTools(exchange, row)];
      case 'done':
        return copyTools(exchange, row);
    }
  }

  #failure(exchange: Exchange, limited: boolean): Node {
    const retry = () => this.actions.onRetry(exchange);
    const button = h(
      'button',
      { type: 'button', class: 'quiet', onclick: retry, disabled: limited },
      icon('retry'),
      'Try again',
    );
    const message = exchange.error?.message ?? 'This answer could not be finished.';
    return h('div', { class: 'failed', role: 'alert' }, h('p', {}, message), exchange.question !== '' && button);
  }

  #create(key: string): Row {
    const question = h('div', { class: 'question' });
    const prose = h('div', { class: 'prose' });
    const foot = h('div', {});
    const root = h('article', { class: 'exchange' }, question, h('div', { class: 'answer' }, prose, foot));
    this.#root.append(root);
    const row: Row = { root, question, prose, foot, shown: null, footState: '' };
    this.#rows.set(key, row);
    return row;
  }

  #clear(): void {
    this.#rows.clear();
    this.#root.replaceChildren();
  }
}

const state = (text: string): HTMLElement => h('p', { class: 'state' }, h('span', { class: 'pulse' }), text);

const copyTools = (exchange: Exchange, row: Row): Node[] =>
  exchange.answer === ''
    ? []
    : [
        h(
          'div',
          { class: 'tools' },
          copyButton(() => row.shown?.answer ?? '', 'Copy this answer'),
        ),
      ];
