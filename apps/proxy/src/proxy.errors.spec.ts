import { readFileSync } from 'node:fs';
import { statusOf } from '#libs/kernel';
import { describe, expect, it } from 'vitest';
import { BROKER_PROBLEMS } from './broker/provider-api.js';
import { PROBLEMS } from './proxy.errors.js';

const text = readFileSync(new URL('../../../docs/proxy.md', import.meta.url), 'utf8');

/** `| 404 | \`code\` | …` rows below a heading. */
function rows(heading: string): string[] {
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return [...section.matchAll(/^\|\s*(\d{3})\s*\|\s*`([a-z-]+)`\s*\|/gm)]
    .map((match) => `${match[1]} ${match[2]}`)
    .sort();
}

describe('docs/proxy.md', () => {
  it('lists every problem of the edge with its status, and no other', () => {
    const codes = Object.entries(PROBLEMS).map(([code, [kind]]) => `${statusOf(kind)} ${code}`);
    expect(rows('Problems')).toEqual(codes.sort());
  });

  it('lists every problem of the model broker with its status, and no other', () => {
    const codes = Object.entries(BROKER_PROBLEMS).map(([code, [status]]) => `${status} ${code}`);
    expect(rows('Model broker')).toEqual(codes.sort());
  });
});
