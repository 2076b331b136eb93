import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { GatewayAddress } from '#libs/drivers/core';
import { GatewayDriver } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import { GatewayRuntime, RuntimeError } from '#libs/runtimes/core';
import { GatewayCredentials } from '../../secrets/gateway-credentials.js';
import { LeaseLost } from '../provisioning.errors.js';
import { StepObserver } from '../steps.js';
import { ControlPlaneFixture } from '../testing/control-plane.fixture.js';
import { WarmPoolFixture } from '../testing/warm-pool.fixture.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../../dist/gateway/gateway.mjs');
const CALM = { quietSeconds: 0, memoryHeadroomMb: 0 };

describe('gateways made ahead, with real processes', () => {
  let plane: ControlPlaneFixture;
  let pool: WarmPoolFixture;
  let driver: GatewayDriver;

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19100-19179',
    });
    pool = new WarmPoolFixture(plane);
    driver = plane.app.get(GatewayDriver);
    await pool.set(CALM);
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => plane.dispose());

  const signal = () => AbortSignal.timeout(10_000);
  const inspect = (id: string) => driver.inspect(id, signal());
  const addressOf = async (id: string): Promise<GatewayAddress> => {
    const state = await inspect(id);
    if (state.status !== 'running' && state.status !== 'paused') throw new Error(`${id} is ${state.status}`);
    return state.address;
  };
  const control = async (id: string, method: string, path: string, credential: string): Promise<Response> => {
    const { host, controlPort } = await addressOf(id);
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' };
    const body = method === 'POST' ? '{}' : null;
    return fetch(`http://${host}:${controlPort}${path}`, { method, headers, body, signal: signal() });
  };
  const claimOf = (id: string): string => plane.app.get(GatewayCredentials).claim(id);
  const gatewayOf = async (name: string): Promise<string> => (await plane.member(name)).gateway!.id;
  const filesUnder = async (folder: string): Promise<string[]> =>
    (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  const findPid = async (id: string): Promise<number | undefined> => {
    for (const name of await readdir('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
      if (environment.includes(`WIREBOT_GATEWAY_ID=${id}\0`)) return Number(name);
    }
    return undefined;
  };
  const pidOf = async (id: string): Promise<number> => {
    const pid = await findPid(id);
    if (pid === undefined) throw new Error(`${id} has no process`);
    return pid;
  };

  it('are made to the wanted number, frozen, with nothing of anybody in them', async () => {
    await pool.set({ size: 3 });
    await pool.filled(3);
    for (const { id, tenantId } of await pool.ready()) {
      expect(tenantId).toBeNull();
      expect((await inspect(id)).status).toBe('paused');
      const environment = (await readFile(`/proc/${await pidOf(id)}/environ`, 'utf8')).split('\0').filter(Boolean);
      const value = (name: string) => environment.find((line) => line.startsWith(`${name}=`))!.slice(name.length + 1);
      const secrets = await filesUnder(value('WIREBOT_SECRETS_DIR'));
      expect(secrets.map((file) => file.split('/').at(-1))).toEqual(['claim']);
      expect(await readFile(secrets[0]!, 'utf8')).toContain(claimOf(id));
      const state = await filesUnder(value('WIREBOT_STATE_DIR'));
      const texts = [...environment, ...(await Promise.all(state.map((file) => readFile(file, 'latin1'))))].join('\n');
      for (const secret of [plane.tenantId, plane.app.get(GatewayCredentials).control(id)])
        expect(texts).not.toContain(secret);
      expect(state.map((file) => file.split('/').at(-1))).not.toContain('gateway.json');
    }
  });

  it('become a member’s with the next placement, the same process, and the pool fills up again', async () => {
    const before = (await pool.ready()).map(({ id }) => id);
    const pids = new Map(await Promise.all(before.map(async (id) => [id, await pidOf(id)] as const)));
    expect(await plane.put('ann', 'sovereign')).toMatchObject({ status: 'succeeded' });
    const id = await gatewayOf('ann');
    expect(before).toContain(id);
    expect(await pidOf(id)).toBe(pids.get(id));
    const [row] = await pool.rows(`id = '${id}'`);
    expect(row).toMatchObject({ tenantId: plane.tenantId, pool: null, phase: 'ready', generation: '1' });
    const status = await control(id, 'GET', '/control/status', plane.app.get(GatewayCredentials).control(id));
    expect(await status.json()).toMatchObject({ state: 'ready', agents: [{ open: expect.any(Boolean) }] });
    await pool.filled(3);
  });

  it('take their claim’s credential once: not again, not after a restart, not elsewhere', async () => {
    const id = await gatewayOf('ann');
    const used = claimOf(id);
    expect((await control(id, 'GET', '/control/status', used)).status).toBe(401);
    const again = await control(id, 'POST', '/control/claim', used);
    expect(again.status).toBe(409);
    expect(await again.json()).toMatchObject({ code: 'gateway-claimed' });

    const before = await pidOf(id);
    process.kill(before, 'SIGKILL');
    await pool.until('it is back', async () => {
      const [row] = await pool.rows(`id = '${id}' AND lease_owner IS NULL`);
      const pid = await findPid(id);
      return row?.phase === 'ready' && pid !== undefined && pid !== before;
    });
    await pool.until('it answers', async () => {
      const answer = await control(id, 'GET', '/control/status', used).catch(() => undefined);
      return answer?.status === 401;
    });
    expect((await control(id, 'POST', '/control/claim', used)).status).toBe(409);

    const [other] = await pool.ready();
    await driver.resume(other!.id, signal());
    expect((await control(other!.id, 'GET', '/control/status', used)).status).toBe(401);
    expect((await control(other!.id, 'POST', '/control/claim', used)).status).toBe(401);
    await driver.pause(other!.id, signal());
  });

  it('go to ten placements at once, each to one, and nobody waits for them', async () => {
    await pool.filled(3);
    const warm = (await pool.ready()).map(({ id }) => id);
    const names = Array.from({ length: 10 }, (_, index) => `crowd-${index}`);
    const operations = await Promise.all(names.map((name) => plane.put(name, 'sovereign')));
    for (const operation of operations) expect(operation).toMatchObject({ status: 'succeeded' });
    const ids = await Promise.all(names.map(gatewayOf));
    expect(new Set(ids).size).toBe(10);
    expect(ids.filter((id) => warm.includes(id)).toSorted()).toEqual(warm.toSorted());
    await pool.filled(3);
  });

  it.each([
    ['gateway', 'starting', 'thawed'],
    ['gateway', 'starting', 'claimed'],
  ])('are handed over though the pass ends at %s %s %s', async (kind, phase, step) => {
    await pool.filled(3);
    const observer = plane.app.get(StepObserver);
    let ended = 0;
    vi.spyOn(observer, 'reached').mockImplementation((...point) => {
      if (point.join() !== [kind, phase, step].join() || ended > 0) return;
      ended += 1;
      throw new LeaseLost('a pass that ends here');
    });
    expect(await plane.put(`ends-${step}`, 'sovereign')).toMatchObject({ status: 'succeeded' });
    expect(ended).toBe(1);
    const [row] = await pool.rows(`id = '${await gatewayOf(`ends-${step}`)}'`);
    expect(row).toMatchObject({ phase: 'ready', pool: null, generation: '1' });
  });

  it.each([
    ['creating', 'ensured'],
    ['warm', 'frozen'],
  ])('are made though the pass ends at %s %s', async (phase, step) => {
    await pool.set({ size: 0 });
    await pool.filled(0);
    let ended = 0;
    vi.spyOn(plane.app.get(StepObserver), 'reached').mockImplementation((...point) => {
      if (point.join() !== ['gateway', phase, step].join() || ended > 0) return;
      ended += 1;
      throw new LeaseLost('a pass that ends here');
    });
    await pool.set({ size: 1 });
    await pool.filled(1);
    expect(ended).toBe(1);
    expect((await inspect((await pool.ready())[0]!.id)).status).toBe('paused');
  });

  it('are started afresh in the same place when one does not answer its claim, and the others are spared', async () => {
    await pool.set({ size: 2 });
    await pool.filled(2);
    const refused = vi.spyOn(plane.app.get(GatewayRuntime), 'claim').mockImplementation(async (_at, _config, limit) => {
      await delay(60_000, limit).catch(() => undefined);
      throw new RuntimeError('gateway-unreachable', 'It does not answer.', true);
    });
    const warm = (await pool.ready()).map(({ id }) => id);
    expect(await plane.put('unlucky', 'sovereign')).toMatchObject({ status: 'succeeded' });
    const id = await gatewayOf('unlucky');
    expect(warm).toContain(id);
    expect(refused).toHaveBeenCalledTimes(1);
    const state = await pool.state();
    expect(state.claimFailures).toBe(1);
    expect(Date.parse(state.heldUntil!)).toBeGreaterThan(Date.now());
    expect(await plane.put('cold', 'sovereign')).toMatchObject({ status: 'succeeded' });
    expect(warm).not.toContain(await gatewayOf('cold'));
    expect(refused).toHaveBeenCalledTimes(1);

    refused.mockRestore();
    await plane.database.query(`UPDATE installation SET warm_pool = warm_pool || '{"heldUntil": null}'`);
    await pool.filled(2);
    expect(await plane.put('lucky', 'sovereign')).toMatchObject({ status: 'succeeded' });
    expect(await pool.state()).toMatchObject({ claimFailures: 0, heldUntil: null });
  });

  it('are nobody’s loss when they die: claimed dead ones are started, others are replaced', async () => {
    await pool.filled(2);
    const [one] = await pool.ready();
    process.kill(await pidOf(one!.id), 'SIGKILL');
    await pool.until(
      'it is given up',
      async () =>
        (await pool.rows(`id = '${one!.id}'`)).length === 0 ||
        (await pool.rows(`id = '${one!.id}' AND phase = 'deleted'`)).length === 1,
    );
    await pool.filled(2);
    // Dead in the moment of the claim: nobody has had time to notice.
    const ids = (await pool.ready()).map(({ id }) => id);
    vi.spyOn(driver, 'watch').mockImplementation(async function* () {});
    await Promise.all(ids.map(async (id) => process.kill(await pidOf(id), 'SIGKILL')));
    expect(await plane.put('late', 'sovereign')).toMatchObject({ status: 'succeeded' });
    expect((await inspect(await gatewayOf('late'))).status).toBe('running');
    await pool.filled(2);
  });

  it('are replaced when another image is configured, or when they are old', async () => {
    await pool.filled(2);
    const before = (await pool.ready()).map(({ id }) => id);
    await plane.database.query(`UPDATE gateways SET image = '/an/older/image' WHERE id = $1`, [before[0]]);
    await plane.database.query(`UPDATE gateways SET created_at = now() - interval '25 hours' WHERE id = $1`, [
      before[1],
    ]);
    await pool.until('both are gone', async () => (await pool.ready()).every(({ id }) => !before.includes(id)));
    await pool.filled(2);
    for (const id of before) expect((await inspect(id)).status).toBe('absent');
  });

  it('leave a host that takes nothing new, and come back with it', async () => {
    await pool.filled(2);
    const before = (await pool.ready()).map(({ id }) => id);
    await plane.database.query(`UPDATE hosts SET state = 'cordoned'`);
    await pool.filled(0);
    expect((await driver.list(signal())).map(({ id }) => id)).toEqual(expect.not.arrayContaining(before));
    await plane.database.query(`UPDATE hosts SET state = 'active'`);
    await pool.filled(2);
  });
});

