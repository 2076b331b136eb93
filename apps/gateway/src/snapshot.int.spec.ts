import {
  type ArchiveManifest,
  type ChatAnswer,
  type GatewayStatus,
  PROBLEM_HEADER,
  type SessionView,
} from '#libs/contracts';
import { type ModelApi, startModelApi } from '#libs/testing';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createHome, GatewayProcess, giveAgentCredential, removeHomes } from './testing/gateway-process.js';
import { Tenant } from './testing/tenant.js';

type Agent = ReturnType<Tenant['agent']>;

let api: ModelApi;
let tenant: Tenant;
let source: GatewayProcess;
let target: GatewayProcess;
let agent: Agent;
let count = 0;

beforeAll(async () => {
  [api, tenant] = await Promise.all([startModelApi(), Tenant.create()]);
  [source, target] = await Promise.all([
    GatewayProcess.start(createHome('gw_a')),
    GatewayProcess.start(createHome('gw_b')),
  ]);
});
beforeEach(() => {
  agent = tenant.agent(`s${(count += 1)}`);
  for (const gateway of [source, target]) giveAgentCredential(gateway.home, agent.agentId, 'x');
});
afterAll(async () => {
  await Promise.all([source.end('SIGKILL'), target.end('SIGKILL')]);
  await api.close();
  removeHomes();
});

const configure = async (gateway: GatewayProcess, agents: Agent[]) => {
  count += 1;
  const config = tenant.config(gateway.home.gatewayId, api.url, agents, count);
  expect((await gateway.control('PUT', '/config?drainMs=0', config)).status).toBe(200);
};
const post = async (gateway: GatewayProcess, text: string, session?: string) =>
  fetch(`${gateway.url}/a/${agent.agentId}/chat`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await tenant.token(agent)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ text, session, idempotencyKey: `key of ${text}`.replaceAll(' ', '-') }),
  });
const chat = async (gateway: GatewayProcess, text: string, session?: string) => {
  const response = await post(gateway, text, session);
  expect(response.status).toBe(200);
  return (await response.json()) as ChatAnswer;
};
const sessionOf = async (gateway: GatewayProcess, session: string) => {
  const headers = { authorization: `Bearer ${await tenant.token(agent)}` };
  return (await (await fetch(`${gateway.url}/session/${session}`, { headers })).json()) as SessionView;
};
const snapshot = (gateway = source) => gateway.control('GET', `/agents/${agent.agentId}/snapshot`);
const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());
const put = (tar: Uint8Array, as = agent.agentId, of?: string) =>
  target.control('PUT', `/agents/${as}/archive${of ? `?of=${of}` : ''}`, tar);
const agentsOf = (gateway: GatewayProcess) => join(gateway.home.stateDir, 'agents');
const folder = (gateway: GatewayProcess) => join(agentsOf(gateway), agent.agentId);
const leftOvers = (gateway: GatewayProcess) => readdirSync(agentsOf(gateway)).filter((name) => name.startsWith('.'));

/** Makes the folder slow to send, so that something can happen meanwhile: more than any buffer between here and there. */
function addLargeFile(name: string, megabytes = 64): string {
  mkdirSync(join(folder(source), 'workspace'), { recursive: true });
  const path = join(folder(source), 'workspace', name);
  writeFileSync(path, Buffer.alloc(megabytes * 1024 * 1024, name));
  return path;
}

/** Reads the first bytes, lets something happen, then reads the rest. */
async function during(response: Response, happens: () => void | Promise<void>): Promise<Uint8Array | string> {
  const reader = response.body!.getReader();
  const chunks = [(await reader.read()).value!];
  await happens();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) chunks.push(next.value);
  } catch {
    return 'broken off';
  }
  return new Uint8Array(Buffer.concat(chunks));
}

