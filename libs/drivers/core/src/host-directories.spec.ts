import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeSecretsDirectory } from './host-directories.js';

const owner = { uid: process.getuid!(), gid: process.getgid!() };
let base = '';
beforeEach(() => (base = mkdtempSync(join(tmpdir(), 'wirebot-secrets-'))));
afterEach(() => rmSync(base, { recursive: true, force: true }));

describe('writing a secrets directory', () => {
  const write = (secrets: Record<string, string>) => writeSecretsDirectory(join(base, 'gw'), secrets, owner);
  const read = (path: string) => readFileSync(join(base, 'gw', path), 'utf8');

  it('turns a file into a folder and back', async () => {
    await write({ a: '1' });
    await write({ 'a/b': '2' });
    expect(read('a/b')).toBe('2');
    await write({ a: '3' });
    expect(read('a')).toBe('3');
  });

  it('replaces a link instead of following it', async () => {
    writeFileSync(join(base, 'victim'), 'untouched');
    mkdirSync(join(base, 'gw'));
    symlinkSync(join(base, 'victim'), join(base, 'gw', 'a'));
    symlinkSync(base, join(base, 'gw', 'folder'));
    await write({ a: 'secret', 'folder/victim': 'secret' });
    expect(readFileSync(join(base, 'victim'), 'utf8')).toBe('untouched');
    expect([read('a'), read('folder/victim')]).toEqual(['secret', 'secret']);
  });

  it('removes what a killed writer left', async () => {
    mkdirSync(join(base, 'gw'));
    writeFileSync(join(base, 'gw', '.new-0a1b'), 'half');
    await write({ a: '1' });
    expect(readdirSync(join(base, 'gw'))).toEqual(['a']);
  });

  it.each(['../a', '/a', 'a//b', 'a/../b', '.hidden', 'a/', ''])(
    'refuses the path "%s" and writes nothing',
    async (path) => {
      await expect(write({ good: '1', [path]: '2' })).rejects.toMatchObject({ code: 'engine-refused' });
      expect(readdirSync(base)).toEqual([]);
    },
  );

  it('says which folder cannot be used, and no secret', async () => {
    writeFileSync(join(base, 'gw'), 'a file is in the way');
    const failure = await write({ a: 'canary' }).catch((error: unknown) => error as Error);
    expect(failure).toMatchObject({ code: 'state-directory-unusable', retryable: false });
    expect((failure as Error).message).not.toContain('canary');
  });
});
