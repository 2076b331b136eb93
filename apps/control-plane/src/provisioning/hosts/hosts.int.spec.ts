import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationView } from '#libs/contracts';
import type { HostView } from '../../fleet/host-view.js';
import { MembersService } from '../../members/members.service.js';
import { RouteFeedService } from '../../routing/route-feed.service.js';
import { TwoHosts } from '../testing/two-hosts.fixture.js';

let hosts: TwoHosts;
const host = async (id: string): Promise<HostView> => (await hosts.call<HostView>('GET', `/v1/admin/hosts/${id}`)).body;
const change = (id: string, body: object) => hosts.call<HostView>('PATCH', `/v1/admin/hosts/${id}`, body);
const act = (id: string, action: string, body: object = {}) =>
  hosts.call<HostView & { code: string; detail: string }>('POST', `/v1/admin/hosts/${id}/${action}`, body);
const hostOf = async (name: string) => (await hosts.agent(name)).host;
const route = (agentId: string) => {
  const frame = hosts.plane.app.get(RouteFeedService).snapshot();
  return frame.type === 'snapshot' ? frame.agents.find((one) => one.agentId === agentId) : undefined;
};

describe('several hosts', () => {
  beforeAll(async () => {
    hosts = await TwoHosts.start(19_100);
  });
  afterAll(() => hosts.dispose());

  it('watches each and tells what it has', async () => {
    const far = await hosts.until(
      () => host(hosts.far),
      (view) => view.machine !== null,
    );
    expect(far).toMatchObject({ name: 'far', state: 'active', silentSince: null, brokerAddress: '127.0.0.1' });
    expect(far.machine?.memoryBytes).toBeGreaterThan(0);
    const { body } = await hosts.call<{ items: HostView[] }>('GET', '/v1/admin/hosts');
    expect(body.items.map(({ name }) => name).sort()).toEqual(['far', 'local']);
  });

  it('spreads gateways over them', async () => {
    for (const name of ['ann', 'ben'])
      expect(await hosts.plane.put(name, 'sovereign')).toMatchObject({ status: 'succeeded' });
    expect([await hostOf('ann'), await hostOf('ben')].sort()).toEqual(['far', 'local']);
    expect((await host(hosts.far)).use).toMatchObject({ gateways: 1, agents: 1, freePorts: 9 });
  });

  it('puts nothing new on a cordoned one, and says which limit refuses when none is left', async () => {
    const local = await hosts.local();
    await act(hosts.far, 'cordon', { reason: 'new disk' });
    await change(local, { capacity: { memoryMb: 10 } });
    const failed = await hosts.plane.put('cat', 'sovereign');
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'no-host-fits' } });
    expect(failed?.error?.message).toMatch(/far: it is cordoned; local: 512 of 10 MB of memory are taken/);
    await change(local, { capacity: {} });
    expect(await hosts.plane.put('cat', 'sovereign')).toMatchObject({ status: 'succeeded' });
    expect(await hostOf('cat')).toBe('local');
    expect(await act(hosts.far, 'uncordon')).toMatchObject({ status: 200, body: { state: 'active', reason: null } });
  });

  it('keeps a host to the tenant that it is labelled for', async () => {
    const local = await hosts.local();
    await change(hosts.far, { labels: { tenant: 'somebody-else' } });
    await hosts.plane.put('dan', 'sovereign');
    await hosts.plane.put('eve', 'sovereign');
    expect([await hostOf('dan'), await hostOf('eve')]).toEqual(['local', 'local']);
    await change(local, { labels: { tenant: 'other' } });
    await change(hosts.far, { labels: { tenant: 'test' } });
    await hosts.plane.put('fay', 'sovereign');
    expect(await hostOf('fay')).toBe('far');
    await change(local, { labels: {} });
    await change(hosts.far, { labels: {} });
  });

  it('moves an agent to a host of choice, and refuses what makes no sense', async () => {
    const ann = await hosts.agent('ann');
    const target = ann.host === 'far' ? await hosts.local() : hosts.far;
    const move = (body: object) => hosts.call<OperationView>('POST', `/v1/admin/agents/${ann.id}/move`, body);
    const { status, body } = await move({ hostId: target });
    expect([status, body.kind, body.steps.map(({ name }) => name)]).toEqual([
      202,
      'move',
      ['place', 'start-gateway', 'quiesce', 'transfer', 'attach', 'publish-route', 'release'],
    ]);
    expect(await move({})).toMatchObject({ status: 409, body: { code: 'agent-state-forbids' } });
    expect(await hosts.plane.ended(body.id)).toMatchObject({ status: 'succeeded' });
    const moved = await hosts.agent('ann');
    expect(moved).toMatchObject({ phase: 'ready', gateway_phase: 'ready', host: ann.host === 'far' ? 'local' : 'far' });
    expect(route(ann.id)).toMatchObject({ state: 'live', gatewayId: moved.gateway });
    expect(await move({ hostId: target })).toMatchObject({ status: 409 });
    expect(await move({ hostId: 'hst_none' })).toMatchObject({ status: 404, body: { code: 'host-not-found' } });
    expect((await hosts.call('POST', '/v1/admin/agents/agt_none/move', {})).status).toBe(404);
  });

  it('gives a move up when the wish changes, and nobody is left without an agent', async () => {
    const ann = await hosts.agent('ann');
    const { body } = await hosts.call<OperationView>('POST', `/v1/admin/agents/${ann.id}/move`, {});
    const changed = await hosts.plane.put('ann', 'freewire');
    expect(changed).toMatchObject({ status: 'succeeded', kind: 'change-tier' });
    expect((await hosts.plane.ended(body.id)).status).toMatch(/cancelled|succeeded/);
    const now = await hosts.until(
      () => hosts.agent('ann'),
      (row) => row.phase === 'ready' && row.gateway_phase === 'ready',
    );
    expect(route(now.id)).toMatchObject({ state: 'live', gatewayId: now.gateway });
  });

  it('drains one: everybody leaves with all they have, those out of service too, and then it can be removed', async () => {
    const members = hosts.plane.app.get(MembersService);
    await hosts.plane.put('gus', 'freewire');
    const paused = await members.act(hosts.plane.caller, 'fay', 'pause');
    await hosts.plane.ended(paused.operation!.id);
    expect(await hostOf('fay')).toBe('far');
    expect((await hosts.call('DELETE', `/v1/admin/hosts/${hosts.far}`)).body).toMatchObject({ code: 'host-not-empty' });
    await hosts.plane.database.query(`UPDATE gateways SET created_at = now() - interval '1 hour'`);
    expect((await act(hosts.far, 'drain', { reason: 'it is old' })).body).toMatchObject({ state: 'draining' });
    const empty = await hosts.until(
      () => host(hosts.far),
      (view) => view.use.gateways === 0 && view.reason?.startsWith('Drained') === true,
    );
    expect(empty).toMatchObject({ state: 'draining', drain: { left: 0, moving: 0, heldUp: [] } });
    expect(await hosts.runningFar()).toEqual([]);
    for (const name of ['ann', 'ben', 'cat', 'dan', 'eve', 'gus'])
      expect(await hosts.agent(name)).toMatchObject({ phase: 'ready', gateway_phase: 'ready', host: 'local' });
    expect(await hosts.agent('fay')).toMatchObject({ phase: 'inactive', host: 'local' });
    const resumed = await members.act(hosts.plane.caller, 'fay', 'resume');
    expect(await hosts.plane.ended(resumed.operation!.id)).toMatchObject({ status: 'succeeded' });
    expect(await hosts.agent('fay')).toMatchObject({ phase: 'ready', host: 'local' });
  });

  it('removes an empty host, whose name is free again, and never the configured one', async () => {
    const local = await hosts.local();
    expect((await hosts.call('DELETE', `/v1/admin/hosts/${local}`)).body).toMatchObject({ code: 'host-is-configured' });
    expect(await change(local, { name: 'first' })).toMatchObject({ status: 200, body: { name: 'first' } });
    await hosts.plane.put('hal', 'sovereign');
    const names = await hosts.plane.database.query<{ name: string }>(`SELECT name FROM hosts WHERE state <> 'removed'`);
    expect(names.map(({ name }) => name).sort()).toEqual(['far', 'first']);
    await change(local, { name: 'local' });
  });

  it('leaves a line of everything that operators did', async () => {
    const lines = await hosts.plane.database.query<{ action: string }>(
      `SELECT DISTINCT action FROM audit_entries WHERE resource IN ('host', 'agent') ORDER BY 1`,
    );
    expect(lines.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['agent.move', 'host.change', 'host.cordon', 'host.drain', 'host.uncordon']),
    );
  });
});
