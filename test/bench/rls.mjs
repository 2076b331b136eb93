// What row-level security costs: the same statements past it, under it, and as the control plane runs them.
// Usage: node test/bench/run.mjs rls [--runs 40]
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { option } from './support/arguments.mjs';
import { withCleanup } from './support/cleanup.mjs';
import { seedMembers, startDatabase } from './support/database.mjs';
import { begin, median, printStatistics, printTable } from './support/report.mjs';

const RUNS = Number(option('runs', 40));
const TENANTS = 100;
const MEMBERS = 1_000;
/** Statements of each kind, in each lane, in each round. */
const EACH = 50;
const WARM_UP = 3;

const someTenant = () => `ten_${Math.floor(Math.random() * TENANTS)}`;
const someMember = (tenant) => `mem_${tenant.slice(4)}_${Math.floor(Math.random() * MEMBERS)}`;

const COLUMNS = 'id, tenant_id, external_id, email, name, tier_key, time_zone, locale, updated_at';
/** Each names its tenant, as the application does, whether or not a policy would. */
const STATEMENTS = {
  'by primary key': (tenant) => [
    'SELECT * FROM members WHERE id = $1 AND tenant_id = $2',
    [someMember(tenant), tenant],
  ],
  'page of 50': (tenant) => ['SELECT * FROM members WHERE tenant_id = $1 ORDER BY id LIMIT 50', [tenant]],
  insert: (tenant) => [
    `INSERT INTO members (${COLUMNS}) VALUES ($1, $2, $1, 'm@example.com', 'M', 'wire', 'UTC', 'en', now())`,
    [`mem_${randomUUID()}`, tenant],
  ],
};

/** How a statement for one tenant is run. `prepare` is not measured. */
function lanesOf(owner, app) {
  const plain = (client) => (_tenant, statement) => client.query(...statement);
  return [
    { label: 'owner, past the policies', prepare: async () => undefined, run: plain(owner) },
    {
      label: 'wirebot_app, policies',
      prepare: (tenant) => app.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenant]),
      run: plain(app),
    },
    {
      label: 'owner, transaction',
      prepare: async () => undefined,
      run: (_tenant, statement) => inTransaction(owner, [], statement),
    },
    {
      label: 'wirebot_app, transaction with set_config',
      prepare: async () => undefined,
      run: (tenant, statement) =>
        inTransaction(app, [[`SELECT set_config('app.tenant_id', $1, true)`, [tenant]]], statement),
    },
  ];
}

async function inTransaction(client, before, statement) {
  await client.query('BEGIN');
  for (const one of before) await client.query(...one);
  const result = await client.query(...statement);
  await client.query('COMMIT');
  return result;
}

async function measure(lane, statement) {
  const tenant = someTenant();
  await lane.prepare(tenant);
  const samples = [];
  for (let n = 0; n < EACH; n += 1) {
    const text = statement(tenant);
    const began = performance.now();
    const { rowCount } = await lane.run(tenant, text);
    samples.push(performance.now() - began);
    if (rowCount === 0) throw new Error(`${lane.label}: nothing found`);
  }
  return samples;
}

await withCleanup(async (defer) => {
  const url = await startDatabase(defer);
  const connect = async (options) => {
    const client = new Client({ connectionString: url, ...options });
    await client.connect();
    defer(() => client.end());
    return client;
  };
  const owner = await connect({});
  await seedMembers(owner, TENANTS, MEMBERS);
  const lanes = lanesOf(owner, await connect({ options: '-c role=wirebot_app' }));
  const report = begin(`Row-level security, ${TENANTS} tenants of ${MEMBERS} members`);
  for (const [kind, statement] of Object.entries(STATEMENTS)) await measureKind(kind, statement, lanes);
  report();
});

async function measureKind(kind, statement, lanes) {
  const rounds = [];
  for (let round = -WARM_UP; round < RUNS; round += 1) {
    // Another lane begins each round, so that no one always follows the same.
    const order = lanes.map((_, at) => lanes[(at + round + WARM_UP) % lanes.length]);
    const results = new Map();
    for (const lane of order) results.set(lane, await measure(lane, statement));
    if (round >= 0) rounds.push(results);
  }
  const all = (lane) => rounds.flatMap((results) => results.get(lane));
  printStatistics(
    `${kind} (ms)`,
    lanes.map((lane) => [lane.label, all(lane)]),
    3,
  );
  const pairs = [
    ['policies / past them', lanes[1], lanes[0]],
    ['the same, both in transactions', lanes[3], lanes[2]],
    ['as the control plane does it / past them', lanes[3], lanes[0]],
  ];
  printTable(
    [`${kind}: ratio of medians`, 'lowest round', 'median', 'highest round'],
    pairs.map(([label, one, other]) => {
      const ratios = rounds.map((results) => median(results.get(one)) / median(results.get(other)));
      return [label, ...[Math.min(...ratios), median(ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2))];
    }),
  );
}
