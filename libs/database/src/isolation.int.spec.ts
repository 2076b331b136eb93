import { afterAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '#libs/testing';
import { Database, type Tx } from './database.js';

/**
 * Isolation, table by table, generated from the catalogue: a table that is added later is in these tests without anybody
 * remembering it, and fails until it is protected or listed here with the reason why it is nobody's.
 */

/** Tables that are not a tenant's, and why. Everything else carries tenant_id under row-level security. */
const SHARED_TABLES: Readonly<Record<string, string>> = {
  host_credentials: 'keys to machines of the installation',
  hosts: 'machines of the installation',
  idempotency_keys: 'keyed by caller; read before the tenant is known, by wirebot_system only',
  identity_providers: 'sign-in of the installation',
  installation: 'one row about the installation',
  inventory_findings: 'what was found on machines of the installation',
  leaderships: 'which process does what for all',
  outbox_cursors: 'places of readers that serve every tenant',
  passkeys: 'of a user, who may work for several tenants',
  rollout_targets: 'an image brought to gateways of the installation',
  rollouts: 'an image brought to gateways of the installation',
  sign_in_attempts: 'of somebody who is not signed in yet',
  signing_keys: 'keys of the installation',
  tier_templates: 'ready-made tiers that every tenant may copy',
  user_identities: 'of a user, who may work for several tenants',
  user_sessions: 'of a user, who may work for several tenants',
  user_totp: 'of a user, who may work for several tenants',
  users: 'may work for several tenants',
};

const READ = ['SELECT'];
const APPEND = ['SELECT', 'INSERT'];
const CHANGE = ['SELECT', 'INSERT', 'UPDATE'];
const EVERYTHING = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** What the role that serves tenants may do, by table; a table that is not named: nothing. */
const APP_GRANTS: Readonly<Record<string, readonly string[]>> = {
  agents: CHANGE,
  api_keys: CHANGE,
  audit_entries: APPEND,
  audit_heads: CHANGE,
  backups: CHANGE,
  gateways: READ, // and to change some columns: see below
  hosts: READ,
  invitations: CHANGE,
  member_exports: APPEND,
  members: CHANGE,
  operations: CHANGE,
  outbox: APPEND,
  quota_counters: READ,
  revocations: CHANGE,
  routes: READ,
  secrets: ['INSERT', 'UPDATE', 'DELETE'], // and to read every column but what is sealed: see below
  shared_secret_issuers: EVERYTHING,
  sign_in_codes: CHANGE,
  subscriptions: CHANGE,
  tenant_hosts: CHANGE,
  tenant_staff: READ,
  tenants: ['SELECT', 'UPDATE'],
  tier_templates: READ,
  tier_versions: APPEND,
  tiers: CHANGE,
  trust_signals: ['SELECT', 'INSERT', 'DELETE'],
  trust_transitions: APPEND,
  usage_days: READ,
  usage_records: READ,
  webhook_deliveries: EVERYTHING,
  webhook_endpoints: EVERYTHING,
  workspace_roles: EVERYTHING,
  workspaces: CHANGE,
};

/** Columns that the role may not read though it may read others of the table. */
const HIDDEN_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  installation: ['settings', 'warm_pool'],
  secrets: ['sealed'],
};

/** Columns that the role may change though not the whole row. */
const CHANGED_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  gateways: ['config_generation', 'due_at', 'generation', 'resources', 'updated_at'],
};

/** Values that a CHECK of the table wants. */
const CHECKED_VALUES: Readonly<Record<string, string>> = {
  'workspace_roles.role': `'member'`,
};

/** What a row that is nobody's must say besides. */
const NOBODYS: Readonly<Record<string, Readonly<Record<string, string>>>> = { gateways: { pool: `'warm'` } };

/** What the role that sees every tenant may not do. */
const SYSTEM_LACKS: Readonly<Record<string, readonly string[]>> = {
  audit_entries: ['UPDATE', 'DELETE'],
  audit_heads: ['DELETE'],
};

const ONE = 'ten_one';
const TWO = 'ten_two';
const PRIVILEGES = [...EVERYTHING, 'TRUNCATE', 'REFERENCES', 'TRIGGER'];

interface Column {
  readonly table: string;
  readonly column: string;
  readonly type: string;
  readonly required: boolean;
}

const server = await freshDatabase();
const database = new Database({ url: server.url });
const columns = await server.query<Column & object>(`
  SELECT c.table_name AS table, c.column_name AS column, c.data_type AS type,
    c.is_nullable = 'NO' AND c.column_default IS NULL AND c.is_identity = 'NO' AS required
  FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
  WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' ORDER BY c.table_name, c.ordinal_position`);
