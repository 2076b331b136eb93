import { describe, expect, it } from 'vitest';
import { lastWords } from './optional-file.js';

describe('the last words of a program', () => {
  it('begin with its last error, not with the end of the trace', () => {
    const trace = Array.from({ length: 20 }, (_, index) => `    at step${index} (file.js:${index})`);
    const text = [
      '{"level":30,"msg":"starting"}',
      'Error [ERR_MODULE_NOT_FOUND]: no such file',
      ...trace,
      'Node.js v24',
    ].join('\n');
    expect(lastWords(text, 2)).toBe('Error [ERR_MODULE_NOT_FOUND]: no such file\n    at step0 (file.js:0)');
  });

  it('are its last lines when there was no error', () => {
    expect(lastWords('one\ntwo\nthree\n', 2)).toBe('two\nthree');
  });
});
