// First-token overhead: what broker, gateway and proxy add to the provider's own time to the first token.
// Real processes from `dist` (npm run build), a model double that thinks for 20 ms, direct and full path interleaved.
// Usage: node test/bench/first-token.mjs [runs=200]
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const runs = Number(process.argv[2] ?? 200);
const root = new URL('../..', import.meta.url).pathname;
const { startModelApi } = await import(join(root, 'dist/libs/testing/src/index.js'));
const { generateSigningKey, signMemberToken } = await import(join(root, 'dist/libs/tokens/src/index.js'));

const ISSUER = 'http://control-plane.bench';
const PLATFORM_KEY = 'bench-platform-key';
const names = { tenantId: 'ten_bench', workspaceId: 'wsp_bench', memberId: 'mem_bench', agentId: 'agt_bench' };
const credential = `wbk_${names.agentId}_${randomBytes(24).toString('hex')}`;
const folder = mkdtempSync(join(tmpdir(), 'wirebot-bench-'));
const children = [];

async function freePort() {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a process of the build and waits until it says so in its log. */
async function start(file, environment, sign) {
  const child = spawn(process.execPath, [join(root, file)], {
    cwd: root,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  for await (const chunk of child.stdout) if (String(chunk).includes(sign)) break;
  child.stdout.resume();
  return child;
}

/** Milliseconds from the request to the first bytes of its answer that hold `mark`. */
function firstToken(options, body, mark) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const request = http.request({ method: 'POST', ...options }, (response) => {
      let seen = '';
      let at;
      response.on('data', (chunk) => {
        seen += chunk;
        if (at === undefined && seen.includes(mark)) at = performance.now() - began;
      });
      response.on('end', () => (at === undefined ? reject(new Error(`${response.statusCode} ${seen}`)) : resolve(at)));
    });
    request.on('error', reject).end(JSON.stringify(body));
  });
}

const at = (values, share) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];

