import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../test/stack.fixture.js';
import { forward } from './forward.js';
import type { ForwardFault } from './forward-fault.js';
import { createListener } from './listener.js';
import { UpstreamPools } from './upstream-pools.js';

let upstream: Server;
let front: Server;
let pools: UpstreamPools;
let faults: (ForwardFault | undefined)[];
let limits: { headersTimeout: number; bodyTimeout: number };
let answer: RequestListener;
let arrived: number;

const open = async (server: Server) => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};
const shut = (server: Server) =>
  new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });

let origin: string;
let url: string;
beforeEach(async () => {
  [pools, faults, limits] = [new UpstreamPools(), [], { headersTimeout: 5000, bodyTimeout: 5000 }];
  upstream = createServer((req, res) => answer(req, res));
  origin = await open(upstream);
  arrived = 0;
  front = createListener((req, res) => {
    arrived += 1;
    forward(pools, req, res, {
      origin,
      path: req.url!,
      headers: [],
      bodyLimit: 1000,
      ...limits,
      onEnd: (fault) => {
        faults.push(fault);
        if (fault && fault !== 'client-gone' && fault !== 'broken') res.writeHead(503).end(fault);
      },
    });
  });
  url = await open(front);
});
afterEach(async () => {
  await pools.close();
  await Promise.all([shut(front), shut(upstream)]);
});

/** What is in flight, but for the one this look takes and gives back. */
const inFlight = () => {
  const one = pools.acquire(origin)!;
  pools.release(one);
  return one.inFlight;
};

describe('forward', () => {
  it('gives back what it took, however an exchange ends', async () => {
    let count = 0;
    answer = (req, res) => {
      count += 1;
      req.resume();
      const kind = count % 6;
      if (kind === 0) return req.socket.destroy();
      if (kind === 1) return void res.writeHead(200).end('ok');
      if (kind === 2) return void res.writeHead(200).write('half', () => res.destroy());
      if (kind === 3) return void setTimeout(() => res.end('late'), 20);
      if (kind === 4) return void res.writeHead(200).write('stays open');
      return undefined;
    };
    const calls = Array.from({ length: 240 }, async (_, i) => {
      const signal = AbortSignal.timeout(5 + (i % 40) * 25);
      const init = i % 3 === 0 ? { method: 'POST', body: 'x'.repeat(i % 2 ? 10 : 2000), signal } : { signal };
      return fetch(url, init).then((got) => got.text());
    });
    const results = await Promise.allSettled(calls);
    // A call may have been given up before it arrived.
    await until(() => faults.length === arrived && inFlight() === 0);
    expect(results.some((result) => result.status === 'fulfilled')).toBe(true);
    // Whether a destroyed connection counts as unreachable or as the client's end is decided by who is seen first.
    const kinds = new Set([undefined, 'client-gone', 'broken', 'too-large', 'unreachable']);
    expect([...new Set(faults)].filter((fault) => !kinds.has(fault))).toEqual([]);
    expect(faults).toEqual(expect.arrayContaining([undefined, 'client-gone', 'too-large']));
  });

  it('waits for the beginning of an answer no longer than it may', async () => {
    limits = { headersTimeout: 100, bodyTimeout: 5000 };
    answer = (req) => void req.resume();
    const got = await fetch(url, { method: 'POST', body: 'x' });
    expect([got.status, await got.text()]).toEqual([503, 'timeout']);
  });

  it('ends an answer that has fallen silent', async () => {
    limits = { headersTimeout: 5000, bodyTimeout: 100 };
    answer = (_req, res) => void res.writeHead(200).write('first');
    const got = await fetch(url);
    await expect(got.text()).rejects.toThrow('terminated');
    expect(faults).toEqual(['broken']);
  });

  it('passes informational answers over and the final one on', async () => {
    answer = (_req, res) => {
      res.writeEarlyHints({ link: '</a.css>; rel=preload' });
      res.writeHead(201, { 'x-one': '1' }).end('done');
    };
    const got = await fetch(url);
    expect([got.status, got.headers.get('x-one'), await got.text()]).toEqual([201, '1', 'done']);
  });

  it('passes answers without a body on as such', async () => {
    answer = (req, res) => void res.writeHead(req.url === '/304' ? 304 : 204, { etag: '"a"' }).end();
    for (const status of [204, 304]) {
      const got = await fetch(`${url}/${status}`);
      expect([got.status, await got.text()]).toEqual([status, '']);
    }
    answer = (_req, res) => void res.writeHead(200, { 'content-length': '5' }).end('hello');
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.headers.get('content-length'), await head.text()]).toEqual(['5', '']);
  });
});
