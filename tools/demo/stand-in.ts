import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import {
  CHAT_PROTOCOL,
  type ClientFrame,
  type MemberView,
  type OperationView,
  type ServerFrame,
  type SessionView,
  type StackFile,
} from '#libs/contracts';

const AT = '2026-01-01T00:00:00.000Z';
const USAGE = { inputTokens: 5, outputTokens: 4 };
const DELTAS = ['One ', 'thing ', 'first.'];

/** What a stack can get wrong; the demo has to notice each. */
export type Fault =
  'none' | 'forgets' | 'still-answers' | 'operation-fails' | 'wrong-placement' | 'garbled-stream' | 'answers-elsewhere';

/** A whole stack in one listener, with the public interfaces the demo uses and nothing behind them. */
export class StackStandIn {
  /** Answers this many chat calls with 503 and `Retry-After` first. */
  busyFor = 0;
  readonly #members = new Map<string, MemberView>();
  readonly #sessions = new Map<string, SessionView['messages'][number][]>();
  readonly #server: Server;
  readonly #wss = new WebSocketServer({ noServer: true, handleProtocols: () => CHAT_PROTOCOL });
  #count = 0;

  constructor(private readonly fault: Fault) {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) => {
      const offered = request.headers['sec-websocket-protocol'] ?? '';
      const owner = /wirebot\.bearer\.token-([\w-]+)/.exec(offered)?.[1] ?? '';
      this.#wss.handleUpgrade(request, socket, head, (ws) => this.#attach(ws, owner));
    });
  }

  async start(): Promise<StackFile> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return {
      controlPlane: { url },
      proxy: { url },
      admin: { url: `${url}/admin/`, email: 'admin@example.com', password: 'x' },
      tenant: { id: 'ten_1', slug: 'harbour', apiKey: 'key', host: '127.0.0.1', url },
      driver: 'process',
      pids: {},
    };
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').slice(1);
    const body = await readJson(request);
    const member = /^v1\/members\/([\w-]+)/.exec(path)?.[1];
    if (path === 'ready') return json(response, 200, {});
    if (path === 'chat') return this.#chat(request, response, body);
    if (path.startsWith('session/')) return json(response, 200, this.#session(path.slice('session/'.length)));
    if (path.endsWith('/events')) return this.#events(response);
    if (path.startsWith('v1/operations/')) return json(response, 200, this.#operation());
    if (path === 'v1/tokens') return this.#token(request, response, String(body['member']));
    if (path.endsWith('/sign-in-links'))
      return json(response, 201, { url: 'http://127.0.0.1/#code=once', expiresAt: AT });
    if (path.endsWith('/cancel')) this.#members.set(member!, { ...this.#members.get(member!)!, status: 'cancelled' });
    if (request.method === 'PUT') this.#put(member!, String(body['tier']));
    if (request.method === 'GET') return json(response, 200, this.#members.get(member!));
    json(response, 202, { member: this.#members.get(member!), operation: this.#operation() });
  }

  #put(externalId: string, tier: string): void {
    const moved = this.#members.has(externalId);
    const kind = tier === 'sovereign' && this.fault !== 'wrong-placement' ? 'dedicated' : 'shared';
    const gateway = { id: 'gw_1', kind, runtime: 'wirebot', phase: 'ready', url: '' } as const;
    const common = { name: null, trustModeMax: 1, createdAt: AT, updatedAt: AT, status: 'active' } as const;
    this.#members.set(externalId, {
      id: `mem_${externalId}`,
      externalId,
      email: 'a@example.com',
      tier,
      gateway,
      disk: { usedBytes: null, limitBytes: null },
      ...common,
    });
    if (moved && this.fault === 'forgets') for (const messages of this.#sessions.values()) messages.length = 0;
  }

  #operation(): OperationView {
    const failed = this.fault === 'operation-fails';
    const steps = [{ name: 'place', status: 'succeeded', startedAt: AT, finishedAt: AT, detail: null } as const];
    const error = failed ? { code: 'engine-down', message: 'Start the engine.' } : null;
    const common = { id: 'op_1', kind: 'provision', progress: 1, steps, result: null, createdAt: AT, finishedAt: AT };
    return { ...common, status: failed ? 'failed' : 'succeeded', error };
  }

  #events(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const data = JSON.stringify(this.#operation());
    response.end(`: hello\n\nid: 1\nevent: step\ndata: ${data}\n\nid: 2\nevent: done\ndata: ${data}\n\n`);
  }

  #token(request: IncomingMessage, response: ServerResponse, externalId: string): void {
    const member = this.#members.get(externalId);
    if (member?.status !== 'active') return json(response, 409, { code: 'member-not-active', detail: 'No.' });
    const host = request.headers.host!;
    json(response, 201, {
      token: `token-${externalId}`,
      expiresAt: AT,
      url: `http://${host}/`,
      wsUrl: `ws://${host}/ws`,
    });
  }

  #chat(request: IncomingMessage, response: ServerResponse, body: Record<string, unknown>): void {
    const owner = request.headers.authorization!.replace('Bearer token-', '');
    if (this.busyFor > 0) {
      this.busyFor -= 1;
      response.setHeader('retry-after', '1');
      return json(response, 503, { code: 'agent-held', detail: 'Moving.' });
    }
    const gone = this.#members.get(owner)?.status !== 'active' && this.fault !== 'still-answers';
    if (gone) return json(response, 404, { code: 'agent-not-found', detail: 'There is no such agent.' });
    const session = this.fault === 'answers-elsewhere' ? 'ses_other' : String(body['session'] ?? 'ses_1');
    const done = this.#answer(session, String(body['text']));
    if (!request.headers.accept?.includes('event-stream')) return json(response, 200, { ...done, session });
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const deltas = this.fault === 'garbled-stream' ? DELTAS.slice(1) : DELTAS;
    const frames = [...deltas.map((delta) => ({ type: 'response', delta })), done];
    response.end(frames.map((frame) => `event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`).join(''));
  }

  #answer(session: string, text: string): ServerFrame & { type: 'done' } {
    const task = `tsk_${(this.#count += 1)}`;
    const messages = this.#sessions.get(session) ?? [];
    const common = { at: AT, task, status: 'completed' } as const;
    messages.push({ role: 'user', text, ...common }, { role: 'assistant', text: DELTAS.join(''), ...common });
    this.#sessions.set(session, messages);
    return { type: 'done', task, seq: this.#count, text: DELTAS.join(''), usage: USAGE, cost: null, model: 'stand-in' };
  }

  #session(session: string): SessionView {
    return { session, title: null, createdAt: AT, updatedAt: AT, seq: 0, messages: this.#sessions.get(session) ?? [] };
  }

  #attach(socket: WebSocket, owner: string): void {
    const send = (frame: Record<string, unknown>) => socket.send(JSON.stringify(frame));
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as ClientFrame;
      const session = `ses_${owner}`;
      if (frame.type === 'connect')
        send({ type: 'connected', session, agent: owner, trustMode: 1, heartbeatSeconds: 25 });
      if (frame.type !== 'message') return;
      const done = this.#answer(frame.session ?? session, frame.text);
      send({ type: 'accepted', id: frame.id, task: done.task, session: frame.session ?? session, seq: 1 });
      for (const delta of DELTAS) send({ type: 'response', task: done.task, seq: 2, delta });
      send(done as unknown as Record<string, unknown>);
    });
  }
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString() || '{}') as Record<string, unknown>;
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
