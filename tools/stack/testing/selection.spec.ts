import { describe, expect, it } from 'vitest';
import { readSelection } from './selection.js';

describe('what npm test runs', () => {
  it('is everything, in order, with the static checks only where CI asks for them', () => {
    expect(readSelection([], false)).toEqual({ projects: ['unit', 'integration', 'e2e'], rest: [], check: false });
    expect(readSelection([], true).check).toBe(true);
  });

  it('is one project, and the paths behind it', () => {
    expect(readSelection(['integration', 'libs/queue', '-t', 'wakes'], true)).toEqual({
      projects: ['integration'],
      rest: ['libs/queue', '-t', 'wakes'],
      check: false,
    });
  });

  it('is failure drills only when they are named', () => {
    expect(readSelection(['chaos'], false).projects).toEqual(['chaos']);
    expect(readSelection(['e2e', 'chaos', 'test'], true)).toEqual({
      projects: ['e2e', 'chaos'],
      rest: ['test'],
      check: false,
    });
  });

  it('adds the static checks when asked', () => {
    expect(readSelection(['unit', '--check'], false)).toEqual({ projects: ['unit'], rest: [], check: true });
  });
});
