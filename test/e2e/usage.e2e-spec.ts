import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AgentRoute, TenantRoute } from '#libs/contracts';
import { delay } from '#libs/kernel';
import { startModelApi, type ModelApi } from '#libs/testing';
import { type Member, UsageLab } from '../../apps/control-plane/src/usage/testing/usage-lab.js';
import { agentRoute, credentialOf, tenantRoute, until } from '../../apps/proxy/test/stack.fixture.js';

const ROOT = join(import.meta.dirname, '..', '..');

/** The control plane's door: routes that the test decides, and the real usage part behind it. It can lose answers and be away. */
class Door {
  tenants: TenantRoute[] = [];
  agents: AgentRoute[] = [];
  away = false;
  /** Every so many answers, one is lost after its work is done; 0: none. */
  loseEvery = 0;
  #answers = 0;
  #version = 0;
  readonly #feeds = new Set<ServerResponse>();
  readonly #server: Server;

  constructor(private readonly lab: UsageLab) {
    this.#server = createServer((req, res) => {
      if (this.away) return void req.socket.destroy();
      if (req.url === '/internal/routes') return this.#feed(res);
      let payload = '';
      req.on('data', (chunk) => (payload += String(chunk)));
      req.on('end', () => void this.#pass(req.url ?? '', payload, res));
    });
  }

  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Proxies come back for the new routes. */
  publish(tenants: TenantRoute[], agents: AgentRoute[]): void {
    [this.tenants, this.agents] = [tenants, agents];
    this.#version += 1;
    for (const feed of this.#feeds) feed.destroy();
  }

  #feed(res: ServerResponse): void {
    this.#feeds.add(res);
    res.on('close', () => this.#feeds.delete(res));
    const { tenants, agents } = this;
    const empty = { jwks: { keys: [] }, revocations: [], providerKeys: [] };
    const frame = { type: 'snapshot', epoch: 'e', version: this.#version, issuer: 'i', tenants, agents, ...empty };
    res.writeHead(200, { 'content-type': 'application/x-ndjson' }).write(`${JSON.stringify(frame)}\n`);
  }

  async #pass(url: string, payload: string, res: ServerResponse): Promise<void> {
    const answer = await this.lab.post(url, JSON.parse(payload) as object);
    this.#answers += 1;
    if (this.away || (this.loseEvery > 0 && this.#answers % this.loseEvery === 0)) return void res.destroy();
    res.writeHead(answer.statusCode, { 'content-type': 'application/json' }).end(answer.body);
  }
}

/** One proxy as a process, with a folder of its own that outlives it. */
class Proxy {
  url = '';
  #child: ChildProcess | undefined;

  constructor(
    private readonly code: string,
    private readonly folder: string,
    private readonly environment: Record<string, string>,
  ) {}

  async start(): Promise<void> {
    const env = { PATH: process.env['PATH'], ...this.environment, WIREBOT_DATA_DIR: this.folder };
    const child = spawn(process.execPath, [join(this.code, 'dist/apps/proxy/src/main.js')], { env, cwd: this.code });
    this.#child = child;
    let text = '';
    child.stdout.on('data', (chunk) => (text += String(chunk)));
    child.stderr.on('data', (chunk) => (text += String(chunk)));
    const line = () => text.split('\n').find((one) => one.includes('model broker listening'));
    await until(() => line() !== undefined, 30_000);
    await until(() => text.includes('route table'), 30_000);
    this.url = `http://127.0.0.1:${(JSON.parse(line()!) as { port: number }).port}/anthropic/v1/messages`;
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill(signal);
    await once(this.#child, 'exit');
  }
}

let lab: UsageLab;
let api: ModelApi;
let door: Door;
let folder: string;
let proxies: Proxy[];
let acme: { tenantId: string; key: string };
let members: Member[];
let n = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wirebot-usage-'));
  const swc = join(ROOT, 'node_modules/.bin/swc');
  execFileSync(swc, ['apps/proxy/src', 'libs', '-d', join(folder, 'dist')], { cwd: ROOT, stdio: 'pipe' });
  copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'proxy-credential'), 'test-proxy-credential');
  lab = await UsageLab.start();
  api = await startModelApi();
  door = new Door(lab);
  const environment = {
    WIREBOT_PROXY_PORT: '0',
    WIREBOT_BROKER_LISTEN: '127.0.0.1:0',
    WIREBOT_SECRETS_DIR: folder,
    WIREBOT_CONTROL_PLANE_URL: await door.open(),
    ANTHROPIC_API_KEY: 'k',
    ANTHROPIC_BASE_URL: api.url,
  };
  acme = await lab.test.seedTenant('first');
  door.publish([tenantRoute('first', { tenantId: acme.tenantId })], []);
  proxies = [1, 2, 3].map((i) => new Proxy(folder, join(folder, `data-${i}`), environment));
  for (const proxy of proxies) await proxy.start();
});
afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.kill('SIGKILL')));
  door.close();
  await api.close();
  await lab.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A tenant with members, known to every proxy. */
