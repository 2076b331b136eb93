/** One server-sent event; `event` is empty when the stream did not name it. */
export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

/** A line or an event beyond this is no model's: it would only fill our memory. In characters. */
const MAX_EVENT = 4 * 1024 * 1024;

/**
 * Parses a stream of server-sent events (WHATWG rules: CR, LF or CRLF; several `data` lines join; comments are
 * skipped). An event that the end of the stream cuts short is dropped, as the standard says.
 */
export async function* parseServerSentEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let text = '';
  let event = '';
  let data: string[] = [];
  for await (const chunk of bytes) {
    text += decoder.decode(chunk, { stream: true });
    const lines = takeLines(text);
    text = lines.rest;
    if (text.length > MAX_EVENT) throw new Error('a server-sent event is too large');
    for (const line of lines.complete) {
      if (line === '') {
        if (data.length > 0) yield { event, data: data.join('\n') };
        event = '';
        data = [];
        continue;
      }
      const { field, value } = split(line);
      if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
    }
  }
}

/** A trailing CR stays in `rest`: the LF that belongs to it may be in the next chunk. */
function takeLines(text: string): { complete: string[]; rest: string } {
  const usable = text.endsWith('\r') ? text.slice(0, -1) : text;
  const lines = usable.split(/\r\n|\n|\r/);
  const rest = lines.pop() ?? '';
  return { complete: lines, rest: rest + text.slice(usable.length) };
}

function split(line: string): { field: string; value: string } {
  const colon = line.indexOf(':');
  if (colon < 0) return { field: line, value: '' };
  const value = line.slice(colon + 1);
  return { field: line.slice(0, colon), value: value.startsWith(' ') ? value.slice(1) : value };
}
