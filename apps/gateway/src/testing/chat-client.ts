import { BEARER_PROTOCOL_PREFIX, CHAT_PROTOCOL, type ClientFrame, type ServerFrame } from '#libs/contracts';
import { WebSocket } from 'ws';

type Typed<T extends ServerFrame['type']> = Extract<ServerFrame, { type: T }>;

/** A chat client that keeps every frame it got. */
export class ChatClient {
  readonly frames: ServerFrame[] = [];
  closeCode: number | undefined;
  readonly #changed = new Set<() => void>();

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => this.#add(JSON.parse(data.toString('utf8')) as ServerFrame));
    socket.on('close', (code) => {
      this.closeCode = code;
      this.#wake();
    });
    socket.on('error', () => this.#wake());
  }

  /** Opens a socket; a token goes into the subprotocol, as a browser does it. */
  static async open(url: string, token?: string): Promise<ChatClient> {
    const protocols = token === undefined ? [CHAT_PROTOCOL] : [CHAT_PROTOCOL, `${BEARER_PROTOCOL_PREFIX}${token}`];
    const client = new ChatClient(new WebSocket(url, protocols));
    await new Promise((resolve, reject) => client.socket.once('open', resolve).once('error', reject));
    return client;
  }

  static async connect(url: string, token: string, resume?: { session: string; after: number }): Promise<ChatClient> {
    const client = await ChatClient.open(url, token);
    client.send({ type: 'connect', id: 'c', ...(resume ? { resume } : {}) });
    await client.waitFor('connected');
    return client;
  }

  get session(): string {
    return this.of('connected').at(-1)!.session;
  }

  send(frame: ClientFrame | Record<string, unknown>): void {
    this.socket.send(JSON.stringify(frame));
  }

  say(text: string, key: string, session?: string): void {
    this.send({ type: 'message', id: key, idempotencyKey: key, text, ...(session ? { session } : {}) });
  }

  of<T extends ServerFrame['type']>(type: T): Typed<T>[] {
    return this.frames.filter((frame): frame is Typed<T> => frame.type === type);
  }

  /** The nth frame of a type, counted from 1, once it has arrived. */
  async waitFor<T extends ServerFrame['type']>(type: T, count = 1, withinMs = 15_000): Promise<Typed<T>> {
    await this.until(() => this.of(type).length >= count, withinMs, `${count} x ${type}`);
    return this.of(type)[count - 1]!;
  }

  async waitForClose(withinMs = 15_000): Promise<number> {
    await this.until(() => this.closeCode !== undefined, withinMs, 'close');
    return this.closeCode!;
  }

  /** What a client shows for a task: its deltas since the last reset. */
  shown(task: string): string {
    const deltas = this.of('response').filter((frame) => frame.task === task);
    return deltas.reduce((text, frame) => (frame.reset ? '' : text) + frame.delta, '');
  }

  seqs(): number[] {
    return this.frames.flatMap((frame) => ('seq' in frame && frame.seq !== undefined ? [frame.seq] : []));
  }

  close(): void {
    this.socket.terminate();
  }

  async until(condition: () => boolean, withinMs: number, what: string): Promise<void> {
    const expired = AbortSignal.timeout(withinMs);
    while (!condition()) {
      await new Promise<void>((resolve, reject) => {
        const fail = () =>
          reject(
            new Error(
              `no ${what} within ${withinMs} ms; got ${this.frames
                .map((frame) => frame.type)
                .join(' ')
                .slice(-500)}`,
            ),
          );
        expired.addEventListener('abort', fail, { once: true });
        this.#changed.add(resolve);
      });
    }
  }

  #add(frame: ServerFrame): void {
    this.frames.push(frame);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#changed) resolve();
    this.#changed.clear();
  }
}
