import { byId, h } from '#libs/browser';

/** What stands in front of the conversation. */
export type GateState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'signing-in' }
  | { readonly kind: 'signed-out'; readonly reason: 'none' | 'link-used' | 'expired' | 'left' }
  | { readonly kind: 'failed'; readonly message: string; readonly retry: () => void };

const SIGNED_OUT = {
  none: ['Please sign in', 'Open your agent from your membership site: the link there signs you in.'],
  'link-used': [
    'This link has been used or is too old',
    'A sign-in link works once, and only for a short time. Open your agent from your membership site to get a new one.',
  ],
  expired: [
    'Your sign-in has ended',
    'Open your agent from your membership site again. Your conversations are all still there.',
  ],
  left: ['You are signed out', 'To come back, open your agent from your membership site.'],
} as const;

export function showGate(state: GateState): void {
  byId('shell').hidden = true;
  byId('skip').hidden = true;
  byId('gate').hidden = false;
  byId('gate-content').replaceChildren(...content(state));
}

function content(state: GateState): Node[] {
  switch (state.kind) {
    case 'loading':
      return [h('p', { class: 'state' }, h('span', { class: 'pulse' }), 'Loading')];
    case 'signing-in':
      return [h('p', { class: 'state' }, h('span', { class: 'pulse' }), 'Signing you in')];
    case 'signed-out':
      return [h('h1', {}, SIGNED_OUT[state.reason][0]), h('p', {}, SIGNED_OUT[state.reason][1])];
    case 'failed':
      return [
        h('h1', {}, 'This did not load'),
        h('p', {}, state.message),
        h('button', { type: 'button', class: 'primary', onclick: state.retry }, 'Try again'),
      ];
  }
}

export function hideGate(): void {
  byId('gate').hidden = true;
  byId('shell').hidden = false;
  byId('skip').hidden = false;
}