async function publish(count: number, tenantTokens: number): Promise<void> {
  const slug = `acme-${(n += 1)}`;
  acme = await lab.test.seedTenant(slug);
  await lab.limitTenant(acme.tenantId, { tokensPerDay: tenantTokens });
  members = [];
  for (let i = 0; i < count; i += 1) members.push(await lab.test.seedMember(acme.tenantId, `m${i}`));
  const limits = { tokensPerDay: tenantTokens, costPerDayMicros: null };
  const prober = await lab.test.seedMember(acme.tenantId, 'prober');
  const routes = [...members, prober].map((member) => ({
    ...agentRoute('x', 'x', 1),
    ...member,
    tenantId: acme.tenantId,
    credentialSha256: sha256(credentialOf(member.agentId)),
  }));
  door.publish([tenantRoute(slug, { tenantId: acme.tenantId, limits })], routes);
  for (const proxy of proxies) {
    const probe = async () => (await call(proxy, prober, 'probe', {}, '{"max_tokens":1}')).status;
    await expect.poll(probe).toBe(400);
  }
}
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const bodyOf = (text: string) =>
  JSON.stringify({ model: 'claude-haiku-4-5', max_tokens: 200, messages: [{ role: 'user', content: text }] });

const call = (proxy: Proxy, member: Member, task: string, headers = {}, body = bodyOf(task)) =>
  fetch(proxy.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-api-key': credentialOf(member.agentId),
      'anthropic-version': '1',
      'x-wirebot-task': task,
      ...headers,
    },
    body,
  });

const leasedToMembers = async (): Promise<number> => {
  const counters = await Promise.all(members.map((member) => lab.counter(member.memberId)));
  return counters.reduce((sum, counter) => sum + counter.leased, 0);
};

const records = async (): Promise<{ task: string; outcome: string; tokens: number }[]> =>
  lab.test.database.query(
    `SELECT task_id AS task, outcome, (input_tokens + output_tokens)::int AS tokens FROM usage_records
     WHERE tenant_id = $1 AND task_id <> 'probe'`,
    [acme.tenantId],
  );

describe('quota over several proxies', () => {
  it('lets pass exactly as many of 1,000 parallel calls as fit, and never promises more', async () => {
    const answer = 'a'.repeat(400);
    const text = 't'.repeat(40);
    const reserve = Math.ceil(bodyOf(text).length / 3) + 200;
    const used = Math.ceil(JSON.stringify(['', [{ role: 'user', content: text }]]).length / 4) + 100;
    const fit = 120;
    const limit = (fit - 1) * used + reserve + Math.floor(used / 2);
    await publish(42, limit);
    const taken = (await lab.counter(acme.tenantId)).used;
    await lab.limitTenant(acme.tenantId, { tokensPerDay: limit + taken });
    api.setReply({ text: answer, firstTokenDelayMs: 30 });
    const watching = new AbortController();
    let most = 0;
    const watch = (async () => {
      while (!watching.signal.aborted) {
        const counter = await lab.counter(acme.tenantId);
        most = Math.max(most, counter.used + counter.leased);
        await delay(100);
      }
    })();
    const untilDecided = async (i: number): Promise<number> => {
      for (;;) {
        const answer = await call(proxies[i % 3]!, members[i % 42]!, `tsk_${i}`, {}, bodyOf(text));
        const said = await answer.text();
        if (answer.status === 200 || said.includes('quota-exhausted')) return answer.status;
        // On a busy machine the control plane may take too long to answer: that is said, and no call is made.
        expect(said).toMatch(/quota-reserved|too-many-calls|quota-unavailable/);
        await delay(1_000 + Math.random() * 1_000);
      }
    };
    const statuses = await Promise.all(Array.from({ length: 1_000 }, (_, i) => untilDecided(i))).finally(() => {
      watching.abort();
    });
    await watch;
    expect(statuses.filter((status) => status === 200)).toHaveLength(fit);
    expect(most).toBeLessThanOrEqual(limit + taken);
    await expect.poll(async () => (await records()).length).toBe(fit);
    await expect.poll(async () => (await lab.counter(acme.tenantId)).leased, { timeout: 20_000 }).toBe(0);
    expect(await lab.counter(acme.tenantId)).toMatchObject({ used: taken + fit * used });
    expect(await lab.differences()).toEqual([]);
    api.setReply({});
  });
});

