/** Where consoles live on this origin. */
export const CONSOLE_HOME = '/admin/';
const LONGEST = 512;

/**
 * The address to go on to after a sign-in, when it is one of a console on this very origin; the console's start otherwise.
 * Not the API's: a sign-in must not end in a call that somebody else chose.
 */
export function consolePath(text: string | undefined, fallback: string = CONSOLE_HOME): string {
  if (!text || text.length > LONGEST || !text.startsWith(CONSOLE_HOME)) return fallback;
  const url = URL.parse(text, 'http://here.invalid');
  const stays = url?.origin === 'http://here.invalid' && url.pathname.startsWith(CONSOLE_HOME);
  return stays ? `${url.pathname}${url.search}${url.hash}` : fallback;
}

/** The console, told what went wrong or what comes next; after `#`, so that it reaches no log. */
export const consoleWith = (name: string, value: string): string =>
  `${CONSOLE_HOME}#${name}=${encodeURIComponent(value)}`;
