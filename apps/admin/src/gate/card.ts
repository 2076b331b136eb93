import { byId, h } from '#libs/browser';
import type { Outcome } from '../session-api.js';

/** What every step of a sign-in may do. */
export interface GateParts {
  /** Ends the step with what the server answered: the console, or one more step. */
  done(outcome: Outcome): Promise<void>;
  /** The first page again, with something to say. */
  restart(message?: { readonly problem?: string; readonly note?: string }): void;
}

/** Shows one step and puts the reader at its beginning. */
export function showCard(title: string, ...children: (Node | string | null | undefined | false)[]): HTMLElement {
  const card = byId('gate-card');
  card.replaceChildren(
    h('p', { class: 'brand' }, 'Wirebot'),
    h('h1', { tabindex: -1 }, title),
    ...children.filter((child): child is Node | string => Boolean(child)),
  );
  const first = card.querySelector<HTMLElement>('input:not([type="hidden"])') ?? card.querySelector<HTMLElement>('h1');
  first?.focus();
  return card;
}

export const paragraph = (text: string): HTMLElement => h('p', { class: 'lead' }, text);
