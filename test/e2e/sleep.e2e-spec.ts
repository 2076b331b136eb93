import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import Docker from 'dockerode';
import type { ChatAnswer, TokenView } from '#libs/contracts';
import { delay } from '#libs/kernel';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { Api } from '../support/api.js';
import { chat, ChatSocket, http } from '../support/chat.js';
import { runningGateways } from '../support/gateways.js';
import { type Model, startModel } from '../support/model.js';
import { drivers, parts, TestStack } from '../support/stack.js';

const PATIENCE = { timeout: 30_000, interval: 50 };
/** Milliseconds after a message to a sleeping agent: together they fall into every step of its waking. */
const MOMENTS = [0, 10, 25, 50, 100];

interface Gateway {
  readonly id: string;
  readonly phase: string;
  readonly desired_state: string;
  readonly generation: string;
}

describe.each(drivers)('sleep on the %s driver', (driver) => {
  let model: Model;
  let stack: TestStack;
  let api: Api;
  let token: TokenView;
  let gatewayId: string;

  const sql = (text: string, ...values: unknown[]) => stack.database.query(text, values);
  const gateway = async (): Promise<Gateway> =>
    (
      await stack.database.query<Gateway & Record<string, unknown>>('SELECT * FROM gateways WHERE id = $1', [gatewayId])
    )[0]!;
  const becomes = (phase: string) => expect.poll(async () => (await gateway()).phase, PATIENCE).toBe(phase);
  const policy = (suspendAfterSeconds: number | null, stopAfterSeconds: number | null = null) =>
    sql(`UPDATE tiers SET idle_policy = $1 WHERE key = 'sovereign'`, { suspendAfterSeconds, stopAfterSeconds });
  /** By its policy, as if the last wish to be awake were long ago. */
  const fallsAsleep = async (phase = 'paused') => {
    await sql('UPDATE gateways SET awake_until = NULL, due_at = now() WHERE id = $1', gatewayId);
    await becomes(phase);
    const state = async () =>
      (await sql(`SELECT route->>'state' AS state FROM routes WHERE route->>'gatewayId' = $1`, gatewayId))[0]?.[
        'state'
      ];
    expect(await state()).toBe('asleep');
  };
  /** One request and no second try: what the member's client would see. */
  const say = (text: string) => http<ChatAnswer>(token, 'POST', '/chat', { text, idempotencyKey: randomUUID() });
  const answersTo = (text: string) => model.api.requests.filter((request) => request.lastUserText === text).length;
  const isFrozen = async (): Promise<boolean> => {
    if (driver === 'docker') {
      const engine = new Docker({ socketPath: parts.docker! });
      const filters = JSON.stringify({ label: [`wirebot.gateway=${gatewayId}`] });
      return (await engine.listContainers({ filters })).some((container) => container.State === 'paused');
    }
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      if (!environment.includes(`WIREBOT_GATEWAY_ID=${gatewayId}`)) continue;
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') X');
      return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
    }
    return false;
  };

  beforeAll(async () => {
    model = await startModel();
    stack = await TestStack.start({ driver, env: { ...model.env, WIREBOT_GATEWAY_RECHECK_SECONDS: '1' } });
    api = new Api(stack.file);
    await policy(null);
    gatewayId = (await api.provisioned('sol', 'sovereign')).gateway!.id;
    token = await api.token('sol');
    await chat(token, 'the first word');
  });

  afterAll(async () => {
    await stack.dispose();
    await model.api.close();
  });

  /** The supervisor starts a control plane again that a test before has killed. */
  const isBack = async () => {
    const ready = await fetch(`${stack.file.controlPlane.url}/ready`).catch(() => undefined);
    return ready?.status === 200;
  };

  beforeEach(async () => {
    for (const end = Date.now() + PATIENCE.timeout; !(await isBack()) && Date.now() < end;) await delay(50);
    await policy(1);
    token = await api.token('sol');
  });

  it('comes by itself once nothing has happened for long enough', async () => {
    await fallsAsleep();
    expect(await isFrozen()).toBe(true);
    expect(await runningGateways(stack)).toEqual([gatewayId]);
  });

  it('ends with the first message, which is answered without a second try', async () => {
    await fallsAsleep();
    const { status, body } = await say('good morning');
    expect([status, body.text]).toEqual([200, expect.stringContaining('good morning')]);
    expect(await isFrozen()).toBe(false);
    expect((await gateway()).phase).toBe('ready');
  });

  it('ends once for fifty messages at a time, each of which is answered exactly once', async () => {
    await fallsAsleep();
    const texts = Array.from({ length: 50 }, (_, n) => `all at once ${n} ${randomUUID()}`);
    const before = await sql(
      `SELECT count(*)::int AS n FROM outbox WHERE aggregate_id = $1 AND data->>'phase' = 'ready'`,
      gatewayId,
    );
    const answers = await Promise.all(texts.map(say));
    expect(answers.map(({ status }) => status)).toEqual(texts.map(() => 200));
    for (const [n, { body }] of answers.entries()) expect(body.text).toContain(texts[n]);
    expect(texts.map(answersTo)).toEqual(texts.map(() => 1));
    const after = await sql(
      `SELECT count(*)::int AS n FROM outbox WHERE aggregate_id = $1 AND data->>'phase' = 'ready'`,
      gatewayId,
    );
    expect(Number(after[0]!['n']) - Number(before[0]!['n'])).toBe(1);
  });

  it('ends with a socket, and does not come while one is open', async () => {
    await fallsAsleep();
    const socket = await ChatSocket.open(token);
    onTestFinished(() => socket.close());
    await sql('UPDATE gateways SET awake_until = NULL, due_at = now() WHERE id = $1', gatewayId);
    // Looked at several times after the policy's second has passed.
    for (let look = 0; look < 4; look += 1) {
      await delay(1_000);
      expect((await gateway()).phase).toBe('ready');
    }
    socket.message('still with me?');
    expect((await socket.until('done')).text).toContain('still with me?');
    socket.close();
    await fallsAsleep();
  });

  it('never comes in the middle of an answer', async () => {
    await say('wake up');
    model.api.enqueue({ chunks: Array.from({ length: 30 }, (_, n) => `word${n} `), chunkDelayMs: 150 });
    const answer = say('tell me a long story');
    await sql('UPDATE gateways SET awake_until = NULL, due_at = now() WHERE id = $1', gatewayId);
    const { status, body } = await answer;
    expect([status, body.text]).toEqual([200, expect.stringContaining('word29')]);
    await fallsAsleep();
  });

  it('goes on through a restart of the proxy, and ends with a message after it', async () => {
    await fallsAsleep();
    await stack.reread();
    stack.kill('proxy');
    await expect
      .poll(async () => (await fetch(`${stack.file.proxy.url}/ready`).catch(() => undefined))?.status, PATIENCE)
      .toBe(200);
    expect((await gateway()).phase).toBe('paused');
    expect((await say('after your restart')).status).toBe(200);
  });

  it('becomes an end after a long time, and a start when somebody needs it', async () => {
    await policy(1, 3);
    await fallsAsleep('suspended');
    expect(await runningGateways(stack)).toEqual([]);
    await policy(null);
    const { status, body } = await say('it was a long sleep');
    expect([status, body.text]).toEqual([200, expect.stringContaining('it was a long sleep')]);
    expect(await runningGateways(stack)).toEqual([gatewayId]);
  });

  it.each(MOMENTS)('loses no message when the control plane is killed %i ms after it woke somebody', async (moment) => {
    await fallsAsleep();
    await policy(null);
    const text = `in spite of it ${moment} ${randomUUID()}`;
    const answer = chat(token, text, { idempotencyKey: randomUUID() });
    await delay(moment);
    await stack.reread();
    stack.kill('control-plane');
    expect((await answer).text).toContain(text);
    expect(answersTo(text)).toBe(1);
    await becomes('ready');
    expect(await runningGateways(stack)).toEqual([gatewayId]);
  });

  it('is not disturbed for a member who is paused', async () => {
    await policy(null);
    await becomes('ready');
    const paused = await api.call<{ operation: { id: string } }>('POST', '/v1/members/sol/pause', {});
    await api.finished(paused.body.operation.id);
    await becomes('suspended');
    // A token of this moment is asked to come again: its route could be on its way.
    await expect.poll(async () => (await say('are you there?')).status, PATIENCE).toBe(404);
    expect(await gateway()).toMatchObject({ phase: 'suspended', desired_state: 'stopped' });
    const resumed = await api.call<{ operation: { id: string } }>('POST', '/v1/members/sol/resume', {});
    expect(await api.finished(resumed.body.operation.id)).toMatchObject({ status: 'succeeded' });
    token = await api.token('sol');
    expect((await chat(token, 'back again')).text).toContain('back again');
  });
});
