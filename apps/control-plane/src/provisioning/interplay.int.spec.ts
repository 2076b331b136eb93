import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Database, type Tx } from '#libs/database';
import { GatewayDriver } from '#libs/drivers/core';
import { GatewayRuntime } from '#libs/runtimes/core';
import { QuarantineService } from '../fleet/quarantine/quarantine.service.js';
import { MembersService } from '../members/members.service.js';
import { RouteFeedService } from '../routing/route-feed.service.js';
import { unlessDeadlocked } from './deadlocks.js';
import { ControlPlaneFixture } from './testing/control-plane.fixture.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../dist/gateway/gateway.mjs');
const SOON = { timeout: 30_000 };

interface Row {
  readonly id: string;
  readonly phase: string;
  readonly gateway: string | null;
  readonly gateway_phase: string | null;
  readonly port: number | null;
  readonly previous: string | null;
  readonly reasons: string;
}

async function rowOf(plane: ControlPlaneFixture, member: string): Promise<Row> {
  const rows = await plane.database.query<Row>(
    `SELECT a.id, a.phase, a.gateway_id AS gateway, g.phase AS gateway_phase, g.port, a.previous_gateway_id AS previous,
       a.conditions::text AS reasons
     FROM agents a JOIN members m ON m.id = a.member_id LEFT JOIN gateways g ON g.id = a.gateway_id
     WHERE m.external_id = $1`,
    [member],
  );
  return rows[0]!;
}

describe('agents and gateways that change at the same time', () => {
  let plane: ControlPlaneFixture;
  const row = (member: string) => rowOf(plane, member);
  const sql = (text: string, values: unknown[]) => plane.database.query(text, values);

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19860-19879',
      WIREBOT_AGENTS_PER_GATEWAY: '1',
    });
    for (const name of ['ann', 'ben']) await plane.put(name, 'freewire');
  });
  afterAll(() => plane.dispose());

  it('are reached where a gateway came back, when that is elsewhere', async () => {
    const before = await row('ann');
    const port = () => {
      const frame = plane.app.get(RouteFeedService).snapshot();
      return frame.type === 'snapshot' ? frame.agents.find(({ agentId }) => agentId === before.id)?.target.port : null;
    };
    expect(port()).toBe(before.port);
    await sql('UPDATE hosts SET port_from = $1', [19_870]);
    await plane.app.get(GatewayDriver).stop(before.gateway!, 5, AbortSignal.timeout(20_000));
    await expect.poll(async () => (await row('ann')).port, SOON).not.toBe(before.port);
    const after = async () => (await row('ann')).port;
    await expect.poll(port, SOON).toBe(await after());
  });

  it('keep the folder that is in use, though it was once noted as an old copy', async () => {
    const { id, gateway } = await row('ann');
    await sql('UPDATE agents SET previous_gateway_id = gateway_id, due_at = now() WHERE id = $1', [id]);
    await expect.poll(() => row('ann'), SOON).toMatchObject({ previous: null, phase: 'ready', gateway });
    expect((await row('ann')).reasons).not.toContain('agent-attached');
  });

  it('lose no sight of what a move that was given up has left, when the next one begins', async () => {
    const { id, gateway } = await row('ann');
    const other = (await row('ben')).gateway;
    const removed = vi.spyOn(plane.app.get(GatewayRuntime), 'removeAgent');
    await sql(
      `UPDATE agents SET phase = 'failed', previous_gateway_id = $2, leave_gateway_id = gateway_id, due_at = now() WHERE id = $1`,
      [id, other],
    );
    await expect.poll(async () => (await row('ann')).gateway, SOON).not.toBe(gateway);
    await expect.poll(() => row('ann'), SOON).toMatchObject({ phase: 'ready', previous: null });
    const ports = removed.mock.calls.filter(([, agentId]) => agentId === id).map(([at]) => at.port);
    expect(ports[0]).toBe((await row('ben')).port);
    expect(ports).toHaveLength(2);
  });

  it('are changed where they are, though the gateway that they have left is kept for a look', async () => {
    const { id } = await row('ann');
    const other = (await row('ben')).gateway;
    const quarantine = plane.app.get(QuarantineService);
    await quarantine.begin(other!, 'test');
    await expect.poll(async () => (await row('ben')).gateway_phase, SOON).toBe('paused');
    await sql('UPDATE agents SET previous_gateway_id = $2, generation = generation + 1, due_at = now() WHERE id = $1', [
      id,
      other,
    ]);
    const behind = () => sql('SELECT generation - observed_generation AS by FROM agents WHERE id = $1', [id]);
    await expect.poll(behind, SOON).toEqual([{ by: '0' }]);
    await quarantine.release(other!, 'test');
    await expect.poll(() => row('ann'), SOON).toMatchObject({ previous: null, phase: 'ready' });
  });

  it('go to another cell when the one that they were to move to is kept for a look', async () => {
    const { id, gateway } = await row('ann');
    const other = (await row('ben')).gateway;
    const quarantine = plane.app.get(QuarantineService);
    await quarantine.begin(other!, 'test');
    await sql('UPDATE agents SET leave_gateway_id = gateway_id, target_gateway_id = $2, due_at = now() WHERE id = $1', [
      id,
      other,
    ]);
    const moved = async () => {
      const { gateway: now, phase } = await row('ann');
      return phase === 'ready' && now !== gateway && now !== other;
    };
    await expect.poll(moved, SOON).toBe(true);
    await quarantine.release(other!, 'test');
    await expect.poll(async () => (await row('ben')).gateway_phase, SOON).toBe('ready');
  });

  it('are not ended by a deadlock: whoever the database chose runs again', async () => {
    const { id, gateway } = await row('ben');
    const tries = { agent: 0, gateway: 0 };
    let met = 0;
    let open: () => void = () => undefined;
    const both = new Promise<void>((done) => (open = done));
    const meet = async () => {
      met += 1;
      if (met === 2) open();
      await both;
    };
    const agentRow = (tx: Tx) => tx.$queryRaw`SELECT 1 FROM agents WHERE id = ${id} FOR UPDATE`;
    const gatewayRow = (tx: Tx) => tx.gateway.update({ where: { id: gateway! }, data: { failures: 0 } });
    const database = plane.app.get(Database);
    await Promise.all([
      unlessDeadlocked(() =>
        database.system(async (tx) => {
          tries.agent += 1;
          await agentRow(tx);
          await meet();
          await gatewayRow(tx);
        }),
      ),
      unlessDeadlocked(() =>
        database.system(async (tx) => {
          tries.gateway += 1;
          await gatewayRow(tx);
          await meet();
          await agentRow(tx);
        }),
      ),
    ]);
    expect(tries.agent + tries.gateway).toBe(3);
  });

  it('rest where they are while no host takes them, and say why', async () => {
    await plane.put('dan', 'sovereign');
    const paused = await plane.app.get(MembersService).act(plane.caller, 'dan', 'pause');
    await plane.ended(paused.operation!.id);
    await sql(`UPDATE hosts SET state = 'draining'`, []);
    await expect.poll(async () => (await row('dan')).reasons, SOON).toContain('no-host-fits');
    expect(await row('dan')).toMatchObject({ phase: 'inactive' });
    await sql(`UPDATE hosts SET state = 'active'`, []);
  });
});

