import { byId, h } from '#libs/browser';
import type { ConnectionStatus } from './connection-parts.js';

const REASONS = {
  lost: 'The connection was lost.',
  draining: 'Your agent is being updated.',
  limited: 'There were too many connections at once.',
} as const;

/** The strip above the conversation that says why nothing moves right now, and when it will. */
export class StatusView {
  #timer: ReturnType<typeof setInterval> | undefined;
  #everOpen = false;

  constructor(onRetry: () => void) {
    byId('banner-retry').addEventListener('click', onRetry);
  }

  render(status: ConnectionStatus): void {
    clearInterval(this.#timer);
    if (status.kind === 'open') this.#everOpen = true;
    switch (status.kind) {
      case 'waiting':
        return this.#countDown(REASONS[status.reason], status.retryAt);
      case 'offline':
        return this.#show('You are offline. What you write is sent as soon as the connection is back.', false);
      case 'connecting':
        // A first connection takes a moment everywhere; only a second one is news.
        return this.#everOpen ? this.#show('Connecting again', false) : this.#hide();
      case 'closed':
        return status.reason === 'not-found'
          ? this.#show('Your agent cannot be found. Please ask your membership site for help.', false)
          : this.#hide();
      case 'open':
        return this.#hide();
    }
  }

  #countDown(reason: string, retryAt: number): void {
    // Only the sentence is announced; a number that changes every second would talk over everything else.
    const seconds = h('span', { 'aria-hidden': 'true' });
    const tick = () => {
      const left = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
      seconds.textContent = ` in ${left} ${left === 1 ? 'second' : 'seconds'}`;
    };
    tick();
    byId('banner-text').replaceChildren(`${reason} Trying again`, seconds, '.');
    byId('banner-retry').hidden = false;
    byId('banner').hidden = false;
    this.#timer = setInterval(tick, 250);
  }

  #show(text: string, retry: boolean): void {
    byId('banner-text').textContent = text;
    byId('banner-retry').hidden = !retry;
    byId('banner').hidden = false;
  }

  #hide(): void {
    byId('banner').hidden = true;
    byId('banner-text').textContent = '';
  }
}
