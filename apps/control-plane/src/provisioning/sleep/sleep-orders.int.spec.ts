import { resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { Metrics } from '#libs/telemetry';
import { GatewayRuntime, RuntimeError } from '#libs/runtimes/core';
import { ApiKeysService } from '../../identity/api-keys.service.js';
import { MembersService } from '../../members/members.service.js';
import { ControlPlaneFixture } from '../testing/control-plane.fixture.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../../dist/gateway/gateway.mjs');
const PATIENCE = { timeout: 20_000, interval: 25 };

describe('what operators say about sleep', () => {
  let plane: ControlPlaneFixture;
  let gatewayId: string;
  let key: string;

  const sql = (text: string, ...values: unknown[]) => plane.database.query(text, values);
  const row = async () => (await sql('SELECT * FROM gateways WHERE id = $1', gatewayId))[0]!;
  const becomes = (phase: string) => expect.poll(async () => (await row())['phase'], PATIENCE).toBe(phase);
  const order = async (what: 'suspend' | 'wake', id = gatewayId, credential = key) => {
    const headers = credential === '' ? {} : { authorization: `Bearer ${credential}` };
    const answer = await plane.app.inject({ method: 'POST', url: `/v1/admin/gateways/${id}/${what}`, headers });
    return `${answer.statusCode} ${answer.json<{ code?: string }>().code ?? ''}`.trim();
  };
  const keyWith = async (scopes: string[], tenantId: string | null = null) =>
    (await plane.app.get(ApiKeysService).issue({ tenantId, name: 'ops', scopes })).key;
  const lines = async (action: string) =>
    (await sql('SELECT resource_id FROM audit_entries WHERE action = $1', action)).map((line) => line['resource_id']);
  const idle = () => expect.poll(async () => (await row())['idle_since'], PATIENCE).not.toBeNull();
  /** For the rest of this test the rows say this. */
  const pretend = async (change: string, undo: string) => {
    await sql(change, gatewayId);
    onTestFinished(async () => void (await sql(undo, gatewayId)));
  };

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19640-19679',
      WIREBOT_GATEWAY_RECHECK_SECONDS: '1',
    });
    // No tier puts anything to sleep here.
    await sql(`UPDATE tiers SET idle_policy = '{}'`);
    await plane.put('sol', 'sovereign');
    gatewayId = (await plane.member('sol')).gateway!.id;
    key = await keyWith(['*']);
  });
  afterAll(() => plane.dispose());
  beforeEach(async () => {
    await order('wake');
    await becomes('ready');
    await idle();
  });

  it('puts an idle gateway to sleep whatever its tier says, and wakes it, each with a line in the audit', async () => {
    expect(await order('suspend')).toBe('202');
    await becomes('paused');
    expect(await row()).toMatchObject({ rest_asked_at: null, desired_state: 'running' });
    expect(await order('suspend')).toBe('202');
    expect(await lines('gateway.suspend')).toEqual([gatewayId]);
    expect(await order('wake')).toBe('202');
    await becomes('ready');
    expect((await lines('gateway.wake')).length).toBeGreaterThan(1);
  });

  it('says why not: something happens on it', async () => {
    await pretend(
      'UPDATE gateways SET idle_since = NULL WHERE id = $1',
      'UPDATE gateways SET idle_since = now() WHERE id = $1',
    );
    expect(await order('suspend')).toBe('409 gateway-busy');
  });

  it.each([
    [
      'an agent that changes',
      `UPDATE agents SET generation = generation + 1, due_at = NULL WHERE gateway_id = $1`,
      `UPDATE agents SET generation = observed_generation WHERE gateway_id = $1`,
    ],
    [
      'an operation that is open',
      `UPDATE operations SET status = 'running' WHERE agent_id IN (SELECT id FROM agents WHERE gateway_id = $1)`,
      `UPDATE operations SET status = 'succeeded' WHERE agent_id IN (SELECT id FROM agents WHERE gateway_id = $1)`,
    ],
  ])('says why not: %s', async (_what, change, undo) => {
    await pretend(change, undo);
    expect(await order('suspend')).toBe('409 gateway-cannot-sleep');
  });

  it('gives the order up when the gateway has something to do at that moment', async () => {
    const runtime = plane.app.get(GatewayRuntime);
    const suspend = runtime.suspend;
    onTestFinished(() => void (runtime.suspend = suspend));
    runtime.suspend = () => Promise.reject(new RuntimeError('gateway-busy', 'A task runs.', false));
    expect(await order('suspend')).toBe('202');
    await expect.poll(async () => (await row())['rest_asked_at'], PATIENCE).toBeNull();
    await becomes('ready');
  });

  it('never starts what a tenant has paused, and says so', async () => {
    const members = plane.app.get(MembersService);
    const paused = await members.act(plane.caller, 'sol', 'pause');
    await plane.ended(paused.operation!.id);
    await becomes('suspended');
    expect([await order('wake'), await order('suspend')]).toEqual(['409 gateway-cannot-wake', '202']);
    expect((await row())['desired_state']).toBe('stopped');
    const resumed = await members.act(plane.caller, 'sol', 'resume');
    expect(await plane.ended(resumed.operation!.id)).toMatchObject({ status: 'succeeded' });
  });

  it.each(['suspend', 'wake'] as const)('lets nobody %s it who must not', async (what) => {
    expect(await order(what, gatewayId, '')).toMatch(/^401 /);
    expect(await order(what, gatewayId, 'wbo_0000000000000000_nothing')).toMatch(/^401 /);
    expect(await order(what, gatewayId, await keyWith(['gateways:read']))).toMatch(/^403 /);
    expect(await order(what, gatewayId, await keyWith(['members:write'], plane.tenantId))).toMatch(/^403 /);
    expect(await order(what, 'gw_none')).toBe('404 gateway-not-found');
  });

  it('is counted: what woke, what fell asleep, how long waking took, how many sleep', async () => {
    expect(await order('suspend')).toBe('202');
    await becomes('paused');
    const text = await plane.app.get(Metrics).expose();
    const value = (name: string, label = '') => {
      const line = text.split('\n').find((entry) => entry.startsWith(`wirebot_${name}{`) && entry.includes(label));
      return Number(line?.split(' ').at(-1));
    };
    expect(value('gateways_paused')).toBe(1);
    expect(value('gateway_wakes_total', 'cause="operator"')).toBeGreaterThan(0);
    expect(value('gateway_sleeps_total', 'outcome="paused"')).toBeGreaterThan(0);
    expect(value('gateway_wake_seconds_count', 'from="frozen"')).toBeGreaterThan(0);
  });
});
