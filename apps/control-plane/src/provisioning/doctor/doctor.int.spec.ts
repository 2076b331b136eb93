import { chmod, chown, mkdir, stat } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { NestFactory } from '@nestjs/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ControlPlaneConfig } from '#libs/config';
import { Database } from '#libs/database';
import { GatewayDriver } from '#libs/drivers/core';
import { Clock } from '#libs/kernel';
import { ApiKeysService } from '../../identity/api-keys.service.js';
import { ControlPlaneFixture } from '../testing/control-plane.fixture.js';
import { ClockCheck } from './checks/clock.check.js';
import { DoctorCommand } from './doctor-command.js';
import { DoctorCommandModule } from './doctor-command.module.js';
import { Doctor, type FoundSymptom, isHealthy, symptomsOf } from './doctor.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../../dist/gateway/gateway.mjs');

/** Faults are planted for real, seen to be named, repaired, and seen to be gone. */
describe('the doctor', () => {
  let plane: ControlPlaneFixture;
  let doctor: Doctor;
  let gatewayId: string;
  let agentId: string;

  const sql = (query: string, values: unknown[] = []) => plane.database.query(query, values);
  const signal = () => AbortSignal.timeout(60_000);
  const found = async (check: string): Promise<FoundSymptom[]> =>
    symptomsOf(await doctor.examine(signal())).filter((symptom) => symptom.check === check);
  const driver = () => plane.app.get(GatewayDriver);
  const stateRoot = () => join(plane.app.get(ControlPlaneConfig).dataDir, 'gateways');
  /** Plants a fault in rows that nobody looks at meanwhile. */
  const ofRow = (table: 'agents' | 'gateways', id: string, assignments: string) =>
    sql(`UPDATE ${table} SET ${assignments} WHERE id = $1`, [id]);
  const repaired = async (check: string) => {
    const { repairs, after } = await doctor.repair('user:test', signal());
    expect(repairs.filter(({ symptom }) => symptom.check === check)).toEqual([
      expect.objectContaining({ failed: null }),
    ]);
    expect(symptomsOf(after).filter((symptom) => symptom.check === check)).toEqual([]);
  };

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19280-19299',
      WIREBOT_GATEWAY_RECHECK_SECONDS: '3600',
    });
    doctor = plane.app.get(Doctor);
    await plane.put('ann', 'sovereign');
    gatewayId = (await plane.member('ann')).gateway!.id;
    agentId = String((await sql('SELECT id FROM agents'))[0]?.['id']);
  });
  afterAll(() => plane.dispose());
  // What the test before has set going has come to its end.
  beforeEach(async () => {
    const busy = async () =>
      (
        await sql(`SELECT id FROM agents WHERE phase <> 'ready' OR observed_generation < generation OR lease_until > now()
          OR previous_gateway_id IS NOT NULL`)
      ).length;
    await vi.waitUntil(async () => (await busy()) === 0, { timeout: 30_000 });
  });

  it('finds nothing wrong with what is well', async () => {
    const diagnosis = await doctor.examine(signal());
    expect(symptomsOf(diagnosis)).toEqual([]);
    expect(diagnosis.results.filter(({ failed }) => failed !== null)).toEqual([]);
    expect(isHealthy(diagnosis)).toBe(true);
  });

  it('names a gateway that is not there though it should serve, and has it started', async () => {
    await ofRow('gateways', gatewayId, `phase_since = now() - interval '1 minute'`);
    const { leased } = (
      await sql(
        `UPDATE gateways SET lease_until = now() + interval '2 minutes', lease_owner = 'held' WHERE id = $1 RETURNING fence AS leased`,
        [gatewayId],
      )
    )[0]!;
    await driver().remove(gatewayId, signal());
    expect(await found('gateway-missing')).toMatchObject([
      { severity: 'broken', subject: `gateway ${gatewayId}`, message: expect.stringContaining('is not there') },
    ]);
    await ofRow('gateways', gatewayId, `lease_until = NULL, lease_owner = NULL`);
    expect(leased).toBeDefined();
    await repaired('gateway-missing');
    await expect
      .poll(async () => (await driver().inspect(gatewayId, signal())).status, { timeout: 30_000 })
      .toBe('running');
  });

  it('names a row that is held by somebody who cannot be alive, and frees it', async () => {
    await ofRow(
      'gateways',
      gatewayId,
      // With a fence of its own: a pass that is under way just now gives back only what is its own.
      `lease_owner = 'node-that-died', lease_until = now() + interval '1 day', due_at = now(), fence = fence + 1`,
    );
    expect(await found('dead-lease')).toMatchObject([
      { message: expect.stringContaining('node-that-died holds it until') },
    ]);
    await repaired('dead-lease');
  });

  it('names what is stuck, with the reason that its row gives', async () => {
    await ofRow(
      'gateways',
      gatewayId,
      `phase = 'creating', phase_since = now() - interval '1 hour', due_at = NULL, failures = 40,
       conditions = '[{"type":"Ready","status":false,"reason":"x","message":"The disk was full.","at":"2026-01-01T00:00:00Z"}]'`,
    );
    expect(await found('stuck-phase')).toMatchObject([
      {
        subject: `gateway ${gatewayId}`,
        message: expect.stringMatching(/creating for 36\d\d s.*40 times.*The disk was full/),
      },
    ]);
    await repaired('stuck-phase');
    await expect
      .poll(async () => (await sql('SELECT phase FROM gateways'))[0]?.['phase'], { timeout: 20_000 })
      .toBe('ready');
  });

  it.each([
    ['no-gateway', `jsonb_set(route, '{gatewayId}', '"gw_gone"')`, /which is gone/],
    ['other-address', `jsonb_set(route, '{target,port}', '1')`, /address that the gateway .* does not have/],
    ['asleep', `jsonb_set(route, '{state}', '"asleep"')`, /sleeps, but it is awake/],
    ['held', `jsonb_set(route, '{state}', '"held"')`, /is held, but/],
  ])('names a route that is wrong (%s), and has it published anew', async (_reason, planted, message) => {
    await sql(`UPDATE agents SET phase_since = now() - interval '1 hour'`);
    await sql(`UPDATE gateways SET phase_since = now() - interval '1 hour'`);
    await sql(`UPDATE routes SET route = ${planted}`);
    expect(await found('wrong-route')).toMatchObject([{ message: expect.stringMatching(message) }]);
    await repaired('wrong-route');
    // Under load the second look may find the agent on its way still.
    const route = async () =>
      (await sql(`SELECT route, route->'target'->>'port' <> '1' AS "isNew" FROM routes`))[0] as object;
    await expect
      .poll(route, { timeout: 30_000 })
      .toMatchObject({ isNew: true, route: { gatewayId, state: 'live', target: { host: '127.0.0.1' } } });
  });

  it('names a route to an agent that is gone, and takes it away', async () => {
    await sql(
      `INSERT INTO routes (agent_id, tenant_id, route, version, txid, fence)
       SELECT 'agt_gone', tenant_id, route, nextval('route_version'), pg_current_xact_id()::text::bigint, 1 FROM routes LIMIT 1`,
    );
    expect(await found('wrong-route')).toMatchObject([{ subject: 'route agt_gone' }]);
    await repaired('wrong-route');
    await sql(`DELETE FROM routes WHERE agent_id = 'agt_gone'`);
  });

  it('names an agent that is attached to nothing, and has it attached', async () => {
    await ofRow('agents', agentId, `attached_to = NULL, due_at = NULL`);
    expect(await found('agent-astray')).toMatchObject([
      { message: expect.stringContaining('in no gateway’s configuration') },
    ]);
    await repaired('agent-astray');
    await expect.poll(async () => (await sql('SELECT attached_to FROM agents'))[0]?.['attached_to']).toBe(gatewayId);
  });

  it('names what a move has left behind', async () => {
    const old = `gw_left${agentId.slice(-8)}`;
    await sql(
      `INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, resources, phase, desired_state, due_at, updated_at)
       SELECT $1, tenant_id, host_id, kind, runtime, image, resources, 'deleted', 'deleted', NULL, now() FROM gateways LIMIT 1`,
      [old],
    );
    await ofRow(
      'agents',
      agentId,
      `previous_gateway_id = '${old}', phase_since = now() - interval '1 hour', due_at = NULL`,
    );
    expect(await found('agent-astray')).toMatchObject([{ severity: 'warning', message: expect.stringContaining(old) }]);
    await repaired('agent-astray');
    await expect
      .poll(async () => (await sql('SELECT previous_gateway_id FROM agents'))[0]?.['previous_gateway_id'], {
        timeout: 30_000,
      })
      .toBeNull();
  });

  it('names a warm gateway that an agent is said to be on, and lets the agent go', async () => {
    await plane.put('bob', 'sovereign');
    const bob = String((await sql(`SELECT id FROM agents WHERE id <> $1`, [agentId]))[0]?.['id']);
    await sql(
      `INSERT INTO gateways (id, host_id, kind, runtime, image, resources, pool, phase, due_at, updated_at)
       SELECT 'gw_warm', host_id, 'dedicated', 'wirebot', image, resources, 'warm', 'warm', NULL, now() FROM gateways LIMIT 1`,
    );
    const home = (await plane.member('bob')).gateway!.id;
    await ofRow(
      'agents',
      bob,
      `phase = 'placing', gateway_id = 'gw_warm', attached_to = NULL, due_at = NULL, lease_until = NULL`,
    );
    expect(await found('warm-with-identity')).toMatchObject([{ subject: 'gateway gw_warm' }]);
    await repaired('warm-with-identity');
    await sql(`DELETE FROM gateways WHERE id = 'gw_warm'`);
    await sql(`UPDATE gateways SET desired_state = 'deleted', due_at = now() WHERE id = $1`, [home]);
    await expect
      .poll(async () => (await sql('SELECT phase FROM agents WHERE id = $1', [bob]))[0]?.['phase'], { timeout: 30_000 })
      .toBe('ready');
  });

  it('names a stranger on the port of a gateway that does not run, and gives it another', async () => {
    await sql(
      `INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, resources, phase, desired_state, port, due_at, updated_at)
       SELECT 'gw_idle', tenant_id, host_id, kind, runtime, image, resources, 'suspended', 'stopped', 19290, NULL, now()
       FROM gateways WHERE id = $1`,
      [gatewayId],
    );
    const stranger = createServer().listen(19_291, '127.0.0.1');
    await once(stranger, 'listening');
    expect(await found('port')).toMatchObject([
      { subject: 'gateway gw_idle', message: expect.stringContaining('19291') },
    ]);
    await repaired('port');
    expect((await sql(`SELECT port FROM gateways WHERE id = 'gw_idle'`))[0]?.['port']).not.toBe(19_290);
    stranger.close();
  });

  it('tells of a gateway outside its host’s ports, which is nothing to hurry for', async () => {
    await sql(`UPDATE gateways SET port = 30000 WHERE id = 'gw_idle'`);
    const [symptom] = await found('port');
    expect(symptom).toMatchObject({ severity: 'notice', message: expect.stringContaining('30000') });
    expect(symptom?.repair).toBeUndefined();
    await sql(`DELETE FROM gateways WHERE id = 'gw_idle'`);
  });

  it('names a state folder that others may read, and closes it', async () => {
    await chmod(join(stateRoot(), gatewayId), 0o755);
    expect(await found('state-folder')).toMatchObject([{ message: expect.stringContaining('mode 755') }]);
    await repaired('state-folder');
    expect((await stat(join(stateRoot(), gatewayId))).mode & 0o777).toBe(0o700);
  });

  it.runIf(process.getuid?.() === 0)('names a state folder of another owner, and has it given back', async () => {
    await chown(join(stateRoot(), gatewayId), 12_345, 12_345);
    expect(await found('state-folder')).toMatchObject([{ message: expect.stringContaining('belongs to 12345:12345') }]);
    await repaired('state-folder');
    expect((await stat(join(stateRoot(), gatewayId))).uid).toBe(0);
  });

  it('names an image that is not there', async () => {
    await ofRow('gateways', gatewayId, `image = '/nowhere/gateway.mjs'`);
    expect(await found('image-missing')).toMatchObject([{ subject: 'image /nowhere/gateway.mjs' }]);
    await ofRow('gateways', gatewayId, `image = '${BUNDLE}'`);
    expect(await found('image-missing')).toEqual([]);
  });

  it('tells of what is on the host and in no row', async () => {
    await mkdir(join(stateRoot(), 'gw_nobody'), { mode: 0o700 });
    expect(await found('stray')).toMatchObject([{ severity: 'notice', subject: 'folder gw_nobody on host local' }]);
    await driver().destroyState('gw_nobody', signal());
  });

  it('says which host does not answer, and goes on with the others', async () => {
    await sql(`INSERT INTO hosts (id, name, driver, port_from, port_to, connection) VALUES
      ('hst_away', 'away', 'docker', 1, 2, '{"kind":"unix","socketPath":"/nowhere.sock","stateRoot":"/tmp/wb-x","secretsRoot":"/dev/shm/wb-x"}')`);
    expect(await found('hosts')).toMatchObject([{ severity: 'broken', subject: 'host away' }]);
    await sql(`DELETE FROM hosts WHERE id = 'hst_away'`);
  });

  it('names a backup that is not in its store', async () => {
    await sql(
      `INSERT INTO backups (id, tenant_id, member_id, agent_id, kind, status, store, object_key, bytes)
       SELECT 'bak_gone', tenant_id, member_id, id, 'manual', 'succeeded', 'local', 'nowhere/bak_gone', 10 FROM agents LIMIT 1`,
    );
    expect(await found('backup-missing')).toMatchObject([
      { severity: 'broken', subject: 'backup bak_gone', message: expect.stringContaining('is not there') },
    ]);
    await sql('DELETE FROM backups');
    expect(await found('backup-missing')).toEqual([]);
  });

  it('names clocks that differ', async () => {
    const ahead = { now: () => new Date(Date.now() + 10_000) } as Clock;
    const symptoms = await new ClockCheck(plane.app.get(Database), ahead).look();
    expect(symptoms).toMatchObject([{ message: expect.stringContaining('behind this machine') }]);
  });

  it('names migrations that the database does not have', async () => {
    await sql(
      `CREATE TABLE _prisma_migrations (migration_name text, finished_at timestamptz, rolled_back_at timestamptz)`,
    );
    await sql(`GRANT SELECT ON _prisma_migrations TO wirebot_system`);
    const pending = await found('migrations');
    expect(pending.map(({ subject }) => subject)).toContain('migration 20261122000000_provisioning');
    await sql(`INSERT INTO _prisma_migrations SELECT split_part(m, ' ', 2), now() FROM unnest($1::text[]) m`, [
      pending.map(({ subject }) => subject),
    ]);
    expect(await found('migrations')).toEqual([]);
    await sql('DROP TABLE _prisma_migrations');
  });

  it('is a command with exit codes, for people and for programs', async () => {
    const run = async (...words: string[]) => {
      const app = await NestFactory.createApplicationContext(DoctorCommandModule, {
        logger: false,
        abortOnError: false,
      });
      const out = new PassThrough();
      const code = await app.get(DoctorCommand).run(words, out);
      await app.close();
      out.end();
      return { code, printed: await text(out) };
    };
    expect(await run()).toMatchObject({ code: 0, printed: expect.stringMatching(/Nothing is wrong\.\n$/) });
    await chmod(join(stateRoot(), gatewayId), 0o750);
    const broken = await run();
    expect(broken.code).toBe(1);
    expect(broken.printed).toMatch(/WARNING {2}gateway .*mode 750.*\n {11}--repair does: Set its mode to 700\./);
    const repair = await run('--repair', '--json');
    expect([repair.code, JSON.parse(repair.printed)]).toMatchObject([0, { after: { healthy: true } }]);
    await expect(run('--nonsense')).rejects.toThrow(/nonsense/);
  });

  it('is served to operators: looking with gateways:read, repairing with gateways:write, on the record', async () => {
    const keys = plane.app.get(ApiKeysService);
    const { key: reader } = await keys.issue({ tenantId: null, name: 'r', scopes: ['gateways:read'] });
    const { key: writer } = await keys.issue({ tenantId: null, name: 'w', scopes: ['gateways:*'] });
    const call = (method: 'GET' | 'POST', url: string, key: string) =>
      plane.app.inject({ method, url, headers: { authorization: `Bearer ${key}` } });
    expect((await call('GET', '/v1/admin/doctor', reader)).json()).toMatchObject({ healthy: true, symptoms: [] });
    expect((await call('POST', '/v1/admin/doctor/repair', reader)).statusCode).toBe(403);
    await chmod(join(stateRoot(), gatewayId), 0o750);
    const answer = await call('POST', '/v1/admin/doctor/repair', writer);
    expect(answer.json()).toMatchObject({
      repairs: [{ check: 'state-folder', failed: null }],
      after: { healthy: true },
    });
    const lines = await sql(`SELECT actor FROM audit_entries WHERE action = 'doctor.repair' ORDER BY seq DESC LIMIT 1`);
    expect(lines[0]?.['actor']).toMatch(/^key:/);
  });
});
