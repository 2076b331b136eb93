import { describe, expect, it } from 'vitest';
import { parseServerSentEvents } from './sse.js';

async function* bytes(...parts: (string | Uint8Array)[]) {
  for (const part of parts) yield typeof part === 'string' ? new TextEncoder().encode(part) : part;
}
const parse = async (...parts: (string | Uint8Array)[]) => {
  const events = [];
  for await (const event of parseServerSentEvents(bytes(...parts))) events.push(event);
  return events;
};

describe('the parser of server-sent events', () => {
  it('reads names, data of several lines, and skips comments', async () => {
    expect(await parse(': hello\nevent: a\ndata: 1\ndata:2\n\ndata: x\n\n')).toEqual([
      { event: 'a', data: '1\n2' },
      { event: '', data: 'x' },
    ]);
  });

  it('takes every split of a stream alike, within a character and within CRLF too', async () => {
    const whole = new TextEncoder().encode('event: a\r\ndata: grün\r\n\r\ndata: b\r\n\r\n');
    for (let at = 1; at < whole.length; at += 1) {
      expect(await parse(whole.slice(0, at), whole.slice(at))).toEqual([
        { event: 'a', data: 'grün' },
        { event: '', data: 'b' },
      ]);
    }
  });

  it('drops an event that the end cuts short', async () => {
    expect(await parse('data: a\n\ndata: b\n')).toEqual([{ event: '', data: 'a' }]);
  });
});
