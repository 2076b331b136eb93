import type { ArchiveManifest } from '#libs/contracts';
import * as fc from 'fast-check';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type Header, pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../limits.js';
import { importArchive } from './archive.import.js';

type Entry = readonly [header: Partial<Header> & { name: string }, content?: string];

let root: string;
let agents: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wirebot-import-'));
  agents = join(root, 'agents');
  mkdirSync(agents);
  writeFileSync(join(root, 'canary'), 'untouched');
});
afterEach(() => rmSync(root, { recursive: true }));

async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const [header, content] of entries) tar.entry(header, content ?? '');
  tar.finalize();
  return buffer(tar);
}

const fileOf = (path: string, content: string) => ({
  path,
  size: Buffer.byteLength(content),
  sha256: createHash('sha256').update(content).digest('hex'),
});
const manifestOf = (entries: readonly Entry[]): Entry => {
  const files = entries.map(([{ name }, content]) => fileOf(name, content ?? ''));
  return [{ name: 'manifest.json' }, JSON.stringify({ agentId: 'agt_1', createdAt: '2026-11-21T00:00:00Z', files })];
};
const whole = (entries: readonly Entry[]) => tarOf([...entries, manifestOf(entries)]);
const folder = () => join(agents, 'agt_1');

/** `refused` with the code, or what was put in place. */
async function outcome(tar: Buffer | Readable): Promise<ArchiveManifest | string> {
  const stream = tar instanceof Readable ? tar : Readable.from([tar]);
  try {
    return await importArchive({ folder: folder(), agentId: 'agt_1', of: 'agt_1' }, stream);
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** Every file of the folder, as the manifest names them. */
const contents = () =>
  (existsSync(folder()) ? readdirSync(folder(), { recursive: true, withFileTypes: true }) : [])
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => fileOf(relative(folder(), path), readFileSync(path, 'utf8')))
    .sort((a, b) => a.path.localeCompare(b.path));

/** Whatever the archive was: all of it or nothing, and nothing anywhere else. */
function expectContained(result: ArchiveManifest | string): void {
  expect(readdirSync(root).toSorted()).toEqual(['agents', 'canary']);
  expect(readFileSync(join(root, 'canary'), 'utf8')).toBe('untouched');
  expect(readdirSync(agents)).toEqual(existsSync(folder()) ? ['agt_1'] : []);
  const listed = typeof result === 'string' ? [] : result.files.toSorted((x, y) => x.path.localeCompare(y.path));
  expect(typeof result === 'string' ? result : 'taken').toBe(existsSync(folder()) ? 'taken' : 'archive-invalid');
  expect(contents()).toEqual(listed.map(({ path, size, sha256 }) => ({ path, size, sha256 })));
}

describe('an archive that is put in place', () => {
  it('is there whole, or not at all', async () => {
    const entries: Entry[] = [
      [{ name: 'agent.db' }, 'rows'],
      [{ name: 'workspace/memory/ü.md' }, 'a note'],
      [{ name: 'empty' }, ''],
    ];
    const result = await outcome(await whole(entries));
    expect(typeof result).toBe('object');
    expectContained(result);
  });

  const bad: [string, () => Promise<Buffer>][] = [
    ['a name that no file system takes', () => whole([[{ name: 'x'.repeat(300) }, 'x']])],
    ['a path that is too long', () => whole([[{ name: `${'a/'.repeat(300)}x` }, 'x']])],
    [
      'a file where a folder is',
      () =>
        whole([
          [{ name: 'a/b' }, 'x'],
          [{ name: 'a' }, 'x'],
        ]),
    ],
    [
      'a folder where a file is',
      () =>
        whole([
          [{ name: 'a' }, 'x'],
          [{ name: 'a/b' }, 'x'],
        ]),
    ],
    ['a log that SQLite would play back', () => whole([[{ name: 'agent.db-wal' }, 'x']])],
    ['a pipe', () => tarOf([[{ name: 'p', type: 'fifo' }], manifestOf([])])],
    ['a manifest of something else', () => tarOf([[{ name: 'manifest.json' }, '[null]']])],
    [
      'a manifest with holes',
      () =>
        tarOf([
          [{ name: 'x' }, 'x'],
          [{ name: 'manifest.json' }, '{"agentId":"agt_1","files":[null]}'],
        ]),
    ],
    [
      'one file twice in its manifest',
      () =>
        tarOf([
          [{ name: 'x' }, 'x'],
          [{ name: 'y' }, 'y'],
          manifestOf([
            [{ name: 'x' }, 'x'],
            [{ name: 'x' }, 'x'],
          ]),
        ]),
    ],
    ['no content at all', () => Promise.resolve(Buffer.alloc(0))],
    ['zeros only', () => Promise.resolve(Buffer.alloc(1 << 20))],
  ];
  it.each(bad)('with %s is refused', async (_name, make) => {
    const result = await outcome(await make());
    expect(result).toBe('archive-invalid');
    expectContained(result);
  });

  it('with more entries than an agent can have is refused, also when they are empty', async () => {
    const many = LIMITS.archive.files + 2;
    async function* blocks() {
      for (let index = 0; index < many; index += 1) {
        yield header(`d${index}/`, 0, '5');
      }
    }
    const result = await outcome(Readable.from(blocks()));
    expect(result).toBe('archive-invalid');
    expectContained(result);
  });

  it('that says it is small and never ends is refused at the limit', async () => {
    const zeros = Buffer.alloc(1 << 20);
    let sent = 0;
    const endless = new Readable({
      read() {
        sent += zeros.length;
        this.push(zeros);
      },
    });
    expect(await outcome(endless)).toBe('archive-invalid');
    expect(sent).toBeLessThan(LIMITS.archive.bytes + 64 * zeros.length);
  });

  it.each([8 * 1024 ** 3 - 1, LIMITS.archive.bytes + 1])(
    'with a file of %d bytes is refused before they come',
    async (size) => {
      const result = await outcome(Buffer.concat([header('bomb', size, '0'), Buffer.alloc(4096)]));
      expect(result).toBe('archive-invalid');
      expectContained(result);
    },
  );

  it('with a long header that never ends is refused with little of it in memory', async () => {
    const result = await outcome(Buffer.concat([header('PaxHeader', 1024 ** 3, 'x'), Buffer.alloc(1 << 20)]));
    expect(result).toBe('archive-invalid');
    expectContained(result);
  });
});

/** One tar header, valid down to its checksum. */
function header(name: string, size: number, type: string): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write('0000600\0', 100);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  return sealed(block);
}