const tables = [...new Set(columns.map((column) => column.table))];
const columnsOf = (table: string): Column[] => columns.filter((column) => column.table === table);
/** The column that says whose a row is. */
const ownerOf = (table: string): string => (table === 'tenants' ? 'id' : 'tenant_id');
const ownerColumn = (table: string): Column | undefined =>
  columnsOf(table).find(({ column }) => column === ownerOf(table));
const tenantTables = tables.filter((table) => ownerColumn(table) && !(table in SHARED_TABLES));
const canBeNobodys = (table: string): boolean => !ownerColumn(table)!.required;
const may = (table: string, privilege: string): boolean => APP_GRANTS[table]?.includes(privilege) ?? false;
const reads = (table: string): boolean => may(table, 'SELECT') || table in HIDDEN_COLUMNS;

/** A literal for any column, different for each owner where text can be. */
function literal({ table, column, type }: Column, owner: string): string {
  const checked = CHECKED_VALUES[`${table}.${column}`];
  if (checked !== undefined) return checked;
  if (type === 'text') return `'${owner}/${column}'`;
  if (type === 'jsonb') return `'{}'`;
  if (type === 'bytea') return `'\\x00'`;
  if (type === 'ARRAY') return `'{}'`;
  if (type === 'boolean') return 'false';
  if (type === 'date' || type.startsWith('timestamp')) return 'now()';
  if (/^(integer|bigint|smallint|numeric|double precision)$/.test(type)) return '1';
  throw new Error(`teach literal() in isolation.int.spec.ts the type ${type} of ${column}`);
}

/** Inserts a row with nothing but what must be there. */
function insertOf(table: string, owner: string | null): string {
  const needed = columnsOf(table).filter((column) => column.required && column.column !== ownerOf(table));
  const nobodys = owner === null ? (NOBODYS[table] ?? {}) : {};
  const columnNames = [ownerOf(table), ...needed.map(({ column }) => column), ...Object.keys(nobodys)];
  const names = columnNames.map((name) => `"${name}"`);
  const values = [
    owner === null ? 'NULL' : `'${owner}'`,
    ...needed.map((column) => literal(column, owner ?? 'nobody')),
    ...Object.values(nobodys),
  ];
  return `INSERT INTO "${table}" (${names.join(', ')}) VALUES (${values.join(', ')})`;
}

const ROLLED_BACK = new Error('rolled back');

/** As the role that serves tenants; whatever it changed is undone. */
async function asTenant<T>(tenantId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  let result: { readonly value: T } | undefined;
  const done = database.tenant(tenantId, async (tx) => {
    result = { value: await work(tx) };
    throw ROLLED_BACK;
  });
  await done.catch((error: unknown) => {
    if (error !== ROLLED_BACK) throw error;
  });
  return result!.value;
}

const change = (tenantId: string, sql: string): Promise<number> =>
  asTenant(tenantId, (tx) => tx.$executeRawUnsafe(sql));
const ownersSeen = (tenantId: string, table: string): Promise<(string | null)[]> =>
  asTenant(tenantId, async (tx) => {
    const rows = await tx.$queryRawUnsafe<{ owner: string | null }[]>(
      `SELECT "${ownerOf(table)}" AS owner FROM "${table}"`,
    );
    return rows.map((row) => row.owner);
  });

// Without foreign keys: what is proved here is each table's own protection, not that of what it refers to.
const seed = tenantTables.flatMap((table) =>
  [ONE, TWO, ...(canBeNobodys(table) ? [null] : [])].map((owner) => insertOf(table, owner)),
);
await server.query(`SET session_replication_role = replica; ${seed.join('; ')}; SET session_replication_role = origin`);

afterAll(async () => {
  await database.close();
  await server.drop();
});

