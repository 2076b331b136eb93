import { describe, expect, it } from 'vitest';
import { formatCursor, parseCursor } from './event-cursor.js';
import { parseSubscribe } from './event-frames.js';

describe('a subscribe frame', () => {
  it('is read with its topics once each and its cursor', () => {
    const frame = { type: 'subscribe', topics: ['audit', 'gateways', 'audit'], after: '12.34' };
    expect(parseSubscribe(JSON.stringify(frame))).toEqual({
      topics: ['audit', 'gateways'],
      after: { txid: 12n, seq: 34n },
    });
  });

  it.each([
    ['', 'type'],
    ['null', 'type'],
    ['[]', 'type'],
    ['{"type":"unsubscribe"}', 'type'],
    ['{"type":"subscribe"}', 'topics'],
    ['{"type":"subscribe","topics":[]}', 'topics'],
    ['{"type":"subscribe","topics":["secrets"]}', 'topics'],
    ['{"type":"subscribe","topics":["audit"],"after":"1"}', 'after'],
    ['{"type":"subscribe","topics":["audit"],"after":5}', 'after'],
    ['{"type":"subscribe","topics":["audit"],"after":"1.2; DROP TABLE outbox"}', 'after'],
  ])('is refused by field: %s', (text, field) => {
    expect(parseSubscribe(text)).toMatchObject({ errors: [{ field }] });
  });
});

it('a cursor comes back as it went', () => {
  expect(parseCursor(formatCursor({ txid: 7n, seq: 9_007_199_254_740_993n }))).toEqual({
    txid: 7n,
    seq: 9_007_199_254_740_993n,
  });
});
