import type { Socket } from 'node:net';
import { CLOSE } from '#libs/contracts';
import { TIMES } from '../proxy.limits.js';
import { FrameBorders } from './frame-borders.js';

/** Close, 2 bytes of payload: the code. Server frames are not masked. */
const GOING_AWAY = Buffer.from([0x88, 0x02, CLOSE.goingAway >> 8, CLOSE.goingAway & 0xff]);

/**
 * A WebSocket after its handshake: two sockets and the border of the current frame, nothing else per connection. What one
 * side sends is written to the other; when that one is full, reading stops until it has drained.
 */
export class SocketPipe {
  readonly #borders = new FrameBorders();
  #leaving = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  /** `onClose` is called once, when either side is gone and the other is being closed. */
  constructor(
    private readonly client: Socket,
    private readonly upstream: Socket,
    private readonly onClose: (pipe: SocketPipe) => void,
  ) {
    client.on('data', (chunk: Buffer) => pass(chunk, client, upstream));
    upstream.on('data', (chunk: Buffer) => this.#toClient(chunk));
    client.on('drain', () => upstream.resume());
    upstream.on('drain', () => client.resume());
    for (const socket of [client, upstream]) {
      socket.setTimeout(0);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, TIMES.tcpKeepAlive);
      socket.on('end', this.#close).on('close', this.#close).on('error', this.#close);
    }
  }

  /** Tells the client to come back elsewhere (1001) at the next frame border, then closes. */
  leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    if (this.#borders.between) this.client.write(GOING_AWAY);
    this.#timer = setTimeout(this.#close, TIMES.closeGrace);
  }

  #toClient(chunk: Buffer): void {
    if (!this.#leaving) {
      this.#borders.pass(chunk);
      pass(chunk, this.upstream, this.client);
      return;
    }
    // After our close frame nothing may follow; before it, the frame under way is finished first.
    if (this.#borders.between) return;
    const rest = this.#borders.pass(chunk, true);
    this.client.write(chunk.subarray(0, rest));
    if (this.#borders.between) this.client.write(GOING_AWAY);
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
