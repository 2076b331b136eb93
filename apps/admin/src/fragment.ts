/** What the address says after `#`: a page to show, or what a link or an identity provider brought. */
export type Fragment =
  | { readonly kind: 'overview' | 'security' }
  | { readonly kind: 'magic' | 'password-reset' | 'invitation'; readonly token: string }
  | { readonly kind: 'second-factor' }
  | { readonly kind: 'error'; readonly code: string };

const TOKEN = /^[\w-]{43}$/;

export function parseFragment(hash: string): Fragment {
  const [name = '', value = ''] = hash.replace(/^#/, '').split('=', 2);
  if (name === 'security') return { kind: 'security' };
  if (name === 'second-factor') return { kind: 'second-factor' };
  if (name === 'error') return { kind: 'error', code: decode(value).slice(0, 80) };
  if (name === 'magic' || name === 'password-reset' || name === 'invitation')
    return TOKEN.test(value) ? { kind: name, token: value } : { kind: 'error', code: 'link-invalid' };
  return { kind: 'overview' };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray percent sign
  }
}

/** Takes what was brought out of the address, so that it is in no history, bookmark or screenshot, and works once. */
export function clearFragment(): void {
  history.replaceState(null, '', location.pathname + location.search);
}
