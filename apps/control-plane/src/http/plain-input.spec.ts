import { describe, expect, it } from 'vitest';
import { HTTP_LIMITS } from './limits.js';
import { assertPlainInput } from './plain-input.js';

const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));

describe('assertPlainInput', () => {
  it.each([[undefined], [null], [7], ['täxt 🙂\n'], [{ a: [{ b: 'c' }] }], [nested(HTTP_LIMITS.depth)]])(
    'admits %j',
    (input) => expect(() => assertPlainInput(input, 'body')).not.toThrow(),
  );

  it.each([
    ['a NUL', { name: 'a\u0000b' }],
    ['a NUL deep inside', { name: [{ first: ['\u0000'] }] }],
    ['a NUL in a key', { name: { '\u0000': 1 } }],
    ['half a character', { name: '\ud83d' }],
    ['what is nested too deeply', { name: nested(HTTP_LIMITS.depth) }],
    ['what is nested as deeply as a body can be', { name: nested(400_000) }],
  ])('refuses %s and names the field', (_, input) => {
    expect(() => assertPlainInput(input, 'body')).toThrow(
      expect.objectContaining({ errors: [{ field: 'name', message: expect.stringMatching(/^name must/) }] }),
    );
  });
});
