import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../test/stack.fixture.js';
import { SocketPipe } from './socket-pipe.js';

const GOING_AWAY = Buffer.from([0x88, 0x02, 0x03, 0xe9]);
const frame = (size: number) =>
  Buffer.concat([Buffer.from([0x82, 126, size >> 8, size & 0xff]), Buffer.alloc(size, 7)]);

let server: Server;
let closed: number;
/** The far ends: what a browser and a gateway hold. */
let browser: Socket;
let gateway: Socket;
let pipe: SocketPipe;

/** Two ends of one connection: the far one, and the one the pipe gets. */
async function pair(): Promise<[Socket, Socket]> {
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1');
  return [far, await accepted];
}

const received = (socket: Socket) => {
  const parts: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => parts.push(chunk));
  return () => Buffer.concat(parts);
};

beforeEach(async () => {
  closed = 0;
  server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const [first, client] = await pair();
  const [second, upstream] = await pair();
  [browser, gateway] = [first, second];
  pipe = new SocketPipe(client, upstream, () => (closed += 1));
});
afterEach(async () => {
  browser.destroy();
  gateway.destroy();
  await new Promise((resolve) => server.close(resolve));
});

describe('SocketPipe', () => {
  it('finishes the frame under way before its own close frame, and lets nothing follow', async () => {
    const seen = received(browser);
    const [whole, never] = [frame(1000), frame(300)];
    gateway.write(whole.subarray(0, 400));
    await until(() => seen().length === 400);
    pipe.leave();
    gateway.write(Buffer.concat([whole.subarray(400), never]));
    await until(() => seen().length >= whole.length + GOING_AWAY.length);
    await until(() => closed === 1);
    expect(seen().equals(Buffer.concat([whole, GOING_AWAY]))).toBe(true);
  });

  it('says goodbye at once between two frames', async () => {
    const seen = received(browser);
    gateway.write(frame(200));
    await until(() => seen().length === 204);
    pipe.leave();
    await until(() => seen().length === 208);
    expect(seen().subarray(204).equals(GOING_AWAY)).toBe(true);
  });

  it('delivers the last bytes of a side that ends', async () => {
    const seen = received(browser);
    gateway.end(frame(60_000));
    await until(() => closed === 1 && seen().length === 60_004);
    expect(seen().equals(frame(60_000))).toBe(true);
  });

  it('stops reading from a side whose other side does not take it', async () => {
    browser.pause();
    let buffered = 0;
    const piece = Buffer.concat(Array.from({ length: 64 }, () => frame(16_000)));
    // Far more than the kernel's buffers hold: without back-pressure the pipe would take it all.
    for (; buffered < 64 && gateway.writableLength < 8 * piece.length; buffered += 1) {
      gateway.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(gateway.writableLength).toBeGreaterThan(0);
    browser.resume();
    const seen = received(browser);
    await until(() => seen().length === buffered * piece.length);
    expect(gateway.writableLength).toBe(0);
  });

  it('closes both sides once when either breaks', async () => {
    browser.resume();
    gateway.resume();
    browser.resetAndDestroy();
    await until(() => gateway.readableEnded || gateway.destroyed);
    expect(closed).toBe(1);
  });
});
