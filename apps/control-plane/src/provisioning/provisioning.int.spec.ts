import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ControlPlaneConfig } from '#libs/config';
import { Database } from '#libs/database';
import { GatewayDriver } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import { freshDatabase, type TestDatabase } from '#libs/testing';
import { AppModule } from '../app.module.js';
import { useEventSocket } from '../events/event-socket.adapter.js';
import { createHttpAdapter } from '../http/http-adapter.js';
import { MembersService } from '../members/members.service.js';
import { OperationsService } from '../operations/operations.service.js';
import { TenantsService } from '../tenants/tenants.service.js';
import { TiersService } from '../tiers/tiers.service.js';
import { RouteFeedService } from '../routing/route-feed.service.js';
import { SigningKeysService } from '../tokens/signing-keys.service.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../dist/gateway/gateway.mjs');
const LIMIT_MS = 30_000;

describe('provisioning on a real database with real gateway processes', () => {
  let folder: string;
  let database: TestDatabase;
  let app: NestFastifyApplication;
  let tenantId: string;
  const caller = () => ({ tenantId, actor: 'key:test' });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wb-prov-'));
    database = await freshDatabase();
    await mkdir(join(folder, 'secrets'), { mode: 0o700 });
    await writeFile(join(folder, 'secrets', 'master-key'), 'ab'.repeat(32));
    await writeFile(join(folder, 'secrets', 'proxy-credential'), 'proxy-credential-for-tests');
    Object.assign(process.env, {
      DATABASE_URL: database.url,
      WIREBOT_DATA_DIR: folder,
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '38000-38009',
      WIREBOT_LOG_LEVEL: 'silent',
      WIREBOT_AGENTS_PER_GATEWAY: '3',
      WIREBOT_NODE_NAME: 'test-node',
    });
    app = await NestFactory.create<NestFastifyApplication>(AppModule, createHttpAdapter(), {
      logger: false,
      abortOnError: false,
    });
    useEventSocket(app);
    await app.get(TiersService).seedTemplates();
    await app.get(SigningKeysService).current();
    const brand = { name: 'Test', accent: '#3b5bdb', greeting: 'Hello' };
    const tenant = await app
      .get(TenantsService)
      .create({ slug: 'test', name: 'Test', hosts: [], brand, template: 'network', actor: 'test' });
    tenantId = tenant.id;
    await app.init();
  });

  afterAll(async () => {
    const driver = app.get(GatewayDriver);
    const rows = await database.query<{ id: string }>('SELECT id FROM gateways');
    await app.close();
    for (const { id } of rows) await driver.remove(id, AbortSignal.timeout(30_000));
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  async function ended(id: string) {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const operation = await app.get(OperationsService).get(tenantId, id);
      if (operation.finishedAt) return operation;
      if (Date.now() > end) throw new Error(`not finished: ${JSON.stringify(operation)}`);
      await delay(20);
    }
  }

  const put = async (externalId: string, tier: string) => {
    const change = await app
      .get(MembersService)
      .put(caller(), externalId, { email: `${externalId}@example.com`, tier });
    return change.operation ? ended(change.operation.id) : undefined;
  };
  const get = (externalId: string) => app.get(MembersService).get(tenantId, externalId);
  const routes = () => {
    const frame = app.get(RouteFeedService).snapshot();
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
      (await database.query('SELECT phase FROM gateways WHERE id = $1', [own.gateway!.id]))[0]?.['phase'];
    while ((await phase()) !== 'deleted' && Date.now() < end) await delay(50);
    expect(await phase()).toBe('deleted');
  });

  it('takes a paused agent out of service and brings it back', async () => {
    const members = app.get(MembersService);
    const paused = await members.act(caller(), 'ann', 'pause');
    expect(await ended(paused.operation!.id)).toMatchObject({ status: 'succeeded' });
    expect(routes().some((route) => route.memberId === paused.member.id)).toBe(false);
    const resumed = await members.act(caller(), 'ann', 'resume');
    expect(await ended(resumed.operation!.id)).toMatchObject({ status: 'succeeded' });
    expect((await get('ann')).status).toBe('active');
  });

  it('fails with the reason and leaves nothing half-made when no port is free, then heals by itself', async () => {
    const names = ['p1', 'p2', 'p3', 'p4', 'p5'];
    const results = await Promise.all(names.map((name) => put(name, 'sovereign')));
    const failed = results.filter((result) => result?.status === 'failed');
    expect(failed.length).toBeGreaterThan(0);
    for (const result of failed) expect(result?.error).toMatchObject({ code: 'port-range-full' });
    const reserved = await database.query('SELECT count(*)::int AS n FROM gateways WHERE port IS NOT NULL');
    expect(reserved[0]?.['n']).toBeLessThanOrEqual(5);
    const without = names[results.findIndex((result) => result?.status === 'failed')]!;
    expect((await get(without)).gateway).toBeNull();
  });

  it('erases: folder, route and name go, the external id is free again', async () => {
    const change = await app.get(MembersService).act(caller(), 'cat', 'erase');
    expect(await ended(change.operation!.id)).toMatchObject({ status: 'succeeded' });
    await expect(get('cat')).rejects.toMatchObject({ code: 'member-not-found' });
    const rows = await database.query('SELECT email, name, status FROM members WHERE id = $1', [change.member.id]);
    expect(rows[0]).toMatchObject({ name: null, status: 'erased' });
  });

  it('shows one tenant nothing of another, whatever the query', async () => {
    const brand = { name: 'Other', accent: '#000000', greeting: 'Hi' };
    const other = await app
      .get(TenantsService)
      .create({ slug: 'other', name: 'Other', hosts: [], brand, template: 'standalone', actor: 'test' });
    await expect(app.get(MembersService).get(other.id, 'ann')).rejects.toMatchObject({ code: 'member-not-found' });
    const seen = await app
      .get(Database)
      .tenant(other.id, async (tx) => [
        await tx.member.count(),
        await tx.agent.count(),
        await tx.gateway.count(),
        await tx.operation.count(),
      ]);
    expect(seen).toEqual([0, 0, 0, 0]);
    expect(app.get(ControlPlaneConfig).sharedCellSize).toBe(3);
  });
});