describe('every table', () => {
  it('is a tenant’s, or is listed as nobody’s with a reason', () => {
    const orphans = tables.filter((table) => !ownerColumn(table) && !(table in SHARED_TABLES));
    expect(
      orphans,
      'give it tenant_id and policies like its neighbours in the migration, or list it in SHARED_TABLES with the reason',
    ).toEqual([]);
    const stale = Object.keys(SHARED_TABLES).filter((table) => !tables.includes(table) || tenantTables.includes(table));
    expect(stale, 'listed in SHARED_TABLES, but not there').toEqual([]);
    expect(tenantTables.length).toBeGreaterThan(25);
  });

  it.each(tables)('%s grants the role that serves tenants what is listed, and no more', async (table) => {
    const [held] = await server.query<{ privileges: string[] }>(
      `SELECT array(SELECT p FROM unnest($2::text[]) p WHERE has_table_privilege('wirebot_app', $1, p)) AS privileges`,
      [`public.${table}`, PRIVILEGES],
    );
    expect(held!.privileges, `APP_GRANTS of ${table}`).toEqual([...(APP_GRANTS[table] ?? [])]);
  });

  it.each(tables)('%s lets the role read the columns that are listed, and no more', async (table) => {
    const rows = await server.query<{ column: string; read: boolean }>(
      `SELECT attname AS column, has_column_privilege('wirebot_app', attrelid, attnum, 'SELECT') AS read
       FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`,
      [`public.${table}`],
    );
    const hidden = rows.filter((row) => !row.read).map((row) => row.column);
    expect(hidden).toEqual(reads(table) ? (HIDDEN_COLUMNS[table] ?? []) : rows.map((row) => row.column));
  });

  it.each(tables)('%s lets the role change the columns that are listed, and no more', async (table) => {
    const rows = await server.query<{ column: string }>(
      `SELECT attname AS column FROM pg_attribute
       WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
         AND (has_column_privilege('wirebot_app', attrelid, attnum, 'UPDATE')
           OR has_column_privilege('wirebot_app', attrelid, attnum, 'INSERT')
           OR has_column_privilege('wirebot_app', attrelid, attnum, 'REFERENCES'))
       ORDER BY 1`,
      [`public.${table}`],
    );
    const whole = may(table, 'INSERT') || may(table, 'UPDATE');
    const every = columnsOf(table).map(({ column }) => column);
    expect(rows.map((row) => row.column).toSorted()).toEqual(
      whole ? every.toSorted() : [...(CHANGED_COLUMNS[table] ?? [])],
    );
  });

  it.each(tables)('%s grants the role that sees every tenant rows, and never the table itself', async (table) => {
    const [held] = await server.query<{ privileges: string[] }>(
      `SELECT array(SELECT p FROM unnest($2::text[]) p WHERE has_table_privilege('wirebot_system', $1, p)) AS privileges`,
      [`public.${table}`, PRIVILEGES],
    );
    const lacks = SYSTEM_LACKS[table] ?? [];
    expect(held!.privileges).toEqual(EVERYTHING.filter((privilege) => !lacks.includes(privilege)));
  });
});

describe('around the tables', () => {
  it('there are no views and no functions that would look past the policies', async () => {
    const views = await server.query(
      `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm', 'f', 'p')`,
    );
    const functions = await server.query(
      `SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef`,
    );
    expect([...views, ...functions]).toEqual([]);
  });

  it('both roles own nothing, are no superusers, bypass nothing and are in no other role', async () => {
    const roles = await server.query(
      `SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin,
         EXISTS (SELECT 1 FROM pg_auth_members m WHERE m.member = r.oid) AS belongs,
         EXISTS (SELECT 1 FROM pg_class c WHERE c.relowner = r.oid) AS owns
       FROM pg_roles r WHERE rolname LIKE 'wirebot\\_%' ORDER BY 1`,
    );
    const nothing = { rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false };
    const none = { ...nothing, rolcanlogin: false, belongs: false, owns: false };
    expect(roles).toEqual(['wirebot_app', 'wirebot_system'].map((rolname) => ({ rolname, ...none })));
  });

  it('neither role may make anything in the schema', async () => {
    for (const role of ['wirebot_app', 'wirebot_system'])
      expect(await server.query(`SELECT has_schema_privilege($1, 'public', 'CREATE') AS may`, [role])).toEqual([
        { may: false },
      ]);
  });
});