describe('the pool on a host that has no room to spare', () => {
  let plane: ControlPlaneFixture;
  let pool: WarmPoolFixture;

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19180-19183',
    });
    pool = new WarmPoolFixture(plane);
  });
  afterAll(() => plane.dispose());

  it('gives its place to a tenant for whom no other is left', async () => {
    await pool.set({ ...CALM, size: 2, kinds: [{ cpus: 1, memoryMb: 256, pids: 128 }] });
    await pool.filled(2);
    const names = ['first', 'second'];
    for (const name of names) expect(await plane.put(name, 'sovereign')).toMatchObject({ status: 'succeeded' });
    const rows = await pool.rows();
    expect(rows.map(({ pool: of, phase }) => [of, phase])).toEqual([
      [null, 'ready'],
      [null, 'ready'],
    ]);
    expect(await plane.put('third', 'sovereign')).toMatchObject({
      status: 'failed',
      error: { code: 'port-range-full' },
    });
  });

  it('says what is in the way, and makes nothing', async () => {
    await pool.set({ size: 1 });
    await pool.until('a note', async () => (await pool.state()).note?.reason === 'no-room');
    expect((await pool.state()).note?.message).toContain('every port of its range is taken');
    expect(await pool.rows(`pool = 'warm' AND phase <> 'deleted'`)).toEqual([]);
  });
});

