import type { AgentRoute, MemberClaims, Revocation, RouteFrame, SealedProviderKey, TenantRoute } from '#libs/contracts';
import { generateSigningKey, signMemberToken, type SigningKey } from '#libs/tokens';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '#libs/telemetry';
import { WebSocketServer } from 'ws';
import { readConfig } from '../src/proxy.config.js';
import { ProxyProcess } from '../src/proxy.process.js';
import { closed, FakeControlPlane, listening } from './control-plane.fixture.js';

export const ISSUER = 'http://control-plane.test';
export const id = (prefix: string, name: string) => `${prefix}_${name.padEnd(26, '0').slice(0, 26)}`;

/** A gateway that tells what arrived. `/echo`, `/sse` (a chunk per 100 ms), `/slow`, sockets that echo. */
export class FakeGateway {
  readonly requests: {
    method: string;
    url: string;
    headers: IncomingMessage['headers'];
    raw: string[];
    bytes: number;
    aborted: boolean;
  }[] = [];
  answer: RequestListener | undefined;
  /** The status that handshakes are declined with. */
  declineUpgrades: number | undefined;
  readonly #server = createServer((req, res) => this.#handle(req, res));
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 64 * 1024 * 1024,
    handleProtocols: () => 'wirebot.v1',
  });
  port = 0;

  async start(): Promise<this> {
    this.#server.on('upgrade', (req, socket, head) => {
      this.#note(req);
      if (this.declineUpgrades) {
        const code = this.declineUpgrades === 503 ? 'x-wirebot-problem: gateway-suspending\r\n' : '';
        return void socket.end(`HTTP/1.1 ${this.declineUpgrades} No\r\n${code}Content-Length: 2\r\n\r\nno`);
      }
      this.#sockets.handleUpgrade(req, socket, head, (ws) => {
        ws.on('message', (data, binary) => ws.send(data, { binary }));
      });
    });
    this.port = await listening(this.#server);
    return this;
  }

  get sockets(): WebSocketServer['clients'] {
    return this.#sockets.clients;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    await closed(this.#server);
  }

  #note(req: IncomingMessage) {
    const note = {
      method: req.method ?? '',
      url: req.url ?? '',
      headers: req.headers,
      raw: req.rawHeaders,
      bytes: 0,
      aborted: false,
    };
    this.requests.push(note);
    return note;
  }

  #handle(req: IncomingMessage, res: ServerResponse): void {
    const note = this.#note(req);
    req.on('data', (chunk: Buffer) => (note.bytes += chunk.length));
    res.on('close', () => (note.aborted = !res.writableFinished));
    if (this.answer) return this.answer(req, res);
    req.on('end', () => {
      res.writeHead(200, {
        'content-type': 'application/json',
        'x-gateway': 'yes',
        connection: 'x-internal',
        'x-internal': 'secret',
      });
      res.end(JSON.stringify({ method: req.method, url: req.url, headers: req.headers, bytes: note.bytes }));
    });
  }
}

export const credentialOf = (agentId: string) =>
  `wbk_${agentId}_${createHash('sha256').update(`secret of ${agentId}`).digest('base64url')}`;

export const tenantRoute = (name: string, over: Partial<TenantRoute> = {}): TenantRoute => ({
  tenantId: id('ten', name),
  slug: name,
  name: `${name} Inc.`,
  hosts: [`chat.${name}.test`],
  brand: { name: `${name} bot`, accent: '#123456', greeting: 'Hello' },
  status: 'active',
  limits: { tokensPerDay: null, costPerDayMicros: null },
  acceptsSharedSecretTokens: false,
  ...over,
});

export const agentRoute = (name: string, tenant: string, port: number, over: Partial<AgentRoute> = {}): AgentRoute => ({
  agentId: id('agt', name),
  tenantId: id('ten', tenant),
  workspaceId: id('wsp', name),
  memberId: id('mem', name),
  gatewayId: id('gw', 'one'),
  state: 'live',
  target: { host: '127.0.0.1', port },
  trustModeMax: 1,
  credentialSha256: createHash('sha256')
    .update(credentialOf(id('agt', name)))
    .digest('hex'),
  model: { provider: 'anthropic', name: 'm' },
  tierKey: 'wire',
  limits: { tokensPerDay: null, costPerDayMicros: null },
  ...over,
});

