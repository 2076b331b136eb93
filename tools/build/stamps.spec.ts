import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprint, isCurrent, withStamp } from './stamps.mjs';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wirebot-stamps-'));
  mkdirSync(join(root, 'src', 'deep'), { recursive: true });
  writeFileSync(join(root, 'src', 'deep', 'a.ts'), 'export const a = 1;');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));
const print = () => fingerprint(root, ['src', 'missing.json']);

describe('the fingerprint of sources', () => {
  it('stays the same when a file is only touched', () => {
    const before = print();
    utimesSync(join(root, 'src', 'deep', 'a.ts'), 1, 1);
    expect(print()).toBe(before);
  });

  it.each([
    ['changes its content', () => writeFileSync(join(root, 'src', 'deep', 'a.ts'), 'export const a = 2;')],
    ['is added', () => writeFileSync(join(root, 'src', 'b.ts'), '')],
    ['is deleted', () => rmSync(join(root, 'src', 'deep', 'a.ts'))],
    ['appears where an input was missing', () => writeFileSync(join(root, 'missing.json'), '{}')],
  ])('changes when a file %s', (_what, change) => {
    const before = print();
    change();
    expect(print()).not.toBe(before);
  });

  it('ignores tests, which are not built', () => {
    const before = print();
    writeFileSync(join(root, 'src', 'a.spec.ts'), 'changed');
    expect(print()).toBe(before);
  });
});

describe('a stamp', () => {
  const stamp = () => join(root, 'dist', '.stamps', 'code');
  const output = () => join(root, 'dist', 'a.js');

  it('is current only for the same inputs and while the output exists', async () => {
    await withStamp(stamp(), 'one', () => {
      mkdirSync(join(root, 'dist'), { recursive: true });
      writeFileSync(output(), '');
    });
    expect(isCurrent(stamp(), 'one', [output()])).toBe(true);
    expect(isCurrent(stamp(), 'two', [output()])).toBe(false);
    rmSync(output());
    expect(isCurrent(stamp(), 'one', [output()])).toBe(false);
  });

  it('is gone while a build runs and after one that failed', async () => {
    await withStamp(stamp(), 'one', () => undefined);
    const failing = withStamp(stamp(), 'one', () => {
      expect(existsSync(stamp())).toBe(false);
      throw new Error('does not compile');
    });
    await expect(failing).rejects.toThrow('does not compile');
    expect(existsSync(stamp())).toBe(false);
  });
});