describe('a snapshot', () => {
  it('is the agent as of one moment, taken while it answers, and leaves nothing behind', async () => {
    await configure(source, [agent]);
    await configure(target, []);
    const first = await chat(source, 'before');
    addLargeFile('notes', 1);
    const running = post(source, '[[words 30]] [[chunk-delay 20]]', first.session);
    await expect.poll(async () => (await sessionOf(source, first.session)).messages.length).toBeGreaterThan(2);
    const taken = await bytesOf(await snapshot());
    await chat(source, 'after', first.session);
    expect((await running).status).toBe(200);
    await expect.poll(() => leftOvers(source)).toEqual([]);
    const stored = await put(taken);
    const manifest = (await stored.json()) as ArchiveManifest;
    expect([stored.status, manifest.files.map((file) => file.path)]).toEqual([200, ['agent.db', 'workspace/notes']]);
    await configure(target, [agent]);
    const texts = async () => (await sessionOf(target, first.session)).messages.map((message) => message.text);
    await expect.poll(async () => (await texts()).length).toBe(4);
    expect((await texts())[0]).toBe('before');
    expect(await texts()).not.toContain('after');
    expect(await chat(target, 'before', first.session)).toEqual(first);
  });

  it('holds nobody up: not the agent, nor a configuration for others', async () => {
    await configure(source, [agent]);
    await chat(source, 'hello');
    addLargeFile('slow');
    const other = tenant.agent(`other${count}`);
    const tar = await during(await snapshot(), async () => {
      await chat(source, 'meanwhile');
      await configure(source, [agent, other]);
      await chat(source, 'still here');
    });
    expect((await put(tar as Uint8Array)).status).toBe(200);
  });

  it('is taken of a detached agent too, with what a crash left in the log', async () => {
    const home = createHome('gw_c');
    giveAgentCredential(home, agent.agentId, 'x');
    const crashing = await GatewayProcess.start(home);
    await configure(crashing, [agent]);
    const first = await chat(crashing, 'hello');
    await crashing.end('SIGKILL');
    writeFileSync(join(home.stateDir, 'gateway.json'), JSON.stringify(tenant.config('gw_c', api.url, [])));
    const again = await GatewayProcess.start(home);
    const tar = await bytesOf(await snapshot(again));
    await again.end('SIGKILL');
    await configure(target, []);
    expect((await put(tar)).status).toBe(200);
    await configure(target, [agent]);
    expect((await chat(target, 'more', first.session)).text).toBe('Answer to "more" (message 3).');
  });

  it('of an agent that was never here is 404, of one that never spoke has no files', async () => {
    const missing = await snapshot();
    expect([missing.status, missing.headers.get(PROBLEM_HEADER)]).toEqual([404, 'agent-not-found']);
    await configure(source, [agent]);
    await configure(target, []);
    const stored = await put(await bytesOf(await snapshot()));
    expect(((await stored.json()) as ArchiveManifest).files).toEqual([]);
  });

  it('takes a file that grows as long as it was', async () => {
    await configure(source, [agent]);
    const path = addLargeFile('growing');
    const tar = await during(await snapshot(), () => writeFileSync(path, Buffer.alloc(4_000_000), { flag: 'a' }));
    await configure(target, []);
    const manifest = (await (await put(tar as Uint8Array)).json()) as ArchiveManifest;
    expect(manifest.files.map(({ path: name, size }) => [name, size])).toEqual([
      ['workspace/growing', 64 * 1024 * 1024],
    ]);
  });

  const disturbances: [string, () => void][] = [
    ['shrinks', () => truncateSync(join(folder(source), 'workspace/b'), 10)],
    ['vanishes', () => rmSync(join(folder(source), 'workspace/b'))],
    [
      'is replaced with the whole folder',
      () => {
        renameSync(folder(source), `${folder(source)}.old`);
        addLargeFile('b', 1);
      },
    ],
  ];
  it.each(disturbances)('breaks off when a file %s, and can be asked for again', async (_name, disturb) => {
    await configure(source, [agent]);
    addLargeFile('a');
    addLargeFile('b', 1);
    expect(await during(await snapshot(), disturb)).toBe('broken off');
    await expect.poll(() => leftOvers(source)).toEqual([]);
    const again = await snapshot();
    expect(again.status).toBe(200);
    expect((await put(await bytesOf(again))).status).toBe(200);
    rmSync(`${folder(source)}.old`, { recursive: true, force: true });
  });

  it('leaves nothing when its reader goes away, nor when the gateway is killed', async () => {
    const home = createHome('gw_d');
    giveAgentCredential(home, agent.agentId, 'x');
    const gateway = await GatewayProcess.start(home);
    await configure(gateway, [agent]);
    await chat(gateway, 'hello');
    writeFileSync(join(folder(gateway), 'large'), Buffer.alloc(64 * 1024 * 1024));
    const first = await snapshot(gateway);
    await first.body!.cancel();
    await expect.poll(() => leftOvers(gateway)).toEqual([]);
    const second = await snapshot(gateway);
    expect(leftOvers(gateway)).toHaveLength(1);
    await gateway.end('SIGKILL');
    await second.body!.cancel().catch(() => undefined);
    expect(leftOvers(gateway)).toHaveLength(1);
    const again = await GatewayProcess.start(home);
    expect(leftOvers(again)).toEqual([]);
    await again.end('SIGKILL');
  });

  it('says of a damaged database that it is damaged', async () => {
    mkdirSync(folder(source), { recursive: true });
    writeFileSync(join(folder(source), 'agent.db'), 'this is no database '.repeat(100));
    await configure(source, [agent]);
    const refused = await snapshot();
    expect([refused.status, refused.headers.get(PROBLEM_HEADER)]).toEqual([503, 'state-damaged']);
    expect(leftOvers(source)).toEqual([]);
    const { agents } = (await (await source.control('GET', '/status')).json()) as GatewayStatus;
    expect(agents.at(-1)!.fault).toContain('Restore its newest backup');
  });

  it('keeps an archive of the same folder from lacking rows', async () => {
    await configure(source, [agent]);
    await chat(source, 'hello');
    await configure(source, []);
    const reader = new DatabaseSync(join(folder(source), 'agent.db'));
    const writer = new DatabaseSync(join(folder(source), 'agent.db'));
    reader.exec('BEGIN; SELECT count(*) FROM tasks');
    writer.exec("INSERT INTO sessions (session, created_at, updated_at) VALUES ('late', '', '')");
    const refused = await source.control('GET', `/agents/${agent.agentId}/archive`);
    expect([refused.status, refused.headers.get(PROBLEM_HEADER)]).toEqual([503, 'folder-in-use']);
    reader.close();
    writer.close();
    expect((await source.control('GET', `/agents/${agent.agentId}/archive`)).status).toBe(200);
  });
});

