import { describe, expect, it } from 'vitest';
import { UsageTap } from './usage-tap.js';

const anthropic = Buffer.from(
  [
    'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-x","usage":{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":7,"cache_creation":{"ephemeral_1h_input_tokens":3},"output_tokens":1}}}\n',
    'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"the \\"usage\\" of ünits"}}\n',
    'event: message_delta\r\ndata: {"type":"message_delta","usage":{"output_tokens":42}}\r\n',
    'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  ].join('\n'),
);
const openai = Buffer.from(
  'data: {"model":"gpt-x","choices":[{"delta":{"content":"four"}}],"usage":null}\n\ndata: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":2}}}\n\ndata: [DONE]\n\n',
);
const whole = { inputKnown: true, final: true, ended: true, failed: false };

const read = (bytes: Buffer, step: number, stream = true, limit?: number) => {
  const tap = new UsageTap(stream, limit);
  for (let at = 0; at < bytes.length; at += step) tap.push(bytes.subarray(at, at + step));
  return tap.end();
};

describe('UsageTap', () => {
  it('reads the same counts off a stream however it is cut', () => {
    for (let step = 1; step < 80; step += 1) {
      const counts = { input: 10, cacheRead: 5, cacheWrite: 4, cacheWriteHour: 3, output: 42 };
      expect(read(anthropic, step)).toEqual({ ...whole, ...counts, model: 'claude-x', written: 20 });
      const other = { input: 5, cacheRead: 2, cacheWrite: 0, cacheWriteHour: 0, output: 9 };
      expect(read(openai, step)).toEqual({ ...whole, ...other, model: 'gpt-x', written: 4 });
    }
  });

  it('reads one JSON answer', () => {
    const bytes = Buffer.from('{"model":"m","content":[],\n "usage":{"input_tokens":3,"output_tokens":4}}');
    expect(read(bytes, 5, false)).toMatchObject({ ...whole, model: 'm', input: 3, output: 4 });
  });

  it('counts what it saw of a stream that was cut off, and says that it is not all', () => {
    const cut = read(anthropic.subarray(0, anthropic.indexOf('event: message_delta')), 16);
    expect(cut).toMatchObject({ input: 10, output: 1, inputKnown: true, final: false, ended: false, written: 20 });
  });

  it('counts the characters of a stream that carries no usage at all', () => {
    const chunk = (delta: object) => `data: ${JSON.stringify({ model: 'm', choices: [{ delta }] })}\n\n`;
    const text = chunk({ content: 'ab"c\n' }) + chunk({ reasoning_content: 'de' }) + 'data: [DONE]\n\n';
    expect(read(Buffer.from(text), 9)).toMatchObject({ written: 7, ended: true, final: false, inputKnown: false });
  });

  it('notices a fault that the provider reports in the middle', () => {
    const text = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n';
    expect(read(Buffer.from(text), 11)).toMatchObject({ failed: true, ended: false });
  });

  it('passes over a line that is too long and goes on with the next', () => {
    const long = Buffer.from(`data: {"usage":{"output_tokens":99},"x":"${'x'.repeat(500)}"}\n`);
    expect(read(Buffer.concat([long, openai]), 64, true, 200)).toMatchObject({ input: 5, output: 9 });
  });

  it('counts nothing off what makes no sense', () => {
    const text = 'data: {"usage":"many"}\ndata: {"usage":{"output_tokens":-5,"input_tokens":"7"}}\ndata: {"usage"\n';
    expect(read(Buffer.from(text), 10)).toMatchObject({ input: 0, output: 0, inputKnown: false });
  });
});
