import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database, type Leadership, takeLeadership } from '#libs/database';
import { delay } from '#libs/kernel';
import { ControlPlaneFixture } from '../../provisioning/testing/control-plane.fixture.js';
import { CellBalance } from './cell-balance.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../../dist/gateway/gateway.mjs');
const MEMBERS = ['ann', 'ben', 'cat', 'dan'];

let plane: ControlPlaneFixture;
let lead: Leadership;

const query = <T extends object>(text: string, values: unknown[] = []) => plane.database.query<T>(text, values);
const cells = () =>
  query<{ id: string; agents: number }>(
    `SELECT g.id, count(a.id)::int AS agents FROM gateways g LEFT JOIN agents a ON a.gateway_id = g.id
     WHERE g.kind = 'shared' AND g.phase <> 'deleted' GROUP BY g.id ORDER BY 2 DESC`,
  );
const balance = () => plane.app.get(CellBalance).run(lead, AbortSignal.timeout(10_000));
const setLoad = (id: string, eventLoopP99Ms: number) =>
  query(`UPDATE gateways SET load = $2, load_at = now() WHERE id = $1`, [
    id,
    JSON.stringify({ eventLoopP99Ms, rssBytes: 1, memoryLimitBytes: 100 }),
  ]);
const leaving = async () =>
  (await query<{ n: number }>(`SELECT count(*)::int AS n FROM agents WHERE leave_gateway_id IS NOT NULL`))[0]!.n;

async function settled(): Promise<void> {
  for (let i = 0; i < 600; i += 1) {
    const rows = await query(
      `SELECT 1 FROM agents WHERE phase <> 'ready' OR leave_gateway_id IS NOT NULL OR target_gateway_id IS NOT NULL OR previous_gateway_id IS NOT NULL`,
    );
    if (rows.length === 0) return;
    await delay(50);
  }
  throw new Error(`not settled: ${JSON.stringify(await query('SELECT phase, conditions FROM agents'))}`);
}

describe('shared gateways with too much to bear', () => {
  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19770-19789',
      WIREBOT_AGENTS_PER_GATEWAY: '10',
      WIREBOT_MERGE_CELLS: 'true',
      // What they say of themselves is what the tests say.
      WIREBOT_GATEWAY_RECHECK_SECONDS: '3600',
    });
    for (const name of MEMBERS) await plane.put(name, 'freewire');
    // The duty is done here, round by round, in the place of whoever holds it.
    await query(`DELETE FROM leaderships WHERE duty = 'cell-balance'`);
    lead = (await takeLeadership(plane.app.get(Database), 'cell-balance', 'the test', 600))!;
  });
  afterAll(async () => {
    for (const name of ['WIREBOT_MERGE_CELLS', 'WIREBOT_GATEWAY_RECHECK_SECONDS']) process.env[name] = '';
    await plane.dispose();
  });

  it('keep everybody while they are well, and those who came a short while ago in any case', async () => {
    const [cell] = await cells();
    await balance();
    await setLoad(cell!.id, 5_000);
    await balance();
    expect([await leaving(), await cells()]).toEqual([0, [{ id: cell!.id, agents: 4 }]]);
  });

  it('take nobody new', async () => {
    const [crowded] = await cells();
    await setLoad(crowded!.id, 5_000);
    await plane.put('eve', 'freewire');
    expect((await cells()).map(({ agents }) => agents)).toEqual([4, 1]);
  });

  it('give two of their agents to another, who answer there, and then rest for a while', async () => {
    const [crowded] = await cells();
    await query(`UPDATE agents SET phase_since = now() - interval '1 hour'`);
    await setLoad(crowded!.id, 5_000);
    await balance();
    await settled();
    expect((await cells()).map(({ agents }) => agents)).toEqual([3, 2]);
    await query(`UPDATE agents SET phase_since = now() - interval '1 hour'`);
    await setLoad(crowded!.id, 5_000);
    await balance();
    expect(await leaving()).toBe(0);
  });

  it('do nothing for a process that does this duty no longer', async () => {
    const [crowded] = await cells();
    await setLoad(crowded!.id, 5_000);
    const former = { ...lead, fence: lead.fence - 1n };
    const other = (await cells()).at(-1)!;
    await setLoad(other.id, 5_000);
    await expect(plane.app.get(CellBalance).run(former, AbortSignal.timeout(10_000))).rejects.toThrow(
      'another process',
    );
    expect(await leaving()).toBe(0);
  });

  it('are emptied into others when few are left in one, and the empty one ends', async () => {
    for (const { id } of await cells()) await setLoad(id, 1);
    await query(`UPDATE agents SET phase_since = now() - interval '1 hour'`);
    for (const { id } of await cells()) await setLoad(id, 1);
    await balance();
    expect(await leaving()).toBe(2);
    await settled();
    await query(`UPDATE gateways SET phase_since = now() - interval '1 hour'`);
    await balance();
    for (let i = 0; (await cells()).length > 1 && i < 200; i += 1) await delay(50);
    expect((await cells()).map(({ agents }) => agents)).toEqual([5]);
  });
});
