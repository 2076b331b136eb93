import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor, toPage } from './cursor.js';
import { assertIfMatch, etagOf } from './etag.js';
import { InvalidRequest, PreconditionFailed } from './http.errors.js';
import { canonicalJson } from './idempotency.interceptor.js';
import { fieldErrors } from './validation.pipe.js';

describe('a page', () => {
  const rows = ['a', 'b', 'c'].map((id) => ({ id }));
  const page = (limit: number) =>
    toPage(
      rows,
      limit,
      (row) => row.id,
      (row) => [row.id],
    );

  it('has a cursor to the next one exactly when there is more', () => {
    expect(page(2).items).toEqual(['a', 'b']);
    expect(decodeCursor(page(2).nextCursor!, 1)).toEqual(['b']);
    expect(page(3)).toEqual({ items: ['a', 'b', 'c'], nextCursor: null });
    expect(toPage([], 3, String, String as never)).toEqual({ items: [], nextCursor: null });
  });

  it.each(['', '!!', 'e30', encodeCursor(['a', 'b']), Buffer.from('[1]').toString('base64url')])(
    'refuses the cursor %j',
    (cursor) => {
      expect(() => decodeCursor(cursor, 1)).toThrow(InvalidRequest);
    },
  );
});

describe('entity tags', () => {
  const current = etagOf('mem_1', new Date(0));

  it('name a version: equal for equal ones only', () => {
    expect(etagOf('mem_1', new Date(0))).toBe(current);
    expect(etagOf('mem_1', new Date(1))).not.toBe(current);
    expect(etagOf('ab', 'c')).not.toBe(etagOf('a', 'bc'));
    expect(current).toMatch(/^"[\w-]{22}"$/);
  });

  it.each([[undefined], [current], ['*'], [`"other", ${current}`]])(
    'let a change with If-Match %s through',
    (header) => {
      expect(() => assertIfMatch(header, current)).not.toThrow();
    },
  );

  it.each(['"other"', `W/${current}`, '', current.slice(1, -1)])('stop a change with If-Match %s', (header) => {
    expect(() => assertIfMatch(header, current)).toThrow(PreconditionFailed);
  });
});

describe('canonicalJson', () => {
  it('is the same for bodies that mean the same, and differs otherwise', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: true })).toBe('{"a":true,"b":[1,{"c":"x","d":null}]}');
    expect(canonicalJson({ a: 1, b: undefined })).toBe(canonicalJson({ a: 1 }));
    expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
    expect(canonicalJson({ a: '1' })).not.toBe(canonicalJson({ a: 1 }));
    expect(canonicalJson(undefined)).toBe('null');
  });
});

describe('fieldErrors', () => {
  it('names nested fields and list items by their path', () => {
    const leaf = { property: 'stage', constraints: { isIn: 'stage must be idea or launch' }, value: 'secret-value' };
    const errors = [{ property: 'workspaces', children: [{ property: '0', children: [leaf] }] }];
    expect(fieldErrors(errors)).toEqual([{ field: 'workspaces.0.stage', message: 'stage must be idea or launch' }]);
  });
});
