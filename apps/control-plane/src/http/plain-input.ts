import { InvalidRequest } from './http.errors.js';
import { HTTP_LIMITS } from './limits.js';

type Part = readonly [value: unknown, field: string, depth: number];

/**
 * JSON and addresses can hold what nothing here can keep: NUL characters and halves of characters, which the database takes
 * for no text, and any depth, which costs whoever walks it the stack. Throws InvalidRequest, which names the outermost field.
 */
export function assertPlainInput(input: unknown, name: string): void {
  const parts: Part[] = [[input, name, 0]];
  for (let part = parts.pop(); part; part = parts.pop()) {
    const [value, field, depth] = part;
    if (typeof value === 'string') assertText(value, field);
    if (typeof value !== 'object' || value === null) continue;
    if (depth === HTTP_LIMITS.depth) throw refused(field, `must not be nested deeper than ${HTTP_LIMITS.depth} levels`);
    for (const [key, inner] of Object.entries(value)) {
      assertText(key, field);
      parts.push([inner, depth === 0 ? key : field, depth + 1]);
    }
  }
}

export const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\u0000');

function assertText(text: string, field: string): void {
  if (!isStorable(text)) throw refused(field, 'must be Unicode text without NUL characters');
}

const refused = (field: string, what: string): InvalidRequest =>
  new InvalidRequest([{ field, message: `${field} ${what}` }]);