describe('the pool with an image that does not start', () => {
  let plane: ControlPlaneFixture;
  let pool: WarmPoolFixture;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wb-broken-'));
    const image = join(folder, 'gateway.mjs');
    await writeFile(image, 'process.exit(7);');
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: image,
      WIREBOT_GATEWAY_PORTS: '19184-19199',
    });
    pool = new WarmPoolFixture(plane);
  });
  afterAll(async () => {
    await plane.dispose();
    await rm(folder, { recursive: true });
  });

  it('stops after the failures that are allowed and says why, until a setting changes', async () => {
    await pool.set({ ...CALM, size: 1, maxFailures: 2 });
    await pool.until('it stops', async () => (await pool.state()).stopped === true);
    const state = await pool.state();
    expect(state).toMatchObject({
      failures: 2,
      note: { reason: 'too-many-failures' },
      lastFailure: { reason: 'gateway-ended' },
    });
    expect(state.note?.message).toMatch(/exit code 7/);
    await pool.until('nothing is left', async () => (await pool.rows()).length === 0);
    const made = await plane.database.query('SELECT id FROM gateways');
    expect(made).toHaveLength(2);

    await pool.set({ maxFailures: 1 });
    await pool.until(
      'it tried again',
      async () => (await plane.database.query('SELECT id FROM gateways')).length === 3,
    );
    await pool.until('it stops again', async () => (await pool.state()).stopped === true);
    expect(await pool.state()).toMatchObject({ failures: 1 });
  });
});
