import { appendFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ControlPlaneConfig } from '#libs/config';
import { GatewayDriver } from '#libs/drivers/core';
import { MembersService } from '../members/members.service.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import type { DiagnosticsView } from './diagnostics/diagnostics.service.js';
import { ControlPlaneFixture } from '../provisioning/testing/control-plane.fixture.js';
import { RouteFeedService } from '../routing/route-feed.service.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../dist/gateway/gateway.mjs');

describe('an operator who looks after one gateway', () => {
  let plane: ControlPlaneFixture;
  let key: string;
  let id: string;

  const call = (method: 'GET' | 'POST', path: string, credential = key) =>
    plane.app.inject({ method, url: `/v1/admin/gateways/${path}`, headers: { authorization: `Bearer ${credential}` } });
  const row = async (gateway = id) =>
    (await plane.database.query('SELECT * FROM gateways WHERE id = $1', [gateway]))[0] as Record<string, unknown>;
  const routeState = () => {
    const frame = plane.app.get(RouteFeedService).snapshot();
    return frame.type === 'snapshot' ? frame.agents.find((route) => route.gatewayId === id)?.state : undefined;
  };
  const logFile = () => {
    const { dataDir, instance } = plane.app.get(ControlPlaneConfig);
    return join(dataDir, 'run', instance, `${id}.log`);
  };
  const onHost = async () => (await plane.app.get(GatewayDriver).inspect(id, AbortSignal.timeout(5_000))).status;

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19220-19239',
    });
    key = (await plane.app.get(ApiKeysService).issue({ tenantId: null, name: 'ops', scopes: ['*'] })).key;
    await plane.put('ann', 'sovereign');
    id = (await plane.member('ann')).gateway!.id;
  });
  afterAll(() => plane.dispose());

  it('reads all that is known of it: phases with their times, its host, its use, its agents and routes', async () => {
    const answer = await call('GET', `${id}/diagnostics`);
    expect(answer.statusCode).toBe(200);
    const view = answer.json<DiagnosticsView>();
    expect(view).toMatchObject({
      id,
      summary: ['It is ready, and nothing is wrong that is known.'],
      host: { name: 'local', state: 'active' },
      onHost: { status: 'running' },
      metrics: { stats: { memoryBytes: expect.any(Number), diskBytes: expect.any(Number) } },
      agents: [{ phase: 'ready', attached: true, route: { state: 'live', gatewayId: id } }],
      findings: [],
    });
    expect(view.phases.map(({ phase }) => phase)).toEqual(['creating', 'starting', 'ready']);
    expect(view.phases.map(({ seconds }) => typeof seconds)).toEqual(['number', 'number', 'object']);
    expect(view.log).not.toEqual([]);
  });

  it('reads what it uses now', async () => {
    const answer = await call('GET', `${id}/metrics`);
    expect(answer.json()).toMatchObject({ id, phase: 'ready', stats: { cpuSeconds: expect.any(Number) } });
  });

  it('sees no secret in its log', async () => {
    const file = logFile();
    await appendFile(file, '{"note":"Bearer abcdefghijklmnop1234"}\n');
    const { lines } = (await call('GET', `${id}/logs?lines=5`)).json<{ lines: string[] }>();
    expect(lines.at(-1)).toBe('{"note":"Bearer [redacted]"}');
    expect((await call('GET', `${id}/diagnostics`)).body).not.toContain('abcdefghijklmnop1234');
  });

  it('follows its log, and hears of a line as it is written', async () => {
    await plane.app.listen(0, '127.0.0.1');
    const { port } = plane.app.getHttpServer().address() as { port: number };
    const gone = new AbortController();
    const url = `http://127.0.0.1:${port}/v1/admin/gateways/${id}/logs?follow=true&lines=1`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${key}` }, signal: gone.signal });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toMatch(/^event: lines\ndata: \["/);
    const file = logFile();
    await appendFile(file, 'written later\n');
    expect((await reader.read()).value).toBe('event: lines\ndata: ["written later"]\n\n');
    gone.abort();
  });

  it('quarantines it: routes are held, it is frozen with all it has, and nothing wakes it', async () => {
    const answer = await call('POST', `${id}/quarantine`);
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toMatchObject({ id, quarantinedAt: expect.any(String) });
    await expect.poll(() => row().then(({ phase }) => phase)).toBe('paused');
    expect(await onHost()).toBe('paused');
    await expect.poll(routeState).toBe('held');
    expect((await call('POST', `${id}/quarantine`)).statusCode).toBe(202);

    await plane.database.query(
      `UPDATE gateways SET awake_until = now() + interval '1 hour', due_at = now() WHERE id = $1`,
      [id],
    );
    await expect.poll(() => row().then(({ due_at: due }) => due)).toBeNull();
    expect(await onHost()).toBe('paused');
    const { summary } = (await call('GET', `${id}/diagnostics`)).json<{ summary: string[] }>();
    expect(summary[0]).toMatch(/^An operator took it out of service/);
  });

  it('stays in quarantine when its agent changes meanwhile: no route leads there', async () => {
    await plane.database.query(`UPDATE agents SET generation = generation + 1, due_at = now() WHERE gateway_id = $1`, [
      id,
    ]);
    await expect.poll(async () => (await plane.database.query('SELECT due_at FROM agents'))[0]?.['due_at']).not.toBe(0);
    expect(routeState()).toBe('held');
    expect(await onHost()).toBe('paused');
  });

  it('releases it, and it serves again', async () => {
    expect((await call('POST', `${id}/release`)).json()).toMatchObject({ quarantinedAt: null });
    await expect.poll(() => row().then(({ phase }) => phase), { timeout: 20_000 }).toBe('ready');
    expect(await onHost()).toBe('running');
    await expect.poll(routeState, { timeout: 20_000 }).toBe('live');
    const again = await call('POST', `${id}/release`);
    expect([again.statusCode, again.json<{ code: string }>().code]).toEqual([409, 'gateway-not-quarantined']);
    const lines = await plane.database.query(`SELECT action FROM audit_entries WHERE resource_id = $1 ORDER BY seq`, [
      id,
    ]);
    expect(lines.map((line) => line['action'])).toEqual(['gateway.quarantine', 'gateway.release']);
  });

  it('stops one that was on its way, and erasing its member ends the quarantine with it', async () => {
    await plane.database.query(
      `UPDATE gateways SET quarantined_at = now(), phase = 'starting', due_at = now() WHERE id = $1`,
      [id],
    );
    await expect.poll(() => row().then(({ phase }) => phase), { timeout: 20_000 }).toBe('suspended');
    expect(await onHost()).toBe('stopped');
    await plane.app.get(MembersService).act(plane.caller, 'ann', 'erase');
    await expect.poll(() => row().then(({ phase }) => phase), { timeout: 20_000 }).toBe('deleted');
    for (const verb of ['quarantine', 'release']) expect((await call('POST', `${id}/${verb}`)).statusCode).toBe(404);
  });

  it('refuses what cannot be: unknown gateways, warm ones, keys that may only read', async () => {
    for (const path of ['gw_none/diagnostics', 'gw_none/metrics', 'gw_none/logs', 'gw_none/logs?follow=true'])
      expect((await call('GET', path)).statusCode).toBe(404);
    expect((await call('GET', `${id}/logs?follow=maybe`)).statusCode).toBe(400);
    await plane.database.query(
      `INSERT INTO gateways (id, host_id, kind, runtime, image, resources, pool, phase, due_at, updated_at)
       SELECT 'gw_warm', host_id, 'dedicated', 'wirebot', image, resources, 'warm', 'warm', NULL, now() FROM gateways LIMIT 1`,
    );
    const warm = await call('POST', 'gw_warm/quarantine');
    expect([warm.statusCode, warm.json<{ code: string }>().code]).toEqual([409, 'gateway-not-to-be-held']);
    await plane.database.query(`DELETE FROM gateways WHERE id = 'gw_warm'`);
    const { key: reader } = await plane.app
      .get(ApiKeysService)
      .issue({ tenantId: null, name: 'reader', scopes: ['gateways:read'] });
    expect((await call('POST', `${id}/quarantine`, reader)).statusCode).toBe(403);
    expect((await plane.app.inject({ method: 'GET', url: `/v1/admin/gateways/${id}/metrics` })).statusCode).toBe(401);
  });
});
