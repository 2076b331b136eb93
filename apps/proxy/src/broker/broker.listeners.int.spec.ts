import { afterEach, describe, expect, it } from 'vitest';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { delay } from '#libs/kernel';
import type { Logger } from '../proxy.log.js';
import { BrokerListeners } from './broker.listeners.js';
import type { BrokerRequests } from './broker.requests.js';

const quiet = Object.fromEntries(['info', 'warn', 'error', 'debug'].map((level) => [level, () => undefined]));
const answering = { handle: (_req: unknown, res: { end(text: string): void }) => res.end('broker') };
const open: BrokerListeners[] = [];

function listeners(): BrokerListeners {
  const made = new BrokerListeners(answering as unknown as BrokerRequests, quiet as unknown as Logger);
  open.push(made);
  return made;
}

async function freePort(): Promise<number> {
  const server = createSocketServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !(await holds()); i += 1) {
    if (i > 1_000) throw new Error('it did not happen in time');
    await delay(10);
  }
}

const places = (broker: BrokerListeners): string[] =>
  broker.addresses.map(({ address, port }) => `${address}:${port}`).sort();
const asked = (place: string): Promise<string> =>
  fetch(`http://${place}/`).then(
    (answer) => answer.text(),
    () => 'refused',
  );

afterEach(() => Promise.all(open.splice(0).map((broker) => broker.close(0))));

describe("the broker's addresses", () => {
  it('listens at the named ones that are its own machine’s, and leaves them when they are not named any more', async () => {
    const broker = listeners();
    await broker.open([], AbortSignal.timeout(10_000));
    const port = await freePort();
    const [one, two] = [`127.0.0.1:${port}`, `127.0.0.2:${port}`];
    broker.follow([one, two, '192.0.2.7:4180']);
    await until(() => places(broker).length === 2);
    expect(await Promise.all([asked(one), asked(two)])).toEqual(['broker', 'broker']);
    broker.follow([two]);
    await until(async () => (await asked(one)) === 'refused');
    expect([places(broker), await asked(two)]).toEqual([[two], 'broker']);
  });

  it('never opens itself to everybody, and ignores what is no address', async () => {
    const broker = listeners();
    const port = await freePort();
    const own = `127.0.0.3:${port}`;
    broker.follow([`0.0.0.0:${port}`, `[::]:${port}`, 'localhost:80', '127.0.0.1', `127.0.0.1:99999`, own]);
    await until(() => places(broker).length > 0);
    expect(places(broker)).toEqual([own]);
  });

  it('keeps the addresses of its configuration, also when they are named and named no more', async () => {
    const broker = listeners();
    const port = await freePort();
    await broker.open([{ host: '127.0.0.1', port }], AbortSignal.timeout(10_000));
    broker.follow([`127.0.0.1:${port}`]);
    broker.follow([]);
    expect([places(broker), await asked(`127.0.0.1:${port}`)]).toEqual([[`127.0.0.1:${port}`], 'broker']);
  });

  it('takes an address that somebody else has as soon as it is free', async () => {
    const other = createServer((_req, res) => res.end('stranger'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const place = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const broker = listeners();
    broker.follow([place]);
    expect(await asked(place)).toBe('stranger');
    other.closeAllConnections();
    await new Promise((resolve) => other.close(resolve));
    await until(async () => (await asked(place)) === 'broker');
  });
});
