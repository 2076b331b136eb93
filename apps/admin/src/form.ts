import { h, RequestFailed } from '#libs/browser';
import { textOf } from './problem-texts.js';

/** Tells (`end`) that the server knows no session any more, whatever part of the page found out. */
export const SIGNED_OUT = new EventTarget();

/** A label with its input. */
export function field(
  id: string,
  label: string,
  attributes: Readonly<Record<string, unknown>>,
  hint?: string,
): HTMLElement {
  const described = hint ? { 'aria-describedby': `${id}-hint` } : {};
  const input = h('input', { id, name: id, required: true, ...described, ...attributes });
  return h(
    'div',
    { class: 'field' },
    h('label', { for: id }, label),
    input,
    hint && h('p', { class: 'hint', id: `${id}-hint` }, hint),
  );
}

export const valueOf = (form: HTMLFormElement, name: string): string => String(new FormData(form).get(name) ?? '');

export const button = (label: string, onclick: () => void, kind: 'primary' | 'outline' | 'quiet' = 'outline') =>
  h('button', { type: 'button', class: kind, onclick }, label);

/** Where a form or a list says what went wrong; read out when it changes. */
export const problemLine = (): HTMLParagraphElement => h('p', { class: 'problem', role: 'alert' });
/** The same for what went well. */
export const noteLine = (): HTMLParagraphElement => h('p', { class: 'note', role: 'status' });

/**
 * Runs one thing somebody asked for. Everything in the part they used is switched off meanwhile, so that nothing is asked
 * twice; what the server refuses is said in `problem`.
 */
export async function busy(part: HTMLElement, problem: HTMLElement, run: () => Promise<void>): Promise<void> {
  const focused = document.activeElement;
  const controls = [...part.querySelectorAll<HTMLButtonElement>('button:not(:disabled)')];
  for (const control of controls) control.disabled = true;
  part.setAttribute('aria-busy', 'true');
  problem.textContent = '';
  try {
    await run();
  } catch (error) {
    if (error instanceof RequestFailed && error.code === 'session-required') SIGNED_OUT.dispatchEvent(new Event('end'));
    problem.textContent = textOf(error);
  } finally {
    for (const control of controls) control.disabled = false;
    part.removeAttribute('aria-busy');
    // A control that was switched off lost the focus; whoever uses the keyboard goes on where they were.
    if (document.activeElement === document.body && focused instanceof HTMLElement) focused.focus();
  }
}

/** A form whose button runs something; the page itself never goes anywhere. */
export function form(
  label: string,
  run: (element: HTMLFormElement) => Promise<void>,
  ...children: (Node | string | null | undefined | false)[]
): HTMLFormElement {
  const problem = problemLine();
  const submit = h('button', { type: 'submit', class: 'primary' }, label);
  const element: HTMLFormElement = h(
    'form',
    {
      onsubmit: (event: Event) => {
        event.preventDefault();
        void busy(element, problem, () => run(element));
      },
    },
    ...children,
    problem,
    submit,
  );
  return element;
}
