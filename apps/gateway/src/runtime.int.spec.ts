import type { ChatAnswer, GatewayConfig } from '#libs/contracts';
import { type GatewayEndpoint, RuntimeError } from '#libs/runtimes/core';
import { WirebotRuntime } from '#libs/runtimes/wirebot';
import { type ModelApi, startModelApi } from '#libs/testing';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ChatClient } from './testing/chat-client.js';
import {
  createHome,
  createWarmHome,
  GatewayProcess,
  giveAgentCredential,
  removeHomes,
  replaceSecrets,
} from './testing/gateway-process.js';
import { Tenant } from './testing/tenant.js';

const runtime = new WirebotRuntime();
const { signal } = new AbortController();
let api: ModelApi;
let tenant: Tenant;
let one: GatewayProcess;
let two: GatewayProcess;
let agent: ReturnType<Tenant['agent']>;
let generation = 0;
const others: GatewayProcess[] = [];

beforeAll(async () => {
  [api, tenant] = await Promise.all([startModelApi(), Tenant.create()]);
  [one, two] = await Promise.all([GatewayProcess.start(createHome('gw_a')), GatewayProcess.start(createHome('gw_b'))]);
});
beforeEach(async () => {
  agent = tenant.agent(`r${(generation += 1)}`);
  for (const gateway of [one, two]) giveAgentCredential(gateway.home, agent.agentId, 'x');
  await runtime.apply(endpoint(two), configOf(two, []), 0, signal);
  await runtime.apply(endpoint(one), configOf(one, [agent]), 0, signal);
});
afterAll(async () => {
  await runtime.close();
  await Promise.all([one, two, ...others].map((gateway) => gateway.end('SIGKILL')));
  await api.close();
  removeHomes();
});

const endpoint = (gateway: GatewayProcess, credential = gateway.home.controlCredential): GatewayEndpoint => {
  const [port, controlPort] = [gateway.url, gateway.controlUrl].map((url) => Number(new URL(url).port));
  return { host: '127.0.0.1', port: port!, controlPort: controlPort!, credential };
};
const configOf = (gateway: GatewayProcess, agents: GatewayConfig['agents'], fence = 7): GatewayConfig =>
  tenant.config(gateway.home.gatewayId, api.url, [...agents], (generation += 1), fence);
const started = async (gateway: GatewayProcess) => {
  others.push(gateway);
  return gateway;
};
const idle = (at: GatewayEndpoint) => expect.poll(async () => (await runtime.status(at, signal)).busy).toEqual([]);
/** The whole answer, so that two of them can be compared: task, session and text. */
const say = async (gateway: GatewayProcess, text: string) => {
  const response = await fetch(`${gateway.url}/a/${agent.agentId}/chat`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await tenant.token(agent)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ text, idempotencyKey: text }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as ChatAnswer;
};

