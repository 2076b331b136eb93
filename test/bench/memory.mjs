// What a gateway process takes with many idle agents, and what one more agent adds.
// Usage: node test/bench/run.mjs memory [--runs 5]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MEMBER_TOKEN_AUDIENCE } from '#libs/contracts';
import { generateSigningKey, signMemberToken } from '#libs/tokens';
import { compileTrustProfile } from '#libs/trust';
import { option } from './support/arguments.mjs';
import { withCleanup } from './support/cleanup.mjs';
import { BUNDLE, end, freePort, GATEWAY_ENVIRONMENT, GATEWAY_FLAGS, healthyAt } from './support/processes.mjs';
import { begin, median, printStatistics, printTable } from './support/report.mjs';

const RUNS = Number(option('runs', 5));
const COUNTS = [1, 10, 50, 100];
/** Long enough for what starting left behind to be collected as far as it ever is. */
const SETTLE = 3_000;
const AT_ONCE = 10;
const ISSUER = 'http://issuer.bench';
const CONTROL = 'benchmark-control';
const BARE = "require('http').createServer((_, response) => response.end('ok')).listen(process.env.PORT, '127.0.0.1')";

/** Megabytes. Private: what would be free if the process ended; proportional: its share of what it shares, too. */
function memoryOf(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const value = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)[1]) / 1024;
  return { rss: value('Rss'), pss: value('Pss'), own: value('Private_Clean') + value('Private_Dirty') };
}

const children = [];

