// What a line of the audit log costs beside the same row without a chain, and how fast a chain is verified.
// Usage: node test/bench/run.mjs audit [--runs 200] [--lines 200000]
import { randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Database } from '#libs/database';
import { SortableIds, SystemClock } from '#libs/kernel';
import { Client } from 'pg';
import { option } from './support/arguments.mjs';
import { withCleanup } from './support/cleanup.mjs';
import { seedMembers, startDatabase } from './support/database.mjs';
import { built } from './support/processes.mjs';
import { begin, median, printStatistics, printTable } from './support/report.mjs';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const RUNS = Number(option('runs', 200));
const LINES = Number(option('lines', 200_000));
const WARM_UP = 20;
const WRITERS = 8;
const CHANGES = 100;

const part = (...path) => import(built('apps', 'control-plane', 'src', ...path));
const { AuditChain, NO_HASH } = await part('audit', 'audit-chain.js');
const { AuditChainReader } = await part('audit', 'audit-chain.reader.js');
const { AuditLog } = await part('audit', 'audit-log.js');
const { AuditVerifier } = await part('audit', 'audit-verifier.js');
const { PlatformKeys } = await part('secrets', 'platform-keys.js');

const keys = new PlatformKeys(randomBytes(32));
const clock = new SystemClock();
const ids = new SortableIds(clock);
const log = new AuditLog(ids, clock, keys);
const about = (tenantId) => ({
  tenantId,
  actor: 'key:key_01hx0000000000000000000000',
  action: 'member.update',
  resource: 'member',
  resourceId: 'mem_01hx0000000000000000000000',
  data: { tier: 'wire', before: { tier: 'free', status: 'active' } },
});

/** The change that a line is about. */
const change = (tx, tenantId) =>
  tx.$executeRaw`UPDATE members SET name = 'changed' WHERE id = ${`mem_${tenantId.slice(4)}_0`}`;

/** The same row without a chain; its position only has to be free. */
let position = 0;
const plainRow = (tx, tenantId) => {
  const { actor, action, resource, resourceId, data } = about(tenantId);
  position -= 1;
  return tx.$executeRaw`
    INSERT INTO audit_entries (id, tenant_id, seq, actor, action, resource, resource_id, data, at, hash)
    VALUES (${ids.next('audit')}, ${tenantId}, ${position}, ${actor}, ${action}, ${resource}, ${resourceId},
      ${JSON.stringify(data)}::jsonb, ${clock.now()}, ${Uint8Array.from(NO_HASH)})`;
};

const LANES = [
  { label: 'change alone', write: async () => undefined },
  { label: 'change and a row without chain', write: plainRow },
  { label: 'change and a chained line', write: (tx, tenantId) => log.record(tx, about(tenantId)) },
];

const transaction = (database, tenantId, write) =>
  database.tenant(tenantId, async (tx) => {
    await change(tx, tenantId);
    await write(tx, tenantId);
  });

async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function measureLines(database) {
  const samples = new Map(LANES.map((lane) => [lane, []]));
  for (let round = -WARM_UP; round < RUNS; round += 1)
    for (const at of LANES.keys()) {
      const lane = LANES[(at + round + WARM_UP) % LANES.length];
      const taken = await timed(() => transaction(database, 'ten_0', lane.write));
      if (round >= 0) samples.get(lane).push(taken);
    }
  printStatistics(
    'one transaction (ms)',
    LANES.map((lane) => [lane.label, samples.get(lane)]),
    2,
  );
}

