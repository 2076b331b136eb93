import { h, icon } from '#libs/browser';
import type { Inline } from './markdown-inline.js';
import { parseMarkdown, type Block } from './markdown.js';

const drawn = new WeakMap<Element, readonly string[]>();

/**
 * Shows Markdown in `target`. Blocks that did not change keep their nodes, so that a selection or a focused button
 * survives while an answer streams in.
 */
export function renderMarkdown(target: Element, text: string): void {
  const blocks = parseMarkdown(text);
  const next = blocks.map((block) => JSON.stringify(block));
  const before = drawn.get(target) ?? [];
  let same = 0;
  while (same < before.length && same < next.length && before[same] === next[same]) same += 1;
  while (target.childNodes.length > same) target.lastChild!.remove();
  target.append(...blocks.slice(same).map(blockNode));
  drawn.set(target, next);
}

function blockNode(block: Block): Node {
  switch (block.kind) {
    case 'paragraph':
      return h('p', {}, ...block.children.map(inlineNode));
    case 'heading':
      // The page's own outline ends at level two: headings inside an answer go below it.
      return h(block.level <= 2 ? 'h3' : 'h4', {}, ...block.children.map(inlineNode));
    case 'list':
      return listNode(block);
    case 'code':
      return codeNode(block.language, block.text);
    case 'quote':
      return h('blockquote', {}, ...block.children.map(blockNode));
    case 'rule':
      return h('hr');
  }
}

function listNode(list: Block & { kind: 'list' }): Node {
  const items = list.items.map((item) => h('li', {}, ...itemNodes(item)));
  return list.ordered ? h('ol', { start: list.start === 1 ? null : list.start }, ...items) : h('ul', {}, ...items);
}

/** The first paragraph of an item stands without its box, so that a tight list looks tight. */
const itemNodes = (blocks: readonly Block[]): Node[] =>
  blocks.flatMap((block, at) =>
    at === 0 && block.kind === 'paragraph' ? block.children.map(inlineNode) : [blockNode(block)],
  );

function inlineNode(node: Inline): Node {
  switch (node.kind) {
    case 'text':
      return document.createTextNode(node.text);
    case 'code':
      return h('code', {}, node.text);
    case 'break':
      return h('br');
    case 'strong':
      return h('strong', {}, ...node.children.map(inlineNode));
    case 'emphasis':
      return h('em', {}, ...node.children.map(inlineNode));
    case 'link':
      return h(
        'a',
        { href: node.href, target: '_blank', rel: 'noopener noreferrer' },
        ...node.children.map(inlineNode),
      );
  }
}

function codeNode(language: string, text: string): Node {
  const head = h(
    'figcaption',
    {},
    h('span', {}, language || 'text'),
    copyButton(() => text, 'Copy code'),
  );
  return h('figure', { class: 'code' }, head, h('pre', { tabindex: 0, 'aria-label': 'Code' }, h('code', {}, text)));
}

/** How long a copy button shows that it worked, in milliseconds. */
const CONFIRMED_FOR = 1600;

/** Copies what `read` gives at the moment of the press, and says so where it was pressed. */
export function copyButton(read: () => string, label: string): HTMLButtonElement {
  const word = h('span', { class: 'copy-word' }, 'Copy');
  const button = h('button', { type: 'button', class: 'quiet copy', 'aria-label': label }, icon('copy'), word);
  const show = (name: 'copy' | 'check', text: string, accessible: string) => {
    button.replaceChildren(icon(name), word);
    word.textContent = text;
    button.setAttribute('aria-label', accessible);
  };
  button.addEventListener('click', () => {
    navigator.clipboard.writeText(read()).then(
      () => show('check', 'Copied', 'Copied'),
      () => show('copy', 'Not allowed', 'Copying is not allowed here'),
    );
    setTimeout(() => show('copy', 'Copy', label), CONFIRMED_FOR);
  });
  return button;
}
