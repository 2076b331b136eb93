import { describe, expect, it } from 'vitest';
import { isContained } from './archive.manifest.js';

describe('paths of an archive', () => {
  it.each(['agent.db', 'workspace/a b/ü.md', 'a/..b/c', '.hidden'])('lets %s in', (path) => {
    expect(isContained(path)).toBe(true);
  });

  it.each([
    '',
    '/',
    '/etc/passwd',
    '..',
    '../x',
    'a/../x',
    'a/./x',
    './x',
    'a//x',
    'a/',
    'a\\..\\x',
    'a\0b',
    'x'.repeat(256),
    'a/'.repeat(256) + 'a',
    'ä'.repeat(128),
    'agent.db-wal',
    'workspace/notes.db-journal',
  ])('keeps %j out', (path) => {
    expect(isContained(path)).toBe(false);
  });
});
