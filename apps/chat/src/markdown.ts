import { parseInline, type Inline } from './markdown-inline.js';

export type Block =
  | { readonly kind: 'paragraph'; readonly children: readonly Inline[] }
  | { readonly kind: 'heading'; readonly level: number; readonly children: readonly Inline[] }
  | {
      readonly kind: 'list';
      readonly ordered: boolean;
      readonly start: number;
      readonly items: readonly (readonly Block[])[];
    }
  | { readonly kind: 'code'; readonly language: string; readonly text: string }
  | { readonly kind: 'quote'; readonly children: readonly Block[] }
  | { readonly kind: 'rule' };

/** Deeper nesting is shown as plain text: no answer needs it, and it bounds the work. */
const MAX_DEPTH = 6;

const FENCE = /^ {0,3}(```+|~~~+)\s*([\w+#.-]*)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(\s+|$)/;
const QUOTE = /^ {0,3}> ?/;

/** Reads the subset of Markdown that agents write. Text is data all the way: a view builds nodes from it, never HTML. */
export function parseMarkdown(text: string, depth = 0): Block[] {
  const lines = text.replaceAll('\r\n', '\n').replaceAll('\t', '    ').split('\n');
  const blocks: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    if (lines[at]!.trim() === '') {
      at += 1;
      continue;
    }
    const [block, next] = readBlock(lines, at, depth);
    blocks.push(block);
    at = next;
  }
  return blocks;
}

type Read = readonly [Block, number];

function readBlock(lines: readonly string[], at: number, depth: number): Read {
  const line = lines[at]!;
  if (FENCE.test(line)) return readCode(lines, at);
  const heading = HEADING.exec(line);
  if (heading) return [{ kind: 'heading', level: heading[1]!.length, children: parseInline(heading[2]!) }, at + 1];
  if (RULE.test(line)) return [{ kind: 'rule' }, at + 1];
  if (depth < MAX_DEPTH && QUOTE.test(line)) return readQuote(lines, at, depth);
  if (depth < MAX_DEPTH && ITEM.test(line)) return readList(lines, at, depth);
  return readParagraph(lines, at);
}

/** A fence that is still open runs to the end: that is how a streamed code block looks until its last line arrives. */
function readCode(lines: readonly string[], from: number): Read {
  const [, fence, language] = FENCE.exec(lines[from]!)!;
  let at = from + 1;
  const isEnd = (line: string) => line.trim().startsWith(fence!) && line.trim().replaceAll(fence![0]!, '') === '';
  while (at < lines.length && !isEnd(lines[at]!)) at += 1;
  return [{ kind: 'code', language: language!, text: lines.slice(from + 1, at).join('\n') }, at + 1];
}

function readQuote(lines: readonly string[], from: number, depth: number): Read {
  let at = from;
  while (at < lines.length && QUOTE.test(lines[at]!)) at += 1;
  const inner = lines.slice(from, at).map((line) => line.replace(QUOTE, ''));
  return [{ kind: 'quote', children: parseMarkdown(inner.join('\n'), depth + 1) }, at];
}

function readList(lines: readonly string[], from: number, depth: number): Read {
  const first = ITEM.exec(lines[from]!)!;
  const ordered = /\d/.test(first[2]!);
  const items: string[][] = [];
  let at = from;
  let width = 0;
  while (at < lines.length) {
    const line = lines[at]!;
    const marker = ITEM.exec(line);
    if (marker && (items.length === 0 || marker[1]!.length < width)) {
      if (/\d/.test(marker[2]!) !== ordered || RULE.test(line)) break;
      width = marker[1]!.length + marker[2]!.length + 1;
      items.push([line.slice(marker[0].length)]);
    } else if (belongs(lines, at, width)) items.at(-1)!.push(dedent(line, width));
    else break;
    at += 1;
  }
  const start = ordered ? Number.parseInt(first[2]!, 10) : 1;
  return [{ kind: 'list', ordered, start, items: items.map((item) => parseMarkdown(item.join('\n'), depth + 1)) }, at];
}

/** A line continues an item when it is indented, or follows without a blank line and starts nothing new. */
function belongs(lines: readonly string[], at: number, width: number): boolean {
  const line = lines[at]!;
  if (line.trim() === '') return /^ {2,}\S/.test(nextText(lines, at)) || ITEM.test(nextText(lines, at));
  if (indent(line) >= Math.min(width, 2)) return true;
  return lines[at - 1]!.trim() !== '' && !startsBlock(line);
}

const nextText = (lines: readonly string[], at: number): string =>
  lines.slice(at).find((line) => line.trim() !== '') ?? '';
const indent = (line: string): number => line.length - line.trimStart().length;
const dedent = (line: string, width: number): string => line.slice(Math.min(indent(line), width));
const startsBlock = (line: string): boolean =>
  FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || ITEM.test(line);

function readParagraph(lines: readonly string[], from: number): Read {
  let at = from + 1;
  while (at < lines.length && lines[at]!.trim() !== '' && !startsBlock(lines[at]!)) at += 1;
  const text = lines
    .slice(from, at)
    .map((line) => line.trim())
    .join('\n');
  return [{ kind: 'paragraph', children: parseInline(text) }, at];
}
