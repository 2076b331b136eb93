import { beforeEach, describe, expect, it } from 'vitest';
import type { ClientFrame, ServerFrame } from '#libs/contracts';
import { TIMES, type ConnectionStatus, type SocketEvents } from './connection-parts.js';
import { Connection } from './connection.js';

/** A network under the test's thumb: sockets, time and sign-in. */
class World {
  readonly sockets: { readonly events: SocketEvents; readonly sent: ClientFrame[]; closed: boolean }[] = [];
  readonly statuses: ConnectionStatus[] = [];
  readonly frames: ServerFrame[] = [];
  readonly stale: string[] = [];
  online = true;
  signedIn: 'signed-in' | 'signed-out' | 'unreachable' = 'signed-in';
  now = 0;
  #timers: { at: number; run: () => void }[] = [];

  connect(session: string | null = null, after = 0): Connection {
    const connection = new Connection(
      {
        openSocket: (events) => {
          const socket = { events, sent: [] as ClientFrame[], closed: false };
          this.sockets.push(socket);
          return {
            send: (data) => void socket.sent.push(JSON.parse(data) as ClientFrame),
            close: () => void (socket.closed = true),
          };
        },
        probe: () => Promise.resolve(this.signedIn),
        isOnline: () => this.online,
        now: () => this.now,
        random: () => 1,
        after: (milliseconds, run) => {
          const timer = { at: this.now + milliseconds, run };
          this.#timers.push(timer);
          return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
        },
      },
      {
        onStatus: (status) => void this.statuses.push(status),
        onFrame: (frame) => void this.frames.push(frame),
        onStale: (session) => void this.stale.push(session),
      },
      session,
      after,
    );
    connection.start();
    return connection;
  }

  get socket() {
    return this.sockets.at(-1)!;
  }

  get status(): ConnectionStatus {
    return this.statuses.at(-1)!;
  }

  receive(frame: ServerFrame): void {
    this.socket.events.onMessage(JSON.stringify(frame));
  }

  welcome(session = 'ses_1'): void {
    this.socket.events.onOpen();
    this.receive({ type: 'connected', session, agent: 'agt_1', trustMode: 1, heartbeatSeconds: 25 });
  }

  async close(code = 1006): Promise<void> {
    this.socket.events.onClose(code);
    await Promise.resolve();
    await Promise.resolve();
  }

  pass(milliseconds: number): void {
    const until = this.now + milliseconds;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.at <= until).toSorted((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.now = next.at;
      next.run();
    }
    this.now = until;
  }

  messages(): (ClientFrame & { type: 'message' })[] {
    return this.sockets.flatMap((socket) => socket.sent).filter((frame) => frame.type === 'message');
  }
}

const delta = (seq: number): ServerFrame => ({ type: 'response', task: 't', seq, delta: String(seq) });
const accepted = (id: string, seq = 1): ServerFrame => ({ type: 'accepted', id, task: 't', session: 'ses_1', seq });

let world: World;
beforeEach(() => {
  world = new World();
});

describe('connecting', () => {
  it('asks for what came after the history it has', () => {
    world.connect('ses_1', 17);
    world.welcome();
    expect(world.socket.sent[0]).toEqual({ type: 'connect', id: 'connect', resume: { session: 'ses_1', after: 17 } });
    expect(world.status).toEqual({ kind: 'open' });
  });

  it('gives up an attempt that never opens and tries again', () => {
    world.connect();
    world.pass(TIMES.open);
    expect(world.socket.closed).toBe(true);
    expect(world.status).toMatchObject({ kind: 'waiting', reason: 'lost' });
    world.pass(500);
    expect(world.sockets).toHaveLength(2);
  });

  it('waits twice as long after each failure, up to a bound, and starts over after a success', async () => {
    world.connect();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      await world.close();
      waits.push((world.status as { retryAt: number }).retryAt - world.now);
      world.pass(waits.at(-1)!);
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16000, 20000, 20000]);
    world.welcome();
    await world.close();
    expect((world.status as { retryAt: number }).retryAt - world.now).toBe(500);
  });

  it('stops for good when the sign-in has ended: told by the close code, or found out by asking', async () => {
    world.connect();
    await world.close(4401);
    expect(world.status).toEqual({ kind: 'closed', reason: 'signed-out' });

    const other = new World();
    other.signedIn = 'signed-out';
    other.connect();
    await other.close();
    expect(other.status).toEqual({ kind: 'closed', reason: 'signed-out' });
    other.pass(60_000);
    expect(other.sockets).toHaveLength(1);
  });

  it('makes no attempt while offline and one at once when the network is back', () => {
    world.online = false;
    const connection = world.connect();
    world.pass(60_000);
    expect(world.sockets).toHaveLength(0);
    expect(world.status).toEqual({ kind: 'offline' });
    world.online = true;
    connection.retryNow();
    expect(world.sockets).toHaveLength(1);
  });
});

