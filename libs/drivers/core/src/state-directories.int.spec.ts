import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateDirectories } from './state-directories.js';

const OWNER = { uid: process.getuid!(), gid: process.getgid!() };
const isRoot = OWNER.uid === 0;
const forever = (): AbortSignal => AbortSignal.timeout(60_000);
const never = async (): Promise<boolean> => false;

let root = '';
let states: StateDirectories;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'wb-states-'));
  states = new StateDirectories(root);
  await states.ready('gw', OWNER, never);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const file = (name: string): string => join(root, 'gw', name);
const keptFolder = (): string => join(root, '.kept', 'gw');
const write = (name: string, text: string): void => writeFileSync(file(name), text, { mode: 0o600 });
const read = (name: string): string => readFileSync(file(name), 'utf8');

describe('a restore that a crash cut short', () => {
  it('changes nothing before it was decided, and its half copy is cleared away by the next', async () => {
    write('diary', 'kept');
    await states.keep('gw', 'a', forever());
    write('diary', 'later');
    // What a kill -9 leaves while copying.
    mkdirSync(join(keptFolder(), '.new-0123'));
    writeFileSync(join(keptFolder(), '.new-0123', 'diary'), 'ha');
    expect(await new StateDirectories(root).list()).toEqual([{ id: 'gw', kept: ['a'] }]);
    expect(read('diary')).toBe('later');
    await new StateDirectories(root).keep('gw', 'b', forever());
    expect(readdirSync(keptFolder()).sort()).toEqual(['a.1', 'b.1']);
  });

  it.each([
    ['while the old state is still in place', false],
    ['after the old state was moved away', true],
  ])('is carried forward once it was decided, %s', async (_when, moved) => {
    write('diary', 'kept');
    await states.keep('gw', 'a', forever());
    write('diary', 'later');
    // The decision is the rename of a whole copy to `.next`; then the old state goes, then the new one comes.
    execFileSync('cp', ['-a', join(keptFolder(), 'a.1'), join(keptFolder(), '.next')]);
    if (moved) renameSync(join(root, 'gw'), join(keptFolder(), '.gone-0123'));
    const reopened = new StateDirectories(root);
    await reopened.ready('gw', OWNER, never);
    expect(read('diary')).toBe('kept');
    expect(existsSync(join(keptFolder(), '.next'))).toBe(false);
    await reopened.restore('gw', 'a', forever());
    expect(readdirSync(keptFolder())).toEqual(['a.1']);
  });
});

describe('replacing a kept copy', () => {
  it('leaves the newer one alone in force when the older could not be deleted any more', async () => {
    write('diary', 'one');
    await states.keep('gw', 'a', forever());
    execFileSync('cp', ['-a', join(keptFolder(), 'a.1'), join(keptFolder(), 'a.2')]);
    writeFileSync(join(keptFolder(), 'a.2', 'diary'), 'two');
    await states.restore('gw', 'a', forever());
    expect(read('diary')).toBe('two');
    await states.keep('gw', 'a', forever());
    expect(readdirSync(keptFolder())).toEqual(['a.3']);
    await states.drop('gw', 'a');
    expect(existsSync(keptFolder())).toBe(false);
  });
});

describe('a copy', () => {
  it('holds names that are no text, modes, links and nothing that is no file', async () => {
    const odd = Buffer.concat([Buffer.from(`${root}/gw/`), Buffer.from([0xff, 0xfe])]);
    writeFileSync(odd, 'odd');
    mkdirSync(file('folder'), { mode: 0o700 });
    write('folder/tool', 'x');
    chmodSync(file('folder/tool'), 0o700);
    symlinkSync('/etc/passwd', file('link'));
    execFileSync('mkfifo', [file('pipe')]);
    await states.keep('gw', 'a', forever());
    for (const name of ['folder', 'link', 'pipe']) rmSync(file(name), { recursive: true });
    rmSync(odd);
    await states.restore('gw', 'a', forever());
    expect(readFileSync(odd, 'utf8')).toBe('odd');
    expect(lstatSync(file('folder/tool')).mode & 0o777).toBe(0o700);
    expect(lstatSync(file('link')).isSymbolicLink()).toBe(true);
    expect(existsSync(file('pipe'))).toBe(false);
    await states.destroy('gw');
    expect(readdirSync(root).filter((name) => name !== '.kept')).toEqual([]);
  });

  it('is counted as the disk does: a file with two names once, a link as what it is', async () => {
    write('album', 'x'.repeat(1_000_000));
    const alone = await states.usedBytes('gw', forever());
    linkSync(file('album'), file('same-album'));
    symlinkSync('/usr', file('everything'));
    expect((await states.usedBytes('gw', forever())) - alone).toBeLessThan(10_000);
    expect(alone).toBeGreaterThanOrEqual(1_000_000);
  });
});

describe.skipIf(!isRoot && !process.env['CI'])('as root', () => {
  const gateway = { uid: 10_001, gid: 10_001 };

  it('a state directory that somebody else restored is given back to the gateway with all in it', async () => {
    mkdirSync(file('agents'), { mode: 0o755 });
    write('agents/a.db', 'x');
    chmodSync(file('agents/a.db'), 0o644);
    writeFileSync(join(root, 'victim'), 'not theirs', { mode: 0o644 });
    symlinkSync(join(root, 'victim'), file('link'));
    await states.ready('gw', gateway, never);
    const facts = (name: string) => {
      const { uid, gid, mode } = lstatSync(file(name));
      return [uid, gid, (mode & 0o777).toString(8)];
    };
    expect(facts('.')).toEqual([10_001, 10_001, '700']);
    expect(facts('agents')).toEqual([10_001, 10_001, '700']);
    expect(facts('agents/a.db')).toEqual([10_001, 10_001, '600']);
    const victim = lstatSync(join(root, 'victim'));
    expect([victim.uid, victim.mode & 0o777]).toEqual([0, 0o644]);
  });

  it('nothing is repaired under a gateway that runs, and only the top when the rest is right', async () => {
    write('diary', 'x');
    await states.ready('gw', gateway, async () => true);
    expect(lstatSync(file('.')).uid).toBe(0);
    await states.ready('gw', gateway, never);
    chownSync(file('diary'), 0, 0);
    await states.ready('gw', gateway, never);
    expect(lstatSync(file('diary')).uid).toBe(0);
  });

  it('a copy keeps its owner, which is not who copies', async () => {
    write('diary', 'x');
    await states.ready('gw', gateway, never);
    await states.keep('gw', 'a', forever());
    await states.restore('gw', 'a', forever());
    expect([lstatSync(file('.')).uid, lstatSync(file('diary')).uid]).toEqual([10_001, 10_001]);
  });

  it('a full disk is named, can heal by itself, and leaves no half copy', async () => {
    const small = join(root, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'wirebot-test', small]);
    try {
      const full = new StateDirectories(small);
      await full.ready('gw', OWNER, never);
      writeFileSync(join(small, 'gw', 'album'), Buffer.alloc(1_200_000, 1));
      const failure = await full.keep('gw', 'a', forever()).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'state-directory-unusable', retryable: true });
      expect((failure as Error).message).toContain('is full');
      expect(readdirSync(join(small, '.kept', 'gw'))).toEqual([]);
      writeFileSync(join(small, 'gw', 'album'), Buffer.alloc(500_000, 2));
      await full.keep('gw', 'a', forever());
      expect(await full.list()).toEqual([{ id: 'gw', kept: ['a'] }]);
      expect((await full.disk())!.totalBytes).toBe(2 * 1024 * 1024);
    } finally {
      execFileSync('umount', [small]);
    }
  });
});