describe('members whose gateway cannot start, because strangers have its ports', () => {
  let plane: ControlPlaneFixture;
  const strangers: Server[] = [];

  beforeAll(async () => {
    for (const port of [19_890, 19_892]) {
      const server = createServer().listen(port, '127.0.0.1');
      strangers.push(server);
      await once(server, 'listening');
    }
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19890-19893',
      WIREBOT_OPERATION_DEADLINE_SECONDS: '10',
    });
  });
  afterAll(async () => {
    for (const server of strangers) server.close();
    process.env['WIREBOT_OPERATION_DEADLINE_SECONDS'] = '';
    await plane.dispose();
  });

  it.each(['sovereign', 'freewire'])('are erased all the same, in tier %s, and hold no port', async (tier) => {
    const wanted = { email: 'eve@example.com', tier };
    const put = await plane.app.get(MembersService).put(plane.caller, `eve-${tier}`, wanted);
    const gateway = async () => (await rowOf(plane, `eve-${tier}`)).gateway;
    await expect.poll(gateway).not.toBe(null);
    const erased = await plane.app.get(MembersService).act(plane.caller, `eve-${tier}`, 'erase');
    expect(await plane.ended(erased.operation!.id)).toMatchObject({ status: 'succeeded' });
    expect((await plane.ended(put.operation!.id)).status).not.toBe('succeeded');
    const ports = () => plane.database.query('SELECT port FROM gateways WHERE port IS NOT NULL');
    await expect.poll(ports, SOON).toEqual([]);
  });
});
