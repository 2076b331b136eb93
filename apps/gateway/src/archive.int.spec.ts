import type { ArchiveManifest, ChatAnswer } from '#libs/contracts';
import { type ModelApi, startModelApi } from '#libs/testing';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type Header, pack } from 'tar-stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createHome, GatewayProcess, giveAgentCredential, removeHomes } from './testing/gateway-process.js';
import { Tenant } from './testing/tenant.js';

let api: ModelApi;
let tenant: Tenant;
let source: GatewayProcess;
let target: GatewayProcess;
let agent: ReturnType<Tenant['agent']>;
let count = 0;

const configure = async (gateway: GatewayProcess, agents: Parameters<Tenant['config']>[2]) => {
  count += 1;
  const config = tenant.config(gateway.home.gatewayId, api.url, agents, count);
  expect((await gateway.control('PUT', '/config?drainMs=0', config)).status).toBe(200);
};
const chat = async (gateway: GatewayProcess, text: string, session?: string) => {
  const response = await fetch(`${gateway.url}/a/${agent.agentId}/chat`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await tenant.token(agent)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ text, session, idempotencyKey: `key of ${text}`.replaceAll(' ', '-') }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as ChatAnswer;
};
const path = () => `/agents/${agent.agentId}/archive`;
const codeOf = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code];
const folder = (gateway: GatewayProcess) => join(gateway.home.stateDir, 'agents', agent.agentId);

beforeAll(async () => {
  [api, tenant] = await Promise.all([startModelApi(), Tenant.create()]);
  [source, target] = await Promise.all([
    GatewayProcess.start(createHome('gw_a')),
    GatewayProcess.start(createHome('gw_b')),
  ]);
});
beforeEach(() => {
  agent = tenant.agent(`m${(count += 1)}`);
  for (const gateway of [source, target]) giveAgentCredential(gateway.home, agent.agentId, 'x');
});
afterAll(async () => {
  await Promise.all([source.end('SIGKILL'), target.end('SIGKILL')]);
  await api.close();
  removeHomes();
});

describe('an archive', () => {
  it('moves an agent to another gateway with its conversation and its idempotency keys', async () => {
    await configure(source, [agent]);
    await configure(target, []);
    const first = await chat(source, 'remember this');
    mkdirSync(join(folder(source), 'workspace/memory'), { recursive: true });
    writeFileSync(join(folder(source), 'workspace/memory/2026-11-20.md'), 'a note');
    expect(await codeOf(await source.control('GET', path()))).toEqual([409, 'agent-attached']);
    await configure(source, []);
    const archive = await source.control('GET', path());
    expect(archive.headers.get('content-type')).toBe('application/x-tar');
    const put = await target.control('PUT', path(), archive.body);
    expect(put.status).toBe(200);
    const manifest = (await put.json()) as ArchiveManifest;
    expect(manifest.files.map((file) => file.path)).toEqual(['agent.db', 'workspace/memory/2026-11-20.md']);
    await configure(target, [agent]);
    expect(readFileSync(join(folder(target), 'workspace/memory/2026-11-20.md'), 'utf8')).toBe('a note');
    expect((await chat(target, 'what was it', first.session)).text).toBe('Answer to "what was it" (message 3).');
    expect(await chat(target, 'remember this', first.session)).toEqual(first);
    expect((await source.control('DELETE', `/agents/${agent.agentId}`)).status).toBe(204);
    expect(existsSync(folder(source))).toBe(false);
  });

  it('moves an agent that nobody has talked to yet', async () => {
    await configure(source, [agent]);
    await configure(source, []);
    const archive = await source.control('GET', path());
    const put = await target.control('PUT', path(), archive.body);
    expect([put.status, ((await put.json()) as ArchiveManifest).files]).toEqual([200, []]);
    await configure(target, [agent]);
    expect((await chat(target, 'hello')).text).toBe('Answer to "hello" (message 1).');
  });

  it('carries what a crash left in the write-ahead log', async () => {
    const home = createHome('gw_c');
    giveAgentCredential(home, agent.agentId, 'x');
    const crashing = await GatewayProcess.start(home);
    await configure(crashing, [agent]);
    const first = await chat(crashing, 'hello');
    await crashing.end('SIGKILL');
    expect(existsSync(join(folder(crashing), 'agent.db-wal'))).toBe(true);
    writeFileSync(join(home.stateDir, 'gateway.json'), JSON.stringify(tenant.config('gw_c', api.url, [])));
    const again = await GatewayProcess.start(home);
    const archive = await again.control('GET', path());
    expect((await target.control('PUT', path(), archive.body)).status).toBe(200);
    await again.end('SIGKILL');
    await configure(target, [agent]);
    expect((await chat(target, 'more', first.session)).text).toBe('Answer to "more" (message 3).');
  });

  it('replaces a detached folder whole, never an attached one', async () => {
    await configure(source, [agent]);
    await chat(source, 'hello');
    await configure(source, []);
    const bytes = new Uint8Array(await (await source.control('GET', path())).arrayBuffer());
    await configure(target, [agent]);
    expect(await codeOf(await target.control('PUT', path(), bytes))).toEqual([409, 'agent-attached']);
    expect(await codeOf(await target.control('DELETE', `/agents/${agent.agentId}`))).toEqual([409, 'agent-attached']);
    await configure(target, []);
    mkdirSync(folder(target), { recursive: true });
    writeFileSync(join(folder(target), 'left-over'), 'x');
    expect((await target.control('PUT', path(), bytes)).status).toBe(200);
    expect(readdirSync(folder(target))).toEqual(['agent.db']);
  });

  it('answers 404 for an agent that was never here, and deletes it all the same', async () => {
    expect(await codeOf(await source.control('GET', path()))).toEqual([404, 'agent-not-found']);
    expect((await source.control('DELETE', `/agents/${agent.agentId}`)).status).toBe(204);
    expect((await source.control('DELETE', '/agents/..%2F..%2Fetc')).status).toBe(404);
  });
});

