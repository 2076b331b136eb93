import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import { Decrypter } from 'age-encryption';
import { zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackupCommand } from './backup-command.js';
import { BackupCommandModule } from './backup-command.module.js';
import { BackupLab } from './testing/backup-lab.fixture.js';
import { Usage } from './usage.js';

let lab: BackupLab;
let app: INestApplicationContext;

beforeAll(async () => {
  lab = await BackupLab.start({ WIREBOT_GATEWAY_PORTS: '19490-19499', WIREBOT_AGENTS_PER_GATEWAY: '10' });
  await lab.plane.put('ann', 'wire');
  await lab.plane.put('ben', 'wire');
  await lab.write('ann', 'workspace/plan.md', 'the plan');
  app = await NestFactory.createApplicationContext(BackupCommandModule, { logger: false, abortOnError: false });
});
afterAll(async () => {
  await app.close();
  await lab.plane.dispose();
});

async function command(...words: string[]): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const code = await app.get(BackupCommand).run(words, (line) => lines.push(line), new AbortController().signal);
  return { code, lines };
}

describe('wirebot backup', () => {
  it('creates, lists, verifies, restores and drills', async () => {
    const created = await command('create', '--tenant', 'test', '--member', 'ann');
    expect([created.code, created.lines[0]]).toEqual([0, expect.stringMatching(/^bak_\w+ {2}succeeded$/)]);
    const id = created.lines[0]!.split(' ')[0]!;
    const listed = await command('list', '--tenant', 'test');
    expect(listed.lines[0]).toContain(id);

    await lab.write('ann', 'workspace/plan.md', 'another plan');
    expect(await command('restore', '--tenant', 'test', '--member', 'ann', '--backup', id)).toMatchObject({ code: 0 });
    expect(String(await lab.read('ann', 'workspace/plan.md'))).toBe('the plan');
    const copied = await command('restore', '--tenant', 'test', '--member', 'ann', '--backup', id, '--into', 'ben');
    expect(copied.code).toBe(0);
    expect(String(await lab.read('ben', 'workspace/plan.md'))).toBe('the plan');

    const verified = await command('verify');
    expect([verified.code, verified.lines.at(-1)]).toEqual([0, '3 backup(s) read, 0 bad, 0 object(s) without a row.']);
    const drilled = await command('drill', '--sample', '2');
    expect([drilled.code, drilled.lines.at(-1)]).toEqual([0, '2 backup(s) restored on trial, 0 failed.']);
  });

  it('says what is wrong, and ends with 1', async () => {
    const [key] = await lab.objects();
    const object = await readFile(lab.objectPath(key!));
    await writeFile(lab.objectPath(key!), object.subarray(0, -1));
    const { code, lines } = await command('verify');
    await writeFile(lab.objectPath(key!), object);
    expect([code, lines[0]]).toEqual([1, expect.stringContaining('backup-damaged')]);
  });

  it('hands out keys that open backups without Wirebot, and old ones still do after a rotation', async () => {
    const out = join(process.env['WIREBOT_DATA_DIR']!, 'identities.txt');
    expect(await command('rotate-key', '--tenant', 'test')).toMatchObject({ code: 0 });
    await command('create', '--tenant', 'test', '--member', 'ann');
    const exported = await command('export-key', '--tenant', 'test', '--out', out);
    expect([exported.code, (await stat(out)).mode & 0o777]).toEqual([0, 0o600]);
    const identities = (await readFile(out, 'utf8')).trim().split('\n');
    expect([identities.length, exported.lines.join('').includes('AGE-SECRET-KEY')]).toEqual([2, false]);
    for (const key of await lab.objects()) {
      const decrypter = new Decrypter();
      for (const identity of identities) decrypter.addIdentity(identity);
      const tar = zstdDecompressSync(await decrypter.decrypt(await readFile(lab.objectPath(key))));
      expect(tar.includes('manifest.json')).toBe(true);
    }
    expect((await command('verify')).code).toBe(0);
    await expect(command('export-key', '--tenant', 'test', '--out', out)).rejects.toMatchObject({ code: 'EEXIST' });
  });

  it.each([
    ['nonsense'],
    ['create'],
    ['restore', '--tenant', 'test'],
    ['drill', '--sample', '0'],
    ['rotate-key'],
    ['export-key', '--tenant', 'test'],
    ['list', '--tenant', 'nobody'],
  ])('explains itself when called as %s', async (...words) => {
    await expect(command(...words)).rejects.toBeInstanceOf(Usage);
  });
});
