import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agent, delta, snapshot } from './route.fixture.js';
import { RouteFeedClient } from './route-feed.client.js';
import { RouteTable } from './route-table.js';

let server: Server;
let answer: (res: ServerResponse, connect: number) => void;
let connects: number;
let headers: (string | undefined)[];
let stop: AbortController;
let table: RouteTable;
let running: Promise<void>;
let events: string[];

beforeEach(async () => {
  [connects, headers, events, stop, table] = [0, [], [], new AbortController(), new RouteTable()];
  server = createServer((req, res) => {
    connects += 1;
    headers.push(`${req.method} ${req.url} ${req.headers.authorization}`);
    answer(res, connects);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  stop.abort(new Error('the test ends'));
  await running;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const line = (frame: unknown) => `${JSON.stringify(frame)}\n`;

function follow(limits: Record<string, number> = {}): RouteFeedClient {
  const client = new RouteFeedClient({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credential: () => Promise.resolve('secret'),
    table,
    log: (level, event, fields) => events.push(`${level} ${event} ${JSON.stringify(fields)}`),
    limits: { backoffBase: 10, backoffCap: 20, ...limits },
  });
  running = client.run(stop.signal);
  return client;
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i += 1) {
    if (i > 1000) throw new Error(`it did not happen in time: ${events.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('RouteFeedClient', () => {
  it('asks with its credential and applies frames in order, however they are cut', async () => {
    answer = (res) => {
      const text =
        line(snapshot()) + line(delta(1, { agents: { upsert: [agent('b', 'acme')], remove: [] } })) + line(delta(2));
      for (let at = 0; at < text.length; at += 7) res.write(text.slice(at, at + 7));
    };
    const client = follow();
    await until(() => table.position?.version === 3);
    expect(headers).toEqual(['GET /internal/routes Bearer secret']);
    expect([table.agent('agt_b')?.agentId, client.connected, connects]).toEqual(['agt_b', true, 1]);
  });

  it('makes a route usable within milliseconds of its frame, at 10,000 routes', async () => {
    let feed!: ServerResponse;
    const agents = Array.from({ length: 10_000 }, (_, i) => agent(`n${i}`, 'acme'));
    answer = (res) => (feed = res).write(line(snapshot({ agents })));
    follow();
    await until(() => table.size.agents === 10_000);
    const sent = performance.now();
    feed.write(line(delta(1, { agents: { upsert: [agent('new', 'acme')], remove: [] } })));
    while (!table.agent('agt_new')) await new Promise((resolve) => setImmediate(resolve));
    expect(performance.now() - sent).toBeLessThan(50);
  });

  it.each([
    ['a gap', line(delta(5))],
    ['a heartbeat ahead of it', line({ type: 'heartbeat', version: 9, at: '' })],
    ['a frame that is no JSON', '{"type": \n'],
    ['a frame that is not valid', line({ ...delta(1), agents: { upsert: [{}], remove: ['agt_a'] } })],
  ])('reconnects after %s and keeps its table meanwhile', async (_name, text) => {
    const versions: (number | undefined)[] = [];
    answer = (res, connect) => {
      versions.push(table.position?.version);
      res.write(line(snapshot({ version: connect })));
      if (connect === 1) res.write(text);
    };
    follow();
    await until(() => table.position?.version === 2);
    expect(versions).toEqual([undefined, 1]);
    expect(table.agent('agt_a')).toBeDefined();
  });

  it('reconnects when the other side has fallen silent', async () => {
    answer = (res, connect) => res.write(line(snapshot({ version: connect })));
    follow({ silence: 100 });
    await until(() => table.position?.version === 3);
    expect(connects).toBe(3);
  });

  it('reconnects when the other side ends, refuses or is not there, and says so once', async () => {
    answer = (res, connect) => {
      if (connect === 1) res.end(line(snapshot()));
      else if (connect < 4) res.writeHead(503).end();
      else if (connect === 4) res.destroy();
      else res.write(line(snapshot({ version: 2 })));
    };
    follow();
    await until(() => table.position?.version === 2);
    expect(connects).toBe(5);
    expect(events.filter((event) => event.startsWith('warn'))).toHaveLength(1);
    expect(events.join('')).not.toContain('secret');
  });

  it('never lets an older or empty read replace a good table', async () => {
    answer = (res, connect) => {
      const bad = [snapshot({ version: 4, agents: [] }), snapshot({ version: 6, tenants: [], agents: [] })][
        connect - 2
      ];
      res.write(line(bad ?? snapshot({ version: connect === 1 ? 5 : 7 })));
      if (connect === 1) res.end();
    };
    const sizes: number[] = [];
    const watch = setInterval(() => sizes.push(table.size.agents), 1);
    follow();
    await until(() => table.position?.version === 7);
    clearInterval(watch);
    expect(sizes.lastIndexOf(0)).toBeLessThan(sizes.indexOf(2));
    expect(connects).toBe(4);
  });

  it('ends at once when it is told to, while connected and while waiting', async () => {
    answer = (res) => res.write(line(snapshot()));
    follow({ backoffBase: 60_000, backoffCap: 60_000 });
    await until(() => table.position !== undefined);
    server.closeAllConnections();
    await until(() => events.some((event) => event.includes('lost')));
    stop.abort(new Error('enough'));
    await running;
    expect(connects).toBe(1);
  });
});
