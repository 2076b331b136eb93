import { describe, expect, it } from 'vitest';
import { Announcer } from './announce.js';

describe('Announcer', () => {
  it('speaks whole sentences while an answer grows, and the rest at its end', () => {
    const announcer = new Announcer();
    expect(announcer.next('First thing', false)).toBe('');
    expect(announcer.next('First thing. Second', false)).toBe('First thing.');
    expect(announcer.next('First thing. Second thi', false)).toBe('');
    expect(announcer.next('First thing. Second thing', true)).toBe('Second thing');
    expect(announcer.next('First thing. Second thing', true)).toBe('');
  });

  it('leaves out the signs of Markdown', () => {
    expect(new Announcer().next('See **the** [guide](https://example.org/x) and `run`', true)).toBe(
      'See the guide and run',
    );
  });

  it('does not cut a number at its point', () => {
    expect(new Announcer().next('It costs 4.50 a month', false)).toBe('');
  });
});
