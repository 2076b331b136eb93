import { ManualClock } from '#libs/kernel';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../limits.js';
import { DiskUsage } from './disk-usage.js';

let folder: string;
let clock: ManualClock;
let disk: DiskUsage;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wirebot-disk-'));
  clock = new ManualClock();
  disk = new DiskUsage(folder, clock);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("bytes of an agent's folder", () => {
  it('are those of its database now and of its other files as last counted', async () => {
    writeFileSync(join(folder, 'agent.db'), 'x'.repeat(100));
    writeFileSync(join(folder, 'agent.db-shm'), 'not on the disk');
    mkdirSync(join(folder, 'workspace/memory'), { recursive: true });
    writeFileSync(join(folder, 'workspace/memory/a.md'), 'x'.repeat(7));
    writeFileSync(join(folder, 'workspace/agent.db'), 'x'.repeat(1_000));
    await disk.refresh();
    expect(disk.bytes).toBe(1_107);
    writeFileSync(join(folder, 'agent.db-wal'), 'x'.repeat(50));
    writeFileSync(join(folder, 'workspace/b.md'), 'x'.repeat(7));
    await disk.refresh();
    expect(disk.bytes).toBe(1_157);
    clock.advance(LIMITS.diskMeasure);
    await disk.refresh();
    expect(disk.bytes).toBe(1_164);
  });

  it('are none where there is no folder', async () => {
    rmSync(folder, { recursive: true });
    await disk.refresh();
    expect(disk.bytes).toBe(0);
  });

  it('end at their limit, and nowhere without one', () => {
    writeFileSync(join(folder, 'agent.db'), 'x'.repeat(100));
    disk.check(null);
    disk.check(101);
    expect(() => disk.check(100)).toThrow(expect.objectContaining({ code: 'disk-quota-reached' }));
  });
});
