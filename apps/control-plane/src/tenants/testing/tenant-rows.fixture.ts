/** Enough of `TestDatabase` to fill tables. */
interface Queries {
  query<T extends object>(text: string, values?: unknown[]): Promise<T[]>;
}

interface Column {
  readonly column_name: string;
  readonly data_type: string;
}

/** What a column of a type holds when nothing else is known about it. */
const VALUES: Readonly<Record<string, string>> = {
  bigint: '1',
  integer: '1',
  boolean: 'false',
  date: 'current_date',
  jsonb: `'{}'::jsonb`,
  ARRAY: `'{}'`,
  bytea: `'\\x00'::bytea`,
  'timestamp with time zone': 'now()',
};

/** Every table with a column `tenant_id`: those there are now, and any that will be added. */
export async function tenantTables(database: Queries): Promise<string[]> {
  const rows = await database.query<{ table_name: string }>(
    `SELECT table_name FROM information_schema.columns
     WHERE table_schema = 'public' AND column_name = 'tenant_id' ORDER BY table_name`,
  );
  return rows.map((row) => row.table_name);
}

export async function countOf(database: Queries, table: string, tenantId: string): Promise<number> {
  const rows = await database.query<{ n: number }>(`SELECT count(*)::int AS n FROM "${table}" WHERE tenant_id = $1`, [
    tenantId,
  ]);
  return rows[0]!.n;
}

/** A row of a tenant in a table, made up from the types of its columns; references need not lead anywhere. */
export async function fillTable(database: Queries, table: string, tenantId: string): Promise<void> {
  const columns = await database.query<Column>(
    `SELECT column_name, data_type FROM information_schema.columns
     WHERE table_schema = 'public' AND table_name = $1 AND (is_nullable = 'NO' OR column_name = 'tenant_id') AND column_default IS NULL`,
    [table],
  );
  const valueOf = ({ column_name: name, data_type: type }: Column): string =>
    name === 'tenant_id' ? '$1' : name === 'role' ? `'member'` : (VALUES[type] ?? `$1 || '/${table}/${name}'`);
  const names = columns.map((column) => `"${column.column_name}"`).join(', ');
  // Foreign keys are triggers, and as a replica's session this one fires none.
  await database.query(
    `WITH off AS (SELECT set_config('session_replication_role', 'replica', true))
     INSERT INTO "${table}" (${names}) SELECT ${columns.map(valueOf).join(', ')} FROM off`,
    [tenantId],
  );
}
