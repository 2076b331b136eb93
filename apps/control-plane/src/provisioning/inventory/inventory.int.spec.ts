import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Database, takeLeadership } from '#libs/database';
import { HostDrivers } from '../../fleet/host-drivers.js';
import { ApiKeysService } from '../../identity/api-keys.service.js';
import { StrayLab } from '../testing/stray-lab.fixture.js';
import { Inventory } from './inventory.js';

describe('the inventory of a host', () => {
  let lab: StrayLab;
  const sql = (text: string, values?: unknown[]) => lab.plane.database.query(text, values);
  const finding = async (name: string) => (await lab.findings()).find((row) => row.name === name);
  /** Rounds until it is so: transactions of other databases of the server count as running, too. */
  const becomes = (id: string, status: string) =>
    expect.poll(async () => (await lab.rounds(1), lab.status(id)), { timeout: 20_000 }).toBe(status);
  /** Makes every finding as old as that. */
  const age = (interval: string) =>
    sql(
      `UPDATE inventory_findings SET first_seen = first_seen - $1::interval,
      detail = CASE WHEN detail ? 'quarantinedAt'
        THEN detail || jsonb_build_object('quarantinedAt', (detail->>'quarantinedAt')::timestamptz - $1::interval) ELSE detail END`,
      [interval],
    );

  beforeAll(async () => {
    lab = await StrayLab.start(19_100);
  });
  afterAll(() => lab.dispose());
  afterEach(async () => {
    for (const { id } of await lab.driver.list(lab.signal)) await lab.driver.remove(id, lab.signal);
    for (const id of await lab.states()) await lab.driver.destroyState(id, lab.signal);
    await sql('DELETE FROM inventory_findings');
    await sql('DELETE FROM gateways');
  });

  it('uses what runs when its row is there, also one restored from an older dump', async () => {
    const id = await lab.runs(lab.newId(), { generation: 9 });
    await lab.row(id, { phase: 'pending' });
    await lab.rounds(4);
    expect(await lab.findings()).toEqual([]);
    expect(await lab.status(id)).toBe('running');
  });

  it('stops what no row knows after three sightings, keeps it for its time, and then its state for days', async () => {
    await lab.row(lab.newId(), { phase: 'suspended' });
    const id = await lab.runs();
    await lab.rounds(2);
    expect(await lab.status(id)).toBe('running');
    expect(await finding(id)).toMatchObject({ reason: 'unknown-gateway', state: 'open', sightings: 2 });
    await becomes(id, 'stopped');
    expect(await finding(id)).toMatchObject({ state: 'quarantined' });

    await age('59 minutes');
    await lab.rounds(1);
    expect(await lab.status(id)).toBe('stopped');
    await age('2 minutes');
    await lab.rounds(1);
    expect(await lab.status(id)).toBe('absent');
    expect(await lab.states()).toContain(id);

    await lab.rounds(3);
    const folder = (await lab.findings()).find((row) => row.reason === 'orphan-folder');
    expect(folder).toMatchObject({ name: id, state: 'open' });
    await age('7 days');
    await lab.rounds(1);
    expect(await lab.states()).not.toContain(id);
    const lines = await sql(`SELECT action FROM audit_entries WHERE resource = 'finding' ORDER BY seq`);
    expect(lines.map((line) => line['action'])).toEqual(['finding.quarantine', 'finding.collect', 'finding.collect']);
  });

  it('takes it back into use when its row comes back in between', async () => {
    await lab.row(lab.newId(), { phase: 'suspended' });
    const id = await lab.runs();
    await becomes(id, 'stopped');
    await lab.row(id);
    await age('10 days');
    await lab.rounds(2);
    expect(await finding(id)).toMatchObject({ state: 'gone' });
    expect(await lab.status(id)).toBe('stopped');
  });

  it('touches nothing of an empty database, however old it is, until a person confirms', async () => {
    const ids = [await lab.runs(), await lab.runs()];
    await lab.rounds(4);
    await age('100 days');
    await lab.rounds(2);
    for (const id of ids) {
      expect(await lab.status(id)).toBe('running');
      expect(await finding(id)).toMatchObject({ state: 'open', detail: { held: true } });
    }
    await sql(`UPDATE inventory_findings SET detail = detail || '{"confirmedBy":"user:1"}' WHERE name = $1`, [ids[0]]);
    await becomes(ids[0]!, 'stopped');
    expect(await lab.status(ids[1]!)).toBe('running');
  });

  it('touches nothing when more is unknown than a few and than a tenth of all', async () => {
    await lab.row(lab.newId(), { phase: 'suspended' });
    const ids = await Promise.all(Array.from({ length: 4 }, () => lab.runs()));
    await lab.rounds(4);
    for (const id of ids) expect(await lab.status(id)).toBe('running');
    await lab.driver.remove(ids[3]!, lab.signal);
    for (const id of ids.slice(0, 3)) await becomes(id, 'stopped');
  });

  it('removes what is left of a gateway whose row says deleted', async () => {
    const id = await lab.row(await lab.runs(), { phase: 'deleted' });
    await becomes(id, 'absent');
    await lab.rounds(3);
    expect(await lab.states()).toContain(id);
    await age('7 days');
    await lab.rounds(1);
    expect(await lab.states()).not.toContain(id);
  });

  it('waits for a transaction that could still be inserting the row', async () => {
    await lab.row(lab.newId(), { phase: 'suspended' });
    const id = lab.newId();
    const database = lab.plane.app.get(Database);
    let commit = (): void => undefined;
    let begun = (): void => undefined;
    const inserted = new Promise<void>((resolve) => (begun = resolve));
    const open = database.system(async (tx) => {
      await tx.$executeRaw`
        INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, resources, due_at, updated_at)
        VALUES (${id}, ${lab.plane.tenantId}, ${lab.hostId}, 'shared', 'wirebot', 'x', '{}', NULL, now())`;
      begun();
      await new Promise<void>((resolve) => (commit = resolve));
    });
    await inserted;
    await lab.runs(id);
    await lab.rounds(5);
    expect(await lab.status(id)).toBe('running');
    commit();
    await open;
    await lab.rounds(1);
    expect(await finding(id)).toMatchObject({ state: 'gone' });
    expect(await lab.status(id)).toBe('running');
  });

  it('does not take silence for absence: a host that shows nothing closes and collects nothing', async () => {
    await lab.row(lab.newId(), { phase: 'suspended' });
    const id = await lab.runs();
    await lab.rounds(2);
    await lab.row(lab.newId(), { phase: 'ready' });
    const { driver } = lab;
    const [list, listStates] = [driver.list.bind(driver), driver.listStates.bind(driver)];
    Object.assign(driver, { list: () => Promise.resolve([]), listStates: () => Promise.resolve([]) });
    try {
      await lab.rounds(2);
    } finally {
      Object.assign(driver, { list, listStates });
    }
    expect(await finding(id)).toMatchObject({ state: 'open', sightings: 2 });
  });

  it('is not kept from one host by another that hangs', async () => {
    await sql(`INSERT INTO hosts (id, name, driver, port_from, port_to, connection)
      VALUES ('hst_hangs', 'hangs', 'process', 1, 2, '{"kind":"unix","socketPath":"/x","stateRoot":"/x","secretsRoot":"/x"}')`);
    const drivers = lab.plane.app.get(HostDrivers);
    const of = drivers.of.bind(drivers);
    drivers.of = (hostId, signal) => (hostId === 'hst_hangs' ? new Promise(() => undefined) : of(hostId, signal));
    try {
      await lab.row(lab.newId(), { phase: 'suspended' });
      const id = await lab.runs();
      const inventory = lab.plane.app.get(Inventory);
      const lead = await lab.lead('inventory');
      const round = inventory.run(lead, lab.signal);
      await expect.poll(() => finding(id)).toMatchObject({ sightings: 1 });
      await round;
    } finally {
      drivers.of = of;
      await sql(`DELETE FROM hosts WHERE id = 'hst_hangs'`);
    }
  });

  it('lets operators see findings, confirm them by number, and ignore them', async () => {
    const keys = lab.plane.app.get(ApiKeysService);
    const { key } = await keys.issue({ tenantId: null, name: 'ops', scopes: ['gateways:*'] });
    const { key: reader } = await keys.issue({ tenantId: null, name: 'reader', scopes: ['gateways:read'] });
    const call = (method: 'GET' | 'POST', path: string, payload?: object, credential = key) =>
      lab.plane.app.inject({
        method,
        url: `/v1/admin/findings${path}`,
        headers: { authorization: `Bearer ${credential}` },
        ...(payload ? { payload } : {}),
      });
    const ids = [await lab.runs(), await lab.runs()];
    await lab.rounds(3);
    const list = (await call('GET', '?state=open', undefined, reader)).json<{
      items: { id: string; name: string }[];
    }>();
    expect(list.items.map(({ name }) => name).toSorted()).toEqual(ids.toSorted());
    expect(list.items[0]).toMatchObject({
      held: true,
      confirmed: false,
      host: { id: lab.hostId },
      reason: 'unknown-gateway',
    });

    const body = { hostId: lab.hostId, reason: 'unknown-gateway', count: 1 };
    const differs = await call('POST', '/confirm', body);
    expect([differs.statusCode, differs.json<{ code: string }>().code]).toEqual([409, 'findings-differ']);
    expect((await call('POST', '/confirm', { ...body, reason: 'whatever' })).statusCode).toBe(400);
    expect((await call('POST', '/confirm', { ...body, count: 2 }, reader)).statusCode).toBe(403);
    expect((await call('POST', '/fnd_none/ignore')).statusCode).toBe(404);
    const spared = list.items[0]!;
    expect((await call('POST', '/confirm', { ...body, count: 2 })).json()).toEqual({ confirmed: 2 });
    expect((await call('POST', `/${spared.id}/ignore`)).json()).toMatchObject({ state: 'ignored' });
    await becomes(list.items[1]!.name, 'stopped');
    expect(await lab.status(spared.name)).toBe('running');
  });

  it('writes nothing once another process does the inventory', async () => {
    await lab.row(lab.newId(), { phase: 'suspended' });
    const id = await lab.runs();
    const old = await lab.lead('inventory');
    await sql(`UPDATE leaderships SET until = now() - interval '1 second'`);
    await takeLeadership(lab.plane.app.get(Database), 'inventory', 'another', 60);
    await lab.plane.app.get(Inventory).run(old, lab.signal);
    expect(await finding(id)).toBeUndefined();
    await sql(`DELETE FROM leaderships`);
  });
});
