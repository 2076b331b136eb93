import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { delay } from '#libs/kernel';
import { type Answer, Api } from '../support/api.js';
import { chat, session } from '../support/chat.js';
import { type Model, startModel } from '../support/model.js';
import { operatorCalls } from '../support/other-tenant.js';
import { ResumingReader } from '../support/resuming-reader.js';
import { canRunEngines, SecondEngine } from '../support/second-engine.js';
import { parts, TestStack } from '../support/stack.js';

interface Host {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly silentSince: string | null;
  readonly reason: string | null;
  readonly brokerAddress: string;
  readonly use: { readonly gateways: number };
}

const able = Boolean(parts.docker && parts.image) && (canRunEngines || Boolean(process.env['CI']));

describe.skipIf(!able)('two engines as two hosts', () => {
  let model: Model;
  let stack: TestStack;
  let api: Api;
  let operator: Api;
  let far: SecondEngine;
  let farId: string;
  let localId: string;
  /** The conversation that begins on the first host. */
  let first: string;

  const host = async (id: string) => (await operator.call<Host>('GET', `/v1/admin/hosts/${id}`)).body;
  const act = (id: string, action: string, body: object = {}): Promise<Answer<Host & { code: string }>> =>
    operator.call('POST', `/v1/admin/hosts/${id}/${action}`, body);
  const agentOf = async (externalId: string) => {
    const rows = await stack.database.query<{ id: string; host: string | null; phase: string; gateway: string | null }>(
      `SELECT a.id, a.phase, g.id AS gateway, h.name AS host FROM agents a JOIN members m ON m.id = a.member_id
       LEFT JOIN gateways g ON g.id = a.gateway_id LEFT JOIN hosts h ON h.id = g.host_id WHERE m.external_id = $1`,
      [externalId],
    );
    return rows[0]!;
  };
  async function until<T>(read: () => Promise<T>, holds: (value: T) => boolean, limitMs = 90_000): Promise<T> {
    const end = Date.now() + limitMs;
    for (;;) {
      const value = await read();
      if (holds(value)) return value;
      if (Date.now() > end) throw new Error(`it did not happen: ${JSON.stringify(value)}`);
      await delay(100);
    }
  }
  async function moved(externalId: string, hostId: string): Promise<void> {
    const { id } = await agentOf(externalId);
    const answer = await operator.call<{ id: string }>('POST', `/v1/admin/agents/${id}/move`, { hostId });
    expect(answer.status).toBe(202);
    expect(await api.finished(answer.body.id, 120_000)).toMatchObject({ status: 'succeeded' });
  }

  beforeAll(async () => {
    [model, far] = [await startModel(), await SecondEngine.start()];
    stack = await TestStack.start({ driver: 'docker', env: model.env });
    api = new Api(stack.file);
    const { post } = await operatorCalls(stack.file);
    operator = new Api(
      stack.file,
      (await post<{ key: string }>('/v1/admin/keys', { name: 'test', scopes: ['*'] })).key,
    );
    const { items } = (await operator.call<{ items: Host[] }>('GET', '/v1/admin/hosts')).body;
    localId = items[0]!.id;
  }, 300_000);

  afterAll(async () => {
    // Also of a start that failed half-way nothing stays.
    const made: Partial<{ stack: TestStack; far: SecondEngine; model: Model }> = { stack, far, model };
    made.far?.go();
    await made.stack?.dispose();
    await made.far?.dispose();
    await made.model?.api.close();
  }, 120_000);

  it('takes an engine only after it has run a gateway there, and says what is missing', async () => {
    const connection = { kind: 'unix', socketPath: far.socketPath, ...far.folders };
    const wanted = { name: 'far', connection, ports: { from: 22_000, to: 22_019 } };
    const nobody = { ...connection, socketPath: '/nonexistent/docker.sock' };
    const absent = await operator.call<{ code: string }>('POST', '/v1/admin/hosts', { ...wanted, connection: nobody });
    expect([absent.status, absent.body.code]).toEqual([422, 'host-unusable']);
    const early = await operator.call<{ code: string; detail: string }>('POST', '/v1/admin/hosts', wanted);
    expect([early.status, early.body.code]).toEqual([422, 'host-unusable']);
    expect(early.body.detail).toMatch(/image/i);
    await far.take(parts.image!, parts.docker!);
    const made = await operator.call<Host>('POST', '/v1/admin/hosts', wanted);
    expect(made).toMatchObject({ status: 201, body: { state: 'active' } });
    expect(await far.gateways()).toEqual([]);
    farId = made.body.id;
    expect((await host(localId)).brokerAddress).not.toBe(made.body.brokerAddress);
  });

  it('places a gateway there, whose agent answers through the broker at that host’s own address', async () => {
    await act(localId, 'cordon');
    await api.provisioned('sol', 'sovereign');
    await act(localId, 'uncordon');
    const agent = await agentOf('sol');
    expect([agent.host, await far.gateways()]).toEqual(['far', [agent.gateway]]);
    const before = model.api.requests.length;
    first = (await chat(await api.token('sol'), 'my number is 4711')).session;
    expect(model.api.requests.length).toBe(before + 1);
  });

  it('moves it away and back; a client that streams meanwhile loses and repeats nothing', async () => {
    const token = await api.token('sol');
    const begun = await chat(token, 'begin');
    const known = await session(token, begun.session);
    const reader = new ResumingReader(token, begun.session, 0);
    for (const target of [localId, farId]) {
      const socket = await reader.start();
      socket.message('tell me much [[words 60]] [[chunk-delay 50]]', { session: begun.session });
      const { task } = await socket.until('accepted');
      await socket.until('response', task);
      const moving = moved('sol', target);
      const done = await reader.read(task, 120_000);
      await moving;
      const deltas = reader.frames.flatMap((frame) =>
        frame.type === 'response' && frame.task === task ? frame.delta : [],
      );
      expect(deltas.join('')).toBe(done.text);
      expect(await chat(token, 'still there?', { session: begun.session })).toMatchObject({ session: begun.session });
      reader.frames.length = 0;
    }
    const after = await session(token, begun.session);
    expect(after.messages.length).toBe(known.messages.length + 8);
    expect((await agentOf('sol')).host).toBe('far');
  }, 240_000);

  it('is not held up by an engine that hangs, and goes on with it afterwards', async () => {
    far.freeze();
    const during = await api.provisioned('max', 'sovereign');
    expect(during.gateway).toMatchObject({ phase: 'ready' });
    expect((await agentOf('max')).host).toBe('local');
    await until(
      () => host(farId),
      ({ silentSince }) => silentSince !== null,
    );
    await api.provisioned('moe', 'sovereign');
    expect((await agentOf('moe')).host).toBe('local');
    // What runs there serves on: only its engine hangs.
    expect((await chat(await api.token('sol'), 'are you there?')).text).not.toBe('');
    far.go();
    await until(
      () => host(farId),
      ({ silentSince }) => silentSince === null,
    );
  }, 240_000);

  it('empties a host: everything leaves with all it has', async () => {
    await act(farId, 'drain', { reason: 'maintenance' });
    await until(
      () => host(farId),
      ({ use, reason }) => use.gateways === 0 && reason?.startsWith('Drained') === true,
    );
    expect(await far.gateways()).toEqual([]);
    expect((await agentOf('sol')).host).toBe('local');
    await chat(await api.token('sol'), 'which number?', { session: first });
    expect(JSON.stringify(model.api.requests.at(-1)?.body['messages'])).toContain('my number is 4711');
    expect((await act(farId, 'uncordon')).body.state).toBe('active');
  }, 240_000);

  it('recovers from the loss of a host: its agents begin on another one from their last backups', async () => {
    await moved('sol', farId);
    const token = await api.token('sol');
    const said = await chat(token, 'remember the number 815');
    const tenant = { 'wirebot-tenant': stack.file.tenant.id };
    const backup = await operator.call<{ id: string }>('POST', '/v1/members/sol/backups', {}, tenant);
    expect([200, 201, 202]).toContain(backup.status);
    await until(
      () => stack.database.query<{ status: string }>(`SELECT status FROM backups ORDER BY created_at DESC LIMIT 1`),
      ([row]) => row?.status === 'succeeded',
    );
    await far.burn();
    await until(
      () => host(farId),
      ({ silentSince }) => silentSince !== null,
    );
    expect((await act(farId, 'lost', { reason: 'fire' })).status).toBe(202);
    const agent = await until(
      () => agentOf('sol'),
      ({ host: on, phase }) => on === 'local' && phase === 'ready',
    );
    expect(agent.host).toBe('local');
    const kept = await session(await api.token('sol'), said.session);
    expect(kept.messages.map(({ text }) => text)).toContain('remember the number 815');
    await chat(await api.token('sol'), 'which one?', { session: said.session });
    expect((await operator.call('DELETE', `/v1/admin/hosts/${farId}`)).status).toBe(204);
  }, 240_000);
});
