import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Injectable } from '@nestjs/common';
import { unpackInto } from '#libs/backup';
import { ControlPlaneConfig } from '#libs/config';
import { Database } from '#libs/database';
import { deadline } from '#libs/kernel';
import { BackupArchives } from './backup-archives.js';
import type { BackupRow } from './backup-rows.js';

const READ_LIMIT = 1_800_000;

const drillsIn = (dataDir: string): string => join(dataDir, 'drills');

/** What drills that were killed have left: it is in clear, and nobody's erasure knows of it. Returns how many. */
export async function tidyDrills(dataDir: string, before: Date): Promise<number> {
  const names = await readdir(drillsIn(dataDir)).catch(() => []);
  let removed = 0;
  for (const path of names.map((name) => join(drillsIn(dataDir), name))) {
    const facts = await stat(path).catch(() => undefined);
    if (!facts || facts.mtime >= before) continue;
    await rm(path, { recursive: true, force: true });
    removed += 1;
  }
  return removed;
}

export interface DrillResult {
  readonly id: string;
  readonly files: number;
  readonly databases: readonly { readonly path: string; readonly tables: number; readonly rows: number }[];
  /** What went wrong; null: it can be restored. */
  readonly problem: string | null;
}

/**
 * Restores backups into a folder that nobody uses and opens their databases: that a backup can be read says less than that
 * what comes out works. The folder is deleted, whatever happens.
 */
@Injectable()
export class BackupDrill {
  constructor(
    private readonly database: Database,
    private readonly archives: BackupArchives,
    private readonly config: ControlPlaneConfig,
  ) {}

  /** Some good backups by chance, of as many agents as there are. */
  async sample(size: number): Promise<BackupRow[]> {
    const rows = await this.database.raw.$queryRaw<{ id: string }[]>`
      SELECT id FROM (
        SELECT DISTINCT ON (agent_id) id FROM backups WHERE status = 'succeeded' ORDER BY agent_id, created_at DESC) newest
      ORDER BY random() LIMIT ${size}`;
    return this.database.raw.backup.findMany({ where: { id: { in: rows.map((row) => row.id) } } });
  }

  async run(row: BackupRow, signal: AbortSignal): Promise<DrillResult> {
    const parent = drillsIn(this.config.dataDir);
    await mkdir(parent, { recursive: true, mode: 0o700 });
    const folder = await mkdtemp(join(parent, `${row.id}-`));
    try {
      const { stream, whole } = await this.archives.open(row, deadline(READ_LIMIT, signal));
      await unpackInto(folder, stream).catch(async (error: unknown) => {
        // What was wrong with the backup says more than that it broke off.
        await whole;
        throw error;
      });
      const { files } = await whole;
      return { id: row.id, files: files.length, databases: await databasesIn(folder), problem: null };
    } catch (error) {
      if (signal.aborted) throw error;
      return { id: row.id, files: 0, databases: [], problem: (error as Error).message };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

async function databasesIn(folder: string): Promise<DrillResult['databases']> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.db'));
  return files.map((entry) => openDatabase(folder, join(entry.parentPath, entry.name)));
}

function openDatabase(folder: string, file: string): DrillResult['databases'][number] {
  const path = relative(folder, file);
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const [verdict] = db.prepare('PRAGMA integrity_check(1)').all() as { integrity_check: string }[];
    if (verdict?.integrity_check !== 'ok') throw new Error(`${path} is not sound: ${verdict?.integrity_check}`);
    const tables = db
      .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
      .all() as {
      name: string;
    }[];
    const counts = tables.map(({ name }) => {
      const [row] = db.prepare(`SELECT count(*) AS n FROM "${name.replaceAll('"', '""')}"`).all() as { n: number }[];
      return row!.n;
    });
    return { path, tables: tables.length, rows: counts.reduce((sum, n) => sum + n, 0) };
  } finally {
    db.close();
  }
}