/** Code, whether another try can help, and the words for people. */
async function failure(promise: Promise<unknown>): Promise<[string, boolean]> {
  const error = await promise.then(
    () => new Error('nothing went wrong'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RuntimeError);
  const { code, retryable, message } = error as RuntimeError;
  expect(message).toMatch(/^[A-Z].*\.$/);
  expect(message).not.toContain(one.home.controlCredential);
  return [code, retryable];
}

describe('the runtime, to a gateway that runs', () => {
  it('delivers a configuration and reads the status', async () => {
    const status = await runtime.status(endpoint(one), signal);
    expect(status).toMatchObject({ gatewayId: 'gw_a', state: 'ready', fence: 7, nextJobAt: null });
    expect(status.agents).toMatchObject([{ agentId: agent.agentId, fault: null, diskBytes: 0, sockets: 0 }]);
    await say(one, 'hello');
    expect((await runtime.status(endpoint(one), signal)).agents[0]!.diskBytes).toBeGreaterThan(10_000);
  });

  it('is told that it was overtaken', async () => {
    const stale: [string, boolean] = ['stale-fence', false];
    expect(await failure(runtime.apply(endpoint(one), configOf(one, [agent], 6), 0, signal))).toEqual(stale);
    expect(await failure(runtime.suspend(endpoint(one), 6n, signal))).toEqual(stale);
    expect(await failure(runtime.resume(endpoint(one), 6n, signal))).toEqual(stale);
  });

  it('puts an idle one to sleep and wakes it, and is told what keeps a busy one awake', async () => {
    await idle(endpoint(one));
    expect(await runtime.suspend(endpoint(one), 7n, signal)).toEqual({ suspended: true, nextJobAt: null });
    expect((await runtime.status(endpoint(one), signal)).state).toBe('suspending');
    expect((await runtime.resume(endpoint(one), 7n, signal)).state).toBe('ready');
    const client = await ChatClient.connect(`${one.wsUrl}/a/${agent.agentId}/ws`, await tenant.token(agent));
    const busy = runtime.suspend(endpoint(one), 7n, signal);
    expect(await failure(busy)).toEqual(['gateway-busy', false]);
    expect(await busy.catch((error: Error) => error.message)).toContain('(socket)');
    client.close();
  });

  it('copies a detached agent, whole, and deletes it; an agent that never was is nothing', async () => {
    const answer = await say(one, 'remember');
    expect(await failure(runtime.copyAgent(endpoint(one), endpoint(two), agent.agentId, signal))).toEqual([
      'agent-attached',
      false,
    ]);
    await runtime.apply(endpoint(one), configOf(one, []), 0, signal);
    const manifest = await runtime.copyAgent(endpoint(one), endpoint(two), agent.agentId, signal);
    expect(manifest.files.map((file) => file.path)).toEqual(['agent.db']);
    await runtime.apply(endpoint(two), configOf(two, [agent]), 0, signal);
    expect(await say(two, 'remember')).toEqual(answer);
    expect(await failure(runtime.removeAgent(endpoint(two), agent.agentId, signal))).toEqual(['agent-attached', false]);
    await runtime.removeAgent(endpoint(one), agent.agentId, signal);
    await runtime.removeAgent(endpoint(one), agent.agentId, signal);
    expect(existsSync(join(one.home.stateDir, 'agents', agent.agentId))).toBe(false);
    const nothing = await runtime.copyAgent(endpoint(one), endpoint(two), 'agt_nobody', signal);
    expect(nothing).toMatchObject({ agentId: 'agt_nobody', files: [] });
  });

  it('takes snapshots of agents at work, and puts them in place, also as clones', async () => {
    await say(one, 'hello');
    const taken = await runtime.snapshotAgent(endpoint(one), agent.agentId, signal);
    const tar = await buffer(taken!);
    expect(await runtime.snapshotAgent(endpoint(one), 'agt_nobody', signal)).toBeUndefined();
    const put = (agentId: string, of: string | undefined) =>
      runtime.importAgent(endpoint(two), agentId, Readable.from([tar]), of, signal);
    expect((await put(agent.agentId, undefined)).files.map((file) => file.path)).toEqual(['agent.db']);
    expect((await put(`${agent.agentId}_clone`, agent.agentId)).agentId).toBe(`${agent.agentId}_clone`);
    expect(await failure(put(`${agent.agentId}_clone`, undefined))).toEqual(['archive-invalid', false]);
    expect(await failure(put('agt_x', 'agt_y'))).toEqual(['archive-invalid', false]);
  });

  it('says so when a download breaks off, to whoever reads it and to whoever it was for', async () => {
    const folder = join(one.home.stateDir, 'agents', agent.agentId);
    writeFileSync(join(folder, 'large'), Buffer.alloc(64 * 1024 * 1024));
    const taken = (await runtime.snapshotAgent(endpoint(one), agent.agentId, signal))!;
    renameSync(folder, `${folder}-away`);
    mkdirSync(folder);
    expect(await failure(buffer(taken))).toEqual(['transfer-interrupted', true]);
    renameSync(folder, `${folder}-empty`);
    renameSync(`${folder}-away`, folder);
    const broken = Readable.from(
      (async function* half() {
        yield Buffer.alloc(512);
        throw new RuntimeError('transfer-interrupted', 'The source broke off. Try again.', true);
      })(),
    );
    const put = runtime.importAgent(endpoint(two), agent.agentId, broken, undefined, signal);
    expect(await failure(put)).toEqual(['transfer-interrupted', true]);
  });
});

describe('the runtime, to a warm gateway', () => {
  it('claims it once', async () => {
    const home = createWarmHome('gw_warm');
    const gateway = await started(await GatewayProcess.start(home));
    const claim = endpoint(gateway, home.claimCredential);
    const config = configOf(gateway, [agent]);
    expect((await runtime.status(claim, signal)).state).toBe('warm');
    expect(await failure(runtime.suspend(claim, 7n, signal))).toEqual(['gateway-warm', true]);
    expect(await failure(runtime.claim({ ...claim, credential: 'guess' }, config, signal))).toEqual([
      'control-credential-invalid',
      false,
    ]);
    expect(await runtime.claim(claim, config, signal)).toEqual({
      generation: config.generation,
      agents: [agent.agentId],
    });
    replaceSecrets(home, agent.agentId);
    expect(await failure(runtime.claim(claim, config, signal))).toEqual(['gateway-claimed', false]);
    expect((await runtime.status(endpoint(gateway), signal)).state).toBe('ready');
  });
});

describe('the runtime, when there is no answer', () => {
  it.each([
    ['nobody listens', (server: Server) => void server.close()],
    ['the connection is cut', (server: Server) => void server.on('connection', (socket) => socket.destroy())],
    [
      'the answer is cut',
      (server: Server) =>
        void server.on('connection', (socket) =>
          socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"gateway')),
        ),
    ],
    [
      'something else answers',
      (server: Server) =>
        void server.on('connection', (socket) =>
          socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello')),
        ),
    ],
  ])('says that the gateway cannot be reached when %s', async (_name, behave) => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    behave(server);
    const at = { host: '127.0.0.1', port, controlPort: port, credential: 'c' };
    expect(await failure(runtime.status(at, signal))).toEqual(['gateway-unreachable', true]);
    server.close();
  });

  it('does not wait for a frozen one, and gives up at once when it is told to', async () => {
    const gateway = await started(await GatewayProcess.start(createHome('gw_frozen')));
    await gateway.freeze();
    expect(await failure(runtime.status(endpoint(gateway), signal))).toEqual(['gateway-unreachable', true]);
    const abort = new AbortController();
    const waiting = runtime.status(endpoint(gateway), abort.signal);
    abort.abort(new Error('the lease was lost'));
    await expect(waiting).rejects.toThrow('the lease was lost');
    gateway.thaw();
    expect((await runtime.status(endpoint(gateway), signal)).state).toBe('unconfigured');
  });
});
