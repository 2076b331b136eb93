import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostView } from '../../fleet/host-view.js';
import { MembersService } from '../../members/members.service.js';
import { RouteFeedService } from '../../routing/route-feed.service.js';
import { TwoHosts } from '../testing/two-hosts.fixture.js';

let hosts: TwoHosts;
const host = async (id: string): Promise<HostView> => (await hosts.call<HostView>('GET', `/v1/admin/hosts/${id}`)).body;
const act = (id: string, action: string, body: object = {}) =>
  hosts.call<HostView & { code: string }>('POST', `/v1/admin/hosts/${id}/${action}`, body);
const silent = () =>
  hosts.until(
    () => host(hosts.far),
    (view) => view.silentSince !== null,
  );
const query = <T extends object>(text: string, values: unknown[] = []) => hosts.plane.database.query<T>(text, values);
const route = (agentId: string) => {
  const frame = hosts.plane.app.get(RouteFeedService).snapshot();
  return frame.type === 'snapshot' ? frame.agents.find((one) => one.agentId === agentId) : undefined;
};
/** Where a member's agent begins: the host is the only one that takes something new meanwhile. */
async function putOn(name: string, hostName: string, tier = 'sovereign'): Promise<string> {
  await query(`UPDATE hosts SET state = CASE name WHEN $1 THEN 'active' ELSE 'cordoned' END`, [hostName]);
  expect(await hosts.plane.put(name, tier)).toMatchObject({ status: 'succeeded', error: null });
  await query(`UPDATE hosts SET state = 'active'`);
  const agent = await hosts.agent(name);
  expect(agent.host).toBe(hostName);
  return agent.id;
}

