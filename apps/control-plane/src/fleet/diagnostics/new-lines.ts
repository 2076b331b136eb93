/** Lines that recognise a place in a log: single ones repeat. */
const ANCHOR = 8;

/** What `now` has after the end of `before`, both being the end of one growing log. `gap`: the end of `before` is not in it. */
export function newLines(
  before: readonly string[],
  now: readonly string[],
): { readonly gap: boolean; readonly lines: readonly string[] } {
  if (before.length === 0) return { gap: false, lines: now };
  const anchor = before.slice(-ANCHOR);
  for (let end = now.length; end >= anchor.length; end -= 1) {
    if (anchor.every((line, index) => now[end - anchor.length + index] === line))
      return { gap: false, lines: now.slice(end) };
  }
  // Also a log that was begun anew, with a new process.
  return { gap: now.length > 0, lines: now };
}
