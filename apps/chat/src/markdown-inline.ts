export type Inline =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'break' }
  | { readonly kind: 'strong' | 'emphasis'; readonly children: readonly Inline[] }
  | { readonly kind: 'link'; readonly href: string; readonly children: readonly Inline[] };

const MAX_DEPTH = 6;
/** Where a span may begin. Everything between two such places is plain text. */
const SPECIAL = /[\\`*_[\n]|https?:\/\//g;
const BARE_LINK = /^https?:\/\/[^\s<>"'`]*[^\s<>"'`.,;:!?)\]*_]/;

/** Reads bold, italics, code, links, bare web addresses and line breaks. What does not close stays as it was typed. */
export function parseInline(source: string, depth = 0): Inline[] {
  const out: Inline[] = [];
  const hopeless = new Set<string>();
  let text = '';
  let at = 0;
  const flush = () => {
    if (text) out.push({ kind: 'text', text });
    text = '';
  };
  while (at < source.length) {
    const span = depth < MAX_DEPTH ? readSpan(source, at, depth, hopeless) : undefined;
    if (!span) {
      SPECIAL.lastIndex = at + 1;
      const next = SPECIAL.exec(source)?.index ?? source.length;
      text += source.slice(at, next);
      at = next;
      continue;
    }
    if (span.node.kind === 'text') text += span.node.text;
    else {
      flush();
      out.push(span.node);
    }
    at = span.end;
  }
  flush();
  return out;
}

interface Span {
  readonly node: Inline;
  readonly end: number;
}

function readSpan(source: string, at: number, depth: number, hopeless: Set<string>): Span | undefined {
  switch (source[at]) {
    case '\n':
      return { node: { kind: 'break' }, end: at + 1 };
    case '\\':
      return /[\\`*_[\](){}#+\-.!>]/.test(source[at + 1] ?? '')
        ? { node: { kind: 'text', text: source[at + 1]! }, end: at + 2 }
        : undefined;
    case '`':
      return readCode(source, at, hopeless);
    case '*':
    case '_':
      return readEmphasis(source, at, depth, hopeless);
    case '[':
      return readLink(source, at, depth);
    case 'h':
      return readBareLink(source, at);
    default:
      return undefined;
  }
}

/** Remembers delimiters without a partner, so that a text full of them is still read in one pass. */
function findClose(source: string, mark: string, from: number, hopeless: Set<string>): number {
  if (hopeless.has(mark)) return -1;
  const found = source.indexOf(mark, from);
  if (found === -1) hopeless.add(mark);
  return found;
}

function readCode(source: string, at: number, hopeless: Set<string>): Span | undefined {
  const ticks = /^`+/.exec(source.slice(at, at + 16))![0];
  const close = findClose(source, ticks, at + ticks.length, hopeless);
  if (close === -1) return undefined;
  const text = source.slice(at + ticks.length, close).replaceAll('\n', ' ');
  return {
    node: { kind: 'code', text: /^ .*[^ ].* $/.test(text) ? text.slice(1, -1) : text },
    end: close + ticks.length,
  };
}

function readEmphasis(source: string, at: number, depth: number, hopeless: Set<string>): Span | undefined {
  const character = source[at]!;
  const mark = source[at + 1] === character ? character + character : character;
  const start = at + mark.length;
  if (/\s/.test(source[start] ?? ' ')) return undefined;
  if (character === '_' && /\w/.test(source[at - 1] ?? '')) return undefined;
  const close = findEmphasisEnd(source, mark, start, hopeless);
  if (close === -1) return undefined;
  const kind = mark.length === 2 ? 'strong' : 'emphasis';
  return { node: { kind, children: parseInline(source.slice(start, close), depth + 1) }, end: close + mark.length };
}

function findEmphasisEnd(source: string, mark: string, start: number, hopeless: Set<string>): number {
  let close = findClose(source, mark, start + 1, hopeless);
  for (let tries = 0; close !== -1 && tries < 20; tries += 1) {
    const whole = mark.length === 2 || (source[close + 1] !== mark && source[close - 1] !== mark);
    const wordInside = mark.startsWith('_') && /\w/.test(source[close + mark.length] ?? '');
    // `***` closes the inner emphasis first, the outer one with the last two.
    if (mark.length === 2 && source[close + 2] === mark[0]) close += 1;
    if (whole && !wordInside && !/\s/.test(source[close - 1]!)) return close;
    close = findClose(source, mark, close + mark.length, hopeless);
  }
  return -1;
}

function readLink(source: string, at: number, depth: number): Span | undefined {
  const match = /^\[([^\]\n]{1,500})\]\(([^()\s]{1,2000}(?:\([^()\s]*\)[^()\s]*)?)(?:\s+"[^"\n]*")?\)/.exec(
    source.slice(at, at + 3000),
  );
  if (!match) return undefined;
  const children = parseInline(match[1]!, depth + 1);
  const href = safeHref(match[2]!);
  const end = at + match[0].length;
  return href ? { node: { kind: 'link', href, children }, end } : { node: { kind: 'text', text: match[1]! }, end };
}

function readBareLink(source: string, at: number): Span | undefined {
  const match = BARE_LINK.exec(source.slice(at, at + 2000));
  const href = match && safeHref(match[0]);
  return href
    ? { node: { kind: 'link', href, children: [{ kind: 'text', text: match[0] }] }, end: at + match[0].length }
    : undefined;
}

/** Only addresses that leave the page; never a script, a file or a relative one. */
export function safeHref(value: string): string | undefined {
  if (!/^(https?:\/\/|mailto:)/i.test(value)) return undefined;
  return URL.canParse(value) ? new URL(value).href : undefined;
}
