import { describe, expect, it } from 'vitest';
import { parseEvent, readEvents } from './http.js';

const streamOf = (chunks: readonly Uint8Array[]): ReadableStream =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });

describe('server-sent events', () => {
  it('are read across the borders of chunks, comments left out', async () => {
    const source =
      ': keep-alive\n\nid: 1\nevent: step\ndata: {"a":"é"}\n\nevent: done\r\ndata: {\r\ndata: "b":2}\r\n\r\n';
    const bytes = new TextEncoder().encode(source);
    for (const size of [1, 3, 1000]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
        bytes.slice(at * size, (at + 1) * size),
      );
      const events = [];
      for await (const event of readEvents(new Response(streamOf(chunks)))) events.push(event);
      expect(events).toEqual([
        { event: 'step', data: { a: 'é' } },
        { event: 'done', data: { b: 2 } },
      ]);
    }
  });

  it('without data are none', () => {
    expect(parseEvent('event: ping')).toBeUndefined();
  });
});