async function main() {
  const [gatewayPort, controlPort, brokerPort, proxyPort] = await Promise.all([1, 2, 3, 4].map(freePort));
  const model = await startModelApi({ reply: { text: 'one two three four', firstTokenDelayMs: 20 } });
  const key = await generateSigningKey();
  const jwks = { keys: [key.publicJwk] };
  const secrets = join(folder, 'secrets');
  mkdirSync(join(secrets, 'agents'), { recursive: true });
  writeFileSync(join(secrets, 'control'), 'bench-control');
  writeFileSync(join(secrets, 'proxy-credential'), 'bench-proxy');
  writeFileSync(join(secrets, 'agents', names.agentId), credential);

  const modelOf = { provider: 'anthropic', name: 'bench-model' };
  const route = {
    ...names,
    gatewayId: 'gw_bench',
    state: 'live',
    target: { host: '127.0.0.1', port: gatewayPort },
    trustModeMax: 1,
    credentialSha256: createHash('sha256').update(credential).digest('hex'),
    model: modelOf,
  };
  const brand = { name: 'Bench', accent: '#000000', greeting: 'Hello' };
  const tenant = { tenantId: names.tenantId, slug: 'bench', name: 'Bench', hosts: [], brand, status: 'active' };
  const feed = http.createServer((_request, response) => {
    const snapshot = {
      type: 'snapshot',
      epoch: 'bench',
      version: 1,
      issuer: ISSUER,
      jwks,
      tenants: [tenant],
      agents: [route],
      revocations: [],
    };
    response.write(`${JSON.stringify(snapshot)}\n`);
    const beat = setInterval(
      () => response.write(`${JSON.stringify({ type: 'heartbeat', version: 1, at: '' })}\n`),
      5000,
    );
    response.on('close', () => clearInterval(beat));
  });
  await once(feed.listen(0, '127.0.0.1'), 'listening');

  await start(
    'dist/gateway/gateway.mjs',
    {
      WIREBOT_GATEWAY_ID: 'gw_bench',
      WIREBOT_STATE_DIR: join(folder, 'state'),
      WIREBOT_SECRETS_DIR: secrets,
      WIREBOT_LISTEN_HOST: '127.0.0.1',
      WIREBOT_PORT: String(gatewayPort),
      WIREBOT_CONTROL_PORT: String(controlPort),
    },
    'listening',
  );
  const agent = {
    ...names,
    memberName: 'Bench',
    brand: 'Bench',
    timeZone: 'UTC',
    locale: 'en',
    trustModeMax: 1,
    model: { ...modelOf, maxOutputTokens: 64 },
    limits: { messagesPerHour: null, sessions: null },
  };
  const brokerUrl = `http://127.0.0.1:${brokerPort}`;
  const config = {
    gatewayId: 'gw_bench',
    kind: 'shared',
    generation: 1,
    fence: 1,
    issuer: ISSUER,
    jwks,
    brokerUrl,
    agents: [agent],
  };
  const applied = await fetch(`http://127.0.0.1:${controlPort}/control/config`, {
    method: 'PUT',
    headers: { authorization: 'Bearer bench-control', 'content-type': 'application/json' },
    body: JSON.stringify(config),
  });
  if (!applied.ok) throw new Error(`the gateway refused its configuration: ${await applied.text()}`);
  await start(
    'dist/apps/proxy/src/main.js',
    {
      WIREBOT_PROXY_PORT: String(proxyPort),
      WIREBOT_CONTROL_PLANE_URL: `http://127.0.0.1:${feed.address().port}`,
      WIREBOT_DATA_DIR: folder,
      WIREBOT_SECRETS_DIR: secrets,
      WIREBOT_BROKER_LISTEN: `127.0.0.1:${brokerPort}`,
      ANTHROPIC_API_KEY: PLATFORM_KEY,
      ANTHROPIC_BASE_URL: model.url,
    },
    'route table received',
  );

  const now = Math.floor(Date.now() / 1000);
  const token = await signMemberToken(key, {
    iss: ISSUER,
    sub: names.memberId,
    tid: names.tenantId,
    wid: names.workspaceId,
    trust_mode_max: 1,
    scopes: [],
    surfaces: ['api'],
    gw: null,
    iat: now,
    exp: now + 3600,
    jti: 'bench',
  });
  const keepAlive = new http.Agent({ keepAlive: true });
  const json = { 'content-type': 'application/json' };
  const direct = () =>
    firstToken(
      {
        port: model.port,
        path: '/v1/messages',
        agent: keepAlive,
        headers: { ...json, 'x-api-key': 'k', 'anthropic-version': '2023-06-01' },
      },
      { model: 'bench-model', max_tokens: 64, stream: true, messages: [{ role: 'user', content: 'hello' }] },
      'content_block_delta',
    );
  const chat = (port, path) => () =>
    firstToken(
      {
        port,
        path,
        agent: keepAlive,
        headers: { ...json, accept: 'text/event-stream', authorization: `Bearer ${token}` },
      },
      { text: 'hello' },
      'event: response',
    );
  /** Gateway and broker without the edge: the difference to `whole` is the edge's part. */
  const inner = chat(gatewayPort, `/a/${names.agentId}/chat`);
  const whole = chat(proxyPort, '/t/bench/chat');
  for (let i = 0; i < 20; i += 1) await Promise.all([direct(), inner(), whole()]);
  const times = { direct: [], 'without edge': [], whole: [], overhead: [] };
  for (let i = 0; i < runs; i += 1) {
    const own = await direct();
    times['without edge'].push(await inner());
    const through = await whole();
    times.direct.push(own);
    times.whole.push(through);
    times.overhead.push(through - own);
  }
  for (const [name, values] of Object.entries(times)) {
    console.log(
      `${name.padEnd(12)} median ${at(values, 0.5).toFixed(1)} ms, p95 ${at(values, 0.95).toFixed(1)} ms (${values.length} runs)`,
    );
  }
  keepAlive.destroy();
  feed.closeAllConnections();
  feed.close();
  await model.close();
}

try {
  await main();
} finally {
  for (const child of children) child.kill('SIGTERM');
  await Promise.all(children.map((child) => child.exitCode ?? once(child, 'exit')));
  rmSync(folder, { recursive: true, force: true });
}
