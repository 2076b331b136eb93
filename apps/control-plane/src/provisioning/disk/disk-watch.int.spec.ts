import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database, takeLeadership } from '#libs/database';
import { GatewayDriver } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import { TierChangesService } from '../../tiers/tier-changes.service.js';
import { contentOf } from '../../tiers/tier-definition.js';
import { ControlPlaneFixture } from '../testing/control-plane.fixture.js';
import { DiskWatch } from './disk-watch.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../../dist/gateway/gateway.mjs');
const MIB = 1024 * 1024;

describe('the disk quota of a member', () => {
  let plane: ControlPlaneFixture;
  const sql = (query: string, values: unknown[] = []) => plane.database.query(query, values);
  const uses = (mib: number) => sql('UPDATE agents SET disk_bytes = $1', [mib * MIB]);
  const condition = async () =>
    (((await sql('SELECT conditions FROM agents'))[0]?.['conditions'] ?? []) as { type: string }[]).find(
      ({ type }) => type === 'DiskPressure',
    );
  const events = async () =>
    (await sql(`SELECT data FROM outbox WHERE type = 'disk-pressure' ORDER BY seq`)).map(
      (row) => (row['data'] as { reason: string }).reason,
    );
  /** Rounds until the agent's row was free for one. */
  const round = async (until: () => Promise<boolean>, most = 50) => {
    const lead = (await takeLeadership(plane.app.get(Database), 'disk-watch-test', 'test', 60))!;
    for (let tries = 0; tries < most && !(await until()); tries += 1) {
      await plane.app.get(DiskWatch).run(lead, AbortSignal.timeout(10_000));
      await delay(50);
    }
  };
  const says = (reason: string) => async () => {
    const now = await condition();
    return now !== undefined && 'reason' in now && now.reason === reason;
  };

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19330-19339',
      WIREBOT_GATEWAY_RECHECK_SECONDS: '3600',
    });
    await plane.put('ann', 'sovereign');
  });
  afterAll(() => plane.dispose());

  it('is shown with what is used of it', async () => {
    await uses(100);
    expect((await plane.member('ann')).disk).toEqual({ usedBytes: 100 * MIB, limitBytes: 5_120 * MIB });
  });

  it('is told of once when it is nearly used up, once when it is, and once when there is room again', async () => {
    await uses(4_700);
    await round(says('disk-quota-near'));
    expect(await condition()).toMatchObject({
      status: true,
      message: expect.stringContaining('4700 MiB of the 5120 MiB'),
    });
    await uses(4_500);
    await round(says('never'), 3);
    await uses(5_120);
    await round(says('disk-quota-reached'));
    await uses(1_000);
    await round(says('disk-has-room'));
    expect(await condition()).toMatchObject({ status: false });
    expect(await events()).toEqual(['disk-quota-near', 'disk-quota-reached', 'disk-has-room']);
  });

  it('is changed without a restart: gateways are only told', async () => {
    const gateway = async () =>
      (await sql('SELECT id, generation, config_generation, observed_config FROM gateways'))[0]!;
    const before = await gateway();
    const state = () => plane.app.get(GatewayDriver).inspect(String(before['id']), AbortSignal.timeout(5_000));
    const running = await state();
    const tier = await plane.app
      .get(Database)
      .system((tx) => tx.tier.findFirstOrThrow({ where: { key: 'sovereign' } }));
    const content = contentOf(tier);
    const caller = { tenantId: plane.tenantId, actor: 'test' };
    await plane.app
      .get(TierChangesService)
      .put(caller, 'sovereign', { ...content, resources: { ...content.resources, diskMb: 2_000 } });
    await expect
      .poll(async () => Number((await gateway())['observed_config']), { timeout: 20_000 })
      .toBeGreaterThan(Number(before['config_generation']));
    expect((await gateway())['generation']).toBe(before['generation']);
    expect(await state()).toEqual(running);
    expect((await plane.member('ann')).disk.limitBytes).toBe(2_000 * MIB);
  });
});
