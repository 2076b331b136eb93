import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '#libs/database';
import { delay } from '#libs/kernel';
import { MembersService } from '../members/members.service.js';
import { RouteFeedService } from '../routing/route-feed.service.js';
import { TenantsService } from '../tenants/tenants.service.js';
import { ControlPlaneFixture } from './testing/control-plane.fixture.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../dist/gateway/gateway.mjs');
const LIMIT_MS = 30_000;

describe('provisioning on a real database with real gateway processes', () => {
  let plane: ControlPlaneFixture;

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19000-19009',
      WIREBOT_AGENTS_PER_GATEWAY: '3',
    });
  });
  afterAll(() => plane.dispose());

  const put = (externalId: string, tier: string) => plane.put(externalId, tier);
  const get = (externalId: string) => plane.member(externalId);
  const ended = (id: string) => plane.ended(id);
  const routes = () => {
    const frame = plane.app.get(RouteFeedService).snapshot();
    return frame.type === 'snapshot' ? frame.agents : [];
  };

  it('puts agents of one tenant on one shared gateway and publishes their routes', async () => {
    for (const name of ['ann', 'ben'])
      expect(await put(name, 'freewire')).toMatchObject({ status: 'succeeded', progress: 1 });
    const [ann, ben] = [await get('ann'), await get('ben')];
    expect(ann.gateway).toMatchObject({ kind: 'shared', phase: 'ready' });
    expect(ben.gateway?.id).toBe(ann.gateway?.id);
    expect(routes()).toHaveLength(2);
  });

  it('changes nothing for the same call again', async () => {
    expect(await put('ann', 'freewire')).toBeUndefined();
  });

  it('opens a second cell when the first is full', async () => {
    await put('cat', 'freewire');
    await put('dan', 'freewire');
    expect((await get('cat')).gateway?.id).toBe((await get('ann')).gateway?.id);
    expect((await get('dan')).gateway?.id).not.toBe((await get('ann')).gateway?.id);
  });

  it('gives the top tier a gateway of its own and moves an agent there and back', async () => {
    expect(await put('ben', 'sovereign')).toMatchObject({ status: 'succeeded', kind: 'change-tier' });
    const own = await get('ben');
    expect(own).toMatchObject({ trustModeMax: 3, gateway: { kind: 'dedicated', phase: 'ready' } });
    expect(await put('ben', 'wire')).toMatchObject({ status: 'succeeded' });
    const back = await get('ben');
    expect(back).toMatchObject({ trustModeMax: 1, gateway: { kind: 'shared' } });
    const end = Date.now() + LIMIT_MS;
    const phase = async () =>
      (await plane.database.query('SELECT phase FROM gateways WHERE id = $1', [own.gateway!.id]))[0]?.['phase'];
    while ((await phase()) !== 'deleted' && Date.now() < end) await delay(50);
    expect(await phase()).toBe('deleted');
  });

  it('takes a paused agent out of service and brings it back', async () => {
    const members = plane.app.get(MembersService);
    const paused = await members.act(plane.caller, 'ann', 'pause');
    expect(await ended(paused.operation!.id)).toMatchObject({ status: 'succeeded' });
    expect(routes().some((route) => route.memberId === paused.member.id)).toBe(false);
    const resumed = await members.act(plane.caller, 'ann', 'resume');
    expect(await ended(resumed.operation!.id)).toMatchObject({ status: 'succeeded' });
    expect((await get('ann')).status).toBe('active');
  });

  it('fails with the reason and leaves nothing half-made when no port is free, then heals by itself', async () => {
    const names = ['p1', 'p2', 'p3', 'p4', 'p5'];
    const results = await Promise.all(names.map((name) => put(name, 'sovereign')));
    const failed = results.filter((result) => result?.status === 'failed');
    expect(failed.length).toBeGreaterThan(0);
    for (const result of failed) expect(result?.error).toMatchObject({ code: 'port-range-full' });
    const reserved = await plane.database.query('SELECT count(*)::int AS n FROM gateways WHERE port IS NOT NULL');
    expect(reserved[0]?.['n']).toBeLessThanOrEqual(5);
    const without = names[results.findIndex((result) => result?.status === 'failed')]!;
    expect((await get(without)).gateway).toBeNull();
  });

  it('erases: folder, route and name go, the external id is free again', async () => {
    const change = await plane.app.get(MembersService).act(plane.caller, 'cat', 'erase');
    expect(await ended(change.operation!.id)).toMatchObject({ status: 'succeeded' });
    await expect(get('cat')).rejects.toMatchObject({ code: 'member-not-found' });
    const rows = await plane.database.query('SELECT email, name, status FROM members WHERE id = $1', [
      change.member.id,
    ]);
    expect(rows[0]).toMatchObject({ name: null, status: 'erased' });
  });

  it('shows one tenant nothing of another, whatever the query', async () => {
    const brand = { name: 'Other', accent: '#000000', greeting: 'Hi' };
    const other = await plane.app
      .get(TenantsService)
      .create({ slug: 'other', name: 'Other', hosts: [], brand, template: 'standalone', actor: 'test' });
    await expect(plane.app.get(MembersService).get(other.id, 'ann')).rejects.toMatchObject({
      code: 'member-not-found',
    });
    const seen = await plane.app
      .get(Database)
      .tenant(other.id, async (tx) => [
        await tx.member.count(),
        await tx.agent.count(),
        await tx.gateway.count(),
        await tx.operation.count(),
      ]);
    expect(seen).toEqual([0, 0, 0, 0]);
  });
});