describe('usage when processes die', () => {
  beforeEach(async () => {
    api.setReply({});
    await publish(12, 1_000_000_000);
  });

  it('counts calls that kill -9 of the proxy cut off, as soon as it is back, and gives its leases back', async () => {
    const proxy = proxies[0]!;
    const count = api.requests.length;
    api.setReply({ firstTokenDelayMs: 60_000 });
    const open = members.map((member, i) => call(proxy, member, `cut_${i}`).catch(() => undefined));
    await expect.poll(() => api.requests.length).toBe(count + members.length);
    await proxy.kill('SIGKILL');
    await Promise.all(open);
    expect(await records()).toEqual([]);
    expect(await leasedToMembers()).toBeGreaterThan(0);
    await proxy.start();
    await expect.poll(async () => (await records()).length).toBe(members.length);
    const reserve = (task: string) => Math.ceil(bodyOf(task).length / 3) + 200;
    for (const { task, outcome, tokens } of await records())
      expect([outcome, tokens]).toEqual(['cut-off', reserve(task)]);
    await expect.poll(leasedToMembers).toBe(0);
    expect(await lab.differences()).toEqual([]);
  });

  it('counts every call once while proxies are killed, answers get lost and the control plane is away', async () => {
    const before = api.requests.length;
    const calling = new AbortController();
    let made = 0;
    const answered: string[] = [];
    const client = async (member: Member) => {
      while (!calling.signal.aborted) {
        const task = `chaos_${(made += 1)}`;
        const answer = await call(proxies[made % 3]!, member, task).catch(() => undefined);
        const text = await answer?.text().catch(() => undefined);
        if (answer?.status === 200 && text !== undefined) answered.push(task);
        else await delay(20);
      }
    };
    const clients = members.map((member) => client(member));
    door.loseEvery = 3;
    for (let round = 0; round < 6; round += 1) {
      await delay(400);
      if (round % 3 === 1) door.away = true;
      const victim = proxies[round % 3]!;
      await victim.kill('SIGKILL');
      door.away = false;
      await victim.start();
    }
    calling.abort();
    await Promise.all(clients);
    door.loseEvery = 0;
    const reached = new Set(api.requests.slice(before).map((request) => request.lastUserText));
    const missing = async () => {
      const known = new Set((await records()).map(({ task }) => task));
      return [...reached].filter((task) => !known.has(task));
    };
    await expect.poll(missing, { timeout: 30_000 }).toEqual([]);
    expect(answered.length).toBeGreaterThan(50);
    const all = await records();
    // Once each: the ids are unique, and so are the tasks, of which no client used one twice.
    expect(new Set(all.map(({ task }) => task)).size).toBe(all.length);
    expect(answered.filter((task) => !all.some((record) => record.task === task))).toEqual([]);
    await Promise.all(proxies.map((proxy) => proxy.kill('SIGTERM')));
    for (const proxy of proxies) await proxy.start();
    await expect.poll(async () => (await lab.counter(acme.tenantId)).leased, { timeout: 30_000 }).toBe(0);
    expect(await lab.differences()).toEqual([]);
  });
});