describe('a host that hangs, and one that is gone', () => {
  const agents: Record<string, string> = {};

  beforeAll(async () => {
    hosts = await TwoHosts.start(19_150);
    for (const name of ['bob', 'eve', 'ina', 'ida', 'ria']) agents[name] = await putOn(name, 'far');
    agents['cel'] = await putOn('cel', 'far', 'freewire');
    const members = hosts.plane.app.get(MembersService);
    for (const name of ['ina', 'ida']) {
      const { operation } = await members.act(hosts.plane.caller, name, 'pause');
      await hosts.plane.ended(operation!.id);
    }
    // Its backups as the backup feature writes them down; what is in them is its matter.
    for (const name of ['bob', 'ina', 'cel'])
      for (const [id, age, status] of [
        ['old', 9, 'succeeded'],
        ['good', 2, 'succeeded'],
        ['bad', 1, 'failed'],
      ] as const)
        await query(
          `INSERT INTO backups (id, tenant_id, member_id, agent_id, kind, status, store, object_key, created_at)
           SELECT $1, tenant_id, member_id, id, 'scheduled', $2, 'local', $1, now() - make_interval(hours => $3) FROM agents WHERE id = $4`,
          [`bak_${name}_${id}`, status, age, agents[name]],
        );
  }, 120_000);
  afterAll(() => hosts.dispose());

  it('refuses to give up a host that answers', async () => {
    expect(await act(hosts.far, 'lost')).toMatchObject({ status: 409, body: { code: 'host-answers' } });
  });

  it('becomes silent, holds up nobody on another host, and its ready gateways are not touched', async () => {
    const before = await rows();
    hosts.hang(hosts.far);
    await query(`UPDATE gateways SET due_at = now()`);
    // While every pass over the far host hangs, and before anybody knows that it is silent:
    expect(await putWhileHanging('max')).toMatchObject({ status: 'succeeded' });
    await silent();
    expect(await hosts.plane.put('moe', 'sovereign')).toMatchObject({ status: 'succeeded' });
    expect([(await hosts.agent('max')).host, (await hosts.agent('moe')).host]).toEqual(['local', 'local']);
    expect(await rows()).toEqual(before);
    expect(route(agents['eve']!)).toMatchObject({ state: 'live' });
    const { body } = await hosts.call<{ items: { host: string; conditions: { reason: string }[] }[] }>(
      'GET',
      '/v1/admin/gateways',
    );
    const said = (name: string) =>
      body.items
        .filter((row) => row.host === name)
        .map((row) => row.conditions.some((one) => one.reason === 'host-silent'));
    expect([new Set(said('far')), new Set(said('local'))]).toEqual([new Set([true]), new Set([false])]);
  });

  it('goes on as if nothing had been when it answers again', async () => {
    hosts.wake(hosts.far);
    await hosts.until(
      () => host(hosts.far),
      (view) => view.silentSince === null,
    );
    expect(await hosts.agent('eve')).toMatchObject({ phase: 'ready', gateway_phase: 'ready', host: 'far' });
    expect((await hosts.runningFar()).length).toBeGreaterThanOrEqual(4);
  });

  it('declared lost, begins its agents elsewhere from their last good backups, and says who has none', async () => {
    hosts.hang(hosts.far);
    await silent();
    expect(await act(hosts.far, 'lost', { reason: 'it burnt' })).toMatchObject({
      status: 202,
      body: { state: 'lost' },
    });
    for (const name of ['bob', 'cel']) {
      const row = await hosts.until(
        () => hosts.agent(name),
        ({ host: on, gateway_phase }) => on === 'local' && gateway_phase === 'ready',
      );
      const [line] = await query<{ data: object }>(
        `SELECT data FROM audit_entries WHERE action = 'agent.recover' AND resource_id = $1`,
        [row.id],
      );
      expect(line!.data).toMatchObject({ backupId: `bak_${name}_good` });
      expect(row.reasons).toContain('from-backup');
    }
    const paused = await hosts.until(
      () => hosts.agent('ina'),
      ({ gateway }) => gateway === null,
    );
    expect(paused).toMatchObject({ phase: 'inactive', backup: 'bak_ina_good' });
    const eve = await hosts.until(
      () => hosts.agent('eve'),
      ({ phase }) => phase === 'failed',
    );
    expect(eve).toMatchObject({ gateway_phase: 'lost', host: 'far' });
    expect(eve.reasons).toContain('no-backup');
    expect(route(eve.id)).toMatchObject({ state: 'held' });
    expect(await hosts.call('DELETE', `/v1/admin/hosts/${hosts.far}`)).toMatchObject({
      status: 409,
      body: { code: 'host-not-empty' },
    });
  });

  it('frees the ports that no agent needs any more, and takes nothing new', async () => {
    const [row] = await query<{ held: number; left: number }>(
      `SELECT count(port)::int AS held, count(*)::int AS left FROM gateways WHERE host_id = 'hst_far' AND phase = 'lost'`,
    );
    // Those of eve, ria and the paused ida, of whom there is no other copy.
    expect(row).toEqual({ held: 3, left: 6 });
    expect(await act(hosts.far, 'uncordon')).toMatchObject({ status: 409, body: { code: 'host-state-forbids' } });
  });

  it('deletes the folder of somebody who is erased meanwhile as soon as it can', async () => {
    const { operation } = await hosts.plane.app.get(MembersService).act(hosts.plane.caller, 'ria', 'erase');
    expect((await hosts.plane.ended(operation!.id)).status).toBe('succeeded');
    const rows = await query<{ desired_state: string }>(
      `SELECT g.desired_state FROM gateways g WHERE g.host_id = 'hst_far' AND g.desired_state = 'deleted'`,
    );
    expect(rows).toHaveLength(1);
  });

  it('ends what still runs there when it comes back, and gives those back of whom it has the only copy', async () => {
    expect((await hosts.runningFar()).length).toBeGreaterThanOrEqual(4);
    const [bob, local] = [await hosts.agent('bob'), await hosts.local()];
    hosts.wake(hosts.far);
    await hosts.until(
      () => host(hosts.far),
      ({ state }) => state === 'cordoned',
    );
    const eve = await hosts.until(
      () => hosts.agent('eve'),
      ({ phase, gateway_phase }) => phase === 'ready' && gateway_phase === 'ready',
    );
    expect(eve.host).toBe('far');
    const running = await hosts.until(
      () => hosts.runningFar(),
      (ids) => ids.length === 1,
    );
    expect(running).toEqual([eve.gateway]);
    expect(await hosts.agent('bob')).toMatchObject({ gateway: bob.gateway, host: 'local' });
    await hosts.until(
      () => act(hosts.far, 'uncordon'),
      ({ status }) => status === 200,
    );
    expect(await query(`SELECT 1 FROM gateways WHERE phase = 'lost'`)).toEqual([]);
    expect((await host(local)).state).toBe('active');
  });

  it('begins those without a backup empty when an operator says so, and can then be removed for good', async () => {
    hosts.hang(hosts.far);
    await silent();
    await act(hosts.far, 'lost');
    await hosts.until(
      () => hosts.agent('eve'),
      ({ phase }) => phase === 'failed',
    );
    await act(hosts.far, 'lost', { startEmpty: true });
    const eve = await hosts.until(
      () => hosts.agent('eve'),
      ({ phase, host: on }) => phase === 'ready' && on === 'local',
    );
    expect(eve.reasons).toContain('started-empty');
    await hosts.until(
      () => Promise.resolve(route(eve.id)),
      (one) => one?.state === 'live' && one.gatewayId === eve.gateway,
    );
    await hosts.until(
      () => hosts.call('DELETE', `/v1/admin/hosts/${hosts.far}`),
      ({ status }) => status === 204,
    );
    expect((await hosts.call('GET', `/v1/admin/hosts/${hosts.far}`)).status).toBe(404);
    expect(await query(`SELECT 1 FROM gateways WHERE host_id = 'hst_far' AND phase <> 'deleted'`)).toEqual([]);
  });

  const rows = () =>
    query(
      `SELECT id, phase, conditions, failures FROM gateways WHERE host_id = 'hst_far' AND phase = 'ready' ORDER BY id`,
    );

  async function putWhileHanging(name: string) {
    await query(
      `UPDATE hosts SET state = CASE name WHEN 'local' THEN 'active' ELSE 'cordoned' END WHERE state <> 'removed'`,
    );
    const operation = await hosts.plane.put(name, 'sovereign');
    await query(`UPDATE hosts SET state = 'active'`);
    return operation;
  }
});
