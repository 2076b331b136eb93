import { byId, h } from '#libs/browser';
import { Announcer } from './announce.js';
import { isOpen, type Exchange } from './conversation.js';

/** Pieces kept in the live region; older ones have been read long ago. */
const KEPT = 20;

/** Hands the answer under way to screen readers, in pieces worth reading. Answers from the history stay silent. */
export class Speaker {
  readonly #announcers = new Map<string, Announcer>();

  follow(last: Exchange | undefined): void {
    if (!last || (!isOpen(last) && !this.#announcers.has(last.key))) return;
    const announcer = this.#announcers.get(last.key) ?? new Announcer();
    this.#announcers.set(last.key, announcer);
    const text = announcer.next(last.answer, !isOpen(last));
    const region = byId('spoken');
    if (text) region.append(h('p', {}, text));
    while (region.childElementCount > KEPT) region.firstElementChild!.remove();
  }
}