async function launch(folder, args, env, port) {
  const began = performance.now();
  const child = spawn(process.execPath, [...GATEWAY_FLAGS, ...args], {
    env: { ...GATEWAY_ENVIRONMENT, NODE_COMPILE_CACHE: join(folder, 'cache'), ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  await once(child, 'spawn');
  return { child, ready: (await healthyAt(`http://127.0.0.1:${port}/health`, child)) - began };
}

/** Nothing but Node: what no gateway can be smaller than. */
async function measureBare(folder) {
  const port = await freePort();
  const { child, ready } = await launch(folder, ['-e', BARE], { PORT: String(port) }, port);
  await delay(SETTLE);
  const idle = memoryOf(child.pid);
  await end(child);
  return { ready, idle };
}

async function measureGateway(folder, key, count) {
  const home = mkdtempSync(join(folder, 'gateway-'));
  mkdirSync(join(home, 'state'));
  mkdirSync(join(home, 'secrets', 'agents'), { recursive: true });
  writeFileSync(join(home, 'secrets', 'control'), CONTROL);
  const [port, controlPort] = [await freePort(), await freePort()];
  const env = {
    WIREBOT_GATEWAY_ID: 'gw_bench',
    WIREBOT_STATE_DIR: join(home, 'state'),
    WIREBOT_SECRETS_DIR: join(home, 'secrets'),
    WIREBOT_LISTEN_HOST: '127.0.0.1',
    WIREBOT_PORT: String(port),
    WIREBOT_CONTROL_PORT: String(controlPort),
  };
  const { child, ready } = await launch(folder, [BUNDLE], env, port);
  const agents = Array.from({ length: count }, (_, index) => agentConfig(index));
  const began = performance.now();
  await configure(controlPort, key, agents);
  const configured = performance.now() - began;
  await delay(SETTLE);
  const idle = memoryOf(child.pid);
  for (let at = 0; at < count; at += AT_ONCE)
    await Promise.all(agents.slice(at, at + AT_ONCE).map((agent) => talk(port, key, agent)));
  await delay(SETTLE);
  const used = memoryOf(child.pid);
  await end(child);
  rmSync(home, { recursive: true });
  return { ready, configured, idle, used };
}

const agentConfig = (index) => ({
  agentId: `agt_${index}`,
  tenantId: 'ten_bench',
  workspaceId: `wsp_${index}`,
  memberId: `mem_${index}`,
  memberName: `Member ${index}`,
  brand: 'Bench',
  timeZone: 'UTC',
  locale: 'en',
  model: { provider: 'offline', name: 'offline', maxOutputTokens: 512 },
  trust: compileTrustProfile({
    runtime: 'wirebot',
    ceiling: 3,
    tier: { trustCeiling: 3, channels: ['web'], limits: {} },
  }),
});

async function configure(controlPort, key, agents) {
  const place = { gatewayId: 'gw_bench', kind: 'shared', generation: 1, fence: 1 };
  const config = { ...place, issuer: ISSUER, jwks: { keys: [key.publicJwk] }, brokerUrl: null, agents };
  const response = await fetch(`http://127.0.0.1:${controlPort}/control/config`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${CONTROL}`, 'content-type': 'application/json' },
    body: JSON.stringify(config),
    signal: AbortSignal.timeout(30_000),
  });
  if (!response.ok) throw new Error(`the configuration was answered ${response.status}: ${await response.text()}`);
}

/** One message and its whole answer: afterwards the agent's database is open. */
async function talk(port, key, agent) {
  const now = Math.floor(Date.now() / 1000);
  const about = { iss: ISSUER, sub: agent.memberId, tid: agent.tenantId, wid: agent.workspaceId, trust_mode_max: 3 };
  const rest = {
    aud: MEMBER_TOKEN_AUDIENCE,
    scopes: [],
    surfaces: ['web'],
    gw: null,
    iat: now,
    exp: now + 600,
    jti: agent.agentId,
  };
  const token = await signMemberToken(key, { ...about, ...rest });
  const response = await fetch(`http://127.0.0.1:${port}/a/${agent.agentId}/chat`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ text: 'hello', idempotencyKey: 'first' }),
    signal: AbortSignal.timeout(30_000),
  });
  if (response.status !== 200) throw new Error(`POST /chat: ${response.status} ${await response.text()}`);
  await response.text();
}

await withCleanup(async (defer) => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-memory-'));
  defer(() => rmSync(folder, { recursive: true, force: true }));
  defer(() => Promise.all(children.map((child) => end(child, 'SIGKILL'))));
  const key = await generateSigningKey();
  const report = begin('Memory of a gateway process');
  // Writes the compile cache that the image has in it.
  await measureGateway(folder, key, 1);
  const lanes = [
    { label: 'bare Node', measure: () => measureBare(folder), samples: [] },
    ...COUNTS.map((count) => ({
      label: `${count} agent${count > 1 ? 's' : ''}`,
      count,
      measure: () => measureGateway(folder, key, count),
      samples: [],
    })),
  ];
  for (let round = 0; round < RUNS; round += 1) for (const { measure, samples } of lanes) samples.push(await measure());
  report();
  printResults(lanes);
});

function printResults(lanes) {
  const all = (lane, read) => lane.samples.map(read);
  const rows = (lanes_, read) => lanes_.map((lane) => [lane.label, all(lane, read)]);
  const gateways = lanes.slice(1);
  printStatistics(
    'ready (ms)',
    rows(lanes, (sample) => sample.ready),
  );
  printStatistics(
    'configured (ms)',
    rows(gateways, (sample) => sample.configured),
    1,
  );
  printStatistics(
    'RSS (MB), idle',
    rows(lanes, (sample) => sample.idle.rss),
    1,
  );
  printStatistics(
    'PSS (MB), idle',
    rows(lanes, (sample) => sample.idle.pss),
    1,
  );
  printStatistics(
    'private (MB), idle',
    rows(lanes, (sample) => sample.idle.own),
    1,
  );
  printStatistics(
    'RSS (MB), each has answered once',
    rows(gateways, (sample) => sample.used.rss),
    1,
  );
  printStatistics(
    'private (MB), each has answered once',
    rows(gateways, (sample) => sample.used.own),
    1,
  );
  const [first, last] = [gateways[0], gateways.at(-1)];
  const perAgent = (state, kind) => {
    const difference = median(all(last, (s) => s[state][kind])) - median(all(first, (s) => s[state][kind]));
    return ((difference * 1024) / (last.count - first.count)).toFixed(0);
  };
  const kinds = ['rss', 'pss', 'own'];
  printTable(
    [`per further agent (KB, ${first.count} to ${last.count})`, 'RSS', 'PSS', 'private'],
    [
      ['configured, never used', ...kinds.map((kind) => perAgent('idle', kind))],
      ['has answered, database still open', ...kinds.map((kind) => perAgent('used', kind))],
    ],
  );
}