/** Many at once: in one tenant they wait for each other's commit, in different ones they do not. */
async function measureCrowd(database) {
  const rate = async (lane, tenantOf) => {
    const rates = [];
    for (let round = 0; round < 5; round += 1) {
      const writer = async (n) => {
        for (let at = 0; at < CHANGES / WRITERS; at += 1) await transaction(database, tenantOf(n), lane.write);
      };
      const taken = await timed(() => Promise.all(Array.from({ length: WRITERS }, (_, n) => writer(n))));
      rates.push((Math.ceil(CHANGES / WRITERS) * WRITERS * 1_000) / taken);
    }
    return median(rates).toFixed(0);
  };
  const [, plain, chained] = LANES;
  printTable(
    [`${WRITERS} writers at once (transactions/s)`, 'one tenant', `${WRITERS} tenants`],
    [
      [plain.label, await rate(plain, () => 'ten_0'), await rate(plain, (n) => `ten_${n}`)],
      [chained.label, await rate(chained, () => 'ten_0'), await rate(chained, (n) => `ten_${n}`)],
    ],
  );
}

/** A genuine chain, written past the application because that would take long. */
async function writeChain(client, tenantId, lines) {
  const chain = new AuditChain(keys);
  const { actor, action, resource, resourceId, data } = about(tenantId);
  const origin = '{"address":"203.0.113.9","userAgent":"Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0"}';
  const fixed = {
    chain: tenantId,
    actor,
    action,
    resource,
    resourceId,
    data: JSON.stringify(data),
    origin,
    requestId: null,
  };
  let hash = NO_HASH;
  for (let from = 1; from <= lines; from += 5_000) {
    const rows = [];
    for (let seq = from; seq < from + 5_000 && seq <= lines; seq += 1) {
      const line = { ...fixed, id: ids.next('audit'), seq: BigInt(seq), at: clock.now().toISOString() };
      hash = chain.hash(hash, line);
      rows.push({ id: line.id, seq, at: line.at, hash: hash.toString('hex') });
    }
    await client.query(
      `INSERT INTO audit_entries (id, tenant_id, seq, actor, action, resource, resource_id, data, origin, at, hash)
       SELECT r->>'id', $2, (r->>'seq')::bigint, $3, $4, $5, $6, $7::jsonb, $8::jsonb, (r->>'at')::timestamptz, decode(r->>'hash', 'hex')
       FROM jsonb_array_elements($1::jsonb) r`,
      [JSON.stringify(rows), tenantId, actor, action, resource, resourceId, fixed.data, origin],
    );
  }
  const seal = chain.seal(tenantId, { seq: BigInt(lines), hash });
  await client.query(`INSERT INTO audit_heads VALUES ($1, $1, $2, $3, $4)`, [tenantId, lines, hash, seal]);
  await client.query('ANALYZE audit_entries');
}

async function measureVerification(database, client) {
  const [short, long] = ['ten_98', 'ten_99'];
  await writeChain(client, short, LINES / 10);
  await writeChain(client, long, LINES);
  const verifier = new AuditVerifier(new AuditChainReader(database), keys);
  const verify = async (tenantId) => {
    const { status } = await verifier.verify(tenantId);
    if (status !== 'intact') throw new Error(`the chain is ${status}`);
  };
  const rates = [];
  for (let round = 0; round < 5; round += 1) rates.push((LINES * 1_000) / (await timed(() => verify(long))));
  printStatistics(`verification of ${LINES} lines`, [['lines/s', rates]]);
  const rows = [];
  for (const [tenantId, lines] of [
    [short, LINES / 10],
    [long, LINES],
  ])
    rows.push([`${lines} lines`, await liveHeapDuring(() => verify(tenantId))]);
  printStatistics('live heap while verifying (MB)', rows, 1);
}

/** What survives a collection, looked at all the time while `work` is done. */
async function liveHeapDuring(work) {
  const samples = [];
  const watch = setInterval(() => {
    collect();
    samples.push(process.memoryUsage().heapUsed / 1024 ** 2);
  }, 100);
  await work();
  clearInterval(watch);
  return samples;
}

await withCleanup(async (defer) => {
  const url = await startDatabase(defer);
  const client = new Client({ connectionString: url });
  await client.connect();
  defer(() => client.end());
  await seedMembers(client, 100, 1);
  const database = new Database({ url });
  defer(() => database.close());
  const report = begin('The audit log');
  await measureLines(database);
  await measureCrowd(database);
  await measureVerification(database, client);
  report();
});
