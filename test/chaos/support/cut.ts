import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';

type Way = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * A road to a real server that can be cut: `refuse` ends what is open and lets nothing in, as a server that died; `hang` takes
 * connections and says nothing, also on those that are open, as one that was frozen.
 */
export class Cut {
  readonly #pairs = new Set<{ readonly client: Socket; readonly server: Socket }>();
  #state: 'open' | 'refuse' | 'hang' = 'open';

  private constructor(
    private readonly listener: Server,
    private readonly to: Way,
    private readonly path: string | undefined,
  ) {
    listener.on('connection', (client) => this.#connect(client));
  }

  /** `at`: a path for a unix socket; else any free port of 127.0.0.1. */
  static async before(to: Way, at?: string): Promise<Cut> {
    if (at) await rm(at, { force: true });
    const listener = createServer();
    if (at) listener.listen(at);
    else listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return new Cut(listener, to, at);
  }

  get port(): number {
    return (this.listener.address() as { port: number }).port;
  }

  refuse(): void {
    this.#state = 'refuse';
    for (const { client, server } of this.#pairs) [client, server].forEach((socket) => socket.destroy());
  }

  hang(): void {
    this.#state = 'hang';
    for (const { client, server } of this.#pairs) [client, server].forEach((socket) => socket.pause());
  }

  /** What hung is not answered late: its connections end, as those of a server that was restarted. */
  mend(): void {
    if (this.#state === 'hang') this.refuse();
    this.#state = 'open';
  }

  async close(): Promise<void> {
    this.refuse();
    this.listener.close();
    if (this.path) await rm(this.path, { force: true });
  }

  #connect(client: Socket): void {
    client.on('error', () => undefined);
    if (this.#state === 'refuse') {
      client.destroy();
      return;
    }
    const server = createConnection({ ...this.to, allowHalfOpen: true });
    const pair = { client, server };
    server.on('error', () => client.destroy());
    this.#pairs.add(pair);
    client.once('close', () => this.#end(pair));
    server.once('close', () => this.#end(pair));
    client.pipe(server);
    server.pipe(client);
    if (this.#state === 'hang') [client, server].forEach((socket) => socket.pause());
  }

  #end(pair: { readonly client: Socket; readonly server: Socket }): void {
    this.#pairs.delete(pair);
    pair.client.destroy();
    pair.server.destroy();
  }
}
