import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WirebotRuntime } from './wirebot-runtime.js';

const never = new AbortController().signal;
const MB = 1024 * 1024;

describe('a gateway that is not what it should be', () => {
  const runtime = new WirebotRuntime();
  let server: Server;
  let answer: (reply: ServerResponse) => void;
  let sent = 0;
  const at = () => ({
    host: '127.0.0.1',
    port: 1,
    controlPort: (server.address() as AddressInfo).port,
    credential: 'x',
  });

  beforeAll(async () => {
    server = createServer((_request, reply) => answer(reply));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  beforeEach(() => {
    sent = 0;
  });
  afterAll(async () => {
    await runtime.close();
    server.closeAllConnections();
    server.close();
  });

  /** JSON that never ends. */
  const endless = (status: number) => (reply: ServerResponse) => {
    reply.writeHead(status, { 'content-type': 'application/json' });
    const block = Buffer.alloc(MB, ' ');
    const more = (): void => {
      while (!reply.destroyed && reply.write(block)) sent += MB;
      reply.once('drain', more);
    };
    reply.once('close', () => reply.removeAllListeners('drain'));
    more();
  };

  it.each([200, 500])('is not read to an end that never comes (%i)', async (status) => {
    answer = endless(status);
    await expect(runtime.apply(at(), {} as never, 0, never)).rejects.toMatchObject({ retryable: true });
    expect(sent).toBeLessThan(64 * MB);
  });

  it('gives no code and no text of any form or length', async () => {
    answer = (reply) =>
      reply.writeHead(409).end(JSON.stringify({ code: 'x'.repeat(1_000), detail: 'y'.repeat(50_000) }));
    await expect(runtime.status(at(), never)).rejects.toMatchObject({
      code: 'gateway-answered-409',
      message: 'y'.repeat(1_000),
    });
    answer = (reply) => reply.writeHead(409).end(JSON.stringify({ code: { a: 1 }, detail: ['b'] }));
    await expect(runtime.status(at(), never)).rejects.toMatchObject({
      code: 'gateway-answered-409',
      message: 'The gateway answered 409.',
    });
    answer = (reply) => reply.writeHead(409).end('null');
    await expect(runtime.status(at(), never)).rejects.toMatchObject({ code: 'gateway-answered-409' });
  });
});
