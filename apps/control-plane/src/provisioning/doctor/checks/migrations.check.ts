import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { DoctorCheck, type Symptom } from '../check.js';

/** The database has every table that this version needs. */
@Injectable()
export class MigrationsCheck extends DoctorCheck {
  readonly name = 'migrations';
  readonly fine = 'the database has every migration';

  constructor(private readonly database: Database) {
    super();
  }

  async look(): Promise<Symptom[]> {
    const folder = migrationsFolder();
    if (!folder) return [];
    const known = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const applied = await this.#applied();
    // A database that was not made by migrations keeps no list of them.
    if (!applied) return [];
    const pending = known.map(({ name }) => name).filter((name) => !applied.has(name));
    return pending.toSorted().map((name) => ({
      severity: 'broken',
      subject: `migration ${name}`,
      message: 'The database does not have it, or it failed half-way.',
      remedy: 'Stop the control plane and run: npx prisma migrate deploy (npm start does it by itself).',
    }));
  }

  async #applied(): Promise<Set<string> | undefined> {
    const [table] = await this.database.raw.$queryRaw<{ there: boolean }[]>`
      SELECT to_regclass('public._prisma_migrations') IS NOT NULL
        AND has_table_privilege(to_regclass('public._prisma_migrations'), 'SELECT') AS there`;
    if (!table?.there) return undefined;
    const rows = await this.database.raw.$queryRaw<{ name: string }[]>`
      SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`;
    return new Set(rows.map(({ name }) => name));
  }
}

/** Where this version's migrations are; undefined in an image without them. */
function migrationsFolder(): string | undefined {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const found = join(folder, 'prisma', 'migrations');
    if (existsSync(found)) return found;
    if (dirname(folder) === folder) return undefined;
  }
}