function sealed(block: Buffer): Buffer {
  block.write('        ', 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

describe('whatever is sent as an archive', () => {
  const nasty = fc.constantFrom(
    '..',
    '/',
    '//',
    '/etc/passwd',
    'a/../..',
    './x',
    '\\',
    '\0',
    ' ',
    'é'.repeat(130),
    'manifest.json',
    'x',
  );
  const path = fc.oneof(
    nasty,
    fc
      .array(fc.oneof(nasty, fc.string({ maxLength: 20 })), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join('/')),
  );
  const type = fc.constantFrom(...'\x00012345678xgLKVSD');

  it('is taken whole or refused, for any names, types and sizes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            path,
            type,
            size: fc.oneof(fc.constant(0), fc.nat(2000), fc.constant(2 ** 33 - 1)),
            content: fc.string({ maxLength: 600 }),
          }),
          { maxLength: 6 },
        ),
        fc.boolean(),
        async (parts, honest) => {
          const blocks = parts.flatMap(({ path: name, type: flag, size, content }) => {
            const body = Buffer.from(content);
            const length = honest ? body.length : size;
            return [header(name.slice(0, 99), length, flag), body, Buffer.alloc((512 - (body.length % 512)) % 512)];
          });
          const listed = parts.map(({ path: name, content }): Entry => [{ name }, content]);
          const end = await tarOf([manifestOf(listed)]);
          const result = await outcome(Buffer.concat([...blocks, end]));
          expectContained(result);
          rmSync(folder(), { recursive: true, force: true });
        },
      ),
      { numRuns: 150 },
    );
  });

  it('is taken whole or refused, wherever a good one was damaged', async () => {
    const good = await whole([
      [{ name: 'agent.db' }, 'x'.repeat(3000)],
      [{ name: 'workspace/notes/today.md' }, 'a note'],
      [{ name: `workspace/${'long'.repeat(40)}` }, 'in a long header'],
    ]);
    const damage = fc.record({
      at: fc.nat(good.length - 1),
      byte: fc.nat(255),
      cut: fc.boolean(),
      reseal: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ at, byte, cut, reseal }) => {
        const bytes = Buffer.from(cut ? good.subarray(0, at) : good);
        if (!cut) bytes[at] = byte;
        // A header that was changed by somebody who knows how.
        if (!cut && reseal) sealed(bytes.subarray(at - (at % 512), at - (at % 512) + 512));
        const result = await outcome(bytes);
        expectContained(result);
        rmSync(folder(), { recursive: true, force: true });
      }),
      { numRuns: 300 },
    );
  });
});
