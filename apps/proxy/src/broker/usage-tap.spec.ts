import { describe, expect, it } from 'vitest';
import { UsageTap } from './usage-tap.js';

const anthropic = Buffer.from(
  [
    'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}}}\n',
    'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"the \\"usage\\" of ünits"}}\n',
    'event: message_delta\r\ndata: {"type":"message_delta","usage":{"output_tokens":42}}\r\n',
    'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  ].join('\n'),
);
const openai = Buffer.from(
  'data: {"choices":[{}],"usage":null}\n\ndata: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}}\n\ndata: [DONE]\n\n',
);

const read = (bytes: Buffer, step: number, stream = true, limit?: number) => {
  const tap = new UsageTap(stream, limit);
  for (let at = 0; at < bytes.length; at += step) tap.push(bytes.subarray(at, at + step));
  return tap.end();
};

describe('UsageTap', () => {
  it('reads the same counts off a stream however it is cut', () => {
    for (let step = 1; step < 80; step += 1) {
      expect(read(anthropic, step)).toEqual({ inputTokens: 15, outputTokens: 42 });
      expect(read(openai, step)).toEqual({ inputTokens: 7, outputTokens: 9 });
    }
  });

  it('reads one JSON answer', () => {
    const bytes = Buffer.from('{"content":[],\n "usage":{"input_tokens":3,"output_tokens":4}}');
    expect(read(bytes, 5, false)).toEqual({ inputTokens: 3, outputTokens: 4 });
  });

  it('counts what it saw of a stream that was cut off', () => {
    expect(read(anthropic.subarray(0, 300), 16)).toEqual({ inputTokens: 15, outputTokens: 1 });
  });

  it('passes over a line that is too long and goes on with the next', () => {
    const long = Buffer.from(`data: {"usage":{"output_tokens":99},"x":"${'x'.repeat(500)}"}\n`);
    expect(read(Buffer.concat([long, openai]), 64, true, 200)).toEqual({ inputTokens: 7, outputTokens: 9 });
  });

  it('counts nothing off what makes no sense', () => {
    const text = 'data: {"usage":"many"}\ndata: {"usage":{"output_tokens":-5,"input_tokens":"7"}}\ndata: {"usage"\n';
    expect(read(Buffer.from(text), 10)).toEqual({ inputTokens: 0, outputTokens: 0 });
  });
});
