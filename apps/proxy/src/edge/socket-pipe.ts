import type { Socket } from 'node:net';
import { CLOSE } from '#libs/contracts';
import { TIMES } from '../proxy.limits.js';
import { type ClientBytes, clientFrame, ClientMessages, connectOf } from './client-messages.js';
import { FrameBorders } from './frame-borders.js';

/** What a client is told before its socket closes: an optional last text message, and the close frame. */
export interface Farewell {
  readonly code: number;
  readonly reason?: string;
  readonly message?: string;
}

/** Server frames are not masked; everything here is far below 64 KiB. */
function serverFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = length < 126 ? [0x80 | opcode, length] : [0x80 | opcode, 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), payload]);
}

function farewellFrames({ code, reason = '', message }: Farewell): Buffer {
  const close = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason).subarray(0, 123)]);
  const frames = [serverFrame(8, close)];
  if (message !== undefined) frames.unshift(serverFrame(1, Buffer.from(message)));
  return Buffer.concat(frames);
}

/**
 * Asked about every token that a client brings in a `connect` frame, before the gateway sees it. Resolves with the token to
 * pass on, or undefined when the socket is to be ended (which it has arranged for).
 */
export type OnConnect = (token: string) => Promise<string | undefined>;

/**
 * A WebSocket after its handshake: two sockets and the borders of the current frames, nothing else per connection. What one
 * side sends is written to the other; when that one is full, reading stops until it has drained.
 */
export class SocketPipe {
  readonly #borders = new FrameBorders();
  readonly #messages = new ClientMessages();
  #farewell: Buffer | undefined;
  /** The client is not listened to any more. */
  #deaf = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  /** Chunks of the client's that wait until a token has been judged; undefined: nothing is being judged. */
  #waiting: Buffer[] | undefined;

  /** `onClose` is called once, when either side is gone and the other is being closed. */
  constructor(
    private readonly client: Socket,
    private readonly upstream: Socket,
    private readonly onClose: (pipe: SocketPipe) => void,
    private readonly onConnect?: OnConnect,
  ) {
    client.on('data', (chunk: Buffer) => this.#fromClient(chunk));
    upstream.on('data', (chunk: Buffer) => this.#toClient(chunk));
    client.on('drain', () => upstream.resume());
    upstream.on('drain', () => this.#waiting ?? client.resume());
    for (const socket of [client, upstream]) {
      socket.setTimeout(0);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, TIMES.tcpKeepAlive);
      socket.on('end', this.#close).on('close', this.#close).on('error', this.#close);
    }
  }

  /** Tells the client to come back elsewhere (1001) at the next frame border, then closes. */
  leave(): void {
    this.#say({ code: CLOSE.goingAway });
  }

  /** Takes nothing more from the client, tells it why at the next frame border, then closes. */
  end(farewell: Farewell): void {
    this.#deaf = true;
    // What still comes is thrown away, but read: the client's own close frame is among it.
    this.client.resume();
    this.#say(farewell);
  }

  #say(farewell: Farewell): void {
    if (this.#farewell) return;
    this.#farewell = farewellFrames(farewell);
    if (this.#borders.between) this.client.write(this.#farewell);
    this.#timer = setTimeout(this.#close, TIMES.closeGrace);
  }

  #toClient(chunk: Buffer): void {
    if (!this.#farewell) {
      this.#borders.pass(chunk);
      pass(chunk, this.upstream, this.client);
      return;
    }
    // After our close frame nothing may follow; before it, the frame under way is finished first.
    if (this.#borders.between) return;
    const rest = this.#borders.pass(chunk, true);
    this.client.write(chunk.subarray(0, rest));
    if (this.#borders.between) this.client.write(this.#farewell);
  }

  #fromClient(chunk: Buffer): void {
    if (this.#deaf) return;
    if (!this.onConnect) return pass(chunk, this.client, this.upstream);
    if (this.#waiting) this.#waiting.push(chunk);
    else this.#follow(this.#messages.push(chunk));
  }

  /** Passes on what may go; stops at a token until it has been judged. */
  #follow(pieces: Generator<ClientBytes>): void {
    for (let next = pieces.next(); !next.done; next = pieces.next()) {
      const { bytes, text } = next.value;
      const connect = text === undefined ? undefined : connectOf(text);
      if (connect) return this.#judge(connect, bytes, pieces);
      pass(bytes, this.client, this.upstream);
    }
  }

  #judge(connect: NonNullable<ReturnType<typeof connectOf>>, bytes: Buffer, rest: Generator<ClientBytes>): void {
    this.#waiting = [];
    this.client.pause();
    const goOn = (token: string | undefined) => {
      const waiting = this.#waiting ?? [];
      this.#waiting = undefined;
      if (token === undefined) this.#deaf = true;
      if (this.#deaf || this.#closed) return;
      const same = token === connect.token;
      pass(same ? bytes : clientFrame(JSON.stringify({ ...connect, token })), this.client, this.upstream);
      if (!this.upstream.writableNeedDrain) this.client.resume();
      this.#follow(rest);
      for (const chunk of waiting) this.#fromClient(chunk);
    };
    void this.onConnect!(connect.token).then(goOn, () => this.#close());
  }

  readonly #close = () => {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    const both = [this.client, this.upstream];
    // Bytes already accepted for a side are still delivered, but not for ever to one that does not read.
    for (const socket of both) socket.destroySoon();
    setTimeout(() => both.forEach((socket) => socket.destroy()), TIMES.closeGrace).unref();
    this.onClose(this);
  };
}

function pass(chunk: Buffer, from: Socket, to: Socket): void {
  if (!to.destroyed && !to.write(chunk)) from.pause();
}