describe('messages', () => {
  it('are sent again under the same key until they are accepted, and not once more', async () => {
    const connection = world.connect();
    connection.send('k1', 'Hello');
    world.welcome();
    await world.close();
    world.pass(500);
    world.welcome();
    world.receive(accepted('k1'));
    await world.close();
    world.pass(500);
    world.welcome();
    expect(world.messages().map((message) => message.idempotencyKey)).toEqual(['k1', 'k1']);
    expect(world.messages().map((message) => message.session)).toEqual(['ses_1', 'ses_1']);
  });

  it('are sent again on a new socket when nobody acknowledges them', () => {
    const connection = world.connect();
    world.welcome();
    connection.send('k1', 'Hello');
    world.receive({ type: 'heartbeat', at: '' });
    world.pass(TIMES.acknowledge);
    world.pass(500);
    world.welcome();
    expect(world.messages()).toHaveLength(2);
  });

  it('are not sent again after the gateway refused them', async () => {
    const connection = world.connect();
    world.welcome();
    connection.send('k1', 'Hello');
    world.receive({ type: 'error', id: 'k1', code: 'message-limit-reached', message: '', retryAfter: 60 });
    await world.close();
    world.pass(500);
    world.welcome();
    expect(world.messages()).toHaveLength(1);
  });

  it('are asked again when the gateway is on its way out', () => {
    const connection = world.connect();
    world.welcome();
    connection.send('k1', 'Hello');
    world.receive({ type: 'error', id: 'k1', code: 'agent-draining', message: '', retryAfter: 2 });
    expect(world.frames.some((frame) => frame.type === 'error')).toBe(false);
    world.pass(500);
    world.welcome();
    expect(world.messages().map((message) => message.idempotencyKey)).toEqual(['k1', 'k1']);
  });

  it('can be taken back while there is no connection, and not once they may have arrived', () => {
    const connection = world.connect();
    connection.send('k1', 'Hello');
    expect(connection.withdraw('k1')).toBe(true);
    connection.send('k2', 'Hello');
    world.welcome();
    expect(connection.withdraw('k2')).toBe(false);
    expect(world.messages().map((message) => message.idempotencyKey)).toEqual(['k2']);
  });

  it('go into a new session when the unused one is gone', async () => {
    const connection = world.connect();
    world.welcome('ses_lost');
    connection.send('k1', 'Hello');
    world.receive({ type: 'error', id: 'k1', code: 'session-not-found', message: '' });
    world.pass(500);
    world.welcome('ses_new');
    expect(world.socket.sent[0]).not.toHaveProperty('resume');
    expect(world.messages().at(-1)).toMatchObject({ idempotencyKey: 'k1', session: 'ses_new' });
  });
});

describe('frames', () => {
  it('arrive once, whatever a resume repeats', async () => {
    world.connect();
    world.welcome();
    world.receive(accepted('k1', 1));
    world.receive(delta(2));
    await world.close();
    world.pass(500);
    world.welcome();
    expect(world.socket.sent[0]).toMatchObject({ resume: { session: 'ses_1', after: 2 } });
    world.receive(delta(2));
    world.receive(delta(3));
    expect(world.frames.filter((frame) => frame.type === 'response').map((frame) => frame.seq)).toEqual([2, 3]);
  });

  it('that are missing are asked for once; a gap that stays does not stop the conversation', () => {
    world.connect('ses_1', 4);
    world.welcome();
    world.receive(delta(6));
    expect(world.sockets).toHaveLength(2);
    world.welcome();
    expect(world.socket.sent[0]).toMatchObject({ resume: { after: 4 } });
    world.receive(delta(6));
    expect(world.sockets).toHaveLength(2);
    expect(world.frames.at(-1)).toEqual(delta(6));
  });

  it('that are not kept any more are replaced by the history, and what follows it is heard', () => {
    const connection = world.connect('ses_1', 4);
    world.socket.events.onOpen();
    world.receive({ type: 'error', id: 'connect', code: 'resume-invalid', message: '' });
    expect(world.stale).toEqual(['ses_1']);
    world.pass(60_000);
    expect(world.sockets).toHaveLength(1);
    connection.resumeAt(900);
    world.welcome();
    expect(world.socket.sent[0]).toMatchObject({ resume: { after: 900 } });
    world.receive(delta(901));
    expect(world.frames.at(-1)).toEqual(delta(901));
  });

  it('of a socket that was left are not heard any more', () => {
    world.connect();
    world.welcome();
    const left = world.socket;
    world.pass(60_000);
    left.events.onMessage(JSON.stringify(delta(1)));
    expect(world.frames.filter((frame) => frame.type === 'response')).toEqual([]);
  });

  it('that make no sense are skipped', () => {
    world.connect();
    world.welcome();
    for (const data of ['{', '[]', 'null', '"x"', '{"type":"tomorrow"}', 7]) world.socket.events.onMessage(data);
    world.receive(delta(1));
    expect(world.frames.at(-1)).toEqual(delta(1));
    expect(world.sockets).toHaveLength(1);
  });
});

describe('a live socket', () => {
  it('sends heartbeats and is left when nothing is heard for two of them', () => {
    world.connect();
    world.welcome();
    world.pass(26_000);
    expect(world.socket.sent.at(-1)).toEqual({ type: 'heartbeat' });
    world.receive({ type: 'heartbeat', at: '' });
    world.pass(50_000);
    expect(world.status).toEqual({ kind: 'open' });
    world.pass(10_000);
    expect(world.statuses.some((status) => status.kind === 'waiting')).toBe(true);
  });

  it('that drains gets no new message; the next one does, after the time it named', async () => {
    const connection = world.connect();
    world.welcome();
    world.receive({ type: 'draining', reconnectAfterMs: 3000 });
    connection.send('k1', 'Hello');
    expect(world.messages()).toHaveLength(0);
    await world.close(1001);
    expect(world.status).toEqual({ kind: 'waiting', retryAt: 3000, reason: 'draining' });
    world.pass(3000);
    world.welcome();
    expect(world.messages()).toHaveLength(1);
  });

  it('is closed with its timers when the reader leaves', () => {
    const connection = world.connect();
    world.welcome();
    connection.stop();
    expect(world.socket.closed).toBe(true);
    world.pass(600_000);
    expect(world.sockets).toHaveLength(1);
  });
});