describe('every tenant’s table', () => {
  it.each(tenantTables)('%s has row-level security, forced, and exactly the two policies', async (table) => {
    const [state] = await server.query(
      `SELECT relrowsecurity AS on, relforcerowsecurity AS forced FROM pg_class WHERE oid = $1::regclass`,
      [`public.${table}`],
    );
    expect(state).toEqual({ on: true, forced: true });
    const policies = await server.query(
      `SELECT policyname AS name, permissive, roles::text, cmd, qual, with_check AS "check"
       FROM pg_policies WHERE schemaname = 'public' AND tablename = $1 ORDER BY 1`,
      [table],
    );
    const own = `(${ownerOf(table)} = NULLIF(current_setting('app.tenant_id'::text, true), ''::text))`;
    const every = { permissive: 'PERMISSIVE', cmd: 'ALL' };
    expect(policies).toEqual([
      { name: 'every_tenant', ...every, roles: '{wirebot_system}', qual: 'true', check: 'true' },
      { name: 'own_tenant', ...every, roles: '{wirebot_app}', qual: own, check: own },
    ]);
  });

  it.each(tenantTables.filter(reads))(
    '%s shows a tenant its own rows only, and none without a tenant',
    async (table) => {
      const [all] = await server.query<{ count: number }>(`SELECT count(*)::int AS count FROM "${table}"`);
      expect(all!.count).toBe(canBeNobodys(table) ? 3 : 2);
      expect(await ownersSeen(ONE, table)).toEqual([ONE]);
      expect(await ownersSeen(TWO, table)).toEqual([TWO]);
      for (const nobody of ['', 'ten_none', '%', `' OR true --`]) expect(await ownersSeen(nobody, table)).toEqual([]);
    },
  );

  it.each(tenantTables.filter((table) => !reads(table)))('%s shows a tenant nothing', async (table) => {
    await expect(ownersSeen(ONE, table)).rejects.toThrow(/permission denied/);
  });

  const updated = tenantTables.filter((table) => may(table, 'UPDATE'));
  const touch = (table: string) => `UPDATE "${table}" SET "${ownerOf(table)}" = "${ownerOf(table)}"`;
  const give = (table: string, to: string) => `UPDATE "${table}" SET "${ownerOf(table)}" = ${to}`;
  const remove = (table: string) => `DELETE FROM "${table}"`;

  it.each(updated)('%s takes changes of a tenant to its own rows only', async (table) => {
    expect(await change(ONE, touch(table))).toBe(1);
    expect(await change(ONE, `${touch(table)} WHERE "${ownerOf(table)}" = '${TWO}'`)).toBe(0);
    expect(await change('', touch(table))).toBe(0);
    await expect(change(ONE, give(table, `'${TWO}'`))).rejects.toThrow(/row-level security/);
  });

  it.each(updated.filter(canBeNobodys))('%s takes no change of a tenant to nobody’s rows', async (table) => {
    expect(await change(ONE, `${touch(table)} WHERE "${ownerOf(table)}" IS NULL`)).toBe(0);
    await expect(change(ONE, give(table, 'NULL'))).rejects.toThrow(/row-level security/);
  });

  it.each(tenantTables.filter((table) => !may(table, 'UPDATE')))('%s takes no change of a tenant', async (table) => {
    await expect(change(ONE, touch(table))).rejects.toThrow(/permission denied/);
  });

  const partly = Object.entries(CHANGED_COLUMNS).flatMap(([table, names]) =>
    names.map((name) => [table, name] as const),
  );

  it.each(partly)('%s, %s: takes changes of a tenant to its own rows only', async (table, name) => {
    const same = `UPDATE "${table}" SET "${name}" = "${name}"`;
    expect(await change(ONE, same)).toBe(1);
    expect(await change(ONE, `${same} WHERE "${ownerOf(table)}" = '${TWO}'`)).toBe(0);
    expect(await change('', same)).toBe(0);
  });

  const deleted = tenantTables.filter((table) => may(table, 'DELETE'));

  it.each(deleted)('%s loses a tenant’s own rows only', async (table) => {
    expect(await change(ONE, remove(table))).toBe(1);
    expect(await change(ONE, `${remove(table)} WHERE "${ownerOf(table)}" = '${TWO}'`)).toBe(0);
    expect(await change('', remove(table))).toBe(0);
  });

  it.each(tenantTables.filter((table) => !may(table, 'DELETE')))('%s loses nothing to a tenant', async (table) => {
    await expect(change(ONE, remove(table))).rejects.toThrow(/permission denied/);
  });

  it.each(tenantTables)('%s refuses rows that a tenant makes for another one, or for nobody', async (table) => {
    const refusal = may(table, 'INSERT') ? /row-level security/ : /permission denied/;
    for (const owner of [TWO, ...(canBeNobodys(table) ? [null] : [])])
      await expect(change(ONE, insertOf(table, owner))).rejects.toThrow(refusal);
    await expect(change('', insertOf(table, ONE))).rejects.toThrow(refusal);
  });
});

describe('sealed columns', () => {
  const hidden = Object.entries(HIDDEN_COLUMNS).flatMap(([table, names]) => names.map((name) => ({ table, name })));

  it.each(hidden)(
    '$table.$name cannot be read by the role that serves tenants, in any way',
    async ({ table, name }) => {
      const attempts = [
        `SELECT "${name}" FROM "${table}"`,
        `SELECT * FROM "${table}"`,
        `SELECT t FROM "${table}" t`,
        `SELECT to_jsonb(t) FROM "${table}" t`,
        `SELECT count(*) FROM "${table}" WHERE "${name}"::text > ''`,
        `UPDATE "${table}" SET id = id RETURNING "${name}"`,
        `DELETE FROM "${table}" RETURNING *`,
      ];
      for (const sql of attempts) {
        const read = asTenant(ONE, (tx) => tx.$queryRawUnsafe(sql));
        await expect(read).rejects.toThrow(/permission denied/);
      }
    },
  );
});