describe('a clone', () => {
  it('has the conversations of the other, and leaves to it what it has not answered yet', async () => {
    await configure(source, [agent]);
    const first = await chat(source, 'hello');
    const running = post(source, '[[first-delay 1500]] slow', first.session);
    await expect.poll(async () => (await sessionOf(source, first.session)).messages.length).toBe(3);
    const tar = await bytesOf(await snapshot());
    const clone = { ...agent, agentId: `${agent.agentId}_clone` };
    await configure(target, []);
    expect((await put(tar, clone.agentId)).status).toBe(422);
    expect((await put(tar, clone.agentId, '../x')).status).toBe(400);
    expect((await put(tar, clone.agentId, 'agt_wrong')).status).toBe(422);
    const stored = await put(tar, clone.agentId, agent.agentId);
    expect([stored.status, ((await stored.json()) as ArchiveManifest).agentId]).toEqual([200, clone.agentId]);
    giveAgentCredential(target.home, clone.agentId, 'x');
    await configure(target, [clone]);
    expect((await running).status).toBe(200);
    const view = await sessionOf(target, first.session);
    expect(view.messages.map(({ text, status }) => [text, status])).toEqual([
      ['hello', 'completed'],
      [first.text, 'completed'],
      ['[[first-delay 1500]] slow', 'aborted'],
    ]);
    expect(api.requests.filter(({ lastUserText }) => lastUserText.endsWith('slow'))).toHaveLength(1);
    expect(existsSync(folder(source))).toBe(true);
  });
});
