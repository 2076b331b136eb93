import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { WebSocketServer, type WebSocket } from 'ws';
import type { MemberView, OperationView } from '#libs/contracts';

const PUBLIC = join(import.meta.dirname, '../../dist/apps/admin/public');
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const SESSION = { user: { email: 'admin@example.com' }, isOperator: true, tenants: [] };
const METHODS = {
  magicLink: { available: false },
  passwordReset: { available: false },
  passkeys: false,
  providers: [],
};
const AT = '2026-11-20T09:30:00.000Z';

/** Serves the built operator page and the part of the operator API that it uses, with rows that a test can change. */
export class AdminStandIn {
  members: MemberView[] = [
    member('Mara Lindqvist', 'sovereign', 'dedicated'),
    member('Jonas Okafor', 'freewire', 'shared'),
  ];
  gateways = [
    {
      id: 'gw_01kag8r3m2n4p6q8s0t2v4x6z8',
      kind: 'shared',
      phase: 'ready',
      port: 21000,
      agents: 12,
      conditions: [condition('Ready', true)],
    },
    {
      id: 'gw_01kag8r3m2n4p6q8s0t2v4x6z9',
      kind: 'dedicated',
      phase: 'failed',
      port: 21002,
      agents: 1,
      conditions: [
        condition('Ready', false, 'image-missing', 'The image is not on this host. Build it or name another one.'),
      ],
    },
  ];
  operations: OperationView[] = [
    operation('op_1', 'provision', 'running'),
    operation('op_2', 'change-tier', 'succeeded'),
  ];
  readonly subscriptions: { readonly after?: string }[] = [];
  readonly #sockets = new Set<WebSocket>();
  readonly #log: string[] = [];
  readonly #server: Server;
  readonly #wss = new WebSocketServer({ noServer: true });

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) =>
      this.#wss.handleUpgrade(request, socket, head, (ws) => this.#attach(ws)),
    );
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/admin/`;
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  cut(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  /** Changes an operation and tells everybody who listens. */
  update(id: string, change: Partial<OperationView>): void {
    this.operations = this.operations.map((row) => (row.id === id ? { ...row, ...change } : row));
    const data = this.operations.find((row) => row.id === id);
    this.#log.push(
      JSON.stringify({ type: 'event', cursor: `1.${this.#log.length + 1}`, topic: 'operations', id, data }),
    );
    for (const socket of this.#sockets) socket.send(this.#log.at(-1)!);
  }

  #attach(socket: WebSocket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('message', (data) => {
      const subscription = JSON.parse(String(data)) as { readonly after?: string };
      this.subscriptions.push(subscription);
      socket.send(JSON.stringify({ type: 'subscribed', cursor: subscription.after ?? `1.${this.#log.length}` }));
      if (subscription.after !== undefined)
        for (const line of this.#log.slice(Number(subscription.after.slice(2)))) socket.send(line);
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://stand-in').pathname;
    if (path.startsWith('/admin/')) return file(response, path.slice('/admin/'.length) || 'index.html');
    if (path === '/v1/session/methods') return json(response, 200, METHODS);
    if (path === '/v1/session' && request.method === 'POST') return this.#signIn(request, response);
    if (!request.headers.cookie?.includes('wirebot_admin=1'))
      return json(response, 401, { code: 'session-required', detail: 'Sign in first.' });
    if (path === '/v1/session') {
      if (request.method === 'DELETE') response.setHeader('set-cookie', 'wirebot_admin=; Max-Age=0; Path=/; HttpOnly');
      return request.method === 'DELETE' ? json(response, 204) : json(response, 200, SESSION);
    }
    const lists: Record<string, readonly unknown[]> = {
      members: this.members,
      gateways: this.gateways,
      operations: this.operations,
    };
    json(response, 200, { items: lists[path.replace('/v1/admin/', '')] ?? [], nextCursor: null });
  }

  async #signIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { password } = JSON.parse(Buffer.concat(chunks).toString()) as { password: string };
    if (password !== 'right') return json(response, 401, { code: 'sign-in-refused', detail: 'No.' });
    response.setHeader('set-cookie', 'wirebot_admin=1; Path=/; HttpOnly; SameSite=Strict');
    json(response, 201, { status: 'signed-in' });
  }
}

function member(name: string, tier: string, kind: 'shared' | 'dedicated'): MemberView {
  const externalId = name.split(' ')[0]!.toLowerCase();
  const gateway = {
    id: 'gw_01kag8r3m2n4p6q8s0t2v4x6z8',
    kind,
    runtime: 'wirebot',
    phase: 'ready',
    url: 'http://127.0.0.1/',
  };
  const disk = { usedBytes: null, limitBytes: null };
  const common = { trustModeMax: 1 as const, createdAt: AT, updatedAt: AT, status: 'active' as const, disk };
  return { id: `mem_${externalId}`, externalId, email: `${externalId}@example.com`, name, tier, gateway, ...common };
}

function operation(id: string, kind: string, status: OperationView['status']): OperationView {
  const names = ['place', 'create', 'start', 'route'];
  const done = status === 'succeeded' ? names.length : 2;
  const stepStatus = (at: number) => (at < done ? 'succeeded' : at === done ? 'running' : 'pending');
  const steps = names.map((name, at) => ({
    name,
    status: stepStatus(at) as 'pending',
    startedAt: AT,
    finishedAt: AT,
    detail: null,
  }));
  return {
    id,
    kind,
    status,
    progress: done / names.length,
    steps,
    result: null,
    error: null,
    createdAt: AT,
    finishedAt: null,
  };
}

function condition(type: string, status: boolean, reason = 'probe-ok', message = '') {
  return { type, status, reason, message, at: AT };
}

function json(response: ServerResponse, status: number, body?: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

async function file(response: ServerResponse, path: string): Promise<void> {
  const bytes = await readFile(join(PUBLIC, path));
  response.writeHead(200, {
    'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
    'content-security-policy': POLICY,
  });
  response.end(bytes);
}