describe('an archive that cannot be trusted', () => {
  type Entry = [header: Partial<Header> & { name: string }, content?: string];
  const manifestOf = (files: [path: string, content: string][], agentId = agent.agentId): Entry => {
    const list = files.map(([name, content]) => ({
      path: name,
      size: Buffer.byteLength(content),
      sha256: createHash('sha256').update(content).digest('hex'),
    }));
    return [{ name: 'manifest.json' }, JSON.stringify({ agentId, createdAt: '2026-11-20T00:00:00Z', files: list })];
  };
  const tarOf = async (...entries: Entry[]) => {
    const tar = pack();
    for (const [header, content] of entries) tar.entry(header, content ?? '');
    tar.finalize();
    return new Uint8Array(await buffer(tar));
  };
  const cases: [string, () => Promise<Uint8Array>][] = [
    ['an absolute path', () => tarOf([{ name: '/tmp/x' }, 'x'], manifestOf([['/tmp/x', 'x']]))],
    ['a path upwards', () => tarOf([{ name: 'a/../../x' }, 'x'], manifestOf([['a/../../x', 'x']]))],
    ['a symbolic link', () => tarOf([{ name: 'x', type: 'symlink', linkname: '/etc' }], manifestOf([]))],
    ['a hard link', () => tarOf([{ name: 'x', type: 'link', linkname: '/etc/passwd' }], manifestOf([]))],
    ['a device', () => tarOf([{ name: 'x', type: 'character-device' }], manifestOf([]))],
    ['a path twice', () => tarOf([{ name: 'x' }, '1'], [{ name: 'x' }, '2'], manifestOf([['x', '2']]))],
    ['a changed file', () => tarOf([{ name: 'x' }, 'evil'], manifestOf([['x', 'good']]))],
    ['a file too many', () => tarOf([{ name: 'x' }, 'x'], [{ name: 'y' }, 'y'], manifestOf([['x', 'x']]))],
    ['a file too few', () => tarOf(manifestOf([['x', 'x']]))],
    ['no manifest', () => tarOf([{ name: 'x' }, 'x'])],
    ['something after the manifest', () => tarOf(manifestOf([]), [{ name: 'x' }, 'x'])],
    ['the manifest of another agent', () => tarOf(manifestOf([], 'agt_other'))],
    ['rubbish', () => Promise.resolve(new TextEncoder().encode('rubbish '.repeat(500)))],
    ['half an archive', async () => (await tarOf([{ name: 'x' }, 'x'.repeat(9000)], manifestOf([]))).slice(0, 3000)],
  ];

  it.each(cases)('with %s is refused and leaves nothing', async (_name, make) => {
    expect(await codeOf(await target.control('PUT', path(), await make()))).toEqual([422, 'archive-invalid']);
    expect(existsSync(folder(target))).toBe(false);
    expect(readdirSync(join(target.home.stateDir, 'agents')).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(existsSync('/tmp/x')).toBe(false);
  });
});
