import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { canary, CanaryHunt } from '../support/canaries.js';
import { chat, http } from '../support/chat.js';
import { type Model, PLATFORM_KEY, startModel } from '../support/model.js';
import { operatorCalls } from '../support/other-tenant.js';
import { drivers, parts, TestStack } from '../support/stack.js';

/** Files that hold secrets on purpose, all of mode 600: nothing else may. */
const HOLDS_SECRETS = /^(secrets\/|proxy-secrets\/|stack\.json$)/;

/** `wbt_` and the eight public characters: the secret comes after them. */
const KEY_PREFIX = 'wbt_12345678_'.length;

describe.each(drivers)('secrets, on the %s driver', (driver) => {
  const hunt = new CanaryHunt();
  let model: Model;
  let stack: TestStack;
  let api: Api;
  let gatewayIds: string[];

  beforeAll(async () => {
    model = await startModel();
    hunt.plant('platform provider key', PLATFORM_KEY);
    const smtp = hunt.plant('SMTP password', canary('smtp'));
    const env = {
      ...model.env,
      WIREBOT_SMTP_URL: `smtp://mailer:${smtp}@127.0.0.1:9`,
      WIREBOT_MAIL_FROM: 'bot@example.com',
      WIREBOT_LOG_LEVEL: 'debug',
    };
    stack = await TestStack.start({ driver, env });
    for (const name of ['master-key', 'proxy-credential'])
      hunt.plant(name, (await readFile(join(stack.dataDir, 'secrets', name), 'utf8')).trim());
    hunt.plant('admin password', stack.file.admin.password);
    hunt.plant('tenant key', stack.file.tenant.apiKey.slice(KEY_PREFIX));
    await live();
  });

  afterAll(async () => {
    await stack.dispose();
    await model.api.close();
  });

  /** A day in the life of a tenant, with everything that goes wrong in one. */
  async function live(): Promise<void> {
    const scopes = ['*'];
    const operator = await operatorCalls(stack.file);
    const issued = await operator.post<{ key: string }>(`/v1/admin/tenants/${stack.file.tenant.id}/keys`, {
      name: 'all',
      scopes,
    });
    hunt.plant('second tenant key', issued.key.slice(KEY_PREFIX));
    hunt.plant('session cookie', operator.cookie.split('=')[1]!);
    api = new Api(stack.file, issued.key);
    await secretsOfTheTenant();
    const members = [await api.provisioned('mia', 'wire'), await api.provisioned('sol', 'sovereign')];
    gatewayIds = members.map((member) => member.gateway!.id);
    for (const externalId of ['mia', 'sol']) await conversation(externalId);
    await mistakes();
  }

  async function secretsOfTheTenant(): Promise<void> {
    const own = hunt.plant('tenant provider key', canary('provider'));
    await expectStatus(api.call('PUT', '/v1/secrets/provider/openai', { value: own }), 200, 201);
    const gateway = hunt.plant('gateway secret', canary('gateway'));
    await expectStatus(api.call('PUT', '/v1/secrets/gateway/crm-token', { value: gateway }), 200, 201);
    const shared = hunt.plant('shared HS256 secret', `${canary('hs256')}-long-enough`);
    await expectStatus(api.call('PUT', '/v1/shared-secret-issuer', { secret: shared }), 200, 201);
    const webhook = await api.call<{ secret: string }>('POST', '/v1/webhooks', {
      url: 'https://hooks.example.com/in',
      events: ['*'],
    });
    hunt.plant('webhook secret', webhook.body.secret.slice('whsec_'.length));
    const rotated = await api.call<{ secret: string }>('POST', '/v1/webhooks', {
      url: 'https://x.example.com/',
      events: ['*'],
    });
    expect(rotated.status).toBe(201);
  }

  async function conversation(externalId: string): Promise<void> {
    const token = await api.token(externalId);
    hunt.plant(`member token of ${externalId}`, token.token);
    await chat(token, 'what should I focus on?');
    const link = await api.call<{ url: string }>('POST', `/v1/members/${externalId}/sign-in-links`, {});
    hunt.plant(`sign-in code of ${externalId}`, link.body.url.split('#code=')[1]!);
    model.api.enqueue({ status: 401, message: `invalid x-api-key: ${PLATFORM_KEY}` });
    await http(token, 'POST', '/chat', { text: 'again', idempotencyKey: `again-${externalId}` });
  }

  async function lookAtTheEngine(): Promise<void> {
    const docker = new Docker({ socketPath: parts.docker! });
    for (const id of gatewayIds) {
      const filters = JSON.stringify({ label: [`wirebot.gateway=${id}`] });
      const [found] = await docker.listContainers({ filters });
      const container = docker.getContainer(found!.Id);
      const inspected = await container.inspect();
      const image = docker.getImage(inspected.Image);
      hunt.look('inspect', JSON.stringify(inspected));
      hunt.look('image', JSON.stringify([await image.inspect(), await image.history()]));
      hunt.look('container log', (await container.logs({ stdout: true, stderr: true, follow: false })).toString());
    }
  }

  /** Secrets where they do not belong: in bodies, headers, paths and queries that are refused. */
  async function mistakes(): Promise<void> {
    const typed = hunt.plant('password typed wrong', canary('typed'));
    const { url } = stack.file.controlPlane;
    const json = { 'content-type': 'application/json', origin: new URL(url).origin };
    const email = stack.file.admin.email;
    const wrong = { method: 'POST', headers: json, body: JSON.stringify({ email, password: typed }) };
    hunt.look('answer to a wrong password', await (await fetch(`${url}/v1/session`, wrong)).text());
    const key = hunt.plant('key sent in vain', canary('key'));
    const bearer = { authorization: `Bearer wbt_abcdefgh_${key}` };
    hunt.look('answer to a wrong key', await (await fetch(`${url}/v1/members`, { headers: bearer })).text());
    const broken = {
      method: 'PUT',
      headers: { ...json, authorization: `Bearer ${api.key}` },
      body: `{"email":"${typed}"`,
    };
    hunt.look('answer to broken JSON', await (await fetch(`${url}/v1/members/x`, broken)).text());
    const unknown = { ...broken, body: JSON.stringify({ email: 'x@example.com', tier: 'wire', password: typed }) };
    hunt.look('answer to an unknown field', await (await fetch(`${url}/v1/members/x`, unknown)).text());
    const edge = { headers: { authorization: `Bearer ${key}` } };
    hunt.look('answer of the edge', await (await fetch(`${stack.file.tenant.url}/chat`, edge)).text());
    await api.call('POST', '/v1/session/magic-links', { email }, { origin: new URL(url).origin });
  }

  it('are in no row of the database', async () => {
    expect(await hunt.lookInDatabase(stack.database)).toBeGreaterThan(40);
    expect(hunt.findings).toEqual([]);
  });

  it('are in no log, route file or state file: only in the files made for them', async () => {
    hunt.look('output of npm start', stack.output, ['admin password', 'tenant key']);
    expect(await hunt.lookInFolder(stack.dataDir, HOLDS_SECRETS)).toBeGreaterThan(8);
    expect(hunt.findings).toEqual([]);
  });

  it('are in no metric and no document that anybody may read', async () => {
    const key = await operatorCalls(stack.file);
    hunt.look('metrics of the control plane', await key.text('/metrics'));
    for (const path of ['/openapi.json', '/.well-known/jwks.json', '/health'])
      hunt.look(path, await (await fetch(stack.file.controlPlane.url + path)).text());
    for (const path of ['/metrics', '/health'])
      hunt.look(`proxy ${path}`, await (await fetch(stack.file.proxy.url + path)).text());
    expect(hunt.findings).toEqual([]);
  });

  it('are in no command line, and in no environment of a gateway', async () => {
    let processes = 0;
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const command = await readFile(`/proc/${pid}/cmdline`).catch(() => Buffer.alloc(0));
      hunt.look(`command line of ${pid}`, command);
      const environment = await readFile(`/proc/${pid}/environ`).catch(() => Buffer.alloc(0));
      if (!environment.includes('WIREBOT_GATEWAY_ID=')) continue;
      processes += 1;
      hunt.look(`environment of gateway ${pid}`, environment);
    }
    expect(processes).toBeGreaterThanOrEqual(2);
    expect(hunt.findings).toEqual([]);
  });

  it('are not in what the engine tells of containers and images, or nothing else runs than processes', async () => {
    if (driver === 'docker') await lookAtTheEngine();
    expect(hunt.findings).toEqual([]);
  });

  it('were looked for in earnest', async () => {
    expect(hunt.planted).toBeGreaterThan(15);
    expect(hunt.bytes).toBeGreaterThan(100_000);
    // A hunt that cannot find is worth nothing: the same one, where a secret is known to be.
    const control = new CanaryHunt();
    control.plant('platform provider key', PLATFORM_KEY);
    control.look('the proxy’s environment, by design', await readFile(`/proc/${stack.pid('proxy')}/environ`));
    expect(control.findings).toHaveLength(1);
  });
});

async function expectStatus(
  call: Promise<{ readonly status: number; readonly body: unknown }>,
  ...allowed: number[]
): Promise<void> {
  const { status, body } = await call;
  if (!allowed.includes(status)) throw new Error(`answered ${status}: ${JSON.stringify(body)}`);
}
