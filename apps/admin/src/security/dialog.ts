import { h } from '#libs/browser';
import { button } from '../form.js';

/** A question above the page. Resolves with what `close` was given, undefined when it was dismissed. */
export function ask<T>(
  title: string,
  content: (close: (answer: T) => void) => readonly Node[],
): Promise<T | undefined> {
  return new Promise((resolve) => {
    let answer: T | undefined;
    const close = (given: T): void => {
      answer = given;
      dialog.close();
    };
    const dialog = h(
      'dialog',
      { class: 'dialog', 'aria-labelledby': 'dialog-title' },
      h('h2', { id: 'dialog-title' }, title),
      ...content(close),
    );
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

export async function confirmed(title: string, text: string, action: string): Promise<boolean> {
  const answer = await ask<boolean>(title, (close) => [
    h('p', { class: 'lead' }, text),
    h(
      'div',
      { class: 'actions' },
      button('Cancel', () => close(false), 'outline'),
      button(action, () => close(true), 'primary'),
    ),
  ]);
  return answer === true;
}
