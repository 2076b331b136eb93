import { delay } from '#libs/kernel';
import type { WarmPoolSettings } from '../warm/warm-pool.settings.js';
import type { WarmPoolState } from '../warm/warm-pool.state.js';
import type { ControlPlaneFixture } from './control-plane.fixture.js';

const LIMIT_MS = 45_000;

export interface GatewayRow {
  readonly id: string;
  readonly tenantId: string | null;
  readonly pool: string | null;
  readonly phase: string;
  readonly generation: string;
  readonly port: number | null;
}

/** What tests see of the pool and do to it. */
export class WarmPoolFixture {
  constructor(private readonly plane: ControlPlaneFixture) {}

  rows(where = `phase <> 'deleted'`): Promise<GatewayRow[]> {
    return this.plane.database.query<GatewayRow>(
      `SELECT id, tenant_id AS "tenantId", pool, phase, generation, port FROM gateways WHERE ${where} ORDER BY id`,
    );
  }

  /** Those that can be claimed and are at rest. */
  ready(): Promise<GatewayRow[]> {
    return this.rows(`pool = 'warm' AND phase = 'warm' AND desired_state = 'running' AND lease_owner IS NULL`);
  }

  /** As an operator's change does: the rest of the settings stays. */
  async set(settings: Partial<WarmPoolSettings>): Promise<void> {
    await this.plane.database.query(
      `UPDATE installation SET settings = settings
         || jsonb_build_object('warmPoolVersion', coalesce((settings->>'warmPoolVersion')::int, 0) + 1)
         || jsonb_build_object('warmPool', coalesce(settings->'warmPool', '{}') || $1::jsonb)`,
      [JSON.stringify(settings)],
    );
  }

  async state(): Promise<WarmPoolState> {
    const rows = await this.plane.database.query<{ state: WarmPoolState }>(
      'SELECT warm_pool AS state FROM installation',
    );
    return rows[0]!.state;
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + LIMIT_MS;
    while (!(await holds())) {
      if (Date.now() > end)
        throw new Error(`not in time: ${what}: ${JSON.stringify([await this.rows(), await this.state()])}`);
      await delay(25);
    }
  }

  /** Exactly so many are there, ready and at rest. */
  filled(size: number): Promise<void> {
    return this.until(`${size} warm gateways`, async () => {
      const all = await this.rows(`pool = 'warm' AND phase <> 'deleted'`);
      return all.length === size && (await this.ready()).length === size;
    });
  }
}
