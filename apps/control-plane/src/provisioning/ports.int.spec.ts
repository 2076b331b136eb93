import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewayDriver } from '#libs/drivers/core';
import { MembersService } from '../members/members.service.js';
import { ControlPlaneFixture } from './testing/control-plane.fixture.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../dist/gateway/gateway.mjs');

describe('ports of gateways', () => {
  let plane: ControlPlaneFixture;
  const strangers: Server[] = [];

  const stranger = async (port: number): Promise<void> => {
    const server = createServer().listen(port, '127.0.0.1');
    strangers.push(server);
    await once(server, 'listening');
  };
  const row = async (member: string) => {
    const id = (await plane.member(member)).gateway!.id;
    const rows = await plane.database.query<{ id: string; port: number; phase: string; due_at: Date | null }>(
      'SELECT id, port, phase, due_at FROM gateways WHERE id = $1',
      [id],
    );
    return rows[0]!;
  };

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19250-19257',
      WIREBOT_OPERATION_DEADLINE_SECONDS: '6',
    });
  });
  afterAll(async () => {
    for (const server of strangers) server.close();
    await plane.dispose();
  });

  it('are another one when a stranger listens on the port or on the control port', async () => {
    await stranger(19_250);
    await stranger(19_253);
    expect(await plane.put('ann', 'sovereign')).toMatchObject({ status: 'succeeded' });
    expect(await row('ann')).toMatchObject({ phase: 'ready', port: 19_254 });
  });

  it('end with a clear reason when strangers and gateways have all of them', async () => {
    expect(await plane.put('ben', 'sovereign')).toMatchObject({ status: 'succeeded' });
    expect(await row('ben')).toMatchObject({ port: 19_256 });
    const cat = await plane.put('cat', 'sovereign');
    expect(cat).toMatchObject({ status: 'failed', error: { code: 'port-in-use' } });
    const rows = await plane.database.query<{ failures: number }>(
      'SELECT failures FROM gateways ORDER BY failures DESC',
    );
    expect(rows[0]?.failures).toBeLessThan(30);
  });

  it('heal by themselves when a stranger goes', async () => {
    strangers.shift()?.close();
    await expect.poll(() => row('cat'), { timeout: 60_000 }).toMatchObject({ phase: 'ready', port: 19_250 });
  });

  it('are free again only when nothing of the old gateway runs any more', async () => {
    const { id, port } = await row('ben');
    const erased = await plane.app.get(MembersService).act(plane.caller, 'ben', 'erase');
    await plane.ended(erased.operation!.id);
    const freed = async () =>
      (await plane.database.query('SELECT port, phase FROM gateways WHERE id = $1', [id]))[0] as {
        port: number | null;
      };
    const driver = plane.app.get(GatewayDriver);
    for (;;) {
      const before = (await driver.inspect(id, AbortSignal.timeout(5_000))).status;
      if ((await freed()).port === null) break;
      expect(['running', 'stopped', 'absent']).toContain(before);
    }
    expect((await driver.inspect(id, AbortSignal.timeout(5_000))).status).toBe('absent');
    expect(await plane.put('dan', 'sovereign')).toMatchObject({ status: 'succeeded' });
    expect((await row('dan')).port).toBe(port);
  });

  it('stay what they are when the range is made smaller, and come into it with the next start', async () => {
    const before = await row('dan');
    for (const server of strangers.splice(0)) server.close();
    await plane.database.query('UPDATE hosts SET port_to = 19253');
    await plane.database.query('UPDATE gateways SET due_at = now() WHERE id = $1', [before.id]);
    await expect.poll(async () => (await row('dan')).due_at?.getTime()).not.toBe(before.due_at?.getTime());
    expect(await row('dan')).toMatchObject({ port: 19_256, phase: 'ready' });

    await plane.app.get(GatewayDriver).stop(before.id, 5, AbortSignal.timeout(20_000));
    await expect
      .poll(async () => await row('dan'), { timeout: 20_000 })
      .toMatchObject({ phase: 'ready', port: 19_252 });
  });
});

describe('rows that were restored from an older dump', () => {
  let plane: ControlPlaneFixture;
  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19260-19269',
      WIREBOT_GATEWAY_RECHECK_SECONDS: '1',
    });
  });
  afterAll(() => plane.dispose());

  it('find their gateways again, are believed by them, and tell them all anew', async () => {
    await plane.put('ann', 'freewire');
    await plane.put('ben', 'freewire');
    const read = async () =>
      (
        await plane.database.query<{ id: string; fence: string; config_generation: string; observed_config: string }>(
          'SELECT id, fence, config_generation, observed_config, phase FROM gateways',
        )
      )[0]!;
    const now = await read();
    const state = () => plane.app.get(GatewayDriver).inspect(now.id, AbortSignal.timeout(5_000));
    const before = await state();
    await plane.database.query(
      `UPDATE gateways SET fence = 0, config_generation = 1, observed_config = 1, lease_owner = NULL, lease_until = NULL, due_at = now()`,
    );
    await expect
      .poll(async () => Number((await read()).observed_config), { timeout: 20_000 })
      .toBeGreaterThan(Number(now.config_generation));
    expect(BigInt((await read()).fence)).toBeGreaterThan(BigInt(now.fence) - 1n);
    expect(await state()).toEqual(before);
    expect(await plane.put('cat', 'freewire')).toMatchObject({ status: 'succeeded' });
  });
});