/** A proxy with everything around it: two tenants (acme, other), agents a and b of acme, x of other, one gateway. */
export class Stack {
  readonly gateway = new FakeGateway();
  readonly control: FakeControlPlane;
  tenants: TenantRoute[] = [];
  agents: AgentRoute[] = [];
  revocations: Revocation[] = [];
  providerKeys: SealedProviderKey[] = [];
  epoch = 'epoch-1';
  version = 1;
  key!: SigningKey;
  directory = '';
  credential = 'proxy-secret';
  port = 0;
  logs: string[] = [];
  proxy!: ProxyProcess;

  constructor() {
    this.control = new FakeControlPlane(() => this.snapshot());
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get brokerUrl(): string {
    return `http://127.0.0.1:${this.proxy.brokerAddresses[0]!.port}`;
  }

  snapshot(): Extract<RouteFrame, { type: 'snapshot' }> {
    const { epoch, version, tenants, agents, providerKeys, revocations } = this;
    const rest = { jwks: this.jwks(), tenants, agents, revocations, providerKeys };
    return { type: 'snapshot', epoch, version, issuer: ISSUER, ...rest };
  }

  jwks(): { keys: Record<string, unknown>[] } {
    return { keys: [this.key.publicJwk as Record<string, unknown>] };
  }

  /** Tells the proxy of a change, as the feed does. */
  change(over: Partial<Extract<RouteFrame, { type: 'delta' }>>): void {
    const from = this.version;
    this.version += 1;
    this.control.send({ type: 'delta', from, version: this.version, ...over });
  }

  revoke(...revocations: Revocation[]): void {
    this.revocations = [...this.revocations, ...revocations];
    this.change({ revocations: this.revocations });
  }

  async start(environment: Record<string, string> = {}): Promise<this> {
    this.key = await generateSigningKey();
    await this.gateway.start();
    await this.control.start();
    this.directory = await mkdtemp(join(tmpdir(), 'wirebot-proxy-'));
    await writeFile(join(this.directory, 'proxy-credential'), `${this.credential}\n`, { mode: 0o600 });
    this.tenants = [tenantRoute('acme'), tenantRoute('other')];
    this.agents = [
      agentRoute('a', 'acme', this.gateway.port),
      agentRoute('b', 'acme', this.gateway.port),
      agentRoute('x', 'other', this.gateway.port),
    ];
    await this.startProxy(environment);
    return this;
  }

  async startProxy(environment: Record<string, string> = {}): Promise<void> {
    const config = readConfig({
      WIREBOT_PROXY_PORT: '0',
      WIREBOT_CONTROL_PLANE_URL: this.control.url,
      WIREBOT_DATA_DIR: this.directory,
      WIREBOT_SECRETS_DIR: this.directory,
      WIREBOT_CHAT_DIR: join(this.directory, 'page'),
      WIREBOT_BROKER_LISTEN: '127.0.0.1:0',
      ...environment,
    });
    const destination = { write: (line: string) => void this.logs.push(line) };
    this.proxy = new ProxyProcess(config, createLogger({ name: 'proxy', level: 'debug', destination }));
    this.port = (await this.proxy.start()).port;
    await until(async () => (await fetch(`${this.url}/ready`)).status === 200);
  }

  async stop(): Promise<void> {
    await Promise.all([this.gateway.stop(), this.control.stop(), this.proxy.stop()]);
    await rm(this.directory, { recursive: true, force: true });
  }

  token(name: string, tenant = 'acme', over: Partial<MemberClaims> = {}, key: SigningKey = this.key): Promise<string> {
    const iat = Math.floor(Date.now() / 1000);
    return signMemberToken(key, {
      iss: ISSUER,
      sub: id('mem', name),
      tid: id('ten', tenant),
      wid: id('wsp', name),
      trust_mode_max: 1,
      scopes: ['chat'],
      surfaces: ['web'],
      gw: null,
      iat,
      exp: iat + 600,
      jti: randomBytes(8).toString('hex'),
      ...over,
    });
  }
}

/** Resolves once it holds, looking often; fails loudly when it never does. */
export async function until(holds: () => boolean | Promise<boolean>, within = 5_000): Promise<void> {
  const end = Date.now() + within;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('it did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
