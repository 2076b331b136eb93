import { readdir, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { delay } from '#libs/kernel';
import { ControlPlaneFixture } from '../testing/control-plane.fixture.js';
import type { WarmPoolSettings } from './warm-pool.settings.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../../dist/gateway/gateway.mjs');
const LIMIT_MS = 30_000;

interface Row {
  readonly id: string;
  readonly tenantId: string | null;
  readonly pool: string | null;
  readonly phase: string;
  readonly claimedAt: Date | null;
  readonly port: number | null;
  readonly image: string;
}

/** What tests ask of the pool. */
class Pool {
  constructor(private readonly plane: ControlPlaneFixture) {}

  rows(where = `phase <> 'deleted'`): Promise<Row[]> {
    return this.plane.database.query<Row>(
      `SELECT id, tenant_id AS "tenantId", pool, phase, claimed_at AS "claimedAt", port, image FROM gateways WHERE ${where} ORDER BY id`,
    );
  }

  ready(): Promise<Row[]> {
    return this.rows(`pool = 'warm' AND phase = 'warm' AND desired_state = 'running' AND lease_owner IS NULL`);
  }

  async set(settings: Partial<WarmPoolSettings>): Promise<void> {
    await this.plane.database.query(
      `UPDATE installation SET settings = jsonb_set(
         settings || jsonb_build_object('warmPoolVersion', coalesce((settings->>'warmPoolVersion')::int, 0) + 1),
         '{warmPool}', coalesce(settings->'warmPool', '{}') || $1::jsonb)`,
      [JSON.stringify(settings)],
    );
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + LIMIT_MS;
    while (!(await holds())) {
      if (Date.now() > end)
        throw new Error(`${what}: ${JSON.stringify(await this.rows())} ${JSON.stringify(await this.state())}`);
      await delay(30);
    }
  }

  filled(size: number): Promise<void> {
    return this.until(`${size} warm gateways`, async () => {
      const pool = await this.rows(`pool = 'warm' AND phase <> 'deleted'`);
      return pool.length === size && (await this.ready()).length === size;
    });
  }

  async state(): Promise<Record<string, unknown>> {
    return (
      await this.plane.database.query<{ state: Record<string, unknown> }>('SELECT warm_pool AS state FROM installation')
    )[0]!.state;
  }
}

const CALM = { quietSeconds: 0, memoryHeadroomMb: 0 };

describe('gateways made ahead, with real processes', () => {
  let plane: ControlPlaneFixture;
  let pool: Pool;

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19100-19139',
    });
    pool = new Pool(plane);
  });
  afterAll(() => plane.dispose());

  it('are made to the wanted number, without anything of anybody', async () => {
    await pool.set({ ...CALM, size: 3 });
    await pool.filled(3);
    for (const row of await pool.ready()) expect(row).toMatchObject({ tenantId: null, claimedAt: null });
  });

  it('become a member’s with the next placement, and answer', async () => {
    const before = (await pool.ready()).map(({ id }) => id);
    const began = performance.now();
    expect(await plane.put('ann', 'sovereign')).toMatchObject({ status: 'succeeded' });
    console.log('warm ms', performance.now() - began);
    const { gateway } = await plane.member('ann');
    expect(before).toContain(gateway!.id);
  });
});
void readdir;
void readFile;
