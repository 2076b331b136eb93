import { describe, expect, it } from 'vitest';
import { checkFrame, frameIdOf } from './client-frame.check.js';

const refused = (frame: unknown): boolean => {
  try {
    checkFrame(typeof frame === 'string' ? frame : JSON.stringify(frame));
    return false;
  } catch (error) {
    return (error as { code?: string }).code === 'frame-invalid';
  }
};

describe('client frames', () => {
  it('reads a connect with and without resume', () => {
    expect(checkFrame('{"type":"connect","id":"1"}')).toEqual({
      type: 'connect',
      id: '1',
      token: undefined,
      resume: undefined,
    });
    const resume = { session: 'ses_1', after: 0 };
    expect(checkFrame(JSON.stringify({ type: 'connect', id: '1', token: 't', resume }))).toMatchObject({
      token: 't',
      resume,
    });
  });

  it.each([
    ['no JSON', '{'],
    ['no object', '7'],
    ['no type', { id: '1' }],
    ['a type of the prototype', { type: 'constructor', id: '1' }],
    ['no id', { type: 'connect' }],
    ['a number as id', { type: 'abort', id: 1, task: 't' }],
    ['a token that is no text', { type: 'connect', id: '1', token: {} }],
    ['a resume without cursor', { type: 'connect', id: '1', resume: { session: 's' } }],
    ['a negative cursor', { type: 'connect', id: '1', resume: { session: 's', after: -1 } }],
    ['a fraction as cursor', { type: 'connect', id: '1', resume: { session: 's', after: 0.5 } }],
    ['a path as session', { type: 'connect', id: '1', resume: { session: '../s', after: 0 } }],
    ['a message without key', { type: 'message', id: '1', text: 'x' }],
    ['an abort without task', { type: 'abort', id: '1' }],
  ])('refuses %s', (_name, frame) => {
    expect(refused(frame)).toBe(true);
  });

  it('finds the id of a frame that is wrong otherwise', () => {
    expect(frameIdOf('{"type":"dance","id":"7"}')).toBe('7');
    expect(frameIdOf('{')).toBeUndefined();
    expect(frameIdOf('{"id":{}}')).toBeUndefined();
  });
});
