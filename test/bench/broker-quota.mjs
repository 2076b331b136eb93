// What the model broker adds to the time to the first token: without limits, and with quota, against a direct call.
// Usage: node test/bench/run.mjs broker-quota [--runs 500]
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { option } from './support/arguments.mjs';
import { withCleanup } from './support/cleanup.mjs';
import { built, end, freePort, healthyAt, startModel } from './support/processes.mjs';
import { begin, printStatistics } from './support/report.mjs';

const RUNS = Number(option('runs', 500));
const WARM_UP = 50;
const PAUSE = 5;
const KEY = 'benchmark-key';
const credentialOf = (agentId) => `wbk_${agentId}_benchmark-credential`;
/** About what a chat's context is. */
const BODY = JSON.stringify({
  model: 'claude-haiku-4-5',
  max_tokens: 512,
  stream: true,
  messages: [{ role: 'user', content: 'word '.repeat(2_000) }],
});

const agent = (agentId, tokensPerDay) => ({
  agentId,
  tenantId: 'ten_bench',
  workspaceId: `wsp_${agentId}`,
  memberId: `mem_${agentId}`,
  gatewayId: 'gw_bench',
  state: 'live',
  target: { host: '127.0.0.1', port: 1 },
  trustModeMax: 1,
  credentialSha256: createHash('sha256').update(credentialOf(agentId)).digest('hex'),
  model: { provider: 'anthropic', name: 'm' },
  tierKey: 'wire',
  limits: { tokensPerDay, costPerDayMicros: null },
});

/** Routes, grants and receipts: what a control plane says to a proxy, of which no call waits for but the first. */
async function standIn(defer) {
  const tenant = { tenantId: 'ten_bench', slug: 'bench', name: 'Bench', hosts: [], status: 'active' };
  const brand = { name: 'Bench', accent: '#123456', greeting: 'Hello' };
  const limits = { tokensPerDay: null, costPerDayMicros: null };
  const snapshot = {
    type: 'snapshot',
    epoch: 'e',
    version: 1,
    issuer: 'i',
    jwks: { keys: [] },
    revocations: [],
    providerKeys: [],
    tenants: [{ ...tenant, brand, limits, acceptsSharedSecretTokens: false }],
    agents: [agent('agt_free', null), agent('agt_limited', 1_000_000_000)],
  };
  const sum = (a, b, c) => ({ tokens: a.tokens + b.tokens + c.tokens, micros: a.micros + b.micros + c.micros });
  const grant = ({ leaseId, granted, need, ahead }) => {
    const nothing = { scarce: false, refusal: null, limitedBy: null };
    return { leaseId, status: 'granted', granted: sum(granted, need, ahead), ...nothing };
  };
  const server = http.createServer(async (request, response) => {
    if (request.url === '/internal/routes') return response.write(`${JSON.stringify(snapshot)}\n`);
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text);
    const leases = () => ({ validSeconds: 300, gone: [], grants: body.asks.map(grant) });
    const answer = request.url === '/internal/usage' ? { accepted: body.records.length, known: 0 } : leases();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  defer(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${server.address().port}`;
}

async function startProxy(defer, controlPlane, model) {
  const folder = await mkdtemp(join(tmpdir(), 'bench-broker-'));
  const [port, broker] = [await freePort(), await freePort()];
  await writeFile(join(folder, 'proxy-credential'), 'benchmark-proxy-credential');
  const env = {
    PATH: process.env.PATH,
    WIREBOT_PROXY_PORT: String(port),
    WIREBOT_BROKER_LISTEN: `127.0.0.1:${broker}`,
    WIREBOT_DATA_DIR: folder,
    WIREBOT_SECRETS_DIR: folder,
    WIREBOT_CONTROL_PLANE_URL: controlPlane,
    WIREBOT_LOG_LEVEL: 'error',
    ANTHROPIC_API_KEY: KEY,
    ANTHROPIC_BASE_URL: model,
  };
  const child = spawn(process.execPath, [built('apps', 'proxy', 'src', 'main.js')], { env, stdio: 'inherit' });
  defer(async () => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
  });
  await healthyAt(`http://127.0.0.1:${port}/ready`, child);
  return `http://127.0.0.1:${broker}/anthropic`;
}

/** Milliseconds from the request to the first token. */
function firstToken(url, key, agent) {
  const headers = { 'content-type': 'application/json', 'x-api-key': key, 'anthropic-version': '2023-06-01' };
  return new Promise((resolve, reject) => {
    const began = performance.now();
    let text = '';
    let first;
    const request = http.request(`${url}/v1/messages`, { method: 'POST', headers, agent }, (response) => {
      response.on('data', (chunk) => {
        text += chunk;
        if (first === undefined && text.includes('content_block_delta')) first = performance.now() - began;
      });
      response.on('end', () => (first === undefined ? reject(new Error(text)) : resolve(first)));
    });
    request.on('error', reject).end(BODY);
  });
}

await withCleanup(async (defer) => {
  const model = await startModel(defer, KEY);
  const broker = await startProxy(defer, await standIn(defer), model);
  const keepAlive = new http.Agent({ keepAlive: true });
  defer(() => keepAlive.destroy());
  const lanes = [
    { url: model, key: KEY, samples: [] },
    { url: broker, key: credentialOf('agt_free'), samples: [] },
    { url: broker, key: credentialOf('agt_limited'), samples: [] },
  ];
  const report = begin('First token through the model broker');
  for (let turn = 0; turn < WARM_UP + RUNS; turn += 1) {
    for (let at = 0; at < lanes.length; at += 1) {
      const { url, key, samples } = lanes[(turn + at) % lanes.length];
      await delay(PAUSE);
      const sample = await firstToken(url, key, keepAlive);
      if (turn >= WARM_UP) samples.push(sample);
    }
  }
  report();
  const [direct, free, limited] = lanes.map(({ samples }) => samples);
  const over = (values, base) => values.map((value, index) => value - base[index]);
  printStatistics(
    'ms',
    [
      ['direct: first token', direct],
      ['broker, no limit: first token', free],
      ['broker, quota: first token', limited],
      ['broker, no limit: over direct', over(free, direct)],
      ['broker, quota: over direct', over(limited, direct)],
      ['quota: over no limit', over(limited, free)],
    ],
    2,
  );
});
