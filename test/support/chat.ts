import { randomUUID } from 'node:crypto';
import type { ChatAnswer, ClientFrame, ServerFrame, SessionView, TokenView } from '#libs/contracts';
import { BEARER_PROTOCOL_PREFIX, CHAT_PROTOCOL } from '#libs/contracts';
import { delay } from '#libs/kernel';
import { WebSocket } from 'ws';

export interface HttpAnswer<T> {
  readonly status: number;
  readonly body: T;
}

export async function http<T>(token: TokenView, method: string, path: string, body?: unknown): Promise<HttpAnswer<T>> {
  const response = await fetch(token.url + path, {
    method,
    headers: {
      authorization: `Bearer ${token.token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  return { status: response.status, body: (text ? JSON.parse(text) : undefined) as T };
}

/** POST /chat; waits within bounds while the agent moves or its gateway comes back (503). */
export async function chat(
  token: TokenView,
  text: string,
  more: { session?: string; idempotencyKey?: string } = {},
): Promise<ChatAnswer> {
  const body = { text, idempotencyKey: randomUUID(), ...more };
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const answer = await http<ChatAnswer>(token, 'POST', '/chat', body).catch(() => ({ status: 503, body: undefined }));
    if (answer.status === 200) return answer.body!;
    if (answer.status !== 503) throw new Error(`POST /chat answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    await delay(200);
  }
  throw new Error('the agent did not come back in time');
}

export const session = async (token: TokenView, id: string): Promise<SessionView> =>
  (await http<SessionView>(token, 'GET', `/session/${id}`)).body;

type FrameOf<K extends ServerFrame['type']> = Extract<ServerFrame, { type: K }>;

/** A chat socket that keeps every frame. */
export class ChatSocket {
  readonly frames: ServerFrame[] = [];
  closed: { code: number } | undefined;
  #socket: WebSocket;
  #watchers = new Set<() => void>();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      this.frames.push(JSON.parse(data.toString()) as ServerFrame);
      this.#tell();
    });
    socket.on('close', (code) => {
      this.closed = { code };
      this.#tell();
    });
    socket.on('error', () => undefined);
  }

  static async open(token: TokenView, resume?: { session: string; after: number }): Promise<ChatSocket> {
    const socket = new WebSocket(token.wsUrl, [CHAT_PROTOCOL, BEARER_PROTOCOL_PREFIX + token.token]);
    const chatSocket = new ChatSocket(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve());
      socket.once('unexpected-response', (_request, response) =>
        reject(new Error(`upgrade answered ${response.statusCode}`)),
      );
      socket.once('error', reject);
    });
    chatSocket.send({ type: 'connect', id: '1', ...(resume ? { resume } : {}) });
    await chatSocket.until('connected');
    return chatSocket;
  }

  send(frame: ClientFrame): void {
    this.#socket.send(JSON.stringify(frame));
  }

  message(text: string, more: { session?: string; idempotencyKey?: string } = {}): void {
    this.send({ type: 'message', id: randomUUID(), idempotencyKey: randomUUID(), text, ...more });
  }

  async until<K extends ServerFrame['type']>(type: K, task?: string, limitMs = 30_000): Promise<FrameOf<K>> {
    const matches = (frame: ServerFrame): boolean =>
      frame.type === type && (task === undefined || ('task' in frame && frame.task === task));
    const end = Date.now() + limitMs;
    for (;;) {
      const found = this.frames.find(matches);
      if (found) return found as FrameOf<K>;
      if (this.closed)
        throw new Error(`the socket closed with ${this.closed.code}; frames: ${JSON.stringify(this.frames)}`);
      const left = end - Date.now();
      if (left <= 0) throw new Error(`no ${type} frame in ${limitMs} ms; frames: ${JSON.stringify(this.frames)}`);
      await Promise.race([new Promise<void>((resolve) => this.#watchers.add(resolve)), delay(left)]);
    }
  }

  close(): void {
    this.#socket.terminate();
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher();
    this.#watchers.clear();
  }
}
