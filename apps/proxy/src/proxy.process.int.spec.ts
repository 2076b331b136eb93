import { stat, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { agentRoute, id, Stack, until } from '../test/stack.fixture.js';

const C = id('agt', 'c');
let stack: Stack;
afterEach(() => stack.stop());

const status = async (path: string) => (await fetch(`${stack.url}${path}`)).status;
const health = (agent: string) => status(`/t/acme/a/${agent}/health`);

describe('routes', () => {
  it('are usable within milliseconds of their delta', async () => {
    stack = await new Stack().start();
    expect(await health(C)).toBe(404);
    const upsert = [agentRoute('c', 'acme', stack.gateway.port)];
    stack.control.send({ type: 'delta', from: 1, version: 2, agents: { upsert, remove: [] } });
    await until(async () => (await health(C)) === 200, 500);
    stack.control.send({ type: 'delta', from: 2, version: 3, agents: { upsert: [], remove: [C] } });
    await until(async () => (await health(C)) === 404, 500);
  });

  it('survive a cold start without the control plane', async () => {
    stack = await new Stack().start();
    await stack.proxy.stop();
    await stack.control.stop();
    const file = join(stack.directory, 'proxy', 'routes.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await stack.startProxy();
    const token = await stack.token('a');
    const answer = await fetch(`${stack.url}/t/acme/chat`, {
      method: 'POST',
      body: '{}',
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(200);
    const ready = (await (await fetch(`${stack.url}/ready`)).json()) as { routes: { feed: string } };
    expect(ready.routes.feed).toBe('down');
  });

  it('stay as they are when the control plane goes away, and follow it when it is back', async () => {
    stack = await new Stack().start();
    await stack.control.stop();
    expect(await health(id('agt', 'a'))).toBe(200);
    const port = stack.control.port;
    stack.agents.push(agentRoute('c', 'acme', stack.gateway.port));
    stack.version = 2;
    await stack.control.restart(port);
    await until(async () => (await health(C)) === 200, 10_000);
  });

  it('are fetched anew after a gap', async () => {
    stack = await new Stack().start();
    expect(stack.control.connects).toBe(1);
    stack.agents.push(agentRoute('c', 'acme', stack.gateway.port));
    stack.version = 7;
    stack.control.send({ type: 'delta', from: 6, version: 7, agents: { upsert: [], remove: [] } });
    await until(async () => (await health(C)) === 200);
    expect(stack.control.connects).toBe(2);
  });

  it('do not come from a damaged copy on disk, which is said and survived', async () => {
    stack = await new Stack().start();
    await stack.proxy.stop();
    const file = join(stack.directory, 'proxy', 'routes.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('acme Inc.', 'evil Inc.'));
    await stack.control.stop();
    stack.logs.length = 0;
    const starting = stack.startProxy();
    await until(() => stack.logs.some((line) => line.includes('proxy listening')));
    expect(stack.logs.join('')).toContain('route table on disk is damaged and was ignored');
    expect((await fetch(`${stack.url}/t/acme/brand.json`)).status).toBe(503);
    expect(await status('/ready')).toBe(503);
    await stack.control.restart(stack.control.port);
    await starting;
    expect(await status('/t/acme/brand.json')).toBe(200);
  });

  it('are not asked for without the credential, which may appear later', async () => {
    stack = new Stack();
    stack.credential = 'wrong';
    const starting = stack.start();
    await until(() => stack.logs.some((line) => line.includes('answered 401')));
    await writeFile(join(stack.directory, 'proxy-credential'), 'proxy-secret');
    await starting;
    expect(await status('/ready')).toBe(200);
    expect(stack.logs.join('')).not.toContain('proxy-secret');
  });
});
