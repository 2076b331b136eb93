import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { DriverError, GatewayDriver } from '#libs/drivers/core';
import { GatewayRuntime, RuntimeError } from '#libs/runtimes/core';
import { MembersService } from '../../members/members.service.js';
import { RouteFeedService } from '../../routing/route-feed.service.js';
import { StepObserver } from '../steps.js';
import { ControlPlaneFixture } from '../testing/control-plane.fixture.js';
import { Wakes } from './wakes.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../../dist/gateway/gateway.mjs');
const PATIENCE = { timeout: 20_000, interval: 25 };

interface Row {
  readonly id: string;
  readonly phase: string;
  readonly desired_state: string;
  readonly due_at: Date | null;
  readonly fence: bigint;
  readonly failures: number;
  readonly awake_until: Date | null;
  readonly next_job_at: Date | null;
  readonly address: { port: number };
  readonly conditions: { type: string; status: boolean; reason: string }[];
}

describe('sleep of real gateway processes', () => {
  let plane: ControlPlaneFixture;
  let agentId: string;
  let gatewayId: string;

  const sql = (text: string, ...values: unknown[]) => plane.database.query(text, values);
  const row = async (id = gatewayId): Promise<Row> =>
    (await plane.database.query<Row & Record<string, unknown>>('SELECT * FROM gateways WHERE id = $1', [id]))[0]!;
  const phase = async () => (await row()).phase;
  const policy = (tier: string, suspendAfterSeconds: number | null, stopAfterSeconds: number | null = null) =>
    sql('UPDATE tiers SET idle_policy = $2 WHERE key = $1', tier, { suspendAfterSeconds, stopAfterSeconds });
  /** As if the last wish were long ago. */
  const look = (data = 'awake_until = NULL') =>
    sql(`UPDATE gateways SET ${data}, due_at = now() WHERE id = $1`, gatewayId);
  const route = () => {
    const frame = plane.app.get(RouteFeedService).snapshot();
    return frame.type === 'snapshot' ? frame.agents.find((agent) => agent.agentId === agentId) : undefined;
  };
  const becomes = async (wanted: string) => expect.poll(phase, PATIENCE).toBe(wanted);
  const routeBecomes = async (state: string | undefined) => expect.poll(() => route()?.state, PATIENCE).toBe(state);
  const asleep = async () => {
    await look();
    await becomes('paused');
    await routeBecomes('asleep');
  };
  const awake = async () => {
    await becomes('ready');
    await routeBecomes('live');
    const { address } = await row();
    expect((await fetch(`http://127.0.0.1:${address.port}/health`)).status).toBe(200);
  };
  const call = (url: string, payload: object, credential = 'proxy-credential-for-tests') =>
    plane.app.inject({ method: 'POST', url, payload, headers: { authorization: `Bearer ${credential}` } });
  const wake = (agent = agentId) => call('/internal/wake', { agentId: agent });
  /** Replaces one method of a part for the rest of this test. */
  const instead = <T extends object, K extends keyof T>(part: T, name: K, value: T[K]): T[K] => {
    const before = part[name];
    part[name] = value;
    onTestFinished(() => {
      part[name] = before;
    });
    return before;
  };
  const processes = async (): Promise<{ pid: number; state: string }[]> => {
    const folder = resolve(process.env['WIREBOT_DATA_DIR']!, 'gateways');
    const { readdir } = await import('node:fs/promises');
    const found = await Promise.all(
      (await readdir('/proc'))
        .filter((name) => /^\d+$/.test(name))
        .map(async (name) => {
          const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
          if (!environment.includes(folder) || !environment.includes(`WIREBOT_GATEWAY_ID=${gatewayId}`)) return [];
          const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => ') X');
          return [{ pid: Number(name), state: stat.slice(stat.lastIndexOf(')') + 2)[0]! }];
        }),
    );
    return found.flat();
  };

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19600-19639',
      WIREBOT_GATEWAY_RECHECK_SECONDS: '1',
    });
    await policy('sovereign', null);
    await plane.put('sol', 'sovereign');
    const member = await plane.member('sol');
    gatewayId = member.gateway!.id;
    agentId = (await sql('SELECT id FROM agents WHERE gateway_id = $1', gatewayId))[0]!['id'] as string;
  });
  afterAll(() => plane.dispose());

  beforeEach(async () => {
    await wake();
    await look('failures = 0');
    await becomes('ready');
    await policy('sovereign', 1);
  });

  it('is frozen once it was idle for long enough, and then costs no pass at all', async () => {
    await asleep();
    expect(await processes()).toEqual([{ pid: expect.any(Number), state: 'T' }]);
    await expect.poll(async () => (await row()).due_at, PATIENCE).toBeNull();
    expect((await row()).conditions.find(({ type }) => type === 'Ready')).toMatchObject({ reason: 'asleep' });
  });

  it('is woken by a herd once, and the same process answers', async () => {
    await asleep();
    const [before] = await processes();
    const { fence } = await row();
    const woken: string[] = [];
    instead(plane.app.get(StepObserver), 'committed', (kind, from, to) => void woken.push(`${kind} ${from} > ${to}`));
    const answers = await Promise.all(Array.from({ length: 300 }, () => wake()));
    expect(new Set(answers.map(({ statusCode, body }) => `${statusCode} ${body}`))).toEqual(
      new Set(['202 {"accepted":true,"trouble":null}']),
    );
    await awake();
    expect(woken.filter((edge) => edge.startsWith('gateway'))).toEqual(['gateway paused > ready']);
    expect((await processes())[0]!.pid).toBe(before!.pid);
    expect(Number((await row()).fence) - Number(fence)).toBeLessThan(10);
  });

  it('is not put to sleep again within a minute of being woken', async () => {
    await asleep();
    await wake();
    await awake();
    const { awake_until: until } = await row();
    expect(until!.getTime()).toBeGreaterThan(Date.now() + 50_000);
    await sql('UPDATE gateways SET due_at = now() WHERE id = $1', gatewayId);
    await expect.poll(async () => (await row()).due_at!.getTime() > Date.now() + 100, PATIENCE).toBe(true);
    expect(await phase()).toBe('ready');
  });

  it.each(['agreed', 'frozen'])('wakes at once when somebody needs it right after "%s"', async (moment) => {
    const seen: string[] = [];
    instead(plane.app.get(StepObserver), 'reached', (_kind, at, step) => {
      if (seen.length === 0 && at === 'suspending' && step === moment) {
        seen.push(step);
        void wake();
      }
    });
    await look();
    await expect.poll(() => seen, PATIENCE).toEqual([moment]);
    await awake();
    expect((await processes())[0]!.state).not.toBe('T');
  });

  it('stays awake, with its routes, when the gateway has something to do after all, and is left in peace for a while', async () => {
    let asked = 0;
    instead(plane.app.get(GatewayRuntime), 'suspend', () => {
      asked += 1;
      return Promise.reject(new RuntimeError('gateway-busy', 'A task runs.', false));
    });
    await look();
    await expect.poll(() => asked, PATIENCE).toBe(1);
    await awake();
    expect((await row()).awake_until!.getTime()).toBeGreaterThan(Date.now() + 20_000);
    expect((await row()).failures).toBe(0);
    expect(asked).toBe(1);
  });

  it('is ended after a long sleep, and started when it is needed', async () => {
    await policy('sovereign', 1, 3);
    await look();
    await becomes('suspended');
    expect(await processes()).toEqual([]);
    await expect.poll(async () => (await row()).due_at, PATIENCE).toBeNull();
    await policy('sovereign', null);
    await wake();
    await awake();
    expect(await processes()).toHaveLength(1);
  });

  it('is ended without being frozen first by a policy that says so', async () => {
    await policy('sovereign', null, 1);
    await look();
    await becomes('suspended');
    expect(await processes()).toEqual([]);
  });

  it('is awake some seconds before its next job', async () => {
    const at = new Date(Date.now() + 126_000);
    const runtime = plane.app.get(GatewayRuntime);
    instead(runtime, 'suspend', () => Promise.resolve({ suspended: true as const, nextJobAt: at.toISOString() }));
    await asleep();
    // The row says when it is looked at: five seconds before the job, neither earlier nor later.
    const due = async () => Math.round(((await row()).due_at?.getTime() ?? 0) / 1_000);
    await expect.poll(due, PATIENCE).toBe(Math.round((at.getTime() - 5_000) / 1_000));
    await policy('sovereign', null);
    await look(`next_job_at = now() + interval '4 seconds'`);
    await awake();
  });

  it('says what keeps it from waking, goes on trying, and wakes when it can', async () => {
    await asleep();
    let refused = 0;
    const driver = plane.app.get(GatewayDriver);
    const resume = driver.resume.bind(driver);
    let away = true;
    instead(driver, 'resume', (id, signal) => {
      if (!away) return resume(id, signal);
      refused += 1;
      return Promise.reject(new DriverError('engine-unreachable', 'The engine does not answer.', true));
    });
    await wake();
    await expect.poll(() => refused, PATIENCE).toBeGreaterThan(1);
    expect((await wake()).json()).toEqual({ accepted: true, trouble: 'engine-unreachable' });
    expect(route()?.state).toBe('asleep');
    away = false;
    await awake();
  });

  it('is started afresh when its process died in its sleep', async () => {
    await asleep();
    const [frozen] = await processes();
    process.kill(frozen!.pid, 'SIGKILL');
    await look('failures = 0');
    await becomes('suspended');
    await policy('sovereign', null);
    await wake();
    await awake();
    expect((await processes())[0]!.pid).not.toBe(frozen!.pid);
  });

  it('opens its routes again when somebody thawed it by hand', async () => {
    await asleep();
    await policy('sovereign', null);
    process.kill((await processes())[0]!.pid, 'SIGCONT');
    await look('failures = 0');
    await awake();
    expect(await phase()).toBe('ready');
  });

  it('is given what changed in its sleep before its routes open', async () => {
    await asleep();
    await sql('UPDATE gateways SET config_generation = config_generation + 1, due_at = now() WHERE id = $1', gatewayId);
    await expect.poll(async () => (await row()).due_at, PATIENCE).toBeNull();
    expect(await phase()).toBe('paused');
    await policy('sovereign', null);
    await wake();
    await awake();
    const configured = await row();
    expect((configured as unknown as { observed_config: string }).observed_config).toBe(
      (configured as unknown as { config_generation: string }).config_generation,
    );
  });

  it('corrects a route that says that an awake gateway sleeps', async () => {
    await policy('sovereign', null);
    await sql(`UPDATE routes SET route = jsonb_set(route, '{state}', '"asleep"'), version = nextval('route_version')`);
    await routeBecomes('asleep');
    await wake();
    await routeBecomes('live');
    expect(await phase()).toBe('ready');
  });

  it('answers 404 for agents that are unknown or out of service, and starts nothing', async () => {
    expect((await wake('agt_none')).statusCode).toBe(404);
    const members = plane.app.get(MembersService);
    const paused = await members.act(plane.caller, 'sol', 'pause');
    await plane.ended(paused.operation!.id);
    await becomes('suspended');
    expect((await wake()).json()).toMatchObject({ status: 404, code: 'agent-not-found' });
    await expect(plane.app.get(Wakes).agent(agentId, 'message')).rejects.toMatchObject({ code: 'agent-not-found' });
    expect(await row()).toMatchObject({ phase: 'suspended', desired_state: 'stopped' });
    expect(await processes()).toEqual([]);
    await policy('sovereign', null);
    const resumed = await members.act(plane.caller, 'sol', 'resume');
    expect(await plane.ended(resumed.operation!.id)).toMatchObject({ status: 'succeeded' });
    await awake();
  });

  it('refuses bad input and strangers', async () => {
    for (const body of [{}, { agentId: 7 }, { agentId: '' }, { agentId: 'x'.repeat(65) }, { agentId, more: 1 }])
      expect((await call('/internal/wake', body)).statusCode).toBe(400);
    expect((await call('/internal/wake', { agentId }, 'something-else')).statusCode).toBe(401);
  });
});
