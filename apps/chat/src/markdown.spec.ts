import { describe, expect, it } from 'vitest';
import { parseInline, safeHref } from './markdown-inline.js';
import { parseMarkdown } from './markdown.js';

const text = (value: string) => ({ kind: 'text', text: value });
const paragraph = (value: string) => ({ kind: 'paragraph', children: [text(value)] });

describe('parseMarkdown', () => {
  it('separates paragraphs by blank lines and keeps single line breaks', () => {
    expect(parseMarkdown('one\ntwo\n\nthree')).toEqual([
      { kind: 'paragraph', children: [text('one'), { kind: 'break' }, text('two')] },
      paragraph('three'),
    ]);
  });

  it('reads nested and numbered lists', () => {
    expect(parseMarkdown('3. first\n   - inner\n   - other\n4. second')).toEqual([
      {
        kind: 'list',
        ordered: true,
        start: 3,
        items: [
          [
            paragraph('first'),
            { kind: 'list', ordered: false, start: 1, items: [[paragraph('inner')], [paragraph('other')]] },
          ],
          [paragraph('second')],
        ],
      },
    ]);
  });

  it('keeps one list when blank lines stand between its items', () => {
    expect(parseMarkdown('- a\n\n- b\n\nafter')).toEqual([
      { kind: 'list', ordered: false, start: 1, items: [[paragraph('a')], [paragraph('b')]] },
      paragraph('after'),
    ]);
  });

  it('begins another list where the kind of marker changes', () => {
    expect(parseMarkdown('- a\n1. b').map((block) => block.kind === 'list' && block.ordered)).toEqual([false, true]);
  });

  it('shows a fence that is still open as code, as it looks while streaming', () => {
    expect(parseMarkdown('```ts\nconst a = "**b**";\n\n<b>')).toEqual([
      { kind: 'code', language: 'ts', text: 'const a = "**b**";\n\n<b>' },
    ]);
  });

  it('ends a code block at its own fence only', () => {
    expect(parseMarkdown('````\n```\ninner\n```\n````\nafter')).toEqual([
      { kind: 'code', language: '', text: '```\ninner\n```' },
      paragraph('after'),
    ]);
  });

  it('reads headings, quotes and rules', () => {
    expect(parseMarkdown('## Title ##\n> said\n> so\n\n---').map((block) => block.kind)).toEqual([
      'heading',
      'quote',
      'rule',
    ]);
  });

  it('never yields anything but text for HTML', () => {
    const html = '<img src=x onerror=alert(1)><script>alert(1)</script>';
    expect(parseMarkdown(html)).toEqual([paragraph(html)]);
  });

  it.each([
    ['delimiters without a partner', '*a '.repeat(10_000)],
    ['deep quotes', '> '.repeat(5_000)],
    ['deep lists', Array.from({ length: 500 }, (_, at) => `${' '.repeat(at * 2)}- x`).join('\n')],
    ['brackets', '['.repeat(20_000)],
    ['underscores', '_a_b'.repeat(8_000)],
    ['stars', '*'.repeat(30_000)],
  ])('reads 30 KB of %s without hanging', (_, source) => {
    const from = performance.now();
    parseMarkdown(source);
    expect(performance.now() - from).toBeLessThan(2_000);
  });

  it('makes blocks of every prefix of an answer', () => {
    const answer = 'A **bold** start:\n\n1. *one*\n   - [a](https://example.org)\n\n```js\nx\n```\n> end';
    for (let end = 1; end <= answer.length; end += 1)
      expect(parseMarkdown(answer.slice(0, end)).length).toBeGreaterThan(0);
  });
});

describe('parseInline', () => {
  it('reads bold, italics and both at once', () => {
    expect(parseInline('a **b *c*** d')).toEqual([
      text('a '),
      { kind: 'strong', children: [text('b '), { kind: 'emphasis', children: [text('c')] }] },
      text(' d'),
    ]);
  });

  it.each(['2 * 3 * 4', 'snake_case_name', 'a ** b', '**open', '`open', '[x](javascript:alert(1)', 'http://'])(
    'leaves "%s" as it was typed',
    (source) => {
      expect(parseInline(source)).toEqual([text(source)]);
    },
  );

  it('keeps Markdown inside code as it is', () => {
    expect(parseInline('`**x** [a](b)`')).toEqual([{ kind: 'code', text: '**x** [a](b)' }]);
  });

  it('takes a backslash as: just this sign', () => {
    expect(parseInline('\\*not\\* C:\\dir')).toEqual([text('*not* C:\\dir')]);
  });

  it('links web addresses and leaves the full stop out', () => {
    const href = 'https://example.org/a_b?c=1';
    expect(parseInline(`see ${href}.`)).toEqual([
      text('see '),
      { kind: 'link', href, children: [text(href)] },
      text('.'),
    ]);
  });

  it('shows the words of a link that leads somewhere unsafe, without the link', () => {
    expect(parseInline('[click](javascript:alert)')).toEqual([text('click')]);
  });
});

describe('safeHref', () => {
  it.each([
    'javascript:alert(1)',
    'JAVASCRIPT:x',
    'data:text/html,x',
    '/path',
    '//host',
    'vbscript:x',
    'file:///x',
    ' https://x',
  ])('refuses %s', (href) => {
    expect(safeHref(href)).toBeUndefined();
  });

  it.each(['https://example.org/', 'http://example.org/', 'mailto:a@example.org'])('accepts %s', (href) => {
    expect(safeHref(href)).toBe(href);
  });
});
