import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../proxy.limits.js';
import { until } from '../../test/stack.fixture.js';
import { UpstreamPools } from './upstream-pools.js';

describe('UpstreamPools', () => {
  it('closes a pool nobody uses any more, and none that is in use', async () => {
    let open = 0;
    const server = createServer((_req, res) => res.end('ok'));
    server.on('connection', (socket) => {
      open += 1;
      socket.on('close', () => (open -= 1));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const pools = new UpstreamPools(40);
    const upstream = pools.acquire(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)!;
    await (await upstream.pool.request({ path: '/', method: 'GET' })).body.dump();
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect([pools.size, open]).toEqual([1, 1]);
    pools.release(upstream);
    await until(() => pools.size === 0 && open === 0);
    await pools.close();
    await new Promise((resolve) => server.close(resolve));
  });

  it('refuses more than one upstream may have in flight', async () => {
    const pools = new UpstreamPools();
    const taken = Array.from({ length: LIMITS.perUpstream }, () => pools.acquire('http://127.0.0.1:9')!);
    expect(pools.acquire('http://127.0.0.1:9')).toBeUndefined();
    expect(pools.acquire('http://127.0.0.1:10')).toBeDefined();
    pools.release(taken[0]!);
    expect(pools.acquire('http://127.0.0.1:9')).toBe(taken[0]);
    await pools.close();
  });
});
