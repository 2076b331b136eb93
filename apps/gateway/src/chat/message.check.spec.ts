import { describe, expect, it } from 'vitest';
import { checkMessage } from './message.check.js';

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly errors: { readonly field: string }[];
}

function errorOf(run: () => unknown): Refusal {
  try {
    run();
  } catch (error) {
    return error as Refusal;
  }
  throw new Error('nothing was refused');
}
const codeOf = (run: () => unknown): string => errorOf(run).code;

describe('the shape of a message', () => {
  it('takes a text of exactly the longest length, counted in characters', () => {
    expect(checkMessage({ text: 'ä'.repeat(32_000) }).text).toHaveLength(32_000);
    expect(codeOf(() => checkMessage({ text: 'ä'.repeat(32_001) }))).toBe('text-too-long');
  });

  it('takes an empty list of attachments and refuses any other', () => {
    expect(checkMessage({ text: 'x', attachments: [] })).toMatchObject({ text: 'x' });
    expect(codeOf(() => checkMessage({ text: 'x', attachments: {} }))).toBe('attachments-unsupported');
  });

  it('names every wrong field and none of their values', () => {
    const error = errorOf(() => checkMessage({ text: 5, session: 'a b', idempotencyKey: 'x'.repeat(129) }));
    expect(error.errors.map((entry) => entry.field)).toEqual(['text', 'session', 'idempotencyKey']);
    expect(error.message).not.toContain('a b');
  });
});
