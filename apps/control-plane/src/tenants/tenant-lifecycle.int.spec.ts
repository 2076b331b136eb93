import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ControlPlaneConfig } from '#libs/config';
import { MemberExportsService } from '../members/export/member-exports.service.js';
import { MembersService } from '../members/members.service.js';
import { ControlPlaneFixture } from '../provisioning/testing/control-plane.fixture.js';
import { RouteFeedService } from '../routing/route-feed.service.js';
import { TenantLifecycle } from './tenant-lifecycle.service.js';
import { countOf, tenantTables } from './testing/tenant-rows.fixture.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../dist/gateway/gateway.mjs');
/** Housekeeping looks every five seconds, and withdrawn routes stay for ten. */
const PATIENCE = { timeout: 90_000, interval: 50 };

describe('the life of a tenant with real gateways', () => {
  let plane: ControlPlaneFixture;
  const call = () => ({ tenantId: plane.tenantId, actor: 'user:op' });
  const lifecycle = () => plane.app.get(TenantLifecycle);
  const feed = () => {
    const frame = plane.app.get(RouteFeedService).snapshot();
    return frame.type === 'snapshot' ? frame : { agents: [], tenants: [] };
  };
  const statusOf = async () =>
    (await plane.database.query<{ status: string }>('SELECT status FROM tenants WHERE id = $1', [plane.tenantId]))[0]!
      .status;
  /** Folders that gateways keep their state in. */
  const folders = (): string[] => {
    const root = join(plane.app.get(ControlPlaneConfig).dataDir, 'gateways');
    return existsSync(root) ? readdirSync(root) : [];
  };

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19320-19329',
    });
    await plane.put('ann', 'freewire');
    await plane.put('ben', 'sovereign');
  });
  afterAll(() => plane.dispose());

  it('begins with agents that answer, on a shared gateway and on one of their own', async () => {
    expect([(await plane.member('ann')).gateway?.kind, (await plane.member('ben')).gateway?.kind]).toEqual([
      'shared',
      'dedicated',
    ]);
    expect(feed().agents.map(({ state }) => state)).toEqual(['live', 'live']);
  });

  it('exports a member by the worker', async () => {
    const caller = { tenantId: plane.tenantId, actor: 'key:test' };
    const { id } = await plane.app.get(MemberExportsService).request(caller, 'ann');
    expect(await plane.ended(id)).toMatchObject({ status: 'succeeded', result: { url: expect.any(String) } });
  });

  it('suspended, tells the proxies at once and keeps every agent where it is', async () => {
    await lifecycle().suspend(call(), 'The invoice is open.');
    await expect.poll(() => feed().tenants[0]?.status, PATIENCE).toBe('suspended');
    expect(feed().agents).toHaveLength(2);
    await lifecycle().resume(call());
    await expect.poll(() => feed().tenants[0]?.status, PATIENCE).toBe('active');
  });

  it('closed, is gone from the proxies and provisions nobody; reopened, its agents answer again', async () => {
    await lifecycle().close(call());
    await expect.poll(() => feed().tenants, PATIENCE).toEqual([]);
    await expect.poll(() => feed().agents, PATIENCE).toEqual([]);
    const wanted = { email: 'cat@example.com', tier: 'freewire' };
    const members = plane.app.get(MembersService);
    await expect(members.put(plane.caller, 'cat', wanted)).rejects.toMatchObject({ code: 'tenant-not-serving' });
    await expect(members.act(plane.caller, 'ann', 'resume')).rejects.toMatchObject({ code: 'tenant-not-serving' });
    await lifecycle().reopen(call());
    await expect.poll(() => feed().agents.length, PATIENCE).toBe(2);
    expect(feed().tenants).toHaveLength(1);
  });

  it('closed while members are being provisioned, has no agent that is still wanted', async () => {
    const members = plane.app.get(MembersService);
    const put = (name: string) =>
      members.put(plane.caller, name, { email: `${name}@example.com`, tier: 'freewire' }).then(
        () => 'made',
        (error: { code: string }) => error.code,
      );
    const made = Promise.all(Array.from({ length: 12 }, (_, i) => put(`late-${i}`)));
    await lifecycle().close(call());
    expect(['made', 'tenant-not-serving']).toEqual(expect.arrayContaining([...new Set(await made)]));
    const wanted = await plane.database.query(
      `SELECT 1 FROM agents WHERE tenant_id = $1 AND desired_state = 'active'`,
      [plane.tenantId],
    );
    expect(wanted).toEqual([]);
    await lifecycle().reopen(call());
  });

  it('closed for good, is erased: agents, gateways, folders, rows', { timeout: 120_000 }, async () => {
    expect(folders().length).toBeGreaterThan(0);
    await lifecycle().close(call(), 0);
    await expect.poll(statusOf, PATIENCE).toBe('erased');
    const left: string[] = [];
    for (const table of await tenantTables(plane.database))
      if ((await countOf(plane.database, table, plane.tenantId)) > 0) left.push(table);
    expect(left).toEqual(['audit_entries', 'audit_heads']);
    expect(folders()).toEqual([]);
  });
});
