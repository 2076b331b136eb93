import { generateBrokerKey, openProviderKey, recipientOf, sealProviderKey } from '#libs/broker-keys';
import type { SealedProviderKey } from '#libs/contracts';
import { RouteTable } from '#libs/routing';
import { createLogger } from '#libs/telemetry';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../test/stack.fixture.js';
import { ControlPlaneCalls } from '../edge/control-plane.calls.js';
import { BrokerKeyFile } from './provider-keys.file.js';
import { ProviderKeyUpkeep } from './provider-keys.upkeep.js';

const [older, current, foreign] = [await generateBrokerKey(), await generateBrokerKey(), await generateBrokerKey()];
const owner = { tenantId: 'ten_a', memberId: 'mem_a', provider: 'anthropic' as const };
const KEY = 'sk-key-of-the-member';
const logs: string[] = [];
const log = createLogger({ name: 'proxy', level: 'debug', destination: { write: (line) => void logs.push(line) } });
const received: {
  path: string;
  credential: string | undefined;
  body: { id: string; version: number; jwe?: string };
}[] = [];
let status = 200;
let server: Server;
let directory: string;

beforeAll(async () => {
  server = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += String(chunk);
    received.push({ path: req.url ?? '', credential: req.headers.authorization, body: JSON.parse(body) });
    res.writeHead(status, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  directory = await mkdtemp(join(tmpdir(), 'wirebot-upkeep-'));
  const keys = [current, older].map((key) => key.privateJwk);
  await writeFile(join(directory, 'broker-keys.json'), JSON.stringify({ keys }), { mode: 0o600 });
});
beforeEach(() => {
  received.length = 0;
  status = 200;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true });
});

async function upkeepOf(...to: (typeof older)[]): Promise<{ upkeep: ProviderKeyUpkeep; keys: SealedProviderKey[] }> {
  const table = new RouteTable();
  const keys = await Promise.all(
    to.map(async (key, at) => {
      const jwe = await sealProviderKey({ ...key.publicJwk, kid: key.kid }, owner, KEY);
      return { id: `sec_${at}`, ...owner, version: 3, jwe };
    }),
  );
  const empty = { tenants: [], agents: [], revocations: [] };
  const base = { type: 'snapshot', epoch: 'e', version: 1, issuer: 'x', jwks: { keys: [] } } as const;
  table.apply({ ...base, ...empty, providerKeys: keys });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const calls = new ControlPlaneCalls(url, async () => 'proxy-secret');
  const file = new BrokerKeyFile(join(directory, 'broker-keys.json'));
  return { upkeep: new ProviderKeyUpkeep({ table, file, calls, log }), keys };
}

describe('the upkeep of own provider keys', () => {
  it('seals what is sealed to an older key to the current one, and nothing else', async () => {
    const { upkeep } = await upkeepOf(older, current, foreign);
    await upkeep.resealOlder();
    expect(received).toMatchObject([
      { path: '/internal/provider-keys/reseal', credential: 'Bearer proxy-secret', body: { id: 'sec_0', version: 3 } },
    ]);
    const { jwe } = received[0]!.body;
    expect(recipientOf(jwe!)).toBe(current.kid);
    expect(await openProviderKey([current], owner, jwe!)).toBe(KEY);
    expect(logs.join('')).toContain('a provider key stays sealed');
  });

  it('tells of a refused key once, and again only when that was not heard', async () => {
    const { upkeep, keys } = await upkeepOf(current);
    status = 503;
    upkeep.refused(keys[0]!);
    await until(() => received.length === 1);
    status = 204;
    await until(() => {
      upkeep.refused(keys[0]!);
      return received.length === 2;
    });
    for (let at = 0; at < 20; at += 1) upkeep.refused(keys[0]!);
    upkeep.refused({ ...keys[0]!, version: 4 });
    await until(() => received.some((call) => call.body.version === 4));
    expect(received.map((call) => call.body)).toEqual([
      { id: 'sec_0', version: 3 },
      { id: 'sec_0', version: 3 },
      { id: 'sec_0', version: 4 },
    ]);
  });

  it('does nothing any more once it was stopped', async () => {
    const { upkeep } = await upkeepOf(older);
    upkeep.start();
    await upkeep.stop();
    await upkeep.resealOlder();
    expect(received).toEqual([]);
  });

  it('shows no key in any log', () => {
    for (const secret of [KEY, older.privateJwk.d!, current.privateJwk.d!]) expect(logs.join('')).not.toContain(secret);
  });
});
