import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { WebSocketServer, type WebSocket } from 'ws';
import { CHAT_PROTOCOL, type ClientFrame, type ServerFrame, type SessionView } from '#libs/contracts';

const PUBLIC = join(import.meta.dirname, '../../dist/apps/chat/public');
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

interface Stored {
  readonly id: string;
  readonly title: string;
  readonly messages: SessionView['messages'][number][];
  readonly frames: ServerFrame[];
  seq: number;
}

type Sequenced = ServerFrame extends infer F ? (F extends { seq?: number } ? Omit<F, 'seq'> : never) : never;

/**
 * Speaks the chat protocol over real sockets and serves the built page, with switches for everything that can go wrong.
 * It stands where the proxy and a gateway stand; the whole stack is tested elsewhere.
 */
export class StandIn {
  readonly sessions = new Map<string, Stored>();
  readonly received: ClientFrame[] = [];
  readonly aborted = new Set<string>();
  readonly sockets = new Set<WebSocket>();
  brand = { name: 'Harbour', accent: '#2f5d50', greeting: 'Good to see you. What shall we move forward?' };
  signedIn = true;
  answer = 'Good. **One thing** first: write down what done looks like.';
  /** Milliseconds between two deltas. */
  pace = 5;
  refuseSockets = false;
  /** No further session may be kept: a new connection gets the latest. */
  sessionsFull = false;
  limitSeconds: number | null = null;
  failWith: string | null = null;
  readonly #keys = new Map<string, string>();
  readonly #server: Server;
  readonly #wss = new WebSocketServer({ noServer: true, handleProtocols: () => CHAT_PROTOCOL });
  #count = 0;

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) => {
      if (!this.signedIn || this.refuseSockets) {
        socket.end(
          `HTTP/1.1 ${this.signedIn ? '503 Service Unavailable' : '401 Unauthorized'}\r\nContent-Length: 0\r\n\r\n`,
        );
        return;
      }
      this.#wss.handleUpgrade(request, socket, head, (ws) => this.#attach(ws));
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/t/harbour/`;
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Breaks every socket without a word, as a network does. */
  cut(): void {
    for (const socket of this.sockets) socket.terminate();
  }

  /** Announces that this gateway is about to go, and goes. */
  drain(reconnectAfterMs: number): void {
    for (const socket of this.sockets) {
      socket.send(JSON.stringify({ type: 'draining', reconnectAfterMs }));
      socket.close(1001);
    }
  }

  addSession(id: string, title: string, exchanges: readonly (readonly [string, string])[]): void {
    const at = new Date().toISOString();
    const messages = exchanges.flatMap(([question, answer], index) => {
      const common = { at, task: `tsk_${id}_${index}`, status: 'completed' } as const;
      return [
        { role: 'user', text: question, ...common } as const,
        { role: 'assistant', text: answer, ...common } as const,
      ];
    });
    this.sessions.set(id, { id, title, messages, frames: [], seq: messages.length * 3 });
  }

  messagesReceived(): (ClientFrame & { type: 'message' })[] {
    return this.received.filter((frame) => frame.type === 'message');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://stand-in').pathname.replace(/^\/t\/harbour\//, '');
    const route = `${request.method} ${path}`;
    if (route === 'GET brand.json') return json(response, 200, this.brand);
    if (route === 'POST auth/exchange') return this.#exchange(request, response);
    if (route === 'GET ' || path.startsWith('assets/')) return file(response, path || 'index.html');
    if (!this.signedIn) return json(response, 401, { code: 'not-signed-in', detail: 'Sign in first.' });
    if (route === 'GET auth/me')
      return json(response, 200, { agentId: 'agt_1', memberName: 'Mara Lindqvist', expiresAt: '2030-01-01T00:00:00Z' });
    if (route === 'POST auth/sign-out') {
      this.signedIn = false;
      return json(response, 204);
    }
    if (route === 'GET sessions')
      return json(response, 200, { items: [...this.sessions.values()].toReversed().map(summary), nextCursor: null });
    const session = this.sessions.get(path.replace('session/', ''));
    if (!session) return json(response, 404, { code: 'session-not-found', detail: 'There is no such conversation.' });
    json(response, 200, { ...summary(session), messages: session.messages });
  }

  async #exchange(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { code } = JSON.parse(Buffer.concat(chunks).toString()) as { code: string };
    if (code !== 'fresh') return json(response, 401, { code: 'sign-in-code-invalid', detail: 'Used or too old.' });
    this.signedIn = true;
    json(response, 200, { agentId: 'agt_1', memberName: 'Mara Lindqvist', expiresAt: '2030-01-01T00:00:00Z' });
  }

  #attach(socket: WebSocket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as ClientFrame;
      this.received.push(frame);
      if (frame.type === 'connect') this.#connect(socket, frame);
      if (frame.type === 'message') void this.#message(socket, frame);
      if (frame.type === 'abort') this.aborted.add(frame.task);
    });
  }

  #connect(socket: WebSocket, frame: ClientFrame & { type: 'connect' }): void {
    const session =
      frame.resume?.session ?? (this.sessionsFull ? [...this.sessions.keys()].at(-1)! : `ses_${(this.#count += 1)}`);
    socket.send(JSON.stringify({ type: 'connected', session, agent: 'agt_1', trustMode: 1, heartbeatSeconds: 25 }));
    const missed = this.sessions.get(session)?.frames ?? [];
    for (const old of missed) if ('seq' in old && old.seq! > frame.resume!.after) socket.send(JSON.stringify(old));
  }

  async #message(socket: WebSocket, frame: ClientFrame & { type: 'message' }): Promise<void> {
    if (this.limitSeconds !== null) {
      const { id } = frame;
      const message = 'You have used the messages of this hour.';
      socket.send(
        JSON.stringify({ type: 'error', id, code: 'message-limit-reached', message, retryAfter: this.limitSeconds }),
      );
      return;
    }
    if (this.#keys.has(frame.idempotencyKey)) return;
    const task = `tsk_${(this.#count += 1)}`;
    this.#keys.set(frame.idempotencyKey, task);
    const session = this.#stored(frame.session!, frame.text);
    const at = new Date().toISOString();
    session.messages.push({ role: 'user', text: frame.text, at, task, status: 'processing' });
    this.#emit(session, { type: 'accepted', id: frame.id, task, session: session.id });
    await this.#reply(session, task, at);
  }

  async #reply(session: Stored, task: string, at: string): Promise<void> {
    if (this.failWith)
      return this.#emit(session, { type: 'error', task, code: 'provider-unavailable', message: this.failWith });
    let text = '';
    for (const delta of this.answer.match(/\s*\S+/g) ?? []) {
      await new Promise((resolve) => setTimeout(resolve, this.pace));
      if (this.aborted.has(task))
        return this.#emit(session, { type: 'error', task, code: 'task-aborted', message: 'Stopped.' });
      text += delta;
      this.#emit(session, { type: 'response', task, delta });
    }
    session.messages.push({ role: 'assistant', text, at, task, status: 'completed' });
    this.#emit(session, {
      type: 'done',
      task,
      text,
      usage: { inputTokens: 9, outputTokens: 20 },
      cost: null,
      model: 'stand-in',
    });
  }

  #stored(id: string, title: string): Stored {
    const session = this.sessions.get(id) ?? { id, title: title.slice(0, 60), messages: [], frames: [], seq: 0 };
    this.sessions.set(id, session);
    return session;
  }

  #emit(session: Stored, frame: Sequenced): void {
    session.seq += 1;
    const numbered = { ...frame, seq: session.seq } as ServerFrame;
    session.frames.push(numbered);
    for (const socket of this.sockets) socket.send(JSON.stringify(numbered));
  }
}

const summary = (session: Stored) => {
  const now = new Date().toISOString();
  return { session: session.id, title: session.title, createdAt: now, updatedAt: now, seq: session.seq };
};

function json(response: ServerResponse, status: number, body?: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'content-security-policy': POLICY });
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
