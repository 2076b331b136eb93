import { createWriteStream, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { exportSnapshot } from './snapshot.export.js';

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wirebot-snapshot-'));
  folder = join(root, 'agt_1');
  mkdirSync(folder);
});
afterEach(() => rmSync(root, { recursive: true }));

it('a snapshot comes to its end however often the agent writes, and shows all or nothing of each transaction', async () => {
  const db = new DatabaseSync(join(folder, 'agent.db'));
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE pairs (n INTEGER, half TEXT)');
  const insert = db.prepare('INSERT INTO pairs VALUES (?, ?)');
  const write = (n: number) => {
    db.exec('BEGIN');
    insert.run(n, 'x'.repeat(1_000));
    insert.run(n, 'y'.repeat(1_000));
    db.exec('COMMIT');
  };
  for (let n = 0; n < 8_000; n += 1) write(n);
  let written = 8_000;
  const writer = setInterval(() => write((written += 1)), 1);
  const { stream, discard } = await exportSnapshot(folder, 'agt_1');
  clearInterval(writer);
  expect(written).toBeGreaterThan(8_000);
  db.close();
  const entries = extract();
  const copy = join(root, 'copy.db');
  const unpacked = pipeline(stream, entries);
  for await (const entry of entries) {
    if (entry.header.name === 'agent.db') await pipeline(entry, createWriteStream(copy));
    else entry.resume();
  }
  await unpacked;
  await discard();
  const read = new DatabaseSync(copy);
  expect(read.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
  const { rows, pairs, newest } = read
    .prepare('SELECT count(*) AS rows, count(DISTINCT n) AS pairs, max(n) AS newest FROM pairs')
    .get() as Record<string, number>;
  read.close();
  expect(rows).toBe(pairs! * 2);
  // As of the moment in which the copy began: what came while it was made is not in it.
  expect(newest).toBeLessThan(written);
  expect(readdirSync(root).toSorted()).toEqual(['agt_1', 'copy.db']);
});
